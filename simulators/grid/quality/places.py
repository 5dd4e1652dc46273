"""Where quality of supply is recorded: buses and terminals, and the phases that they have."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.solvers import BoolArray, FourWireSolver, Solver

__all__ = ["Places", "find_places"]

IntArray = npt.NDArray[np.int64]
_LOW_V = 1000.0


@dataclass(frozen=True, slots=True)
class Places:
    """``bus[n]`` is each place's row of buses, ``present[n, 3]`` the phases that it has."""

    ids: list[str]
    bus: IntArray
    present: BoolArray


def find_places(model: GridModel, wanted: str | Sequence[str], solver: Solver) -> Places:
    """Return the places called ``all`` or ``lv`` (buses), or buses and terminals by identifier.

    A terminal has the phases that it is truly wired to. ScenarioError for unknown ones.
    """
    row = {bus.id: number for number, bus in enumerate(model.buses)}
    if isinstance(wanted, str):
        ids = [b.id for b in model.buses if wanted == "all" or b.vn_v <= _LOW_V]
    else:
        ids = sorted(set(wanted), key=str.encode)
    terminals = {terminal.id: number for number, terminal in enumerate(model.terminals)}
    faults = [
        _unknown(name, (*row, *terminals)) for name in ids if name not in {**row, **terminals}
    ]
    if faults:
        raise ScenarioError(faults)
    buses = [row[model.terminals[terminals[i]].bus] if i in terminals else row[i] for i in ids]
    present = np.ones((len(ids), 3), dtype=bool)
    for number, ident in enumerate(ids):
        if ident in terminals and isinstance(solver, FourWireSolver):
            terminal = terminals[ident]
            own = [phase - 1 for phase in model.terminals[terminal].phases]
            present[number] = False
            present[number, solver.wiring[terminal][own]] = True
    return Places(ids, np.array(buses, dtype=np.int64), present)


def _unknown(name: str, known: Sequence[str]) -> Fault:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = "a bus or a terminal of the grid" + (f"; did you mean {near[0]}?" if near else "")
    return Fault("grid.quality.places", f"{name!r} is none", hint)
