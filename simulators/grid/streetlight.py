"""Public lighting in the grid: lamps feel the grid's voltages, the grid carries the lamps.

At each instant at which anything changed, grid and lamps are brought to agree: the grid is solved
with the power that the burning lamps took last, the lamps tell what they take at the voltages
found, and so on until that is the same to a milliwatt. Then lamps strike or go out, at most once
each in an instant, and if any did it begins anew. A solver that takes loads for impedances (with
a short circuit, behind a broken conductor) gives another power than asked for: the ratio of both
is taken into account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import ConvergenceError, SimulationError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.points import add_points
from fernwatt.gridmodel.solvers import BoolArray, GridState
from fernwatt.messages import Actuation, Event
from fernwatt.phasors import ComplexArray
from simulators.grid.intervals import Rows
from simulators.grid.lighting import FAILED, Lighting, parse_feeders
from simulators.grid.lighting.books import Books
from simulators.grid.news import News

__all__ = ["StreetLight", "add_lighting", "make_lighting"]

_TURN = np.exp(-2j * np.pi / 3.0 * np.arange(3))
_TOLERANCE_VA = 1e-3
_ITERATIONS, _LEARNING = 60, 20
_IMPEDANCE = 0.15
"""How near to the square of the voltage a share is that comes of loads as impedances: they are
reckoned at the voltage before the fault, which is up to a few per cent above the nominal one."""
_TRUTHS = {
    "stick": "contactor_sticks",
    "mend": "contactor_mended",
    "cut": "cable_cut",
    "join": "cable_mended",
}
Solve = Callable[[FloatArray, FloatArray], GridState]


def add_lighting(model: GridModel, spec: Mapping[str, Any] | None) -> GridModel:
    """Return the grid with a connection point for each lighting feeder of a Grid's parameter."""
    return add_points(model, spec["points"]) if spec else model


def make_lighting(
    model: GridModel, spec: Mapping[str, Any] | None, interval_ms: int
) -> StreetLight | None:
    """Return the lighting of a Grid's parameter ``lighting``, None for none.

    ``{feeders, points, acts, start, end_ms, position, seed}``: feeders as of
    ``lighting.parse_feeders``, ``points`` their terminals ``{id, bus}``, ``acts`` what is done to
    them ``{t_ms, kind: fail | stick | mend | cut | join, element, luminaire}``, ``position``
    (latitude, longitude) [deg]. Raises ScenarioError, or SimulationError for unknown elements.
    """
    if not spec:
        return None
    latitude, longitude = spec["position"]
    feeders = parse_feeders(spec["feeders"])
    start = datetime.fromisoformat(spec["start"])
    lighting = Lighting(
        feeders, start, int(spec["end_ms"]), (float(latitude), float(longitude)), int(spec["seed"])
    )
    return StreetLight(model, lighting, spec.get("acts") or (), interval_ms)


