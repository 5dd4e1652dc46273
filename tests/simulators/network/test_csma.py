"""The shared medium against exact and independently simulated values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from simpy.events import Timeout

from fernwatt.messages import Frame
from simulators.network.air import Air
from simulators.network.carrier import Clock, Fabric
from simulators.network.csma import Medium
from simulators.network.message import Message, Node
from simulators.network.technologies import MediumTechnology, load

ZIGBEE = load()["zigbee-han"]
assert isinstance(ZIGBEE, MediumTechnology)
BARE = replace(
    ZIGBEE, frame_header_bytes=0, message_header_bytes=0, fragment_header_bytes=0, error=0.0
)


class Bench:
    """A medium with a sink and stations; ``fates`` are (time, message, why it died or '')."""

    def __init__(
        self,
        technology: MediumTechnology,
        stations: int,
        seed: int = 1,
        air: Air | None = None,
        kind: type[Medium] = Medium,
    ) -> None:
        self.clock = Clock()
        self.fates: list[tuple[int, Message, str]] = []
        self.refill = False
        fabric = Fabric(self.clock, seed, lambda message: self._over(message, ""), self._over)
        self.nodes = [Node(f"n{number:03d}") for number in range(stations + 1)]
        self.medium = kind(fabric, "m", technology, self.nodes, air)
        self.serial = 0

    def send(self, station: int, size: int, to: int = 0) -> None:
        """Offer one message from a station (1, 2, …) to the sink, or another, now."""
        node, there = self.nodes[station], self.nodes[to]
        self.serial += 1
        frame = Frame(f"{node.id}#{self.serial}", "", node.id, there.id, "f", 0, 0, -1, bytes(size))
        message = Message.of(self.serial, frame, self.clock.now)
        message.path = ((self.medium.port(node), there),)
        message.path[0][0].offer(message)

    def at(self, t_us: int, *sends: tuple[int, ...]) -> None:
        """Offer messages at a later time."""
        Timeout(self.clock, t_us, sends).callbacks.append(self._send)

    def _send(self, event: Any) -> None:
        for sends in event.value:
            self.send(*sends)

    def _over(self, message: Message, why: str) -> None:
        self.fates.append((self.clock.now, message, why))
        if self.refill:
            self.send(int(message.frame.src[1:]), message.size)


@pytest.mark.parametrize(("size", "mean_ms"), [(20, 2.816), (60, 4.096), (127, 6.240)])
def test_one_hop_alone_takes_what_the_standard_adds_up_to(size: int, mean_ms: float) -> None:
    count = 8000
    bench = Bench(BARE, 1)
    for number in range(count):
        bench.at(number * 100_000, (1, size))
    bench.clock.run()
    air_us = (6 + size) * 32
    totals = []
    for _, message, why in bench.fates:
        assert why == ""
        assert message.air_us == air_us
        assert (message.access_us - 320) % 320 == 0  # whole backoffs, sensing, turnaround
        assert 0 <= (message.access_us - 320) // 320 <= 7
        totals.append((message.access_us + air_us + 192 + 352) / 1000)
    error = np.std(totals) / np.sqrt(count)
    assert abs(np.mean(totals) - mean_ms) < 3.5 * error


def test_a_backlog_is_served_one_exchange_after_the_other() -> None:
    count = 6000
    bench = Bench(replace(BARE, queue_frames=count), 1)
    for _ in range(count):
        bench.send(1, 60)
    bench.clock.run()
    cycle_us = (bench.fates[-1][0] - bench.fates[0][0]) / (count - 1)
    assert cycle_us == pytest.approx(4096 + 640, abs=3.5 * 733 / np.sqrt(count))  # and an IFS


@pytest.mark.parametrize(
    ("stations", "alone"), [(2, 0.875), (3, 0.82031), (5, 0.7135), (10, 0.4905), (20, 0.20865)]
)
def test_one_shot_contention_is_won_by_a_unique_minimum(stations: int, alone: float) -> None:
    rounds, apart_us = 2000, 1_000_000
    bench = Bench(replace(BARE, retries=0), stations)
    for number in range(rounds):
        bench.at(number * apart_us, *((station, 50) for station in range(1, stations + 1)))
    bench.clock.run()
    first: dict[int, str] = {}
    for now, message, why in bench.fates:
        if message.attempts:
            first.setdefault(now // apart_us, why)
    assert len(first) == rounds
    won = np.mean([why == "" for why in first.values()])
    assert abs(won - alone) < 3.5 * np.sqrt(alone * (1 - alone) / rounds)


@pytest.mark.parametrize(
    ("changes", "air_slots", "stations", "throughput"),
    [
        ({}, 13, 2, 0.7257),
        ({}, 13, 5, 0.6748),
        ({}, 13, 10, 0.5648),
        ({}, 13, 20, 0.3513),
        ({"max_be": 8, "max_backoffs": 50}, 30, 2, 0.8636),
        ({"max_be": 8, "max_backoffs": 50}, 30, 10, 0.8168),
        ({"max_be": 8, "max_backoffs": 50}, 30, 50, 0.6822),
    ],
)
def test_saturated_stations_share_the_medium_as_another_simulator_has_it(
    changes: dict[str, int], air_slots: int, stations: int, throughput: float
) -> None:
    # Slot-synchronous: sensing takes the slot before the transmission, which begins at once.
    technology = replace(
        BARE, retries=0, ack_us=0, ack_timeout_us=0, ifs_us=0, cca_us=320, turnaround_us=0,
        mtu_bytes=10**4, **changes,
    )  # fmt: skip
    size, span_us = air_slots * 10 - 6, 40_000 * 320
    bench = Bench(technology, stations)
    bench.refill = True
    for station in range(1, stations + 1):
        bench.send(station, size)
    bench.clock.run(until=span_us)
    carried = sum(message.air_us for _, message, why in bench.fates if not why)
    assert carried / span_us == pytest.approx(throughput, rel=0.03, abs=0.01)


def test_overlapping_frames_die_and_the_books_name_it() -> None:
    bench = Bench(replace(BARE, min_be=0, max_be=0, retries=0), 3)
    for station in (1, 2, 3):
        bench.send(station, 50)
    bench.clock.run()
    assert [(message.attempts, why) for _, message, why in bench.fates] == [(1, "retries")] * 3
    assert (bench.medium.usage.transmissions, bench.medium.usage.collisions) == (3, 3)
    assert bench.medium.usage.airtime_us == (6 + 50) * 32


def test_who_senses_within_the_turnaround_collides_and_later_waits() -> None:
    for offset_us, collided in ((0, True), (191, True), (192, True), (193, False), (400, False)):
        bench = Bench(replace(BARE, min_be=0, max_be=0, retries=0, max_backoffs=100), 2)
        bench.at(0, (1, 50))
        bench.at(offset_us, (2, 50))
        bench.clock.run()
        assert any(why for _, _, why in bench.fates) == collided, offset_us


def test_a_busy_medium_ends_in_an_access_failure() -> None:
    bench = Bench(replace(BARE, mtu_bytes=10**6, max_backoffs=1), 2)
    bench.at(0, (1, 50_000))  # on air for 1.6 s
    bench.at(100_000, (2, 50))
    bench.clock.run()
    assert [(message.frame.src, why) for _, message, why in bench.fates] == [
        ("n002", "access"),
        ("n001", ""),
    ]
    late = bench.fates[0][1]
    assert late.attempts == late.air_us == 0
    assert late.access_us == bench.fates[0][0] - 100_000


def test_noise_is_repeated_until_retries_are_spent() -> None:
    count, error = 4000, 0.4
    bench = Bench(replace(BARE, error=error), 1)
    for number in range(count):
        bench.at(number * 200_000, (1, 50))
    bench.clock.run()
    through = np.mean([why == "" for _, _, why in bench.fates])
    expected = 1 - error**4
    assert abs(through - expected) < 3.5 * np.sqrt(expected * (1 - expected) / count)
    tries = np.mean([message.attempts for _, message, _ in bench.fates])
    assert tries == pytest.approx((1 - error**4) / (1 - error), rel=0.03)


def test_a_receiver_that_is_down_hears_nothing() -> None:
    bench = Bench(BARE, 1)
    bench.nodes[0].up = False
    bench.send(1, 50)
    bench.clock.run()
    assert [(message.attempts, why) for _, message, why in bench.fates] == [(4, "node-down")]


@pytest.mark.parametrize(
    "name", ["plc-prime", "plc-g3", "rf-mesh-15.4", "rf-mesh-wisun", "wifi-han"]
)
def test_every_medium_carries_a_modest_load(name: str) -> None:
    technology = load()[name]
    assert isinstance(technology, MediumTechnology)
    bench = Bench(replace(technology, error=0.0), 20)
    air_us = technology.air_us()(100)
    rng = np.random.default_rng(4)
    for number, station in enumerate(rng.integers(1, 21, 300).tolist()):
        bench.at(number * air_us * 10, (station, 60))
    bench.clock.run()
    assert sum(why == "" for _, _, why in bench.fates) >= 297
