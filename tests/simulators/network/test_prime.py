"""PRIME's access: the frame, its periods, beacons, senses, and what the base node grants."""

from __future__ import annotations

from dataclasses import replace
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
from simulators.network.core import NetworkCore
from simulators.network.draws import noise
from simulators.network.message import Message, Node
from simulators.network.prime import PrimeMedium
from simulators.network.technologies import MediumTechnology, load
from tests.simulators.network.stepping import same_at_every_tick

PRIME = load({"plc-prime": {"mac": "prime", "cca_us": 3000}})["plc-prime"]
assert isinstance(PRIME, MediumTechnology)
CLEAN = replace(PRIME, error=0.0)
FRAME_US, BEACON_US, SYMBOL_US, SENSE_US = 276 * 2240, 11_200, 2240, 3000


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
    """A subnetwork of a base node and terminals; ``fates`` are (time, message, why or '')."""

    def __init__(self, technology: MediumTechnology, terminals: int) -> None:
        self.clock = Clock()
        self.fates: list[tuple[int, Message, str]] = []
        fabric = Fabric(self.clock, 1, lambda message: self._over(message, ""), self._over)
        self.nodes = [Node(f"n{number:03d}") for number in range(terminals + 1)]
        self.air = Watched(terminals + 1, technology)
        self.medium = PrimeMedium(fabric, "m", technology, self.nodes, self.nodes[0], self.air)
        self.serial = 0

    def at(self, t_us: int, station: int, size: int = 60, priority: int = 0, to: int = 0) -> None:
        """Offer a message at a time."""
        what = (station, size, priority, to)
        Timeout(self.clock, t_us - self.clock.now, what).callbacks.append(self._send)

    def _send(self, event: Any) -> None:
        station, size, priority, to = event.value
        self.serial += 1
        src, dst = self.nodes[station], self.nodes[to]
        frame = Frame(f"{src.id}#{self.serial}", "", src.id, dst.id, "f", priority, 0, -1, b"")
        message = Message(self.serial, src.id, dst.id, size, priority, self.clock.now, frame)
        message.path = ((self.medium.port(src), dst),)
        message.path[0][0].offer(message)

    def _over(self, message: Message, why: str) -> None:
        self.fates.append((self.clock.now, message, why))


def busy(bench: Bench, count: int = 1500, priority: int | None = None) -> None:
    rng = np.random.default_rng(3)
    for t_us in np.cumsum(rng.exponential(60_000, count)).astype(int).tolist():
        level = int(rng.integers(4)) if priority is None else priority
        station = int(rng.integers(1, len(bench.nodes)))
        bench.at(t_us, station, int(rng.integers(10, 400)), level)
    bench.clock.run()
    assert len(bench.fates) == count


@pytest.mark.parametrize("symbols", [276, 552, 828, 1104])
@pytest.mark.parametrize(("switches", "slots"), [(0, 1), (3, 4), (40, 1 + 3)])  # 40 in 16 frames
def test_nothing_is_sent_across_a_periods_end(symbols: int, switches: int, slots: int) -> None:
    bench = Bench(replace(CLEAN, frame_symbols=symbols, cfp_us=100_000), 45)
    bench.medium.set_switches(bench.nodes[1 : 1 + switches])
    busy(bench)
    frame_us = symbols * SYMBOL_US
    answer_us = CLEAN.ack_gap_us + CLEAN.ack_us
    assert bench.medium.frame_us == frame_us
    for start_us, end_us, _ in bench.air.spans:
        frame = start_us // frame_us
        assert start_us - frame * frame_us >= slots * BEACON_US
        assert end_us + answer_us - frame * frame_us <= frame_us - 100_000


def test_a_frame_of_prime_takes_618_ms() -> None:
    assert Bench(CLEAN, 1).medium.frame_us == 618_240
    assert [n * SYMBOL_US for n in (552, 828, 1104)] == [1_236_480, 1_854_720, 2_472_960]


def test_a_beacon_takes_two_symbols_of_payload() -> None:
    bits, in_header = 142, 54  # of the beacon, and what of it goes with the physical header
    assert (bits - in_header) / 8 == 11
    assert phy.prime_us(11, "dbpsk-f") == 11_008


