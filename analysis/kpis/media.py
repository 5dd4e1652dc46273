"""Media: how busy the links and shared media are, and what becomes of transmissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing
from fernwatt.timebase import HOUR_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["loads"]

_FAMILY = "communication"
_NO_MEDIUM = "no medium was used"
_NOTHING = "nothing was transmitted"


def _by(series: pd.Series) -> dict[str, float]:
    return {str(key): float(value) for key, value in series.items()}


def _media(run: Run) -> pd.DataFrame:
    frame = run.columns("medium", "t_ms", "medium", "technology", "airtime_us")
    h = run.hours(frame["t_ms"])
    frame = frame.assign(length_us=h * HOUR_MS * 1000.0)
    return frame[h > 0.0]


@kpi("%", _FAMILY, Up.BAD)
def airtime_percent(run: Run) -> Outcome:
    """Share of time a medium is busy, mean over all media, by technology."""
    frame = _media(run)
    if frame.empty:
        return nothing(_NO_MEDIUM)
    sums = frame.groupby("technology", observed=True)[["airtime_us", "length_us"]].sum()
    share = 100.0 * sums["airtime_us"] / sums["length_us"]
    total = 100.0 * frame["airtime_us"].sum() / frame["length_us"].sum()
    return Outcome(float(total), by=_by(share))


@kpi("%", _FAMILY, Up.BAD)
def airtime_max_percent(run: Run) -> Outcome:
    """Highest share of a recording interval in which one medium was busy, with time and place."""
    frame = _media(run)
    if frame.empty:
        return nothing(_NO_MEDIUM)
    share = 100.0 * (frame["airtime_us"] / frame["length_us"]).to_numpy()
    row = int(np.argmax(share))
    return Outcome(
        float(share[row]),
        t_ms=int(frame["t_ms"].iloc[row]),
        element=str(frame["medium"].iloc[row]),
    )


def _transmissions(run: Run) -> pd.DataFrame:
    """Return transmissions, collisions and errors by technology, of those that transmitted."""
    frame = run.columns("medium", "technology", "transmissions", "collisions", "errors")
    sums = frame.groupby("technology", observed=True).sum()
    return sums[sums["transmissions"] > 0]


@kpi("%", _FAMILY, Up.BAD)
def failed_transmissions_percent(run: Run) -> Outcome:
    """Share of transmissions lost to another one or to noise, by technology."""
    sums = _transmissions(run)
    if sums.empty:
        return nothing(_NOTHING)
    failed = sums["collisions"] + sums["errors"]
    total = 100.0 * failed.sum() / sums["transmissions"].sum()
    return Outcome(float(total), by=_by(100.0 * failed / sums["transmissions"]))


@kpi("%", _FAMILY, Up.BAD)
def collisions_percent(run: Run) -> Outcome:
    """Share of transmissions lost to another one, by technology."""
    sums = _transmissions(run)
    if sums.empty:
        return nothing(_NOTHING)
    total = 100.0 * sums["collisions"].sum() / sums["transmissions"].sum()
    return Outcome(float(total), by=_by(100.0 * sums["collisions"] / sums["transmissions"]))


@kpi("1", _FAMILY, Up.BAD)
def longest_queue(run: Run) -> Outcome:
    """Largest number of frames that waited at one sender, with the interval and the medium; by
    technology.
    """
    frame = run.columns("medium", "t_ms", "medium", "technology", "queue_max")
    if frame.empty:
        return nothing(_NO_MEDIUM)
    row = int(np.argmax(frame["queue_max"].to_numpy()))
    by = frame.groupby("technology", observed=True)["queue_max"].max()
    return Outcome(
        int(frame["queue_max"].iloc[row]),
        by={str(key): int(value) for key, value in by.items()},
        t_ms=int(frame["t_ms"].iloc[row]),
        element=str(frame["medium"].iloc[row]),
    )


def loads(run: Run) -> pd.DataFrame:
    """Return one row per medium, the busiest first.

    Columns: technology, transmissions, collisions, errors, ``busy_percent`` of the whole time and
    ``busiest_percent`` of its busiest interval, ``queue_max`` frames.
    """
    frame = run.columns(
        "medium", "t_ms", "medium", "technology", "transmissions", "collisions", "errors",
        "airtime_us", "queue_max",
    )  # fmt: skip
    length_us = run.hours(frame["t_ms"]) * HOUR_MS * 1000.0
    share = np.divide(
        frame["airtime_us"], length_us, out=np.zeros(len(frame)), where=length_us > 0.0
    )
    grouped = frame.assign(length_us=length_us, share=share).groupby("medium", observed=True)
    sums = grouped[["transmissions", "collisions", "errors", "airtime_us", "length_us"]].sum()
    table = sums[["transmissions", "collisions", "errors"]].copy()
    table.insert(0, "technology", grouped["technology"].first().astype(str))
    table["busy_percent"] = 100.0 * sums["airtime_us"] / sums["length_us"].clip(lower=1.0)
    table["busiest_percent"] = 100.0 * grouped["share"].max()
    table["queue_max"] = grouped["queue_max"].max()
    table.index = table.index.astype(str)
    return table.sort_values("busy_percent", ascending=False, kind="stable")
