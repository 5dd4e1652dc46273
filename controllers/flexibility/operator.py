"""The operator of a congestion point (USEF: DSO): buys flexibility where its forecast is too high.

What it knows is its own: the transformer's meter, the meters of customers without a contract, and
what the aggregator tells (prognosis). Its forecast is the sum of these; what the transformer shows
beyond it is expected to go on. Where that is above the limit it asks for less (request), looks at
what is offered (bid), takes it if it helps and is worth its price (order), and pays by the meters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from controllers.balancing.neighbours import Neighbours
from controllers.balancing.sound import is_sound
from controllers.balancing.subscriptions import Subscriptions
from controllers.flexibility.beyond import Beyond
from controllers.flexibility.metering import MeterReading
from controllers.flexibility.offers import Profile
from controllers.flexibility.records import (
    BID,
    ORDER,
    PROGNOSIS,
    REQUEST,
    SETTLEMENT,
    Bid,
    Order,
    Prognosis,
    Request,
    Settled,
)
from controllers.flexibility.scheduling import Ints
from controllers.flexibility.settlement import Sold, Terms, settle
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import HOUR_MS, SLOT_MS, Clock

__all__ = ["Operator"]

_PER_H, _KEPT_SLOTS, _ANSWER_MS, _AGAIN_MS = HOUR_MS // SLOT_MS, 400, 60_000, 600_000
_SETTLE_MS, _WAIT_MS = 40 * 60_000, 2 * HOUR_MS
_MOST_WH = 1 << 30


@dataclass(slots=True)
class _Open:
    """A request that waits for a bid."""

    request: Request
    forecast_wh: Ints
    decision: str


class Operator:
    """Watches one congestion point."""

    name = "flexibility"

    def __init__(self, params: Mapping[str, Any], start: Clock) -> None:
        self._area, self._aggregator = str(params["area"]), str(params["aggregator"])
        self._limit_wh = float(params["limit_w"]) / _PER_H
        self._limit_wh *= 1.0 - float(params.get("margin_percent", 5.0)) / 100.0
        self._most_cent_per_mwh = float(params.get("most_cent_per_mwh", 50_000))
        self._terms = Terms(int(params.get("penalty_cent_per_mwh", 0)))
        self._meters = [str(meter) for meter in params["meters"]]
        self._others = sorted(str(meter) for meter in params.get("others", ()))
        self._neighbours = Neighbours(start, params.get("predictor", {}))
        self._beyond = Beyond(start)
        self._prognosis: Prognosis | None = None
        self._stated: dict[int, int] = {}  # by slot: the last prognosis before it began
        self._expected: dict[int, int] = {}  # that, and the others
        self._open: _Open | None = None
        self._quiet_ms = -1
        self._sold: list[Sold] = []
        self._settling: tuple[MeterReading, list[Sold]] | None = None

    def start(self, context: UnitContext) -> None:
        """Follow own meter, the others', and the aggregator."""
        self._context = context
        self._subscriptions = Subscriptions(context)
        for variable in (PROGNOSIS, BID):
            self._subscriptions.want(variable, context.unit)
        for meter in self._others:
            self._neighbours.follow(meter, self._subscriptions)
        self._beyond.start(context.unit, self._subscriptions)

    def timer(self, name: str) -> None:
        """Look again; settle what is over."""
        if name == Subscriptions.TIMER:
            self._subscriptions.timer()
        elif name == "look":
            self._open = None
            self._look("")
        elif name == "settle":
            self._begin_settling()

    def notify(self, notification: Notification) -> None:
        """Take a reading, what the aggregator writes, or a meter's answer."""
        if self._settling is not None and self._settling[0].take(notification):
            self._go_on_settling()
            return
        if not self._subscriptions.is_value(notification):
            return
        if not is_sound(notification, self._context.now_ms):
            self._refuse(notification)
        elif notification.variable == PROGNOSIS:
            self._stated_anew(notification)
        elif notification.variable == BID:
            self._offered(notification)
        elif not self._beyond.take(notification):
            self._neighbours.take(notification)

    def _refuse(self, notification: Notification) -> None:
        detail = {"variable": notification.variable}
        self._context.decide("value_refused", notification.location, detail, [notification.id])

    # -- forecast ----------------------------------------------------------------------------

    def _stated_anew(self, notification: Notification) -> None:
        """Take a prognosis; look whether it is too much."""
        prognosis = Prognosis.of(notification.value)
        now = self._context.now_ms // SLOT_MS
        if prognosis is None or prognosis.area != self._area:
            self._refuse(notification)
            return
        if abs(prognosis.profile.slot - now) > len(prognosis.profile.wh):
            self._refuse(notification)
            return
        if self._prognosis is not None and prognosis.serial <= self._prognosis.serial:
            return
        self._beyond.learn({slot: wh for slot, wh in self._expected.items() if slot < now})
        self._prognosis = prognosis
        others_wh = self._others_wh(prognosis.profile.slot, len(prognosis.profile.wh))
        for slot, wh in enumerate(prognosis.profile.wh, prognosis.profile.slot):
            if slot > now:
                self._stated[slot] = wh
                self._expected[slot] = wh + int(others_wh[slot - prognosis.profile.slot])
        for slot in [s for s in self._stated if s < now - _KEPT_SLOTS]:
            del self._stated[slot], self._expected[slot]
        if self._open is not None and self._open.request.serial != prognosis.serial:
            self._open = None  # the aggregator counts with another prognosis now
        if self._open is None and self._context.now_ms >= self._quiet_ms:
            self._look(notification.id)

    def _others_wh(self, slot: int, slots: int) -> Ints:
        total = np.zeros(slots, dtype=np.int64)
        for meter in self._others:
            total += self._neighbours.predict(meter, slot, slots, 1)
        return total // _PER_H

    def forecast_wh(self, slot: int, slots: int) -> Ints:
        """Return what the transformer is expected to carry [Wh] in each slot."""
        assert self._prognosis is not None
        own = self._prognosis.profile
        stated = np.array([own.at(s) for s in range(slot, slot + slots)], dtype=np.int64)
        return stated + self._others_wh(slot, slots) + self._beyond.expect_wh(slot, slots)

    # -- trade -------------------------------------------------------------------------------

    def _look(self, cause: str) -> None:
        """Ask for less where the forecast is above the limit."""
        if self._prognosis is None:
            return
        own, now_ms = self._prognosis.profile, self._context.now_ms
        slot = max(now_ms // SLOT_MS + 1, own.slot)
        slots = own.slot + len(own.wh) - slot
        if slots <= 0:
            return
        forecast = self.forecast_wh(slot, slots)
        room = np.clip(np.floor(self._limit_wh - forecast), -_MOST_WH, _MOST_WH).astype(np.int64)
        if (room >= 0).all():
            return
        name, until_ms = f"{self._area}/{now_ms}", now_ms + _ANSWER_MS
        profile = Profile(slot, tuple(room.tolist()))
        request = Request(name, self._area, self._prognosis.serial, profile, until_ms)
        over = np.maximum(-room, 0)
        detail = {
            "slot": slot + int(np.argmax(over > 0)),
            "wh": int(over.sum()),
            "peak_w": int(forecast.max()) * _PER_H,
        }
        decision = self._context.decide("flex_request", name, detail, [cause] if cause else [])
        self._open = _Open(request, forecast, decision)
        self._context.data.write(REQUEST, self._aggregator, request.plain(), cause=decision)
        self._context.set_timer("look", until_ms + _AGAIN_MS)

    def _offered(self, notification: Notification) -> None:
        """Take a bid, if it helps and is worth it."""
        bid, waits = Bid.of(notification.value), self._open
        if bid is None:
            self._refuse(notification)
            return
        if waits is None or bid.request != waits.request.id:
            return
        room = waits.request.room
        if (bid.change.slot, len(bid.change.wh)) != (room.slot, len(room.wh)):
            self._refuse(notification)
            return
        self._open = None
        change = np.array(bid.change.wh, dtype=np.int64)
        before = float(np.maximum(waits.forecast_wh - self._limit_wh, 0).sum())
        after = float(np.maximum(waits.forecast_wh + change - self._limit_wh, 0).sum())
        detail = {"wh": bid.reduced_wh, "cent": bid.cent, "relief_wh": round(before - after)}
        worth = (before - after) * self._most_cent_per_mwh / 1e6
        causes = [waits.decision, notification.id]
        if before - after < 1.0 or bid.cent > worth:
            self._context.decide("flex_declined", bid.id, detail, causes)
            self._quiet_ms = self._context.now_ms + _AGAIN_MS
            self._context.set_timer("look", self._quiet_ms)
            return
        order = Order(f"{bid.id}/order", bid.id, self._area)
        told = self._context.decide("flex_order", order.id, detail, causes)
        self._context.data.write(ORDER, self._aggregator, order.plain(), cause=told)
        sold = Sold(order.id, bid.change, bid.cent)
        if sold.slots:
            self._sold.append(sold)
        self._context.cancel_timer("look")
        self._set_settle_timer()

    # -- settlement --------------------------------------------------------------------------

    def _set_settle_timer(self) -> None:
        """Settle when all is over, and the meters had time to tell; after some hours what is."""
        ends_ms = [_over_ms(one) for one in self._sold]
        if ends_ms:
            at_ms = max(min(max(ends_ms), min(ends_ms) + _WAIT_MS), self._context.now_ms + 1)
            self._context.set_timer("settle", at_ms)

    def _begin_settling(self) -> None:
        """Read the meters of those who have a contract, of the time that was paid for."""
        over = [one for one in self._sold if _over_ms(one) <= self._context.now_ms]
        if self._settling is not None or not over:
            return
        first = min(one.slots[0] for one in over)
        end = max(one.slots[-1] for one in over) + 1
        self._settling = (MeterReading(self._context, self._meters, first, end), over)
        self._go_on_settling()

    def _go_on_settling(self) -> None:
        assert self._settling is not None
        reading, over = self._settling
        reading.ask()
        if not reading.done:
            return
        self._settling = None
        measured, missing = reading.sums_wh()
        rows = settle(over, self._sold, self._stated, measured, self._terms)
        name = f"{self._area}/settlement/{self._context.now_ms}"
        settled = Settled(name, self._area, tuple(rows), missing)
        self._record(over, measured)
        self._sold = [one for one in self._sold if one not in over]
        cent = round(sum(row[3] for row in rows), 3)
        detail = {
            "from": self._context.unit, "to": self._aggregator, "cent": cent,
            "orders": len(rows), "ordered_wh": sum(row[1] for row in rows),
            "delivered_wh": sum(row[2] for row in rows), "missing": missing,
        }  # fmt: skip
        told = self._context.decide("flex_settled", name, detail, [row[0] for row in rows])
        self._context.data.write(SETTLEMENT, self._aggregator, settled.plain(), cause=told)
        self._set_settle_timer()

    def _record(self, over: list[Sold], measured: Mapping[int, float]) -> None:
        """Write down each quarter-hour that was paid for."""
        for slot in sorted({slot for one in over for slot in one.slots}):
            self._context.record(
                "flexibility",
                {
                    "t_ms": slot * SLOT_MS,
                    "unit": self._context.unit,
                    "area": self._area,
                    "stated_wh": self._stated.get(slot),
                    "ordered_wh": sum(one.reduced_wh(slot) for one in over),
                    "measured_wh": measured.get(slot),
                },
            )


def _over_ms(one: Sold) -> int:
    """Return when an order is over, and the meters had time to tell."""
    return (one.slots[-1] + 1) * SLOT_MS + _SETTLE_MS
