"""Power lines as a channel: attenuation along the conductors, noise at each place, bursts.

    SNR = transmitter's level − attenuation of the way with the least − noise at the receiver

Each line costs its cable's attenuation per length. A junction of k continuous lines passes on
2/k of a wave's voltage (equal wave impedances): 20 log(k/2); each house connected there costs
``tap_db`` more. Ends of a way cost nothing: modems impress and measure a voltage. Busbars with
a closed switch between them are one junction. The noise in the band is coloured::

    N(f) = floor + rise · exp(−f / fall)   [dBµV in 200 Hz]

summed over the band, and differs from place to place. Sources: ``technologies.yaml``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import cos, exp, inf, log10, pi
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from fernwatt.errors import Fault
from fernwatt.messages import Supply
from simulators.network.air_technology import AirTechnology
from simulators.network.draws import Draws
from simulators.network.levels import normal

__all__ = [
    "CABLES",
    "Conductors",
    "DailyBursts",
    "Line",
    "Net",
    "Switch",
    "attenuation_db_per_km",
    "dbuv",
    "noise_dbuv",
    "parse_conductors",
]

Array = NDArray[np.float64]
CABLES: Mapping[str, float] = MappingProxyType(
    {
        "NAYY": 15.0,
        "NYY": 15.0,
        "NAYCWY": 15.0,
        "NAKBA": 30.0,
        "NEKEBA": 30.0,
        "NA2X": 15.0,
        "15-AL1": 10.0,
        "24-AL1": 10.0,
        "34-AL1": 10.0,
        "48-AL1": 10.0,
        "70-AL1": 10.0,
        "94-AL1": 10.0,
    }
)
"""Attenuation [dB/km] at 40 to 90 kHz by the beginning of a cable's type.

Low-voltage cables have 1.5 to 3 dB per 100 m in the CENELEC A band (Hooijen 1998; O'Neal 1986;
values as these are usually cited, not read again): 15 for plastic, 30 for old mass-impregnated
paper. Overhead conductors have less; 10 is assumed. A line may state ``db_per_km`` of its own.
"""
_USUAL_DB_PER_KM = 20.0
_ACCESS_OHM = 5.0
"""Access impedance at which a source's power becomes a voltage; 1 to 20 Ω are measured."""
_RESOLUTION_HZ = 200.0
_HOUR_US = 3_600_000_000
_NEVER = -(10**18)


@dataclass(frozen=True, slots=True)
class Line:
    """A cable between two busbars."""

    id: str
    a: str
    b: str
    length_m: float
    db_per_km: float


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch between two busbars."""

    id: str
    a: str
    b: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Conductors:
    """All conductors of the grid that carry power-line communication."""

    lines: tuple[Line, ...] = ()
    switches: tuple[Switch, ...] = ()


def attenuation_db_per_km(cable: str) -> float:
    """Return the attenuation of a type of cable, by the longest beginning known."""
    fitting = [name for name in CABLES if cable.upper().startswith(name)]
    return CABLES[max(fitting, key=len)] if fitting else _USUAL_DB_PER_KM


def dbuv(dbm: float) -> float:
    """Return the voltage [dBµV] of a source's power [dBm] at the usual access impedance."""
    return 10.0 * log10(10.0 ** (dbm / 10.0 - 3.0) * _ACCESS_OHM) + 120.0


def parse_conductors(spec: Mapping[str, Any]) -> tuple[Conductors, list[Fault]]:
    """Return ``spec["conductors"]``, checked.

    ``{lines: [{id, a, b, length_m, cable, db_per_km?}], switches: [{id, a, b, closed?}]}``
    """
    found: Mapping[str, Any] = spec.get("conductors") or {}
    faults: list[Fault] = []
    lines = []
    for place, item in enumerate(found.get("lines") or ()):
        path = f"network.conductors.lines[{place}]"
        length_m = item["length_m"]
        own = item.get("db_per_km")
        rate = attenuation_db_per_km(item.get("cable") or "") if own is None else own
        if not (0 < length_m < inf):
            faults.append(Fault(f"{path}.length_m", f"must be above 0, is {length_m!r}"))
        if not (0 <= rate < inf):
            faults.append(Fault(f"{path}.db_per_km", f"must not be negative, is {rate!r}"))
        lines.append(Line(item["id"], item["a"], item["b"], float(length_m), float(rate)))
    switches = [
        Switch(item["id"], item["a"], item["b"], bool(item.get("closed", True)))
        for item in found.get("switches") or ()
    ]
    count = Counter([line.id for line in lines] + [switch.id for switch in switches])
    faults += [
        Fault("network.conductors", f"two conductors have the identifier {name}")
        for name in sorted(count)
        if count[name] > 1
    ]
    return Conductors(tuple(lines), tuple(switches)), faults


