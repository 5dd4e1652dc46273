"""Device controller: puts the plans of a house into effect, slot by slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from controllers.balancing.devices import Order, Power
from controllers.balancing.guard import Asked
from controllers.unit.service import UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["DeviceController", "Plan"]

_BEYOND_MS = 60_000
_KEPT = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """Set-points of one device [W] from ``first_slot`` on, and the decision they come from.

    ``hold_w`` is what the house is to draw in each slot (None: nothing said), where the device
    is to see to that by its clamp; ``p_w`` is then what it is expected to do for it. The same
    with ``orders``, of a device that takes no power (None: it does). ``beyond``: comfort may be
    given up for it.
    """

    first_slot: int
    p_w: tuple[float, ...]
    decision: str
    hold_w: tuple[float | None, ...] = ()
    orders: tuple[Order, ...] | None = None
    beyond: bool = False

    def at(self, slot: int) -> float | None:
        """Return the set-point of a slot; None where the plan says nothing."""
        i = slot - self.first_slot
        return self.p_w[i] if 0 <= i < len(self.p_w) else None

    def hold(self, slot: int) -> float | None:
        """Return what the house is to draw in a slot; None where the device is not to see to it."""
        i = slot - self.first_slot
        return self.hold_w[i] if 0 <= i < len(self.hold_w) else None


class DeviceController:
    """Writes each device's set-point at the start of a slot, and at once when its plan changes.

    A set-point holds until a little beyond the next slot, so one lost message leaves no gap, and
    a house that is cut off falls back to its devices' own rules half an hour later. A device
    without a plan is never commanded, unless ``tell`` says so: it has the last word on what is
    asked of all devices, by their orders of late (since when, least W that they may draw by them).
    """

    def __init__(
        self,
        context: UnitContext,
        units: dict[str, str],
        tell: Callable[[Mapping[str, Asked], Mapping[str, Power]], dict[str, Asked]] | None = None,
    ) -> None:
        self._context, self._units, self._tell = context, units, tell
        self._plans: dict[str, Plan] = {}
        self._ordered: dict[str, tuple[int, float, float | None]] = {}
        self._power: dict[str, list[tuple[int, float]]] = {device: [] for device in units}
        self._given: dict[str, Order] = {}
        self._least: dict[str, Power] = {device: [] for device in units}
        self._planned: dict[str, Power] = {device: [] for device in units}
        self._why: dict[str, list[tuple[int, str]]] = {device: [] for device in units}

    def follow(self, device: str, plan: Plan) -> None:
        """Take a new plan into effect."""
        self._plans[device] = plan
        self._order([device])

    def drop(self, device: str) -> None:
        """Forget a device's plan; what was ordered runs out."""
        self._plans.pop(device, None)
        self._ordered.pop(device, None)
        self._given.pop(device, None)
        self._power[device], self._least[device], self._planned[device] = [], [], []

    def plan(self, device: str) -> Plan | None:
        """Return the plan in effect."""
        return self._plans.get(device)

    def power(self, device: str, until_ms: int) -> list[tuple[int, float]]:
        """Return what was ordered (since when, W), and what the plan will order by then."""
        out, plan = list(self._power[device]), self._plans.get(device)
        slot = self._context.now_ms // SLOT_MS + 1
        while plan is not None and slot * SLOT_MS < until_ms:
            p_w = plan.at(slot)
            if p_w is not None:
                out.append((slot * SLOT_MS, p_w))
            slot += 1
        return out

    def planned(self, device: str) -> Power:
        """Return what plans asked for of late (since when, W)."""
        return self._planned[device]

    def why(self, device: str, before_ms: int) -> str:
        """Return what made the order in force then other than planned, ``hold``, or nothing."""
        known = [why for t_ms, why in self._why[device] if t_ms < before_ms]
        return known[-1] if known else ""

    def slot(self) -> None:
        """Order what the plans say for the slot that begins now, or else is asked by now."""
        self._order(sorted(self._plans))

    def _order(self, devices: Sequence[str]) -> None:
        slot, asked = self._context.now_ms // SLOT_MS, {}
        for device in devices if self._tell is None else sorted(self._plans):
            plan = self._plans[device]
            p_w = plan.at(slot)
            if p_w is None:
                continue
            one = Asked(p_w, plan.hold(slot), plan.decision)
            planned = self._planned[device]
            if not planned or planned[-1][1] != p_w:
                self._planned[device] = [*planned[-_KEPT:], (self._context.now_ms, p_w)]
            if plan.orders is None:
                asked[device] = one
            else:
                self._is_new(device, one, slot)
                self._order_otherwise(device, plan, slot)
        told = asked if self._tell is None else self._tell(asked, self._least)
        for device in sorted(told):
            self._write(device, told[device], slot)

    def _write(self, device: str, told: Asked, slot: int) -> None:
        """Write a device's set-point, unless that was written before."""
        if not self._is_new(device, told, slot):
            return
        value: dict[str, Any] = {"p_w": told.p_w, "until_ms": (slot + 2) * SLOT_MS + _BEYOND_MS}
        if told.hold_w is not None:
            value |= {"p_w": told.hold_w, "at": "connection"}
        if device in self._plans and self._plans[device].beyond and not told.firm:
            value["beyond"] = True
        self._context.data.write("set_point", self._units[device], value, cause=told.cause)

    def _is_new(self, device: str, told: Asked, slot: int) -> bool:
        """Take note of what a device does now; tell whether it is other than before."""
        if self._ordered.get(device) == (slot, told.p_w, told.hold_w):
            return False
        now_ms, least_w = self._context.now_ms, told.p_w if told.hold_w is None else -inf
        self._ordered[device] = (slot, told.p_w, told.hold_w)
        why = told.why or ("" if told.hold_w is None else "hold")
        self._why[device] = [*self._why[device][-_KEPT:], (self._context.now_ms, why)]
        self._power[device] = [*self._power[device][-_KEPT:], (now_ms, told.p_w)]
        self._least[device] = [*self._least[device][-_KEPT:], (now_ms, least_w)]
        return True

    def _order_otherwise(self, device: str, plan: Plan, slot: int) -> None:
        """Write what is due of a device that takes no power, unless that was written before."""
        due = [order for order in plan.orders or () if order.slot <= slot]
        if not due or self._given.get(device) == due[-1]:
            return
        self._given[device] = order = due[-1]
        value = dict(order.value)
        self._context.data.write(order.variable, self._units[device], value, cause=plan.decision)
