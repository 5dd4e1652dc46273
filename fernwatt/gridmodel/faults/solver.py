"""The state of a grid with short circuits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fernwatt.errors import ConvergenceError
from fernwatt.gridmodel.faults.infeed import Converters, Infeed
from fernwatt.gridmodel.faults.matrix import factors
from fernwatt.gridmodel.faults.network import Network, Sources
from fernwatt.gridmodel.faults.places import Places
from fernwatt.gridmodel.faults.shorts import Short
from fernwatt.gridmodel.faults.upstream import Upstream
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import FourWireSolver, GridState
from fernwatt.gridmodel.solvers.fourwire.results import Shorted

__all__ = ["FaultSolver"]


@dataclass(frozen=True, slots=True)
class _Before:
    """How it is without short circuits, at a revision of the circuit and a power asked for."""

    revision: int
    p_w: FloatArray
    q_var: FloatArray
    v: ComplexArray
    y_loads: ComplexArray
    force_v: ComplexArray
    converters: Converters

    def holds(self, revision: int, p_w: FloatArray, q_var: FloatArray) -> bool:
        return (
            revision == self.revision
            and np.array_equal(p_w, self.p_w)
            and np.array_equal(q_var, self.q_var)
        )


class FaultSolver:
    """Short circuits in the circuit of a ``FourWireSolver``, in its present position.

    The sources are forces behind the upstream grid's impedance, loads are the constant impedances
    that draw their power before, what feeds in is limited in current. Without a short circuit, or
    with a very high resistance, the state is therefore the power flow's. The state is that of the
    sustained short-circuit current at mains frequency, without what decays.
    """

    def __init__(
        self, solver: FourWireSolver, upstream: Upstream, infeed: Infeed | None = None
    ) -> None:
        self._solver, self._infeed = solver, infeed or Infeed()
        self._sources = Sources(solver, upstream)
        self._network = Network(solver, self._sources)
        self._before: _Before | None = None
        self._currents: dict[str, ComplexArray] = {}

    def solve(self, p_w: FloatArray, q_var: FloatArray, shorts: Sequence[Short]) -> GridState:
        """Return the state for the power drawn before, ``[n, 3]`` [W, var], and short circuits.

        Switches, damage, wiring and taps are those of the four-wire solver. Of a faulted line the
        currents are those of its two ends, and they do not add up; what arcs burn is among the
        losses. Raises ValueError for numbers that are none, or places that do not exist.
        """
        before = self._at(p_w, q_var)
        places = Places(self._solver, self._network.size, shorts)
        v, loops_a = self._shorted(before, places)
        places.snap(v)
        self._currents = places.currents(loops_a)
        return self._state(before, places, v, loops_a)

    def fault_currents(self) -> dict[str, float]:
        """Return the largest phase current [A] of each short circuit, as last solved."""
        return {ident: float(np.abs(i[:3]).max()) for ident, i in self._currents.items()}

    def fault_phasors(self) -> dict[str, ComplexArray]:
        """Return what left each conductor ``[4]`` [A], by short circuit, as last solved.

        Their sum flows to earth.
        """
        return dict(self._currents)

    # -- before the short circuits -----------------------------------------------------------

    def _at(self, p_w: FloatArray, q_var: FloatArray) -> _Before:
        solver = self._solver
        asked = solver.asked(p_w, q_var)
        known = self._before
        if known is not None and known.holds(solver.revision, p_w, q_var):
            return known
        self._network.refresh()
        try:
            found = solver.before(p_w, q_var)
        except ConvergenceError:
            found = None
        v = solver.empty if found is None else found.v
        constant = np.ones_like(solver.impedance) if found is None else solver.impedance
        power = asked if found is None else found.power
        asked = asked if found is None else found.asked
        converters = Converters(self._network.bridges, power, self._infeed)
        asked[converters.load] = 0.0
        y_loads = self._network.bridges.admittances(v, asked, constant)
        given = np.zeros_like(v)
        if found is not None:
            given[1:] = self._network.matrix(y_loads, {}, sources=False) @ v[1:]
            converters.inject(given, -converters.wanted(v))
        force_v = self._sources.force(v, given)
        self._before = _Before(
            solver.revision, p_w.copy(), q_var.copy(), v, y_loads, force_v, converters
        )
        return self._before

    # -- with them ---------------------------------------------------------------------------

    def _shorted(self, before: _Before, places: Places) -> tuple[ComplexArray, ComplexArray]:
        """Return node voltages [V], and the currents [A] in the loops of the short circuits."""
        matrix = self._network.matrix(before.y_loads, places.lines)
        factored, reach = factors(matrix), places.reach
        response = factored.solve(reach) if reach.size else reach
        z_ohm = reach.T @ response + places.z_ohm
        forced = np.zeros(self._network.size + 1, dtype=complex)
        self._sources.inject(forced, before.force_v)
        loops_a = np.zeros(reach.shape[1], dtype=complex)

        def solve(i: ComplexArray) -> ComplexArray:
            nonlocal loops_a
            into = forced.copy()
            before.converters.inject(into, i)
            v = np.zeros_like(into)
            v[1:] = factored.solve(into[1:])
            loops_a = np.linalg.solve(z_ohm, reach.T @ v[1:])
            v[1:] -= response @ loops_a
            return v

        return before.converters.settle(before.v, solve), loops_a

    def _state(
        self, before: _Before, places: Places, v: ComplexArray, loops_a: ComplexArray
    ) -> GridState:
        results, bridges = self._solver.results, self._network.bridges
        power = bridges.power(v, before.y_loads, len(self._solver.impedance))
        np.add.at(power, before.converters.load, before.converters.power(v))
        ends = v[results.branches.nodes]
        flows = results.branches.currents(ends)
        places.add_flows(flows, ends, loops_a)
        at_bus = (places.reach.T @ v[1:] * loops_a.conj())[places.at_bus]
        shorted = Shorted(flows, self._sources.power(v, before.force_v), float(at_bus.real.sum()))
        return results.state(v, power, shorted)
