"""The link against queueing theory: waiting, loss, priorities, repetition, bursts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from simpy.events import Timeout

from fernwatt.messages import Frame
from simulators.network.carrier import Clock, Fabric
from simulators.network.draws import noise
from simulators.network.link import Link
from simulators.network.message import Message, Node
from simulators.network.technologies import LinkTechnology

# One byte takes one microsecond, 24 bytes are Ethernet's own: a payload of n takes n + 24 µs.
PLAIN = LinkTechnology(
    name="test",
    title="test",
    phy="ethernet",
    mtu_bytes=10**7,
    frame_header_bytes=0,
    queue_frames=10**6,
    rate_up_bps=8e6,
    rate_down_bps=8e6,
)
SERVICE_US = 10_000


class Bench:
    """One link and what came of the messages offered to its up direction."""

    def __init__(self, technology: LinkTechnology) -> None:
        self.clock = Clock()
        self.passed: list[Message] = []
        self.lost: list[tuple[Message, str]] = []
        fabric = Fabric(
            self.clock, 1, self.passed.append, lambda message, why: self.lost.append((message, why))
        )
        self.link = Link(fabric, "l", technology, (Node("a"), Node("b")))

    def run(
        self, times_us: Sequence[int], services_us: Sequence[int], classes: Sequence[int]
    ) -> None:
        payloads: dict[int, bytes] = {}
        for serial, (at, service, level) in enumerate(
            zip(times_us, services_us, classes, strict=True)
        ):
            payload = payloads.setdefault(service, bytes(service - 24))
            frame = Frame(f"a#{serial}", "", "a", "b", "f", level, at, -1, payload)
            Timeout(self.clock, at, Message.of(serial, frame, at)).callbacks.append(self._offer)
        self.clock.run()

    def _offer(self, event: Any) -> None:
        message: Message = event.value
        message.path = ((self.link.up, self.link.b),)
        self.link.up.offer(message)


def poisson(rate_per_us: float, count: int, seed: int = 3) -> list[int]:
    gaps = np.random.default_rng(seed).exponential(1 / rate_per_us, count)
    return np.cumsum(gaps).astype(int).tolist()


def agrees(values: Sequence[float], expected: float, batches: int = 20) -> None:
    """Assert that a mean agrees with theory within its own confidence interval (batch means)."""
    kept = np.asarray(values, float)[len(values) // 20 :]
    means = kept[: len(kept) // batches * batches].reshape(batches, -1).mean(axis=1)
    error = means.std(ddof=1) / np.sqrt(batches)
    assert abs(means.mean() - expected) < 3.5 * error + 1e-9, (means.mean(), expected, error)
    assert error < 0.12 * max(abs(expected), 1e-3), "too short a run to tell anything"


@pytest.mark.parametrize(("load", "waiting"), [(0.3, 0.2143), (0.5, 0.5), (0.8, 2.0)])
def test_deterministic_service_waits_as_md1(load: float, waiting: float) -> None:
    count = 60_000
    bench = Bench(PLAIN)
    bench.run(poisson(load / SERVICE_US, count), [SERVICE_US] * count, [2] * count)
    assert len(bench.passed) == count
    assert all(message.air_us == SERVICE_US for message in bench.passed)
    agrees([message.queue_us / SERVICE_US for message in bench.passed], waiting)


@pytest.mark.parametrize(("load", "waiting"), [(0.3, 0.4286), (0.5, 1.0), (0.7, 2.3333)])
def test_exponential_service_waits_as_mm1(load: float, waiting: float) -> None:
    count = 60_000
    drawn = np.random.default_rng(5).exponential(SERVICE_US, count).astype(int)
    bench = Bench(PLAIN)
    bench.run(poisson(load / SERVICE_US, count), np.maximum(drawn, 24).tolist(), [2] * count)
    agrees([message.queue_us / SERVICE_US for message in bench.passed], waiting)


@pytest.mark.parametrize(
    ("load", "places", "lost", "waiting"), [(0.8, 5, 0.03529, 1.20967), (0.5, 3, 0.02724, 0.37095)]
)
def test_a_finite_queue_loses_as_md1k(
    load: float, places: int, lost: float, waiting: float
) -> None:
    count = 60_000
    bench = Bench(replace(PLAIN, queue_frames=places - 1))  # one place is the transmitter
    bench.run(poisson(load / SERVICE_US, count), [SERVICE_US] * count, [2] * count)
    fates = np.zeros(count)
    for message, why in bench.lost:
        assert why == "queue-full"
        fates[message.serial] = 1
    agrees(fates.tolist(), lost)
    agrees([message.queue_us / SERVICE_US for message in bench.passed], waiting)


def test_priorities_do_not_preempt() -> None:
    # M/D/1 with two classes, rho 0.2 and 0.4: W1 = R / 0.8, W2 = R / (0.8 · 0.4), R = 0.3.
    count = 60_000
    classes = (np.random.default_rng(7).random(count) < 2 / 3).astype(int) * 3
    bench = Bench(PLAIN)
    bench.run(poisson(0.6 / SERVICE_US, count), [SERVICE_US] * count, classes.tolist())
    for level, waiting in ((0, 0.375), (3, 0.9375)):
        waits = [m.queue_us / SERVICE_US for m in bench.passed if m.priority == level]
        agrees(waits, waiting)


@pytest.mark.parametrize(
    ("error", "retries", "delivered", "tries"),
    [
        (0.1, 3, 0.9999, 1.111),
        (0.3, 3, 0.9919, 1.417),
        (0.3, 5, 0.999271, 1.42753),
        (0.5, 3, 0.9375, 1.875),
        (0.5, 5, 0.984375, 1.96875),
    ],
)
def test_stop_and_wait_repeats_as_computed(
    error: float, retries: int, delivered: float, tries: float
) -> None:
    count = 20_000
    bench = Bench(replace(PLAIN, error=error, retries=retries, retry_us=500))
    bench.run(list(range(0, count * 10**6, 10**6)), [1000] * count, [0] * count)
    attempts = sorted(
        [(m.serial, m.attempts, 1) for m in bench.passed]
        + [(m.serial, m.attempts, 0) for m, _ in bench.lost]
    )
    assert len(attempts) == count
    assert {why for _, why in bench.lost} <= {"retries"}
    share = np.mean([ok for _, _, ok in attempts])
    assert abs(share - delivered) < 3.5 * np.sqrt(delivered * (1 - delivered) / count) + 1e-4
    agrees([n for _, n, _ in attempts], tries)
    for message in bench.passed:
        assert message.air_us == 1000
        assert message.retry_us == (message.attempts - 1) * 1500


def test_noise_without_repetition_is_named() -> None:
    bench = Bench(replace(PLAIN, error=1.0))
    bench.run([0], [1000], [0])
    assert [why for _, why in bench.lost] == ["noise"]


def test_the_core_delays_by_its_distribution() -> None:
    count = 20_000
    bench = Bench(replace(PLAIN, core_median_us=10_000, core_sigma=0.4, length_km=20.0))
    bench.run(list(range(0, count * 10**6, 10**6)), [1000] * count, [0] * count)
    delays = np.array([message.core_us for message in bench.passed]) - 100  # 20 km at 5 µs
    assert np.median(delays) == pytest.approx(10_000, rel=0.02)
    assert np.log(delays).std() == pytest.approx(0.4, rel=0.03)


def test_bursts_are_stationary_and_as_long_as_stated() -> None:
    technology = replace(PLAIN, good_ms=900.0, bad_ms=100.0, error=0.0, error_bad=1.0)
    channel = noise(technology, 1, "x")
    step_us, count = 10_000, 200_000
    lost = np.array([channel.destroys(n * step_us, 100) for n in range(count)])
    agrees(lost.astype(float).tolist(), 0.1)
    # Sampled every 10 ms, a bad spell lasts 1 / P(bad to good) samples on the mean.
    leave = 0.9 * (1 - np.exp(-(1 / 900 + 1 / 100) * 10))
    ends = np.flatnonzero(lost[:-1] & ~lost[1:])
    assert lost.sum() / len(ends) == pytest.approx(1 / leave, rel=0.05)


def test_what_a_dead_transmitter_held_is_handed_back_with_its_time_booked() -> None:
    bench = Bench(PLAIN)
    given: list[Message] = []
    Timeout(bench.clock, 4000).callbacks.append(lambda _: given.extend(bench.link.up.clear()))
    bench.run([0, 1000], [SERVICE_US] * 2, [0, 0])
    assert bench.passed == bench.lost == []
    assert [(m.serial, m.air_us, m.queue_us) for m in given] == [(0, 4000, 0), (1, 0, 3000)]


def test_what_is_under_way_on_a_cable_is_known_at_every_instant() -> None:
    # 1000 km: 5 ms of propagation after 10 ms of sending; the second waits for the first.
    bench = Bench(replace(PLAIN, length_km=1000.0))
    seen: dict[int, tuple[int, int, int]] = {}
    for at_us in (9_999, 10_000, 14_999, 15_000, 19_999, 20_000, 25_000):
        timer = Timeout(bench.clock, at_us)
        timer.callbacks.append(
            lambda _: seen.update(
                {bench.clock.now: (bench.link.in_transit(), *map(len, bench.link.up.held()))}
            )
        )
    bench.run([0, 1000], [SERVICE_US] * 2, [0, 0])
    assert seen[9_999] == (0, 1, 1)
    assert seen[14_999] == (1, 0, 1)
    assert seen[19_999] == (0, 0, 1)
    assert seen[20_000] == (1, 0, 0)
    assert seen[25_000][0] <= 1
    assert [m.queue_us + m.air_us + m.core_us for m in bench.passed] == [15_000, 24_000]


def test_what_left_a_transmitter_arrives_though_the_transmitter_dies() -> None:
    bench = Bench(replace(PLAIN, length_km=1000.0))
    given: list[Message] = []
    Timeout(bench.clock, 12_000).callbacks.append(lambda _: given.extend(bench.link.up.clear()))
    bench.run([0, 1000, 13_000], [SERVICE_US] * 3, [0, 0, 0])
    assert [(m.serial, m.air_us, m.queue_us) for m in given] == [(1, 2000, 9000)]
    assert [(m.serial, m.core_us, m.queue_us) for m in bench.passed] == [(0, 5000, 0), (2, 5000, 0)]
    assert bench.link.in_transit() == 0
