"""Vehicles at a charging point: so much energy until they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from controllers.balancing.devices import (
    STEP_H,
    Flexible,
    GivenUp,
    Ints,
    Power,
    Problem,
    Span,
    ordered_wh,
    round_profile,
)
from controllers.balancing.planners import PlanError, Watts, plan_ev
from controllers.balancing.steps import plan_steps
from fernwatt.timebase import SLOT_MS

__all__ = ["Vehicle"]

_LEAST_SHARE = 0.5  # of what is missing: what a vehicle gets even where comfort is given up


@dataclass(frozen=True, slots=True)
class _Charging(Problem):
    """An EV: ``share`` is the part of each slot it can charge in."""

    energy_wh: float
    p_max_w: float
    p_min_w: float
    share: Watts
    unit_w: int
    p_step_w: float = 0.0

    def plan(self, target_w: Watts) -> Ints:
        upper = self.upper()
        most_wh = float(upper.sum()) * STEP_H
        if self.energy_wh >= most_wh:
            return upper.astype(np.int64)
        if self.p_step_w > 0.0:
            return self._in_steps(target_w)
        if self.p_min_w <= 0.0:
            return round_profile(plan_ev(target_w, self.energy_wh, upper, STEP_H), self.unit_w)
        lower = np.minimum(self._ceil(self.p_min_w * self.share), upper)
        try:
            return self._round(plan_ev(target_w, self.energy_wh, upper, STEP_H, lower))
        except PlanError:
            # Less than the smallest power can give: plan for more, the vehicle ends by itself.
            count = int(np.searchsorted(np.cumsum(-np.sort(-upper)), self.energy_wh / STEP_H)) + 1
            least_wh = float(-np.sort(-lower)[:count].sum()) * STEP_H
            asked_wh = min(max(self.energy_wh, least_wh), most_wh)
            try:
                return self._round(plan_ev(target_w, asked_wh, upper, STEP_H, lower))
            except PlanError:
                return self.uncontrolled()

    def uncontrolled(self) -> Ints:
        upper = self.upper()
        left = np.maximum(self.energy_wh / STEP_H - np.cumsum(upper) + upper, 0.0)
        return round_profile(np.minimum(upper, left), self.unit_w)

    def set_points(self, profile_w: Ints) -> list[float]:
        there = np.maximum(self.share, 1e-9)
        return [float(p) for p in np.minimum(profile_w / there, self.p_max_w)]

    def beyond(self) -> Problem | None:
        most_wh = min(self.energy_wh, float(self.upper().sum()) * STEP_H)
        return _Short(self, most_wh) if most_wh > 0.0 else None

    def _in_steps(self, target_w: Watts) -> Ints:
        least_w = self.p_min_w or self.p_step_w
        steps = (least_w, self.p_step_w, self.p_max_w)
        energy_wh = max(self.energy_wh, least_w * float(self.share.max(initial=0.0)) * STEP_H)
        try:
            return self._round(plan_steps(target_w, energy_wh, steps, self.share, STEP_H))
        except PlanError:
            return self.uncontrolled()

    def upper(self) -> Watts:
        """Return the most it can draw in each slot."""
        upper: Watts = self.unit_w * np.floor(self.p_max_w * self.share / self.unit_w)
        return upper

    def _ceil(self, p_w: Watts) -> Watts:
        up: Watts = self.unit_w * np.ceil((p_w - 1e-6) / self.unit_w)
        return up

    def _round(self, p_w: Watts) -> Ints:
        return np.where(p_w > 0.0, self._ceil(p_w), 0.0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Short(Problem):
    """An EV that may leave with less: half of what is missing at least, ``most_wh`` at most."""

    charging: _Charging
    most_wh: float

    @property
    def exceeds(self) -> bool:
        return True

    def plan(self, target_w: Watts) -> Ints:
        best_wh = float(np.clip(target_w, 0.0, self.charging.upper()).sum()) * STEP_H
        energy_wh = min(max(best_wh, _LEAST_SHARE * self.most_wh), self.most_wh)
        return replace(self.charging, energy_wh=energy_wh).plan(target_w)

    def uncontrolled(self) -> Ints:
        return self.charging.uncontrolled()

    def set_points(self, profile_w: Ints) -> list[float]:
        return self.charging.set_points(profile_w)

    def given_up(self, profile_w: Ints) -> GivenUp | None:
        missing_wh = self.most_wh - float(profile_w.sum()) * STEP_H
        little_wh = max(self.charging.unit_w * STEP_H, 10.0)
        return GivenUp("charge", round(missing_wh, 1), "Wh") if missing_wh > little_wh else None


@dataclass(slots=True)
class Vehicle(Flexible):
    """A charging point and the vehicle at it."""

    p_min_w: float = 0.0
    p_step_w: float = 0.0  # 0: any power
    session: dict[str, Any] | None = None
    plugged_ms: int = -1
    newest_ms: int = -1

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Vehicle:
        """Return the device of its configuration."""
        p_min_w, p_step_w = (float(config.get(name, 0.0)) for name in ("p_min_w", "p_step_w"))
        return cls(**cls._common(config), p_min_w=p_min_w, p_step_w=p_step_w)

    def present(self, now_ms: int) -> bool:
        """Tell whether a vehicle is there that has not left by now."""
        return self.session is not None and self.session["departure_ms"] > now_ms

    def take(self, variable: str, value: Any, t_ms: int) -> bool:
        """Take a session (None: ended); a new one calls for a plan."""
        if variable != "ev.session" or t_ms < self.newest_ms:
            return False
        self.newest_ms = t_ms
        new = value is not None and (
            self.session is None or self.session["session"] != value["session"]
        )
        if new:
            self.plugged_ms = t_ms
        self.session = value
        return new

    def gone(self, variable: str, value: Any) -> bool:
        """Tell whether the vehicle has left."""
        return variable == "ev.session" and value is None

    def problem(self, span: Span, power: Power) -> Problem | None:
        """Return the charging that is left; None without a vehicle."""
        from_ms = span.from_ms
        if self.session is None or self.session["departure_ms"] <= from_ms:
            return None
        p_max_w = float(min(self.p_max_w, self.session.get("p_max_w") or self.p_max_w))
        missing_wh = float(self.session["energy_wh"])
        since_ms = self.plugged_ms
        if self.energy.newest_ms is not None and self.energy.newest_ms > self.plugged_ms:
            # Nothing is drawn before the plug is in, so the reading before it serves as well.
            at_plug_wh = self.energy.before(self.plugged_ms + 10_000)
            newest_wh = self.energy.newest_wh
            if at_plug_wh is not None and newest_wh is not None:
                missing_wh -= newest_wh - at_plug_wh
                since_ms = self.energy.newest_ms
        missing_wh -= ordered_wh(power, since_ms, from_ms, p_max_w)
        starts = np.arange(span.first_slot, span.first_slot + span.slots) * SLOT_MS
        begins = np.maximum(starts, from_ms)
        ends = np.minimum(starts + SLOT_MS, self.session["departure_ms"])
        share = np.maximum(ends - begins, 0) / SLOT_MS
        p_min_w = max(self.p_min_w, float(self.session.get("p_min_w") or 0.0))
        missing_wh = max(missing_wh, 0.0)
        return _Charging(missing_wh, p_max_w, p_min_w, share, span.unit_w, self.p_step_w)
