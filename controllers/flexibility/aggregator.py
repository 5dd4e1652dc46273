"""The aggregator (USEF: AGR): sells its customers' flexibility to operators of congestion points.

Customers write what they expect and offer. It tells each area's operator the sum (prognosis), with
what it expects of those who are still to come home, and answers a request with a bid: offers summed
up, scheduled below the limits, at the customers' prices and its own share on top. What an operator
orders is handed down to customers exactly, and the sum told anew. What is paid for by the meters
goes on to those who moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from controllers.balancing.subscriptions import Subscriptions
from controllers.flexibility.aggregation import Tolerance
from controllers.flexibility.offers import Profile
from controllers.flexibility.portfolio import Deal, Portfolio
from controllers.flexibility.records import (
    ASSIGNMENT,
    BID,
    OFFER,
    ORDER,
    PROGNOSIS,
    REQUEST,
    SETTLEMENT,
    STATEMENT,
    Bid,
    Order,
    Prognosis,
    Request,
    Settled,
    Told,
)
from controllers.flexibility.scheduling import as_array
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["Aggregator"]

_HORIZON, _SETTLE_MS, _VALID_MS, _KEPT_MS = 96, 3_000, 120_000, 2 * 86_400_000
_NOBODY = Profile(0)
_HEARD = (OFFER, REQUEST, ORDER, SETTLEMENT)


@dataclass(slots=True)
class _Area:
    """One congestion point: who operates it, who of its customers has a contract."""

    operator: str
    portfolio: Portfolio
    told: Prognosis | None = None
    coming: Profile = _NOBODY  # of that, who is still to come
    due_ms: int = -1
    sent_ms: int = -(1 << 40)
    cause: str = ""


@dataclass(frozen=True, slots=True)
class _Bid:
    bid: Bid
    deal: Deal


class Aggregator:
    """One unit for all areas."""

    name = "flexibility"

    def __init__(self, params: Mapping[str, Any]) -> None:
        limits = params.get("tolerance", {})
        tolerance = Tolerance(**{str(key): int(value) for key, value in limits.items()})
        self._areas = {
            str(area): _Area(str(what["operator"]), Portfolio(tolerance))
            for area, what in sorted(params["areas"].items())
        }
        self._area_of = {
            str(customer): area
            for area, what in params["areas"].items()
            for customer in what["customers"]
        }
        self._share = float(params.get("share_percent", 20.0)) / 100.0
        self._gap_ms = round(1000 * float(params.get("gap_s", 30.0)))
        self._bids: dict[str, _Bid] = {}
        self._sold: dict[str, tuple[int, _Bid]] = {}  # by order
        self._assigning: dict[str, str] = {}  # request: customer
        self._number = 0

    def start(self, context: UnitContext) -> None:
        """Follow what customers and operators write here."""
        self._context = context
        self._subscriptions = Subscriptions(context)
        for variable in _HEARD:
            self._subscriptions.want(variable, context.unit)

    def timer(self, name: str) -> None:
        """Tell operators what is due."""
        if name == Subscriptions.TIMER:
            self._subscriptions.timer()
            return
        for area, one in self._areas.items():
            if 0 <= one.due_ms <= self._context.now_ms:
                self._prognose(area, one)
        self._set_timer()

    def notify(self, notification: Notification) -> None:
        """Take what customers and operators write, and what became of assignments."""
        customer = self._assigning.pop(notification.request, "")
        if customer:
            if notification.result is not Result.OK:
                detail = {"result": notification.result.label}
                self._context.decide("flex_unassigned", customer, detail, [notification.id])
            return
        if not self._subscriptions.is_value(notification):
            return
        handlers: dict[str, Callable[[Any, str], bool]] = {
            OFFER: self._offered, REQUEST: self._requested, ORDER: self._ordered,
            SETTLEMENT: self._settled,
        }  # fmt: skip
        if not handlers[notification.variable](notification.value, notification.id):
            detail = {"variable": notification.variable}
            self._context.decide("value_refused", self._context.unit, detail, [notification.id])

    # -- customers ---------------------------------------------------------------------------

    def _offered(self, value: Any, cause: str) -> bool:
        told = Told.of(value)
        area = self._area_of.get(told.customer) if told is not None else None
        if told is None or area is None or not self._is_near(told.profile):
            return False
        one = self._areas[area]
        if one.portfolio.take(told, cause):
            one.cause = cause
            self._tell_soon(one)
        return True

    def _is_near(self, profile: Profile) -> bool:
        return abs(profile.slot - self._context.now_ms // SLOT_MS) <= _HORIZON

    def _tell_soon(self, one: _Area) -> None:
        """Tell the operator in a few seconds, as others may follow; not all the time."""
        if one.due_ms < 0:
            one.due_ms = max(self._context.now_ms + _SETTLE_MS, one.sent_ms + self._gap_ms)
            self._set_timer()

    def _set_timer(self) -> None:
        due = [one.due_ms for one in self._areas.values() if one.due_ms >= 0]
        if due:
            self._context.set_timer("prognosis", min(due))

    def _prognose(self, area: str, one: _Area) -> None:
        """Tell the operator of an area the sum of the customers there."""
        one.due_ms, one.sent_ms = -1, self._context.now_ms
        slot = self._context.now_ms // SLOT_MS + 1
        self._number = max(self._number + 1, self._context.now_ms // 1000)
        coming = one.portfolio.coming_wh(self._context.now_ms, _HORIZON)
        one.coming = Profile(slot, tuple(coming.tolist()))
        profile = Profile(slot, tuple((one.portfolio.sum_wh(slot, _HORIZON) + coming).tolist()))
        one.told = Prognosis(area, self._number, profile, len(one.portfolio.entries))
        self._context.data.write(PROGNOSIS, one.operator, one.told.plain(), cause=one.cause)

    # -- operators ---------------------------------------------------------------------------

    def _requested(self, value: Any, cause: str) -> bool:
        request = Request.of(value)
        one = self._areas.get(request.area) if request is not None else None
        if request is None or one is None or not self._is_near(request.room):
            return False
        now_ms = self._context.now_ms
        if one.told is None or request.serial != one.told.serial or request.until_ms <= now_ms:
            return True  # it speaks of another prognosis than the last; the next one is on its way
        slot, slots = request.room.slot, len(request.room.wh)
        stated = as_array(one.told.profile, slot, slots) - as_array(one.coming, slot, slots)
        limit_wh = stated + as_array(request.room, slot, slots)
        deal = one.portfolio.plan(slot, limit_wh, now_ms, self._context.stream(request.id))
        bid = Bid(
            f"{request.id}/bid",
            request.id,
            request.area,
            deal.change,
            round(deal.cent * (1.0 + self._share), 3),
            now_ms + _VALID_MS,
        )
        self._bids = {
            name: kept for name, kept in self._bids.items() if kept.bid.until_ms > now_ms
        } | {bid.id: _Bid(bid, deal)}
        detail = {"wh": bid.reduced_wh, "cent": bid.cent, "offers": deal.offers}
        detail |= {"aggregates": deal.aggregates, "customers": len(deal.assigned)}
        told = self._context.decide("flex_bid", bid.id, detail, [cause])
        self._context.data.write(BID, one.operator, bid.plain(), cause=told)
        return True

    def _ordered(self, value: Any, cause: str) -> bool:
        """Hand down what an operator ordered."""
        order = Order.of(value)
        one = self._areas.get(order.area) if order is not None else None
        if order is None or one is None:
            return False
        held, now_ms = self._bids.pop(order.bid, None), self._context.now_ms
        if held is None or held.bid.until_ms < now_ms:
            self._context.decide("flex_order_late", order.id, {"bid": order.bid}, [cause])
            return True
        self._sold = {n: k for n, k in self._sold.items() if now_ms - k[0] < _KEPT_MS}
        self._sold[order.id] = (now_ms, held)
        for customer, assigned in one.portfolio.commit(held.deal).items():
            what = replace(assigned, order=order.id).plain()
            issued = self._context.data.write(ASSIGNMENT, customer, what, cause=cause)
            self._assigning[issued.id] = customer
        one.cause, one.due_ms = cause, now_ms
        self._set_timer()
        return True

    def _settled(self, value: Any, cause: str) -> bool:
        """Pay customers as the meters say that was delivered."""
        settled = Settled.of(value)
        if settled is None:
            return False
        owed: dict[str, tuple[float, float]] = {}
        for order, ordered_wh, delivered_wh, _ in settled.orders:
            held = self._sold.pop(order, None)
            if held is None or ordered_wh <= 0:
                continue
            part = delivered_wh / ordered_wh
            for customer, (less_wh, own_cent) in held[1].deal.moved.items():
                before = owed.get(customer, (0.0, 0.0))
                owed[customer] = (before[0] + less_wh * part, before[1] + own_cent * part)
        for customer, (wh, cent) in sorted(owed.items()):
            statement = {"id": settled.id, "wh": round(wh), "cent": round(cent, 3)}
            paid = {"from": self._context.unit, "to": customer, "cent": statement["cent"]}
            told = self._context.decide("flex_paid", settled.id, paid | {"wh": round(wh)}, [cause])
            self._context.data.write(STATEMENT, customer, statement, cause=told)
        return True
