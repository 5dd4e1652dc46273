"""Which link technologies lie between two units, by the topology of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["technologies_between", "way_of_messages"]

UNKNOWN = "unknown"
Pair = tuple[str, str]
_ENDS = ("a", "b", "station")


def technologies_between(network: Mapping[str, Any], pairs: Iterable[Pair]) -> dict[Pair, str]:
    """Return the technologies on the way with the fewest hops between nodes, in order.

    ``network`` is that of ``topology.json``. A technology that follows itself is named once:
    ``zigbee-han + plc-prime``. Where nothing joins the two it is ``unknown``.
    """
    carriers = _carriers(network)
    at: dict[str, list[int]] = {}
    for number, (_, members) in enumerate(carriers):
        for member in members:
            at.setdefault(member, []).append(number)
    pairs = sorted(set(pairs))
    count = Counter(end for pair in pairs for end in pair)
    by_hub: dict[str, list[Pair]] = {}
    for src, dst in pairs:  # a hub is searched from once for all who talk to it
        by_hub.setdefault(max((src, dst), key=lambda end: (count[end], end)), []).append((src, dst))
    found = {}
    for hub, some in sorted(by_hub.items()):
        before = _reached(hub, carriers, at)
        for src, dst in some:
            steps = _steps(src if dst == hub else dst, hub, carriers, before)
            found[src, dst] = _text(steps if dst == hub else steps[::-1])
    return found


def _carriers(network: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return technology and nodes of each link, medium and cell, in order of identifiers."""
    items = [item for part in ("media", "links", "cells") for item in network.get(part) or []]
    return [
        (
            str(item["technology"]),
            [*(item.get("members") or []), *(item[end] for end in _ENDS if item.get(end))],
        )
        for item in sorted(items, key=lambda item: str(item["id"]))
    ]


def _reached(
    hub: str, carriers: list[tuple[str, list[str]]], at: Mapping[str, list[int]]
) -> dict[str, tuple[str, int]]:
    """Return for each node the next one towards the hub, and the carrier between them."""
    before: dict[str, tuple[str, int]] = {hub: ("", -1)}
    front, done = [hub], set[int]()
    while front:
        following = []
        for node in front:
            for number in at.get(node, ()):
                if number in done:
                    continue
                done.add(number)
                for member in carriers[number][1]:
                    if member not in before:
                        before[member] = (node, number)
                        following.append(member)
        front = following
    return before


def _steps(
    node: str, hub: str, carriers: list[tuple[str, list[str]]],
    before: Mapping[str, tuple[str, int]],
) -> list[str]:  # fmt: skip
    steps: list[str] = []
    while node != hub and node in before:
        node, number = before[node]
        steps.append(carriers[number][0])
    return steps if node == hub else []


def _text(steps: list[str]) -> str:
    kept = [step for number, step in enumerate(steps) if number == 0 or steps[number - 1] != step]
    return " + ".join(kept) or UNKNOWN


def way_of_messages(run: Run) -> pd.Series:
    """Return the technologies between sender and receiver of each message."""
    frame = run.columns("message", "src", "dst")
    src, dst = frame["src"].cat, frame["dst"].cat
    size = max(1, len(dst.categories))
    code = src.codes.to_numpy().astype(np.int64) * size + dst.codes.to_numpy()
    distinct, which = np.unique(code, return_inverse=True)
    pairs = [(str(src.categories[k // size]), str(dst.categories[k % size])) for k in distinct]
    ways = technologies_between(run.topology.get("network") or {}, pairs)
    names = sorted(set(ways.values()))
    rank = np.array([names.index(ways[pair]) for pair in pairs], dtype=np.int64)
    codes = rank[which] if len(which) else which
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(names, dtype=object)))
