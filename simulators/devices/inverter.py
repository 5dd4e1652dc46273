"""Grid support of PV inverters: Q(U), cos phi(P), P(U), tripping and coming back.

An inverter measures the voltage at its terminal (mean of the phases it feeds), and from it and
from its power works out its reactive power and the power it may feed in. Both follow their
targets with a first-order lag. Reactive power goes first: where the apparent power would be
more than rated, active power gives way. A reactive set-point takes the characteristic's place.

It leaves the grid when supply is lost (anti-islanding), when the voltage is outside of
``trip_low_pu`` to ``trip_high_pu``, or its mean of ten minutes is above ``trip_mean_pu``. It comes
back when the voltage has been within the narrower ``return_pu`` for ``reconnect_s``, and then
raises its power by ``ramp_per_min`` of its rating.

Reference: VDE-AR-N 4105:2018-11, 5.7 (characteristics), 6.5 (protection), 8.3 (reconnection). Its
curves are those of pandapower's ``DERController`` (``QVCurve``, ``CosphiPCurve``).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from simulators.devices.group import Change
from simulators.devices.inverter_specs import InverterSpec
from simulators.devices.setpoints import NEVER_MS
from simulators.devices.specbase import FloatArray

__all__ = ["Inverters", "QMode"]

BoolArray = NDArray[np.bool_]
_WINDOW_MS = 600_000
_MS_PER_MIN = 60_000.0
_NEVER_PU = (1e6, 2e6)


class QMode(StrEnum):
    """How an inverter works out its reactive power."""

    NONE = "none"
    COS_PHI = "cos_phi"
    COS_PHI_P = "cos_phi_p"
    Q_U = "q_u"


class Inverters:
    """Inverters with grid support, in arrays of length n.

    ``decide`` turns the power that is available into the power fed in: ``p_w`` (not positive) and
    ``q_var`` (positive: drawn, under-excited). ``control_ms`` is how often the fleet is stepped at
    least; the mean of ten minutes is exact for a voltage that holds between these instants.
    """

    def __init__(self, specs: Sequence[InverterSpec], control_ms: int) -> None:
        def column(name: str) -> FloatArray:
            return np.array([getattr(spec, name) for spec in specs], dtype=float)

        n = len(specs)
        self.v_nominal_v, self.rated_w = column("v_nominal_v"), column("p_rated_w")
        self.s_va, self.tau_ms = column("s_rated_va"), column("tau_s") * 1000
        self.tan_phi = np.sqrt(1 / column("cos_phi") ** 2 - 1)
        self.cos_phi = column("cos_phi")
        modes = np.array([str(spec.q) for spec in specs])
        self._is = {mode: modes == mode.value for mode in QMode if (modes == mode.value).any()}
        self.q_u_pu = np.array([spec.q_u_pu for spec in specs], dtype=float).reshape(n, 4).T
        limits = [spec.p_u_pu or _NEVER_PU for spec in specs]
        self.p_u_pu = np.array(limits, dtype=float).reshape(n, 2).T
        self.trip_low_pu, self.trip_high_pu = column("trip_low_pu"), column("trip_high_pu")
        self.trip_mean_pu = column("trip_mean_pu")
        self.return_pu = np.array([spec.return_pu for spec in specs], dtype=float).reshape(n, 2).T
        self.reconnect_ms = (column("reconnect_s") * 1000).astype(np.int64)
        self.ramp_per_ms = column("ramp_per_min") / _MS_PER_MIN
        self.p_w, self.q_var = np.zeros(n), np.zeros(n)
        self.on, self._share = np.ones(n, dtype=bool), np.ones(n)
        self._q_pu, self._p_limit = np.zeros(n), np.ones(n)  # the lags' states, of rated power
        self._ready_ms = np.full(n, NEVER_MS, dtype=np.int64)
        self._v_pu, self._t_ms, self._area = np.ones(n), -1, np.zeros(n)
        self.asked_var = np.full(n, np.nan)  # reactive set-points, NaN: the characteristics'
        self._control_ms = control_ms
        self._ring = np.zeros((max(1, _WINDOW_MS // control_ms) + 1, n))
        self._marks = 0

    def decide(
        self, t_ms: int, available_w: FloatArray, limit_w: FloatArray, v_v: FloatArray,
        energised: BoolArray,
    ) -> list[Change]:  # fmt: skip
        """Work out the power from ``t_ms`` on; return who left the grid and who came back.

        ``available_w[n] <= 0`` is what the sun gives, ``limit_w[n] <= 0`` a set-point (-inf: none),
        ``v_v[n]`` the voltage (phase to neutral) as last seen.
        """
        first, span_ms = self._t_ms < 0, t_ms - max(0, self._t_ms)
        v_pu = v_v / self.v_nominal_v
        mean_pu = self._mean(t_ms, span_ms)
        self._v_pu, self._t_ms = v_pu, t_ms
        changes = self._connect(t_ms, span_ms, v_pu, mean_pu, energised)
        lag = np.ones_like(v_pu) if first else -np.expm1(-span_ms / self.tau_ms)
        over = np.clip((v_pu - self.p_u_pu[0]) / (self.p_u_pu[1] - self.p_u_pu[0]), 0.0, 1.0)
        self._p_limit += lag * (1.0 - over - self._p_limit)
        share = np.where(self.on, np.minimum(self._share, self._p_limit), 0.0)
        p_w = np.maximum(np.maximum(available_w, limit_w), -share * self.rated_w)
        wanted_var = np.where(np.isnan(self.asked_var), self._wanted(p_w, v_pu), self.asked_var)
        self._q_pu += lag * (wanted_var / self.s_va - self._q_pu)
        q_var = np.where(self.on, np.clip(self._q_pu, -1.0, 1.0) * self.s_va, 0.0)
        self.p_w = np.maximum(p_w, -np.sqrt(np.maximum(self.s_va**2 - q_var**2, 0.0))) + 0.0
        self.q_var = q_var
        return changes

    def _wanted(self, p_w: FloatArray, v_pu: FloatArray) -> FloatArray:
        """Return the reactive power that the characteristics ask for [var]."""
        q_var = np.zeros_like(p_w)
        for mode, rows in self._is.items():
            if mode is not QMode.NONE:
                q_var = np.where(rows, self._asked(mode, p_w, v_pu), q_var)
        return q_var

    def _asked(self, mode: QMode, p_w: FloatArray, v_pu: FloatArray) -> FloatArray:
        """Return what one characteristic asks of all [var]."""
        if mode is QMode.COS_PHI:
            return -p_w * self.tan_phi
        if mode is QMode.COS_PHI_P:
            # from 1 at half the rating to cos_phi at the rating, along a straight line
            load = -p_w / self.rated_w
            cos_phi = 1.0 - (1.0 - self.cos_phi) * np.clip(2.0 * load - 1.0, 0.0, 1.0)
            under: FloatArray = -p_w * np.sqrt(1.0 / cos_phi**2 - 1.0)
            return under
        v1, v2, v3, v4 = self.q_u_pu
        high = np.clip((v_pu - v3) / (v4 - v3), 0.0, 1.0)
        low = np.clip((v2 - v_pu) / (v2 - v1), 0.0, 1.0)
        drooped: FloatArray = (high - low) * self.rated_w * self.tan_phi
        return drooped

    def _mean(self, t_ms: int, span_ms: int) -> FloatArray:
        """Return the mean voltage of the last ten minutes [pu]; nominal before the start."""
        self._area = self._area + self._v_pu * span_ms
        mark = t_ms // self._control_ms
        if mark > self._marks:
            late_ms = t_ms - mark * self._control_ms
            self._ring[mark % len(self._ring)] = self._area - self._v_pu * late_ms
            self._marks = mark
        first = self._marks - len(self._ring) + 1
        begin_ms = first * self._control_ms
        past = self._ring[first % len(self._ring)] if first > 0 else float(min(0, begin_ms))
        mean: FloatArray = (self._area - past) / (t_ms - begin_ms)
        return mean

    def _connect(
        self, t_ms: int, span_ms: int, v_pu: FloatArray, mean_pu: FloatArray, energised: BoolArray
    ) -> list[Change]:
        self._share = np.where(self.on, np.minimum(1.0, self._share + self.ramp_per_ms * span_ms),
                               self._share)  # fmt: skip
        voltage = (v_pu < self.trip_low_pu) | (v_pu > self.trip_high_pu)
        voltage |= mean_pu > self.trip_mean_pu
        leaves = self.on & (voltage | ~energised)
        fine = energised & (v_pu >= self.return_pu[0]) & (v_pu <= self.return_pu[1])
        waits = ~self.on | leaves
        begins = waits & fine & (self._ready_ms == NEVER_MS)
        self._ready_ms[begins] = t_ms + self.reconnect_ms[begins]
        self._ready_ms[waits & ~fine] = NEVER_MS
        returns = ~self.on & (self._ready_ms <= t_ms)
        self.on = (self.on & ~leaves) | returns
        self._ready_ms[returns] = NEVER_MS
        # without a limit to the ramp the full power is there at once
        self._share[returns | leaves] = 0.0
        changed = np.flatnonzero(leaves | returns)
        return [
            Change(row, "inverter_connected", {"reason": "voltage"}) if returns[row] else
            Change(row, "inverter_tripped", {"reason": "voltage" if energised[row] else "supply"})
            for row in changed.tolist()
        ]  # fmt: skip

    @property
    def due_ms(self) -> int:
        """When the next one may come back."""
        return int(self._ready_ms.min(initial=NEVER_MS))
