"""A house's flexible devices: what is known of them, and their planning problem over a horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from controllers.balancing.planners import PlanError, Watts, plan_battery, plan_ev
from controllers.balancing.registers import Register
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Battery", "Flexible", "Problem", "Span", "Vehicle", "round_profile"]

STEP_H = SLOT_MS / HOUR_MS
Ints = NDArray[np.int64]
Power = list[tuple[int, float]]


def round_profile(p_w: Watts, unit_w: int = 1) -> Ints:
    """Return whole multiples of ``unit_w`` whose running sum stays within half of one of the
    profile's; a value that is such a multiple is never exceeded.
    """
    units = np.floor(np.cumsum(p_w / unit_w) + (0.5 + 1e-9))
    return unit_w * np.diff(units, prepend=0.0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Span:
    """What a problem reaches over: ``slots`` from ``first_slot`` on, devices as of ``from_ms``."""

    from_ms: int
    first_slot: int
    slots: int
    unit_w: int = 1


class Problem(Protocol):
    """One device over a horizon: its constraints are frozen, its target is not."""

    def plan(self, target_w: Watts) -> Ints:
        """Return the feasible profile nearest to the target [W], in whole units."""

    def uncontrolled(self) -> Ints:
        """Return what the device does by itself [W]."""

    def set_points(self, profile_w: Ints) -> list[float]:
        """Return the power that gives each slot's mean: more where it is there for a part."""


@dataclass(frozen=True, slots=True)
class _Charging:
    """An EV: ``share`` is the part of each slot it can charge in."""

    energy_wh: float
    p_max_w: float
    p_min_w: float
    share: Watts
    unit_w: int

    def plan(self, target_w: Watts) -> Ints:
        upper = self._upper()
        most_wh = float(upper.sum()) * STEP_H
        if self.energy_wh >= most_wh:
            return upper.astype(np.int64)
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
        upper = self._upper()
        left = np.maximum(self.energy_wh / STEP_H - np.cumsum(upper) + upper, 0.0)
        return round_profile(np.minimum(upper, left), self.unit_w)

    def set_points(self, profile_w: Ints) -> list[float]:
        there = np.maximum(self.share, 1e-9)
        return [float(p) for p in np.minimum(profile_w / there, self.p_max_w)]

    def _upper(self) -> Watts:
        upper: Watts = self.unit_w * np.floor(self.p_max_w * self.share / self.unit_w)
        return upper

    def _ceil(self, p_w: Watts) -> Watts:
        up: Watts = self.unit_w * np.ceil((p_w - 1e-6) / self.unit_w)
        return up

    def _round(self, p_w: Watts) -> Ints:
        return np.where(p_w > 0.0, self._ceil(p_w), 0.0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Storing:
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

    def set_points(self, profile_w: Ints) -> list[float]:
        return [float(p) for p in profile_w]


@dataclass(slots=True)
class Flexible:
    """What a child knows of one device: settings, newest readings and their identifiers."""

    id: str
    unit: str
    p_max_w: float
    energy: Register = field(default_factory=Register)
    causes: dict[str, str] = field(default_factory=dict)  # variable: newest notification

    @classmethod
    def _common(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": str(config["id"]),
            "unit": str(config["unit"]),
            "p_max_w": float(config["p_max_w"]),
        }

    def present(self, now_ms: int) -> bool:
        """Tell whether there is something to plan."""
        raise NotImplementedError

    def take(self, variable: str, value: Any, t_ms: int) -> bool:
        """Take a reading; return True when it calls for a new plan at once."""
        raise NotImplementedError

    def problem(self, span: Span, power: Power) -> Problem | None:
        """Return the problem over ``span``; ``power`` is what was ordered, oldest first."""
        raise NotImplementedError


@dataclass(slots=True)
class Vehicle(Flexible):
    """A charging point and the vehicle at it."""

    p_min_w: float = 0.0
    session: dict[str, Any] | None = None
    plugged_ms: int = -1
    newest_ms: int = -1

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Vehicle:
        """Return the device of its configuration."""
        return cls(**cls._common(config), p_min_w=float(config.get("p_min_w", 0.0)))

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
        missing_wh -= _ordered_wh(power, since_ms, from_ms, p_max_w)
        starts = np.arange(span.first_slot, span.first_slot + span.slots) * SLOT_MS
        begins = np.maximum(starts, from_ms)
        ends = np.minimum(starts + SLOT_MS, self.session["departure_ms"])
        share = np.maximum(ends - begins, 0) / SLOT_MS
        p_min_w = max(self.p_min_w, float(self.session.get("p_min_w") or 0.0))
        return _Charging(max(missing_wh, 0.0), p_max_w, p_min_w, share, span.unit_w)


@dataclass(slots=True)
class Battery(Flexible):
    """A battery and its newest content.

    Every plan leads back to the first content that was read: if it led back to the present one,
    each new plan would put off the return, and the content would be spent once and for all.
    """

    capacity_wh: float = 0.0
    efficiency: float = 1.0
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
        moved_wh = _ordered_wh(power, self.newest_ms, span.from_ms, 0.0)
        moved_wh *= self.efficiency if moved_wh > 0 else 1.0 / self.efficiency
        content_wh = min(max(self.content_wh + moved_wh, 0.0), self.capacity_wh)
        limits = (self.anchor_wh, self.capacity_wh, self.p_max_w, self.efficiency)
        return _Storing(content_wh, *limits, span.slots, span.unit_w)


def _ordered_wh(power: Power, since_ms: int, until_ms: int, unordered_w: float) -> float:
    """Return the energy of the orders in force between two instants."""
    edges = [(since_ms, unordered_w), *sorted(p for p in power if p[0] < until_ms)]
    total = 0.0
    for (begin, p_w), (end, _) in zip(edges, [*edges[1:], (until_ms, 0.0)], strict=True):
        total += p_w * max(end - max(begin, since_ms), 0) / HOUR_MS
    return total
