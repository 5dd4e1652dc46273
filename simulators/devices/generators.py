"""Wind turbines and CHP plants: ramps, start and stop, set-points.

Both move their power at most by a ramp per minute, in steps of the control period; only what is no
longer available (wind, supply) is gone at once. Power fed in is negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.devices.group import Change, Now
from simulators.devices.machine_specs import ChpSpec, WindSpec
from simulators.devices.setpoints import NEVER_MS, SetPoints
from simulators.devices.specbase import FloatArray
from simulators.devices.thermal import Comfort, OneNode

__all__ = ["ChpFleet", "WindFleet"]

BoolArray = NDArray[np.bool_]
_MS_PER_H, _MS_PER_MIN = 3.6e6, 60_000.0


class _Ramped:
    """Machines whose output [W, not negative] follows a target with a ramp, after a start time."""

    periodic = True

    def __init__(self, specs: Sequence[WindSpec] | Sequence[ChpSpec]) -> None:
        def column(name: str) -> FloatArray:
            return np.array([getattr(spec, name) for spec in specs], dtype=float)

        n = len(specs)
        self.rated_w = column("p_rated_w")
        self._ramp_w_per_ms = column("ramp_per_min") * self.rated_w / _MS_PER_MIN
        self._start_ms = column("start_s") * 1000
        self._tan_phi = np.tan(np.arccos(column("cos_phi")))
        self.p_w, self.q_var = np.zeros(n), np.zeros(n)
        self._ready_ms = np.full(n, float(NEVER_MS))  # when a started machine may give power
        self._last_ms = np.full(n, -1.0)
        self.set_points = SetPoints(n)

    def _follow(self, now: Now, target_w: FloatArray, most_w: FloatArray, start: BoolArray) -> None:
        """Move the output of those that are due towards ``target_w``, never above ``most_w``.

        ``start`` tells who is on or wants to be; at the run's start machines are where they
        want to be.
        """
        begins = start & (self._ready_ms >= NEVER_MS)
        ready_ms = np.where(begins, now.t_ms + self._start_ms, self._ready_ms)
        first = self._last_ms < 0
        ready_ms = np.where(first & start, float(now.t_ms), ready_ms)
        ready_ms = np.where(start, ready_ms, float(NEVER_MS))
        step_w = self._ramp_w_per_ms * np.maximum(now.t_ms - self._last_ms, 0.0)
        step_w = np.where(first, self.rated_w, step_w)
        output_w = -self.p_w
        target_w = np.where(ready_ms <= now.t_ms, target_w, 0.0)
        moved_w = np.clip(target_w, output_w - step_w, output_w + step_w)
        moved_w = np.minimum(moved_w, most_w) * now.live
        self.p_w = np.where(now.due, -moved_w, self.p_w) + 0.0
        self.q_var = -self.p_w * self._tan_phi  # under-excited
        self._ready_ms = np.where(now.due, ready_ms, self._ready_ms)
        self._last_ms = np.where(now.due, float(now.t_ms), self._last_ms)

    @property
    def due_ms(self) -> int:
        """Nothing happens between two decisions."""
        return NEVER_MS


class WindFleet(_Ramped):
    """All wind turbines of a run; a set-point (not positive) limits what they feed in."""

    def __init__(self, specs: Sequence[WindSpec]) -> None:
        super().__init__(specs)
        self._available_w = -np.array([spec.p_w for spec in specs], dtype=float).T.copy()

    def draw(self, t_ms: int, span_ms: int) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Let the powers hold for ``span_ms``; return energy drawn and lost [Wh]."""
        return self.p_w * (span_ms / _MS_PER_H), np.zeros_like(self.p_w)

    def decide(self, now: Now) -> list[Change]:
        """Follow wind and set-points."""
        available_w = self._available_w[min(now.slot, len(self._available_w) - 1)]
        limit_w = np.where(
            self.set_points.present, np.maximum(-self.set_points.p_w, 0.0), self.rated_w
        )
        blows = (available_w > 0) & now.live
        self._follow(now, np.minimum(available_w, limit_w), available_w, blows)
        return []

    @property
    def stored_wh(self) -> None:
        """Nothing is stored."""

    def rows(self) -> None:
        """Turbines have no temperatures."""


