"""Communication: how much, how fast, how surely, at what use of the media."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.flows import flows
from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["PARTS", "delays"]

PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")
_FAMILY = "communication"
_NO_MESSAGE = "no message was sent"
_NONE_ARRIVED = "no message arrived"
_TT1_MS = 1_000.0
_IEC = "IEC 61850-5: transfer time class TT1, 1 000 ms (events, alarms)"


def _counts(values: pd.Series) -> dict[str, float]:
    counts = values.value_counts()
    return {str(key): int(count) for key, count in counts.items() if count}


def delays(run: Run) -> pd.DataFrame:
    """Return ``delay_ms`` and ``flow`` of each message that arrived."""
    frame = run.columns("message", "flow", "fate", "delay_us")
    frame = frame[(frame["fate"] == "delivered").to_numpy()]
    return pd.DataFrame({"flow": frame["flow"], "delay_ms": frame["delay_us"] / 1000.0})


def _by_flow(series: pd.Series) -> dict[str, float]:
    return {str(key): float(value) for key, value in series.items()}


@kpi("1", _FAMILY)
def messages(run: Run) -> Outcome:
    """Number of messages handed to the network, by flow."""
    flow = run.columns("message", "flow")["flow"]
    return Outcome(len(flow), by=_counts(flow))


@kpi("B", _FAMILY)
def message_bytes(run: Run) -> Outcome:
    """Bytes above the transport of all messages, by flow."""
    frame = run.columns("message", "flow", "bytes")
    sums = frame.groupby("flow", observed=True)["bytes"].sum()
    return Outcome(int(frame["bytes"].sum()), by={str(k): int(v) for k, v in sums.items()})


@kpi("B", _FAMILY, Up.BAD)
def wire_bytes(run: Run) -> Outcome:
    """Bytes on all hops with headers and repetitions, by flow."""
    frame = run.columns("message", "flow", "wire_bytes")
    sums = frame.groupby("flow", observed=True)["wire_bytes"].sum()
    return Outcome(int(frame["wire_bytes"].sum()), by={str(k): int(v) for k, v in sums.items()})


@kpi("%", _FAMILY, Up.GOOD)
def delivery_percent(run: Run) -> Outcome:
    """Share of messages delivered, of those whose fate is known at the end, by flow."""
    frame = run.columns("message", "flow", "fate")
    frame = frame[(frame["fate"] != "in-flight").to_numpy()]
    if frame.empty:
        return nothing(_NO_MESSAGE)
    arrived = 100.0 * (frame["fate"] == "delivered")
    by = arrived.groupby(frame["flow"], observed=True).mean()
    return Outcome(float(arrived.mean()), by=_by_flow(by))


@kpi("1", _FAMILY, Up.BAD)
def messages_lost(run: Run) -> Outcome:
    """Number of messages lost, by cause of the loss."""
    frame = run.columns("message", "fate", "loss")
    lost = frame[(frame["fate"] == "lost").to_numpy()]
    return Outcome(len(lost), by=_counts(lost["loss"]))


@kpi("1", _FAMILY)
def messages_in_flight(run: Run) -> Outcome:
    """Number of messages still under way at the end of the run."""
    return Outcome(int((run.columns("message", "fate")["fate"] == "in-flight").sum()))


@kpi("1", _FAMILY, Up.BAD)
def messages_unaccounted(run: Run) -> Outcome:
    """Messages sent less those delivered, lost and in flight, by flow; 0 where the network closed
    its books.
    """
    found = flows(run)
    by = {flow.name: flow.sent - flow.known - flow.in_flight for flow in found}
    return Outcome(sum(by.values()), by=by)


def _percentile(run: Run, share: float) -> Outcome:
    frame = delays(run)
    if frame.empty:
        return nothing(_NONE_ARRIVED)
    by = frame.groupby("flow", observed=True)["delay_ms"].quantile(share)
    return Outcome(float(frame["delay_ms"].quantile(share)), by=_by_flow(by))


@kpi("ms", _FAMILY, Up.BAD)
def message_delay_p50_ms(run: Run) -> Outcome:
    """Median delay of the messages that arrived, from the sending tick to the delivery tick,
    by flow.
    """
    return _percentile(run, 0.50)


@kpi("ms", _FAMILY, Up.BAD)
def message_delay_p95_ms(run: Run) -> Outcome:
    """95th percentile of the delay, by flow."""
    return _percentile(run, 0.95)


@kpi("ms", _FAMILY, Up.BAD)
def message_delay_p99_ms(run: Run) -> Outcome:
    """99th percentile of the delay, by flow."""
    return _percentile(run, 0.99)


@kpi("ms", _FAMILY, Up.BAD)
def message_delay_p999_ms(run: Run) -> Outcome:
    """99.9th percentile of the delay, by flow."""
    return _percentile(run, 0.999)


@kpi("ms", _FAMILY, Up.BAD)
def message_delay_mean_ms(run: Run) -> Outcome:
    """Mean delay of the messages that arrived, by part: the sender's host, queues, waiting for
    the medium, on the air, repetitions, core network, and waiting for the tick.
    """
    columns = [f"{part}_us" for part in PARTS]
    frame = run.columns("message", "fate", "delay_us", *columns)
    frame = frame[(frame["fate"] == "delivered").to_numpy()]
    if frame.empty:
        return nothing(_NONE_ARRIVED)
    means = frame[["delay_us", *columns]].mean() / 1000.0
    by = {part: float(means[f"{part}_us"]) for part in PARTS}
    return Outcome(float(means["delay_us"]), by=by)


@kpi("%", _FAMILY, Up.BAD)
def queueing_percent(run: Run) -> Outcome:
    """Share of the delay of all messages that arrived which they spent waiting behind others in
    queues, by flow.
    """
    frame = run.columns("message", "flow", "fate", "delay_us", "queue_us")
    frame = frame[(frame["fate"] == "delivered").to_numpy()]
    if frame.empty:
        return nothing(_NONE_ARRIVED)
    sums = frame.groupby("flow", observed=True)[["queue_us", "delay_us"]].sum()
    total = sums.sum()
    by = _by_flow(100.0 * sums["queue_us"] / sums["delay_us"].clip(lower=1.0))
    return Outcome(float(100.0 * total["queue_us"] / max(1.0, total["delay_us"])), by=by)


@kpi("us", _FAMILY, Up.BAD)
def delay_gap_us(run: Run) -> Outcome:
    """Largest difference between the delay of a message that arrived and the sum of its parts; 0
    where the time of each is accounted for.
    """
    frame = run.columns("message", "delay_us", *(f"{part}_us" for part in PARTS))
    parts_us = frame[[f"{part}_us" for part in PARTS]].to_numpy().sum(axis=1)
    there = frame["delay_us"].notna().to_numpy()
    gap_us = np.abs(frame["delay_us"].to_numpy()[there] - parts_us[there])
    return Outcome(float(gap_us.max())) if len(gap_us) else nothing(_NONE_ARRIVED)


@kpi("bit/s", _FAMILY, Up.GOOD)
def goodput_bps(run: Run) -> Outcome:
    """Payload of the messages that arrived, by the length of the run, by flow; headers,
    repetitions and what was lost do not count.
    """
    frame = run.columns("message", "flow", "fate", "bytes")
    there = frame[(frame["fate"] == "delivered").to_numpy()]
    if there.empty or run.duration_ms <= 0:
        return nothing(_NONE_ARRIVED)
    bps = 8000.0 * there.groupby("flow", observed=True)["bytes"].sum() / run.duration_ms
    return Outcome(float(bps.sum()), by=_by_flow(bps))


@kpi("%", _FAMILY, Up.BAD, source=_IEC)
def late_messages_percent(run: Run) -> Outcome:
    """Share of the messages that arrived which took more than 1 s, by flow."""
    frame = delays(run)
    if frame.empty:
        return nothing(_NONE_ARRIVED)
    late = 100.0 * (frame["delay_ms"] > _TT1_MS)
    by = late.groupby(frame["flow"], observed=True).mean()
    return Outcome(float(late.mean()), by=_by_flow(by))


@kpi("1", _FAMILY, Up.BAD)
def retries_per_message(run: Run) -> Outcome:
    """Mean number of repeated transmissions of a message that arrived: transmissions less
    hops, by flow.
    """
    frame = run.columns("message", "flow", "fate", "attempts", "hops")
    frame = frame[(frame["fate"] == "delivered").to_numpy()]
    if frame.empty:
        return nothing(_NONE_ARRIVED)
    retries = (frame["attempts"] - frame["hops"]).clip(lower=0)
    by = retries.groupby(frame["flow"], observed=True).mean()
    return Outcome(float(retries.mean()), by=_by_flow(by))
