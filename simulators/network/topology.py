"""The network as a scenario states it, checked: nodes, media, links and their technologies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fernwatt.errors import Fault, ScenarioError
from simulators.network.airs import air_faults
from simulators.network.cells.specification import CellSpec, parse_cells
from simulators.network.fidelity.build import parse_fidelity
from simulators.network.mesh.build import mesh_faults
from simulators.network.noises import NoiseSpec, parse_noises
from simulators.network.outages import OutageSpec, parse_outages
from simulators.network.powerline import Conductors, Net, parse_conductors
from simulators.network.sleep import SleepSpec, parse_sleep
from simulators.network.tapspec import TapSpec, parse_taps
from simulators.network.technologies import (
    LinkTechnology,
    MediumTechnology,
    Technology,
    load,
    nearest,
)
from simulators.network.transport.settings import (
    TransportSpec,
    parse_groups,
    parse_transport,
)

__all__ = ["LinkSpec", "MediumSpec", "NodeSpec", "Topology"]

T = TypeVar("T", MediumTechnology, LinkTechnology)
ROUTINGS = ("none", "mesh")


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node; with a ``terminal``, or busbar, it is fed there, and lives ``battery_ms`` without.

    ``place_m`` is where it stands (east, north, above ground), ``bus`` where its power-line modem
    is connected, where they are known.
    """

    id: str
    terminal: str | None
    battery_ms: int
    place_m: tuple[float, float, float] | None = None
    bus: str | None = None


@dataclass(frozen=True, slots=True)
class MediumSpec:
    """A shared medium and the nodes on it.

    ``air`` says who hears whom (empty: all hear all), ``root`` is the concentrator, base node or
    border router, ``routing`` whether frames go over several hops, ``mesh`` how that begins.
    """

    id: str
    technology: MediumTechnology
    members: tuple[str, ...]
    root: str | None = None
    air: Mapping[str, Any] = field(default_factory=dict)
    routing: str = "none"
    mesh: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A link between two nodes; ``up`` is from ``a`` to ``b``.

    A ``public`` one belongs to the Internet: nothing critical goes over it.
    """

    id: str
    technology: LinkTechnology
    a: str
    b: str
    public: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """All of a network, sorted by identifier; ``loss`` is the extra loss per message and hop."""

    nodes: tuple[NodeSpec, ...]
    media: tuple[MediumSpec, ...]
    links: tuple[LinkSpec, ...]
    loss: float
    interval_ms: int
    outages: tuple[OutageSpec, ...] = ()
    taps: tuple[TapSpec, ...] = ()
    cells: tuple[CellSpec, ...] = ()
    conductors: Conductors = field(default_factory=Conductors)
    noises: tuple[NoiseSpec, ...] = ()
    day_began_ms: int = 0
    transport: TransportSpec = field(default_factory=TransportSpec)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sleepers: tuple[SleepSpec, ...] = ()
    fidelity: Mapping[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Tell whether messages go as they are, each to one receiver."""
        return self.transport.plain and not self.groups

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Topology:
        """Return the topology of a specification in JSON form.

        Raises ScenarioError with every fault: unknown technologies and parameters, impossible
        ones, duplicate or unknown identifiers, and the nodes without a path to the others.
        """
        return _Reader(spec).read()


