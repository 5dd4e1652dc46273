"""Problem of a device that is on or off and keeps a temperature; orders are run and wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from controllers.balancing.devices import Ints, Problem
from controllers.balancing.planners import Watts
from controllers.balancing.switched import Switched, switch_on

__all__ = ["OnOff"]


@dataclass(frozen=True, slots=True)
class OnOff(Problem):
    """``least_order_w`` is the smallest order, by magnitude, that means to run."""

    switched: Switched
    least_order_w: float
    free: Ints

    exact: ClassVar[bool] = False

    def plan(self, target_w: Watts) -> Ints:
        on = switch_on(self.switched, target_w)
        return np.where(on, self.switched.on_w, 0.0).astype(np.int64)

    def uncontrolled(self) -> Ints:
        return self.free

    def set_points(self, profile_w: Ints) -> list[float]:
        orders_w = np.sign(profile_w) * np.maximum(np.abs(profile_w), self.least_order_w)
        return [float(p_w) for p_w in orders_w]
