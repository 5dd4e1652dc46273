"""Hot-water boilers: on or off, with hot water in store for hours.

What is drawn is not measured; it is what the water lost beyond the vessel's own losses, learnt for
each time of the day. The water is held on average at the thermostat's set-point, so that heat is
shifted, not spent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from controllers.balancing.devices import STEP_H, Flexible, Ints, Power, Problem, Span
from controllers.balancing.kinds.onoff import OnOff
from controllers.balancing.planners import Watts
from controllers.balancing.switched import Switched
from fernwatt.timebase import DAY_MS, SLOT_MS

__all__ = ["Boiler"]

_USUAL_W = 245.0  # hot water of a household, load profile M of Regulation (EU) 814/2013
_A_DAY, _LEARN, _WIDTH = DAY_MS // SLOT_MS, 0.3, 5
_RESERVE_WH, _HIGH_GUARD_K = 1800.0, 1.0  # a bath, of which nobody knows when
_NEAR_MS, _KEPT_SLOTS = 10_000, 8


@dataclass(slots=True)
class Boiler(Flexible):
    """A boiler and what was learnt of its household."""

    plate: Mapping[str, Any] = field(default_factory=dict)
    water: dict[int, float] = field(default_factory=dict)  # by slot boundary
    slot: int | None = None  # from which on is learnt
    drawn_w: Watts = field(default_factory=lambda: np.full(_A_DAY, _USUAL_W))

    on_off: ClassVar[bool] = True
    sign: ClassVar[float] = 1.0  # of its power while it heats

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Boiler:
        """Return the device of its configuration."""
        common = cls._common({**config, "p_max_w": float(config["p_rated_w"])})
        return cls(**common, plate=config)

    def present(self, now_ms: int) -> bool:  # noqa: ARG002
        """Tell whether its temperature is known."""
        return bool(self.water)

    def take(self, variable: str, value: Any, t_ms: int) -> bool:
        """Take a temperature."""
        slot = (t_ms + SLOT_MS // 2) // SLOT_MS
        near = abs(t_ms - slot * SLOT_MS) <= _NEAR_MS
        if variable == "thermal.temperature" and value is not None and near:
            self.water[slot] = float(value)
            for old in [one for one in self.water if one < slot - _KEPT_SLOTS]:
                del self.water[old]
        return False

    def problem(self, span: Span, power: Power) -> Problem | None:
        """Return when it may heat."""
        if not self.water:
            return None
        self._learn()
        given = self.plate
        capacity = float(given["c_wh_per_k"])
        loss, around_c = float(given["loss_w_per_k"]), float(given["surroundings_c"])
        low_c, high_c, middle_c = self._limits(capacity)
        slots = np.arange(span.first_slot, span.first_slot + span.slots)
        drawn_w = self.drawn_w[slots % _A_DAY]
        gain = self.p_max_w * float(given["cop"]) * STEP_H / capacity
        start_c = self._carried(span.first_slot, power, gain)
        held = float((drawn_w + loss * (middle_c - around_c)).sum()) * STEP_H / capacity
        p_w = span.unit_w * np.floor(self.p_max_w / span.unit_w)
        switched = Switched(
            on_w=np.full(span.slots, self.sign * p_w),
            start=start_c,
            keep=1.0 - loss * STEP_H / capacity,
            drift=(loss * around_c - drawn_w) * STEP_H / capacity,
            gain=np.full(span.slots, gain),
            low=np.full(span.slots, low_c),
            high=np.full(span.slots, high_c),
            most_on=high_c - gain,
            count=max((held + middle_c - start_c) / gain, 0.0),
        )
        runs = self.sign * (self._newest_w() or 0.0) > self.p_max_w / 4
        half_k = float(given["switch_k"]) * (1.0 if self.sign > 0 else 0.5)
        on = switched.thermostat(middle_c, half_k, runs=runs)
        free: Ints = np.where(on, switched.on_w, 0.0).astype(np.int64)
        return self._problem(switched, self.p_max_w / 2 + 1.0, free)

    def _limits(self, capacity: float) -> tuple[float, float, float]:
        """Return the lowest and highest temperature as planned, and the thermostat's [degC]."""
        set_c, switch_k = float(self.plate["set_c"]), float(self.plate["switch_k"])
        low_c = min(float(self.plate["low_c"]) + _RESERVE_WH / capacity, set_c - switch_k)
        return low_c, float(self.plate["high_c"]) - _HIGH_GUARD_K, set_c

    def _problem(self, switched: Switched, least_w: float, free: Ints) -> Problem:
        return OnOff(switched, least_w, free)

    def _newest_w(self) -> float | None:
        newest_ms = self.energy.newest_ms
        return None if newest_ms is None else self.energy.mean_w(newest_ms // SLOT_MS - 1)

    def _carried(self, first: int, power: Power, gain: float) -> float:
        """Return the temperature at the begin of a slot, by what was ordered until then."""
        newest = max(self.water)
        water_c, capacity = self.water[newest], float(self.plate["c_wh_per_k"])
        loss, around_c = float(self.plate["loss_w_per_k"]), float(self.plate["surroundings_c"])
        for slot in range(newest, first):
            ordered = [p_w for t_ms, p_w in power if t_ms < (slot + 1) * SLOT_MS]
            drawn_w = float(self.drawn_w[slot % _A_DAY]) + loss * (water_c - around_c)
            warmed = gain if ordered and self.sign * ordered[-1] > 0.0 else 0.0
            water_c += warmed - drawn_w * STEP_H / capacity
        return water_c

    def _learn(self) -> None:
        """Learn what was drawn in the slots that are measured by now."""
        if self.slot is None or self.slot not in self.water:
            self.slot = max(self.water) if self.slot is None else min(self.water)
        capacity, loss = float(self.plate["c_wh_per_k"]), float(self.plate["loss_w_per_k"])
        around_c = float(self.plate["surroundings_c"])
        while self.slot + 1 in self.water and self.slot in self.water:
            heat_w = self.energy.mean_w(self.slot)
            if heat_w is None:
                if max(self.water) < self.slot + 4:
                    return  # its reading is still to come
            else:
                begin_c, end_c = self.water[self.slot], self.water[self.slot + 1]
                lost_w = loss * ((begin_c + end_c) / 2 - around_c)
                cooled_w = capacity * (begin_c - end_c) / STEP_H
                heat_w *= self.sign * float(self.plate["cop"])
                self._observe(self.slot, max(heat_w + cooled_w - lost_w, 0.0))
            self.slot += 1

    def _observe(self, slot: int, drawn_w: float) -> None:
        """Spread what was drawn over the time around: tomorrow it is not at the same minute."""
        around = np.arange(slot - _WIDTH, slot + _WIDTH + 1) % _A_DAY
        weight = _LEARN / around.size
        self.drawn_w[around] += weight * (drawn_w - self.drawn_w[around])
