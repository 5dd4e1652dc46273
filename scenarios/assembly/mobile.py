"""The mobile network that units subscribe to: base stations, cells, the way to the core.

An area has a base station for each cellular technology in use there, at the substation, fed by
its busbar: subscribers of the same technology share its cell. All base stations hang on one core
by the link that belongs to their generation; the upper units, wherever they are, by a cable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from simulators.network.technologies import CellTechnology, Technology

__all__ = ["CORE", "Mobile", "by_radio"]

CORE = "core/mobile"
_ACCESS = "fibre"

Spec = dict[str, Any]


class Mobile:
    """Collects who subscribes where, and who is reached by way of the core."""

    def __init__(self, known: Mapping[str, Technology]) -> None:
        self._known = {n: it for n, it in known.items() if isinstance(it, CellTechnology)}
        self._members: dict[tuple[str, str], set[str]] = {}
        self._hosts: set[str] = set()

    def serves(self, technology: str) -> bool:
        """Tell whether a technology is one of cells."""
        return technology in self._known

    def subscribe(self, area: str, technology: str, unit: str, upper: str) -> None:
        """Let a unit of an area reach an upper unit, which is no subscriber, over the core."""
        self.join(area, technology, unit)
        self._hosts.add(upper)

    def join(self, area: str, technology: str, unit: str) -> None:
        """Let a unit subscribe to the cell of an area."""
        self._members.setdefault((area, technology), set()).add(unit)

    def nodes(self, busbars: Mapping[str, str], battery_ms: int) -> list[Spec]:
        """Return base stations, on their areas' busbars, and the core."""
        stations = [
            {
                "id": _station(area, technology),
                "terminal": busbars.get(area) or None,
                "battery_ms": battery_ms,
            }
            for area, technology in sorted(self._members)
        ]
        return [*stations, {"id": CORE, "terminal": None, "battery_ms": 0}] if stations else []

    def cells(self) -> list[Spec]:
        """Return the cells."""
        return [
            {
                "id": f"cell/{area}/{technology}",
                "technology": technology,
                "station": _station(area, technology),
                "members": sorted(members, key=str.encode),
                "core": CORE,
            }
            for (area, technology), members in sorted(self._members.items())
        ]

    def links(self) -> list[Spec]:
        """Return the links from base stations and upper units to the core."""
        links = [
            {
                "id": f"core/{area}/{technology}",
                "technology": self._known[technology].core,
                "a": _station(area, technology),
                "b": CORE,
            }
            for area, technology in sorted(self._members)
        ]
        return links + [
            {"id": f"core/{unit}", "technology": _ACCESS, "a": unit, "b": CORE}
            for unit in sorted(self._hosts, key=str.encode)
        ]


def by_radio(cells: Iterable[Spec], nodes: Iterable[Spec]) -> list[Spec]:
    """Return cells whose reception follows from the places of nodes, where all are known."""
    placed = {node["id"] for node in nodes if node.get("place_m") is not None}
    return [
        cell | {"air": {"kind": "radio"}} if placed >= {cell["station"], *cell["members"]} else cell
        for cell in cells
    ]


def _station(area: str, technology: str) -> str:
    return f"base-station/{area}/{technology}"
