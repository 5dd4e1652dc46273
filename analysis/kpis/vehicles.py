"""Charging of vehicles: what was asked for, what they got."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["sessions"]

_NONE = "no session began"
_OPEN = "no session ended"
_SERVED = 0.95
_NOTICED_WH = 1.0


def sessions(run: Run, *, complete: bool = False) -> pd.DataFrame:
    """Return the charging sessions with ``not_served_wh``, the energy missing at departure."""
    frame = run.series("session")
    if complete:
        frame = frame[frame["complete"].to_numpy(dtype=bool)]
    missing = (frame["requested_wh"] - frame["delivered_wh"]).clip(lower=0.0)
    return frame.assign(not_served_wh=missing)


@kpi("1", "vehicles")
def ev_sessions(run: Run) -> Outcome:
    """Number of charging sessions that began; ``complete``: whose vehicle left before the end."""
    frame = sessions(run)
    return Outcome(len(frame), by={"complete": int(frame["complete"].sum())})


@kpi("Wh", "vehicles")
def ev_requested_wh(run: Run) -> Outcome:
    """Energy asked for in all sessions that began, at the socket."""
    return Outcome(float(sessions(run)["requested_wh"].sum()))


@kpi("Wh", "vehicles")
def ev_delivered_wh(run: Run) -> Outcome:
    """Energy drawn from the socket in all sessions."""
    return Outcome(float(sessions(run)["delivered_wh"].sum()))


@kpi("Wh", "vehicles", Up.BAD)
def ev_not_served_wh(run: Run) -> Outcome:
    """Energy missing at departure, of the sessions that ended; by session where it is above
    1 Wh.
    """
    frame = sessions(run, complete=True)
    if frame.empty:
        return nothing(_OPEN)
    short = frame[frame["not_served_wh"] > _NOTICED_WH]
    by = dict(zip(short["session"], short["not_served_wh"], strict=True))
    return Outcome(float(frame["not_served_wh"].sum()), by=by)


@kpi("%", "vehicles", Up.BAD)
def ev_not_served_percent(run: Run) -> Outcome:
    """Energy missing at departure, of the energy asked for, of the sessions that ended."""
    frame = sessions(run, complete=True)
    requested_wh = float(frame["requested_wh"].sum())
    if requested_wh <= 0.0:
        return nothing(_OPEN)
    return Outcome(100.0 * float(frame["not_served_wh"].sum()) / requested_wh)


@kpi("%", "vehicles", Up.BAD)
def ev_short_percent(run: Run) -> Outcome:
    """Share of the sessions that ended with less than 95 % of the energy asked for."""
    frame = sessions(run, complete=True)
    if frame.empty:
        return nothing(_OPEN)
    short = frame["delivered_wh"] < _SERVED * frame["requested_wh"]
    return Outcome(float(100.0 * short.mean()))
