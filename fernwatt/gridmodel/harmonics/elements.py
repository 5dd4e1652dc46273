"""Branches of a grid at harmonic frequencies: primitive admittances of lines and transformers.

At order h a line of conductors i, j has ``z_ij(h) = r_i F(h) + h r_e + j h (x_ij - w'/2 ln h)``:
the skin effect of round conductors, and Carson's earth return, whose resistance grows with the
frequency and whose depth shrinks with its root. Above 1 kV the zero sequence has the reactance
``h x_0`` and keeps its resistance. Transformers have ``r + j h x`` on their own rating.
"""

from __future__ import annotations

from math import pi

import numpy as np
import numpy.typing as npt
from scipy.special import jv

from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.raw import rows
from fernwatt.gridmodel.solvers.fourwire.circuit import Circuit
from fernwatt.gridmodel.solvers.fourwire.supply import Conductors

__all__ = ["Branches", "skin_factor"]

IntArray = npt.NDArray[np.int64]

_MU0 = 4e-7 * pi
_LEAST_NF = 1e-3
_SWITCH_OHM = {True: 1e-6, False: 1e-5}
_NEUTRALS = (3, 7)


def skin_factor(r_ohm_per_km: FloatArray, f_hz: float) -> FloatArray:
    """Return a.c. by d.c. resistance of round solid conductors of these d.c. resistances.

    By Bessel functions: ``Re(ka/2 J0(ka)/J1(ka))`` with ``ka = (1 - j) sqrt(mu0 f / r)``, r in
    ohm/m. Radius and material need not be known.
    """
    ka = (1 - 1j) * np.sqrt(_MU0 * f_hz / np.maximum(r_ohm_per_km * 1e-3, 1e-6))
    factor: FloatArray = np.real(ka / 2.0 * jv(0, ka) / jv(1, ka))
    return factor


