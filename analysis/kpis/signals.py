"""Signals and control: what customers paid, who followed, how soon devices did as told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["course", "orders", "prices"]

_NO_PRICE = "no price was issued"
_NO_ORDER = "no device was ordered anything"
_NO_COMMAND = "no command was answered"
_PRICE = "signal.price"
_ISSUERS = ("aggregator/", "gateway/")
_ANSWERS = ("opted_in", "opted_out", "silent")


def _told(run: Run, kind: str) -> pd.DataFrame:
    """Return time [ms], element and value of the events of a kind."""
    event = run.columns("event", "t_us", "kind", "element", "value")
    event = event[(event["kind"] == kind).to_numpy()]
    return pd.DataFrame(
        {
            "t_ms": event["t_us"].to_numpy() / 1000.0,
            "element": event["element"].astype(str).to_numpy(),
            "value": [json.loads(text) for text in event["value"]],
        }
    )


def prices(run: Run) -> list[dict[str, Any]]:
    """Return the prices that issuers issued, in order."""
    reading = run.columns("reading", "variable", "record")
    reading = reading[(reading["variable"] == _PRICE).to_numpy()]
    found = [json.loads(str(text)) for text in reading["record"]]
    taken = _told(run, "openadr_taken")["value"]
    found += [value for value in taken if "cent_per_mwh" in value]
    return sorted(found, key=lambda one: int(one["issued_ms"]))


def course(
    records: list[dict[str, Any]], t_ms: npt.NDArray[np.int64], name: str
) -> npt.NDArray[np.float64]:
    """Return the price at each instant [EUR/Wh]; of several the one that was issued last."""
    out = np.full(len(t_ms), np.nan)
    for record in records:
        cents = np.asarray(record.get(name) or [0] * len(record["cent_per_mwh"]), dtype=float)
        step = (t_ms - record["start_ms"]) // record["step_ms"]
        known = (step >= 0) & (step < len(cents)) & (t_ms >= record["issued_ms"])
        out[known] = cents[step[known]] / 100.0 / 1e6
    return out


@kpi("EUR", "signals", Up.BAD)
def tariff_cost_eur(run: Run) -> Outcome:
    """What all customers pay for what they draw, less what they are paid for what they feed in, by
    the prices that were issued at the time; ``drawn`` and ``fed_in``: the two parts.
    """
    records = prices(run)
    if not records:
        return nothing(_NO_PRICE)
    tails = {u["id"].partition("/")[2] for u in run.topology["units"] if u["kind"] == "meter"}
    frame = run.columns("terminal", "t_ms", "terminal", "p_w")
    ours = frame["terminal"].astype(str).str.partition("/")[2].isin(tails).to_numpy()
    frame = frame[ours]
    t_ms = np.unique(frame["t_ms"].to_numpy())
    at = np.searchsorted(t_ms, frame["t_ms"].to_numpy())
    drawn, fed_in = (
        course(records, t_ms, name)[at] for name in ("cent_per_mwh", "feed_in_cent_per_mwh")
    )
    wh = frame["p_w"].to_numpy() * run.hours(frame["t_ms"])
    if np.isnan(drawn).any():
        return nothing("prices do not cover the run")
    cost = float((np.clip(wh, 0, None) * drawn).sum())
    paid = float((np.clip(-wh, 0, None) * fed_in).sum())
    return Outcome(cost - paid, by={"drawn": cost, "fed_in": 0.0 - paid})


def orders(run: Run) -> pd.DataFrame:
    """Return the orders that units gave devices by signals: ``t_ms``, ``device``, ``kind``.

    ``due_ms`` is since when the signal asked for it (NaN: an order that was renewed), ``done_ms``
    when the device did so (NaN: never).
    """
    given, done = _told(run, "control"), _told(run, "set_point_changed")
    first: dict[tuple[str, float, int], float] = {}
    for t_ms, device, value in zip(done["t_ms"], done["element"], done["value"], strict=True):
        first.setdefault((device, float(value["p_w"]), int(value["until_ms"] or -1)), t_ms)
    values = given["value"]
    return pd.DataFrame(
        {
            "t_ms": given["t_ms"],
            "device": given["element"],
            "kind": given["element"].str.split("/").str[0],
            "due_ms": [float(value.get("due_ms", np.nan)) for value in values],
            "done_ms": [
                first.get((device, float(value["p_w"]), int(value["until_ms"])), np.nan)
                for device, value in zip(given["element"], values, strict=True)
            ],
        }
    )


@kpi("1", "signals")
def control_orders(run: Run) -> Outcome:
    """Number of orders that units gave devices by signals, by kind of device."""
    found = orders(run)
    by = found.groupby("kind").size() if len(found) else pd.Series(dtype=int)
    return Outcome(len(found), by={str(kind): int(count) for kind, count in by.items()})


@kpi("%", "signals", Up.GOOD)
def control_done_percent(run: Run) -> Outcome:
    """Share of the orders by signals that reached their device in time to hold there."""
    found = orders(run)
    if found.empty:
        return nothing(_NO_ORDER)
    return Outcome(100.0 * float(found["done_ms"].notna().mean()))


@kpi("s", "signals", Up.BAD)
def control_reaction_p95_s(run: Run) -> Outcome:
    """95th percentile of the time from when a signal asks something of a device (it was issued,
    its interval began, and the vehicle is there) until the device does so; ``median``: of half.
    """
    found = orders(run).dropna()
    if found.empty:
        return nothing(_NO_ORDER)
    late_s = (found["done_ms"] - found["due_ms"]).to_numpy() / 1000.0
    return Outcome(float(np.quantile(late_s, 0.95)), by={"median": float(np.median(late_s))})


@kpi("%", "signals", Up.GOOD)
def commands_followed_percent(run: Run) -> Outcome:
    """Share of the customers that follow a command, of all that were asked, as its issuer heard
    last; ``opted_in``, ``opted_out``, ``silent``: customers, summed over all commands.
    """
    told = _told(run, "signal_answered")
    last: dict[str, dict[str, Any]] = {
        number: value
        for number, value in zip(told["element"], told["value"], strict=True)
        if str(value["unit"]).startswith(_ISSUERS)
    }
    counts = {name: sum(len(value[name]) for value in last.values()) for name in _ANSWERS}
    if not sum(counts.values()):
        return nothing(_NO_COMMAND)
    return Outcome(100.0 * counts["opted_in"] / sum(counts.values()), by=counts)
