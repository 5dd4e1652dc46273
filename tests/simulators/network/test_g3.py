"""G3-PLC's access: contention periods, priorities, fairness, segments; rates to their digits."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simpy.events import Timeout

from fernwatt.messages import Frame, Supply
from simulators.network import phy
from simulators.network.air import Everywhere, Transmission
from simulators.network.carrier import Clock, Fabric
from simulators.network.csma import Medium
from simulators.network.draws import noise
from simulators.network.g3 import G3Medium
from simulators.network.message import Message, Node
from simulators.network.technologies import MediumTechnology, load
from tests.simulators.network.stepping import same_at_every_tick

G3 = load({"plc-g3": {"mac": "g3"}})["plc-g3"]
assert isinstance(G3, MediumTechnology)
CLEAN = replace(G3, error=0.0)
SLOT_US, SPACE_US, ACK_US, SYMBOL_US = 1390, 5560, 15_115, 695


class Watched(Everywhere):
    """An air that remembers what was on it."""

    def __init__(self, stations: int, technology: MediumTechnology) -> None:
        super().__init__(stations, technology.cca_us, noise(technology, 1, "m"))
        self.spans: list[tuple[int, int, int]] = []

    def begin(self, sender: int, start_us: int, *more: Any) -> Transmission:
        sent = super().begin(sender, start_us, *more)
        self.spans.append((sent.start_us, sent.end_us, sender))
        return sent


class Bench:
    """Stations and a sink; ``fates`` are (time, message, why or '')."""

    def __init__(
        self, technology: MediumTechnology, stations: int, kind: type[Medium] = G3Medium
    ) -> None:
        self.clock, self.refill = Clock(), False
        self.fates: list[tuple[int, Message, str]] = []
        fabric = Fabric(self.clock, 1, lambda message: self._over(message, ""), self._over)
        self.nodes = [Node(f"n{number:03d}") for number in range(stations + 1)]
        self.air = Watched(stations + 1, technology)
        self.medium = kind(fabric, "m", technology, self.nodes, self.air)
        self.serial = 0

    def at(self, t_us: int, station: int, size: int = 60, priority: int = 2) -> None:
        timer = Timeout(self.clock, t_us - self.clock.now)
        timer.callbacks.append(lambda _: self.send(station, size, priority))

    def send(self, station: int, size: int, priority: int) -> None:
        src, dst = self.nodes[station], self.nodes[0]
        self.serial += 1
        frame = Frame(f"{src.id}#{self.serial}", "", src.id, dst.id, "f", priority, 0, -1, b"")
        message = Message(self.serial, src.id, dst.id, size, priority, self.clock.now, frame)
        message.path = ((self.medium.port(src), dst),)
        message.path[0][0].offer(message)

    def _over(self, message: Message, why: str) -> None:
        self.fates.append((self.clock.now, message, why))
        if self.refill:
            self.send(int(message.src[1:]), message.size, message.priority)


@pytest.mark.parametrize(
    ("symbols", "bytes_", "printed_bps"),
    [
        (12, (64, 37, 10, None), (21829, 12620, 3411, None)),
        (20, (118, 73, 28, None), (32535, 20128, 7720, None)),
        (32, (199, 127, 55, None), (42618, 27199, 11779, None)),
        (40, (None, 163, 73, 13), (None, 30386, 13608, 2423)),
        (52, (None, 217, 100, 20), (None, 33870, 15608, 3122)),
        (56, (None, 235, 109, 22), (None, 34792, 16138, 3257)),
        (112, (None, None, 235, 54), (None, None, 20225, 4647)),
        (252, (None, None, None, 133), (None, None, None, 5592)),
    ],
)
def test_rates_are_those_of_the_table_to_the_last_digit(
    symbols: int, bytes_: tuple[Any, ...], printed_bps: tuple[Any, ...]
) -> None:
    modes = ("d8psk", "dqpsk", "dbpsk", "robo")
    for mode, size, bps in zip(modes, bytes_, printed_bps, strict=True):
        if size is not None:
            assert phy.g3_payload_bytes(symbols, mode) == size
            air_us = phy.g3_us(size, mode)
            assert air_us == (symbols + 13) * 695 + 6080
            assert round(8e6 * size / air_us) == bps


def test_spaces_and_acknowledgements_are_whole_symbols() -> None:
    assert CLEAN.ack_us == 6080 + 13 * SYMBOL_US
    assert CLEAN.ack_us == 15_115  # printed: 15.12 ms
    assert CLEAN.unit_backoff_us == 2 * SYMBOL_US
    assert CLEAN.ifs_us == CLEAN.ack_gap_us == 8 * SYMBOL_US


def test_high_priority_always_goes_before_normal() -> None:
    rounds, bench = 400, Bench(replace(CLEAN, least_window_attempts=10**9), 3)
    for number in range(rounds):
        t_us = number * 3_000_000
        bench.at(t_us, 1, 150)  # on the air while the others come
        bench.at(t_us + 40_000, 2, 60, 2)
        bench.at(t_us + 40_000, 3, 60, 1)
    bench.clock.run()
    assert all(not why for *_, why in bench.fates)
    order = [sender for *_, sender in bench.air.spans]
    assert order == [1, 3, 2] * rounds
    starts = np.array([start_us for start_us, *_ in bench.air.spans]).reshape(-1, 3)
    ends = np.array([end_us for _, end_us, _ in bench.air.spans]).reshape(-1, 3)
    lead_us = SPACE_US + ACK_US + SPACE_US + SLOT_US + CLEAN.cca_us + CLEAN.turnaround_us
    high = (starts[:, 1] - ends[:, 0] - lead_us) / SLOT_US
    assert set(high) == set(range(7))


def test_a_normal_window_opens_after_the_high_one_and_is_uniform() -> None:
    rounds, bench = 3000, Bench(replace(CLEAN, least_window_attempts=10**9), 2)
    for number in range(rounds):
        bench.at(number * 3_000_000, 1, 150, 0)
        bench.at(number * 3_000_000 + 40_000, 2)
    bench.clock.run()
    lead_us = SPACE_US + ACK_US + SPACE_US + 8 * SLOT_US + CLEAN.cca_us + CLEAN.turnaround_us
    slots = [
        (second[0] - first[1] - lead_us) / SLOT_US
        for first, second in zip(bench.air.spans[::2], bench.air.spans[1::2], strict=True)
        if (first[2], second[2]) == (1, 2)
    ]
    assert set(slots) == set(range(8))
    assert abs(np.mean(slots) - 3.5) < 3.3 * np.sqrt(63 / 12 / len(slots))


def test_segments_of_a_mac_frame_follow_without_contention() -> None:
    bench = Bench(CLEAN, 6)
    bench.at(0, 1, 700)  # four frames: two MAC frames of two segments
    for station in range(2, 7):
        bench.at(70_000, station, 60, 0)
    bench.clock.run()
    mine = [(start_us, end_us) for start_us, end_us, sender in bench.air.spans if sender == 1]
    assert len(mine) == 4
    follow_us = SPACE_US + ACK_US + SPACE_US + CLEAN.turnaround_us
    gaps_us = [after[0] - before[1] for before, after in pairwise(mine)]
    assert gaps_us[0] == gaps_us[2] == follow_us
    assert gaps_us[1] > follow_us
    assert [sender for *_, sender in bench.air.spans][:2] == [1, 1]


def widths(technology: MediumTechnology, fates: str) -> list[int]:
    """Return the window after each of found busy (b), success (s) and failure (f)."""
    station: Any = Bench(technology, 1).medium.stations[1]
    message = Message(1, "n001", "n000", 10, 2, 0)
    message.path = ((station, Node("n000")),)
    seen = []
    for fate in fates:
        if fate == "s":
            station.offer(message)
            sent = Transmission(1, 0, 0, 10)
            station.succeeded(sent)
        else:
            station._widen()
        seen.append(station.window)
    return seen


def test_the_window_doubles_then_shrinks_for_who_has_waited_long() -> None:
    least, most = 8, 256
    seen = widths(CLEAN, "b" * 60)
    assert seen[:6] == [16, 32, 64, 128, 256, 256]
    assert seen[23] == most  # held until the limit of 25
    assert [seen[n - 1] for n in (25, 29, 30, 35, 40, 45)] == [128, 128, 64, 32, 16, least]
    assert seen[45:50] == [16, 32, 64, 128, 256]  # counted anew


def test_the_window_shrinks_by_a_constant_after_a_success() -> None:
    assert widths(CLEAN, "bbbbb" + "sssss")[5:] == [256 - 64 * n for n in (1, 2, 3)] + [8, 8]


def test_who_had_the_least_window_too_often_takes_the_largest() -> None:
    seen = widths(CLEAN, "s" * 12)
    assert seen == [8] * 10 + [256 - 64] + [128]


def test_saturated_stations_get_equal_shares_and_no_access_fails() -> None:
    bench = Bench(CLEAN, 10)
    bench.refill = True
    for station in range(1, 11):
        bench.send(station, 100, 2)
    bench.clock.run(until=1_500_000_000)
    got = np.zeros(10)
    for _, message, why in bench.fates:
        got[int(message.src[1:]) - 1] += not why
    index = got.sum() ** 2 / (10 * (got**2).sum())  # Jain
    assert index > 0.98
    lost = sum(bool(why) for *_, why in bench.fates)
    assert lost < 0.02 * len(bench.fates)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "air_slots", "stations", "throughput"),
    [({}, 13, 50, 0.0563), ({"max_be": 8, "max_backoffs": 50}, 30, 100, 0.5288)],
)
def test_many_saturated_stations_share_as_another_simulator_has_it(
    changes: dict[str, int], air_slots: int, stations: int, throughput: float
) -> None:
    base = load()["zigbee-han"]
    assert isinstance(base, MediumTechnology)
    technology = replace(
        base, frame_header_bytes=0, message_header_bytes=0, fragment_header_bytes=0, error=0.0,
        retries=0, ack_us=0, ack_timeout_us=0, ifs_us=0, cca_us=320, turnaround_us=0,
        mtu_bytes=10**4, **changes,
    )  # fmt: skip
    size, span_us = air_slots * 10 - 6, 400_000 * 320
    bench = Bench(technology, stations, Medium)
    bench.refill = True
    for station in range(1, stations + 1):
        bench.send(station, size, 0)
    bench.clock.run(until=span_us)
    carried = sum(message.air_us for _, message, why in bench.fates if not why)
    assert carried / span_us == pytest.approx(throughput, rel=0.03, abs=0.003)


def levels(draw: Any, count: int) -> dict[str, Any]:
    """Return an air: one collision domain, or levels by which some are hidden or weak."""
    if draw(st.booleans()):
        return {}
    level = st.sampled_from([None, 4.0, 12.0, 40.0])
    matrix = draw(
        st.lists(st.lists(level, min_size=count, max_size=count), min_size=count, max_size=count)
    )
    return {"kind": "levels", "snr_db": matrix, "isolated": True}


@st.composite
def cases(draw: Any) -> tuple[dict[str, Any], dict[int, list[Frame]], dict[int, list[Supply]]]:
    ids = [f"n{number}" for number in range(draw(st.integers(2, 6)))]
    what = {
        "nodes": [{"id": it, "terminal": it} for it in ids],
        "media": [
            {"id": "m", "technology": "plc-g3", "members": ids, "air": levels(draw, len(ids))}
        ],
        "overrides": {
            "plc-g3": {
                "mac": "g3",
                "error": draw(st.sampled_from([0.0, 0.3])),
                "queue_frames": draw(st.integers(1, 3)),
                "mode": draw(st.sampled_from(["dbpsk", "dqpsk"])),
                "max_backoffs": draw(st.sampled_from([3, 50])),
                "fairness_limit": draw(st.sampled_from([2, 25])),
                "least_window_attempts": draw(st.sampled_from([1, 10])),
            }
        },
        "interval_ms": 1000,
    }
    sends: dict[int, list[Frame]] = {}
    for number in range(draw(st.integers(1, 20))):
        t_ms = draw(st.integers(0, 1500))
        src, dst = draw(st.sampled_from(ids)), draw(st.sampled_from(ids))
        payload = bytes(draw(st.integers(0, 700)))
        ready_us = t_ms * 1000 + draw(st.integers(0, 4000))
        level = draw(st.integers(0, 3))
        frame = Frame(f"{src}#{number}", "", src, dst, "f", level, ready_us, -1, payload)
        sends.setdefault(t_ms, []).append(frame)
    supply: dict[int, list[Supply]] = {}
    for number in range(draw(st.integers(0, 3))):
        which = draw(st.sampled_from(ids))
        change = Supply(f"grid#{number}", "", which, draw(st.booleans()), True)
        supply.setdefault(draw(st.integers(0, 2000)), []).append(change)
    return what, sends, supply


@settings(max_examples=50, deadline=None)
@given(cases())
def test_nothing_is_seen_between_the_ticks_that_are_due(case: Any) -> None:
    what, sends, supply = case

    same_at_every_tick(what, sends, supply, 3500)
