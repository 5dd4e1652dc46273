"""What is no branch and no terminal: shunts, earth electrodes, and the upstream grid."""

from __future__ import annotations

import numpy as np

from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.raw import rows
from fernwatt.gridmodel.solvers.fourwire.branches import Branches, IntArray
from fernwatt.gridmodel.solvers.fourwire.circuit import Circuit

__all__ = ["Shunts", "Slack"]


class Shunts:
    """Power of shunts, and what electrodes and the circuit's bleeders lose to earth."""

    def __init__(self, circuit: Circuit, nodes: IntArray) -> None:
        net = circuit.model.net
        self.bus = net.shunt["bus"].to_numpy(int)
        self._siemens = np.array(
            [complex(s.p_mw, s.q_mvar) * 1e6 / (s.vn_kv * 1e3) ** 2 for s in rows(net.shunt)],
            dtype=complex,
        )
        self._low = circuit.low[self.bus]
        conductance, star = circuit.earth_admittances()
        self._conductance = np.zeros(int(nodes.max(initial=0)) + 1)
        self._conductance[nodes.ravel()] = conductance.ravel()
        self._conductance[0] = 0.0
        at = np.flatnonzero(star)
        self._stars, self._star_siemens = nodes[at, :3], star[at].real

    def power(self, v: ComplexArray, v_pn: ComplexArray) -> tuple[ComplexArray, float]:
        """Return each shunt's power [VA], and the active power [W] lost to earth."""
        lost = float(self._conductance @ (v.real**2 + v.imag**2))
        if len(self._stars):
            zero = np.abs(v[self._stars].mean(axis=1))
            lost += float(3.0 * (zero**2 * self._star_siemens).sum())
        at = v_pn[self.bus]
        if not len(at):
            return at[:, 0], lost
        to_neutral = (np.abs(at) ** 2).sum(axis=1)
        between = (np.abs(at - np.roll(at, 1, axis=1)) ** 2).sum(axis=1) / 3.0
        return self._siemens * np.where(self._low, to_neutral, between), lost


class Slack:
    """Power from the upstream grid: what flows into branches, loads and shunts of its buses.

    A source in low voltage stands on its bus's neutral, one above on earth.
    """

    def __init__(self, circuit: Circuit, branches: Branches, shunts: Shunts) -> None:
        buses = np.unique(circuit.model.net.ext_grid["bus"].to_numpy(int))
        nodes = branches.nodes
        row_of = branches.rows
        self._row, self._column = np.nonzero(np.isin(nodes, row_of[buses, :3]) & (nodes > 0))
        self._node = nodes[self._row, self._column]
        star = dict.fromkeys(self._node.tolist(), 0)
        star |= {int(node): int(row_of[bus, 3]) for bus in buses for node in row_of[bus, :3]}
        self._star = np.array([star[node] for node in self._node.tolist()], dtype=np.int64)
        self._loads = np.flatnonzero(np.isin(circuit.load_bus, buses))
        self._shunts = np.flatnonzero(np.isin(shunts.bus, buses))

    def power(
        self, v: ComplexArray, flows: ComplexArray, loads: ComplexArray, shunts: ComplexArray
    ) -> complex:
        """Return the complex power [VA] that all upstream grids give together."""
        i = flows[self._row, self._column]
        total = complex(((v[self._node] - v[self._star]) * i.conj()).sum())
        if len(self._loads):
            total += complex(loads[self._loads].sum())
        if len(self._shunts):
            total += complex(shunts[self._shunts].sum())
        return total