def noise_dbuv(technology: AirTechnology) -> float:
    """Return the voltage of the background noise within the band [dBµV]."""
    count = 256
    low, high = technology.band_low_hz, technology.band_high_hz
    at = low + (high - low) * (np.arange(count) + 0.5) / count
    density = technology.noise_floor_dbuv + technology.noise_rise_dbuv * np.exp(
        -at / technology.noise_fall_hz
    )
    mean = float(np.mean(10.0 ** (density / 10.0)))
    return 10.0 * log10(mean * (high - low) / _RESOLUTION_HZ)


class Net:
    """The conductors as they are now, by parts that no conductor joins.

    ``take`` follows the grid's ``Supply`` messages: their element is a line or a switch, and
    ``continuous`` whether it conducts.
    """

    __slots__ = ("_lines", "_of", "_part", "_switches", "continuous")

    def __init__(self, conductors: Conductors) -> None:
        self.continuous = {line.id: True for line in conductors.lines}
        self.continuous |= {switch.id: switch.closed for switch in conductors.switches}
        both: list[Line | Switch] = [*conductors.lines, *conductors.switches]
        joined = _Joined()
        for element in both:
            joined.join(element.a, element.b)
        self._part = {bus: joined.find(bus) for bus in joined.leader}
        self._of = {element.id: self._part[element.a] for element in both}
        self._lines: dict[str, list[Line]] = {part: [] for part in self._part.values()}
        self._switches: dict[str, list[Switch]] = {part: [] for part in self._part.values()}
        for line in conductors.lines:
            self._lines[self._part[line.a]].append(line)
        for switch in conductors.switches:
            self._switches[self._part[switch.a]].append(switch)

    def knows(self, bus: str) -> bool:
        """Tell whether a conductor is connected to a busbar."""
        return bus in self._part

    def parts(self, buses: Iterable[str]) -> tuple[str, ...]:
        """Return the parts that busbars belong to."""
        return tuple(sorted({self._part[bus] for bus in buses if bus in self._part}))

    def take(self, changes: Iterable[Supply]) -> set[str]:
        """Take changes; return the parts whose conductors are others now."""
        changed = set()
        for change in changes:
            before = self.continuous.get(change.element)
            if before is not None and before != change.continuous:
                self.continuous[change.element] = change.continuous
                changed.add(self._of[change.element])
        return changed

    def attenuation_db(
        self, parts: Sequence[str], sources: Sequence[str], sinks: Sequence[str], tap_db: float,
        houses: Mapping[str, int],
    ) -> Array:  # fmt: skip
        """Return the attenuation from busbars to busbars (sources × sinks), inf where none leads.

        ``houses`` are connected at busbars; each that is passed costs ``tap_db``.
        """
        joined = _Joined()
        for bus in (*sources, *sinks):
            joined.find(bus)
        lines = [line for part in parts for line in self._lines[part]]
        for line in lines:
            joined.find(line.a)
            joined.find(line.b)
        for part in parts:
            for switch in self._switches[part]:
                if self.continuous[switch.id]:
                    joined.join(switch.a, switch.b)
        leaders = dict.fromkeys(map(joined.find, joined.leader))
        number = {leader: at for at, leader in enumerate(leaders)}
        node = {bus: number[joined.find(bus)] for bus in joined.leader}
        edges = [
            (node[line.a], node[line.b], line.length_m * line.db_per_km / 1000.0)
            for line in lines
            if self.continuous[line.id] and node[line.a] != node[line.b]
        ]
        passing = _passing_db(len(number), edges, node, tap_db, houses)
        starts = [node[bus] for bus in sources]
        ends = [node[bus] for bus in sinks]
        distances = _distances(edges, passing, starts)[:, ends] - passing[ends][None, :]
        same = np.equal.outer(starts, ends)
        return np.where(same, 0.0, distances)


def _passing_db(
    nodes: int,
    edges: Sequence[tuple[int, int, float]],
    node: Mapping[str, int],
    tap_db: float,
    houses: Mapping[str, int],
) -> Array:
    """Return what it costs to pass each junction."""
    ends = np.zeros(nodes)
    for a, b, _ in edges:
        ends[a] += 1
        ends[b] += 1
    passing = 20.0 * np.log10(np.maximum(ends, 2.0) / 2.0)
    for bus, count in houses.items():
        if bus in node:
            passing[node[bus]] += tap_db * count
    return passing