class StreetLight:
    """The lighting of one plant; its terminals draw what the lamps take, and nothing else."""

    def __init__(
        self,
        model: GridModel,
        lighting: Lighting,
        acts: Sequence[Mapping[str, Any]] = (),
        interval_ms: int = 0,
    ) -> None:
        self._lighting = lighting
        row = {bus.id: number for number, bus in enumerate(model.buses)}
        at = {terminal.id: number for number, terminal in enumerate(model.terminals)}
        unknown = [f.terminal for f in lighting.feeders if f.terminal not in at]
        if unknown:
            raise SimulationError(f"there is no {unknown[0]} for lighting in this grid")
        self._at = np.array([at[feeder.terminal] for feeder in lighting.feeders], dtype=int)
        buses = [row[model.terminals[n].bus] for n in self._at.tolist()]
        self._bus = np.array(buses, dtype=int)
        self._vn_v = np.array([model.buses[n].vn_v for n in buses]) / np.sqrt(3.0)
        self._asked_va = np.zeros((len(buses), 3), dtype=complex)
        self._acts = sorted(acts, key=_when)[::-1]
        self._events: list[Event] = []
        self._truths: list[tuple[int, str, str, Any]] = []
        self._books = Books(lighting, interval_ms)
        self.unsettled = True
        self.drawn_w = 0.0
        """What all its terminals draw for lamps, as last settled."""

    # -- what happens to it ------------------------------------------------------------------

    def advance(self, t_ms: int) -> list[Rows]:
        """Go on to ``t_ms``; return the rows of the intervals ended. ``settle`` if ``unsettled``.

        Nothing is touched unless something is due, so looking more often changes no bit.
        """
        rows = self._books.advance(t_ms)
        due = self._next()
        if due is not None and due <= t_ms:
            self.unsettled = True
            while self._acts and int(self._acts[-1]["t_ms"]) <= t_ms:
                self._act(self._acts.pop())
            self._events += self._lighting.advance(t_ms)
        return rows

    def obey(self, t_ms: int, order: Actuation) -> str:
        """Do what somebody said; return the event, "" for none.

        Feeders ``switch_on`` and ``switch_off``; ``repair`` puts a new lamp in, or mends a
        feeder's contactor and cable. Raises SimulationError for anything else.
        """
        lighting, target = self._lighting, order.target
        self._events += lighting.advance(t_ms)
        if order.action in ("switch_on", "switch_off"):
            told = lighting.command(t_ms, target, order.action == "switch_on", order.id)
        elif order.action != "repair":
            raise SimulationError(f"{target} cannot {order.action}, only switch_on, switch_off")
        elif "/lamp-" in target:
            told = lighting.replace(t_ms, target, order.id)
        else:
            told = lighting.mend(t_ms, target, order.id)
        self._events += told
        self.unsettled = True
        return told[-1].id if told else ""

    def settle(
        self, t_ms: int, solve: Solve, p_w: FloatArray, q_var: FloatArray, cause: str
    ) -> GridState:
        """Bring grid and lamps to agree; return the state of the grid.

        ``p_w``, ``q_var`` ``[n, 3]`` is without the lamps. Raises ConvergenceError where there
        is no solution, or where both do not agree.
        """
        self._events += self._lighting.advance(t_ms)
        self.unsettled = False
        for _ in range(2 * sum(self._lighting.segment_lamps) + 1):  # each strikes and goes out once
            state, head_v, drawn_va = self._agree(solve, p_w, q_var)
            flow, events = self._lighting.feed(t_ms, head_v, cause)
            self._events += events
            if np.array_equal(flow.s_va, drawn_va):
                self._books.hold(t_ms, self._lighting)
                return state
        raise ConvergenceError("lamps strike and go out without end")

    def close(self, t_ms: int) -> list[Rows]:
        """End the last interval."""
        return self._books.close(t_ms)

    # -- how it is ---------------------------------------------------------------------------

    @property
    def due_ms(self) -> int | None:
        """When something happens by itself, or rows are due; None for never."""
        dues = [due for due in (self._next(), self._books.due_ms) if due is not None]
        return min(dues, default=None)

    @property
    def feeds(self) -> tuple[NDArray[np.int64], ComplexArray, BoolArray, FloatArray]:
        """What lamps draw: the feeders' rows of terminals ``[f]``, and ``[f, 3]`` [VA].

        And whether all its luminaires are LED ones, and how many there are, ``[f]``.
        """
        feeders = self._lighting.feeders
        led = [all(segment.lamp.name == "led" for segment in f.segments) for f in feeders]
        count = np.array([feeder.count for feeder in feeders], dtype=float)
        return self._at, self._asked_va, np.array(led, dtype=bool), count

    @property
    def segment_ids(self) -> list[str]:
        """Places that can be watched: ``lighting/<area>/<feeder>/segment-<k>``."""
        return self._lighting.segment_ids

    def segment_phasors(self) -> tuple[ComplexArray, ComplexArray]:
        """Return currents into the segments [A] and phase-to-neutral voltages [V], ``[s, 3]``."""
        return self._lighting.at_segments()

    def tell(self, news: News) -> None:
        """Hand out what happened since the last time; failures to the truth alone."""
        events, self._events = self._events, []
        for event in events:
            if event.kind == FAILED:
                news.truth(event.t_us, event.cause, FAILED, event.element, event.value)
        for t_ms, kind, element, value in self._truths:
            news.truth(t_ms * 1000, "", kind, element, value)
        self._truths = []
        news.add(event for event in events if event.kind != FAILED)

    # -- inside ------------------------------------------------------------------------------

    def _next(self) -> int | None:
        planned = int(self._acts[-1]["t_ms"]) if self._acts else None
        dues = [due for due in (self._lighting.due_ms, planned) if due is not None]
        return min(dues, default=None)

    def _act(self, act: Mapping[str, Any]) -> None:
        t_ms, kind, element = int(act["t_ms"]), str(act["kind"]), str(act["element"])
        self._events += self._lighting.advance(t_ms)
        if kind == "fail":
            self._events += self._lighting.burn_out(t_ms, element, "")
            return
        luminaire = int(act.get("luminaire", -1))
        if kind == "stick":
            self._lighting.stick(element)
        elif kind == "mend":
            self._events += self._lighting.release(t_ms, element, "")
        else:
            self._lighting.cut(element, luminaire if kind == "cut" else None)
        value = {"luminaire": luminaire} if kind == "cut" else None
        self._truths.append((t_ms, _TRUTHS[kind], element, value))

    def _agree(
        self, solve: Solve, p_w: FloatArray, q_var: FloatArray
    ) -> tuple[GridState, ComplexArray, ComplexArray]:
        """Solve until the lamps that burn take what they are given.

        Return the state, the voltages at the heads and what the lamps take there.
        """
        share = np.ones(self._asked_va.shape)
        for number in range(_ITERATIONS):
            asked_p_w, asked_q_var = p_w.copy(), q_var.copy()
            asked_p_w[self._at] += self._asked_va.real
            asked_q_var[self._at] += self._asked_va.imag
            state = solve(asked_p_w, asked_q_var)
            head_v = self._heads(state)
            if number < _LEARNING:
                share = self._given(state, head_v, asked_p_w, asked_q_var)
            drawn_va = self._lighting.draw(head_v)
            wanted_va = drawn_va / share
            change_va = np.abs(wanted_va - self._asked_va).max(initial=0.0)
            if change_va < _TOLERANCE_VA:
                self.drawn_w = float((self._asked_va * share).real.sum())
                return state, head_v, drawn_va
            self._asked_va = wanted_va
        raise ConvergenceError("the grid's voltages and the lamps' power do not agree")

    def _heads(self, state: GridState) -> ComplexArray:
        """Return the voltages from phases to neutral at the feeders' heads, ``[f, 3]``."""
        if state.conductors is not None:
            v_v = state.conductors.v_node_v[self._bus]
            wired: ComplexArray = np.nan_to_num(v_v[:, :3] - v_v[:, 3:])
            return wired
        live = state.energised[self._bus]
        vm_v = np.where(live, state.vm_pu[self._bus], 0.0) * self._vn_v
        angle = np.radians(np.where(live, state.va_degree[self._bus], 0.0))
        even: ComplexArray = (vm_v * np.exp(1j * angle))[:, None] * _TURN
        return even

    def _given(
        self, state: GridState, head_v: ComplexArray, p_w: FloatArray, q_var: FloatArray
    ) -> FloatArray:
        """Return the share ``[f, 3]`` that a solver gives of the power asked for by its law.

        Constant power: 1; impedances: the square of the voltage. Load that is shed is missing, and
        not asked for twice.
        """
        share = np.ones(self._asked_va.shape)
        conductors = state.conductors
        if conductors is None:
            return share
        given = np.hypot(conductors.p_terminal_w[self._at], conductors.q_terminal_var[self._at])
        asked = np.hypot(p_w[self._at], q_var[self._at])
        np.divide(given, asked, out=share, where=(asked > 0.0) & (given > 0.0))
        square = (np.abs(head_v) / self._vn_v[:, None]) ** 2
        return np.where(np.abs(share - square) < _IMPEDANCE * square, share, 1.0)


def _when(act: Mapping[str, Any]) -> tuple[int, bytes]:
    return int(act["t_ms"]), str(act["element"]).encode()
