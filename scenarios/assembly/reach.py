"""Who hears whom between meters and substation: by the conductors, by the places, or all.

Power-line carriers hear each other where the grid's conductors join them, radios by their link
budget; either forwards over several hops to the substation's node, the root. Without
``network.reach: grid`` an area is one collision domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fernwatt.gridmodel import GridModel
from scenarios.assembly.hierarchy import House
from scenarios.assembly.places import Places
from scenarios.schema.network import Network
from simulators.network.technologies import MediumTechnology

__all__ = ["Reach", "conductors", "locate"]

Spec = dict[str, Any]
_ON_CONDUCTORS, _BY_RADIO = ("prime", "g3"), ("oqpsk", "wisun")
_SUBSTATION_M = 2.5
"""Height of antennas at a kiosk substation."""


class Reach:
    """Media between meters and substations of a grid."""

    def __init__(self, model: GridModel, wanted: Network) -> None:
        self._by_grid, self._most = wanted.reach == "grid", wanted.meters_per_medium
        self._coarse = {name for name, how in wanted.fidelity.items() if how != "packet"}
        self._routing: Spec = {"routing": "mesh"}
        self._alone: Spec = {"isolated": True} if wanted.isolated else {}
        if wanted.mesh_start != "formed":
            self._routing["mesh"] = {"start": wanted.mesh_start}
        self._buses = {terminal.id: terminal.bus for terminal in model.terminals}
        self._busbar = {area.id: area.bus for area in model.areas}
        self._feeder: dict[str, tuple[int, str]] = {}
        self._beside: dict[str, list[str]] = {}
        for line in model.lines:
            self._beside.setdefault(line.from_bus, []).append(line.to_bus)
            self._beside.setdefault(line.to_bus, []).append(line.from_bus)

    def media(
        self, area: str, root: str, houses: Sequence[House], technology: MediumTechnology
    ) -> list[Spec]:
        """Return the media between meters and ``root``: one, or several by feeder."""
        groups = self._groups(area, houses)
        media = []
        for number, group in enumerate(groups, 1):
            name = f"lv-fan/{area}" if len(groups) == 1 else f"lv-fan/{area}/{number}"
            media.append(
                {
                    "id": name,
                    "technology": technology.name,
                    "members": [root, *(house.meter for house in group)],
                    "root": root,
                }
                | self._air(technology)
            )
        return media

    def _air(self, technology: MediumTechnology) -> Spec:
        if not self._by_grid or technology.name in self._coarse:
            return {}
        if technology.phy in _ON_CONDUCTORS:
            return {"air": {"kind": "conductors", **self._alone}, **self._routing}
        if technology.phy in _BY_RADIO:
            return {"air": {"kind": "radio", **self._alone}, **self._routing}
        return {}

    def _groups(self, area: str, houses: Sequence[House]) -> list[list[House]]:
        """Return houses in groups of no more than is allowed, feeders whole as far as possible."""
        if len(houses) <= self._most:
            return [list(houses)]
        order = self._order(self._busbar[area])
        feeders: dict[int, list[House]] = {}
        last = (len(order), 0)
        for house in sorted(houses, key=lambda it: order.get(self._buses[it.terminal], last)):
            feeder = order.get(self._buses[house.terminal], last)[0]
            feeders.setdefault(feeder, []).append(house)
        groups: list[list[House]] = []
        for along in feeders.values():
            pieces = [along[n : n + self._most] for n in range(0, len(along), self._most)]
            for piece in pieces:
                room = (group for group in groups if len(group) + len(piece) <= self._most)
                into = next(room, None)
                if into is None:
                    groups.append(list(piece))
                else:
                    into += piece
        return groups

    def _order(self, busbar: str) -> dict[str, tuple[int, int]]:
        """Return for each bus the number of its feeder, and its place along it."""
        order = {busbar: (-1, 0)}
        firsts = sorted(self._beside.get(busbar, ()), key=str.encode)
        for number, first in enumerate(firsts):
            front = [] if first in order else [first]
            while front:
                following = []
                for bus in front:
                    if bus not in order:
                        order[bus] = (number, len(order))
                        following += sorted(self._beside[bus], key=str.encode)
                front = following
        return order


def conductors(model: GridModel) -> Spec:
    """Return the low-voltage conductors; carriers do not pass a transformer.

    A line whose switch is open is known from the grid's first ``Supply``.
    """
    low = {area.id for area in model.areas if area.kind == "lv"}
    areas = {bus.id: bus.area for bus in model.buses}
    return {
        "lines": [
            {
                "id": line.id,
                "a": line.from_bus,
                "b": line.to_bus,
                "length_m": line.length_m,
                "cable": line.std_type,
            }
            for line in model.lines
            if line.area in low
        ],
        "switches": [
            {"id": switch.id, "a": switch.bus, "b": switch.element, "closed": switch.closed}
            for switch in model.switches
            if switch.kind == "bus" and areas[switch.bus] in low
        ],
    }


def locate(
    nodes: Sequence[Spec],
    houses: Mapping[str, Sequence[House]],
    model: GridModel,
    places: Places,
    mast_m: float,
) -> list[Spec]:
    """Return nodes with their places and buses, where the grid has them."""
    buses = {terminal.id: terminal.bus for terminal in model.terminals}
    home = {
        node: house.terminal
        for below in houses.values()
        for house in below
        for node in (house.meter, house.cmu, *house.dmus)
    }
    located = []
    for node in nodes:
        kind = node["id"].partition("/")[0]
        terminal: str = home.get(node["id"], node["terminal"]) or ""
        if terminal in buses:
            bus = buses[terminal]
            where: Spec = {"place_m": places.house(terminal, bus), "bus": bus}
        elif terminal in places.buses:
            height_m = mast_m if kind == "base-station" else _SUBSTATION_M
            where = {"place_m": places.at(terminal, height_m), "bus": terminal}
        else:
            where = {}
        located.append(node | where)
    return located
