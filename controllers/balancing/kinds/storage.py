"""Batteries: what is put in comes out again, less losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from controllers.balancing.devices import (
    STEP_H,
    Flexible,
    Ints,
    Power,
    Problem,
    Span,
    ordered_wh,
    round_profile,
)
from controllers.balancing.planners import Watts, plan_battery

__all__ = ["Battery"]


@dataclass(frozen=True, slots=True)
class _Storing(Problem):
    """A battery, which ends the horizon with ``final_wh``, or as near to it as it can."""

    content_wh: float
    final_wh: float
    capacity_wh: float
    p_max_w: float
    efficiency: float
    slots: int
    unit_w: int

    def plan(self, target_w: Watts) -> Ints:
        p_max_w = float(self.unit_w * np.floor(self.p_max_w / self.unit_w))
        most_wh = self.content_wh + p_max_w * self.efficiency * STEP_H * self.slots
        least_wh = self.content_wh - p_max_w / self.efficiency * STEP_H * self.slots
        final_wh = min(max(self.final_wh, least_wh, 0.0), most_wh, self.capacity_wh)
        store = (self.content_wh, self.capacity_wh, p_max_w, STEP_H, self.efficiency)
        return round_profile(plan_battery(target_w, *store, final_wh=final_wh), self.unit_w)

    def uncontrolled(self) -> Ints:
        return np.zeros(self.slots, dtype=np.int64)


@dataclass(slots=True)
class Battery(Flexible):
    """A battery and its newest content.

    Every plan leads back to the first content that was read: if it led back to the present one,
    each new plan would put off the return, and the content would be spent once and for all.
    """

    holds: ClassVar[bool] = True

    @property
    def least_w(self) -> float:
        """Return what it draws at least, < 0: feeds in [W]."""
        return -self.p_max_w

    capacity_wh: float = 0.0
    efficiency: float = 1.0
    reserve_wh: float = 0.0  # what its customer keeps
    content_wh: float | None = None
    anchor_wh: float = 0.0
    newest_ms: int = -1

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Battery:
        """Return the device of its configuration."""
        return cls(
            **cls._common(config),
            capacity_wh=float(config["capacity_wh"]),
            efficiency=float(config.get("efficiency", 1.0)),
        )

    def present(self, now_ms: int) -> bool:  # noqa: ARG002
        """Tell whether its content is known."""
        return self.content_wh is not None

    def take(self, variable: str, value: Any, t_ms: int) -> bool:
        """Take a content."""
        if variable == "battery.soc" and value is not None and t_ms >= self.newest_ms:
            if self.content_wh is None:
                self.anchor_wh = float(value)
            self.content_wh, self.newest_ms = float(value), t_ms
        return False

    def problem(self, span: Span, power: Power) -> Problem | None:
        """Return the battery, its content carried on by what was ordered."""
        if self.content_wh is None:
            return None
        moved_wh = ordered_wh(power, self.newest_ms, span.from_ms, 0.0)
        moved_wh *= self.efficiency if moved_wh > 0 else 1.0 / self.efficiency
        content_wh = min(max(self.content_wh + moved_wh, 0.0), self.capacity_wh)
        content_wh, anchor_wh, capacity_wh = (
            max(wh - self.reserve_wh, 0.0) for wh in (content_wh, self.anchor_wh, self.capacity_wh)
        )
        limits = (anchor_wh, capacity_wh, self.p_max_w, self.efficiency)
        return _Storing(content_wh, *limits, span.slots, span.unit_w)
