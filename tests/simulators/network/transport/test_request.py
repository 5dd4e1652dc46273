"""Confirmable requests: repetition after CoAP's times, duplicates, blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.network.transport.request import Requests
from simulators.network.transport.settings import FlowTransport

COAP = FlowTransport(kind="request", protocol="coap", ack_random_factor=1.0)


def forth(message: Any) -> bool:
    return bool(message.what[2])


@pytest.mark.parametrize(
    ("p", "repeats", "delivered", "transmissions"),
    [
        (0.1, 3, 0.9999, 1.111),
        (0.3, 3, 0.9919, 1.417),
        (0.3, 5, 0.999271, 1.42753),
        (0.5, 3, 0.9375, 1.875),
        (0.5, 5, 0.984375, 1.96875),
    ],
)
def test_stop_and_wait(
    pipe: Any, p: float, repeats: int, delivered: float, transmissions: float
) -> None:
    """The table of exact results: 1 - p^(r+1) and (1 - p^(r+1)) / (1 - p)."""
    count = 5000
    rng = np.random.default_rng(3)
    channel = pipe(lambda number, it: [] if forth(it) and rng.random() < p else [1000])
    requests = Requests(channel.host)
    transport = FlowTransport(kind="request", max_retransmit=repeats, waiting_messages=count)
    for number in range(count):
        requests.take(channel.message(number, 10), transport, None)
    channel.run()
    sent = [it for _, it in channel.carried if forth(it)]
    share = len(channel.delivered) / count
    per_message = len(sent) / count
    rest = p ** (repeats + 1)
    variance = _variance(p, repeats)
    assert share == pytest.approx(delivered, abs=3.5 * (rest * (1 - rest) / count) ** 0.5 + 5e-5)
    assert per_message == pytest.approx(transmissions, abs=3.5 * (variance / count) ** 0.5 + 5e-4)
    assert len(channel.delivered) + len(channel.lost) == count
    assert {cause for *_, cause in channel.lost} <= {"timeout"}


def _variance(p: float, repeats: int) -> float:
    weights = [p**k * (1 - p) for k in range(repeats)] + [p**repeats]
    mean = sum((k + 1) * weight for k, weight in enumerate(weights))
    return sum((k + 1 - mean) ** 2 * weight for k, weight in enumerate(weights))


def test_time_outs_are_two_seconds_doubled(pipe: Any) -> None:
    """RFC 7252 4.8.2: 2, 4, 8, 16, 32 s: the last copy after 30 s, given up after 62."""
    channel = pipe(lambda number, it: [])
    Requests(channel.host).take(channel.message(1, 10), COAP, None)
    channel.run()
    assert [t_us // 1_000_000 for t_us, _ in channel.carried] == [0, 2, 6, 14, 30]
    ((t_us, message, cause),) = channel.lost
    assert (t_us, message.retry_us, cause) == (62_000_000, 62_000_000, "timeout")


def test_the_first_time_out_is_spread(pipe: Any) -> None:
    count = 2000
    channel = pipe(lambda number, it: [])
    requests = Requests(channel.host)
    transport = FlowTransport(
        kind="request", max_retransmit=0, outstanding=count, waiting_messages=count
    )
    for number in range(count):
        requests.take(channel.message(number, 10), transport, None)
    channel.run()
    waits_s = np.array([t_us for t_us, *_ in channel.lost]) / 1e6
    assert 2.0 <= waits_s.min() < 2.01
    assert 2.99 < waits_s.max() <= 3.0
    assert waits_s.mean() == pytest.approx(2.5, abs=3.5 * (1 / 12 / count) ** 0.5)


def test_a_duplicate_is_acknowledged_and_not_delivered(pipe: Any) -> None:
    channel = pipe(lambda number, it: [] if number == 1 else [1000])  # the first answer is lost
    Requests(channel.host).take(channel.message(1, 10), COAP, None)
    channel.run()
    assert [(t_us, forth(it)) for t_us, it in channel.carried] == [
        (0, True), (1000, False), (2_000_000, True), (2_001_000, False),
    ]  # fmt: skip
    assert [t_us for t_us, _ in channel.delivered] == [1000]
    assert channel.lost == []


def test_a_late_copy_is_delivered_and_not_lost(pipe: Any) -> None:
    channel = pipe(lambda number, it: [70_000_000] if number == 4 else [])
    Requests(channel.host).take(channel.message(1, 10), COAP, None)
    channel.run()
    assert [t_us for t_us, _ in channel.delivered] == [100_000_000]
    assert channel.lost == []
    message = channel.delivered[0][1]
    assert (message.retry_us, message.air_us) == (30_000_000, 70_000_000)


def test_one_exchange_at_a_time(pipe: Any) -> None:
    channel = pipe(lambda number, it: [10_000])
    requests = Requests(channel.host)
    for number in range(4):
        requests.take(channel.message(number, 10), COAP, None)
    channel.run()
    assert [t_us for t_us, _ in channel.delivered] == [10_000, 30_000, 50_000, 70_000]
    assert [message.queue_us for _, message in channel.delivered] == [0, 20_000, 40_000, 60_000]


def test_a_large_message_goes_block_by_block(pipe: Any) -> None:
    channel = pipe(lambda number, it: [] if number == 2 else [10_000])
    Requests(channel.host).take(channel.message(1, 2500), COAP, None)
    channel.run()
    sizes = [it.size for _, it in channel.carried if forth(it)]
    assert sizes == [1054, 1054, 1054, 452 + 30]  # the second twice; headers as aiocoap has them
    ((t_us, message),) = channel.delivered
    assert t_us == 2_000_000 + 50_000
    assert (message.queue_us, message.retry_us, message.air_us) == (40_000, 2_000_000, 10_000)


def test_on_a_link_that_loses_both_ways(line: Any, play: Any, frame: Any, check: Any) -> None:
    """Copies go on until an answer comes: (1 - q^(r+1)) / (1 - q) with q = 1 - (1 - p)²."""
    p, count = 0.3, 1500
    spec = line(overrides={"ethernet": {"error": p}})
    spec["transport"] = {"flows": {"f": {"kind": "request", "outstanding": 99}}}
    sends = {t: [frame(t, "n0", "n1", 1000 * t)] for t in range(0, 100 * count, 100)}
    end_ms = 100 * count + 100_000
    run = play(spec, sends, end_ms)
    for row in run.rows:
        check(row, end_ms)
    share = sum(row["fate"] == "delivered" for row in run.rows) / count
    assert share == pytest.approx(1 - p**5, abs=3.5 * (p**5 / count) ** 0.5)
    q = 1 - (1 - p) ** 2
    copies = (1 - q**5) / (1 - q)
    transmissions = sum(row["transmissions"] for row in run.media) / count
    answers = copies * (1 - p)
    assert transmissions == pytest.approx(copies + answers, rel=0.06)


@settings(max_examples=200, deadline=None)
@given(
    fates=st.lists(st.lists(st.integers(1000, 90_000_000), max_size=2), max_size=40),
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=6),
    repeats=st.integers(0, 3),
    outstanding=st.integers(1, 3),
)
def test_any_schedule(pipe: Any, fates: Any, sizes: Any, repeats: int, outstanding: int) -> None:
    transport = FlowTransport(
        kind="request", max_retransmit=repeats, outstanding=outstanding, block_bytes=100
    )
    channel = pipe(lambda number, it: fates[number] if number < len(fates) else [10_000])
    requests = Requests(channel.host)
    for number, size in enumerate(sizes):
        requests.take(channel.message(number, size), transport, None)
    channel.run()
    ends = [it.serial for _, it in channel.delivered] + [it.serial for _, it, _ in channel.lost]
    assert sorted(ends) == list(range(len(sizes)))
    for t_us, message in [*channel.delivered, *(it[:2] for it in channel.lost)]:
        parts = (message.queue_us, message.retry_us, message.air_us, message.core_us)
        assert min(parts) >= 0
        assert sum(parts) == t_us
