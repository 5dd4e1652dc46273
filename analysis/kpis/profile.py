"""The power profile at the upstream grid: its peaks and its shape, by quarters of an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.energy import end_state_wh
from analysis.kpis.registry import Outcome, Up, kpi, nothing
from fernwatt.timebase import DAY_MS, HOUR_MS, SLOT_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["slot_profile"]

_EMPTY = "nothing was recorded"


def slot_profile(run: Run) -> pd.DataFrame:
    """Return the mean import ``p_w`` of each quarter of an hour and its length ``h``, by ``t_ms``.

    Recording intervals longer than that are taken as they are.
    """
    frame = run.columns("system", "t_ms", "p_import_w")
    h = run.hours(frame["t_ms"])
    slots = frame["t_ms"] // SLOT_MS * SLOT_MS if run.interval_ms < SLOT_MS else frame["t_ms"]
    sums = pd.DataFrame({"t_ms": slots, "wh": frame["p_import_w"] * h, "h": h})
    sums = sums[h > 0.0].groupby("t_ms").sum()
    return pd.DataFrame({"p_w": sums["wh"] / sums["h"], "h": sums["h"]})


def _extreme(p_w: pd.Series) -> Outcome:
    if p_w.empty:
        return nothing(_EMPTY)
    row = int(np.argmax(p_w.to_numpy()))
    return Outcome(max(0.0, float(p_w.iloc[row])), t_ms=int(p_w.index[row]))


@kpi("W", "profile", Up.BAD)
def peak_import_w(run: Run) -> Outcome:
    """Highest mean import of a quarter of an hour, with its time."""
    return _extreme(slot_profile(run)["p_w"])


@kpi("W", "profile", Up.BAD)
def peak_settled_w(run: Run) -> Outcome:
    """Peak import if what the run leaves to later (end_state_wh) had been drawn within it, evenly:
    no run has a lower peak for charging less. What it has left over lowers nothing.
    """
    peak_w, left_wh = peak_import_w(run).value, end_state_wh(run).value
    if peak_w is None or left_wh is None or run.duration_ms <= 0:
        return nothing(_EMPTY)
    return Outcome(peak_w + max(0.0, -left_wh) * HOUR_MS / run.duration_ms)


@kpi("W", "profile", Up.BAD)
def peak_export_w(run: Run) -> Outcome:
    """Highest mean export of a quarter of an hour, with its time."""
    return _extreme(-slot_profile(run)["p_w"])


@kpi("W", "profile", Up.BAD)
def daily_peak_w(run: Run) -> Outcome:
    """Mean over the days (UTC) of each day's highest import of a quarter of an hour."""
    p_w = slot_profile(run)["p_w"]
    if p_w.empty:
        return nothing(_EMPTY)
    midnight_ms = int(run.start.timestamp() * 1000) % DAY_MS
    days = (p_w.index.to_numpy() + midnight_ms) // DAY_MS
    return Outcome(float(p_w.groupby(days).max().clip(lower=0.0).mean()))


@kpi("1", "profile", Up.GOOD)
def load_factor(run: Run) -> Outcome:
    """Mean import over peak import, by quarters of an hour; export counts as no import."""
    frame = slot_profile(run)
    p_w = frame["p_w"].clip(lower=0.0)
    if frame.empty or p_w.max() <= 0.0:
        return nothing("nothing was imported")
    return Outcome(float(np.average(p_w, weights=frame["h"]) / p_w.max()))


@kpi("W", "profile", Up.BAD)
def profile_norm_w(run: Run) -> Outcome:
    """2-norm of the import by quarters of an hour about its mean: what steering flattens."""
    p_w = slot_profile(run)["p_w"]
    if p_w.empty:
        return nothing(_EMPTY)
    return Outcome(float(np.linalg.norm(p_w - p_w.mean())))


@kpi("W", "profile", Up.BAD)
def profile_std_w(run: Run) -> Outcome:
    """Standard deviation of the import by quarters of an hour; the norm, whatever the length."""
    p_w = slot_profile(run)["p_w"]
    return nothing(_EMPTY) if p_w.empty else Outcome(float(p_w.std(ddof=0)))


@kpi("W", "profile", Up.BAD)
def steepest_ramp_w(run: Run) -> Outcome:
    """Largest change of the mean import from one quarter of an hour to the next, with its time."""
    change = slot_profile(run)["p_w"].diff().abs().dropna()
    return nothing("fewer than two quarters of an hour") if change.empty else _extreme(change)
