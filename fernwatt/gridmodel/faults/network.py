"""The admittances of a grid under a short circuit: branches, earth, loads, sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fernwatt.gridmodel.faults.matrix import Pattern
from fernwatt.gridmodel.faults.split import Split
from fernwatt.gridmodel.faults.upstream import Upstream
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.raw import rows
from fernwatt.gridmodel.solvers import FourWireSolver
from fernwatt.gridmodel.solvers.fourwire.branches import IntArray
from fernwatt.gridmodel.solvers.state import BoolArray

__all__ = ["Bridges", "Network", "Sources"]

_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
_NEXT = np.array([1, 2, 0])


class Bridges:
    """What loads are connected between: from node ``a`` to node ``b``, ``[m]`` each.

    A load between phases has three, in the order of the phases; ``load[m]`` tells whose it is,
    ``share[m]`` its part of the load's power, ``vn_v[m]`` its nominal voltage [V].
    """

    def __init__(self, solver: FourWireSolver) -> None:
        circuit, nodes = solver.circuit, solver.results.branches.rows
        bus, column, terminal = circuit.load_bus, circuit.load_column, circuit.load_terminal
        single, three = np.flatnonzero(column >= 0), np.flatnonzero(column < 0)
        phase = solver.wiring[terminal[single], column[single]]
        between = nodes[bus[three], :3]
        self.single = len(single)
        self.load = np.concatenate((single, np.repeat(three, 3)))
        self.a = np.concatenate((nodes[bus[single], phase], between.ravel()))
        self.b = np.concatenate((nodes[bus[single], 3], between[:, _NEXT].ravel()))
        self.share = np.where(np.arange(len(self.load)) < self.single, 1.0, 1.0 / 3.0)
        vn_v = circuit.vn_v[bus]
        self.vn_v = np.concatenate((vn_v[single] / np.sqrt(3.0), np.repeat(vn_v[three], 3)))
        self.three, self.three_nodes = three, between

    def entries(self) -> tuple[IntArray, IntArray]:
        """Return the places of an admittance matrix that each bridge has values at, ``[4m]``."""
        return _entries(self.a, self.b)

    def admittances(
        self, v: ComplexArray, power: ComplexArray, constant: BoolArray
    ) -> ComplexArray:
        """Return what draws ``power[n]`` [VA] at node voltages ``v``, by bridge ``[m]`` [S].

        Where ``constant[n]``, at nominal voltage.
        """
        at_v = np.where(constant[self.load], self.vn_v, np.abs(v[self.a] - v[self.b]))
        drawn = power[self.load] * self.share
        y: ComplexArray = np.zeros(len(at_v), dtype=complex)
        np.divide(drawn.conj(), at_v**2, out=y, where=drawn != 0.0)
        return y

    def power(self, v: ComplexArray, y: ComplexArray, n: int) -> ComplexArray:
        """Return what ``n`` loads of admittances ``y[m]`` [S] draw [VA] at node voltages ``v``."""
        out = np.zeros(n, dtype=complex)
        np.add.at(out, self.load, np.abs(v[self.a] - v[self.b]) ** 2 * y.conj())
        return out


def _entries(a: IntArray, b: IntArray) -> tuple[IntArray, IntArray]:
    return np.stack((a, a, b, b), axis=1).ravel(), np.stack((a, b, a, b), axis=1).ravel()


class Sources:
    """Connections to the grid above: an electromotive force behind an impedance, by bus.

    In low voltage they stand on their bus's neutral, else on earth. ``phase[m, 3]``, ``star[m]``:
    nodes; ``y[m, 3, 3]`` [S].
    """

    def __init__(self, solver: FourWireSolver, upstream: Upstream) -> None:
        circuit, nodes = solver.circuit, solver.results.branches.rows
        at = solver.model.net.ext_grid["bus"].to_numpy(int)
        bus, count = np.unique(at, return_counts=True)
        self.phase, self.star = nodes[bus, :3], nodes[bus, 3]
        z = [upstream.impedance(vn_v) for vn_v in circuit.vn_v[bus]]
        self.y = np.linalg.inv(np.array(z)) * count[:, None, None]
        self._z = np.array(z) / count[:, None, None]
        ends = np.concatenate((self.phase, np.repeat(self.star[:, None], 3, axis=1)), axis=1)
        self.row = np.repeat(ends, 6, axis=1).ravel()
        self.column = np.tile(ends, (1, 6)).ravel()
        self.values = np.concatenate(
            [np.block([[y, -y], [-y, y]]).ravel() for y in self.y], dtype=complex
        )

    def force(self, v: ComplexArray, i: ComplexArray) -> ComplexArray:
        """Return what stands behind the impedances ``[m, 3]`` [V].

        ``v``: node voltages with it, ``i``: what it gives at the nodes.
        """
        behind = np.matmul(self._z, i[self.phase][:, :, None])[:, :, 0]
        out: ComplexArray = v[self.phase] - v[self.star][:, None] + behind
        return out

    def inject(self, into: ComplexArray, force_v: ComplexArray) -> None:
        """Add the currents of shorted sources to the nodes ``into``."""
        i = np.matmul(self.y, force_v[:, :, None])[:, :, 0]
        np.add.at(into, self.phase, i)
        np.subtract.at(into, self.star, i.sum(axis=1))

    def power(self, v: ComplexArray, force_v: ComplexArray) -> complex:
        """Return what the grid takes at the connections [VA], at node voltages ``v``."""
        at = v[self.phase] - v[self.star][:, None]
        i = np.matmul(self.y, (force_v - at)[:, :, None])[:, :, 0]
        return complex((at * i.conj()).sum())


class Network:
    """Builds the admittance matrix of a circuit as it is now, all without the stiff sources.

    Node n of the circuit is row n - 1 of the matrix.
    """

    def __init__(self, solver: FourWireSolver, sources: Sources) -> None:
        self._solver, self._sources = solver, sources
        self._branches = solver.results.branches
        nodes = self._branches.nodes
        self.size = int(self._branches.rows.max())
        self._branch = np.repeat(nodes, 8, axis=1).ravel(), np.tile(nodes, (1, 8)).ravel()
        fixed = [_earth(solver), _shunts(solver)]
        self._fixed = tuple(np.concatenate(part) for part in zip(*fixed, strict=True))
        self.bridges = Bridges(solver)
        self._wiring = solver.wiring.copy()
        self._pattern = self._make()

    def refresh(self) -> None:
        """Take over how terminals are wired."""
        if not np.array_equal(self._wiring, self._solver.wiring):
            self.bridges = Bridges(self._solver)
            self._wiring = self._solver.wiring.copy()
            self._pattern = self._make()

    def _make(self) -> Pattern:
        places = [self._branch, self._fixed[:2], self.bridges.entries()]
        places.append((self._sources.row, self._sources.column))
        row, column = (np.concatenate(part) for part in zip(*places, strict=True))
        return Pattern(self.size, row, column)

    def matrix(self, loads: ComplexArray, lines: Mapping[int, Split], sources: bool = True) -> Any:
        """Return the matrix (CSC) with the bridges' admittances ``loads[m]`` [S] and split lines.

        ``sources``: with the sources' impedances.
        """
        y = self._branches.admittances
        if lines:
            y = y.copy()
            begin = self._branches.parts["line"].start
            for line, part in lines.items():
                y[begin + line] = part.y
        bridges = (loads[:, None] * _SIGNS).ravel()
        return self._pattern.matrix(
            np.concatenate(
                (y.ravel(), self._fixed[2], bridges, self._sources.values * float(sources))
            )
        )


def _earth(solver: FourWireSolver) -> tuple[IntArray, IntArray, ComplexArray]:
    """Return electrodes, what holds the nodes, and earthed star-points: row, column, siemens."""
    nodes = solver.results.branches.rows
    conductance, star = solver.circuit.earth_admittances()
    at = np.flatnonzero(star)
    stars = nodes[at, :3]
    row = np.concatenate((nodes.ravel(), np.repeat(stars, 3, axis=1).ravel()))
    column = np.concatenate((nodes.ravel(), np.tile(stars, (1, 3)).ravel()))
    # z0 is three times the star-point's impedance, in the zero sequence of the phases alone
    values = np.concatenate((conductance.ravel(), np.repeat(star[at] / 3.0, 9)))
    return row, column, values.astype(complex)


def _shunts(solver: FourWireSolver) -> tuple[IntArray, IntArray, ComplexArray]:
    """Return the record's shunts: to the neutral, or between phases where there is none."""
    circuit, nodes = solver.circuit, solver.results.branches.rows
    a: list[int] = []
    b: list[int] = []
    y: list[complex] = []
    for row in rows(solver.model.net.shunt):
        bus = int(row.bus)
        siemens = complex(row.p_mw, -row.q_mvar) * 1e6 / (row.vn_kv * 1e3) ** 2
        low = bool(circuit.low[bus])
        a += nodes[bus, :3].tolist()
        b += [nodes[bus, 3]] * 3 if low else nodes[bus, _NEXT].tolist()
        y += [siemens if low else siemens / 3.0] * 3
    row_, column = _entries(np.array(a, dtype=np.int64), np.array(b, dtype=np.int64))
    values = (np.array(y, dtype=complex)[:, None] * _SIGNS).ravel()
    return row_, column, values
