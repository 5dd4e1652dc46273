"""The grid as it truly is: power held at its terminals, its state, its energy registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fernwatt.errors import SimulationError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import BoolArray, GridState, Solver
from simulators.grid.continuity import Continuity
from simulators.grid.integrate import Registers
from simulators.grid.intervals import Intervals, Rows
from simulators.grid.phases import terminal_mean
from simulators.grid.solutions import Solutions

if TYPE_CHECKING:
    from fernwatt.gridmodel.faults import Short
    from simulators.grid.streetlight import StreetLight

__all__ = ["Plant", "SupplyChange"]

_POLES = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class SupplyChange:
    """A terminal's supply or a conductor's continuity, as it is now."""

    element: str
    energised: bool
    continuous: bool


class Plant:
    """A grid under load. Power holds from the step at which it was given.

    The order within a step: ``advance`` to its time, then ``draw`` and ``operate``, then
    ``settle``, which solves only when something changed.
    """

    def __init__(
        self,
        model: GridModel,
        solver: Solver | Solutions,
        interval_ms: int = 0,
        lights: StreetLight | None = None,
    ) -> None:
        self.model = model
        self.lights = lights
        self.t_ms = 0
        solutions = solver if isinstance(solver, Solutions) else Solutions(model, solver)
        self._solutions = solutions
        self._continuity = Continuity(model, solutions.poles)
        self._intervals = Intervals(model, interval_ms, by_phase=solutions.by_phase)
        n, k = len(model.terminals), len(model.transformers)
        self._registers = Registers(n + k)
        self._squares: Registers | None = None
        row = {bus.id: number for number, bus in enumerate(model.buses)}
        self._terminal_bus = np.array([row[t.bus] for t in model.terminals], dtype=int)
        self._lv_bus = np.array([row[t.lv_bus] for t in model.transformers], dtype=int)
        self._vn_v = np.array([bus.vn_v for bus in model.buses]) / np.sqrt(3.0)
        self._transformer_row = {t.id: number for number, t in enumerate(model.transformers)}
        self._switch_row = {switch.id: number for number, switch in enumerate(model.switches)}
        self._p_w, self._q_var = np.zeros((n, 3)), np.zeros((n, 3))
        self._changed = self._switched = True
        self._shorts: tuple[Short, ...] = ()
        self._state: GridState | None = None
        self._asked_w = 0.0
        self._served: tuple[FloatArray, FloatArray] = (self._p_w, self._q_var)

    # -- what happens to it ----------------------------------------------------------------

    def advance(self, t_ms: int) -> list[Rows]:
        """Let everything hold until ``t_ms``; return the table rows of the intervals ended."""
        self.t_ms = t_ms
        rows = self._intervals.advance(t_ms)
        return rows if self.lights is None else rows + self.lights.advance(t_ms)

    def draw(self, p_w: FloatArray, q_var: FloatArray) -> None:
        """Let the terminals draw ``[n, 3]`` [W, var] from now on."""
        shape = self._p_w.shape
        if p_w.shape != shape or q_var.shape != shape:
            raise SimulationError(f"power has the shape {p_w.shape}, the terminals {shape}")
        if np.array_equal(p_w, self._p_w) and np.array_equal(q_var, self._q_var):
            return
        self._p_w, self._q_var = np.array(p_w, dtype=float), np.array(q_var, dtype=float)
        self._changed = True

    def operate(self, switch: str, closed: bool, phases: Sequence[int] = _POLES) -> bool:
        """Open or close a switch by its identifier, or single poles; return whether any moved.

        Raises SimulationError for an identifier that is no switch.
        """
        row = self._switch_row.get(switch)
        if row is None:
            raise SimulationError(f"{switch} is no switch of this grid")
        if not self._solutions.operate(row, closed, phases):
            return False
        self._changed = self._switched = True
        return True

    def short(self, shorts: Sequence[Short]) -> None:
        """Let these short circuits be there from now on, and no others."""
        if tuple(shorts) != self._shorts:
            self._shorts = tuple(shorts)
            self._changed = True

    def damage(self, line: str, conductor: int, *, whole: bool) -> None:
        """Break or mend a conductor of a line: 0, 1, 2 the phases, 3 the neutral.

        Raises SimulationError for what is no such conductor, or without the solver for it.
        """
        rows = [row for row, item in enumerate(self.model.lines) if item.id == line]
        try:
            self._continuity.whole[rows[0]] = self._solutions.damage(
                rows[0], conductor, whole=whole
            )
        except (IndexError, ValueError) as error:
            raise SimulationError(f"{line} has no conductor {conductor}") from error
        self._changed = self._switched = True

    def rewire(self, terminal: str, phases: tuple[int, int, int]) -> None:
        """Connect a terminal's conductors to phases in another order than the records say.

        Raises SimulationError for an unknown terminal, what is no order of 1, 2, 3, or without
        the solver for it.
        """
        try:
            self._solutions.rewire(self.model.terminal_ids.index(terminal), phases)
        except ValueError as error:
            raise SimulationError(f"{terminal} cannot be wired to {phases}: {error}") from error
        self._changed = self._switched = True

    def set_tap(self, transformer: str, position: int) -> bool:
        """Move a transformer's tap; return whether it moved.

        Raises SimulationError for an unknown transformer or a position that it has not.
        """
        row = self._transformer_row.get(transformer)
        if row is None:
            raise SimulationError(f"{transformer} is no transformer of this grid")
        try:
            moved = self._solutions.set_tap(row, position)
        except ValueError as error:
            raise SimulationError(str(error)) from error
        self._changed |= moved
        return moved

    def settle(self, cause: str = "") -> list[SupplyChange]:
        """Solve for what changed; return what that did to the supply (all of it at first).

        ``cause`` is what lamps that go out give as theirs. Raises ConvergenceError where there
        is no solution.
        """
        if not self.unsettled:
            return []
        state, p_w, q_var = self._solve(cause)
        self._state, self._changed = state, False
        served = state.energised[self._terminal_bus]
        if state.conductors is not None:
            self._served = (state.conductors.p_terminal_w, state.conductors.q_terminal_var)
        elif served.all():
            self._served = (p_w, q_var)
        else:
            self._served = (p_w * served[:, None], q_var * served[:, None])
        power = np.concatenate((state.p_terminals_w, -state.transformer.p_to_w))
        self._registers.hold(self.t_ms, power)
        self._intervals.hold(self.t_ms, state, self._asked_w - float(state.p_terminals_w.sum()))
        if self._squares is not None:
            held: FloatArray = np.column_stack((self.voltage() ** 2, self.energised()))
            self._squares.hold(self.t_ms, held.ravel())
        if not self._switched:
            return []
        self._switched = False
        return [SupplyChange(*change) for change in self._continuity.changes(state)]

    def _solve(self, cause: str) -> tuple[GridState, FloatArray, FloatArray]:
        """Return the state, and the power for which it is one, lamps included."""

        def solve(p_w: FloatArray, q_var: FloatArray) -> GridState:
            return self._solutions.solve(p_w, q_var, self._shorts)

        self._asked_w = float(self._p_w.sum())
        if self.lights is None:
            state = solve(self._p_w, self._q_var)
        else:
            state = self.lights.settle(self.t_ms, solve, self._p_w, self._q_var, cause)
            self._asked_w += self.lights.drawn_w  # lamps get what they take
        return state, *self._solutions.drawn

    def close(self, t_ms: int) -> list[Rows]:
        """Let everything hold until ``t_ms`` and end the last interval; return its rows."""
        rows = self.advance(t_ms) + self._intervals.close(t_ms)
        return rows if self.lights is None else rows + self.lights.close(t_ms)

    # -- how it is -------------------------------------------------------------------------

    @property
    def due_ms(self) -> int | None:
        """When it next has rows to give, or lamps to look after, by itself."""
        dues = (self._intervals.due_ms, None if self.lights is None else self.lights.due_ms)
        return min((due for due in dues if due is not None), default=None)

    @property
    def unsettled(self) -> bool:
        """Whether something changed since it was last solved."""
        return self._changed or (self.lights is not None and self.lights.unsettled)

    def shed(self, t_us: int) -> list[tuple[str, str, dict[str, Any]]]:
        """Return what of the loads was shed or restored with the last solution; see Shedding."""
        shedding = self._solutions.shedding
        return [] if shedding is None else shedding.news(t_us)

    @property
    def by_phase(self) -> bool:
        """Whether poles of a switch move one by one: where the solutions tell the phases."""
        return self._solutions.by_phase

    @property
    def asked(self) -> FloatArray:
        """What the terminals would draw with supply, ``[n, 3]`` [W]."""
        return self._p_w

    @property
    def asked_var(self) -> FloatArray:
        """The reactive power to it, ``[n, 3]`` [var]."""
        return self._q_var

    def fault_currents(self) -> dict[str, float]:
        """Return the largest phase current [A] of each short circuit, as last solved."""
        return self._solutions.fault_currents()

    @property
    def state(self) -> GridState:
        """The last solved state."""
        if self._state is None:
            raise SimulationError("the grid has not been solved yet")
        return self._state

    @property
    def power(self) -> tuple[FloatArray, FloatArray]:
        """What the terminals draw, ``[n, 3]`` [W, var]; zero where there is no supply."""
        return self._served

    def closed(self, row: int) -> bool:
        """Tell whether switch ``row`` of the model is closed."""
        return bool(self._solutions.poles[row].all())

    def energised(self) -> BoolArray:
        """Tell for each terminal whether it has supply."""
        state = self.state
        if state.conductors is not None:
            return state.conductors.terminal_live
        served: BoolArray = state.energised[self._terminal_bus]
        return served

    def voltage(self) -> FloatArray:
        """Return phase-to-neutral voltages of the terminals ``[n, 3]`` [V]; 0 without supply.

        A terminal on one phase has a voltage on this one alone.
        """
        conductors = self.state.conductors
        if conductors is not None:
            return conductors.v_terminal_v
        return self._phase_voltage(self._terminal_bus)

    def neutral_voltage(self) -> FloatArray:
        """Return the voltage [V] of the terminals' neutral to earth ``[n]``; 0 without supply."""
        conductors = self.state.conductors
        if conductors is None:
            return np.zeros(len(self._terminal_bus))
        v_neutral_v: FloatArray = np.nan_to_num(conductors.v_neutral_v[self._terminal_bus])
        return v_neutral_v

    def voltage_pu(self) -> FloatArray:
        """Return the voltage magnitude of the terminals ``[n]`` [pu]; 0 without supply."""
        at_terminals: FloatArray
        if self.state.conductors is not None:
            at_terminals = terminal_mean(self.state.conductors) / self._vn_v[self._terminal_bus]
            return at_terminals
        vm_pu: FloatArray = np.where(self.state.energised, self.state.vm_pu, 0.0)
        at_terminals = vm_pu[self._terminal_bus]
        return at_terminals

    def transformer_voltage(self) -> FloatArray:
        """Return phase-to-neutral voltages at the low-voltage sides ``[k, 3]`` [V]."""
        return self._phase_voltage(self._lv_bus)

    def transformer_power(self) -> tuple[FloatArray, FloatArray]:
        """Return what flows into the areas below the transformers, ``[k]`` [W, var]."""
        transformer = self.state.transformer
        return -transformer.p_to_w, -transformer.q_to_var

    def registers(self) -> tuple[FloatArray, FloatArray]:
        """Return import and export [Wh] of the terminals, then of the transformers, up to now."""
        return self._registers.read(self.t_ms)

    def keep_squares(self) -> None:
        """Integrate the squares of the terminals' voltages from now on, for their r.m.s. means."""
        self._squares = Registers(4 * len(self.model.terminals))

    def squares(self) -> FloatArray | None:
        """Return integrals up to now, ``[n, 4]``: squared voltages [V²h], time with supply [h]."""
        if self._squares is None:
            return None
        return self._squares.read(self.t_ms)[0].reshape(-1, 4)

    def _phase_voltage(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
        if self.state.conductors is not None:
            by_phase: FloatArray = np.nan_to_num(self.state.conductors.v_bus_v[rows])
            return by_phase
        vm_pu: FloatArray = np.where(self.state.energised, self.state.vm_pu, 0.0)
        v_v: FloatArray = vm_pu[rows] * self._vn_v[rows]
        return np.repeat(v_v[:, None], 3, axis=1)