class ChpFleet(_Ramped):
    """All CHP plants of a run, led by the heat in their store.

    A set-point of at least half the rating (negative) asks a plant to run, a smaller one to wait,
    within the store's limits. Energy is kept: what is drawn is stored, lost (less what fuel
    brings in) or served as heat.
    """

    def __init__(self, specs: Sequence[ChpSpec]) -> None:
        super().__init__(specs)

        def column(name: str) -> FloatArray:
            return np.array([getattr(spec, name) for spec in specs], dtype=float)

        n = len(specs)
        self.store = OneNode(column("c_wh_per_k"), column("loss_w_per_k"), column("initial_c"))
        self._ratio, self._around_c = column("heat_ratio"), column("surroundings_c")
        self._set_c, self._switch_k = column("set_c"), column("switch_k")
        self._low_c, self._high_c = column("low_c"), column("high_c")
        self._min_ms = tuple(column(name) * 1000 for name in ("min_off_s", "min_on_s"))
        self._heat_w = np.array([spec.heat_w for spec in specs], dtype=float).T.copy()
        self.comfort = Comfort(self._low_c, self._high_c, self.store.t_c)
        self.on, self._since_ms = np.zeros(n, dtype=bool), np.full(n, -(2.0**40))
        self.called_w, self.boiler_w, self.served_wh = np.zeros(n), np.zeros(n), np.zeros(n)

    def draw(self, t_ms: int, span_ms: int) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Let everything hold for ``span_ms``; return energy drawn and lost [Wh]."""
        h = span_ms / _MS_PER_H
        heat_w = -self.p_w * self._ratio + self.boiler_w
        out_wh = self.store.advance(h, self._around_c, heat_w - self.called_w)
        self.served_wh = self.served_wh + self.called_w * h
        self.comfort.follow(span_ms, self.store.t_c)
        return self.p_w * h, out_wh - (heat_w - self.p_w) * h

    def decide(self, now: Now) -> list[Change]:
        """Follow the heat in the store, and set-points."""
        t_c, asked_w = self.store.t_c, -self.set_points.p_w
        wants = (t_c < self._set_c - self._switch_k) | (self.on & (t_c < self._set_c))
        wants = np.where(asked_w >= self.rated_w / 2, t_c < self._high_c - self._margin, wants)
        wants = np.where(asked_w < self.rated_w / 2, t_c < self._low_c + self._margin, wants)
        held_ms = now.t_ms - self._since_ms
        stays = held_ms < np.where(self.on, self._min_ms[1], self._min_ms[0])
        on = np.where(stays & ~(self.on & (t_c >= self._high_c)), self.on, wants) & now.live
        on = np.where(now.due, on, self.on)
        self._since_ms = np.where(on != self.on, float(now.t_ms), self._since_ms)
        self.on = on
        self._follow(now, np.where(on, self.rated_w, 0.0), self.rated_w, on)
        called_w = self._heat_w[min(now.slot, len(self._heat_w) - 1)]
        self.called_w = np.where(now.due, called_w, self.called_w)
        boiler_w = np.where(t_c < self._low_c, self.called_w, 0.0)
        self.boiler_w = np.where(now.due, boiler_w, self.boiler_w)
        return []

    @property
    def _margin(self) -> FloatArray:
        """What a store is kept within its limits by: a tenth of them."""
        margin: FloatArray = 0.1 * (self._high_c - self._low_c)
        return margin

    @property
    def stored_wh(self) -> FloatArray:
        """Heat above the store's lower limit [Wh]."""
        stored: FloatArray = self.store.c_wh_per_k * (self.store.t_c - self._low_c)
        return stored

    def rows(self) -> dict[str, FloatArray | list[None]]:
        """Return the columns of table ``thermal`` for the interval that ends now."""
        return {**self.comfort.take(), "tank_c": [None] * len(self.p_w)}
