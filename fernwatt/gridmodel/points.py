"""Connection points that a scenario adds to a grid: nobody's, without load of the record."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.model import GridModel, Terminal
from fernwatt.gridmodel.naming import area_kind

__all__ = ["add_points"]


def add_points(model: GridModel, points: Sequence[Mapping[str, str]]) -> GridModel:
    """Return the model with terminals ``{id, bus}`` of no customer added, in their place.

    Everything stays in the order of identifiers, ``net.load`` too; the index changes. Raises
    ScenarioError for a bus that is none, and an identifier that is taken.
    """
    if not points:
        return model
    row = {bus.id: number for number, bus in enumerate(model.buses)}
    taken = set(model.terminal_ids)
    faults = []
    added = []
    for number, point in enumerate(points):
        ident, at = point["id"], point["bus"]
        if at not in row:
            faults.append(Fault(f"points[{number}].bus", f"there is no {at}"))
        elif ident in taken:
            faults.append(Fault(f"points[{number}].id", f"{ident} is there already"))
        else:
            taken.add(ident)
            added.append(_terminal(model, ident, row[at]))
    if faults:
        raise ScenarioError(faults)
    terminals = tuple(sorted((*model.terminals, *added), key=lambda t: t.id.encode()))
    net = copy.deepcopy(model.net)
    _add_loads(net, terminals, row, [terminal.id for terminal in added])
    return replace(model, net=net, terminals=terminals)


def _terminal(model: GridModel, ident: str, row: int) -> Terminal:
    bus = model.buses[row]
    return Terminal(
        id=ident, area=bus.area, name=ident.rpartition("/")[2], bus=bus.id, phases=(1, 2, 3),
        customer="", voltage_level=area_kind(bus.vn_v / 1e3), p_w=0.0, q_var=0.0, profile="",
    )  # fmt: skip


def _add_loads(
    net: Any, terminals: Sequence[Terminal], row: Mapping[str, int], added: Sequence[str]
) -> None:
    """Bring ``net.load`` to the terminals' order."""
    import pandapower as pp

    bus_of = {terminal.id: row[terminal.bus] for terminal in terminals}
    pp.create_loads(net, [bus_of[ident] for ident in added], 0.0, 0.0, name=list(added))
    place = {terminal.id: number for number, terminal in enumerate(terminals)}
    load = net.load
    order = load["name"].map(place).argsort(kind="stable")
    net.load = load.iloc[order].reset_index(drop=True)
