"""Maintenance of units: packages on their way, confirmed, rolled back, refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["changes"]

_NONE = "there was no package"


def changes(run: Run) -> pd.DataFrame:
    """Return one row per unit and package that it took: last ``phase``, when that was [s]."""
    event = run.columns("event", "t_us", "kind", "element", "value")
    event = event[(event["kind"] == "module_state").to_numpy()]
    states = [json.loads(text) for text in event["value"]]
    frame = pd.DataFrame(
        {
            "unit": event["element"].astype(str).to_numpy(),
            "serial": [state["serial"] for state in states],
            "phase": [state["phase"] for state in states],
            "t_s": event["t_us"].to_numpy() / 1e6,
        }
    )
    # a confirmed package is told again at each restart
    first = frame.drop_duplicates(["unit", "serial", "phase"], keep="first")
    return first.drop_duplicates(["unit", "serial"], keep="last").reset_index(drop=True)


def _published(run: Run) -> dict[int, float]:
    """Return when each package was put in at the top [s], by serial."""
    event = run.columns("event", "t_us", "kind", "value")
    event = event[(event["kind"] == "update_published").to_numpy()]
    serials = [json.loads(text)["package"] + 1 for text in event["value"]]
    begins: dict[int, float] = {}
    for serial, t_s in zip(serials, event["t_us"].to_numpy() / 1e6, strict=True):
        begins.setdefault(serial, float(t_s))
    return begins


@kpi("1", "maintenance")
def updates(run: Run) -> Outcome:
    """Packages that units took and what became of them, by phase: confirmed, rolled back, reset,
    or still on trial at the end.
    """
    if not _published(run):
        return nothing(_NONE)
    phases = changes(run)["phase"].value_counts()
    return Outcome(int(phases.sum()), by={str(k): int(v) for k, v in sorted(phases.items())})


@kpi("1", "maintenance", Up.BAD)
def updates_refused(run: Run) -> Outcome:
    """Refusals of packages: not signed as they must be, altered, or older than what is there."""
    if not _published(run):
        return nothing(_NONE)
    event = run.columns("event", "kind", "value")
    event = event[(event["kind"] == "update_refused").to_numpy()]
    grounds = pd.Series([json.loads(text)["why"] for text in event["value"]], dtype=str)
    counts = grounds.value_counts()
    return Outcome(len(grounds), by={str(k): int(v) for k, v in sorted(counts.items())})


@kpi("s", "maintenance", Up.BAD)
def update_time_s(run: Run) -> Outcome:
    """Mean time from a package's publication to its confirmation at a unit, by package; the time
    of the trial is part of it.
    """
    begins, frame = _published(run), changes(run)
    if not begins:
        return nothing(_NONE)
    frame = frame[(frame["phase"] == "confirmed").to_numpy()]
    if frame.empty:
        return nothing("no package was confirmed")
    took_s = frame["t_s"] - frame["serial"].map(begins)
    means = took_s.groupby(frame["serial"]).mean()
    by = {str(serial): float(value) for serial, value in means.items()}
    return Outcome(float(took_s.mean()), by=by)
