"""Persons at units: logins, refusals, what they were denied."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["sessions"]

_NONE = "nobody logged in"
_KINDS = ("user_logged_in", "user_refused", "user_denied", "user_asked", "user_answered")


def sessions(run: Run) -> pd.DataFrame:
    """Return the events of persons: ``kind`` and ``value``."""
    event = run.columns("event", "kind", "value")
    event = event[event["kind"].isin(_KINDS).to_numpy()]
    return event.assign(value=[json.loads(text) for text in event["value"]])


def _counted(run: Run, kind: str, key: str) -> Outcome:
    frame = sessions(run)
    if frame.empty:
        return nothing(_NONE)
    values = frame["value"][(frame["kind"] == kind).to_numpy()]
    counts = pd.Series([str(value[key]) for value in values], dtype=str).value_counts()
    return Outcome(len(values), by={str(k): int(v) for k, v in sorted(counts.items())})


@kpi("1", "users")
def user_logins(run: Run) -> Outcome:
    """Logins of persons at units, by role."""
    return _counted(run, "user_logged_in", "role")


@kpi("1", "users", Up.BAD)
def user_refusals(run: Run) -> Outcome:
    """Logins that were refused, by the ground: signature, expired, revoked, role and so on."""
    return _counted(run, "user_refused", "why")


@kpi("1", "users", Up.BAD)
def user_denials(run: Run) -> Outcome:
    """What persons asked beyond the rights of their role, by the right that it takes."""
    return _counted(run, "user_denied", "right")
