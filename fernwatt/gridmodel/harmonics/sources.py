"""Harmonic currents and passive admittances of devices, from what they draw at the fundamental."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fernwatt.gridmodel.harmonics.network import Points
from fernwatt.gridmodel.harmonics.spectra import Kind, class_limits
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray

__all__ = ["Drawn", "HarmonicSources"]

_LEAST_V = 1.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """What each kind of device draws at each load: ``p_w``, ``q_var``, ``devices`` ``[k, loads]``.

    ``devices`` is how many there are, for limits and filters are each one's own.
    """

    p_w: FloatArray
    q_var: FloatArray
    devices: FloatArray


class HarmonicSources:
    """Currents drawn at the points of a network, by kinds of devices.

    The current of order h is the spectrum's share of the kind's present current ``I1``, its angle
    ``h arg(I1)`` and the spectrum's, turned by ``turn[k, loads, orders]`` in [-1, 1] times the
    spread. A device under a class of IEC 61000-3-2 stays below its limits.
    """

    def __init__(
        self,
        points: Points,
        kinds: Sequence[Kind],
        orders: npt.NDArray[np.float64],
        f_hz: float,
        turn: FloatArray,
    ) -> None:
        self._points, self._kinds, self._orders = points, list(kinds), orders
        self._w = 2 * np.pi * f_hz
        self._turn = turn
        self._limits = [class_limits(kind.limit_class, orders.tolist()) for kind in kinds]
        self._between = points.neutral < 0

    def currents(self, drawn: Drawn, v: ComplexArray) -> ComplexArray:
        """Return what is drawn, ``[orders, e]`` [A], at fundamental voltages ``v[e]`` [V]."""
        points = self._points
        total = np.zeros((len(self._orders), len(v)), dtype=complex)
        live = np.abs(v) > _LEAST_V
        safe = np.where(live, v, 1.0)
        for number, kind in enumerate(self._kinds):
            if kind.spectrum is None:
                continue
            s = (drawn.p_w[number] + 1j * drawn.q_var[number])[points.load] * points.share
            i1 = np.where(live, (s / safe).conj(), 0.0)
            size, angle = np.abs(i1), np.angle(i1)
            share = np.abs(kind.spectrum.share)[:, None] * size
            most_a, most_percent = self._limits[number]
            devices = drawn.devices[number][points.load]
            if np.isfinite(most_a).any():
                share = np.minimum(share, most_a[:, None] * np.maximum(devices, 1.0))
            if np.isfinite(most_percent).any():
                share = np.minimum(share, most_percent[:, None] / 100.0 * size)
            spread = np.deg2rad(kind.spectrum.spread_deg)[:, None]
            turn = spread * self._turn[number][points.load].T
            own = np.angle(kind.spectrum.share)[:, None]
            total += share * np.exp(1j * (own + self._orders[:, None] * angle + turn))
        return self._without_zero_sequence(total)

    def admittances(self, drawn: Drawn, v: ComplexArray) -> ComplexArray:
        """Return what the devices are passively, ``[orders, e]`` [S]: resistive parts, filters.

        Only what draws or feeds in is connected; filters are those of low voltage.
        """
        points = self._points
        square = np.maximum(np.abs(v), _LEAST_V) ** 2
        live = np.abs(v) > _LEAST_V
        g, c = np.zeros(len(v)), np.zeros(len(v))
        for number, kind in enumerate(self._kinds):
            p_w = drawn.p_w[number][points.load] * points.share
            g += kind.resistive * np.maximum(p_w, 0.0) / square * live
            busy = (p_w != 0) & live & ~self._between
            c += kind.filter_f * drawn.devices[number][points.load] * busy
        out: ComplexArray = g + 1j * self._w * self._orders[:, None] * c
        return out

    def _without_zero_sequence(self, total: ComplexArray) -> ComplexArray:
        """Between the phases there is no way for what flows in all of them alike."""
        if self._between.any():
            three = total[:, self._between].reshape(len(self._orders), -1, 3)
            three = three - three.mean(axis=2, keepdims=True)
            total[:, self._between] = three.reshape(len(self._orders), -1)
        return total
