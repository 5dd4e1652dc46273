"""Demand response by contract: asked, promised, delivered, what came back, and what it cost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing
from fernwatt.timebase import HOUR_MS, SLOT_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__: list[str] = []

SLOT_H = SLOT_MS / HOUR_MS
_NONE = "no reduction was asked for"
_UNMEASURED = "what was delivered is not measured, or not over"


def _sums(run: Run) -> pd.DataFrame:
    """Return energies of each request and phase [Wh]; not a number where a part is not known."""
    frame = run.columns(
        "response", "id", "phase", "baseline_w", "days_w", "asked_w", "promised_w", "measured_w"
    ).astype({"id": str, "phase": str})
    by = frame.groupby(["id", "phase"])
    return by.agg(_whole) * SLOT_H


def _whole(column: pd.Series) -> float:
    return float(column.sum(skipna=False))


def _told(run: Run, kind: str) -> list[tuple[str, dict[str, Any]]]:
    event = run.columns("event", "kind", "element", "value")
    event = event[(event["kind"] == kind).to_numpy()]
    return [
        (str(element), json.loads(text))
        for element, text in zip(event["element"], event["value"], strict=True)
    ]


def _phase(run: Run, name: str) -> pd.DataFrame:
    sums = _sums(run)
    return sums[sums.index.get_level_values("phase") == name].droplevel("phase")


def _outcome(parts: pd.Series, total: float) -> Outcome:
    return Outcome(total, by={str(key): float(value) for key, value in parts.items()})


@kpi("Wh", "response")
def response_asked_wh(run: Run) -> Outcome:
    """By how much customers who follow were asked to reduce, over the windows of all requests that
    are over, while each of them followed; by request.
    """
    window = _phase(run, "window")
    if window.empty:
        return nothing(_NONE)
    return _outcome(window["asked_w"], float(window["asked_w"].sum()))


@kpi("%", "response", Up.GOOD)
def response_promised_percent(run: Run) -> Outcome:
    """Share of what was asked that customers agreed to in the negotiation; by request."""
    window = _phase(run, "window")
    asked_wh = float(window["asked_w"].sum())
    if asked_wh <= 0.0:
        return nothing(_NONE)
    promised = (window["baseline_w"] - window["promised_w"]).fillna(0.0)
    by = 100.0 * promised / window["asked_w"]
    return _outcome(by[window["asked_w"] > 0.0], 100.0 * float(promised.sum()) / asked_wh)


@kpi("%", "response", Up.GOOD)
def response_delivered_percent(run: Run) -> Outcome:
    """Share of what was asked by which customers' meters show less than the plan agreed to before
    the request; ``days``: less than the days before.
    """
    window = _phase(run, "window")
    window = window[window["measured_w"].notna().to_numpy()]
    asked_wh = float(window["asked_w"].sum())
    if asked_wh <= 0.0:
        return nothing(_NONE if _phase(run, "window").empty else _UNMEASURED)
    less = {"agreed": float((window["baseline_w"] - window["measured_w"]).sum())}
    if window["days_w"].notna().all():
        less["days"] = float((window["days_w"] - window["measured_w"]).sum())
    by = {name: 100.0 * wh / asked_wh for name, wh in less.items()}
    return Outcome(by["agreed"], by=by)


@kpi("Wh", "response", Up.BAD)
def response_rebound_wh(run: Run) -> Outcome:
    """By how much customers' meters show more after the windows than the plan agreed to before the
    request; ``days``: more than the days before.
    """
    after = _phase(run, "after")
    after = after[after["measured_w"].notna().to_numpy()]
    if after.empty:
        return nothing(_NONE if _phase(run, "window").empty else _UNMEASURED)
    by = {"agreed": float((after["measured_w"] - after["baseline_w"]).sum())}
    if after["days_w"].notna().all():
        by["days"] = float((after["measured_w"] - after["days_w"]).sum())
    return Outcome(by["agreed"], by=by)


@kpi("1", "response")
def response_customers(run: Run) -> Outcome:
    """Number of customers that followed, over all requests; ``refused``: whose contract or choice
    was against it, ``silent``: who did not answer, ``left``: who opted out later.
    """
    promises = [value for _, value in _told(run, "response_promised") if "units" not in value]
    if not promises:
        return nothing(_NONE)
    by = {name: sum(int(one[name]) for one in promises) for name in ("refused", "silent")}
    by["left"] = len(_told(run, "response_left"))
    return Outcome(sum(int(one["following"]) for one in promises), by=by)


@kpi("EUR", "response")
def response_paid_eur(run: Run) -> Outcome:
    """What the aggregator pays its customers for what they delivered, by request."""
    last = dict(_told(run, "response_settled"))
    if not last:
        return nothing(_NONE)
    by = {key: float(value["paid_cent"]) / 100.0 for key, value in last.items()}
    return Outcome(sum(by.values()), by=by)
