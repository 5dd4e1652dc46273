"""Public lighting: what it draws, and whether its lamps burn when they ought to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["lighting_w"]

_NONE = "there is no public lighting"
_DAY = "no lamp ought to burn"


def lighting_w(run: Run) -> pd.Series:
    """Return what all public lighting draws [W], by ``t_ms``; empty where there is none."""
    frame = run.columns("lighting", "t_ms", "p_w")
    return frame.groupby("t_ms")["p_w"].sum()


def _hours(run: Run, *columns: str) -> pd.DataFrame:
    """Return columns of all segments times the length of their interval, summed by feeder."""
    frame = run.columns("lighting", "t_ms", "segment", *columns)
    feeder = frame["segment"].astype(str).str.rsplit("/", n=1).str[0]
    hours = run.hours(frame["t_ms"])
    return frame[list(columns)].mul(hours, axis=0).groupby(feeder.to_numpy()).sum()


def _by(values: pd.Series) -> dict[str, float]:
    return {str(feeder): float(value) for feeder, value in values.items()}


@kpi("Wh", "lighting", Up.BAD)
def lighting_wh(run: Run) -> Outcome:
    """Energy that public lighting draws, its cables and gear included; by feeder."""
    energy = _hours(run, "p_w")["p_w"]
    if energy.empty:
        return nothing(_NONE)
    return Outcome(float(energy.sum()), by=_by(energy))


@kpi("%", "lighting", Up.GOOD)
def lamp_availability_percent(run: Run) -> Outcome:
    """Lamp-hours that were lit, of those that the plan or a command asked for; by feeder. A lamp
    that warms up is lit; one that burns unasked counts nothing.
    """
    hours = _hours(run, "due", "dark")
    if hours.empty:
        return nothing(_NONE)
    hours = hours[hours["due"] > 0.0]
    if hours.empty:
        return nothing(_DAY)
    total = hours.sum()
    by = 100.0 * (1.0 - hours["dark"] / hours["due"])
    return Outcome(float(100.0 * (1.0 - total["dark"] / total["due"])), by=_by(by))


@kpi("h", "lighting", Up.BAD)
def lamp_hours_unasked_h(run: Run) -> Outcome:
    """Lamp-hours that were lit though neither plan nor command asked for them, as behind a
    contactor that sticks; by feeder where there are any.
    """
    hours = _hours(run, "due", "dark", "lit")
    if hours.empty:
        return nothing(_NONE)
    unasked = (hours["lit"] - (hours["due"] - hours["dark"])).clip(lower=0.0)
    return Outcome(float(unasked.sum()), by=_by(unasked[unasked > 1e-9]))
