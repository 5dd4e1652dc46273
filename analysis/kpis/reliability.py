"""Continuity of supply: how often, how long, how much energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["LONG_MIN"]

LONG_MIN = 3.0
_IEEE_1366 = "IEEE 1366, over the run instead of a year; long: EN 50160, more than 3 minutes"
_NO_CUSTOMER = "there is no customer"


def _customers(run: Run) -> int:
    return sum(bool(terminal.get("customer")) for terminal in run.grid.get("terminals", ()))


def _interruptions(run: Run) -> pd.DataFrame:
    """Return the customers' interruptions with their minutes, those that outlast the run too."""
    frame = run.columns("interruption", "begin_us", "end_us", "customer", "energy_wh")
    frame = frame[(frame["customer"] != "").to_numpy()]
    return frame.assign(minutes=(frame["end_us"] - frame["begin_us"]) / 60e6)


@kpi("1", "reliability", Up.BAD, source=_IEEE_1366)
def saifi(run: Run) -> Outcome:
    """Long interruptions of customers' supply, by the number of all customers."""
    customers, minutes = _customers(run), _interruptions(run)["minutes"]
    return Outcome(float((minutes > LONG_MIN).sum()) / customers) if customers else _none()


@kpi("min", "reliability", Up.BAD, source=_IEEE_1366)
def saidi_min(run: Run) -> Outcome:
    """Time that customers were without supply in long interruptions, by the number of all
    customers. One that outlasts the run counts up to its end.
    """
    customers, minutes = _customers(run), _interruptions(run)["minutes"]
    return Outcome(float(minutes[minutes > LONG_MIN].sum()) / customers) if customers else _none()


@kpi("min", "reliability", Up.BAD, source=_IEEE_1366)
def caidi_min(run: Run) -> Outcome:
    """Mean duration of customers' long interruptions."""
    minutes = _interruptions(run)["minutes"]
    long = minutes[minutes > LONG_MIN]
    return Outcome(float(long.mean())) if len(long) else nothing("no interruption was long")


@kpi("1", "reliability", Up.BAD, source=_IEEE_1366)
def maifi(run: Run) -> Outcome:
    """Short interruptions (up to three minutes) of customers' supply, by the number of all
    customers.
    """
    customers, minutes = _customers(run), _interruptions(run)["minutes"]
    return Outcome(float((minutes <= LONG_MIN).sum()) / customers) if customers else _none()


@kpi("Wh", "reliability", Up.BAD)
def energy_not_supplied_wh(run: Run) -> Outcome:
    """Energy that terminals missed in interruptions: what each drew last, times the duration."""
    frame = run.columns("interruption", "energy_wh")
    return Outcome(float(frame["energy_wh"].sum()))


def _none() -> Outcome:
    return nothing(_NO_CUSTOMER)
