"""Flexibility of one house: its unit says what it expects and offers, and does what is assigned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from controllers.balancing.devices import Span
from controllers.balancing.house import House
from controllers.balancing.kinds.storage import Battery
from controllers.balancing.kinds.vehicle import Vehicle
from controllers.balancing.panels import in_slots
from controllers.balancing.sound import is_sound
from controllers.balancing.subscriptions import Subscriptions
from controllers.flexibility.following import Following
from controllers.flexibility.offers import FlexOffer, Profile
from controllers.flexibility.outlook import Outlook, Terms, of_battery, of_other, of_vehicle
from controllers.flexibility.records import ASSIGNMENT, OFFER, Assigned, Told
from controllers.forecast.relay import VARIABLE as FORECAST
from controllers.forecast.relay import is_forecast
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import HOUR_MS, SLOT_MS, Clock

__all__ = ["Customer"]

_HORIZON, _KEPT, _HOURLY = 96, 4, 4
_SETTLE_MS, _FIRST_MS, _AFTER_MS = 2_000, 60_000, 5_000


class Customer:
    """Tells the aggregator profile and offers: hourly, each quarter-hour while a vehicle charges,
    and when one comes. Takes assignments of the offers told last, if they keep to these.
    """

    name = "flexibility"

    def __init__(self, params: Mapping[str, Any], start: Clock) -> None:
        self._aggregator, self._meter = str(params["aggregator"]), str(params["meter"])
        prices = params.get("cent_per_mwh", {})
        self._terms = Terms({str(kind): int(cent) for kind, cent in prices.items()})
        self._spread_ms = round(1000 * float(params.get("spread_s", 60.0)))
        self._follows_forecasts = bool(params.get("forecast"))
        self.house = House(params, start)
        self._serial, self._arrived = 0, ""
        self._told: dict[int, dict[str, tuple[str, FlexOffer]]] = {}

    def start(self, context: UnitContext) -> None:
        """Follow the meter, the devices, and what is assigned."""
        self._context = context
        self._following = Following(context, dict(self.house.units))
        self._subscriptions = Subscriptions(context)
        self._subscriptions.want(ASSIGNMENT, context.unit)
        for variable in ("energy.import", "energy.export"):
            self._subscriptions.want(variable, self._meter)
        self._subscriptions.want("load_profile", self._meter, now_too=True)
        for unit, variable in self.house.variables():
            self._subscriptions.want(variable, unit, now_too=variable != "device.energy")
        if self._follows_forecasts:
            self._subscriptions.want(FORECAST, context.unit, now_too=True)
        draw = context.stream("offset")
        self._offset_ms = int(draw.integers(0, self._spread_ms + 1))
        self._hour = int(draw.integers(0, _HOURLY))
        context.set_timer("first", context.now_ms + _FIRST_MS + self._offset_ms)
        self._set_slot_timer()

    def timer(self, name: str) -> None:
        """Order what a slot needs; tell what is due to be told."""
        if name == "slot":
            self._following.slot()
            self._context.set_timer("tell", self._context.now_ms + _AFTER_MS + self._offset_ms)
            self._set_slot_timer()
        elif name == "tell":
            self._tell("", always=self._context.now_ms // SLOT_MS % _HOURLY == self._hour)
        elif name in ("first", "soon"):
            self._tell(self._arrived if name == "soon" else "", always=True)
        elif name == Subscriptions.TIMER:
            self._subscriptions.timer()

    def notify(self, notification: Notification) -> None:
        """Take a reading or an assignment."""
        if not self._subscriptions.is_value(notification):
            return
        if not is_sound(notification, self._context.now_ms):
            detail = {"variable": notification.variable}
            self._context.decide("value_refused", notification.location, detail, [notification.id])
        elif notification.variable == ASSIGNMENT:
            self._assigned(notification)
        elif notification.variable == FORECAST:
            if is_forecast(notification.value) and in_slots(notification.value):
                self.house.take_forecast(notification.value)
        elif notification.location == self._meter:
            self.house.load.take(notification)
        else:
            self._device(notification)

    def _set_slot_timer(self) -> None:
        self._context.set_timer("slot", (self._context.now_ms // SLOT_MS + 1) * SLOT_MS)

    def _device(self, notification: Notification) -> None:
        device = self.house.take_device(notification)
        if notification.variable == "ev.session" and notification.value is None:
            for name, unit in self.house.units.items():
                if unit == notification.location:
                    self._following.drop(name)
        if device is not None:
            self._following.drop(device)
            self._arrived = notification.id
            self._context.set_timer("soon", self._context.now_ms + _SETTLE_MS)

    # -- what is told ------------------------------------------------------------------------

    def _tell(self, cause: str, *, always: bool) -> None:
        """Tell the aggregator what this house will draw by itself, and what can be moved of it."""
        self._learn()
        first = self._context.now_ms // SLOT_MS + 1
        base_w = np.rint(self.house.predict(first, _HORIZON)).astype(np.int64)
        outlooks = self._outlooks(first, base_w)
        offers = {o.offer.id: (d, o.offer) for d, o in outlooks.items() if o.offer is not None}
        if not (always or any(outlook.moves(first) for outlook in outlooks.values())):
            return
        wh = _whole_wh(base_w)
        for outlook in outlooks.values():
            for number in range(_HORIZON):
                wh[number] += outlook.default.at(first + number)
        self._serial = max(self._serial + 1, self._context.now_ms // 1000)  # also over a restart
        self._told[self._serial] = offers
        for old in sorted(self._told)[:-_KEPT]:
            del self._told[old]
        profile = Profile(first, tuple(wh))
        told = Told(
            self._context.unit, self._serial, profile, tuple(offers[n][1] for n in sorted(offers))
        )
        self._context.data.write(OFFER, self._aggregator, told.plain(), cause=cause)

    def _learn(self) -> None:
        """Learn from what was measured, and record how the day before had seen it."""
        self.house.learn()
        for slot, what, measured_w, said in self.house.said():
            row = {"t_ms": slot * SLOT_MS, "unit": self._context.unit, "what": what}
            self._context.record("prediction", row | asdict(said) | {"measured_w": measured_w})

    def _outlooks(self, first: int, base_w: Any) -> dict[str, Outlook]:
        """Return what each device that is there will do, and what it offers; batteries last."""
        found: dict[str, Outlook] = {}
        rest_w = base_w.copy()
        order = sorted(self.house.flexible.items(), key=lambda one: (one[1].holds, one[0]))
        span = Span(first * SLOT_MS, first, _HORIZON)
        for number, (device, known) in enumerate(order):
            if not known.present(self._context.now_ms):
                continue
            problem = known.problem(span, self._following.power(device, span.from_ms))
            if problem is None:
                continue
            planned, name = self._following.profile(device), str(number)
            if isinstance(known, Vehicle):
                outlook = of_vehicle(known, problem, planned, first, name=name, terms=self._terms)
            elif isinstance(known, Battery):
                outlook = of_battery(
                    known, planned, first, base_w=rest_w, name=name, terms=self._terms
                )
            else:
                outlook = of_other(problem, first)
            found[device] = outlook
            for slot in range(_HORIZON):
                rest_w[slot] += outlook.default.at(first + slot) * (HOUR_MS // SLOT_MS)
        return found

    # -- what is assigned --------------------------------------------------------------------

    def _assigned(self, notification: Notification) -> None:
        """Follow what is assigned, as far as it keeps to what was offered."""
        assigned = Assigned.of(notification.value)
        if assigned is None:
            return
        offers = self._told.get(assigned.serial, {})
        for name, assignment in sorted(assigned.offers.items()):
            device, offer = offers.get(name, ("", None))
            there = device and self.house.flexible[device].present(self._context.now_ms)
            if offer is None or not there or not offer.allows(assignment):
                self._context.decide("flex_refused", device, {"offer": name}, [notification.id])
                continue
            wait = (0,) * (assignment.slot - offer.earliest)
            value = {"order": assigned.order, "slot": offer.earliest}
            profile = Profile(offer.earliest, (*wait, *assignment.wh))
            facts = [*self.house.flexible[device].causes.values(), notification.id]
            value["wh"] = list(profile.wh)
            decision = self._context.decide("flex_assigned", device, value, facts)
            self._following.follow(device, profile, decision)


def _whole_wh(p_w: Any) -> list[int]:
    """Return the energies of quarter-hours [Wh], the running sum within half of one."""
    sums = np.floor(np.cumsum(p_w / (HOUR_MS // SLOT_MS)) + 0.5)
    out: list[int] = np.diff(sums, prepend=0.0).astype(np.int64).tolist()
    return out
