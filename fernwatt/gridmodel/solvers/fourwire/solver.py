"""Power flow with three phases and neutral by OpenDSS, changed in place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from altdss.enums import SetterFlags
from dss import DSSException
from scipy.sparse import csr_array

from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray, GridModel
from fernwatt.gridmodel.solvers.fourwire.branches import IntArray
from fernwatt.gridmodel.solvers.fourwire.circuit import Circuit
from fernwatt.gridmodel.solvers.fourwire.results import Results
from fernwatt.gridmodel.solvers.fourwire.supply import Conductors, Supplied
from fernwatt.gridmodel.solvers.state import BoolArray, GridState, Trouble
from fernwatt.gridmodel.taps import check_tap, tap_ratios

__all__ = ["FourWireSolver", "Solution"]

_LEAST_PU = 0.5
_QUARTERS = 10
_FEED_IN_PU = (0.8, 1.15)  # VDE-AR-N 4105:2011, U< and U>>
_KINDS = {"line": "line.l", "transformer": "transformer.t", "tie": "line.s"}


@dataclass(frozen=True, slots=True)
class Solution:
    """Node voltages ``v[n_nodes + 1]`` [V], node 0 the earth; power of the loads ``[n]`` [VA].

    ``asked``: at nominal voltage where a load is a constant impedance, ``power``: as drawn.
    """

    v: ComplexArray
    asked: ComplexArray
    power: ComplexArray


class FourWireSolver:
    """Low voltage with three phases and a neutral conductor, medium voltage above in three wires.

    Terminals draw constant power between phase and neutral, each on the phases it is connected
    to: what is asked for on others is divided among those. Terminals of medium voltage draw the
    sum between the phases. Behind a line with a broken conductor, loads are constant impedances,
    for without a whole supply constant power has no solution that means anything; and when one of
    them that feeds in has a voltage outside of its protection's limits, all of them there stop.

    Each solution starts from the voltages without load, so it depends on nothing before it.
    ``revision`` counts the changes of switches, damage, wiring and taps that took effect.
    """

    def __init__(self, model: GridModel, earthing: Earthing | None = None) -> None:
        self._model = model
        self._trouble = Trouble(
            model, "what has constant impedances below half of it, or a part of all power"
        )
        self._circuit = Circuit(model, earthing or Earthing())
        self._conductors = Conductors(model)
        self._open = {kind: np.zeros_like(now) for kind, now in self._conductors.open().items()}
        n = len(model.terminals)
        low = self._circuit.low[model.net.load["bus"].to_numpy(int)]
        self._connected = np.ones((n, 3), dtype=bool)
        for row, terminal in enumerate(model.terminals):
            if low[row]:
                self._connected[row] = np.isin([1, 2, 3], terminal.phases)
        self._at_loads = _at_loads(self._circuit, self._connected)
        self._wiring = np.tile(np.arange(3), (n, 1))
        self._taps: dict[int, int] = {}
        self._start: ComplexArray | None = None
        self._rebuild = True
        self._solve_circuit()
        self._results = Results(self._circuit, self._conductors, self._connected)
        self._empty = self._voltages().copy()
        self._supplied = self._conductors.supplied()
        self._impedance = np.zeros(len(self._circuit.load_terminal), dtype=bool)
        self._pending = True
        self.revision = 0

    # -- what it is made of, for others that solve the same circuit ------------------------------

    @property
    def model(self) -> GridModel:
        """The grid."""
        return self._model

    @property
    def circuit(self) -> Circuit:
        """The circuit."""
        return self._circuit

    @property
    def results(self) -> Results:
        """What reads states out of node voltages; it has the branches' admittances."""
        return self._results

    @property
    def conductors(self) -> Conductors:
        """Poles and conductors as they are now."""
        return self._conductors

    @property
    def impedance(self) -> BoolArray:
        """Which of the circuit's loads are constant impedances."""
        return self._impedance

    @property
    def supplied(self) -> Supplied:
        """What the sources reach."""
        return self._supplied

    @property
    def empty(self) -> ComplexArray:
        """Node voltages [V] without load."""
        return self._empty if self._start is None else self._start

    @property
    def wiring(self) -> IntArray:
        """The phase, from 0, of each terminal's conductors ``[n_terminals, 3]``."""
        return self._wiring

    # -- what changes ------------------------------------------------------------------------

    def set_switch(self, index: int, closed: bool) -> None:
        """Open or close one switch of the model; the neutral conductor is not switched."""
        self.set_poles(index, (closed, closed, closed))

    def set_poles(self, index: int, closed: tuple[bool, bool, bool]) -> None:
        """Open or close each pole of a switch for itself, as fuses do."""
        self._trouble.switched(index, all(closed))
        self._conductors.poles[index] = closed
        self._pending = True

    def set_tap(self, index: int, position: int) -> None:
        """Move the tap of one transformer of the model."""
        check_tap(self._model, index, position)
        self._trouble.damaged(f"{self._model.transformers[index].id} on tap {position}")
        self._taps[index] = position
        self._pending = True

    def set_conductor(self, line: int, conductor: int, whole: bool) -> None:
        """Break or mend a conductor of a line: 0, 1, 2 the phases, 3 the neutral."""
        wires = 4 if self._circuit.lines.four_wire[line] else 3
        if not 0 <= conductor < wires:
            raise ValueError(f"{self._model.lines[line].id} has no conductor {conductor}")
        self._conductors.broken[line, conductor] = not whole
        state = "mended" if whole else "broken"
        self._trouble.damaged(f"conductor {conductor + 1} of {self._model.lines[line].id} {state}")
        self._pending = True

    def broken(self, line: int) -> bool:
        """Tell whether any conductor of a line is broken."""
        return bool(self._conductors.broken[line].any())

    def set_wiring(self, terminal: int, phases: tuple[int, int, int]) -> None:
        """Connect a terminal's conductors 1, 2, 3 to other phases than the records say.

        ``phases`` is an order of 1, 2, 3; what the terminal draws and sees stays under its own
        conductors' numbers.
        """
        if sorted(phases) != [1, 2, 3]:
            raise ValueError(f"{phases} is no order of the phases 1, 2, 3")
        self._wiring[terminal] = np.array(phases) - 1
        circuit = self._circuit
        for load in np.flatnonzero(circuit.load_terminal == terminal):
            column = circuit.load_column[load]
            if column >= 0:
                node = phases[column]
                circuit.command(f"edit load.d{load} bus1=b{circuit.load_bus[load]}.{node}.4")
        self._trouble.damaged(f"{self._model.terminals[terminal].id} wired to phases {phases}")
        self._pending = True

    # -- a solution --------------------------------------------------------------------------

    def solve(self, p_w: FloatArray, q_var: FloatArray) -> GridState:
        """Return the state for the power drawn, ``[n, 3]`` [W, var]; see ``Solver``."""
        found = self.before(p_w, q_var)
        return self._results.state(found.v, found.power)

    def asked(self, p_w: FloatArray, q_var: FloatArray) -> ComplexArray:
        """Return what is asked of each of the circuit's loads ``[n]`` [VA], none without supply.

        Brings the circuit to the present state of switches, damage and taps. Raises ValueError
        for numbers that are none.
        """
        if not math.isfinite(p_w.sum() + q_var.sum()):
            row = int(np.argmin(np.isfinite(p_w + q_var).all(axis=1)))
            raise ValueError(
                f"{self._model.terminals[row].id} draws {p_w[row]} W, {q_var[row]} var"
            )
        if self._pending:
            self._apply()
        asked = self._at_loads @ p_w.ravel(), self._at_loads @ q_var.ravel()
        power: ComplexArray = (asked[0] + 1j * asked[1]) * ~self._dead
        return power

    def before(self, p_w: FloatArray, q_var: FloatArray) -> Solution:
        """Return the solution without short circuits by node, for ``p_w``, ``q_var`` as ``solve``.

        Raises what ``solve`` raises.
        """
        loads, total = self.asked(p_w, q_var), p_w.sum(axis=1)
        v, converged = self._attempt(loads)
        feeding = self._impedance & (loads.real < 0.0)
        if feeding.any() and not (converged and self._within(v, feeding)):
            loads = np.where(feeding, 0.0, loads)
            v, converged = self._attempt(loads)
        if not converged:
            estimate = self._estimate(v, loads)
            raise self._trouble.error(total, estimate, "OpenDSS did not converge")
        power, least_pu = self._results.drawn(v, loads, self._impedance)
        if least_pu < _LEAST_PU:
            raise self._trouble.error(total, self._results.estimate(v), "voltages collapse")
        self._trouble.solved(total)
        return Solution(v, loads, power)

    def _attempt(self, loads: ComplexArray) -> tuple[ComplexArray, bool]:
        """Return the node voltages [V] for loads ``[n]`` [VA], and whether they solve."""
        self._write(loads)
        self._voltages()[:] = self._start
        converged = self._solve_circuit()
        return self._voltages().copy(), converged

    def _estimate(self, v: ComplexArray, loads: ComplexArray) -> FloatArray:
        """Return voltages [pu] that OpenDSS ended at, else those of a part of the power."""
        found = self._results.estimate(v)
        for _ in range(_QUARTERS):
            if np.isfinite(found).any():
                break
            loads = loads / 4.0
            v, converged = self._attempt(loads)
            if converged:
                found = self._results.estimate(v)
        return found

    def _within(self, v: ComplexArray, feeding: BoolArray) -> bool:
        """Tell whether what feeds in has a voltage at which its protection lets it."""
        low_pu, high_pu = _FEED_IN_PU
        pu = self._results.at_loads(v)[feeding]
        return bool(((pu > low_pu) & (pu < high_pu)).all())

    def _write(self, loads: ComplexArray) -> None:
        """Set the loads' power ``[n]`` [VA].

        Only constant impedances have to be in the system's matrix, which is costly to make anew;
        for constant power it keeps that of no load, whatever came before.
        """
        if not len(loads):
            return
        flags = 0 if self._rebuild else SetterFlags.AvoidFullRecalc
        self._circuit.loads._set_kW(loads.real * 1e-3, flags)
        self._circuit.loads._set_kvar(loads.imag * 1e-3, flags)

    def _solve_circuit(self) -> bool:
        solution = self._circuit.solution
        try:
            solution.SolveSnap()
        except DSSException:
            return False
        v = self._voltages()
        return bool(solution.Converged) and math.isfinite(abs(v.sum()))

    def _voltages(self) -> npt.NDArray[np.complex128]:
        """Return OpenDSS's own node voltages, node 0 the earth; they may be written."""
        context = self._circuit.context
        count = self._circuit.dss.NumNodes + 1
        pointer = context.YMatrix.GetVPointer()
        buffer: Any = context._api_util.ffi.buffer(pointer, 16 * count)
        return np.frombuffer(buffer, dtype=complex)

    def _apply(self) -> None:
        """Bring the circuit to the state of switches and conductors; find its empty voltages."""
        wanted = self._conductors.open()
        changed: dict[str, set[int]] = {}
        for kind, now in wanted.items():
            for row, end, wire in np.argwhere(now != self._open[kind]):
                verb = "open" if now[row, end, wire] else "close"
                self._circuit.command(f"{verb} {self._name(kind, row)} {end + 1} {wire + 1}")
                changed.setdefault(kind, set()).add(int(row))
        self._open = wanted
        moved = self._move_taps()
        changed.setdefault("transformer", set()).update(moved)
        self._supplied = self._conductors.supplied()
        circuit = self._circuit
        at_bus = circuit.load_bus
        self._dead: BoolArray = ~np.asarray(self._supplied.live.any(axis=1))[at_bus]
        impedance = ~self._supplied.whole[at_bus] & ~self._dead
        for load in np.flatnonzero(impedance != self._impedance):
            circuit.command(f"edit load.d{load} model={2 if impedance[load] else 1}")
        self._impedance = impedance
        self._rebuild = True
        self._write(np.zeros(len(at_bus), dtype=complex))
        self._voltages()[:] = self._empty
        self._solve_circuit()
        self._start = self._voltages().copy()
        self._rebuild = bool(impedance.any())
        self._results.branches.read(changed)
        self._results.magnetising(moved)
        self._results.supplied(self._supplied, self._wiring)
        self.revision += 1
        self._pending = False

    def _move_taps(self) -> list[int]:
        """Bring the circuit's transformers to their taps; return those that moved."""
        moved, self._taps = self._taps, {}
        if moved:
            at = self._model.net.trafo["tap_pos"].to_numpy(float).copy()
            at[list(moved)] = list(moved.values())
            hv, lv = tap_ratios(self._model, at)
            for row in moved:
                for text in self._circuit.tap_text(row, float(hv[row]), float(lv[row])):
                    self._circuit.command(text)
        return list(moved)

    def _name(self, kind: str, row: int) -> str:
        number = self._conductors.ties[row] if kind == "tie" else row
        return f"{_KINDS[kind]}{number}"


def _at_loads(circuit: Circuit, connected: BoolArray) -> Any:
    """Return the matrix from powers ``[3n]`` by terminal and conductor to those of the loads.

    What is asked for on conductors that a terminal has not goes to those it has, in equal parts;
    a load between phases takes the sum.
    """
    terminal, column = circuit.load_terminal, circuit.load_column
    share = np.where(connected[terminal], 0.0, 1.0 / connected.sum(axis=1)[terminal, None])
    single = np.flatnonzero(column >= 0)
    share[single, column[single]] = 1.0
    share[column < 0] = 1.0
    row, own = np.nonzero(share)
    shape = (len(terminal), connected.size)
    return csr_array((share[row, own], (row, 3 * terminal[row] + own)), shape=shape)
