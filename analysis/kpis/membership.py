"""Groups of units: who belongs to them, how soon a loss is noticed, who is suspected wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["detections", "suspicions"]

_DOWN = {"unit_killed": "unit", "node_down": "node", "carrier_down": "carrier"}
_UP = {"unit_restarted": "unit", "node_up": "node", "carrier_up": "carrier"}
_NO_GROUPS = "the units manage no groups"
_NO_LOSS = "no unit was lost that had failed"
_GONE = ("left", "expelled", "refused", "lost")


def _changes(run: Run, *kinds: str) -> pd.DataFrame:
    """Return the rows of the table ``membership`` of these kinds, texts as texts."""
    frame = run.series("membership")
    texts = {name: frame[name].astype(str) for name in ("unit", "member", "kind", "state", "why")}
    frame = frame.assign(**texts)
    return frame[frame["kind"].isin(kinds)]


def _outages(run: Run) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Return when units, nodes and carriers were down [s], by which of these, and name."""
    event = run.columns("event", "t_us", "kind", "element")
    event = event[event["kind"].isin([*_DOWN, *_UP])]
    spans: dict[tuple[str, str], list[tuple[float, float]]] = {}
    since: dict[tuple[str, str], float] = {}
    event = event.sort_values("t_us", kind="stable")
    columns = [event[name].tolist() for name in ("t_us", "kind", "element")]
    for t_us, kind, element in zip(*columns, strict=True):
        t_s = t_us / 1e6
        if kind in _DOWN:
            since.setdefault((_DOWN[kind], element), t_s)
        elif (begin_s := since.pop((_UP[kind], element), None)) is not None:
            spans.setdefault((_UP[kind], element), []).append((begin_s, t_s))
    for key, begin_s in since.items():
        spans.setdefault(key, []).append((begin_s, np.inf))
    return spans


def detections(run: Run) -> pd.DataFrame:
    """Return each loss of a unit that had failed: ``kind`` of unit, ``seconds`` since it did."""
    outages = _outages(run)
    rows = []
    lost = _changes(run, "unit")
    lost = lost[lost["state"] == "lost"]
    for t_ms, member in zip(lost["t_ms"].tolist(), lost["member"].tolist(), strict=True):
        spans = [span for what in ("unit", "node") for span in outages.get((what, member), ())]
        at_s = t_ms / 1000.0
        begun = [begin_s for begin_s, end_s in spans if begin_s <= at_s <= end_s]
        if begun:
            rows.append({"kind": member.partition("/")[0], "seconds": at_s - min(begun)})
    return pd.DataFrame(rows, columns=["kind", "seconds"])


def suspicions(run: Run) -> pd.DataFrame:
    """Return each suspicion of a unit: its ``kind``, and whether it was ``false``.

    It was if, while nothing was heard, both units and their nodes were well, and no other node,
    link or medium of the network was out.
    """
    frame = _changes(run, "unit")
    frame = frame[frame["state"] == "suspected"]
    outages = _outages(run)
    network = [span for (what, _), spans in outages.items() if what != "unit" for span in spans]
    rows = []
    columns = [frame[name].tolist() for name in ("t_ms", "silent_ms", "unit", "member")]
    for t_ms, silent_ms, unit, member in zip(*columns, strict=True):
        end_s, begin_s = t_ms / 1000.0, (t_ms - silent_ms) / 1000.0
        own = [span for one in (unit, member) for span in outages.get(("unit", one), ())]
        disturbed = any(since <= end_s and until >= begin_s for since, until in [*network, *own])
        rows.append({"kind": member.partition("/")[0], "false": not disturbed})
    return pd.DataFrame(rows, columns=["kind", "false"])


def _counts(series: pd.Series) -> dict[str, float]:
    return {str(name): int(count) for name, count in series.value_counts().sort_index().items()}


