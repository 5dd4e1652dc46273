"""Generators and stores as the units above them see them: what could be counted on, what failed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__: list[str] = []

_NONE = "nobody summed up generators and stores"


def _told(run: Run, kind: str) -> list[tuple[str, dict[str, Any]]]:
    event = run.columns("event", "kind", "element", "value")
    event = event[(event["kind"] == kind).to_numpy()]
    return [
        (str(element), json.loads(text))
        for element, text in zip(event["element"], event["value"], strict=True)
    ]


def _kind(element: str) -> str:
    return element.partition("/")[0]


@kpi("%", "services", Up.GOOD)
def der_available_percent(run: Run) -> Outcome:
    """Share of generators and stores with a unit of their own that could be counted on, mean of all
    summaries; by level of the unit that summed up.
    """
    parts: dict[str, list[int]] = {}
    for element, value in _told(run, "der_summary"):
        if value["units"]:
            held = parts.setdefault(_kind(element), [0, 0])
            held[0] += int(value["available"])
            held[1] += int(value["units"])
    if not parts:
        return nothing(_NONE)
    by = {kind: 100.0 * good / every for kind, (good, every) in sorted(parts.items())}
    good, every = (sum(held[k] for held in parts.values()) for k in (0, 1))
    return Outcome(100.0 * good / every, by=by)


@kpi("1", "services", Up.BAD)
def der_problems(run: Run) -> Outcome:
    """Problems with generators and stores that units noticed, by kind: reverse flow, voltage rise,
    feed-in lost, a unit silent or with an alarm.
    """
    if not _told(run, "der_summary"):
        return nothing(_NONE)
    by: dict[str, int] = {}
    for _, value in _told(run, "der_problem"):
        if value["active"]:
            by[value["kind"]] = by.get(value["kind"], 0) + 1
    return Outcome(sum(by.values()), by=dict(sorted(by.items())))
