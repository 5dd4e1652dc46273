"""The airs of a topology: what lies between the stations of each medium.

A medium's ``air`` is empty (all hear all) or has a ``kind``:

``levels``      ``snr_db``: a matrix by sender and receiver, in the order of ``nodes`` or else of
                the members' ids; null where nothing arrives
``radio``       levels by a link budget from the nodes' places; ``radio`` has the model
``conductors``  levels along the conductors between the nodes' busbars; see ``powerline``

Any may state ``sense_db`` and ``capture_db``, and ``isolated: true`` where stations may be out of
everybody's reach; else that is a fault. A pair is within reach where the smallest frame gets
through at least one time in ten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from simpy.events import Timeout

from fernwatt.errors import Fault, ScenarioError
from fernwatt.messages import Supply
from simulators.network.air import Air, Everywhere
from simulators.network.draws import Draws, noise
from simulators.network.levels import Levels
from simulators.network.noises import NoiseSpec, Sources
from simulators.network.phy import PacketErrors, least_snr_db
from simulators.network.powerline import DailyBursts, Net, dbuv, place_noise_dbuv
from simulators.network.radio import Budget, PathLoss, noise_dbm
from simulators.network.spread import Spread

if TYPE_CHECKING:
    from simulators.network.carrier import Clock
    from simulators.network.technologies import MediumTechnology
    from simulators.network.topology import MediumSpec, NodeSpec, Topology

__all__ = ["KINDS", "Airs", "air_faults", "budget_of"]

KINDS = ("levels", "radio", "conductors")
_HEARD = 0.9
"""The share of the smallest frames lost at which a station is just out of reach."""

Array = NDArray[np.float64]
Rise = Callable[[NoiseSpec], Sequence[float] | None]


def air_faults(
    media: Sequence[MediumSpec], nodes: Sequence[NodeSpec], buses: Callable[[str], bool]
) -> list[Fault]:
    """Return what is wrong with the airs of media; ``buses`` tells which busbars exist."""
    by_id = {node.id: node for node in nodes}
    faults: list[Fault] = []
    for medium in media:
        path, kind = f"network.media.{medium.id}.air", medium.air.get("kind")
        if not medium.air:
            continue
        if kind not in KINDS:
            faults.append(Fault(path, f"unknown kind {kind!r}", f"one of {', '.join(KINDS)}"))
        elif kind == "levels":
            faults += _matrix_faults(medium, path)
        elif kind == "radio":
            faults += _radio_faults(medium, by_id, path)
        else:
            faults += _conductor_faults(medium, by_id, buses, path)
    return faults


def _matrix_faults(medium: MediumSpec, path: str) -> list[Fault]:
    order = medium.air.get("nodes") or medium.members
    if sorted(order) != sorted(medium.members):
        return [Fault(f"{path}.nodes", "must name every member once")]
    rows = medium.air.get("snr_db")
    if not isinstance(rows, Sequence) or [len(row) for row in rows] != [len(order)] * len(order):
        size = len(order)
        return [Fault(f"{path}.snr_db", f"must have {size} rows of {size} values each [dB]")]
    return []


def _radio_faults(medium: MediumSpec, nodes: Mapping[str, NodeSpec], path: str) -> list[Fault]:
    technology = medium.technology
    if not (technology.frequency_hz and technology.path_loss):
        what = f"{technology.name} has no frequency_hz and path_loss: it is no radio"
        return [Fault(path, what, "state them under technologies, or use another air")]
    return [
        Fault(f"network.nodes.{key}.place_m", f"is needed by the radio of {medium.id}")
        for key in medium.members
        if nodes[key].place_m is None
    ]


def _conductor_faults(
    medium: MediumSpec, nodes: Mapping[str, NodeSpec], buses: Callable[[str], bool], path: str
) -> list[Fault]:
    if not medium.technology.tx_dbuv:
        what = f"{medium.technology.name} has no tx_dbuv: it does not use conductors"
        return [Fault(path, what, "state it under technologies, or use another air")]
    faults = []
    for key in medium.members:
        bus = nodes[key].bus
        if bus is None:
            faults.append(Fault(f"network.nodes.{key}.bus", f"is needed by {medium.id}"))
        elif not buses(bus):
            faults.append(Fault(f"network.nodes.{key}.bus", f"no conductor ends at {bus}"))
    return faults


@dataclass(frozen=True, slots=True)
class _OnConductors:
    """A medium whose levels follow the conductors."""

    medium: MediumSpec
    parts: tuple[str, ...]
    levels: Levels
    sources: Sources | None


class Airs:
    """All airs of a topology, made by ``of``, and kept up with the conductors by ``take``."""

    __slots__ = ("_houses", "_nodes", "_on_conductors", "_seed", "_topology", "net")

    def __init__(self, topology: Topology, seed: int) -> None:
        self._topology, self._seed = topology, seed
        self._nodes = {node.id: node for node in topology.nodes}
        self.net = Net(topology.conductors)
        self._houses = Counter(
            str(self._nodes[key].bus)
            for medium in topology.media
            if medium.air.get("kind") == "conductors"
            for key in medium.members
            if key != medium.root
        )
        self._on_conductors: list[_OnConductors] = []

    def of(self, medium: MediumSpec) -> Air | None:
        """Return the air of a medium; None where all hear all and nothing disturbs them.

        Raises ScenarioError for stations out of the root's reach.
        """
        kind = medium.air.get("kind", "")
        if not kind:
            return self._everywhere(medium)
        matrix = {"levels": _stated, "radio": self._radio, "conductors": self._along}[kind](medium)
        technology = medium.technology
        bandwidth_hz = technology.bandwidth_hz or technology.band_high_hz - technology.band_low_hz
        errors, floor_db = _errors(
            technology.phy, technology.mode, bandwidth_hz, technology.frame_header_bytes
        )
        levels = Levels(matrix, floor_db)
        self._check(medium, levels)
        sources = self._sources(medium)
        spells = None
        if kind == "conductors":
            parts = self.net.parts(self._buses(medium))
            self._on_conductors.append(_OnConductors(medium, parts, levels, sources))
            if technology.burst_every_ms:
                day_ms = self._topology.day_began_ms
                spells = DailyBursts(technology, self._seed, self._names(medium), day_ms)
        return Spread(
            levels,
            technology.cca_us,
            errors,
            Draws(self._seed, f"fates/{medium.id}"),
            medium.air.get("sense_db", _sense_db(technology, kind, floor_db)),
            medium.air.get("capture_db", technology.capture_db),
            sources,
            spells,
        )

    def announce(self, clock: Clock, note: Callable[[str, str], None]) -> None:
        """Have ``note(kind, source)`` called whenever a source of noise begins or ends."""

        def told(event: Any) -> None:
            note(*event.value)

        for source in self._topology.noises:
            instants = [("noise_on", source.at_us), ("noise_off", source.until_us)]
            for kind, at_us in instants:
                if at_us is not None:
                    Timeout(clock, at_us - clock.now, (kind, source.id)).callbacks.append(told)

    def take(self, changes: Iterable[Supply]) -> list[str]:
        """Take changes of the conductors; return the media whose levels are others now."""
        if not self._on_conductors:
            return []
        parts = self.net.take(changes)
        if not parts:
            return []
        touched = []
        for it in self._on_conductors:
            if parts.intersection(it.parts):
                it.levels.renew(self._along(it.medium))
                if it.sources is not None:
                    it.sources.renew(self._rise(it.medium))
                touched.append(it.medium.id)
        return touched

    def _names(self, medium: MediumSpec) -> list[str]:
        return [f"{medium.id}|{key}" for key in medium.members]

    def _buses(self, medium: MediumSpec) -> list[str]:
        return [str(self._nodes[key].bus) for key in medium.members]

    def _places(self, medium: MediumSpec) -> Array:
        return np.array([self._nodes[key].place_m for key in medium.members], dtype=float)

    def _everywhere(self, medium: MediumSpec) -> Air | None:
        sources = self._sources(medium)
        if sources is None:
            return None
        technology = medium.technology
        own = noise(technology, self._seed, medium.id)
        return Everywhere(len(medium.members), technology.cca_us, own, sources)

    def _radio(self, medium: MediumSpec) -> Array:
        places = self._places(medium)
        return budget_of(medium.technology, self._seed).snr_db(medium.members, places)

    def _along(self, medium: MediumSpec) -> Array:
        technology, buses = medium.technology, self._buses(medium)
        loss = self._loss_db(medium, buses)
        at = place_noise_dbuv(technology, self._seed, medium.members)
        return np.asarray(technology.tx_dbuv - loss - at[None, :])

    def _loss_db(self, medium: MediumSpec, sources: Sequence[str]) -> Array:
        buses = self._buses(medium)
        parts = self.net.parts(buses)
        tap_db = medium.technology.tap_db
        return self.net.attenuation_db(parts, sources, buses, tap_db, self._houses)

    def _sources(self, medium: MediumSpec) -> Sources | None:
        sources = [it for it in self._topology.noises if medium.id in it.media]
        if not sources:
            return None
        draws = Draws(self._seed, f"noises/{medium.id}")
        return Sources(sources, draws, self._rise(medium))

    def _rise(self, medium: MediumSpec) -> Rise:
        """Return the function from a source to what the stations of a medium get of it [dB]."""
        kind, technology = medium.air.get("kind", ""), medium.technology

        def by_radio(source: NoiseSpec) -> Sequence[float] | None:
            if source.place_m is None or source.power_dbm is None:
                return None
            budget, names = budget_of(technology, self._seed), medium.members
            loss = budget.loss_db(source.id, np.array(source.place_m), names, self._places(medium))
            found: list[float] = (source.power_dbm - loss - budget.noise_dbm).tolist()
            return found

        def by_wire(source: NoiseSpec) -> Sequence[float] | None:
            if source.bus is None or source.power_dbm is None:
                return None
            at = place_noise_dbuv(technology, self._seed, medium.members)
            loss = self._loss_db(medium, [source.bus])[0]
            found: list[float] = (dbuv(source.power_dbm) - loss - at).tolist()
            return found

        return {"radio": by_radio, "conductors": by_wire}.get(kind, lambda _: None)

    def _check(self, medium: MediumSpec, levels: Levels) -> None:
        if medium.root is None or medium.air.get("isolated"):
            return
        hops = medium.routing != "none"
        apart = levels.apart(medium.members.index(medium.root), hops=hops)
        if apart:
            how = "over any number of hops" if hops else "without routing"
            what = f"is out of reach of {medium.root} on {medium.id}, {how}"
            hint = "place it nearer, or allow it by air: {isolated: true}"
            raise ScenarioError(
                [Fault(f"network.nodes.{medium.members[it]}", what, hint) for it in apart]
            )


@lru_cache(maxsize=64)
def _errors(phy: str, mode: str, bandwidth_hz: float, least: int) -> tuple[PacketErrors, float]:
    """Return the errors of a physical layer, and at which level it is just out of reach [dB]."""
    errors = PacketErrors(phy, mode, bandwidth_hz)
    return errors, least_snr_db(errors, least, _HEARD)


def _stated(medium: MediumSpec) -> Array:
    order = list(medium.air.get("nodes") or medium.members)
    at = [order.index(key) for key in medium.members]
    rows = [[nan if x is None else x for x in row] for row in medium.air["snr_db"]]
    return np.asarray(np.nan_to_num(np.array(rows, dtype=float), nan=-inf)[np.ix_(at, at)])


def budget_of(technology: MediumTechnology, seed: int) -> Budget:
    """Return the link budget of a radio technology."""
    it = technology
    loss = PathLoss(it.path_loss, it.frequency_hz, it.path_exponent, it.reference_m)
    level = noise_dbm(it.bandwidth_hz, it.noise_figure_db)
    return Budget(loss, it.tx_dbm, level, it.shadowing_db, it.antenna_m, seed)


def _sense_db(technology: MediumTechnology, kind: str, floor_db: float) -> float:
    """Return the level over noise at which the channel counts as busy."""
    if kind == "radio" and technology.sense_dbm:
        return technology.sense_dbm - noise_dbm(technology.bandwidth_hz, technology.noise_figure_db)
    return technology.sense_db or floor_db
