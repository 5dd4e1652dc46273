"""Which terminals and busbars are supplied, which conductors continuous, and what changed."""

from __future__ import annotations

import numpy as np

from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.solvers import BoolArray, GridState

__all__ = ["Continuity"]


class Continuity:
    """Follows the switches of a grid.

    A line is continuous when all poles of the switches at its ends are closed and its conductors
    ``whole``, energised when voltage reaches it over one of them; a switch is continuous when all
    its ``poles`` ``[n_switches, 3]``, which others move, are closed. The busbars are those of the
    substations: what the areas hang on.
    """

    def __init__(self, model: GridModel, poles: BoolArray) -> None:
        row = {bus.id: number for number, bus in enumerate(model.buses)}
        self._poles = poles
        self._terminal_bus = np.array([row[t.bus] for t in model.terminals], dtype=int)
        self._switch_bus = np.array([row[s.bus] for s in model.switches], dtype=int)
        ends = [(row[line.from_bus], row[line.to_bus]) for line in model.lines]
        self._line_ends = np.array(ends, dtype=int).reshape(len(ends), 2)
        line_row = {line.id: number for number, line in enumerate(model.lines)}
        at_lines = [n for n, switch in enumerate(model.switches) if switch.kind == "line"]
        self._at_lines = np.array(at_lines, dtype=int)
        self._line_of = np.array([line_row[model.switches[n].element] for n in at_lines], dtype=int)
        self._side_of = (
            self._switch_bus[self._at_lines] == self._line_ends[self._line_of, 1]
        ).astype(int)
        busbars = sorted({area.bus for area in model.areas}, key=str.encode)
        self._busbars = np.array([row[bus] for bus in busbars], dtype=int)
        self._elements = [
            *(terminal.id for terminal in model.terminals),
            *(line.id for line in model.lines),
            *(switch.id for switch in model.switches),
            *busbars,
        ]
        self.whole = np.ones(len(model.lines), dtype=bool)
        self._known: np.ndarray[tuple[int, int], np.dtype[np.bool_]] | None = None

    def changes(self, state: GridState) -> list[tuple[str, bool, bool]]:
        """Return (element, energised, continuous) of all that changed; everything at first."""
        closed = np.asarray(self._poles.all(axis=1))
        some = self._ends_with(np.asarray(self._poles.any(axis=1)))
        live = state.energised
        line_live = (live[self._line_ends] & some).any(axis=1)
        n = len(self._terminal_bus)
        terminals = live[self._terminal_bus]
        if state.conductors is not None:
            terminals = state.conductors.terminal_live
        energised = np.concatenate(
            (terminals, line_live, live[self._switch_bus], live[self._busbars])
        )
        lines = self._ends_with(closed).all(axis=1) & self.whole
        whole = np.ones(len(self._busbars), bool)
        continuous = np.concatenate((np.ones(n, bool), lines, closed, whole))
        now = np.stack((energised, continuous), axis=1)
        if self._known is None:
            rows = np.arange(len(now))
        else:
            rows = np.flatnonzero((now != self._known).any(axis=1))
        self._known = now
        return [(self._elements[r], bool(now[r, 0]), bool(now[r, 1])) for r in rows]

    def _ends_with(self, closed: BoolArray) -> BoolArray:
        """Return for both ends of each line whether its switches are ``closed``."""
        ends = np.ones((len(self._line_ends), 2), dtype=bool)
        open_ones = ~closed[self._at_lines]
        ends[self._line_of[open_ones], self._side_of[open_ones]] = False
        return ends
