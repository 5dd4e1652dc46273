"""Which technologies are carried by formula or table, as a specification states it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fernwatt.errors import Fault
from simulators.network.carrier import Fabric
from simulators.network.cell_technology import CellTechnology
from simulators.network.draws import Draws
from simulators.network.fidelity.analytic import Drawn, tables
from simulators.network.fidelity.carrier import Fluid, Model
from simulators.network.fidelity.cell import CellFlow
from simulators.network.fidelity.flow import LinkFlow, MediumFlow
from simulators.network.message import Node
from simulators.network.stack import Coster
from simulators.network.technologies import LinkTechnology, MediumTechnology, load, nearest
from simulators.network.technology import Technology

if TYPE_CHECKING:
    from simulators.network.air import Air
    from simulators.network.topology import MediumSpec, Topology

__all__ = ["FIDELITIES", "build_fluid", "build_fluids", "costs_of", "parse_fidelity"]

FIDELITIES = ("packet", "flow", "analytic")


def parse_fidelity(
    spec: Mapping[str, Any], technologies: Mapping[str, Technology]
) -> tuple[dict[str, str], list[Fault]]:
    """Return the fidelity of each technology that is not carried packet by packet, and faults.

    ``spec["fidelity"]`` maps names of technologies to one of ``FIDELITIES``.
    """
    faults: list[Fault] = []
    chosen: dict[str, str] = {}
    for name, wanted in sorted((spec.get("fidelity") or {}).items()):
        path = f"network.fidelity.{name}"
        known = technologies.get(name)
        if known is None:
            hint = nearest(name, dict(technologies))
            faults.append(Fault(path, "unknown technology", hint))
        elif wanted not in FIDELITIES:
            hint = nearest(str(wanted), list(FIDELITIES))
            faults.append(Fault(path, f"unknown fidelity {wanted!r}", hint))
        elif wanted == "analytic" and name not in tables():
            hint = f"there are {', '.join(sorted(tables()))}"
            faults.append(Fault(path, "has not been measured for tables", hint))
        elif wanted == "flow" and isinstance(known, MediumTechnology) and known.mac != "csma":
            hint = "analytic or packet"
            faults.append(Fault(path, f"there is no formula for access {known.mac}", hint))
        elif wanted == "analytic" and _mac(known) != _mac(load()[name]):
            hint = "packet, or the access that the table was measured with"
            faults.append(Fault(path, f"was measured with access {_mac(load()[name])}", hint))
        elif wanted != "packet":
            chosen[name] = wanted
    meshes = {it["technology"] for it in spec.get("media", ()) if it.get("routing") == "mesh"}
    faults += [
        Fault(f"network.fidelity.{name}", "knows one hop, not a mesh", "packet")
        for name in sorted(meshes & set(chosen))
    ]
    return chosen, faults


def _mac(technology: Technology) -> str:
    return technology.mac if isinstance(technology, MediumTechnology) else ""


def build_fluid(  # noqa: PLR0917 - of a carrier
    fabric: Fabric,
    identifier: str,
    technology: Technology,
    members: Sequence[Node],
    root: Node | None,
    fidelity: str,
    air: Air | None = None,
) -> Fluid:
    """Return a carrier of a cheaper fidelity.

    ``root`` is a cell's base station, a medium's concentrator if it has one, a link's end ``b``;
    with ``air`` only who hears another reaches it.
    """
    draws = Draws(fabric.seed, f"fidelity/{identifier}")
    costs = _costs(technology, root)
    model: Model
    if fidelity == "analytic":
        known, shared = tables()[technology.name], isinstance(technology, MediumTechnology)
        model = Drawn(known, draws, "" if root is None else root.id, shared)
    elif isinstance(technology, CellTechnology):
        assert root is not None
        model = CellFlow(technology, draws, root.id)
    elif isinstance(technology, LinkTechnology):
        model = LinkFlow(technology, draws)
    else:
        assert isinstance(technology, MediumTechnology)
        model = MediumFlow(technology, draws)
    hub = root if isinstance(technology, CellTechnology) else None
    if air is None:
        return Fluid(fabric, identifier, technology, members, model, costs, hub)
    numbers = {node.id: it for it, node in enumerate(sorted(members, key=lambda node: node.id))}
    heard = air

    def joined(here: Node, there: Node) -> bool:
        return heard.hears(numbers[there.id], numbers[here.id])

    return Fluid(fabric, identifier, technology, members, model, costs, hub, joined)


def build_fluids(
    topology: Topology,
    nodes: Mapping[str, Node],
    fabric: Fabric,
    air_of: Callable[[MediumSpec], Air | None],
) -> list[Fluid]:
    """Return the carriers of a topology that are not carried packet by packet."""
    fluids = []
    chosen = topology.fidelity
    for medium in topology.media:
        if medium.technology.name in chosen:
            members = [nodes[key] for key in medium.members]
            root = nodes[medium.root] if medium.root else None
            air = air_of(medium) if medium.routing == "none" else None
            fluids.append(
                build_fluid(fabric, medium.id, medium.technology, members, root,
                            chosen[medium.technology.name], air)
            )  # fmt: skip
    for link in topology.links:
        if link.technology.name in chosen:
            ends = [nodes[link.a], nodes[link.b]]
            fidelity = chosen[link.technology.name]
            fluids.append(build_fluid(fabric, link.id, link.technology, ends, ends[1], fidelity))
    for cell in topology.cells:
        if cell.technology.name in chosen:
            members, station = [nodes[key] for key in cell.nodes], nodes[cell.station]
            fidelity = chosen[cell.technology.name]
            fluids.append(build_fluid(fabric, cell.id, cell.technology, members, station, fidelity))
    return fluids


def costs_of(technology: Technology, up: bool) -> Coster:
    """Return the frames and air times of messages in one direction."""
    if isinstance(technology, MediumTechnology):
        return Coster(technology, technology.air_us())
    if isinstance(technology, CellTechnology):
        return Coster(technology, _cell_air_us(technology, up))
    assert isinstance(technology, LinkTechnology)
    return Coster(technology, technology.air_us(up))


def _costs(technology: Technology, root: Node | None) -> Callable[[Node], Coster]:
    """Return what tells a node's frames and air times; a link's and a cell's differ by way."""
    both = {up: costs_of(technology, up) for up in (True, False)}
    return lambda node: both[node is not root]


def _cell_air_us(technology: CellTechnology, up: bool) -> Callable[[int], int]:
    unit = technology.unit_bits(up, technology.snr_db(up)) * technology.width(up)
    unit = min(unit, technology.limit_bits(up) * technology.repetitions(up) or unit)
    times = technology.repetitions(up)
    return lambda size: -(-8 * size * times // unit) * technology.tti_us
