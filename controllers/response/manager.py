"""Demand response at a substation: baseline, who follows, promise by negotiation, delivery.

1. A request comes. What customers under contract would draw is fixed before any of them hears of
   it: by the plan that they have agreed to, and by the days before.
2. Each whose contract allows it is called, a few at a time; who answers that it follows is a
   member, who is silent is not.
3. Balancing gets a window: what the members are to draw together. What they then agree to is the
   promise, which goes to the issuer.
4. Who opts out is a member no longer, from that instant on, and may go back to its baseline.
5. When the rebound is over, meters tell what was delivered; what the contract pays goes up too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from controllers.balancing.desired import AGREED, WINDOWS
from controllers.response.baseline import Days, Rule
from controllers.response.event import Event, Part
from controllers.response.meters import MeterReader
from controllers.response.records import (
    ANSWER,
    CALL,
    DELIVERY,
    PROMISE,
    REQUEST,
    Answer,
    Contract,
    Request,
)
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import DAY_MS, HOUR_MS, SLOT_MS, Clock

__all__ = ["ManagerSettings", "ResponseManager"]

_BEFORE_SLOTS = 8
_SETTLED_MS = 10 * 60_000  # after the last slot: its registers have come by then
_READ_MS = 12 * HOUR_MS
_PER_DAY = DAY_MS // SLOT_MS


@dataclass(frozen=True, slots=True)
class ManagerSettings:
    """How patiently customers are called, and how a delivery is judged."""

    answer_ms: int = 300_000
    promise_ms: int = 900_000
    parallel: int = 2
    rebound_slots: int = 16
    by_days: bool = False


class ResponseManager:
    """Demand response of the customers below one unit that balances them."""

    name = "response"

    def __init__(
        self, contracts: Sequence[Contract], settings: ManagerSettings, rule: Rule, start: Clock
    ) -> None:
        self._contracts = sorted(contracts, key=lambda one: one.unit.encode())
        self._settings, self._days = settings, Days(rule, start)
        self._reader = MeterReader([contract.meter for contract in self._contracts])
        self._events: dict[str, Event] = {}
        self._plans = {contract.unit: dict[int, int]() for contract in self._contracts}
        self._agreed = ""  # what told of the newest plans
        self._queue: list[tuple[str, str]] = []  # request, unit to be called
        self._calls: dict[str, tuple[str, str]] = {}

    def start(self, context: UnitContext) -> None:
        """Wait for requests, and for what is said about them."""
        self._context = context
        self._reader.start(context)
        for variable in (REQUEST, ANSWER, AGREED):
            context.data.event(variable, context.unit)
        context.set_timer("read", context.now_ms + _READ_MS)

    def timer(self, name: str) -> None:
        """Go on with what is due."""
        if name == "read":  # so that no day is forgotten
            self._reader.read(self._context.now_ms - DAY_MS, lambda: None)
            self._context.set_timer("read", self._context.now_ms + _READ_MS)
            return
        what, _, key = name.partition(" ")
        event = self._events.get(key)
        if event is None:
            return  # of before the unit began anew
        if what == "answers":
            self._called_all(event)
        elif what == "promise" and event.phase == "agreeing":
            self._promise(event, "no agreement", event.causes[-1])
        elif what == "settle":
            since_ms = event.first_slot * SLOT_MS
            self._reader.read(since_ms, lambda: self._settle(event))

    def notify(self, notification: Notification) -> None:
        """Take a request, an answer, what was agreed, or the outcome of something asked."""
        if self._reader.notify(notification):
            return
        call = self._calls.pop(notification.request, None)
        if call is not None:
            self._call_done(*call, notification)
        elif notification.location == self._context.unit and notification.t_ms >= 0:
            value, cause = notification.value, notification.id
            if notification.variable == REQUEST:
                self._requested(value, cause)
            elif notification.variable == ANSWER and (answer := Answer.of(value)) is not None:
                self._answered(answer, notification.owner, cause)
            elif notification.variable == AGREED and type(value) is dict:
                self._take_agreed(value, cause)

    # -- 1: the baseline

    def _requested(self, value: Any, cause: str) -> None:
        request, context = Request.of(value), self._context
        if request is None:
            context.decide("response_refused", context.unit, None, (cause,))
            return
        if request.id in self._events:
            return
        window = request.slots
        event = Event(
            request, window.start - _BEFORE_SLOTS, window.stop + self._settings.rebound_slots,
            [cause],
        )  # fmt: skip
        others = [one for one in self._events.values() if one.phase != "over"]
        busy = any(set(one.request.slots) & set(window) for one in others)
        self._events[request.id] = event
        if busy or not self._agreed or window.start * SLOT_MS <= context.now_ms:
            self._promise(event, "another request" if busy else "no plan", cause)
            return
        self._freeze(event)
        self._reader.read(context.now_ms - DAY_MS, lambda: self._fix_days(event))

    def _freeze(self, event: Event) -> None:
        """Keep the plan in force as baseline of each customer whom the contract lets call."""
        request, now_ms = event.request, self._context.now_ms
        event.causes.append(self._agreed)
        for contract in self._contracts:
            plan_w = self._plans[contract.unit]
            why = contract.refusal(request, now_ms, self._calls_that_day(contract.unit, request))
            if not why and not all(slot in plan_w for slot in request.slots):
                why = "no plan"
            if why:
                event.refused[contract.unit] = why
                continue
            baseline_w = [_at(plan_w, slot) for slot in event.slots]
            event.parts[contract.unit] = Part(
                contract, contract.percent(request), baseline_w, days_w=None
            )

    def _calls_that_day(self, unit: str, request: Request) -> int:
        day = request.begins_ms // DAY_MS
        return sum(
            unit in one.following and one.request.begins_ms // DAY_MS == day
            for one in self._events.values()
        )

    def _fix_days(self, event: Event) -> None:
        """Work out the baseline of the days before; tell both; call."""
        request, now_slot = event.request, event.request.issued_ms // SLOT_MS
        spoiled = {
            slot
            for one in self._events.values()
            if one is not event and one.following
            for slot in one.slots
        }
        for part in event.parts.values():
            metered = self._reader.known[part.contract.meter]
            part.days_w = self._days.baseline_w(
                metered, request.slots, event.slots, now_slot, spoiled
            )
        told = {
            "begins_ms": event.first_slot * SLOT_MS,
            "agreed_w": [
                sum(part.baseline_w[at] for part in event.parts.values())
                for at in range(len(event.slots))
            ],
            "customers": len(event.parts),
            "of_days": sum(part.days_w is not None for part in event.parts.values()),
        }
        event.causes.append(
            self._context.decide("response_baseline", request.id, told, event.causes)
        )
        self._call(event)

    # -- 2: who follows

    def _call(self, event: Event) -> None:
        event.phase, event.waiting = "asking", set(event.parts)
        if not event.parts:
            self._promise(event, "nobody", event.causes[-1])
            return
        self._queue += [(event.request.id, unit) for unit in event.parts]
        self._context.set_timer(
            f"answers {event.request.id}", self._context.now_ms + self._settings.answer_ms
        )
        self._call_next()

    def _call_next(self) -> None:
        while self._queue and len(self._calls) < self._settings.parallel:
            key, unit = self._queue.pop(0)
            event = self._events[key]
            value = event.request.plain() | {
                "percent": event.parts[unit].percent, "to": self._context.unit
            }  # fmt: skip
            cause = event.causes[-1]
            issued = self._context.data.write(CALL, unit, value, cause=cause)
            self._calls[issued.id] = (key, unit)

    def _call_done(self, key: str, unit: str, outcome: Notification) -> None:
        """Take note of who cannot be called; who can answers by itself."""
        event = self._events[key]
        if outcome.result is not Result.OK and unit in event.waiting:
            event.waiting.discard(unit)
            if outcome.result is Result.DENIED:
                event.refused[unit] = "denied"
            else:
                event.silent.add(unit)
            if not event.waiting:
                self._called_all(event)
        self._call_next()

    def _answered(self, answer: Answer, author: str, cause: str) -> None:
        """Take an answer, of the customer himself only."""
        event = self._events.get(answer.id)
        if event is None or answer.unit not in event.parts:
            return
        if author != event.parts[answer.unit].contract.customer:
            told = {"unit": answer.unit, "author": author}
            self._context.decide("response_refused", self._context.unit, told, (cause,))
            return
        if event.phase == "asking":
            event.waiting.discard(answer.unit)
            event.following.discard(answer.unit)
            if answer.follows:
                event.following.add(answer.unit)
            else:
                event.refused[answer.unit] = answer.why
            event.causes.append(cause)
            if not event.waiting:
                self._called_all(event)
        elif not answer.follows and answer.unit in event.following:
            self._leaves(event, answer, cause)

    def _called_all(self, event: Event) -> None:
        """Have balancing negotiate for those who follow."""
        if event.phase != "asking":
            return
        event.silent |= event.waiting
        event.waiting = set()
        if not event.following:
            self._promise(event, "nobody", event.causes[-1])
            return
        event.phase = "agreeing"
        told = {"following": len(event.following), "refused": len(event.refused),
                "silent": len(event.silent)}  # fmt: skip
        called = self._context.decide("response_called", event.request.id, told, event.causes)
        event.causes = [called]
        self._context.set_timer(
            f"promise {event.request.id}", self._context.now_ms + self._settings.promise_ms
        )
        after_ms = event.end_slot * SLOT_MS + _SETTLED_MS
        self._context.set_timer(f"settle {event.request.id}", after_ms)
        self._tell_windows(called)

    def _leaves(self, event: Event, answer: Answer, cause: str) -> None:
        """Let a customer go who has opted out."""
        part, now_ms = event.parts[answer.unit], self._context.now_ms
        if part.left is not None or event.phase == "over" or event.request.ends_ms <= now_ms:
            return
        part.left = now_ms // SLOT_MS
        told = self._context.decide("response_left", event.request.id, answer.plain(), (cause,))
        self._tell_windows(told)

    def _tell_windows(self, cause: str) -> None:
        running = [
            event.window()
            for _, event in sorted(self._events.items())
            if event.phase in {"agreeing", "promised"}
            and event.request.ends_ms > self._context.now_ms
        ]
        self._context.data.write(WINDOWS, self._context.unit, {"windows": running}, cause=cause)

    # -- 3: the promise

    def _take_agreed(self, value: Mapping[str, Any], cause: str) -> None:
        unit_w, first = value["unit_w"], value["slot"]
        plans_w = {child: [unit_w * n for n in units] for child, units in value["plans"].items()}
        self._agreed = cause
        oldest = self._context.now_ms // SLOT_MS - _PER_DAY
        for child, plan_w in plans_w.items():
            kept = {slot: p_w for slot, p_w in self._plans.get(child, {}).items() if slot >= oldest}
            self._plans[child] = kept | dict(enumerate(plan_w, first))
        for event in list(self._events.values()):
            if event.request.id in value["windows"] and event.phase in {"agreeing", "promised"}:
                self._planned(event, first, plans_w, cause)

    def _planned(
        self, event: Event, first: int, plans_w: Mapping[str, Sequence[int]], cause: str
    ) -> None:
        """Ask for more while a plan lacks something, before the promise and after it."""
        agreeing = event.phase == "agreeing"
        if (agreeing and first > event.request.slots.start) or not event.agreed(first, plans_w):
            return
        if not agreeing:
            event.hold()
        if event.press(first):
            told = {"tries": event.tries, "missing_w": event.missing}
            pressed = self._context.decide("response_pressed", event.request.id, told, (cause,))
            self._tell_windows(pressed)
        elif agreeing:
            self._promise(event, "", cause)

    def _promise(self, event: Event, why: str, cause: str) -> None:
        """Tell the issuer what is promised, or why nothing is."""
        context, key = self._context, event.request.id
        event.phase = "promised" if event.following else "over"
        promise = event.promised(context.unit, why)
        told = context.decide("response_promised", key, promise.plain(), [*event.causes, cause])
        context.data.write(PROMISE, event.request.issuer, promise.plain(), cause=told)
        event.causes = [told]

    # -- 5: the delivery

    def _settle(self, event: Event) -> None:
        """Tell what was delivered and came back, by the meters."""
        context, event.phase = self._context, "over"
        for row in event.rows(self._reader.known):
            context.record("response", {"unit": context.unit, **row})
        delivery, by = event.delivered(context.unit, self._settings.by_days, self._reader.known)
        causes = [
            self._reader.causes[meter]
            for unit in sorted(event.following)
            if (meter := event.parts[unit].contract.meter) in self._reader.causes
        ]
        value = {**asdict(delivery), "customers": by}
        told = context.decide(
            "response_delivered", event.request.id, value, [*event.causes, *causes]
        )
        context.data.write(DELIVERY, event.request.issuer, delivery.plain(), cause=told)


def _at(plan_w: Mapping[int, int], slot: int) -> int:
    """Return the plan in force for a slot; beyond all plans it is as on the day before."""
    newest, oldest = max(plan_w), min(plan_w)
    while slot > newest:
        slot -= _PER_DAY
    return plan_w[max(slot, oldest)]
