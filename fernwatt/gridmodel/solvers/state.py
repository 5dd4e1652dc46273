"""What a power flow gives, and the protocol that every solver keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fernwatt.errors import ConvergenceError
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray, GridModel

__all__ = ["BoolArray", "BranchState", "Conductors", "GridState", "Solver", "Trouble"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BranchState:
    """Flows of lines or of transformers; powers flow *into* the branch at either end [W, var].

    The from end of a transformer is its high-voltage side. ``i_a`` [A] is the larger current of
    a line's two ends, and of a transformer the low-voltage side's. ``loading_percent`` is the
    current by the rated current, of the worse side. A dead branch has zeros.
    """

    p_from_w: FloatArray
    q_from_var: FloatArray
    p_to_w: FloatArray
    q_to_var: FloatArray
    i_a: FloatArray
    loading_percent: FloatArray


@dataclass(frozen=True, slots=True)
class Conductors:
    """What a solution with phases and neutral knows beyond the balanced one.

    ``v_bus_v[n_buses, 3]`` [V]: phase to neutral (to the star-point of the phases where there is
    no neutral conductor). ``v_neutral_v[n_buses]`` [V]: of neutral, or star-point, to earth; both
    NaN where the bus is dead. ``v_terminal_v``, ``p_terminal_w``, ``q_terminal_var``
    ``[n_terminals, 3]``: by the terminal's own conductors, 0 where it has none or no voltage.
    ``terminal_live[n_terminals]``: a conductor of the terminal has voltage.
    ``i_line_a``, ``i_transformer_a`` ``[n, 4]`` [A]: phases and neutral, the larger of a line's
    ends, a transformer's low-voltage side.
    As phasors: ``v_node_v[n_buses, 4]`` [V] of phases and neutral to earth, 0 where there is none;
    ``i_line``, ``i_transformer``, ``i_tie`` (bus-bus switches, in the model's order)
    ``[n, 2, 4]`` [A] into the branch at its two ends.
    """

    v_bus_v: FloatArray
    v_neutral_v: FloatArray
    v_terminal_v: FloatArray
    p_terminal_w: FloatArray
    q_terminal_var: FloatArray
    terminal_live: BoolArray
    i_line_a: FloatArray
    i_transformer_a: FloatArray
    v_node_v: ComplexArray
    i_line: ComplexArray
    i_transformer: ComplexArray
    i_tie: ComplexArray


@dataclass(frozen=True, slots=True)
class GridState:
    """One solved state; arrays in the order of the model's tuples.

    ``vm_pu`` and ``va_degree`` are NaN where ``energised`` (of buses) is false, nowhere else.
    ``p_terminals_w``, ``q_terminals_var`` [n_terminals]: drawn, as solved; zero without supply.
    ``p_slack_w``, ``q_slack_var``: drawn from the upstream grid by all its connections together.
    ``p_loss_w``: active power lost in lines, transformers, shunts and earth.
    ``conductors``: phases and neutral, where the solver knows them; ``vm_pu`` then is the mean of
    the phases, ``va_degree`` the positive sequence's, ``i_a`` the most loaded conductor's.
    """

    vm_pu: FloatArray
    va_degree: FloatArray
    energised: BoolArray
    line: BranchState
    transformer: BranchState
    p_terminals_w: FloatArray
    q_terminals_var: FloatArray
    p_slack_w: float
    q_slack_var: float
    p_loss_w: float
    conductors: Conductors | None = None


class Solver(Protocol):
    """A power flow of one grid that is kept alive between solutions."""

    def solve(self, p_w: FloatArray, q_var: FloatArray) -> GridState:
        """Return the state for the power drawn, ``[n_terminals, 3]`` by phase [W, var].

        Raises ConvergenceError where there is no solution, ValueError for numbers that are none.
        The solver stays usable.
        """

    def set_switch(self, index: int, closed: bool) -> None:
        """Open or close switch ``index`` of the model; takes effect with the next solution."""

    def set_tap(self, index: int, position: int) -> None:
        """Move the tap of transformer ``index``; takes effect with the next solution.

        Raises ValueError where it has no such position.
        """


class Trouble:
    """Tells, when a solution fails, what changed since the last one that did not."""

    __slots__ = ("_estimate", "_model", "_p_w", "_switches")

    def __init__(self, model: GridModel, estimate: str) -> None:
        self._model, self._estimate = model, estimate
        self._p_w: FloatArray | None = None
        self._switches: list[str] = []

    def switched(self, index: int, closed: bool) -> None:
        """Remember a switch operation."""
        self._switches.append(
            f"{self._model.switches[index].id} {'closed' if closed else 'opened'}"
        )

    def damaged(self, what: str) -> None:
        """Remember that something broke or was mended."""
        self._switches.append(what)

    def solved(self, p_w: FloatArray) -> None:
        """Remember the terminals' power ``p_w[n]`` of a solution."""
        self._p_w = p_w
        if self._switches:
            self._switches = []

    def error(self, p_w: FloatArray, vm_pu: FloatArray | None, reason: str) -> ConvergenceError:
        """Return the error for power ``p_w[n]``; ``vm_pu`` is an estimate of the voltages."""
        parts = [f"the power flow has no solution ({reason})"]
        bus = ""
        if vm_pu is not None and np.isfinite(vm_pu).any():
            worst = int(np.nanargmax(np.abs(vm_pu - 1.0)))
            bus = self._model.buses[worst].id
            parts.append(f"worst bus {bus}, about {vm_pu[worst]:.3f} pu in {self._estimate}")
        if self._switches:
            parts.append("switched since the last solution: " + ", ".join(self._switches[-3:]))
        if len(p_w):
            before = np.zeros_like(p_w) if self._p_w is None else self._p_w
            change = np.abs(p_w - before)
            most = int(np.argmax(change))
            terminal = self._model.terminals[most].id
            parts.append(f"largest change {before[most]:.0f} W to {p_w[most]:.0f} W at {terminal}")
        parts.append(f"all terminals together draw {p_w.sum():.0f} W")
        return ConvergenceError("; ".join(parts), bus)
