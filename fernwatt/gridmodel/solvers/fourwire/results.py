"""From node voltages to the state of a grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers.fourwire.branches import Branches, IntArray, node_rows
from fernwatt.gridmodel.solvers.fourwire.circuit import Circuit
from fernwatt.gridmodel.solvers.fourwire.shunts import Shunts, Slack
from fernwatt.gridmodel.solvers.fourwire.supply import Conductors as Interrupted
from fernwatt.gridmodel.solvers.fourwire.supply import Supplied
from fernwatt.gridmodel.solvers.state import BoolArray, BranchState, Conductors, GridState

__all__ = ["Results", "Shorted"]

_SQRT3 = np.sqrt(3.0)
_MEAN = np.full(3, 1.0 / 3.0)
_POSITIVE = np.exp(2j * np.pi / 3.0 * np.arange(3)) / 3.0


@dataclass(frozen=True, slots=True)
class Shorted:
    """What short circuits change: currents ``[n, 8]`` [A] into the branches, and powers.

    ``s_slack`` [VA] from the upstream grid; ``p_lost_w`` in short circuits at buses.
    """

    flows: ComplexArray
    s_slack: complex
    p_lost_w: float


class Results:
    """Reads states out of node voltages; all that stands still is worked out once."""

    def __init__(self, circuit: Circuit, interrupted: Interrupted, connected: BoolArray) -> None:
        self._circuit, self._connected = circuit, connected
        model, net = circuit.model, circuit.model.net
        nodes = self._nodes = node_rows(circuit)
        self._low = circuit.low
        self._vn_v = circuit.vn_v / _SQRT3
        names = {
            "line": [f"line.l{row}" for row in range(len(net.line))],
            "transformer": [f"transformer.t{row}" for row in range(len(net.trafo))],
            "tie": [f"line.s{number}" for number in interrupted.ties],
        }
        self.branches = Branches(circuit, names, nodes)
        self.magnetising(range(len(net.trafo)))
        self._bus = net.load["bus"].to_numpy(int)
        self._delta = circuit.load_column < 0
        self._load_at = circuit.load_terminal * 3 + np.maximum(circuit.load_column, 0)
        self._load_vn_v = self._vn_v[circuit.load_bus]
        self._shunt = Shunts(circuit, nodes)
        self._slack = Slack(circuit, self.branches, self._shunt)
        self._max_i_a = np.array([line.max_i_a for line in model.lines])
        sn_va = (net.trafo["sn_mva"] * net.trafo["parallel"] * net.trafo["df"]).to_numpy(float)
        sides = [net.trafo[name].to_numpy(float) * 1e3 for name in ("vn_hv_kv", "vn_lv_kv")]
        self._rated_a = [sn_va * 1e6 / (side * _SQRT3) for side in sides]
        self.supplied(interrupted.supplied(), np.tile(np.arange(3), (len(self._bus), 1)))

    def magnetising(self, transformers: Iterable[int]) -> None:
        """Take over the shunts of transformers as they are now."""
        for row in transformers:
            if self._circuit.trafo.y_pu[row] != 0:
                shunts = (f"reactor.m{row}h", f"reactor.m{row}l")
                self.branches.add_shunt("transformer", row, shunts)

    def supplied(self, supplied: Supplied, wiring: IntArray) -> None:
        """Take over what is supplied, and which phases the terminals' conductors are at."""
        self._energised = np.asarray(supplied.live.any(axis=1))
        self._at_phase = self._bus[:, None] * 3 + wiring
        self._has_voltage = self._connected & self._energised[self._bus, None]
        live = supplied.live.ravel()[self._at_phase] & self._connected
        self._terminal_live = np.asarray(live.any(axis=1))

    def estimate(self, v: ComplexArray) -> FloatArray:
        """Return voltages [pu] that are no solution, NaN where they are no numbers at all."""
        v_pn, _ = self._star(v[self._nodes])
        pu = np.abs(v_pn).mean(axis=1) / self._vn_v
        estimate: FloatArray = np.where(np.isfinite(pu) & (pu < 10.0), pu, np.nan)
        return estimate

    def at_loads(self, v: ComplexArray) -> FloatArray:
        """Return each load's voltage [pu]; between phases the root of their mean square."""
        v_pn, _ = self._star(v[self._nodes])
        v_terminal_v = np.abs(v_pn).ravel()[self._at_phase]
        single: FloatArray = v_terminal_v.ravel()[self._load_at] / self._load_vn_v
        if self._delta.any():
            at = v_pn[self._circuit.load_bus[self._delta]]
            squares = (np.abs(at - np.roll(at, 1, axis=1)) ** 2).mean(axis=1)
            single[self._delta] = np.sqrt(squares / 3.0) / self._load_vn_v[self._delta]
        return single

    def drawn(
        self, v: ComplexArray, power: ComplexArray, impedance: BoolArray
    ) -> tuple[ComplexArray, float]:
        """Return what loads of ``power[n]`` [VA] draw, constant impedances less or more of it.

        And the least voltage [pu] at a load of constant power, 1 where there is none.
        """
        at_loads = self.at_loads(v)
        if impedance.any():
            power = power * np.where(impedance, at_loads**2, 1.0)
        busy = (power != 0.0) & ~impedance
        return power, float(at_loads.min(initial=1.0, where=busy))

    def state(
        self, v: ComplexArray, power: ComplexArray, shorted: Shorted | None = None
    ) -> GridState:
        """Return the state at node voltages ``v`` with loads that draw ``power[n]`` [VA]."""
        v_pn, v_n = self._star(v[self._nodes])
        v_bus_v = np.abs(v_pn)
        v_terminal_v = v_bus_v.ravel()[self._at_phase]
        ends = v[self.branches.nodes]
        flows = self.branches.currents(ends) if shorted is None else shorted.flows
        s = (ends * flows.conj()).reshape(-1, 2, 4).sum(axis=2)
        shunt_va, p_earth_w = self._shunt.power(v, v_pn)
        if shorted is None:
            s_slack = self._slack.power(v, flows, power, shunt_va)
        else:
            s_slack = shorted.s_slack
            p_earth_w += shorted.p_lost_w
        by_terminal = self._by_terminal(power)
        i_a = np.abs(flows)
        dead = ~self._energised
        vm_pu = v_bus_v.mean(axis=1) / self._vn_v
        va_degree = np.degrees(np.angle(v_pn @ _POSITIVE))
        v_neutral_v = np.abs(v_n)
        for values in (vm_pu, va_degree, v_bus_v, v_neutral_v):
            values[dead] = np.nan
        line, trafo = self.branches.parts["line"], self.branches.parts["transformer"]
        i_line_a = np.maximum(i_a[line, :4], i_a[line, 4:])
        i_most_a = i_line_a.max(axis=1, initial=0.0)
        return GridState(
            vm_pu=vm_pu,
            va_degree=va_degree,
            energised=self._energised,
            line=_branch(s[line], i_most_a, i_most_a / self._max_i_a),
            transformer=self._transformers(s[trafo], i_a[trafo]),
            p_terminals_w=by_terminal.real.sum(axis=1),
            q_terminals_var=by_terminal.imag.sum(axis=1),
            p_slack_w=s_slack.real,
            q_slack_var=s_slack.imag,
            p_loss_w=float(s.real.sum() + shunt_va.real.sum()) + p_earth_w,
            conductors=Conductors(
                v_bus_v=v_bus_v,
                v_neutral_v=v_neutral_v,
                v_terminal_v=np.where(self._has_voltage, v_terminal_v, 0.0),
                p_terminal_w=by_terminal.real,
                q_terminal_var=by_terminal.imag,
                terminal_live=self._terminal_live,
                i_line_a=i_line_a,
                i_transformer_a=i_a[trafo, 4:],
                v_node_v=np.where(dead[:, None], 0.0, v[self._nodes]),
                i_line=flows[line].reshape(-1, 2, 4),
                i_transformer=flows[trafo].reshape(-1, 2, 4),
                i_tie=flows[self.branches.parts["tie"]].reshape(-1, 2, 4),
            ),
        )

    def _star(self, by_node: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """Return voltages to neutral ``[n, 3]``, and of the neutral (or star-point) ``[n]``."""
        phases = by_node[:, :3]
        v_n = np.where(self._low, by_node[:, 3], phases @ _MEAN)
        return phases - v_n[:, None], v_n

    def _by_terminal(self, power: ComplexArray) -> ComplexArray:
        """Return the power of the loads by terminal and conductor, ``[n, 3]``."""
        out = np.zeros((len(self._bus), 3), dtype=complex)
        out.ravel()[self._load_at] = power
        if self._delta.any():
            terminal = self._circuit.load_terminal[self._delta]
            out[terminal] = power[self._delta, None] / 3.0
        return out

    def _transformers(self, s: ComplexArray, i_a: FloatArray) -> BranchState:
        hv, lv = (i_a[:, first : first + 3].max(axis=1, initial=0.0) for first in (0, 4))
        return _branch(s, lv, np.maximum(hv / self._rated_a[0], lv / self._rated_a[1]))


def _branch(s: ComplexArray, i_a: FloatArray, loading: FloatArray) -> BranchState:
    p, q = s.real, s.imag
    return BranchState(p[:, 0], q[:, 0], p[:, 1], q[:, 1], i_a, loading * 100.0)