@kpi("1", "membership")
def group_members(run: Run) -> Outcome:
    """Number of units that belong to another one at the end of the run and are not lost, by kind
    of unit.
    """
    frame = _changes(run, "unit")
    if frame.empty:
        return nothing(_NO_GROUPS)
    last = frame.groupby(["unit", "member"], sort=True)["state"].last()
    there = last[~last.isin(_GONE)].index.get_level_values("member")
    kinds = pd.Series([str(one).partition("/")[0] for one in sorted(set(there))], dtype=str)
    return Outcome(len(kinds), by=_counts(kinds))


@kpi("1", "membership")
def losses_noticed(run: Run) -> Outcome:
    """Number of times that a member, or an instrument of a unit (``sensor``), was held to be
    lost, by kind of unit.
    """
    frame = _changes(run, "unit", "sensor")
    if frame.empty:
        return nothing(_NO_GROUPS)
    lost = frame[frame["state"] == "lost"]
    kinds = lost["member"].str.split("/").str[0].where(lost["kind"] == "unit", "sensor")
    return Outcome(len(kinds), by=_counts(kinds))


@kpi("s", "membership", Up.BAD)
def loss_detection_s(run: Run) -> Outcome:
    """Mean time from the failure of a unit or its node until it is held to be lost, of those
    that were, by kind of unit.
    """
    frame = detections(run)
    if frame.empty:
        return nothing(_NO_LOSS)
    by = frame.groupby("kind", sort=True)["seconds"].mean()
    return Outcome(float(frame["seconds"].mean()), by={str(k): float(v) for k, v in by.items()})


@kpi("s", "membership", Up.BAD)
def loss_detection_p95_s(run: Run) -> Outcome:
    """95th percentile of the time from the failure of a unit or its node until it is held to be
    lost, by kind of unit.
    """
    frame = detections(run)
    if frame.empty:
        return nothing(_NO_LOSS)
    by = frame.groupby("kind", sort=True)["seconds"].quantile(0.95)
    value = float(np.quantile(frame["seconds"], 0.95))
    return Outcome(value, by={str(k): float(v) for k, v in by.items()})


@kpi("1", "membership", Up.BAD)
def false_suspicions(run: Run) -> Outcome:
    """Number of times that a unit was suspected although it, the unit that suspected it, and the
    whole network were in order while nothing was heard, by kind of unit.
    """
    if _changes(run, "unit").empty:
        return nothing(_NO_GROUPS)
    frame = suspicions(run)
    wrong = frame[frame["false"].astype(bool)]
    return Outcome(len(wrong), by=_counts(wrong["kind"]))


@kpi("1", "membership")
def joins_refused(run: Run) -> Outcome:
    """Number of times that a unit was refused, by reason: a bad certificate, or no place here;
    each unit and reason at most once a minute.
    """
    frame = _changes(run, "unit")
    if frame.empty:
        return nothing(_NO_GROUPS)
    refused = frame[frame["state"] == "refused"]
    return Outcome(len(refused), by=_counts(refused["why"]))


@kpi("s", "membership", Up.BAD)
def joining_p95_s(run: Run) -> Outcome:
    """95th percentile of the time from a unit's first request to join in the run until it was a
    member, by kind of unit.
    """
    asked = run.columns("request", "t_ms", "unit", "operation", "variable", "latency_ms")
    wanted = (asked["variable"] == "group.join") & (asked["operation"] == "write")
    asked = asked[wanted.to_numpy()]
    joined = _changes(run, "parent")
    joined = joined[joined["state"] == "joined"]
    if joined.empty or asked.empty:
        return nothing(_NO_GROUPS)
    begun = (asked["t_ms"] - asked["latency_ms"]).groupby(asked["unit"].astype(str)).min()
    ended = joined.groupby("unit")["t_ms"].min()
    took_s = ((ended - begun).dropna() / 1000.0).clip(lower=0.0)
    if took_s.empty:
        return nothing(_NO_GROUPS)
    by = took_s.groupby([str(unit).partition("/")[0] for unit in took_s.index]).quantile(0.95)
    value = float(np.quantile(took_s, 0.95))
    return Outcome(value, by={str(k): float(v) for k, v in by.items()})
