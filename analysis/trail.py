"""The trail of causes: from a KPI, a device's state or an identifier back to what began it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.records import Record, Records
from analysis.run import Run
from analysis.text import delay_text, number, text_table, time_text
from fernwatt.errors import UsageError

__all__ = ["Node", "Trail", "explain"]

WIDTH, NODES = 6, 400
_LONG, _HEAD, _TAIL = 8, 3, 2  # of a row of messages: how many it takes to fold it, what stays
_SPANS = frozenset({"device", "kpi"})
_AT = re.compile(r"(?P<element>[^@]+)@(?P<time>.+)")


@dataclass(slots=True)
class Node:
    """One thing that happened, with what made it happen.

    ``delay_us`` is the time from its latest cause to it, None where either is unknown;
    ``more`` counts causes left out, ``seen`` says that its causes stand elsewhere in the tree.
    """

    id: str
    t_us: int | None
    kind: str
    text: str
    causes: list[Node] = field(default_factory=list)
    more: int = 0
    seen: bool = False

    @property
    def delay_us(self) -> int | None:
        """Time from the latest of the causes shown to this; None for a mean over an interval."""
        if self.kind in _SPANS:
            return None
        times = [cause.t_us for cause in self.causes if cause.t_us is not None]
        return None if self.t_us is None or not times else self.t_us - max(times)

    def plain(self) -> dict[str, Any]:
        """Return the tree as JSON values."""
        return {
            "id": self.id, "t_us": self.t_us, "kind": self.kind, "text": self.text,
            "delay_us": self.delay_us, "more": self.more, "seen": self.seen,
            "causes": [cause.plain() for cause in self.causes],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trail:
    """What was asked, and the tree that answers it."""

    what: str
    root: Node

    def plain(self) -> dict[str, Any]:
        """Return the trail as JSON values."""
        return {"what": self.what, "trail": self.root.plain()}

    def text(self) -> str:
        """Return the tree, one line per thing, causes below what they caused."""
        lines = [_line(self.root)]
        _branches(self.root, "", lines)
        return "\n".join(lines)

    def nodes(self) -> list[Node]:
        """Return all things in the tree, in order of time."""
        found, pending = [], [self.root]
        while pending:
            node = pending.pop()
            found.append(node)
            pending.extend(node.causes)
        timed = [node for node in found if node.t_us is not None]
        return sorted(timed, key=lambda node: (node.t_us or 0, node.id))

    def table(self) -> str:
        """Return the things in order of time, each once, as a table."""
        rows, known = [], set()
        for node in self.nodes():
            if node.id not in known:
                known.add(node.id)
                delay = "" if node.delay_us is None else delay_text(node.delay_us)
                rows.append([time_text(node.t_us or 0), node.kind, node.text, delay])
        return text_table(["time", "kind", "what", "after"], rows)


def _line(node: Node) -> str:
    time = "" if node.t_us is None else f"{time_text(node.t_us)}  "
    delay = "" if node.delay_us is None else f"  (+{delay_text(node.delay_us)})"
    seen = "  [shown elsewhere]" if node.seen else ""
    return f"{time}{node.text}{delay}{seen}"


def _branches(node: Node, indent: str, lines: list[str]) -> None:
    rest = [f"… and {node.more} more"] if node.more else []
    last = len(node.causes) + len(rest) - 1
    for number_, cause in enumerate(node.causes):
        lines.append(f"{indent}{'└─' if number_ == last else '├─'} {_line(cause)}")
        _branches(cause, indent + ("   " if number_ == last else "│  "), lines)
    lines.extend(f"{indent}└─ {text}" for text in rest)


def explain(folder: Path | str | Run, what: str, *, width: int = WIDTH) -> Trail:
    """Follow causes back from ``what``.

    ``what`` is an identifier (event, command, message, request, reading), ``element@time``
    (``ev/lv1/c3@18:15``, ``@2016-04-20T18:15:00Z``, ``@64800s``: the last thing that happened to
    the element until then), or the name of a KPI. At most ``width`` causes are shown of each.
    Raises UsageError where nothing of that name is known.
    """
    run = folder if isinstance(folder, Run) else Run(folder)
    records = Records(run)
    if records.find(what):
        return Trail(what, grow(records, what, width))
    if what in run.kpis:
        return Trail(what, _of_kpi(run, records, what, width))
    match = _AT.fullmatch(what)
    if match:
        t_us = _time_us(run, match["time"])
        return Trail(what, _of_element(records, match["element"], t_us, width))
    raise UsageError(
        f"{what!r} is no identifier, KPI or element@time of {run.folder}; identifiers are in the "
        "columns 'id' of events and messages, KPIs in kpis.json"
    )


def grow(records: Records, root: str, width: int, opened: set[str] | None = None) -> Node:
    """Return the tree of causes of an identifier, breadth first, each thing opened once.

    The latest causes stand first: they are what the rest waited for. Long rows of messages, each
    the only cause of the one before, are folded. ``opened`` holds what other trees of the same
    trail have opened already.
    """
    top = _node(records.find(root), root)
    opened = set() if opened is None else opened
    if root in opened:
        top.seen = bool(records.causes(root))
        return top
    opened.add(root)
    pending = [top]
    while pending:
        node = pending.pop(0)
        causes = [cause for cause in records.causes(node.id) if cause != node.id]
        known = [_node(records.find(cause), cause) for cause in causes]
        known.sort(key=lambda child: -math.inf if child.t_us is None else child.t_us, reverse=True)
        node.more = max(0, len(known) - width)
        node.causes = known[:width]
        for child in node.causes:
            if child.id in opened or len(opened) >= NODES:
                child.seen = bool(records.causes(child.id))
            else:
                opened.add(child.id)
                pending.append(child)
    _fold(top)
    return top


def _fold(top: Node) -> None:
    """Put one line in place of the middle of a long row of messages."""
    pending = [top]
    while pending:
        row = [pending.pop()]
        while row[-1].kind == "message" and len(row[-1].causes) == 1 and not row[-1].more:
            row.append(row[-1].causes[0])
        if len(row) > _LONG:
            middle = row[_HEAD : len(row) - _TAIL]
            text = f"… {len(middle)} messages, each because of the one below"
            name = f"{middle[0].id} … {middle[-1].id}"
            folded = Node(name, middle[0].t_us, "messages", text, causes=[row[-_TAIL]])
            row[_HEAD - 1].causes = [folded]
        pending.extend(row[-1].causes)


def _node(found: list[Record], identifier: str) -> Node:
    if not found:
        return Node(identifier, None, "unknown", f"{identifier} (not recorded)")
    first = found[0]
    return Node(identifier, first.t_us, first.kind, "; ".join(record.text for record in found))


def _time_us(run: Run, text: str) -> int:
    clock = re.fullmatch(r"(\d{1,3}):(\d{2})(?::(\d{2}(?:\.\d+)?))?", text)
    seconds = re.fullmatch(r"(\d+(?:\.\d+)?)\s*s?", text)
    if clock:
        hours, minutes, rest = clock.groups()
        return round((int(hours) * 3600 + int(minutes) * 60 + float(rest or 0)) * 1e6)
    if seconds:
        return round(float(seconds[1]) * 1e6)
    try:
        instant = pd.Timestamp(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no time: write 18:15 (since the start), 64800s, or 2016-04-20T18:15Z"
        ) from error
    instant = instant.tz_localize("UTC") if instant.tzinfo is None else instant
    return round((instant - pd.Timestamp(run.start)).total_seconds() * 1e6)


def _of_element(
    records: Records, element: str, t_us: int, width: int, opened: set[str] | None = None
) -> Node:
    last = records.last_of(element, t_us)
    top = Node(f"{element}@{t_us}", t_us, "element", f"{element} at {time_text(t_us)}")
    if last is None:
        if not records.knows(element):
            raise UsageError(f"nothing is recorded of {element!r}")
        top.text += ": nothing had happened to it"
    else:
        top.causes.append(grow(records, last, width, opened))
    return top


_DELAY = frozenset({"message_delay_p50_ms", "message_delay_p95_ms", "message_delay_p99_ms",
                    "message_delay_mean_ms", "late_messages_percent"})  # fmt: skip
_LOSS = frozenset({"messages_lost", "delivery_percent"})
_SESSION = frozenset({"ev_not_served_wh", "ev_not_served_percent", "ev_short_percent"})


def _of_kpi(run: Run, records: Records, name: str, width: int) -> Node:
    entry = run.kpis[name]
    text = f"{name} = {number(entry['value'], entry['unit'])}"
    t_ms = entry.get("t_ms")
    where = f" at {entry['element']}" if entry.get("element") else ""
    when = f", {time_text(t_ms * 1000)}" if t_ms is not None else ""
    top = Node(name, None if t_ms is None else t_ms * 1000, "kpi", text + where + when)
    opened: set[str] = set()
    if name in _DELAY or name in _LOSS:
        chosen = records.slowest(width) if name in _DELAY else records.lost(width)
        top.causes = [grow(records, identifier, width, opened) for identifier in chosen]
    elif name in _SESSION:
        for device, t_us in _short_sessions(run, width):
            top.causes.append(_of_element(records, device, t_us, width, opened))
    elif t_ms is not None:
        _contributors(run, records, top, t_ms, width)
    else:
        raise UsageError(
            f"{name} is a sum over the whole run; explain one with a time or a culprit: "
            "peak_import_w, voltage_min_pu, message_delay_p99_ms, messages_lost, ev_not_served_wh"
        )
    return top


def _contributors(run: Run, records: Records, top: Node, t_ms: int, width: int) -> None:
    """Hang the devices with the largest power of the interval below a KPI with a time."""
    frame = run.columns("device", "t_ms", "device", "p_w")
    begin = t_ms // run.interval_ms * run.interval_ms
    now = frame[(frame["t_ms"] == begin).to_numpy()]
    sign = -1.0 if top.id in {"peak_export_w", "voltage_max_pu"} else 1.0
    opened: set[str] = set()
    order = np.argsort(-sign * now["p_w"].to_numpy(), kind="stable")
    ranked = [int(row) for row in order if sign * now["p_w"].iloc[row] > 0.0]
    end_us = (begin + run.interval_ms) * 1000 - 1
    for row in ranked[:width]:
        device, p_w = str(now["device"].iloc[row]), float(now["p_w"].iloc[row])
        child = Node(f"{device}@{begin}", begin * 1000, "device", f"{device} {number(p_w, 'W')}")
        last = records.last_of(device, end_us)
        if last is not None:
            child.causes.append(grow(records, last, width, opened))
        top.causes.append(child)
    top.more = max(0, len(ranked) - width)


def _short_sessions(run: Run, width: int) -> list[tuple[str, int]]:
    frame = run.columns("session", "device", "departure_ms", "requested_wh", "delivered_wh")
    missing = (frame["requested_wh"] - frame["delivered_wh"]).to_numpy()
    rows = [row for row in np.argsort(-missing, kind="stable") if missing[row] > 0.0]
    return [
        (str(frame["device"].iloc[row]), int(frame["departure_ms"].iloc[row]) * 1000)
        for row in rows[:width]
    ]
