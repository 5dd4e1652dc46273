"""What negotiations cost and reach at each level: time, messages, bytes, distance, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["level_rounds", "levelled", "parted", "rounds"]

_NONE = "there was no negotiation"
_LEVELS = ("cmu", "lvgmu", "mvgmu", "tlgmu")
_LIMITING = ("limits", "beyond")


def rounds(run: Run) -> pd.DataFrame:
    """Return the rounds of all negotiations, in order; ``level`` is the parent's kind."""
    frame = run.series("negotiation").sort_values(["unit", "id", "round"], kind="stable")
    return frame.assign(level=frame["unit"].astype(str).str.replace("/.*", "", regex=True))


def level_rounds(run: Run) -> pd.DataFrame:
    """Return those rounds whose distance is to what is desired, not to the grid's limits."""
    frame = rounds(run)
    return frame[~frame["stage"].astype(str).isin(_LIMITING).to_numpy()]


def levelled(frame: pd.DataFrame, column: str, how: str = "last") -> pd.Series:
    """Return one value of each negotiation, by level, unit and negotiation."""
    kept = frame[frame[column].notna().to_numpy()]
    found: pd.Series = kept.groupby(["level", "unit", "id"], sort=True)[column].agg(how)
    return found


def _means(series: pd.Series) -> Outcome:
    if series.empty:
        return nothing(_NONE)
    by = series.groupby(level="level").mean()
    return Outcome(float(series.mean()), by={str(key): float(value) for key, value in by.items()})


@kpi("s", "services", Up.BAD)
def negotiation_duration_s(run: Run) -> Outcome:
    """Mean time from a negotiation's begin to the end of its last round, by level."""
    frame = rounds(run)
    took = levelled(frame, "t_ms") - levelled(frame, "began_ms")
    return _means(took / 1000.0)


@kpi("W", "services", Up.BAD)
def negotiation_distance_w(run: Run) -> Outcome:
    """Mean distance (2-norm over the quarter-hours) that is left in the end between the sum and
    what is desired, by level.
    """
    return _means(levelled(level_rounds(run), "distance_after_w"))


@kpi("B", "services", Up.BAD)
def negotiation_bytes(run: Run) -> Outcome:
    """Bytes on all hops, between a parent and its children, of the flow ``balancing`` per
    negotiation, by the parent's level.
    """
    talks = levelled(rounds(run), "t_ms").groupby(level="level").size()
    if talks.empty:
        return nothing(_NONE)
    frame = parted(run)
    frame = frame[frame["level"].isin(talks.index).to_numpy()]
    sums = frame.groupby("level")["wire_bytes"].sum()
    by = {level: float(sums.get(level, 0)) / int(count) for level, count in talks.items()}
    total = float(frame["wire_bytes"].sum()) / int(talks.sum())
    return Outcome(total, by={str(level): value for level, value in by.items()})


@kpi("%", "services", Up.GOOD)
def limits_kept_percent(run: Run) -> Outcome:
    """Share of the negotiations under limits of the grid that ended within them, by level."""
    kept = levelled(rounds(run), "beyond_after_w") <= 0.0
    if kept.empty:
        return nothing("no limit of the grid was set")
    by = 100.0 * kept.groupby(level="level").mean()
    value = 100.0 * float(kept.mean())
    return Outcome(value, by={str(key): float(share) for key, share in by.items()})


def parted(run: Run) -> pd.DataFrame:
    """Return the messages of the flow ``balancing`` with the kind of their upper unit."""
    frame = run.columns("message", "flow", "src", "dst", "wire_bytes")
    frame = frame[(frame["flow"] == "balancing").to_numpy()]
    kinds = [frame[end].astype(str).str.partition("/")[0] for end in ("src", "dst")]
    ranks = [kind.map({level: rank for rank, level in enumerate(_LEVELS)}) for kind in kinds]
    upper = ranks[0].fillna(-1).where(ranks[0].fillna(-1) >= ranks[1].fillna(-1), ranks[1])
    return frame.assign(level=[_LEVELS[int(rank)] if rank >= 0 else "other" for rank in upper])
