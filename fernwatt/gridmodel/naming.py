"""Areas and identifiers of a grid's elements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fernwatt.identifiers import slug

__all__ = ["area_kind", "bus_areas", "identifiers"]

_PREFIX = re.compile(r"^(?:(?:ehv|hv|mv|lv)\d+(?:\.\d+)?(?:-\d+)?(?:[ _-]+|$))+", re.IGNORECASE)


def area_kind(vn_kv: float) -> str:
    """Return the voltage level of a nominal voltage [kV]: lv, mv, hv or ehv."""
    if vn_kv <= 1.0:
        return "lv"
    if vn_kv < 60.0:
        return "mv"
    return "hv" if vn_kv < 200.0 else "ehv"


def bus_areas(tables: Mapping[str, pd.DataFrame]) -> dict[int, str]:
    """Return the area of each bus, by its index.

    Buses belong together that lines and bus-bus switches join, open or closed, and that the
    source gives the same ``subnet`` (its first part: ``MV2.101`` of ``MV2.101_Feeder4``). Parts
    without a name are called ``lv1``, ``mv1``, … in the order of the source.
    """
    bus = tables["bus"]
    part = _parts(tables)
    own = [slug(subnet.split("_")[0]) if subnet else "" for subnet in bus["subnet"]]
    votes: dict[int, Counter[str]] = {}
    for token, group in zip(own, part, strict=True):
        if token:
            votes.setdefault(group, Counter())[token] += 1
    tokens = [
        token or (min(votes[group].items(), key=lambda kv: (-kv[1], kv[0]))[0] if group in votes
                  else "")
        for token, group in zip(own, part, strict=True)
    ]  # fmt: skip
    taken = set(tokens)
    areas: dict[tuple[str, int], str] = {}
    used: set[str] = set()
    for token, group, vn_kv in zip(tokens, part, bus["vn_kv"], strict=True):
        if (token, group) not in areas:
            name = token if token else _numbered(area_kind(vn_kv), taken | used)
            while name in used:
                name = _numbered(f"{token}-", taken | used)
            used.add(name)
            areas[token, group] = name
    return {
        int(index): areas[token, group]
        for index, token, group in zip(bus.index, tokens, part, strict=True)
    }


def _parts(tables: Mapping[str, pd.DataFrame]) -> list[int]:
    """Return for each bus the number of its galvanically joined part."""
    row = {index: number for number, index in enumerate(tables["bus"].index)}
    ties = tables["switch"][tables["switch"]["et"] == "b"]
    a = [row[i] for i in [*tables["line"]["from_bus"], *ties["bus"]]]
    b = [row[i] for i in [*tables["line"]["to_bus"], *ties["element"]]]
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(row), len(row)))
    return [int(group) for group in connected_components(graph, directed=False)[1]]


def _numbered(stem: str, taken: Iterable[str]) -> str:
    known = set(taken)
    number = 2 if stem.endswith("-") else 1
    while f"{stem}{number}" in known:
        number += 1
    return f"{stem}{number}"


def identifiers(kind: str, names: Sequence[str], areas: Sequence[str]) -> list[str]:
    """Return ``kind/area/name`` for each element, all different.

    The area's name is taken off the element's; elements without a name are numbered, and what
    is left equal gets ``-2``, ``-3``, … in the order given.
    """
    out: list[str] = []
    used: set[str] = set()
    for number, (name, area) in enumerate(zip(names, areas, strict=True)):
        stem = _PREFIX.sub("", name.strip()) or name
        part = slug(stem) if stem.strip() else f"{kind}-{number}"
        candidate, count = f"{kind}/{area}/{part}", 2
        while candidate in used:
            candidate, count = f"{kind}/{area}/{part}-{count}", count + 1
        used.add(candidate)
        out.append(candidate)
    return out
