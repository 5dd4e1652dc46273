"""How good predictions a day ahead were, beside what simple methods would have said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["METHODS", "said"]

# column of the table: how it is called
METHODS = {
    "mean_w": "ours",
    "yesterday_w": "yesterday",
    "weekday_w": "same weekday",
    "week_w": "mean of 7 days",
}
_NONE = "nothing was predicted for a whole day ahead"


def said(run: Run, panels: bool = False) -> pd.DataFrame:
    """Return the table ``prediction`` of loads, or of ``panels``; cold starts left out."""
    frame = _warm(run)
    what = frame["what"].astype(str)
    wanted = ~what.isin(["load", "group"]) if panels else what == "load"
    return frame[wanted.to_numpy()]


def _warm(run: Run) -> pd.DataFrame:
    """Return what was predicted by at least a day; panels' predictions begin with the sun's."""
    frame = run.series("prediction")
    panels = ~frame["what"].astype(str).isin(["load", "group"])
    return frame[(panels | (frame["days"] > 0)).to_numpy()]


def _error(frame: pd.DataFrame, method: str) -> float | None:
    """Return the root mean square error by the mean of what was measured."""
    known = frame[frame[method].notna().to_numpy()]
    mean_w = float(known["measured_w"].abs().mean()) if len(known) else 0.0
    if mean_w <= 0.0:
        return None
    return float(np.sqrt(((known[method] - known["measured_w"]) ** 2).mean())) / mean_w


def _by_method(groups: list[pd.DataFrame]) -> dict[str, float]:
    """Return the mean error over groups by method, of those that all groups have."""
    return _mean_by(
        {name: [_error(group, column) for group in groups] for column, name in METHODS.items()}
    )


def _mean_by(errors: Mapping[str, list[float | None]]) -> dict[str, float]:
    out = {}
    for name, several in errors.items():
        found = [error for error in several if error is not None]
        if found and len(found) == len(several):
            out[name] = float(np.mean(found))
    return out


def _outcome(groups: list[pd.DataFrame]) -> Outcome:
    by = _by_method(groups)
    return Outcome(by["ours"], by=by) if "ours" in by else nothing(_NONE)


@kpi("1", "predictions", Up.BAD)
def load_prediction_nrmse(run: Run) -> Outcome:
    """Root mean square error of houses' loads predicted a day ahead, by their mean; mean over
    the houses. Beside: what the day before, the same weekday and the mean of 7 days would have
    said of the same quarter-hours, where that is known.
    """
    frame = said(run)
    return _outcome([group for _, group in frame.groupby("unit", observed=True, sort=True)])


@kpi("1", "predictions", Up.BAD)
def feeder_prediction_nrmse(run: Run) -> Outcome:
    """The same of the sum over the houses of each low-voltage area, in quarter-hours of which
    all of them are known.
    """
    frame = said(run)
    area = frame["unit"].astype(str).str.split("/").str[1]
    groups = [_summed(group) for _, group in frame.groupby(area.to_numpy(), sort=True)]
    return _outcome([group for group in groups if len(group)])


def _summed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the sum over units of each quarter-hour in which all of them are known."""
    houses = frame["unit"].nunique()
    total = frame.groupby("t_ms")[[*METHODS, "measured_w"]].sum(min_count=houses)
    return total[total["measured_w"].notna().to_numpy()]


@kpi("1", "predictions", Up.BAD)
def group_prediction_nrmse(run: Run) -> Outcome:
    """The same of the groups of houses without a unit of their own, as substations predict them."""
    frame = _warm(run)
    frame = frame[(frame["what"].astype(str) == "group").to_numpy()]
    return _outcome([group for _, group in frame.groupby("unit", observed=True, sort=True)])


@kpi("1", "predictions", Up.BAD)
def panel_prediction_nrmse(run: Run) -> Outcome:
    """The same of panels' yields."""
    frame = said(run, panels=True)
    return _outcome([group for _, group in frame.groupby("what", observed=True, sort=True)])


@kpi("1", "predictions", Up.BAD)
def load_prediction_pinball(run: Run) -> Outcome:
    """Pinball loss of the quantiles 10 and 90 % of houses' loads predicted a day ahead, mean of
    both, by the mean load; mean over the houses. Beside: the same of methods that know no
    quantiles, whose mean stands for both.
    """
    frame = said(run)
    frame = frame[frame["low_w"].notna().to_numpy()]
    groups = [group for _, group in frame.groupby("unit", observed=True, sort=True)]
    by = _mean_by({name: [_pinball(group, *columns) for group in groups]
                   for name, columns in _BANDS.items()})  # fmt: skip
    return Outcome(by["ours"], by=by) if "ours" in by else nothing("no quantiles were known")


_BANDS = {name: (column, column) for column, name in METHODS.items()} | {
    "ours": ("low_w", "high_w"),
    "our mean": ("mean_w", "mean_w"),
}


def _pinball(frame: pd.DataFrame, low: str, high: str) -> float | None:
    known = frame[frame[low].notna().to_numpy()]
    mean_w = float(known["measured_w"].abs().mean()) if len(known) else 0.0
    if mean_w <= 0.0:
        return None
    losses = [
        np.maximum(level * off, (level - 1.0) * off).mean()
        for level, off in (
            (0.1, known["measured_w"] - known[low]),
            (0.9, known["measured_w"] - known[high]),
        )
    ]
    return float(np.mean(losses)) / mean_w


@kpi("%", "predictions")
def load_prediction_coverage_percent(run: Run) -> Outcome:
    """Share of houses' quarter-hours within the predicted quantiles 10 and 90 %; 80 is right.
    By the days that were known: none (a cold start, which the value leaves out), one to six, more.
    """
    frame = run.series("prediction")
    frame = frame[((frame["what"].astype(str) == "load") & frame["low_w"].notna()).to_numpy()]
    inside = (frame["low_w"] <= frame["measured_w"]) & (frame["measured_w"] <= frame["high_w"])
    kinds = {"no day known": frame["days"] == 0, "one to six days": frame["days"].between(1, 6),
             "a week or more": frame["days"] > 6}  # fmt: skip
    by = {name: 100.0 * float(inside[of].mean()) for name, of in kinds.items() if of.any()}
    warm = frame["days"] > 0
    if not warm.any():
        return Outcome(None, by=by, reason="no quantiles were known")
    return Outcome(100.0 * float(inside[warm].mean()), by=by)