def _distances(
    edges: Sequence[tuple[int, int, float]], passing: Array, starts: Sequence[int]
) -> Array:
    """Return the least cost from junctions to all, the passing of the last one included."""
    cheapest: dict[tuple[int, int], float] = {}
    for a, b, db in edges:
        for here, there in ((a, b), (b, a)):
            cost = max(db, 1e-9) + float(passing[there])  # none is 0: that would be no edge
            cheapest[here, there] = min(cost, cheapest.get((here, there), inf))
    nodes = len(passing)
    if not cheapest:
        return np.full((len(starts), nodes), inf)
    here_there = np.array(list(cheapest)).T
    graph = csr_array((list(cheapest.values()), (here_there[0], here_there[1])), (nodes, nodes))
    unique, back = np.unique(np.asarray(starts), return_inverse=True)
    return np.asarray(dijkstra(graph, directed=True, indices=unique))[back]


class _Joined:
    """Union-find over names."""

    __slots__ = ("leader",)

    def __init__(self) -> None:
        self.leader: dict[str, str] = {}

    def find(self, name: str) -> str:
        """Return the leader of a name's set."""
        leader = self.leader
        leader.setdefault(name, name)
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    def join(self, a: str, b: str) -> None:
        """Make one set of two."""
        first, second = sorted((self.find(a), self.find(b)))
        self.leader[second] = first


def place_noise_dbuv(technology: AirTechnology, seed: int, names: Sequence[str]) -> Array:
    """Return the background noise at the places of nodes, by seed and name."""
    level, sigma_db = noise_dbuv(technology), technology.noise_sigma_db
    return np.array([level + sigma_db * normal(seed, "line noise", name) for name in names])


class DailyBursts:
    """Bursts of noise at each receiver: Gilbert–Elliott, good spells shorter at a time of day.

    The good state ends at a rate of (1 + swing · cos(2π (hour − peak)/24)) / ``burst_every_ms``,
    the hour taken as a whole; bad spells last ``burst_ms`` in the mean, exponentially. States
    are drawn when asked for, from the exact transition probabilities since then.
    """

    __slots__ = ("_asked_us", "_bad", "_draws", "_end_rate", "_offset_us", "_rates", "_rise")

    def __init__(
        self, technology: AirTechnology, seed: int, names: Sequence[str], day_began_ms: int
    ) -> None:
        it = technology
        hours = (
            1.0 + it.day_swing * cos(2.0 * pi * (hour + 0.5 - it.day_peak_h) / 24.0)
            for hour in range(24)
        )
        self._rates = [hour / (1000.0 * it.burst_every_ms) for hour in hours]
        self._end_rate = 1.0 / (1000.0 * it.burst_ms)
        self._rise = 10.0 ** (it.burst_db / 10.0) - 1.0
        self._offset_us = 1000 * day_began_ms
        self._draws = [Draws(seed, f"bursts/{name}") for name in names]
        self._bad: list[bool | None] = [None] * len(names)
        self._asked_us = [0] * len(names)

    def rise(self, receiver: int, since_us: int, until_us: int) -> float:
        """Return by which multiple of its noise a receiver's noise rises within a time.

        A burst anywhere within counts for all of it. Times do not fall.
        """
        draws = self._draws[receiver]
        since_us = max(since_us, self._asked_us[receiver])
        bad = draws.uniform() < self._share(receiver, since_us)
        if not bad and until_us > since_us:
            spared = exp(-self._rates[self._hour(until_us)] * (until_us - since_us))
            bad = draws.uniform() >= spared
        self._bad[receiver], self._asked_us[receiver] = bad, max(since_us, until_us)
        return self._rise if bad else 0.0

    def _hour(self, now_us: int) -> int:
        return (now_us + self._offset_us) // _HOUR_US % 24

    def _share(self, receiver: int, now_us: int) -> float:
        """Return the probability of the bad state now, given what it was when last asked for."""
        bad, at_us = self._bad[receiver], self._asked_us[receiver]
        begin_us = now_us - (now_us + self._offset_us) % _HOUR_US - _HOUR_US  # of the last hour
        if bad is None or at_us < begin_us:
            share, at_us = self._steady(self._hour(begin_us)), begin_us
        else:
            share = 1.0 if bad else 0.0
        while at_us < now_us:
            hour = self._hour(at_us)
            next_us = min(now_us, at_us + _HOUR_US - (at_us + self._offset_us) % _HOUR_US)
            steady = self._steady(hour)
            memory = exp(-(self._rates[hour] + self._end_rate) * (next_us - at_us))
            share = steady + (share - steady) * memory
            at_us = next_us
        return share

    def _steady(self, hour: int) -> float:
        return self._rates[hour] / (self._rates[hour] + self._end_rate)
