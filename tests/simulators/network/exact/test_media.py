"""The shared medium against the exact results of random access, and against 5 % slower frames.

Where sensing is of no use, because stations are hidden from each other, the medium is ALOHA;
where a busy medium ends an attempt at once, it is CSMA as Kleinrock and Tobagi have it (IEEE
Trans. Communications 23, 1975, non-persistent). The conftest tells of the two phases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import exp, inf
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from simpy.events import Timeout

from simulators.network.air import Air
from simulators.network.carrier import Clock, Fabric
from simulators.network.csma import Medium
from simulators.network.draws import Draws
from simulators.network.levels import Levels
from simulators.network.message import Message, Node
from simulators.network.spread import Spread
from simulators.network.technologies import MediumTechnology, load

Floats = NDArray[np.float64]
SLOWER = 1.05
FRAME_US, BYTES = 6400, 194  # (6 + 194) bytes of 32 µs


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretched(MediumTechnology):
    """A technology whose frames last longer than they should."""

    stretch: float = 1.0

    def air_us(self) -> Callable[[int], int]:
        true_us, stretch = MediumTechnology.air_us(self), self.stretch
        return lambda size: round(true_us(size) * stretch)


def technology(stretch: float, **changes: Any) -> Stretched:
    """Return ZigBee's radio without headers and errors, and what the caller changes."""
    zigbee = load()["zigbee-han"]
    assert isinstance(zigbee, MediumTechnology)
    bare = replace(
        zigbee, frame_header_bytes=0, message_header_bytes=0, fragment_header_bytes=0, error=0.0
    )
    values = {key: getattr(bare, key) for key in MediumTechnology.__dataclass_fields__}
    return Stretched(**{**values, "mtu_bytes": 10**4, "stretch": stretch, **changes})


ONE_TRY = {
    "min_be": 0, "max_be": 0, "max_backoffs": 0, "retries": 0, "cca_us": 0, "turnaround_us": 0,
    "ack_gap_us": 0, "ack_us": 0, "ack_timeout_us": 0, "ifs_us": 0,
}  # fmt: skip
"""Send at once if the medium is free, and never again."""


class Stations:
    """A medium with a sink and stations; the fate and the end of every message."""

    def __init__(
        self, technology: MediumTechnology, count: int, seed: int, hidden: bool = False
    ) -> None:
        self.clock = Clock()
        fabric = Fabric(self.clock, seed, lambda it: self._over(it, ""), self._over)
        self.nodes = [Node(f"n{number:04d}") for number in range(count + 1)]
        air: Air | None = None
        if hidden:
            levels = np.full((count + 1, count + 1), -inf)
            levels[0, :] = levels[:, 0] = 30.0
            air = Spread(
                Levels(levels, 0.0),
                technology.cca_us,
                lambda snr_db, size: 0.0,
                Draws(seed, "noise"),
            )
        self.medium = Medium(fabric, "m", technology, self.nodes, air)
        self.through = np.zeros(0, bool)
        self.causes: list[str] = []
        self.ends: Floats = np.zeros(0)

    def run(self, times_us: list[int], stations: list[int], size: int = BYTES) -> None:
        """Offer messages at times that do not fall, by stations 1, 2, …"""
        self.through, self.ends = np.zeros(len(times_us), bool), np.full(len(times_us), np.nan)
        self.causes = [""] * len(times_us)
        self._left = iter(zip(range(len(times_us)), times_us, stations, strict=True))
        self._size = size
        self._following()
        self.clock.run()

    def _following(self) -> None:
        found = next(self._left, None)
        if found:
            timer = Timeout(self.clock, found[1] - self.clock.now, found)
            timer.callbacks.append(self._offer)

    def _offer(self, event: Any) -> None:
        serial, at_us, station = event.value
        node = self.nodes[station]
        message = Message(serial, node.id, "n0000", self._size, 0, at_us)
        message.path = ((self.medium.port(node), self.nodes[0]),)
        message.path[0][0].offer(message)
        self._following()

    def _over(self, message: Message, why: str) -> None:
        self.through[message.serial] = not why
        self.causes[message.serial] = why
        self.ends[message.serial] = self.clock.now