@pytest.mark.parametrize("priority", [0, 1, 2, 3])
def test_a_lone_frame_waits_its_backoff_and_its_senses(priority: int) -> None:
    # Backoff uniform over 2^(priority + 3) symbols; senses 3 ms apart, one more per level.
    bench, count = Bench(CLEAN, 1), 3000
    for number in range(count):
        bench.at(number * 3 * FRAME_US + 20_000, 1, 60, priority)
    bench.clock.run()
    waits = np.array([message.access_us for _, message, _ in bench.fates])
    least_us = (2 + priority) * SENSE_US + CLEAN.turnaround_us
    backoffs = (waits - least_us) / SYMBOL_US
    window = 2 ** (priority + 3)
    assert set(backoffs) == set(range(window))
    error = np.sqrt((window**2 - 1) / 12 / count)
    assert abs(backoffs.mean() - (window - 1) / 2) < 3.3 * error


def test_who_comes_in_the_beacons_or_too_late_waits_for_the_contention_period() -> None:
    bench = Bench(replace(CLEAN, cfp_us=200_000), 1)
    bench.at(0, 1)
    bench.at(10 * FRAME_US + FRAME_US - 200_500, 1)
    bench.clock.run()
    first, second = (start_us for start_us, *_ in bench.air.spans)
    assert first >= BEACON_US + 2 * SENSE_US
    assert second >= 11 * FRAME_US + BEACON_US


def test_collisions_grow_with_the_load_and_senses_find_the_channel_busy() -> None:
    shares = []
    for stations in (2, 10, 40):
        bench = Bench(replace(CLEAN, retries=0), stations)
        for round_ in range(300):
            for station in range(1, stations + 1):
                bench.at(round_ * 40 * FRAME_US, station, 60, 2)
        bench.clock.run()
        assert {why for *_, why in bench.fates} <= {"", "retries", "access"}
        shares.append(np.mean([not why for *_, why in bench.fates]))
    assert shares[0] > 0.93
    assert shares[0] > shares[1] > shares[2] > 0.05


def test_a_collision_needs_both_to_sense_within_the_turnaround() -> None:
    # Two stations, one shot, priority 0: 8 backoffs each of one symbol, which is longer than
    # the preamble that is heard; so only equal draws collide.
    bench, rounds = Bench(replace(CLEAN, retries=0), 2), 4000
    for round_ in range(rounds):
        for station in (1, 2):
            bench.at(round_ * 3 * FRAME_US + 20_000, station)
    bench.clock.run()
    collided = np.mean([why == "retries" for *_, why in bench.fates])
    assert abs(collided - 1 / 8) < 3.3 * np.sqrt(1 / 8 * 7 / 8 / rounds)


def beacons(medium: PrimeMedium, frames: int) -> tuple[int, int]:
    medium.fabric.horizon.until_us = frames * FRAME_US
    return medium.usage.transmissions, medium.usage.airtime_us


@pytest.mark.parametrize("switches", [0, 1, 4, 5, 17, 44])
def test_beacons_are_reckoned_as_if_sent_one_by_one(switches: int) -> None:
    # As many switches beacon in each of P frames as slots allow, P the least power of two.
    period = next(p for p in (1, 2, 4, 8, 16, 32) if 4 * p >= switches)
    expected = {}
    count = 0
    for frame in range(100):
        expected[frame] = count
        count += 1 + sum(number % period == frame % period for number in range(switches))
    for frames in (1, 2, 31, 64, 99):
        medium = Bench(CLEAN, 44).medium
        medium.set_switches(medium.nodes()[1 : 1 + switches])
        sent, air_us = beacons(medium, frames)
        assert (sent, air_us) == (expected[frames], expected[frames] * 11_008)
        assert beacons(medium, 99)[0] == expected[99]


def test_a_base_node_that_is_down_sends_no_beacons() -> None:
    medium = Bench(CLEAN, 1).medium
    medium.fabric.horizon.until_us = 12 * FRAME_US
    medium.env.run(until=10 * FRAME_US)  # it goes down while the kernel is being run further
    medium.root.up = False
    medium.port(medium.root).clear()
    assert beacons(medium, 50)[0] == 10
    medium.root.up = True
    assert beacons(medium, 60)[0] == 20


def test_what_is_granted_is_sent_without_contention() -> None:
    bench = Bench(CLEAN, 5)
    air_us = round(phy.prime_us(60 + 16, "dbpsk-f"))
    room_us = air_us + CLEAN.ack_gap_us + CLEAN.ack_us
    bench.medium.grant(bench.nodes[3], room_us)
    frames = range(2, 400, 2)
    for number in frames:
        for station in range(1, 6):
            bench.at(number * FRAME_US - room_us - 30_000, station, 60)
    bench.clock.run()
    mine = [start_us for start_us, _, sender in bench.air.spans if sender == 3]
    assert mine == [number * FRAME_US - room_us for number in frames]
    for start_us, end_us, sender in bench.air.spans:
        if sender != 3:
            assert end_us % FRAME_US <= FRAME_US - room_us
            assert start_us % FRAME_US >= BEACON_US
    with pytest.raises(ValueError, match="grant less"):
        bench.medium.grant(bench.nodes[4], 500_000)


