"""The aggregator's side of demand response: asks substations, adds up promises and deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.response.records import DELIVERY, PROMISE, REQUEST, Delivery, Promise, Request
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["ResponseIssuer"]

_PROMISED_MS = 1_800_000
_SETTLED_MS = 1_800_000


@dataclass(slots=True)
class _Asked:
    """One request, and what has come back of it, by unit."""

    request: Request
    cause: str
    promises: dict[str, Promise] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    causes: dict[str, list[str]] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)


class ResponseIssuer:
    """Passes what it is fed with to units that manage demand response, and keeps the books."""

    name = "response"

    def __init__(self, managers: Sequence[str], rebound_ms: int) -> None:
        self._managers, self._rebound_ms = tuple(managers), rebound_ms
        self._open: dict[str, _Asked] = {}
        self._writes: dict[str, tuple[str, str]] = {}

    def start(self, context: UnitContext) -> None:
        """Wait for requests, promises and deliveries."""
        self._context = context
        for variable in (REQUEST, PROMISE, DELIVERY):
            context.data.event(variable, context.unit)

    def notify(self, notification: Notification) -> None:
        """Take a request to pass on, what is promised and delivered, or who cannot be asked."""
        written = self._writes.pop(notification.request, None)
        if written is not None:
            self._written(*written, notification)
            return
        if notification.location != self._context.unit or notification.t_ms < 0:
            return
        if notification.variable == REQUEST:
            self._ask(notification)
        elif notification.variable == PROMISE:
            promise = Promise.of(notification.value)
            if promise is not None and self._is_asked(promise.id, promise.unit):
                self._take_promise(promise, notification.id)
        elif notification.variable == DELIVERY:
            delivery = Delivery.of(notification.value)
            if delivery is not None and self._is_asked(delivery.id, delivery.unit):
                self._take_delivery(delivery, notification.id)

    def timer(self, name: str) -> None:
        """Add up what is there, when the time for it is over."""
        what, _, key = name.partition(" ")
        if key in self._open:
            self._add_up(self._open[key], what)

    def _ask(self, notification: Notification) -> None:
        request, context = Request.of(notification.value), self._context
        if request is None or request.id in self._open:
            context.decide("response_refused", context.unit, None, (notification.id,))
            return
        told = context.decide("response_asked", request.id, request.plain(), (notification.id,))
        self._open[request.id] = _Asked(request, told)
        for unit in self._managers:
            issued = context.data.write(REQUEST, unit, request.plain(), cause=told)
            self._writes[issued.id] = (request.id, unit)
        context.set_timer(f"promises {request.id}", context.now_ms + _PROMISED_MS)
        over_ms = request.ends_ms + self._rebound_ms + _SETTLED_MS
        context.set_timer(f"deliveries {request.id}", over_ms)

    def _written(self, key: str, unit: str, outcome: Notification) -> None:
        """Count a unit that could not be asked as one that promises nothing."""
        if outcome.result is not Result.OK:
            why = outcome.result.label
            self._take_promise(Promise(key, unit, 0.0, 0.0, None, why=why), outcome.id)

    def _is_asked(self, key: str, unit: str) -> bool:
        return key in self._open and unit in self._managers

    def _take_promise(self, promise: Promise, cause: str) -> None:
        one = self._open[promise.id]
        one.promises[promise.unit] = promise
        one.causes.setdefault("promises", []).append(cause)
        if len(one.promises) == len(self._managers):
            self._add_up(one, "promises")

    def _take_delivery(self, delivery: Delivery, cause: str) -> None:
        one = self._open[delivery.id]
        one.deliveries[delivery.unit] = delivery
        one.causes.setdefault("deliveries", []).append(cause)
        following = [unit for unit, promise in one.promises.items() if promise.following]
        if all(unit in one.deliveries for unit in following):
            self._add_up(one, "deliveries")

    def _add_up(self, one: _Asked, what: str) -> None:
        """Tell the sums, each time they are others than before."""
        if what == "promises":
            kind, value = "response_promised", _promised(one)
        else:
            kind, value = "response_settled", _delivered(one)
        if one.told.get(what) != value:
            one.told[what] = value
            causes = [one.cause, *one.causes.get(what, ())]
            self._context.decide(kind, one.request.id, value, causes)


def _promised(one: _Asked) -> dict[str, Any]:
    promises = [one.promises[unit] for unit in sorted(one.promises)]
    return {
        "id": one.request.id,
        "units": len(promises),
        "baseline_wh": _sum([promise.baseline_wh for promise in promises]),
        "asked_wh": _sum([promise.asked_wh for promise in promises]),
        "promised_wh": _sum([promise.promised_wh or 0.0 for promise in promises]),
        "following": sum(promise.following for promise in promises),
        "refused": sum(promise.refused for promise in promises),
        "silent": sum(promise.silent for promise in promises),
    }


def _delivered(one: _Asked) -> dict[str, Any]:
    deliveries = [one.deliveries[unit] for unit in sorted(one.deliveries)]
    return {
        "id": one.request.id,
        "units": len(deliveries),
        "asked_wh": _sum([delivery.asked_wh for delivery in deliveries]),
        "promised_wh": _sum([delivery.promised_wh or 0.0 for delivery in deliveries]),
        "delivered_wh": _sum([delivery.delivered_wh or 0.0 for delivery in deliveries]),
        "rebound_wh": _sum([delivery.rebound_wh or 0.0 for delivery in deliveries]),
        "unmetered": sum(delivery.unmetered for delivery in deliveries),
        "paid_cent": _sum([delivery.paid_cent for delivery in deliveries]),
    }


def _sum(values: Sequence[float]) -> float:
    return round(sum(values), 3)