def pure_aloha(load: float, stretch: float, seed: int, mean: Any) -> list[Any]:
    """Pure ALOHA: G e^-2G frames of a frame's time get through."""
    rng = np.random.default_rng([seed, 10, int(100 * load)])
    count, stations = 20_000, 100
    at = np.floor(np.cumsum(rng.exponential(FRAME_US / load, count)))
    bench = Stations(technology(stretch, **ONE_TRY), stations, seed, hidden=True)
    bench.run(at.astype(int).tolist(), [1 + n % stations for n in range(count)])

    def alone(times: Floats) -> NDArray[np.bool_]:
        gaps = np.diff(times, prepend=-inf, append=inf)
        return (gaps[:-1] >= FRAME_US) & (gaps[1:] >= FRAME_US)

    more = mean.over(bench.through.astype(float) - alone(at))
    batches = [
        alone(np.cumsum(rng.exponential(FRAME_US / load, 100_000))).mean() for _ in range(100)
    ]
    carried = (more + mean.of(batches)).times(load)
    return [carried.figure(f"carried of {load}", load * exp(-2 * load))]


def in_slots(
    draw: Callable[[np.random.Generator, int], NDArray[np.int64]],
    load: float,
    exact: float,
    stretch: float,
    seed: int,
    mean: Any,
) -> list[Any]:
    """Slotted ALOHA: ``draw`` says how many stations send in each slot; one alone gets through."""
    rng = np.random.default_rng([seed, 11, int(1000 * load * (1 + exact))])
    slots, stations = 10_000, 100
    sends = draw(rng, slots)
    at = np.repeat(np.arange(slots) * FRAME_US, sends)
    bench = Stations(technology(stretch, **ONE_TRY), stations, seed, hidden=True)
    bench.run(at.tolist(), [1 + n % stations for n in range(len(at))])
    won = np.bincount(at[bench.through] // FRAME_US, minlength=slots)
    more = mean.over(won.astype(float) - (sends == 1))
    batches = [(draw(rng, 100_000) == 1).mean() for _ in range(100)]
    return [(more + mean.of(batches)).figure(f"carried of {load}", exact)]


def poisson_slots(load: float, stretch: float, seed: int, mean: Any) -> list[Any]:
    def draw(rng: np.random.Generator, slots: int) -> NDArray[np.int64]:
        return rng.poisson(load, slots)

    return in_slots(draw, load, load * exp(-load), stretch, seed, mean)


def finite_slots(stations: int, stretch: float, seed: int, mean: Any) -> list[Any]:
    def draw(rng: np.random.Generator, slots: int) -> NDArray[np.int64]:
        return rng.binomial(stations, 1 / stations, slots)

    return in_slots(draw, float(stations), by_turns(stations), stretch, seed, mean)


def sensing(at: Floats, frame: float, delay: float) -> NDArray[np.bool_]:
    """Return which arrivals get through by non-persistent CSMA, lane by row."""
    lanes, count = at.shape
    first, last = np.full(lanes, -inf), np.full(lanes, -inf)  # decisions of the busy period
    opener = np.zeros(lanes, int)
    through = np.zeros((count, lanes), bool)
    row = np.arange(lanes)
    for step in range(count):
        now = at[:, step]
        joins = now <= first + delay
        opens = now >= last + delay + frame
        through[opener[joins], row[joins]] = False
        through[step, opens] = True
        first = np.where(opens, now, first)
        last = np.where(opens | joins, now, last)
        opener = np.where(opens, step, opener)
    return through.T


def carrier_sense(load: float, stretch: float, seed: int, mean: Any) -> list[Any]:
    """Non-persistent CSMA: G e^-aG / (G (1 + 2a) + e^-aG), a the vulnerable part of a frame."""
    rng = np.random.default_rng([seed, 12, int(100 * load)])
    part, stations, lanes, count = 0.01, 200, 8, 10_000
    delay_us = round(part * FRAME_US)
    slow = technology(stretch, **{**ONE_TRY, "turnaround_us": delay_us})
    more = []
    for lane in range(lanes):
        at = np.floor(np.cumsum(rng.exponential(FRAME_US / load, count)))
        bench = Stations(slow, stations, seed + lane)
        bench.run(at.astype(int).tolist(), [1 + n % stations for n in range(count)])
        theory = sensing(at[None, :], FRAME_US, delay_us)[0]
        more.append((bench.through.astype(float) - theory).reshape(10, -1).mean(axis=1))
    wide, deep, warm = 5000, 1200, 200
    at = np.cumsum(rng.exponential(1.0 / load, (wide, deep)), axis=1)
    long = sensing(at, 1.0, part)[:, warm:].mean(axis=1)
    carried = (mean.of(more) + mean.of(long)).times(load)
    return [carried.figure(f"carried of {load}", kleinrock_tobagi(load, part))]


def one_shot(stations: int, stretch: float, seed: int, mean: Any) -> list[Any]:
    """All begin together: one gets through if its backoff of {0…7} is the least, alone.

    Backoffs are drawn once more from the stations' own streams for the first phase.
    """
    rounds, apart_us = 3000, 200_000
    one = technology(stretch, retries=0, max_backoffs=0, ack_us=0, ack_timeout_us=0, ack_gap_us=0)
    bench = Stations(one, stations, seed)
    at = np.repeat(np.arange(rounds) * apart_us, stations)
    bench.run(at.tolist(), list(range(1, stations + 1)) * rounds)
    sent = np.array([why != "access" for why in bench.causes]).reshape(rounds, stations)
    won = bench.through.reshape(rounds, stations).any(axis=1)
    ends = np.where(sent, bench.ends.reshape(rounds, stations), np.inf).min(axis=1)
    draws = [Draws(seed, f"backoff/m|{node.id}") for node in bench.nodes[1:]]
    drawn = np.array([[int(8 * it.uniform()) for it in draws] for _ in range(rounds)])
    took_us = ends - np.arange(rounds) * apart_us
    unit_us, fixed_us = one.unit_backoff_us, one.cca_us + one.turnaround_us + FRAME_US
    theory_us = drawn.min(axis=1) * unit_us + fixed_us
    rng = np.random.default_rng([seed, 13, stations])
    many = rng.integers(0, 8, (3_000_000 // stations, stations), dtype=np.int8)
    least = sum(((8 - k) / 8) ** stations for k in range(1, 8))
    return [
        (mean.over(won.astype(float) - _alone(drawn)) + mean.over(_alone(many))).figure(
            "alone", least_alone(stations)
        ),
        (
            mean.over(took_us - theory_us) + mean.over(many.min(axis=1) * float(unit_us) + fixed_us)
        ).figure("time", least * unit_us + fixed_us),
    ]


def _alone(drawn: NDArray[np.int64] | NDArray[np.int8]) -> Floats:
    return ((drawn == drawn.min(axis=1)[:, None]).sum(axis=1) == 1).astype(float)


def acknowledged(size: int, stretch: float, seed: int, mean: Any) -> list[Any]:
    """IEEE 802.15.4: mean backoff 3.5 · 320, sensing, turnaround, frame, acknowledgement [µs]."""
    count = 25_000
    plain = technology(stretch)
    bench = Stations(plain, 1, seed)
    bench.run((np.arange(count) * 50_000).tolist(), [1] * count, size)
    assert bench.through.all()
    took = bench.ends - np.arange(count) * 50_000 + plain.ack_gap_us + plain.ack_us
    exact = 3.5 * 320 + 128 + 192 + (6 + size) * 32 + 192 + 352
    return [mean.over(took).figure(f"{size} B", exact)]


def on_one_channel(hops: int, stretch: float, seed: int, mean: Any) -> list[Any]:
    """Hops over one channel that all hear: a chain passes 1 / hops of what one hop passes."""
    frames = 60
    bench = Stations(technology(stretch, **ONE_TRY), hops, seed)
    done: list[int] = []

    def passed(message: Message) -> None:
        message.position += 1
        if message.position < hops:
            message.path[message.position][0].offer(message)
            return
        done.append(bench.clock.now)
        if len(done) < frames:
            send()

    def send() -> None:
        message = Message(len(done), "", "n0000", BYTES, 0, bench.clock.now)
        way = bench.nodes[hops::-1]
        message.path = tuple((bench.medium.port(here), there) for here, there in pairwise(way))
        message.path[0][0].offer(message)

    fabric = bench.medium.fabric
    bench.medium.fabric = replace(fabric, passed=passed)
    send()
    bench.clock.run()
    periods = np.diff(np.array(done)) / FRAME_US
    return [mean.of(periods).figure(f"{hops} hops", hops)]


def by_turns(stations: int) -> float:
    """Return the share of slots that carry a frame if each station sends with 1 / stations."""
    return (1 - 1 / stations) ** (stations - 1)


def kleinrock_tobagi(load: float, part: float) -> float:
    """Return what non-persistent CSMA carries."""
    return load * exp(-part * load) / (load * (1 + 2 * part) + exp(-part * load))


def least_alone(stations: int) -> float:
    """Return the probability that the least of so many numbers of {0…7} is drawn once."""
    return sum(stations / 8 * (1 - (k + 1) / 8) ** (stations - 1) for k in range(8))


Row = Callable[[float, int, Any], list[Any]]
ROWS: dict[str, Row] = {
    **{f"pure ALOHA {load}": partial(pure_aloha, load) for load in (0.25, 0.5, 1.0)},
    **{f"slotted ALOHA {load}": partial(poisson_slots, load) for load in (0.5, 1.0, 2.0)},
    **{f"slotted ALOHA of {n}": partial(finite_slots, n) for n in (2, 5, 10, 50)},
    **{f"CSMA {load}": partial(carrier_sense, load) for load in (1.0, 3.0, 5.0, 10.0)},
    **{f"one shot of {n}": partial(one_shot, n) for n in (2, 3, 5, 10, 20)},
    **{f"acknowledged {size} B": partial(acknowledged, size) for size in (20, 60, 127)},
    **{f"one channel, {hops} hops": partial(on_one_channel, hops) for hops in (1, 2, 3)},
}


SLOW = {"CSMA 3.0", "CSMA 5.0", "CSMA 10.0"}
PARAMETERS = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in ROWS]


@pytest.mark.parametrize(
    ("worked_out", "printed"),
    [
        ([load * exp(-2 * load) for load in (0.25, 0.5, 1.0)], [0.15163, 0.18394, 0.13534]),
        ([load * exp(-load) for load in (0.5, 1.0, 2.0)], [0.30327, 0.36788, 0.27067]),
        ([by_turns(n) for n in (2, 5, 10, 50)], [0.5, 0.40960, 0.38742, 0.37160]),
        ([kleinrock_tobagi(g, 0.01) for g in (1, 3, 5, 10)], [0.4925, 0.7223, 0.7860, 0.8148]),
        ([least_alone(n) for n in (2, 3, 5, 10, 20)], [0.875, 0.82031, 0.7135, 0.4905, 0.20865]),
    ],
)
def test_the_formulas_give_the_printed_digits(
    worked_out: list[float], printed: list[float]
) -> None:
    assert worked_out == pytest.approx(printed, abs=6e-5)


@pytest.mark.requirement("NW-07")
@pytest.mark.parametrize("row", PARAMETERS)
def test_the_medium_agrees_with_theory(
    row: str, seed: int, mean: Any, agrees: Callable[[list[Any]], None]
) -> None:
    agrees(ROWS[row](1.0, seed, mean))


@pytest.mark.parametrize("row", PARAMETERS)
def test_frames_five_percent_longer_are_told(
    row: str, seed: int, mean: Any, differs: Callable[[list[Any]], None]
) -> None:
    differs(ROWS[row](SLOWER, seed, mean))
