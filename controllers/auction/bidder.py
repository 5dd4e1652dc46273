"""Bidder: what a house would draw at each price, and its devices at the price that came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controllers.auction.bids import KINDS, Bidding
from controllers.auction.ladder import STEPS, UNIT_W, Curve, flat
from controllers.auction.records import BID, PRICE, price_of
from controllers.balancing.registers import Register
from controllers.balancing.sound import is_sound
from controllers.balancing.subscriptions import Subscriptions
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["Bidder"]

_BEYOND_MS = 60_000
_REGISTERS = ("energy.import", "energy.export")


class Bidder:
    """Bids for one house at the beginning of each slot, and when a vehicle comes.

    The load that has no choice is bid as it was in the last slot measured. An order holds until a
    little beyond the next slot: where no price comes for half an hour, devices are under their
    own rules again.
    """

    name = "auction"

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._market, self._meter = str(params["market"]), str(params["meter"])
        self._delay_ms = round(1000 * float(params.get("delay_s", 5.0)))
        self._spread_ms = round(1000 * float(params.get("spread_s", 10.0)))
        self._devices: dict[str, Bidding] = {}
        for plate in params.get("devices", ()):
            self._devices[str(plate["id"])] = KINDS[plate["kind"]][0](plate)
        self._of_unit = {device.unit: name for name, device in self._devices.items()}
        self._registers = {name: Register() for name in _REGISTERS}
        self._causes: dict[str, str] = {}
        self._price: tuple[int, int, str] | None = None  # slot, price, notification

    def start(self, context: UnitContext) -> None:
        """Follow meter, devices and the market's price."""
        self._context = context
        self._offset_ms = self._delay_ms + int(
            context.stream("offset").integers(0, max(self._spread_ms, 1))
        )
        self._subscriptions = Subscriptions(context)
        self._subscriptions.want(PRICE, self._market)
        for register in _REGISTERS:
            self._subscriptions.want(register, self._meter)
        for device in self._devices.values():
            variable = KINDS[device.plate["kind"]][1]
            self._subscriptions.want(variable, device.unit, now_too=True)
            self._subscriptions.want("device.energy", device.unit)
        self._set_timer()

    def timer(self, name: str) -> None:
        """Bid for the slot that has begun; ask again for what was not heard."""
        if name == Subscriptions.TIMER:
            self._subscriptions.timer()
        elif name == "bid":
            self._set_timer()
            self._bid("")

    def notify(self, notification: Notification) -> None:
        """Take a price or a reading."""
        if not self._subscriptions.is_value(notification):
            return
        variable, value = notification.variable, notification.value
        if variable == PRICE:
            self._priced(notification)
        elif not is_sound(notification, self._context.now_ms):
            detail = {"variable": variable}
            self._context.decide("value_refused", notification.location, detail, [notification.id])
        elif notification.location == self._meter and variable in self._registers:
            self._registers[variable].add(notification.t_ms, float(value))
            self._causes[variable] = notification.id
        elif notification.location in self._of_unit:
            self._read(self._devices[self._of_unit[notification.location]], notification)

    def _set_timer(self) -> None:
        passed = (self._context.now_ms - self._offset_ms) // SLOT_MS
        self._context.set_timer("bid", (passed + 1) * SLOT_MS + self._offset_ms)

    def _read(self, device: Bidding, notification: Notification) -> None:
        device.causes[notification.variable] = notification.id
        if device.take(notification.variable, notification.value, notification.t_ms):
            self._bid(notification.id)
            if self._price is not None and device.bid is not None:
                self._order(str(device.plate["id"]), device, self._price)

    # -- bidding

    def _bid(self, cause: str) -> None:
        """Bid for what is left of the slot that runs."""
        now_ms = self._context.now_ms
        slot = now_ms // SLOT_MS
        total, facts = flat(self._base_w(slot)), list(self._causes.values())
        for device in self._devices.values():
            device.bid = device.make(now_ms, slot)
            if device.bid is not None:
                total = total + device.bid
                facts += device.causes.values()
        value = {
            "bidder": self._context.unit,
            "slot": slot,
            "unit_w": UNIT_W,
            "demand": total.tolist(),
        }
        told = {"slot": slot, "most_w": UNIT_W * int(total[0]), "least_w": UNIT_W * int(total[-1])}
        facts += [cause] if cause and cause not in facts else []
        decision = self._context.decide("bid", self._context.unit, told, facts)
        self._context.data.write(BID, self._market, value, cause=decision)

    def _base_w(self, slot: int) -> float:
        """Return what the house drew without its devices in the newest slot that is measured."""
        drawn, fed_in = (self._registers[name] for name in _REGISTERS)
        for past in range(slot - 1, slot - 5, -1):
            means = (drawn.mean_w(past), fed_in.mean_w(past))
            if means[0] is not None and means[1] is not None:
                moved_w = sum(one.energy.mean_w(past) or 0.0 for one in self._devices.values())
                return means[0] - means[1] - moved_w
        return 0.0

    # -- the price

    def _priced(self, notification: Notification) -> None:
        price = price_of(notification.value, STEPS)
        slot = self._context.now_ms // SLOT_MS
        if price is None or abs(price[0] - slot) > 1:
            return
        if self._price is not None and price[0] < self._price[0]:
            return
        self._price = (*price, notification.id)
        for name in sorted(self._devices):
            self._order(name, self._devices[name], self._price)

    def _order(self, name: str, device: Bidding, price: tuple[int, int, str]) -> None:
        """Have a device do what was bid for it at the price."""
        bid: Curve | None = device.bid
        if bid is None:
            return
        slot, at, cause = price
        p_w = float(UNIT_W * int(bid[at]))
        value = {"p_w": p_w, "until_ms": (slot + 2) * SLOT_MS + _BEYOND_MS}
        causes: Sequence[str] = [*device.causes.values(), cause]
        decision = self._context.decide("order", name, value | {"price": at}, causes)
        device.order(self._context.now_ms, p_w)
        self._context.data.write("set_point", device.unit, value, cause=decision)
