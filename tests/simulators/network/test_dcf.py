"""Wi-Fi's access against Bianchi's model of a saturated DCF (IEEE JSAC 18(3), 2000)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simpy.events import Timeout

from fernwatt.messages import Frame, Supply
from simulators.network.carrier import Clock, Fabric
from simulators.network.dcf import DcfMedium
from simulators.network.message import Message, Node
from simulators.network.technologies import MediumTechnology, load
from tests.simulators.network.stepping import same_at_every_tick

# Bianchi's table II (FHSS at 1 Mbit/s): bits take microseconds.
PAYLOAD_US, HEADERS_US, ACK_US, SIFS_US, DIFS_US, SLOT_US = 8184, 272 + 128, 240, 28, 128, 50
WIFI = load()["wifi-han"]
assert isinstance(WIFI, MediumTechnology)


class Fhss(MediumTechnology):
    """The old physical layer of the model: 128 µs of preamble, 1 Mbit/s."""

    def air_us(self) -> Callable[[int], int]:
        return lambda size: 128 + 8 * size


class Slower(Fhss):
    """Frames that are on the air five percent longer."""

    def air_us(self) -> Callable[[int], int]:
        return lambda size: round(1.05 * (128 + 8 * size))


VALUES = {field.name: getattr(WIFI, field.name) for field in fields(WIFI)} | {
    "frame_header_bytes": 34, "message_header_bytes": 0, "mtu_bytes": 4000, "error": 0.0,
    "unit_backoff_us": SLOT_US, "cca_us": DIFS_US, "ack_gap_us": SIFS_US, "ack_us": ACK_US,
    "ack_timeout_us": 0, "turnaround_us": 0, "retries": 10**6, "mac": "dcf",
}  # fmt: skip


class Bench:
    """Stations and a sink; ``fates`` are (time, message, why or '')."""

    def __init__(self, technology: MediumTechnology, stations: int, seed: int = 1) -> None:
        self.clock, self.refill = Clock(), False
        self.fates: list[tuple[int, Message, str]] = []
        fabric = Fabric(self.clock, seed, lambda message: self._over(message, ""), self._over)
        self.nodes = [Node(f"n{number:03d}") for number in range(stations + 1)]
        self.medium = DcfMedium(fabric, "m", technology, self.nodes)
        self.serial = 0

    def send(self, station: int, size: int) -> None:
        node, sink = self.nodes[station], self.nodes[0]
        self.serial += 1
        frame = Frame(f"{node.id}#{self.serial}", "", node.id, sink.id, "f", 0, 0, -1, b"")
        message = Message(self.serial, node.id, sink.id, size, 0, self.clock.now, frame)
        message.path = ((self.medium.port(node), sink),)
        message.path[0][0].offer(message)

    def at(self, t_us: int, station: int, size: int = 100) -> None:
        timer = Timeout(self.clock, t_us - self.clock.now)
        timer.callbacks.append(lambda _: self.send(station, size))

    def _over(self, message: Message, why: str) -> None:
        self.fates.append((self.clock.now, message, why))
        if self.refill:
            self.send(int(message.src[1:]), message.size)


def bianchi(stations: int, window: int, stages: int, delay_us: float = 0.0) -> tuple[float, float]:
    """Return the share of time that payload takes, and the probability that a frame collides."""

    def tau(p: float) -> float:
        grown = sum((2 * p) ** stage for stage in range(stages))
        return 2 / (1 + window + p * window * grown)

    low, high = 0.0, 1.0
    for _ in range(200):
        p = (low + high) / 2
        low, high = (p, high) if 1 - (1 - tau(p)) ** (stations - 1) > p else (low, p)
    sends = tau(p)
    some = 1 - (1 - sends) ** stations
    alone = stations * sends * (1 - sends) ** (stations - 1)
    success_us = HEADERS_US + PAYLOAD_US + SIFS_US + ACK_US + DIFS_US + 2 * delay_us
    collision_us = HEADERS_US + PAYLOAD_US + DIFS_US + delay_us
    mean_us = (1 - some) * SLOT_US + alone * success_us + (some - alone) * collision_us
    return alone * PAYLOAD_US / mean_us, p


CASES = [
    (32, 3, 5, 0.8097), (32, 3, 10, 0.7532), (32, 3, 20, 0.6788), (32, 3, 50, 0.5529),
    (32, 5, 5, 0.8102), (32, 5, 10, 0.7579), (32, 5, 20, 0.6975), (32, 5, 50, 0.6109),
    (128, 3, 5, 0.8250), (128, 3, 10, 0.8263), (128, 3, 20, 0.7981), (128, 3, 50, 0.7252),
]  # fmt: skip
COLLISIONS = {5: 0.1781, 10: 0.2898, 20: 0.3988, 50: 0.5324}  # window 32, 5 stages


@pytest.mark.parametrize(("window", "stages", "stations", "printed"), CASES)
def test_the_model_is_solved_to_the_printed_digits(
    window: int, stages: int, stations: int, printed: float
) -> None:
    share, collides = bianchi(stations, window, stages, delay_us=1.0)
    assert round(share, 4) == printed
    if (window, stages) == (32, 5):
        assert round(collides, 4) == COLLISIONS[stations]


@pytest.mark.parametrize(
    ("window", "stages", "stations"),
    [
        pytest.param(*case[:3], marks=[] if case[2] in (5, 20) else pytest.mark.slow)
        for case in CASES
    ],
)
def test_a_saturated_medium_carries_what_bianchi_has(
    window: int, stages: int, stations: int
) -> None:
    share, collides = bianchi(stations, window, stages)
    least = window.bit_length() - 1
    technology = Fhss(**VALUES | {"min_be": least, "max_be": least + stages})
    bench = Bench(technology, stations)
    bench.refill = True
    for station in range(1, stations + 1):
        bench.send(station, PAYLOAD_US // 8)
    span_us, spans = 5_000_000, 21
    counts = []
    for number in range(1, spans + 1):
        before = len(bench.fates)
        bench.clock.run(until=number * span_us)
        counts.append(len(bench.fates) - before)
    carried = np.array(counts[1:]) * PAYLOAD_US / span_us
    error = 3.88 * carried.std(ddof=1) / np.sqrt(spans - 1)  # 99.9 %, Student, 19 degrees
    assert error < 0.02 * share
    assert abs(carried.mean() - share) < error + 0.005 * share  # the model is an approximation
    assert carried.mean() == pytest.approx(share, rel=0.02)
    usage = bench.medium.usage
    sampled = 3.3 * np.sqrt(collides * (1 - collides) / usage.transmissions)
    assert abs(usage.collisions / usage.transmissions - collides) < sampled + 0.02 * collides


def test_frames_that_are_five_percent_longer_are_told() -> None:
    share, _ = bianchi(20, 32, 5)
    bench, span_us = Bench(Slower(**VALUES | {"min_be": 5, "max_be": 10}), 20), 100_000_000
    bench.refill = True
    for station in range(1, 21):
        bench.send(station, PAYLOAD_US // 8)
    bench.clock.run(until=span_us)
    assert len(bench.fates) * PAYLOAD_US / span_us < 0.975 * share


def test_who_comes_to_an_idle_medium_transmits_at_once_and_backs_off_after() -> None:
    bench = Bench(Fhss(**VALUES), 1)
    for t_us in (1000, 1001, 10**6):
        bench.at(t_us, 1)
    bench.clock.run()
    first, second, third = (message for _, message, _ in bench.fates)
    assert (first.access_us, third.access_us) == (0, 0)
    assert first.air_us == 128 + 8 * 134
    begins_us = second.t_send_us + second.queue_us + second.access_us
    waited_us = begins_us - (1000 + first.air_us + SIFS_US + ACK_US + DIFS_US)
    assert waited_us % SLOT_US == 0
    assert 0 <= waited_us // SLOT_US < 16


def test_a_backoff_is_frozen_and_counts_the_slot_that_froze_it() -> None:
    bench = Bench(Fhss(**VALUES), 2)
    medium = bench.medium
    one, two = medium.stations[1], medium.stations[2]
    one.ends, two.ends = 10, 13  # type: ignore[attr-defined]
    bench.at(1, 1)
    bench.at(1, 2)
    bench.clock.run()
    starts = [message.t_send_us + message.access_us for _, message, _ in bench.fates]
    assert starts[0] == DIFS_US + 10 * SLOT_US
    busy_us = 128 + 8 * 134 + SIFS_US + ACK_US + DIFS_US
    assert starts[1] == starts[0] + busy_us + 2 * SLOT_US


def test_a_station_that_died_waits_for_nothing() -> None:
    bench = Bench(Fhss(**VALUES), 3)
    for station in (1, 2, 3):
        bench.medium.stations[station].ends = 5 * station  # type: ignore[attr-defined]
        bench.at(1, station)
    bench.clock.run(until=DIFS_US + 7 * SLOT_US)
    gone = [bench.medium.stations[station].clear() for station in (1, 2)]
    assert [len(messages) for messages in gone] == [1, 1]
    bench.clock.run()
    assert [message.src for _, message, _ in bench.fates] == ["n003"]


@st.composite
def cases(draw: Any) -> tuple[dict[str, Any], dict[int, list[Frame]], dict[int, list[Supply]]]:
    ids = [f"n{number}" for number in range(draw(st.integers(2, 6)))]
    what = {
        "nodes": [{"id": it, "terminal": it} for it in ids],
        "media": [{"id": "m", "technology": "wifi-han", "members": ids}],
        "overrides": {
            "wifi-han": {
                "mac": "dcf",
                "error": draw(st.sampled_from([0.0, 0.4])),
                "mtu_bytes": draw(st.sampled_from([200, 1554])),
                "queue_frames": draw(st.integers(1, 3)),
                "max_be": draw(st.sampled_from([4, 10])),
            }
        },
        "interval_ms": 1000,
    }
    sends: dict[int, list[Frame]] = {}
    for number in range(draw(st.integers(1, 25))):
        t_ms = draw(st.integers(0, 20))
        src, dst = draw(st.sampled_from(ids)), draw(st.sampled_from(ids))
        payload = bytes(draw(st.integers(0, 1800)))
        ready_us = t_ms * 1000 + draw(st.integers(0, 4000))
        level = draw(st.integers(0, 3))
        frame = Frame(f"{src}#{number}", "", src, dst, "f", level, ready_us, -1, payload)
        sends.setdefault(t_ms, []).append(frame)
    supply: dict[int, list[Supply]] = {}
    for number in range(draw(st.integers(0, 3))):
        which = draw(st.sampled_from(ids))
        change = Supply(f"grid#{number}", "", which, draw(st.booleans()), True)
        supply.setdefault(draw(st.integers(0, 25)), []).append(change)
    return what, sends, supply


@settings(max_examples=80, deadline=None)
@given(cases())
def test_nothing_is_seen_between_the_ticks_that_are_due(case: Any) -> None:
    what, sends, supply = case

    same_at_every_tick(what, sends, supply, 80)
