"""How well planned devices kept to their plans, and who had the last word on them instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

_NONE = "customers have no say in balancing, or nothing was planned"


@kpi("W", "services", Up.BAD)
def plan_deviation_w(run: Run) -> Outcome:
    """Mean distance of planned devices from their plans, over the quarter-hours in which nothing
    else was asked of them, nor did they hold their house by a clamp; by kind of device.
    """
    frame = run.series("deviation")
    free = frame[(frame["why"].astype(str) == "").to_numpy()]
    if free.empty:
        return nothing(_NONE)
    far_w = (free["measured_w"] - free["planned_w"]).abs()
    kinds = far_w.groupby(free["device"].astype(str).str.partition("/")[0]).mean()
    return Outcome(float(far_w.mean()), by={str(kind): float(w) for kind, w in kinds.items()})


@kpi("1", "services", Up.NEITHER)
def plan_interventions(run: Run) -> Outcome:
    """Number of quarter-hours of devices that were told other than planned, by what it was:
    override (a person), sure (a limit of the customer's, upwards), grid (a set-point from above),
    reserve and limit (of the customer's, downwards).
    """
    frame = run.series("deviation")
    if frame.empty:
        return nothing(_NONE)
    why = frame["why"].astype(str)
    counts = why[~why.isin(["", "hold"])].value_counts().sort_index()
    return Outcome(int(counts.sum()), by={str(name): int(n) for name, n in counts.items()})
