"""Market: adds up the bids of those below, and finds the price or asks for it above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controllers.auction.ladder import STEPS, UNIT_W, Curve, Supply, cleared, flat
from controllers.auction.records import BID, PRICE, bid_of, price_of
from controllers.balancing.subscriptions import Subscriptions
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["Market", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Who bids, and what is supplied at which price.

    ``supply_w`` is what there is at the lowest and at the highest price, straight between them;
    None of a market that is itself a bidder at ``above``. Bids of a slot that are not there
    ``deadline_s`` after it began count as they were, for up to ``keep_slots``; those that come
    between are cleared ``settle_s`` after the first of them.
    """

    bidders: Sequence[str]
    supply_w: Sequence[float] | None = None
    above: str = ""
    deadline_s: float = 30.0
    settle_s: float = 5.0
    keep_slots: int = 4


@dataclass(slots=True)
class _Bid:
    slot: int
    demand: Curve
    cause: str


class Market:
    """Holds an auction for each slot, and again when bids change within one."""

    name = "auction"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bidders = frozenset(settings.bidders)
        self._bids: dict[str, _Bid] = {}
        self._held = -1  # the last slot whose auction was held
        self._supply = None if settings.supply_w is None else Supply(*settings.supply_w).curve()

    def start(self, context: UnitContext) -> None:
        """Follow bids, and the price of the market above."""
        self._context = context
        self._subscriptions = Subscriptions(context)
        self._subscriptions.want(BID, context.unit)
        if self._settings.above:
            self._subscriptions.want(PRICE, self._settings.above)
        self._set_deadline()

    def timer(self, name: str) -> None:
        """Hold the auction with the bids that are here."""
        if name == Subscriptions.TIMER:
            self._subscriptions.timer()
            return
        if name == "deadline":
            self._set_deadline()
            if self._held >= self._slot:
                return  # it was held as soon as all bids were there
        self._hold()

    def notify(self, notification: Notification) -> None:
        """Take a bid, or the price of the market above."""
        if not self._subscriptions.is_value(notification):
            return
        if notification.variable == PRICE:
            price = price_of(notification.value, STEPS)
            if price is not None and notification.location == self._settings.above:
                self._publish(*price, self._sum()[0], [notification.id])
            return
        bid = bid_of(notification.value, STEPS, UNIT_W)
        if bid is None or bid[0] not in self._bidders:
            detail = {"variable": notification.variable}
            self._context.decide("value_refused", self._context.unit, detail, [notification.id])
            return
        self._take(*bid, notification.id)

    @property
    def _slot(self) -> int:
        return self._context.now_ms // SLOT_MS

    def _set_deadline(self) -> None:
        deadline_ms = round(1000 * self._settings.deadline_s)
        passed = (self._context.now_ms - deadline_ms) // SLOT_MS
        self._context.set_timer("deadline", (passed + 1) * SLOT_MS + deadline_ms)

    def _take(self, bidder: str, slot: int, demand: Curve, cause: str) -> None:
        known = self._bids.get(bidder)
        if slot > self._slot + 1 or (known is not None and slot < known.slot):
            return
        self._bids[bidder] = _Bid(slot, demand, cause)
        if self._held < self._slot:
            if sum(bid.slot == self._slot for bid in self._bids.values()) == len(self._bidders):
                self._hold()
        elif slot == self._slot:
            settle_ms = round(1000 * self._settings.settle_s)
            self._context.set_timer("settle", self._context.now_ms + settle_ms)

    def _sum(self) -> tuple[Curve, list[str], int]:
        """Return the demand of all bids that count, where they came from, how many are new."""
        slot, total = self._slot, flat(0.0)
        counting = [
            self._bids[name]
            for name in sorted(self._bids)
            if self._bids[name].slot >= slot - self._settings.keep_slots
        ]
        for bid in counting:
            total = total + bid.demand
        return total, [bid.cause for bid in counting], sum(bid.slot >= slot for bid in counting)

    def _hold(self) -> None:
        """Hold the auction of the slot that runs: clear, or bid above."""
        slot, (demand, causes, heard) = self._slot, self._sum()
        again = self._held >= slot
        self._held = slot
        if not causes:
            return
        unit = self._context.unit
        if self._supply is None:
            told = {"slot": slot, "bids": heard}
            decision = self._context.decide("bid", unit, told, causes)
            value = {"bidder": unit, "slot": slot, "unit_w": UNIT_W, "demand": demand.tolist()}
            self._context.data.write(BID, self._settings.above, value, cause=decision)
            self._record(slot, None, demand, heard, again)
            return
        price = cleared(demand, self._supply)
        self._record(slot, price, demand, heard, again)
        self._publish(slot, price, demand, causes)

    def _publish(self, slot: int, price: int, demand: Curve, causes: Sequence[str]) -> None:
        told = {"slot": slot, "price": price, "demand_w": UNIT_W * int(demand[price])}
        decision = self._context.decide("price", self._context.unit, told, causes)
        value = {"slot": slot, "price": price}
        self._context.data.write(PRICE, self._context.unit, value, cause=decision)

    def _record(self, slot: int, price: int | None, demand: Curve, heard: int, again: bool) -> None:
        row = {
            "t_ms": self._context.now_ms,
            "unit": self._context.unit,
            "slot_ms": slot * SLOT_MS,
            "price": price,
            "demand_w": float(UNIT_W * demand[STEPS // 2 if price is None else price]),
            "most_w": float(UNIT_W * demand[0]),
            "least_w": float(UNIT_W * demand[-1]),
            "bidders": len(self._bidders),
            "bids": heard,
            "again": again,
        }
        self._context.record("auction", row)