def test_more_switches_shorten_the_period_of_who_waits_already() -> None:
    bench = Bench(CLEAN, 45)
    for number in range(60):
        bench.at(number * FRAME_US - 30_000 if number else 0, 1 + number % 40, 200, 3)
    bench.clock.run(until=20 * FRAME_US + 1000)
    bench.medium.set_switches(bench.nodes[1:5])
    bench.clock.run()
    late = [start_us for start_us, *_ in bench.air.spans if start_us > 20 * FRAME_US]
    assert late
    assert min(start_us % FRAME_US for start_us in late) >= 5 * BEACON_US


# -- in the network ------------------------------------------------------------------------------


def spec(terminals: int, **changes: Any) -> dict[str, Any]:
    ids = [f"t{number:03d}" for number in range(terminals)]
    return {
        "nodes": [{"id": "base"}, *({"id": it, "terminal": it} for it in ids)],
        "media": [
            {"id": "plc", "technology": "plc-prime", "members": ["base", *ids], "root": "base"}
        ],
        "overrides": {"plc-prime": {"mac": "prime", "cca_us": 3000, **changes}},
        "interval_ms": 900_000,
    }


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
    what = spec(
        draw(st.integers(1, 6)),
        error=draw(st.sampled_from([0.0, 0.3])),
        cfp_us=draw(st.sampled_from([0, 150_000])),
        queue_frames=draw(st.integers(1, 3)),
    )
    ids = [node["id"] for node in what["nodes"]]
    what["media"][0]["air"] = levels(draw, len(ids))
    sends: dict[int, list[Frame]] = {}
    for number in range(draw(st.integers(1, 20))):
        t_ms = draw(st.integers(0, 2500))
        src, dst = draw(st.sampled_from(ids)), draw(st.sampled_from(ids))
        payload, level = bytes(draw(st.integers(0, 600))), draw(st.integers(0, 3))
        ready_us = t_ms * 1000 + draw(st.integers(0, 4000))
        frame = Frame(f"{src}#{number}", "", src, dst, "f", level, ready_us, -1, payload)
        sends.setdefault(t_ms, []).append(frame)
    supply: dict[int, list[Supply]] = {}
    for number in range(draw(st.integers(0, 3))):
        which = draw(st.sampled_from(ids[1:]))
        change = Supply(f"grid#{number}", "", which, draw(st.booleans()), True)
        supply.setdefault(draw(st.integers(0, 3000)), []).append(change)
    return what, sends, supply


@settings(max_examples=50, deadline=None)
@given(cases())
def test_nothing_is_seen_between_the_ticks_that_are_due(case: Any) -> None:
    what, sends, supply = case

    same_at_every_tick(what, sends, supply, 5000)


def test_a_silent_subnetwork_beacons_and_costs_no_events() -> None:
    core = NetworkCore(spec(5), 1)
    core.advance(900_000)
    core.close(1_800_000)
    medium = dict(core.rows())["medium"]
    assert sum(medium["transmissions"]) == -(-1_800_000_000 // FRAME_US)
    assert medium["airtime_us"][0] == -(-900_000_000 // FRAME_US) * 11_008


def test_switches_that_the_routing_made_beacon_and_forward_on_the_same_channel() -> None:
    """A chain of base node, two switches and a terminal."""
    what = spec(3)
    what["media"][0] |= {
        "routing": "mesh",
        "air": {
            "kind": "levels",
            "snr_db": [
                [None, 30.0, None, None],
                [30.0, None, 30.0, None],
                [None, 30.0, None, 30.0],
                [None, None, 30.0, None],
            ],
        },
    }
    core = NetworkCore(what, 1)
    core.inject(0, [Frame("t002#1", "", "t002", "base", "f", 1, 0, -1, bytes(60))])
    out = core.advance(10_000)
    assert [delivery.id for delivery in out] == ["t002#1"]
    core.close(900_000)
    rows = dict(core.rows())
    assert rows["message"]["hops"] == [3]
    assert rows["message"]["air_us"][0] == 3 * round(phy.prime_us(60 + 16, "dbpsk-f"))
    frames = -(-900_000_000 // FRAME_US)
    assert rows["medium"]["transmissions"][0] >= 3 * frames + 3
