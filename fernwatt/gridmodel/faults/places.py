"""Short circuits placed in a circuit: lines split, loops between its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fernwatt.gridmodel.faults.shorts import Short
from fernwatt.gridmodel.faults.split import Point, Span, Split, split
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import FourWireSolver
from fernwatt.gridmodel.solvers.fourwire.branches import IntArray

__all__ = ["Places"]

_LEAST_OHM = 1e-9  # where several may join the same conductors


class Places:
    """The loops of all short circuits, ``k`` together.

    ``reach[size, k]``: what a loop's current takes from the circuit's nodes (from 1), and
    ``z_ohm[k, k]``: the loops' own impedance. ``lines``: the split ones by row. ``at_bus[k]``:
    loops at buses, not on lines.
    """

    def __init__(self, solver: FourWireSolver, size: int, shorts: Sequence[Short]) -> None:
        self._solver = solver
        self._model = solver.model
        for short in shorts:
            if short.line >= len(self._model.lines) or short.bus >= len(self._model.buses):
                raise ValueError(f"short circuit {short.id}: the grid has no such place")
        self._shorts = sorted(shorts, key=lambda short: (short.line, short.position, short.id))
        self._loops = [short.loops(self._neutral(short)) for short in self._shorts]
        ends = np.cumsum([0, *(r.shape[0] for _, r in self._loops)])
        self._columns = [slice(a, b) for a, b in pairwise(ends.tolist())]
        k = int(ends[-1])
        self.reach = np.zeros((size, k), dtype=complex)
        self.z_ohm = np.zeros((k, k), dtype=complex)
        if len(shorts) > 1:
            np.fill_diagonal(self.z_ohm, _LEAST_OHM)
        self.at_bus = np.zeros(k, dtype=bool)
        self.lines: dict[int, Split] = {}
        self._line_columns: dict[int, slice] = {}
        for short, (incidence, r_ohm), part in zip(
            self._shorts, self._loops, self._columns, strict=True
        ):
            self.z_ohm[part, part] += r_ohm
            if short.line < 0:
                self._reach(solver.results.branches.rows[short.bus], part, incidence)
                self.at_bus[part] = True
        for line in sorted({short.line for short in shorts if short.line >= 0}):
            self._split(line)

    def _neutral(self, short: Short) -> bool:
        circuit = self._solver.circuit
        if short.line >= 0:
            return bool(circuit.lines.four_wire[short.line])
        return bool(circuit.low[short.bus])

    def _reach(self, nodes: IntArray, part: slice, share: ComplexArray | FloatArray) -> None:
        known = nodes > 0
        np.add.at(self.reach[:, part], nodes[known] - 1, share[known])

    def _split(self, line: int) -> None:
        mine = [n for n, short in enumerate(self._shorts) if short.line == line]
        points = [
            Point(self._shorts[n].position, self._side(self._shorts[n]), self._loops[n][0])
            for n in mine
        ]
        part = slice(self._columns[mine[0]].start, self._columns[mine[-1]].stop)
        done = self.lines[line] = split(self._span(line), points)
        self._line_columns[line] = part
        self.z_ohm[part, part] += done.z_ohm
        branches = self._solver.results.branches
        self._reach(branches.nodes[branches.parts["line"].start + line], part, done.reach)

    def _side(self, short: Short) -> int:
        """Return which piece of a torn conductor touches."""
        if short.side is not None:
            return short.side
        broken = self._solver.conductors.broken[short.line, :3]
        torn = [phase for phase in short.phases if broken[phase]]
        if not torn:
            return 0
        first = int(self._model.net.line["from_bus"].iloc[short.line])
        return 0 if self._solver.supplied.live[first, torn].any() else 1

    def _span(self, line: int) -> Span:
        circuit, conductors = self._solver.circuit, self._solver.conductors
        w = 4 if circuit.lines.four_wire[line] else 3
        z, c_farad = circuit.line_matrices(line)
        y: ComplexArray = np.array(2j * np.pi * circuit.f_hz * c_farad, dtype=complex)
        return Span(
            z_ohm=z,
            y_siemens=y,
            open_=conductors.switched()["line"][line, :, :w],
            broken=conductors.broken[line, :w],
        )

    def add_flows(self, flows: ComplexArray, ends_v: ComplexArray, loops_a: ComplexArray) -> None:
        """Put what flows into the ends of the split lines into ``flows[n, 8]`` of the branches."""
        begin = self._solver.results.branches.parts["line"].start
        for line, done in self.lines.items():
            at = begin + line
            flows[at] = done.y @ ends_v[at] + done.reach @ loops_a[self._line_columns[line]]

    def snap(self, v: ComplexArray) -> None:
        """Make voltages at buses exactly nought where they are joined with earth."""
        for short in self._shorts:
            grounded = short.ground and not short.r_ohm and len(self._shorts) == 1
            if short.line < 0 and grounded and (short.earth or not self._neutral(short)):
                v[self._solver.results.branches.rows[short.bus, list(short.phases)]] = 0.0

    def currents(self, loops_a: ComplexArray) -> dict[str, ComplexArray]:
        """Return what leaves each conductor ``[4]`` [A], by short circuit."""
        return {
            short.id: incidence @ loops_a[part]
            for short, (incidence, _), part in zip(
                self._shorts, self._loops, self._columns, strict=True
            )
        }
