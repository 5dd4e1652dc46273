"""Panels that can be curtailed: what the sun gives is taken, unless a limit leaves no choice.

Within comfort there is nothing to plan. Beyond it the plan is what is *not* fed in, in each slot by
itself: the nearest to the target of 0 to all that is predicted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from controllers.balancing.devices import (
    STEP_H,
    Flexible,
    GivenUp,
    Ints,
    Order,
    Power,
    Problem,
    Span,
)
from controllers.balancing.planners import Watts
from controllers.balancing.registers import Register

__all__ = ["Panels"]

_KEPT_SLOTS = 400


class _Predictor(Protocol):
    def predict(self, first_slot: int, slots: int) -> Watts:
        """Return the predicted mean power of ``slots`` slots [W, <= 0]."""


@dataclass(frozen=True, slots=True)
class _Sun(Problem):
    """``yield_w`` is what the panels are predicted to give, ``rated_w`` what they can at most."""

    yield_w: Ints
    rated_w: float
    unit_w: int
    curtails: bool = False

    @property
    def exceeds(self) -> bool:
        return self.curtails

    def plan(self, target_w: Watts) -> Ints:
        if not self.curtails:
            return np.zeros_like(self.yield_w)
        wanted = np.clip(target_w, 0.0, self.yield_w)
        return self.unit_w * np.floor(wanted / self.unit_w + 0.5).astype(np.int64)

    def uncontrolled(self) -> Ints:
        return np.zeros_like(self.yield_w)

    def set_points(self, profile_w: Ints) -> list[float]:
        fed_w = np.where(profile_w > 0, self.yield_w - profile_w, self.rated_w)
        return [-float(p_w) for p_w in fed_w]

    def orders(self, profile_w: Ints) -> list[Order] | None:  # noqa: ARG002
        return None if self.curtails else []

    def beyond(self) -> Problem | None:
        return None if self.curtails else replace(self, curtails=True)

    def given_up(self, profile_w: Ints) -> GivenUp | None:
        lost_wh = float(profile_w.sum()) * STEP_H
        return GivenUp("sun", round(lost_wh, 1), "Wh") if self.curtails and lost_wh > 0.0 else None


@dataclass(slots=True)
class Panels(Flexible):
    """Panels, their predictor, and the slots in which they are curtailed."""

    predictor: _Predictor | None = None
    curtailed: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, config: Mapping[str, Any], predictor: _Predictor, energy: Register) -> Panels:
        """Return the device of its configuration."""
        common = cls._common({**config, "p_max_w": float(config["p_rated_w"])})
        return cls(**common, predictor=predictor, energy=energy)

    @property
    def least_w(self) -> float:
        """Return what it draws at least [W]."""
        return -self.p_max_w

    def present(self, now_ms: int) -> bool:  # noqa: ARG002
        """Tell that panels are always there."""
        return True

    def take(self, variable: str, value: Any, t_ms: int) -> bool:  # noqa: ARG002
        """Take a reading; the energy is all there is."""
        return False

    def problem(self, span: Span, power: Power) -> Problem | None:  # noqa: ARG002
        """Return what is predicted to be fed in."""
        if self.predictor is None:
            return None
        said_w = -np.minimum(self.predictor.predict(span.first_slot, span.slots), 0.0)
        yield_w: Ints = span.unit_w * np.floor(said_w / span.unit_w).astype(np.int64)
        return _Sun(yield_w, self.p_max_w, span.unit_w)

    def followed(self, first_slot: int, profile_w: Ints) -> None:
        """Take note of a plan that is in effect: what is curtailed tells nothing of the sun."""
        slots = range(first_slot, first_slot + len(profile_w))
        old = {slot for slot in self.curtailed if first_slot - _KEPT_SLOTS < slot < first_slot}
        now = (slot for slot, p_w in zip(slots, profile_w.tolist(), strict=True) if p_w > 0)
        self.curtailed = old.union(now)

    def tells(self, slot: int) -> bool:
        """Tell whether a slot's energy says what the device would have done by itself."""
        return slot not in self.curtailed
