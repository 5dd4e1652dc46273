"""Home batteries: content, losses, limits, and the firmware for self-consumption.

With the converter's power ``p`` (positive: charging) held constant, the content follows

    dE/dt = a - k E,    a = eta_c p  (p > 0)   or   p / eta_d  (p < 0)

with the self-discharge rate ``k``; this is solved in closed form, so the content does not depend
on how often a battery is stepped. The terminal sees ``p`` plus the standby power.

A limit that would be met before the next decision is met exactly, at a whole millisecond: the
power is lowered by less than one part in the number of milliseconds until then.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.devices.group import Change
from simulators.devices.phi import phi1, phi2
from simulators.devices.setpoints import NEVER_MS, SetPoints
from simulators.devices.specs import BatterySpec, FloatArray

__all__ = ["BatteryFleet"]

_MS_PER_H = 3.6e6
_H_PER_DAY, _H_PER_YEAR = 24.0, 8760.0
_LEAST_W = 1e-6  # less is no power: the time to a limit would be beyond all numbers
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class BatteryFleet:
    """All batteries of a run, in arrays of length n.

    ``p_w`` is the converter's power, ``stored_wh`` the content, ``full`` and ``empty`` tell which
    ones are kept from going on by a limit.
    """

    def __init__(self, specs: Sequence[BatterySpec]) -> None:
        def column(name: str) -> FloatArray:
            return np.array([getattr(spec, name) for spec in specs], dtype=float)

        self.capacity_wh = column("capacity_wh")
        self.p_max_w = column("p_max_w")
        self.eta_c, self.eta_d = column("charge_efficiency"), column("discharge_efficiency")
        self.standby_w = column("standby_w")
        self.reserve_wh = column("reserve_wh")
        self.k_per_h = -np.log1p(-column("self_discharge_per_day")) / _H_PER_DAY
        self.stored_wh = column("initial_wh")
        self.cycle_fade, self.calendar_fade = column("cycle_fade"), column("calendar_fade_per_year")
        self.taken_wh = np.zeros(len(specs))
        n = len(specs)
        self.p_w, self.rate_w = np.zeros(n), np.zeros(n)
        self.on = np.ones(n, dtype=bool)
        self.full, self.empty = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.set_points = SetPoints(n)
        self._end_ms = np.full(n, NEVER_MS, dtype=np.int64)

    def aged(self, t_ms: int) -> list[Change]:
        """Return full cycles and capacity lost since the start, of batteries that count them."""
        cycles = self.taken_wh / self.capacity_wh
        fade = cycles * self.cycle_fade + self.calendar_fade * (t_ms / _MS_PER_H / _H_PER_YEAR)
        counts = np.flatnonzero((self.cycle_fade > 0) | (self.calendar_fade > 0))
        return [
            Change(row, "battery_aged", {"cycles": float(cycles[row]), "fade": float(fade[row])})
            for row in counts.tolist()
        ]

    @property
    def drawn_w(self) -> FloatArray:
        """Power at the terminal, standby included ``[n]``."""
        return self.p_w + np.where(self.on, self.standby_w, 0.0)

    def draw(self, t_ms: int, span_ms: int) -> tuple[FloatArray, FloatArray]:
        """Let the present power hold for ``span_ms`` until ``t_ms``.

        Returns the energy drawn and the energy lost inside [Wh], each ``[n]``.
        """
        h = span_ms / _MS_PER_H
        x = self.k_per_h * h
        first, second = phi1(x), phi2(x)
        leaked_wh = self.k_per_h * h * (self.stored_wh * first + self.rate_w * h * second)
        self.stored_wh = self.stored_wh * np.exp(-x) + self.rate_w * h * first
        self.taken_wh = self.taken_wh + np.maximum(-self.rate_w, 0.0) * h
        self._snap(t_ms)
        standby_w = np.where(self.on, self.standby_w, 0.0)
        lost_wh = (self.p_w - self.rate_w + standby_w) * h + leaked_wh
        return (self.p_w + standby_w) * h, lost_wh

    def _snap(self, t_ms: int) -> None:
        """Remove the rounding where a limit is met now."""
        met = (self._end_ms <= t_ms) | self.full | self.empty
        limit_wh = np.where(self.p_w > 0, self.capacity_wh, self.reserve_wh)
        near = met & (np.abs(self.stored_wh - limit_wh) < 1e-12 * self.capacity_wh)
        self.stored_wh[near] = limit_wh[near]

    def decide(
        self, t_ms: int, horizon_ms: int, surplus_w: FloatArray, energised: BoolArray
    ) -> IntArray:
        """Work out every battery's power until ``horizon_ms`` at the latest.

        ``surplus_w[n]`` is what each one's clamp lets it take (negative: cover). Returns the rows
        that reached a limit, left it, or lost or got supply.
        """
        before = self.full, self.empty, self.on
        asked_w = self.set_points.asked_w(surplus_w)
        p_w = np.where(energised, np.clip(asked_w, -self.p_max_w, self.p_max_w), 0.0)
        p_w[np.abs(p_w) < _LEAST_W] = 0.0
        self.on = energised.copy()
        self.full = (p_w > 0) & (self.stored_wh >= self.capacity_wh)
        self.empty = (p_w < 0) & (self.stored_wh <= self.reserve_wh)
        free_w = np.where(p_w > 0, p_w * self.eta_c, p_w / self.eta_d)
        # a full battery is kept full: only what leaks is charged, if there is that much
        rate_w = np.where(self.full, np.minimum(free_w, self.k_per_h * self.capacity_wh), free_w)
        rate_w[self.empty] = 0.0
        self.rate_w, self._end_ms = self._until(t_ms, horizon_ms, rate_w)
        limited_w = np.where(self.rate_w > 0, self.rate_w / self.eta_c, self.rate_w * self.eta_d)
        limited_w = np.clip(limited_w, -self.p_max_w, self.p_max_w)
        self.p_w = np.where(self.rate_w == free_w, p_w, limited_w)
        after = self.full, self.empty, self.on
        changed = [old != new for old, new in zip(before, after, strict=True)]
        return np.flatnonzero(changed[0] | changed[1] | changed[2])

    def _until(self, t_ms: int, horizon_ms: int, rate_w: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return the rate of storing to hold, and when its limit is met."""
        k, stored = self.k_per_h, self.stored_wh
        limit_wh = np.where(rate_w > 0, self.capacity_wh, self.reserve_wh)
        way_wh, net_w = limit_wh - stored, rate_w - k * limit_wh
        moves = (rate_w != 0) & (way_wh * net_w > 0) & ~self.full
        ratio = np.divide(way_wh, net_w, out=np.zeros_like(rate_w), where=moves)
        with np.errstate(divide="ignore", invalid="ignore"):
            hours = np.where(k > 0, np.log1p(k * ratio) / k, ratio)
        span_ms = np.maximum(np.ceil(hours * _MS_PER_H), 1.0)
        meets = moves & (span_ms <= horizon_ms - t_ms)
        h = np.where(meets, span_ms, 1.0) / _MS_PER_H
        exact_w = (limit_wh - stored * np.exp(-k * h)) / (h * phi1(k * h))
        # rounding must not turn the power around or raise it
        exact_w = np.sign(rate_w) * np.clip(exact_w * np.sign(rate_w), 0.0, np.abs(rate_w))
        end_ms = np.full(len(rate_w), NEVER_MS, dtype=np.int64)
        end_ms[meets] = t_ms + span_ms[meets].astype(np.int64)
        return np.where(meets, exact_w, rate_w), end_ms

    @property
    def due_ms(self) -> int:
        """The next tick at which a limit is met or a set-point ends."""
        return min(int(self._end_ms.min(initial=NEVER_MS)), self.set_points.due_ms)
