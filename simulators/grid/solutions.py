"""Which solver gives the next state: the scenario's, or, with a short circuit, the one for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fernwatt.errors import SimulationError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import BoolArray, FourWireSolver, GridState, Solver
from fernwatt.gridmodel.taps import tap_steps
from simulators.grid.shedding import Shedding

if TYPE_CHECKING:
    from fernwatt.gridmodel.faults import FaultSolver, Short

__all__ = ["Solutions"]


class Solutions:
    """The solvers of one plant, kept in the same position.

    ``upstream`` is what ``Upstream.of`` takes; ``shedding`` is asked where there is no solution.

    Short circuits and single conductors need four wires. Where the scenario's solver has none,
    one is made for the first short circuit and stands beside it; breaking conductors then is
    refused, for without a short circuit nothing would tell of it.
    """

    def __init__(
        self,
        model: GridModel,
        solver: Solver,
        earthing: Earthing | None = None,
        upstream: Mapping[str, Any] | None = None,
        shedding: Shedding | None = None,
    ) -> None:
        self._model, self._solver = model, solver
        self._earthing, self._upstream = earthing, upstream
        self._wires = solver if isinstance(solver, FourWireSolver) else None
        self._faulty: FaultSolver | None = None
        self._taps: dict[int, int] = {}
        self.shedding = shedding
        n = len(model.terminals)
        self.drawn: tuple[FloatArray, FloatArray] = (np.zeros((n, 3)), np.zeros((n, 3)))
        self.by_phase = self._wires is not None
        closed = np.array([switch.closed for switch in model.switches], dtype=bool)
        self.poles = np.repeat(closed[:, None], 3, axis=1)

    def solve(self, p_w: FloatArray, q_var: FloatArray, shorts: Sequence[Short]) -> GridState:
        """Return the state for the power asked for ``[n, 3]`` [W, var] and the short circuits.

        ``drawn`` then is the power for which it is one: less than what was asked for where
        loads were shed. Raises ConvergenceError where there is no solution.
        """

        def attempt(p_w: FloatArray, q_var: FloatArray) -> GridState:
            if not shorts:
                return self._solver.solve(p_w, q_var)
            return self._fault_solver().solve(p_w, q_var, shorts)

        if self.shedding is None:
            state = attempt(p_w, q_var)
        else:
            closed: BoolArray = np.asarray(self.poles.any(axis=1))
            state, p_w, q_var = self.shedding.solve(attempt, p_w, q_var, closed)
        self.drawn = (p_w, q_var)
        return state

    def fault_currents(self) -> dict[str, float]:
        """Return the largest phase current [A] of each short circuit of the last solution."""
        return {} if self._faulty is None else self._faulty.fault_currents()

    def operate(self, row: int, closed: bool, phases: Sequence[int]) -> bool:
        """Open or close poles of switch ``row``; return whether any moved.

        Without a solution by phases all three poles move together.
        """
        which = list(phases) if self.by_phase else [0, 1, 2]
        if (self.poles[row, which] == closed).all():
            return False
        self.poles[row, which] = closed
        if self._wires is not self._solver:
            self._solver.set_switch(row, closed)
        if self._wires is not None:
            self._set_poles(self._wires, row)
        return True

    def damage(self, row: int, conductor: int, *, whole: bool) -> bool:
        """Break or mend a conductor of line ``row``; return whether all of it is whole then.

        Raises ValueError for a conductor that is none.
        """
        solver = self._four_wires()
        solver.set_conductor(row, conductor, whole)
        return not solver.broken(row)

    def rewire(self, row: int, phases: tuple[int, int, int]) -> None:
        """Connect terminal ``row`` to phases in another order; ValueError for what is none."""
        self._four_wires().set_wiring(row, phases)

    def set_tap(self, row: int, position: int) -> bool:
        """Move the tap of transformer ``row``; return whether it moved, ValueError for no tap."""
        if self._taps.get(row, tap_steps(self._model, row)[2]) == position:
            return False
        self._solver.set_tap(row, position)
        if self._wires is not None and self._wires is not self._solver:
            self._wires.set_tap(row, position)
        self._taps[row] = position
        return True

    def _four_wires(self) -> FourWireSolver:
        if not isinstance(self._solver, FourWireSolver):
            raise SimulationError("single conductors need grid.solver: four-wire")
        return self._solver

    def _fault_solver(self) -> FaultSolver:
        from fernwatt.gridmodel.faults import FaultSolver, Upstream

        if self._faulty is None:
            if self._wires is None:
                self._wires = FourWireSolver(self._model, self._earthing)
                for row, switch in enumerate(self._model.switches):
                    if (self.poles[row] != switch.closed).any():
                        self._set_poles(self._wires, row)
                for row, position in self._taps.items():
                    self._wires.set_tap(row, position)
            upstream = Upstream.of(self._upstream, self._model)
            self._faulty = FaultSolver(self._wires, upstream)
        return self._faulty

    def _set_poles(self, solver: FourWireSolver, row: int) -> None:
        first, second, third = self.poles[row].tolist()
        solver.set_poles(row, (first, second, third))