class Branches:
    """Lines, transformers, bus-bus switches, in this order, at the orders ``orders``.

    ``nodes[n, 8]``: where phases 1, 2, 3 and neutral of both ends are, as ``4 * bus + conductor``,
    -1 for none. ``admittances`` gives ``[n, 8, 8]`` [S] at an order. ``plain``: no skin effect, and
    the earth as if it had resistance and inductance of 50 Hz.
    """

    def __init__(self, circuit: Circuit, *, plain: bool = False) -> None:
        self._circuit, self._plain = circuit, plain
        net = circuit.model.net
        self._tie_rows = np.flatnonzero(net.switch["et"].to_numpy() == "b")
        ends = [
            net.line[["from_bus", "to_bus"]].to_numpy(int),
            net.trafo[["hv_bus", "lv_bus"]].to_numpy(int),
            net.switch[["bus", "element"]].to_numpy(int)[self._tie_rows].reshape(-1, 2),
        ]
        counts = np.cumsum([0, *(len(part) for part in ends)])
        self.parts = {
            kind: slice(int(first), int(last))
            for kind, first, last in zip(
                ("line", "transformer", "tie"), counts[:-1], counts[1:], strict=True
            )
        }
        both = np.concatenate(ends)
        nodes = (4 * both[:, :, None] + np.arange(4)).reshape(-1, 8)
        low = circuit.low[both]
        nodes[:, 3] = np.where(low[:, 0], nodes[:, 3], -1)
        nodes[:, 7] = np.where(low[:, 1], nodes[:, 7], -1)
        self.nodes: IntArray = nodes
        self._low_ties = low[self.parts["tie"], 0]
        self._coils = self._incidence()

    def admittances(self, order: float, interrupted: Conductors) -> ComplexArray:
        """Return what the branches are at an order, ``[n, 8, 8]``, conductors being interrupted."""
        y = np.zeros((len(self.nodes), 8, 8), dtype=complex)
        self._lines(y[self.parts["line"]], order)
        self._transformers(y[self.parts["transformer"]], order)
        self._ties(y[self.parts["tie"]])
        for kind, open_ in interrupted.open().items():
            first = self.parts[kind].start
            for row, end, wire in np.argwhere(open_).tolist():
                y[first + row] = _without(y[first + row], 4 * end + wire)
        return y

    def _lines(self, y: ComplexArray, order: float) -> None:
        data, net = self._circuit.lines, self._circuit.model.net
        length = net.line["length_km"].to_numpy(float)
        z = self._line_ohm_per_km(order) * length[:, None, None]
        four = data.four_wire
        y_series = np.zeros_like(z)
        y_series[four] = np.linalg.inv(z[four])
        y_series[~four, :3, :3] = np.linalg.inv(z[~four, :3, :3])
        y[:, :4, :4] = y[:, 4:, 4:] = y_series
        y[:, :4, 4:] = y[:, 4:, :4] = -y_series
        c1 = np.maximum(data.c_nf_per_km, _LEAST_NF)
        c0 = np.where(four, c1, np.maximum(data.c0_nf_per_km, _LEAST_NF))
        half = 0.5e-9j * order * 2 * pi * self._circuit.f_hz * length
        shunt = np.zeros_like(z)
        shunt[:, :3, :3] = (half * (c0 - c1) / 3.0)[:, None, None]
        shunt[:, range(3), range(3)] = (half * (c0 + 2.0 * c1) / 3.0)[:, None]
        shunt[four, 3, 3] = (half * c1)[four]
        y[:, :4, :4] += shunt
        y[:, 4:, 4:] += shunt

    def _line_ohm_per_km(self, order: float) -> ComplexArray:
        data, f_hz = self._circuit.lines, self._circuit.f_hz
        base = data.z_ohm_per_km
        z: ComplexArray = base.real + 1j * order * base.imag
        if self._plain:
            return z
        parallel = self._circuit.model.net.line["parallel"].to_numpy(float)
        wires = np.arange(4)
        earth = base[:, 0, 1].real
        own = base[:, wires, wires].real - earth[:, None]
        own[~data.four_wire, 3] = 0.0
        system = np.where(own > 0, own, 1.0) * parallel[:, None]
        grown = skin_factor(system, order * f_hz) / skin_factor(system, f_hz)
        z[:, wires, wires] += own * (grown - 1.0)
        w_km = _MU0 * f_hz * 1e3 / parallel
        deeper = earth * (order - 1.0) - 0.5j * order * w_km * np.log(order)
        z[data.four_wire] += deeper[data.four_wire, None, None]
        return z

    def _transformers(self, y: ComplexArray, order: float) -> None:
        parts = self._circuit.trafo
        z = parts.z_pu.real + 1j * order * parts.z_pu.imag
        leg = parts.kva * 1e3 / 3.0 / z
        y[:] = np.einsum("tcn,t,tcm->tnm", self._coils, leg, self._coils)
        magnetising = parts.y_pu.real + 1j * parts.y_pu.imag / order
        low = self._circuit.low
        for end, name, kv in (
            (0, "hv_bus", parts.kv_hv * parts.tap_hv),
            (1, "lv_bus", parts.kv_lv * parts.tap_lv),
        ):
            own = magnetising * parts.kva * 1e-3 / kv**2
            at_low = low[self._circuit.model.net.trafo[name].to_numpy(int)]
            star = np.zeros((4, 4))
            star[:3, :3], star[:3, 3], star[3, :3], star[3, 3] = np.eye(3), -1, -1, 3
            ring = np.zeros((4, 4))
            ring[:3, :3] = np.eye(3) - 1.0 / 3.0
            shape = np.where(at_low[:, None, None], star, ring)
            part = slice(4 * end, 4 * end + 4)
            y[:, part, part] += own[:, None, None] * shape

    def _incidence(self) -> FloatArray:
        """Return voltage across each transformer's three legs by its nodes, ``[n, 3, 8]``.

        In parts of the rated voltages: the two coils of a leg have one voltage but for what the
        series impedance takes. Taps come in with ``refresh``.
        """
        net, parts = self._circuit.model.net, self._circuit.trafo
        coils = np.zeros((len(net.trafo), 3, 8))
        for row, group in enumerate(str(trafo.vector_group) for trafo in rows(net.trafo)):
            kinds = (group[0].upper(), group.lstrip("YNDZ")[0].upper())
            lag = parts.lead[row] == "lag"
            turned = [int(node) - 1 for node in parts.turned[row].split(".")]
            sides = (
                (0, kinds[0], [0, 1, 2], parts.kv_hv[row] * parts.tap_hv[row], 1.0, -1),
                (4, kinds[1], turned, parts.kv_lv[row] * parts.tap_lv[row], -1.0, 1),
            )
            for first, kind, order, kv, sign, step in sides:
                for leg in range(3):
                    volts = kv * 1e3 / (1.0 if kind == "D" else 3**0.5)
                    coils[row, leg, first + order[leg]] += sign / volts
                    if kind == "D":
                        other = (leg + (step if lag else -step)) % 3
                        coils[row, leg, first + order[other]] -= sign / volts
                    elif self.nodes[self.parts["transformer"]][row, first + 3] >= 0:
                        coils[row, leg, first + 3] -= sign / volts
        return coils

    def refresh(self) -> None:
        """Take over the transformers' taps as they are now."""
        self._coils = self._incidence()

    def _ties(self, y: ComplexArray) -> None:
        for low in (True, False):
            ties = np.flatnonzero(self._low_ties == low)
            wires = np.arange(4 if low else 3)
            for row in ties.tolist():
                for a, b, sign in ((0, 0, 1), (4, 4, 1), (0, 4, -1), (4, 0, -1)):
                    y[row, a + wires, b + wires] = sign / _SWITCH_OHM[low]


def _without(y: ComplexArray, node: int) -> ComplexArray:
    """Return an admittance matrix with one node left open, and taken out."""
    if y[node, node] == 0:
        return y
    out: ComplexArray = y - np.outer(y[:, node], y[node, :]) / y[node, node]
    out[node, :] = out[:, node] = 0.0
    return out