class _Reader:
    """Reads a specification and collects what is wrong with it."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._faults: list[Fault] = []
        self._technologies: Mapping[str, Technology] = {}

    def read(self) -> Topology:
        """Return the topology, or raise all faults at once."""
        overrides = self._spec.get("overrides") or {}
        try:
            self._technologies = load(overrides)
        except ScenarioError as error:
            self._faults += error.faults
            self._technologies = load()
        nodes = self._nodes()
        known = {node.id for node in nodes}
        media, links = self._media(known), self._links(known)
        cells, faults = parse_cells(
            self._spec.get("cells") or (),
            self._technologies,
            {node.id: node.place_m is not None for node in nodes},
        )
        self._faults += faults
        self._unique([*media, *links, *cells])
        loss, interval_ms = self._numbers()
        conductors, noises = self._surroundings(nodes, media, cells)
        outages, taps = self._interferences(known)
        transport, groups = self._transports(known)
        sleepers, faults = parse_sleep(
            self._spec.get("nodes", ()), _neighbours(media, links, cells)
        )
        fidelity, more = parse_fidelity(self._spec, self._technologies)
        self._faults += [*faults, *more]
        if not self._faults:
            self._faults += _unreachable(nodes, media, links, cells)
        if self._faults:
            raise ScenarioError(self._faults)
        began_ms = int(self._spec.get("day_began_ms") or 0)
        return Topology(
            nodes,
            media,
            links,
            loss,
            interval_ms,
            outages,
            taps,
            cells,
            conductors,
            noises,
            began_ms,
            transport,
            groups,
            sleepers,
            fidelity,
        )

    def _surroundings(
        self, nodes: Sequence[NodeSpec], media: Sequence[MediumSpec], cells: Sequence[CellSpec]
    ) -> tuple[Conductors, tuple[NoiseSpec, ...]]:
        conductors, faults = parse_conductors(self._spec)
        kinds = {medium.id: medium.air.get("kind", "") for medium in media}
        kinds |= {cell.id: "" for cell in cells}  # disturbed by an error, wherever one stands
        noises, more = parse_noises(self._spec, kinds)
        self._faults += [*faults, *more]
        if not self._faults:
            self._faults += air_faults(media, nodes, Net(conductors).knows)
        return conductors, noises

    def _interferences(self, known: set[str]) -> tuple[tuple[OutageSpec, ...], tuple[TapSpec, ...]]:
        spec = self._spec
        carriers = {it["id"] for kind in ("media", "links", "cells") for it in spec.get(kind) or ()}
        outages, faults = parse_outages(spec.get("outages") or (), known, carriers)
        taps, more = parse_taps(spec.get("taps") or (), known, carriers)
        self._faults += [*faults, *more]
        return outages, taps

    def _transports(self, known: set[str]) -> tuple[TransportSpec, Mapping[str, tuple[str, ...]]]:
        transport, faults = parse_transport(self._spec.get("transport") or {})
        groups, more = parse_groups(self._spec.get("groups") or {}, sorted(known))
        self._faults += [*faults, *more]
        return transport, groups

    def _numbers(self) -> tuple[float, int]:
        loss, interval_ms = self._spec.get("loss", 0.0), self._spec.get("interval_ms", 900_000)
        if not (_is_number(loss) and 0 <= loss <= 1):
            self._fault("loss", f"is a probability, 0 to 1, not {loss!r}")
        if type(interval_ms) is not int or interval_ms < 1:
            self._fault("interval_ms", f"must be a whole number above 0, is {interval_ms!r}")
        return loss, interval_ms

    def _nodes(self) -> tuple[NodeSpec, ...]:
        nodes: dict[str, NodeSpec] = {}
        for place, item in enumerate(self._spec.get("nodes", ())):
            battery_ms = item.get("battery_ms") or 0
            if type(battery_ms) is not int or battery_ms < 0:
                self._fault(f"nodes[{place}].battery_ms", f"must be 0 or more, is {battery_ms!r}")
            if item["id"] in nodes:
                self._fault(f"nodes[{place}].id", f"a second node has the address {item['id']}")
            place_m = item.get("place_m")
            nodes[item["id"]] = NodeSpec(
                item["id"],
                item.get("terminal"),
                battery_ms,
                None if place_m is None else tuple(float(x) for x in place_m),  # type: ignore[arg-type]
                item.get("bus"),
            )
        return tuple(nodes[key] for key in sorted(nodes))

    def _media(self, known: set[str]) -> tuple[MediumSpec, ...]:
        media = []
        for place, item in enumerate(self._spec.get("media", ())):
            path = f"media[{place}]"
            technology = self._technology(item["technology"], MediumTechnology, path)
            members = tuple(sorted(item["members"]))
            self._members(members, known, f"{path}.members")
            if technology is not None:
                media.append(self._medium(item, technology, members, path))
        return tuple(sorted(media, key=lambda medium: medium.id))

    def _medium(
        self,
        item: Mapping[str, Any],
        technology: MediumTechnology,
        members: tuple[str, ...],
        path: str,
    ) -> MediumSpec:
        root, routing = item.get("root"), item.get("routing", "none")
        if root is not None and root not in members:
            self._fault(f"{path}.root", f"{root} is no member", nearest(root, list(members)))
        if routing not in ROUTINGS:
            hint = nearest(routing, list(ROUTINGS))
            self._fault(f"{path}.routing", f"unknown routing {routing!r}", hint)
        elif routing != "none" and root is None:
            self._fault(f"{path}.root", f"{routing} needs one", "the concentrator, for example")
        elif technology.mac in ("prime", "polled") and root is None:
            hint = "the concentrator, for example"
            self._fault(f"{path}.root", f"access {technology.mac} needs one", hint)
        elif technology.mac == "polled" and routing != "none":
            hint = "leave it out; the master asks over repeaters where hops is more than 1"
            self._fault(f"{path}.routing", "polled slaves do not speak to each other", hint)
        mesh = item.get("mesh") or {}
        if routing == "mesh":
            for fault in mesh_faults(mesh, technology, path):
                self._fault(*fault)
        air = item.get("air") or {}
        return MediumSpec(item["id"], technology, members, root, air, routing, mesh)

    def _links(self, known: set[str]) -> tuple[LinkSpec, ...]:
        links = []
        for place, item in enumerate(self._spec.get("links", ())):
            path = f"links[{place}]"
            technology = self._technology(item["technology"], LinkTechnology, path)
            self._members((item["a"], item["b"]), known, path)
            if technology is not None:
                public = bool(item.get("public", False))
                if public and any(node.get("sleep") for node in self._spec.get("nodes", ())):
                    self._fault(path, "no Internet where nodes sleep")
                links.append(LinkSpec(item["id"], technology, item["a"], item["b"], public))
        return tuple(sorted(links, key=lambda link: link.id))

    def _members(self, members: Sequence[str], known: set[str], path: str) -> None:
        if len(set(members)) < len(members):
            self._fault(path, "a node is named twice")
        for member in members:
            if member not in known:
                self._fault(path, f"no node {member}", nearest(member, sorted(known)))

    def _unique(self, carriers: Sequence[MediumSpec | LinkSpec | CellSpec]) -> None:
        seen: set[str] = set()
        for carrier in carriers:
            if carrier.id in seen:
                self._fault(carrier.id, "two media, links or cells have this identifier")
            seen.add(carrier.id)

    def _technology(self, name: str, kind: type[T], path: str) -> T | None:
        technology = self._technologies.get(name)
        if isinstance(technology, kind):
            return technology
        fit = [key for key, item in self._technologies.items() if isinstance(item, kind)]
        what = "unknown technology" if technology is None else "is not for this"
        self._fault(f"{path}.technology", f"{name}: {what}", nearest(name, fit))
        return None

    def _fault(self, path: str, message: str, hint: str = "") -> None:
        self._faults.append(Fault(f"network.{path}", message, hint))


def _neighbours(
    media: Sequence[MediumSpec], links: Sequence[LinkSpec], cells: Sequence[CellSpec]
) -> Callable[[str, str], bool]:
    """Return whether two nodes share a carrier."""
    groups = [set(it.members) for it in media] + [{it.a, it.b} for it in links]
    groups += [{it.station, *it.members} for it in cells]
    return lambda one, other: one != other and any({one, other} <= group for group in groups)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unreachable(
    nodes: Sequence[NodeSpec],
    media: Sequence[MediumSpec],
    links: Sequence[LinkSpec],
    cells: Sequence[CellSpec],
) -> list[Fault]:
    """Return one fault per node outside the largest connected part (by union-find)."""
    leader = {node.id: node.id for node in nodes}

    def find(node: str) -> str:
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    groups = [medium.members for medium in media] + [(link.a, link.b) for link in links]
    groups += [cell.nodes for cell in cells]
    for group in groups:
        for member in group[1:]:
            first, second = sorted((find(group[0]), find(member)))
            leader[second] = first
    parts: dict[str, list[str]] = {}
    for node in nodes:
        parts.setdefault(find(node.id), []).append(node.id)
    if len(parts) < 2:
        return []
    largest = min(parts, key=lambda part: (-len(parts[part]), part))
    return [
        Fault(
            f"network.nodes.{node}",
            f"has no path to the {len(parts[largest])} nodes around {largest}",
            "add it to a medium, or link it",
        )
        for part in sorted(parts)
        if part != largest
        for node in parts[part]
    ]
