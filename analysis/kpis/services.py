"""Services of the management units: negotiation, metering, requests of the Data Interface."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.negotiation import level_rounds, levelled, parted, rounds
from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["reports"]

_NO_NEGOTIATION = "there was no negotiation"
_AREA_ENERGY = "area_energy"


def _negotiations(run: Run) -> pd.DataFrame:
    """Return one row per negotiation: level, rounds, distance at its begin and end."""
    frame = rounds(run)
    found = frame.groupby(["level", "unit", "id"], sort=True).agg(
        rounds=("round", "size"), t_first_ms=("t_ms", "first"), t_last_ms=("t_ms", "last")
    )
    aimed = level_rounds(run)
    found["begin_w"] = levelled(aimed, "distance_before_w", "first")
    found["end_w"] = levelled(aimed, "distance_after_w")
    return found


def _by_level(series: pd.Series) -> dict[str, float]:
    means = series.groupby(level="level").mean()
    return {str(key): float(value) for key, value in means.items()}


@kpi("1", "services")
def negotiations(run: Run) -> Outcome:
    """Number of energy-balancing negotiations, by level of the parent."""
    frame = _negotiations(run)
    by = frame.groupby(level="level").size()
    return Outcome(len(frame), by={str(key): int(value) for key, value in by.items()})


@kpi("1", "services", Up.BAD)
def negotiation_rounds(run: Run) -> Outcome:
    """Mean number of rounds of a negotiation, by level."""
    frame = _negotiations(run)
    if frame.empty:
        return nothing(_NO_NEGOTIATION)
    return Outcome(float(frame["rounds"].mean()), by=_by_level(frame["rounds"]))


@kpi("s", "services", Up.BAD)
def negotiation_time_s(run: Run) -> Outcome:
    """Mean time from the end of a negotiation's first round to the end of its last, by level."""
    frame = _negotiations(run)
    if frame.empty:
        return nothing(_NO_NEGOTIATION)
    time_s = (frame["t_last_ms"] - frame["t_first_ms"]) / 1000.0
    return Outcome(float(time_s.mean()), by=_by_level(time_s))


@kpi("1", "services", Up.BAD)
def negotiation_messages(run: Run) -> Outcome:
    """Number of messages of the flow ``balancing`` per negotiation; those between a parent and its
    children by the parent's level, per negotiation of it.
    """
    talks = _negotiations(run).groupby(level="level").size()
    if talks.empty:
        return nothing(_NO_NEGOTIATION)
    frame = parted(run)
    sent = frame.groupby("level").size()
    by = {str(level): int(sent.get(level, 0)) / int(count) for level, count in talks.items()}
    return Outcome(len(frame) / int(talks.sum()), by=by)


@kpi("%", "services", Up.GOOD)
def distance_reduction_percent(run: Run) -> Outcome:
    """How far negotiations bring the sum to the desired profile: 1 - last distance / first
    distance, of the sums over all negotiations, by level.
    """
    frame = _negotiations(run)
    total_w = float(frame["begin_w"].sum())
    if total_w <= 0.0:
        return nothing(_NO_NEGOTIATION if frame.empty else "every plan was as desired already")
    sums = frame.groupby(level="level")[["begin_w", "end_w"]].sum()
    sums = sums[sums["begin_w"] > 0.0]
    by = 100.0 * (1.0 - sums["end_w"] / sums["begin_w"])
    value = 100.0 * (1.0 - float(frame["end_w"].sum()) / total_w)
    return Outcome(value, by={str(key): float(share) for key, share in by.items()})


@kpi("%", "services", Up.GOOD)
def negotiation_answers_percent(run: Run) -> Outcome:
    """Share of the children's answers that came in time, over all rounds, by level."""
    frame = rounds(run)
    if frame["children"].sum() <= 0:
        return nothing(_NO_NEGOTIATION)
    sums = frame.groupby("level")[["answers", "children"]].sum()
    sums = sums[sums["children"] > 0]
    by = 100.0 * sums["answers"] / sums["children"]
    value = 100.0 * float(frame["answers"].sum()) / float(frame["children"].sum())
    return Outcome(value, by={str(key): float(share) for key, share in by.items()})


def reports(run: Run) -> pd.DataFrame:
    """Return the events ``area_energy``: ``kind`` of unit, ``meters`` there, ``missing`` ones."""
    event = run.columns("event", "kind", "element", "value")
    event = event[(event["kind"] == _AREA_ENERGY).to_numpy()]
    found = [json.loads(text) for text in event["value"]]
    return pd.DataFrame(
        {
            "kind": [str(unit).partition("/")[0] for unit in event["element"]],
            "meters": [int(report["meters"]) for report in found],
            "missing": [int(report["missing"]) for report in found],
        }
    )


@kpi("%", "services", Up.GOOD)
def metering_complete_percent(run: Run) -> Outcome:
    """Share of the reports of an area's energy that have meters in them, and none missing;
    ``meters``: share of the meters' contributions that were there, and that by kind of the
    reporting unit.
    """
    frame = reports(run)
    if frame.empty:
        return nothing("no report of an area's energy was made")
    sums = frame.groupby("kind", sort=True)[["meters", "missing"]].sum()
    sums.loc["meters"] = sums.sum()
    sums = sums[sums.sum(axis=1) > 0]
    there = 100.0 * sums["meters"] / (sums["meters"] + sums["missing"])
    by = {str(name): float(share) for name, share in there.items()}
    whole = (frame["missing"] == 0) & (frame["meters"] > 0)  # nobody known: nothing is complete
    return Outcome(float(100.0 * whole.mean()), by=by)


@kpi("1", "services")
def readings(run: Run) -> Outcome:
    """Number of readings of all instruments, by quality."""
    quality = run.columns("reading", "quality")["quality"]
    counts = quality.value_counts()
    return Outcome(len(quality), by={str(k): int(v) for k, v in counts.items() if v})


@kpi("1", "services")
def requests(run: Run) -> Outcome:
    """Number of requests of the Data Interface whose outcome is known, by result."""
    result = run.columns("request", "result")["result"]
    counts = result.value_counts()
    return Outcome(len(result), by={str(k): int(v) for k, v in counts.items() if v})


@kpi("%", "services", Up.GOOD)
def requests_ok_percent(run: Run) -> Outcome:
    """Share of requests with the result ``ok``, by operation."""
    frame = run.columns("request", "operation", "result")
    if frame.empty:
        return nothing("no request was made")
    good = 100.0 * (frame["result"] == "ok")
    by = good.groupby(frame["operation"], observed=True).mean()
    return Outcome(float(good.mean()), by={str(k): float(v) for k, v in by.items()})


@kpi("ms", "services", Up.BAD)
def request_latency_p95_ms(run: Run) -> Outcome:
    """95th percentile of the time from a request to its outcome, of those with the result
    ``ok``, by operation.
    """
    frame = run.columns("request", "operation", "result", "latency_ms")
    frame = frame[(frame["result"] == "ok").to_numpy()]
    if frame.empty:
        return nothing("no request succeeded")
    by = frame.groupby("operation", observed=True)["latency_ms"].quantile(0.95)
    value = float(np.quantile(frame["latency_ms"], 0.95))
    return Outcome(value, by={str(k): float(v) for k, v in by.items()})


@kpi("1", "services")
def events(run: Run) -> Outcome:
    """Number of events, by kind."""
    kind = run.columns("event", "kind")["kind"]
    return Outcome(len(kind), by={str(k): int(v) for k, v in kind.value_counts().items() if v})
