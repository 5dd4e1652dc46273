"""A grid at harmonic frequencies: ``Y(h) V(h) = I(h)`` for each order, phases and neutral."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from fernwatt.gridmodel.harmonics.elements import Branches
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.raw import rows
from fernwatt.gridmodel.solvers.fourwire import FourWireSolver

__all__ = ["ORDERS", "Above", "HarmonicNetwork", "Points"]

IntArray = npt.NDArray[np.int64]

ORDERS = tuple(range(3, 26, 2))


class Above(Protocol):
    """The grid above, such as ``fernwatt.gridmodel.faults.Upstream``."""

    def impedance(self, vn_v: float) -> ComplexArray:
        """Return its impedance ``[3, 3]`` [ohm] of the phases at the mains frequency."""


@dataclass(frozen=True, slots=True)
class Points:
    """Where currents are drawn, ``[e]``: from ``phase`` to ``neutral`` (rows of nodes, -1: none).

    ``load`` is the solver's load that draws there, ``share`` the part of its power: loads between
    the phases of medium voltage have three points with a third each, and no zero sequence.
    ``column`` is the phase, from 0.
    """

    phase: IntArray
    neutral: IntArray
    load: IntArray
    share: FloatArray
    column: IntArray


class HarmonicNetwork:
    """A grid's admittances at ``orders``; ``refresh`` after whatever was switched or broken.

    The upstream grid's source has its impedance, with no voltage but the background's. What loads
    are at harmonics is told with each solution. ``plain`` as for ``Branches``. ``points`` are where
    the solver's loads draw.
    """

    def __init__(
        self,
        solver: FourWireSolver,
        above: Above,
        *,
        orders: Sequence[int] = ORDERS,
        plain: bool = False,
    ) -> None:
        self._solver, self._circuit = solver, solver.circuit
        self.orders = np.array(orders, dtype=float)
        self._above = above
        self.branches = Branches(self._circuit, plain=plain)
        low = self._circuit.low
        real = np.ones((len(low), 4), dtype=bool)
        real[:, 3] = low
        self._real = real.ravel()
        self._place = np.where(self._real, np.cumsum(self._real) - 1, -1)
        self._n = int(self._real.sum())
        self._known = b""
        self.refresh()

    def refresh(self) -> None:
        """Take over switches, conductors, wiring and taps as they are now."""
        solver, trafo = self._solver, self._circuit.trafo
        parts = (solver.conductors.poles, solver.conductors.broken, solver.wiring)
        now = b"".join(part.tobytes() for part in (*parts, trafo.tap_hv, trafo.tap_lv))
        if now == self._known:
            return
        self._known = now
        self.points = self._points()
        self._index = self._indices()
        self.branches.refresh()
        self._y = [self.branches.admittances(h, solver.conductors) for h in self.orders]
        self._grid = [
            np.concatenate((y.ravel()[self._entries], self._standing(h)))
            for y, h in zip(self._y, self.orders, strict=True)
        ]

    def solve(
        self,
        drawn_a: ComplexArray,
        load_s: ComplexArray | None = None,
        background_v: Mapping[int, ComplexArray] | None = None,
    ) -> ComplexArray:
        """Return node voltages ``[orders, buses, 4]`` [V], 0 where there is no conductor.

        ``drawn_a[orders, e]`` are the currents drawn at the points, ``load_s[orders, e]`` the
        loads' admittances there, ``background_v`` phase voltages of the upstream grid by order.
        """
        out = np.zeros((len(self.orders), len(self._real)), dtype=complex)
        for number, order in enumerate(self.orders):
            own = None if load_s is None else load_s[number]
            right = self._injected(drawn_a[number])
            if background_v and int(order) in background_v:
                right += self._from_above(order, background_v[int(order)])
            out[number, self._real] = splu(
                self._matrix(number, own), permc_spec="MMD_AT_PLUS_A",
                options={"SymmetricMode": True, "DiagPivotThresh": 0.001},
            ).solve(right)  # fmt: skip
        return out.reshape(len(self.orders), -1, 4)

    def currents(self, v: ComplexArray) -> dict[str, ComplexArray]:
        """Return currents into lines, transformers, ties ``[orders, n, 2, 4]`` [A]."""
        flat = v.reshape(len(self.orders), -1)
        nodes = self.branches.nodes
        ends = np.where(nodes >= 0, flat[:, nodes], 0.0)
        flows = np.stack(
            [np.matmul(y, at[:, :, None])[:, :, 0] for y, at in zip(self._y, ends, strict=True)]
        )
        return {
            kind: flows[:, part].reshape(len(self.orders), -1, 2, 4)
            for kind, part in self.branches.parts.items()
        }

    def matrix(self, number: int) -> ComplexArray:
        """Return the dense matrix of order ``number`` without loads, by ``node_names``."""
        dense: ComplexArray = self._matrix(number, None).toarray()
        return dense

    def node_names(self) -> list[str]:
        """Return the nodes in the order of the matrix, as OpenDSS names them."""
        return [f"B{node // 4}.{node % 4 + 1}" for node in np.flatnonzero(self._real)]

    # -- inside ------------------------------------------------------------------------------

    def _points(self) -> Points:
        circuit = self._circuit
        phase, neutral, load, share, columns = [], [], [], [], []
        for number, (bus, column) in enumerate(
            zip(circuit.load_bus.tolist(), circuit.load_column.tolist(), strict=True)
        ):
            terminal = int(circuit.load_terminal[number])
            wired = self._solver.wiring[terminal].tolist()
            wires = [wired[column]] if column >= 0 else [0, 1, 2]
            for wire in wires:
                phase.append(4 * bus + wire)
                neutral.append(4 * bus + 3 if circuit.low[bus] else -1)
                load.append(number)
                share.append(1.0 / len(wires))
                columns.append(wire)
        ints = [np.array(part, dtype=np.int64) for part in (phase, neutral, load, columns)]
        return Points(ints[0], ints[1], ints[2], np.array(share, dtype=float), ints[3])

    def _indices(self) -> IntArray:
        """Return where each number of ``_grid`` and of the loads goes in the matrix's numbers."""
        nodes = self.branches.nodes
        pairs = (nodes[:, :, None] >= 0) & (nodes[:, None, :] >= 0)
        self._entries = np.flatnonzero(pairs.ravel())
        a = np.broadcast_to(nodes[:, :, None], pairs.shape).ravel()[self._entries]
        b = np.broadcast_to(nodes[:, None, :], pairs.shape).ravel()[self._entries]
        every = np.flatnonzero(self._real)
        self._blocks = self._block_rows()
        wide = np.array([4 * bus + np.arange(4) for bus in self._blocks], dtype=np.int64)
        wide = wide.reshape(-1, 4)
        block_a, block_b = np.repeat(wide, 4, axis=1).ravel(), np.tile(wide, (1, 4)).ravel()
        there = self._real[block_a] & self._real[block_b]
        self._there = there
        phase, neutral = self.points.phase, self.points.neutral
        has = self._with_neutral = np.flatnonzero(neutral >= 0)
        p, n = phase[has], neutral[has]
        self._between = np.flatnonzero(neutral < 0).reshape(-1, 3)
        three = phase[self._between]
        ring_a, ring_b = np.repeat(three, 3, axis=1).ravel(), np.tile(three, (1, 3)).ravel()
        row = np.concatenate((a, every, block_a[there], p, p, n, n, ring_a))
        column = np.concatenate((b, every, block_b[there], p, n, p, n, ring_b))
        key = self._place[column] * self._n + self._place[row]
        stored, where = np.unique(key, return_inverse=True)
        starts = np.searchsorted(stored, np.arange(self._n + 1) * self._n)
        self._pattern = (stored % self._n, starts)
        return where

    def _block_rows(self) -> list[int]:
        net = self._circuit.model.net
        _, star = self._circuit.earth_admittances()
        buses = [int(bus) for bus in net.ext_grid["bus"]]
        return [*buses, *np.flatnonzero(star).tolist(), *(int(bus) for bus in net.shunt["bus"])]

    def _standing(self, order: float) -> ComplexArray:
        """Return earth, sources, star-points and shunts at an order, as ``_indices`` has them."""
        conductance, star = self._circuit.earth_admittances()
        blocks = [self._source_block(order, bus) for bus in self._sources()]
        for bus in np.flatnonzero(star):
            z0 = 1.0 / star[bus]
            block = np.zeros((4, 4), dtype=complex)
            block[:3, :3] = 1.0 / (z0.real + 1j * order * z0.imag) / 3.0
            blocks.append(block)
        blocks += self._shunt_blocks(order)
        flat = np.array(blocks, dtype=complex).reshape(-1)
        return np.concatenate((conductance.ravel()[self._real], flat[self._there]))

    def _sources(self) -> list[int]:
        return [int(bus) for bus in self._circuit.model.net.ext_grid["bus"]]

    def _source_block(self, order: float, bus: int) -> ComplexArray:
        z = self._above.impedance(float(self._circuit.vn_v[bus]))
        y = np.linalg.inv(z.real + 1j * order * z.imag)
        across = np.eye(3, 4)
        if self._circuit.low[bus]:
            across[:, 3] = -1.0
        return np.asarray(across.T @ y @ across)

    def _shunt_blocks(self, order: float) -> list[ComplexArray]:
        blocks = []
        for shunt in rows(self._circuit.model.net.shunt):
            y = complex(shunt.p_mw, -shunt.q_mvar) * 1e6 / (shunt.vn_kv * 1e3) ** 2
            at = y.real + 1j * (y.imag * order if y.imag > 0 else y.imag / order)
            block = np.zeros((4, 4), dtype=complex)
            block[:3, :3] = at * (np.eye(3) - 1.0 / 3.0)
            if self._circuit.low[int(shunt.bus)]:
                block[:3, :3] = at * np.eye(3)
                block[:3, 3] = block[3, :3] = -at
                block[3, 3] = 3.0 * at
            blocks.append(block)
        return blocks

    def _matrix(self, number: int, load_s: ComplexArray | None) -> csc_array:
        own = np.zeros(len(self.points.phase), dtype=complex) if load_s is None else load_s
        four = own[self._with_neutral]
        ring = own[self._between].mean(axis=1)[:, None, None] * (np.eye(3) - 1.0 / 3.0)
        values = np.concatenate((self._grid[number], four, -four, -four, four, ring.ravel()))
        size = len(self._pattern[0])
        real, imag = (np.bincount(self._index, part, size) for part in (values.real, values.imag))
        return csc_array((real + 1j * imag, *self._pattern), shape=(self._n, self._n))

    def _injected(self, drawn_a: ComplexArray) -> ComplexArray:
        right = np.zeros(self._n, dtype=complex)
        np.subtract.at(right, self._place[self.points.phase], drawn_a)
        has = self._with_neutral
        np.add.at(right, self._place[self.points.neutral[has]], drawn_a[has])
        return right

    def _from_above(self, order: float, v: ComplexArray) -> ComplexArray:
        right = np.zeros(self._n, dtype=complex)
        for bus in self._sources():
            i = self._source_block(order, bus)[:, :3] @ v
            wires = np.arange(4)[self._real[4 * bus : 4 * bus + 4]]
            right[self._place[4 * bus + wires]] += i[wires]
        return right
