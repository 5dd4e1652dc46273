"""Flexibility that was asked for, bought, delivered and paid, and what it is bought against."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["assigned"]

_NO_REQUEST = "no operator asked for flexibility"
_NO_ORDER = "no flexibility was ordered"
_UNSETTLED = "no order was settled"
_FULL = 100.0


def _told(run: Run, kind: str) -> list[tuple[float, str, dict[str, Any]]]:
    """Return time [s], element and value of the events of a kind."""
    event = run.columns("event", "t_us", "kind", "element", "value")
    event = event[(event["kind"] == kind).to_numpy()]
    return [
        (float(t_us) / 1e6, str(element), json.loads(text))
        for t_us, element, text in zip(event["t_us"], event["element"], event["value"], strict=True)
    ]


def _area(element: str) -> str:
    return element.partition("/")[0]


def _by_area(told: list[tuple[float, str, dict[str, Any]]], name: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for _, element, value in told:
        sums[_area(element)] = sums.get(_area(element), 0.0) + float(value[name])
    return dict(sorted(sums.items()))


@kpi("% h", "grid", Up.BAD)
def transformer_overload_percent_h(run: Run) -> Outcome:
    """What the mean loading of transformers is above 100 %, summed over the time and over all of
    them; of each that was.
    """
    frame = run.columns("branch", "t_ms", "branch", "kind", "loading_percent")
    frame = frame[(frame["kind"] == "transformer").to_numpy()]
    if frame.empty:
        return nothing("there is no transformer")
    above = np.clip(frame["loading_percent"].to_numpy() - _FULL, 0.0, None)
    above = above * run.hours(frame["t_ms"])
    by = pd.Series(above).groupby(frame["branch"].astype(str).to_numpy()).sum()
    return Outcome(float(above.sum()), by={str(k): float(v) for k, v in by.items() if v > 0})


@kpi("Wh", "flexibility")
def flex_requested_wh(run: Run) -> Outcome:
    """By how much operators' forecasts were above their limits, as asked for, summed over all
    requests; by area. What was not delivered, or is expected anew, is asked for again.
    """
    told = _told(run, "flex_request")
    if not told:
        return nothing(_NO_REQUEST)
    by = _by_area(told, "wh")
    return Outcome(sum(by.values()), by=by)


@kpi("Wh", "flexibility")
def flex_ordered_wh(run: Run) -> Outcome:
    """How much less than by prognosis operators ordered to be drawn, in the quarter-hours where it
    is less; by area.
    """
    told = _told(run, "flex_order")
    if not told:
        return nothing(_NO_ORDER if _told(run, "flex_request") else _NO_REQUEST)
    by = _by_area(told, "wh")
    return Outcome(sum(by.values()), by=by)


@kpi("%", "flexibility", Up.GOOD)
def flex_delivered_percent(run: Run) -> Outcome:
    """Share of what was ordered and settled that was delivered by the meters, each quarter-hour
    against the aggregator's last prognosis before it; ``ordered_wh``, ``delivered_wh``.
    """
    told = _told(run, "flex_settled")
    ordered = sum(float(value["ordered_wh"]) for _, _, value in told)
    if not ordered:
        return nothing(_UNSETTLED)
    delivered = sum(float(value["delivered_wh"]) for _, _, value in told)
    by = {"ordered_wh": ordered, "delivered_wh": delivered}
    return Outcome(_FULL * delivered / ordered, by=by)


@kpi("EUR", "flexibility")
def flex_paid_eur(run: Run) -> Outcome:
    """What operators paid the aggregator for what was delivered, less what they took off for what
    was not; ``aggregator`` and ``customers``: what these have of it, which adds up to it.
    """
    told = _told(run, "flex_settled")
    if not told:
        return nothing(_UNSETTLED)
    paid = sum(float(value["cent"]) for _, _, value in told) / 100.0
    passed = sum(float(value["cent"]) for _, _, value in _told(run, "flex_paid")) / 100.0
    return Outcome(paid, by={"aggregator": paid - passed, "customers": passed})


def assigned(run: Run) -> pd.DataFrame:
    """Return what was assigned to devices: ``device``, ``order``, and how long after the operator's
    request the device's unit had it [s].
    """
    asked = {element: t_s for t_s, element, _ in _told(run, "flex_request")}
    rows = []
    for t_s, device, value in _told(run, "flex_assigned"):
        order = str(value["order"])
        request = order.removesuffix("/bid/order")
        rows.append((device, order, t_s - asked[request] if request in asked else np.nan))
    return pd.DataFrame(rows, columns=["device", "order", "after_s"])


@kpi("s", "flexibility", Up.BAD)
def flex_reaction_p95_s(run: Run) -> Outcome:
    """95th percentile of the time from an operator's request until the unit of a device that is to
    move has its assignment, over bid, order and network; ``median``; ``assignments``: how many.
    """
    after_s = assigned(run)["after_s"].dropna().to_numpy(dtype=float)
    if not len(after_s):
        return nothing(_NO_ORDER)
    by = {"median": float(np.median(after_s)), "assignments": float(len(after_s))}
    return Outcome(float(np.quantile(after_s, 0.95)), by=by)
