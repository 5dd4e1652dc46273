"""What is seen at places of the grid: currents and voltages as phasors, from any solution.

Protective devices, fault passage indicators and line sensors look here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.solvers import GridState
from fernwatt.phasors import ComplexArray

__all__ = ["Place", "Places", "parse_places"]

_TURN = np.exp(-2j * np.pi / 3.0 * np.arange(3))
_KINDS = ("line", "transformer", "bus")


@dataclass(frozen=True, slots=True)
class Place:
    """An end (0: from or high-voltage side, 1: the other) of a line, transformer or bus coupler.

    ``row`` is that of the model's lines or transformers, of its switches for a coupler, or among
    what others in the grid show (kind ``other``: segments of lighting feeders).
    """

    id: str
    kind: str
    row: int
    end: int
    bus: int


def parse_places(
    model: GridModel,
    items: Sequence[Mapping[str, Any]],
    path: str = "watch",
    others: Sequence[str] = (),
) -> list[Place]:
    """Return places of ``{id, element, end}``; ``element`` a line, transformer or switch.

    A switch stands for the end of the element that it switches. ``others`` are identifiers of
    what somebody else in the grid shows, in that one's order. Raises ScenarioError with all
    elements that do not exist.
    """
    finder = _Finder(model, others)
    found, faults = [], []
    for number, item in enumerate(items):
        place = finder.place(str(item["id"]), str(item["element"]), int(item.get("end", 0)))
        if place is None:
            hint = "a line, a transformer or a switch of this grid, and end 0 or 1"
            faults.append(Fault(f"{path}[{number}]", f"there is no {item['element']}", hint))
        else:
            found.append(place)
    if faults:
        raise ScenarioError(faults)
    return found


class _Finder:
    def __init__(self, model: GridModel, others: Sequence[str]) -> None:
        self._others = {ident: row for row, ident in enumerate(others)}
        self._bus = {bus.id: row for row, bus in enumerate(model.buses)}
        self._ends: dict[str, tuple[str, int, str, str]] = {}
        for row, line in enumerate(model.lines):
            self._ends[line.id] = ("line", row, line.from_bus, line.to_bus)
        for row, trafo in enumerate(model.transformers):
            self._ends[trafo.id] = ("transformer", row, trafo.hv_bus, trafo.lv_bus)
        self._switches = {switch.id: (row, switch) for row, switch in enumerate(model.switches)}

    def place(self, ident: str, element: str, end: int) -> Place | None:
        if element in self._others:
            return Place(ident, "other", self._others[element], 0, 0)
        if element in self._switches:
            row, switch = self._switches[element]
            if switch.kind == "bus":
                return Place(ident, "bus", row, 0, self._bus[switch.bus])
            kind, row, first, _ = self._ends[switch.element]
            return Place(ident, kind, row, int(switch.bus != first), self._bus[switch.bus])
        if element not in self._ends or end not in (0, 1):
            return None
        kind, row, *ends = self._ends[element]
        return Place(ident, kind, row, end, self._bus[ends[end]])


class Places:
    """Looks at ``m`` places of a grid, in their given order."""

    def __init__(self, model: GridModel, places: Sequence[Place]) -> None:
        self.places = tuple(places)
        self._vn_v = np.array([bus.vn_v for bus in model.buses]) / np.sqrt(3.0)
        ties = [row for row, switch in enumerate(model.switches) if switch.kind == "bus"]
        tie = {row: number for number, row in enumerate(ties)}
        self._bus = np.array([place.bus for place in places], dtype=int)
        self._at: dict[str, tuple[Any, Any, Any]] = {}
        for kind in (*_KINDS, "other"):
            rows = [n for n, place in enumerate(places) if place.kind == kind]
            of = [tie[places[n].row] if kind == "bus" else places[n].row for n in rows]
            ends = [places[n].end for n in rows]
            self._at[kind] = tuple(np.array(part, dtype=int) for part in (rows, of, ends))  # type: ignore[assignment]

    def phasors(
        self, state: GridState, others: tuple[ComplexArray, ComplexArray] | None = None
    ) -> tuple[ComplexArray, ComplexArray]:
        """Return currents into the elements [A] and phase-to-earth voltages [V], ``[m, 3]``.

        Without phases in the solution they are those of a symmetrical system, and couplers
        between buses show no current. ``others``: both as somebody else shows them.
        """
        i_a, v_v = self._of_grid(state)
        rows, of, _ = self._at["other"]
        if others is not None and len(rows):
            i_a[rows], v_v[rows] = others[0][of], others[1][of]
        return i_a, v_v

    def neutral(self, state: GridState) -> ComplexArray:
        """Return the voltage of the neutral conductor to earth ``[m]`` [V], 0 where there is none.

        What others show is to the neutral already.
        """
        n_v = np.zeros(len(self.places), dtype=complex)
        if state.conductors is not None:
            n_v = np.asarray(state.conductors.v_node_v[self._bus, 3])
            n_v[self._at["other"][0]] = 0.0
        return n_v

    def _of_grid(self, state: GridState) -> tuple[ComplexArray, ComplexArray]:
        i_a = np.zeros((len(self.places), 3), dtype=complex)
        conductors = state.conductors
        if conductors is None:
            v_v = self._symmetrical(state)
            self._balanced(state, v_v, i_a)
            return i_a, v_v
        by_kind = (conductors.i_line, conductors.i_transformer, conductors.i_tie)
        for kind, flows in zip(_KINDS, by_kind, strict=True):
            rows, of, ends = self._at[kind]
            i_a[rows] = flows[of, ends, :3]
        return i_a, conductors.v_node_v[self._bus, :3]

    def _symmetrical(self, state: GridState) -> ComplexArray:
        vm_pu = np.where(state.energised, state.vm_pu, 0.0)[self._bus]
        angle = np.radians(np.where(state.energised, state.va_degree, 0.0)[self._bus])
        v_v: ComplexArray = (vm_pu * self._vn_v[self._bus] * np.exp(1j * angle))[:, None] * _TURN
        return v_v

    def _balanced(self, state: GridState, v_v: ComplexArray, i_a: ComplexArray) -> None:
        for kind, flow in (("line", state.line), ("transformer", state.transformer)):
            rows, of, ends = self._at[kind]
            p_w = np.where(ends == 0, flow.p_from_w[of], flow.p_to_w[of])
            q_var = np.where(ends == 0, flow.q_from_var[of], flow.q_to_var[of])
            v = v_v[rows, 0]
            alive = np.abs(v) > 0.0
            first = np.where(alive, np.conj((p_w + 1j * q_var) / 3.0 / np.where(alive, v, 1.0)), 0)
            i_a[rows] = first[:, None] * _TURN
