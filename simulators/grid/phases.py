"""Rows of the tables ``phase`` and ``conductor``: what a solution with a neutral knows more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import Conductors
from simulators.grid.integrate import Extremes, Means

__all__ = ["PhaseIntervals", "nullable", "terminal_mean"]


def nullable(values: FloatArray) -> Any:
    """Return ``values`` with None in place of NaN."""
    if not np.isnan(values).any():
        return values
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124


class PhaseIntervals:
    """Collects phases and neutral over one recording interval at a time."""

    def __init__(self, model: GridModel) -> None:
        row = {bus.id: number for number, bus in enumerate(model.buses)}
        self._terminals = model.terminal_ids
        self._bus_of = np.array([row[t.bus] for t in model.terminals], dtype=int)
        self._branches = [*(x.id for x in model.lines), *(x.id for x in model.transformers)]
        n, k = len(self._terminals), len(self._branches)
        self._power = Means(3 * n)
        self._voltage, self._mean = Extremes(3 * n), Extremes(n)
        self._neutral, self._current = Extremes(n), Extremes(4 * k)

    def add(self, state: Conductors, span_ms: int) -> None:
        """Count ``state`` for ``span_ms``."""
        v_v, mean_v = state.v_terminal_v, terminal_mean(state)
        v_neutral_v = np.where(mean_v > 0, state.v_neutral_v[self._bus_of], np.nan)
        i_a = np.concatenate((state.i_line_a, state.i_transformer_a)).ravel()
        self._power.add(state.p_terminal_w.ravel(), span_ms)
        for sums, values in (
            (self._voltage, np.where(v_v > 0, v_v, np.nan).ravel()),
            (self._mean, np.where(mean_v > 0, mean_v, np.nan)),
            (self._neutral, v_neutral_v),
            (self._current, i_a),
        ):
            sums.add(values, np.isfinite(values), span_ms)

    def take(self, start_ms: int) -> tuple[FloatArray, list[tuple[str, Mapping[str, Any]]]]:
        """Return the mean voltage of each terminal, and the interval's rows; begin anew."""
        p_w = self._power.take().reshape(-1, 3)
        v_v = self._voltage.take()[0].reshape(-1, 3)
        mean_v = self._mean.take()[0]
        neutral_v, _, neutral_max_v = self._neutral.take()
        current, _, highest = self._current.take()
        i_a, i_max_a = current.reshape(-1, 4), highest.reshape(-1, 4)
        return mean_v, [
            ("phase", {
                "t_ms": start_ms, "terminal": self._terminals,
                **{f"p_{k + 1}_w": p_w[:, k] for k in range(3)},
                **{f"v_{k + 1}_v": nullable(v_v[:, k]) for k in range(3)},
                "v_neutral_v": nullable(neutral_v), "v_neutral_max_v": nullable(neutral_max_v),
            }),
            ("conductor", {
                "t_ms": start_ms, "branch": self._branches,
                **{f"i_{k + 1}_a": i_a[:, k] for k in range(3)},
                "i_neutral_a": i_a[:, 3], "i_neutral_max_a": i_max_a[:, 3],
            }),
        ]  # fmt: skip


def terminal_mean(state: Conductors) -> FloatArray:
    """Return the mean voltage [V] of each terminal's phases that have one, 0 for none."""
    live = (state.v_terminal_v > 0).sum(axis=1)
    mean_v: FloatArray = state.v_terminal_v.sum(axis=1) / np.maximum(live, 1)
    return mean_v
