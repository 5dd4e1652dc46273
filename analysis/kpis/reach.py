"""What units could not take or reach: too much at once, and units above that were gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["messages_shed", "units_cut_off_s"]


def _told(run: Run, kind: str) -> list[tuple[str, float, dict[str, object]]]:
    """Return unit, time [s] and value of the events of a kind, by time."""
    event = run.columns("event", "t_us", "kind", "element", "value")
    event = event[(event["kind"] == kind).to_numpy()]
    values = [json.loads(text) for text in event["value"]]
    names = event["element"].astype(str)
    return list(zip(names, event["t_us"].to_numpy() / 1e6, values, strict=True))


@kpi("1", "services", Up.BAD)
def messages_shed(run: Run) -> Outcome:
    """Messages that full queues dropped, and requests refused as ``overloaded``, by class and
    fate.
    """
    by: dict[str, int] = {}
    for _, _, lost in _told(run, "overload_over"):
        for what, count in lost.items():
            by[what] = by.get(what, 0) + int(str(count))
    if not by:
        return nothing("no unit was overloaded")
    return Outcome(sum(by.values()), by=dict(sorted(by.items())))


@kpi("s", "services", Up.BAD)
def units_cut_off_s(run: Run) -> Outcome:
    """Time for which units said that one above them did not answer, all together and by their kind;
    until the end of the run where they heard no more of it.
    """
    lost = _told(run, "parent_unreachable")
    if not lost:
        return nothing("every unit that asked was answered")
    back = {(unit, value["unit"], t_s) for unit, t_s, value in _told(run, "parent_back")}
    end_s = run.duration_ms / 1000.0
    by: dict[str, float] = {}
    for unit, since_s, value in lost:
        ends = [t_s for name, above, t_s in back if (name, above) == (unit, value["unit"])]
        until_s = min([t_s for t_s in ends if t_s >= since_s], default=end_s)
        kind = unit.partition("/")[0]
        by[kind] = by.get(kind, 0.0) + until_s - since_s
    return Outcome(sum(by.values()), by=dict(sorted(by.items())))
