"""Cells as a network's specification states them, checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fernwatt.errors import Fault
from simulators.network.technologies import CellTechnology, Technology, nearest

__all__ = ["CellSpec", "parse_cells"]


@dataclass(frozen=True, slots=True)
class CellSpec:
    """A base station (``station``) and its subscribers.

    Traffic between subscribers passes ``core``, where one is named. ``snr_db`` are the ratios of
    signal to noise [dB], up and down, of subscribers who are not as the technology has it;
    ``by_place`` is whether those of the others follow from where they stand.
    """

    id: str
    technology: CellTechnology
    station: str
    members: tuple[str, ...]
    core: str | None = None
    snr_db: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    by_place: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return base station and subscribers."""
        return (self.station, *self.members)


def parse_cells(
    items: Sequence[Mapping[str, Any]],
    technologies: Mapping[str, Technology],
    known: Mapping[str, bool],
) -> tuple[tuple[CellSpec, ...], list[Fault]]:
    """Return the cells ``{id, technology, station, members, core, snr_db, air}`` and what is wrong.

    ``snr_db`` maps members to one ratio or to that of each direction, up first; ``air`` is empty
    or ``{kind: radio}``. ``known`` are the nodes' ids with whether their place is known.
    """
    faults: list[Fault] = []
    cells = []
    for place, item in enumerate(items):
        reader = _Reader(item, f"network.cells[{place}]", faults)
        cell = reader.read(technologies, known)
        if cell is not None:
            cells.append(cell)
    return tuple(sorted(cells, key=lambda cell: cell.id)), faults


class _Reader:
    """Reads one cell."""

    def __init__(self, item: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
        self._item, self._path, self._faults = item, path, faults

    def read(
        self, technologies: Mapping[str, Technology], known: Mapping[str, bool]
    ) -> CellSpec | None:
        """Return the cell, or None where its technology is none of a cell."""
        item = self._item
        members = tuple(sorted(item.get("members") or ()))
        station, core = str(item.get("station")), item.get("core")
        if not members:
            self._fault("members", "the cell has no subscriber", "name at least one node")
        if len({station, *members}) <= len(members):
            self._fault("members", "a node is named twice")
        named = [("station", station), *(("members", member) for member in members)]
        for key, node in [*named, *([("core", core)] if core else [])]:
            if node not in known:
                self._fault(key, f"no node {node}", nearest(node, sorted(known)))
        snr_db = self._snr_db(members)
        technology = technologies.get(item["technology"])
        if not isinstance(technology, CellTechnology):
            fit = [name for name, it in technologies.items() if isinstance(it, CellTechnology)]
            what = "unknown technology" if technology is None else "is not for a cell"
            name = item["technology"]
            self._fault("technology", f"{name}: {what}", nearest(name, fit))
            return None
        by_place = self._by_place(technology, [station, *members], known)
        return CellSpec(item["id"], technology, station, members, core, snr_db, by_place)

    def _by_place(
        self, technology: CellTechnology, nodes: Sequence[str], known: Mapping[str, bool]
    ) -> bool:
        kind = (self._item.get("air") or {}).get("kind")
        if kind is None:
            return False
        if kind != "radio":
            self._fault("air", f"unknown kind {kind!r}", "radio, or none")
        if not (technology.frequency_hz and technology.path_loss):
            what = f"{technology.name} has no frequency_hz and path_loss"
            self._fault("air", what, "state them under technologies, or use snr_db")
        for node in nodes:
            if node in known and not known[node]:
                self._fault("air", f"needs place_m of {node}")
        return True

    def _snr_db(self, members: Collection[str]) -> dict[str, tuple[float, float]]:
        ratios: dict[str, tuple[float, float]] = {}
        for node, value in sorted((self._item.get("snr_db") or {}).items()):
            pair = list(value) if isinstance(value, list | tuple) else [value, value]
            numbers = all(type(ratio) in (int, float) and abs(ratio) < 200 for ratio in pair)
            if len(pair) != 2 or not numbers:
                self._fault(f"snr_db.{node}", f"must be dB, or [up, down], is {value!r}")
            elif node not in members:
                self._fault(f"snr_db.{node}", "is no member", nearest(node, list(members)))
            else:
                ratios[node] = (float(pair[0]), float(pair[1]))
        return ratios

    def _fault(self, key: str, message: str, hint: str = "") -> None:
        self._faults.append(Fault(f"{self._path}.{key}", message, hint))
