"""Rows of the grid's tables, interval by interval: ``bus``, ``branch``, ``terminal``, ``system``.

A solver that knows the phases adds ``phase`` and ``conductor``; extremes are then over phases, but
for those that are interrupted while others of their bus are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.solvers import GridState
from simulators.grid.integrate import Extremes, Means
from simulators.grid.phases import PhaseIntervals, nullable

__all__ = ["Intervals", "Rows", "nullable"]

Rows = tuple[str, Mapping[str, Any]]
_INTERRUPTED_PU = 0.05  # EN 50160: below, a phase is interrupted, and has no voltage to judge


class Intervals:
    """Collects the states that hold, and makes the rows of each finished interval.

    ``interval_ms`` 0 records nothing. ``by_phase``: every state tells the phases, not only those
    with a short circuit.
    """

    def __init__(self, model: GridModel, interval_ms: int, *, by_phase: bool) -> None:
        self.interval_ms, self._by_phase = interval_ms, by_phase
        self._model = model
        bus_row = {bus.id: row for row, bus in enumerate(model.buses)}
        self._bus_of = np.array([bus_row[t.bus] for t in model.terminals], dtype=int)
        self._vn_v = np.array([bus.vn_v for bus in model.buses]) / np.sqrt(3.0)
        self._bus_ids = [bus.id for bus in model.buses]
        branches = [(b.id, "line") for b in model.lines]
        branches += [(b.id, "transformer") for b in model.transformers]
        self._branch_ids = [ident for ident, _ in branches]
        self._branch_kinds = [kind for _, kind in branches]
        self._voltage = Extremes(len(model.buses))
        self._loading = Extremes(len(branches))
        self._flows = Means(2 * len(branches) + 2 * len(model.terminals) + 5)
        self._start_ms = self._since_ms = 0
        self._state: GridState | None = None
        self._phases = PhaseIntervals(model)
        self._values = np.zeros(0)

    @property
    def due_ms(self) -> int | None:
        """When the current interval ends."""
        return self._start_ms + self.interval_ms if self.interval_ms else None

    def advance(self, t_ms: int) -> list[Rows]:
        """Let the present state hold until ``t_ms``; return the rows of all intervals ended."""
        rows: list[Rows] = []
        while self.due_ms is not None and self.due_ms <= t_ms:
            rows += self._end(self.due_ms)
        return rows

    def hold(self, t_ms: int, state: GridState, p_unmet_w: float = 0.0) -> None:
        """Let ``state`` hold from ``t_ms`` on; ``p_unmet_w`` was asked for and is not drawn."""
        if not self.interval_ms:
            return
        self._count(t_ms)
        self._state = state
        line, transformer = state.line, state.transformer
        p_terminals_w = float(state.p_terminals_w.sum())
        system = (
            state.p_slack_w, state.q_slack_var, p_terminals_w, state.p_loss_w, p_unmet_w
        )  # fmt: skip
        self._values = np.concatenate(
            (
                line.p_from_w, transformer.p_from_w, line.p_to_w, transformer.p_to_w,
                state.p_terminals_w, state.q_terminals_var, system,
            )
        )  # fmt: skip

    def close(self, t_ms: int) -> list[Rows]:
        """End the last interval, which may be shorter than the others."""
        if not self.interval_ms or t_ms <= self._start_ms:
            return []
        return self._end(t_ms)

    def _count(self, t_ms: int) -> None:
        span_ms, state = t_ms - self._since_ms, self._state
        self._since_ms = t_ms
        if span_ms <= 0 or state is None:
            return
        loading = np.concatenate((state.line.loading_percent, state.transformer.loading_percent))
        self._add_voltage(state, span_ms)
        self._loading.add(loading, np.ones(len(loading), dtype=bool), span_ms)
        self._flows.add(self._values, span_ms)

    def _add_voltage(self, state: GridState, span_ms: int) -> None:
        if state.conductors is None:
            self._voltage.add(state.vm_pu, state.energised, span_ms)
            return
        by_phase = state.conductors.v_bus_v / self._vn_v[:, None]
        alive = by_phase >= _INTERRUPTED_PU
        least = np.where(alive, by_phase, np.inf).min(axis=1)
        extremes = np.where(np.isinf(least), by_phase.min(axis=1), least), by_phase.max(axis=1)
        self._voltage.add(state.vm_pu, state.energised, span_ms, extremes)
        if self._by_phase:
            self._phases.add(state.conductors, span_ms)

    def _end(self, t_ms: int) -> list[Rows]:
        self._count(t_ms)
        start_ms, self._start_ms = self._start_ms, t_ms
        if self._state is None:
            return []
        vm, least, greatest = self._voltage.take()
        loading, _, loading_max = self._loading.take()
        k, n = len(self._branch_ids), len(self._bus_of)
        flows = self._flows.take()
        p_from, p_to, rest = flows[:k], flows[k : 2 * k], flows[2 * k :]
        v_v, more = vm[self._bus_of] * self._vn_v[self._bus_of], list[Rows]()
        if self._by_phase:
            v_v, more = self._phases.take(start_ms)
        return [
            ("bus", {
                "t_ms": start_ms, "bus": self._bus_ids, "vm_pu": nullable(vm),
                "vm_min_pu": nullable(least), "vm_max_pu": nullable(greatest),
            }),
            ("branch", {
                "t_ms": start_ms, "branch": self._branch_ids, "kind": self._branch_kinds,
                "p_from_w": p_from, "p_to_w": p_to, "loss_w": p_from + p_to,
                "loading_percent": loading, "loading_max_percent": loading_max,
            }),
            ("terminal", {
                "t_ms": start_ms, "terminal": self._model.terminal_ids, "p_w": rest[:n],
                "q_var": rest[n : 2 * n], "v_v": nullable(v_v),
            }),
            ("system", {
                "t_ms": [start_ms], "p_import_w": rest[-5:-4], "q_import_var": rest[-4:-3],
                "p_terminals_w": rest[-3:-2], "p_loss_w": rest[-2:-1], "p_unmet_w": rest[-1:],
            }),
            *more,
        ]  # fmt: skip
