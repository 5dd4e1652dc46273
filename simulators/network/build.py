"""Carriers of a topology: which access, which air, which routing each medium gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from simulators.network.air import Air
from simulators.network.airs import Airs
from simulators.network.carrier import Carrier, Fabric
from simulators.network.cells import Cell, CellSpec, snr_by_place
from simulators.network.csma import Medium
from simulators.network.dcf import DcfMedium
from simulators.network.draws import Draws
from simulators.network.fidelity.build import build_fluids
from simulators.network.g3 import G3Medium
from simulators.network.hopping import BandMedium
from simulators.network.link import Link
from simulators.network.mesh import build_mesh
from simulators.network.message import Node
from simulators.network.noises import Sources
from simulators.network.polled import PolledMedium
from simulators.network.prime import PrimeMedium
from simulators.network.spread import Spread
from simulators.network.topology import LinkSpec, MediumSpec, Topology

__all__ = ["anchors", "build_carriers"]

T = TypeVar("T", MediumSpec, LinkSpec, CellSpec)


def build_carriers(
    topology: Topology, nodes: Mapping[str, Node], fabric: Fabric, airs: Airs
) -> list[Carrier]:
    """Return the carriers of a topology by identifier."""
    carriers: list[Carrier] = [
        _medium(it, nodes, fabric, airs.of(it)) for it in _packets(topology.media, topology)
    ]
    carriers += [
        Link(fabric, it.id, it.technology, (nodes[it.a], nodes[it.b]))
        for it in _packets(topology.links, topology)
    ]
    carriers += [_cell(it, nodes, fabric, topology) for it in _packets(topology.cells, topology)]
    carriers += build_fluids(topology, nodes, fabric, airs.of)
    return sorted(carriers, key=lambda carrier: carrier.id)


def _packets(them: Sequence[T], topology: Topology) -> list[T]:
    """Return those that are carried packet by packet."""
    return [it for it in them if it.technology.name not in topology.fidelity]


def anchors(topology: Topology, nodes: Mapping[str, Node]) -> dict[str, tuple[Node, Node]]:
    """Return base station and mobile core of each cell that has one."""
    return {it.id: (nodes[it.station], nodes[it.core]) for it in topology.cells if it.core}


def _cell(it: CellSpec, nodes: Mapping[str, Node], fabric: Fabric, topology: Topology) -> Carrier:
    members = [nodes[key] for key in it.members]
    near = [noise for noise in topology.noises if it.id in noise.media]
    sources = Sources(near, Draws(fabric.seed, f"noises/{it.id}")) if near else None
    snr_db: Mapping[str, tuple[float, float]] = it.snr_db
    if it.by_place:
        places = {node.id: node.place_m for node in topology.nodes if node.place_m is not None}
        at = [(key, places[key]) for key in it.members]
        station = (it.station, places[it.station])
        snr_db = {**snr_by_place(it.technology, station, at, fabric.seed), **it.snr_db}
    return Cell(fabric, it.id, it.technology, nodes[it.station], members, snr_db, sources)


def _medium(it: MediumSpec, nodes: Mapping[str, Node], fabric: Fabric, air: Air | None) -> Carrier:
    def access(inside: Fabric) -> Carrier:
        return _access(it, nodes, inside, air)

    if it.routing == "mesh" and it.root is not None:
        return build_mesh(fabric, nodes[it.root], it.mesh, access)
    return access(fabric)


def _access(it: MediumSpec, nodes: Mapping[str, Node], fabric: Fabric, air: Air | None) -> Carrier:
    """Return the access to an air (None: all hear all) that the technology's ``mac`` names."""
    members, root = [nodes[key] for key in it.members], it.root
    if it.technology.mac == "prime" and root is not None:
        return PrimeMedium(fabric, it.id, it.technology, members, nodes[root], air)
    if it.technology.mac == "polled" and root is not None:
        return PolledMedium(fabric, it.id, it.technology, members, nodes[root], air)
    if isinstance(air, Spread) and (it.technology.dwell_us or it.technology.duty_window_ms):
        return BandMedium(fabric, it.id, it.technology, members, air)
    if it.technology.mac == "g3":
        return G3Medium(fabric, it.id, it.technology, members, air)
    if it.technology.mac == "dcf" and not isinstance(air, Spread):  # slots of one domain
        return DcfMedium(fabric, it.id, it.technology, members, air)
    return Medium(fabric, it.id, it.technology, members, air)
