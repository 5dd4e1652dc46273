"""The calling side of one unit: its services' requests, until their outcome is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from controllers.unit.calls import Call, Calls, Flow, Held
from controllers.unit.contact import Contact
from controllers.unit.inbox import Inbox
from controllers.unit.notes import Notebook
from controllers.unit.ordered import Ordered
from controllers.unit.post import Post
from controllers.unit.requests import Outcome, check, refusal
from controllers.unit.service import Issued, Result, kind_of_service
from controllers.unit.surroundings import CALL_TIMER, Surroundings
from controllers.unit.wire import Notify, Operation, Request

__all__ = ["Caller"]

_FLOW_OF_SERVICE = {
    "metering": "metering",
    "aggregation": "metering",
    "balancing": "balancing",
    "flexibility": "balancing",
    "auction": "balancing",
}
_OLDEST_MS, _FUTURE_MS = 400 * 86_400_000, 3_600_000
_MAX_OPEN = 10_000
_SUBSCRIBING = (Operation.EVENT, Operation.PERIODIC)
# what a unit on the way may say, as the caller would otherwise hear nothing
_OF_HOPS = (Result.UNREACHABLE, Result.DENIED, Result.RATE, Result.OVERLOADED)


class Caller:
    """Issues requests here or to the unit that holds the data, repeats what is not answered.

    ``execute`` executes a request on this unit's own data; ``keep`` takes what it is told of that
    of others. ``critical`` are variables that the unit takes for critical, or not, by itself.
    """

    __slots__ = (
        "_around",
        "_calls",
        "_contact",
        "_critical",
        "_execute",
        "_inbox",
        "_keep",
        "_post",
        "_unit",
    )

    def __init__(
        self,
        unit: str,
        around: Surroundings,
        *,
        post: Post,
        inbox: Inbox,
        contact: Contact,
        notes: Notebook,
        execute: Callable[[Request, str], Outcome],
        keep: Callable[[Notify, str, str, int], None],
        critical: Mapping[str, bool],
    ) -> None:
        self._unit, self._around = unit, around
        self._post, self._inbox, self._execute = post, inbox, execute
        self._contact, self._calls, self._keep = contact, Calls(notes), keep
        self._critical = critical

    def call(self, request: Request, cause: str) -> Issued:
        """Issue a service's request; its outcome will come as a notification."""
        if check(request) is not Result.OK:
            return self.refuse(request, Result.MALFORMED, cause)
        if request.to == self._unit:
            outcome = self._execute(request, self._flow(request)[0])
            brought = outcome.instance.id if outcome.instance is not None else request.id
            self._finish(request, outcome.notify, brought, asked_ms=self._now, cause=cause)
        elif not all(one in self._around.directory for one in (request.location, request.to)):
            return self.refuse(request, Result.UNKNOWN_LOCATION, cause)
        elif len(self._calls.open) >= _MAX_OPEN:
            return self.refuse(request, Result.OVERLOADED, cause)
        else:
            self._call_there(request, cause)
        return Issued(Result.ISSUED, request.id)

    def refuse(self, request: Request, result: Result, cause: str) -> Issued:
        """Refuse a request at once, and tell its service in the common way too."""
        notify = refusal(request, result).notify
        self._finish(request, notify, request.id, asked_ms=self._now, cause=cause)
        return Issued(result, request.id)

    def due(self, identifier: str) -> None:
        """Repeat an unanswered request, or give it up."""
        call = self._calls.open.get(identifier)
        if call is None:
            return
        flow, request = self._around.flows[call.flow], call.request
        if call.attempt >= flow.retries:
            del self._calls.open[identifier]
            notify = refusal(request, Result.TIMEOUT).notify
            self._contact.missed(self._around.routes.next(self._unit, request.to))
            if self._around.routes.by_levels:
                notify.hop = self._around.routes.next(self._unit, request.to)
            self._finish(request, notify, identifier, asked_ms=call.asked_ms, cause=call.cause)
            return
        call.attempt += 1
        self._transmit(call, self._post.name(), identifier)
        self._wait(call, flow)

    def outcome(self, notify: Notify, src: str, brought: str) -> None:
        """Take what ``src`` answered or notified; what nobody waits for is counted.

        ``brought`` is the frame that it came in.
        """
        if not self._is_sound(notify):
            self._around.counters["malformed"] += 1
            self._around.noted("malformed", self._unit, src, brought, "value")
            return
        if notify.number:
            self._subscribed(notify, src, brought)
            return
        call = self._calls.open.get(notify.request)
        if call is None or not self._may_answer(call.request, notify, src):
            self._around.counters["unexpected"] += 1
            self._around.noted("unexpected", self._unit, src, brought)
            return
        del self._calls.open[notify.request]
        if call.request.function in {"last", "first"}:
            self._keep(notify, call.request.service, brought, self._now)
        self._finish(call.request, notify, brought, asked_ms=call.asked_ms, cause=call.cause)

    def _is_sound(self, notify: Notify) -> bool:
        """Tell whether a value is of its variable's kind; an outcome without an instance has none.

        What reduces a series may be of another kind, so of those only numbers are held to it;
        all values of a series are a list.
        """
        declared = self._around.catalogue.get(notify.variable)
        if declared is None or notify.result is not Result.OK or notify.t_ms == -1:
            return True
        if not -_OLDEST_MS < notify.t_ms < self._now + _FUTURE_MS:
            return False  # no clock is that wrong, and services reckon from one time to the next
        call = None if notify.number else self._calls.open.get(notify.request)
        if call is not None and call.request.function == "values":
            return type(notify.value) is list
        return declared.takes(notify.value) or (declared.kind != "number" and not notify.number)

    def _may_answer(self, request: Request, notify: Notify, src: str) -> bool:
        """Tell whether ``src`` holds what was asked for, or stands on the way and has failed."""
        if request.to == src:
            return True
        if notify.result not in _OF_HOPS or notify.value is not None:
            return False
        notify.variable = request.variable  # which a unit on the way need not know
        return src in self._around.routes.way(self._unit, request.to)

    def close(self) -> None:
        """Record the requests whose outcome is still open."""
        for call in self._calls.open.values():
            self._record(call.request, Result.ISSUED, call.asked_ms, call.cause)

    @property
    def held(self) -> tuple[str, ...]:
        """The subscriptions that this unit's services have elsewhere."""
        return tuple(self._calls.held)

    @property
    def _now(self) -> int:
        return self._around.now_ms

    def _flow(self, request: Request) -> tuple[str, Flow]:
        variable = self._around.catalogue.get(request.variable)
        critical = variable is not None and variable.critical
        if self._critical.get(request.variable, critical):
            name = "control"
        else:
            name = _FLOW_OF_SERVICE.get(kind_of_service(request.service), "management")
        return name, self._around.flows[name]

    def _call_there(self, request: Request, cause: str) -> None:
        if request.subscription in self._calls.held:
            request.variable = self._calls.held[request.subscription].variable
        name, flow = self._flow(request)
        self._watch_order(request)
        hops = self._around.routes.hops(self._unit, request.to)
        deadline_us = (self._now + flow.over(hops)) * 1000
        call = Call(request, name, cause, self._now, deadline_us)
        self._calls.open[request.id] = call
        if request.operation in _SUBSCRIBING:
            wanted = request.reliable or request.variable in self._around.reliable
            request.reliable = wanted and not self._post.foreign(request.to)
            self._calls.subscribe(request)
        self._transmit(call, request.id, cause)
        self._wait(call, flow)

    def _watch_order(self, request: Request) -> None:
        """Have the unit's watch, if it keeps one, note an order that goes to another unit."""
        watch = self._around.watches.get(self._unit)
        declared = self._around.catalogue.get(request.variable)
        critical = declared is not None and declared.critical
        if watch is not None and critical and request.operation is Operation.WRITE:
            watch.ordered(request.location, request.variable, request.value, request.id)

    def _wait(self, call: Call, flow: Flow) -> None:
        """Set when the request is repeated, or given up."""
        at_ms = call.deadline_us // 1000
        if call.attempt < flow.retries:
            at_ms = self._now + (flow.timeout_ms << call.attempt)
        self._around.timer(at_ms, self._unit, CALL_TIMER, call.request.id)

    def _transmit(self, call: Call, frame: str, cause: str) -> None:
        request = call.request
        self._post.send_all(
            frame,
            self._post.payloads(request, request.to),
            request,
            cause=cause,
            dst=request.to,
            flow=call.flow,
            deadline_us=call.deadline_us,
        )

    def _subscribed(self, notify: Notify, src: str, brought: str) -> None:
        held = self._calls.held.get(notify.request)
        if held is None or held.location != src:
            self._around.counters["unexpected"] += 1
            self._around.noted("unexpected", self._unit, src, brought)
        elif held.ordered is not None and notify.after >= 0:
            self._ordered(held, held.ordered, notify, brought)
        elif not held.window.fresh(notify.number):
            self._around.counters["duplicate"] += 1
            self._around.noted("duplicate", self._unit, src, brought)
        else:
            if notify.result is Result.DENIED:
                del self._calls.held[notify.request]
            self._keep(notify, held.service, brought, self._now)
            self._inbox.put(held.service, notify, brought)

    def _ordered(self, held: Held, ordered: Ordered, notify: Notify, brought: str) -> None:
        """Hand on what a reliable subscription brings in order, and acknowledge it."""
        if notify.number <= ordered.taken:
            self._around.counters["duplicate"] += 1
        for one, frame in ordered.take(notify, brought):
            self._keep(one, held.service, frame, self._now)
            self._inbox.put(held.service, one, frame)
        request = Request(
            Operation.ACKNOWLEDGE, self._post.name(), self._unit, held.service, held.stakeholder,
            "", held.location, subscription=notify.request, number=ordered.taken,
        )  # fmt: skip
        flow = self._flow(replace(request, variable=held.variable))[0]
        payload = self._post.payload(request, held.location)
        self._post.send(request.id, payload, request, cause=brought, dst=held.location, flow=flow)

    def _finish(
        self, request: Request, notify: Notify, brought: str, *, asked_ms: int, cause: str
    ) -> None:
        """Close a request: keep what it means for subscriptions, record it, tell the service."""
        result = notify.result
        if request.operation in _SUBSCRIBING and request.to != self._unit:
            if result is Result.REPLACED:
                self._calls.replace(request.id)
            elif result is not Result.OK:
                self._calls.held.pop(request.id, None)
        elif request.operation is Operation.UNSUBSCRIBE and result is Result.OK:
            self._calls.held.pop(request.subscription, None)
        self._record(request, result, asked_ms, cause)
        if notify.hop and result is Result.UNREACHABLE:
            self._contact.missed(notify.hop)
        if notify.hop:
            told = {"hop": notify.hop, "location": request.location, "result": result.label}
            self._post.tell("request_failed", request.id, told)
        self._inbox.put(request.service, notify, brought)

    def _record(self, request: Request, result: Result, asked_ms: int, cause: str) -> None:
        self._around.books.add(
            "request",
            self._now,
            request.id,
            cause,
            self._unit,
            request.service,
            request.operation.label,
            request.variable,
            request.location,
            result.label,
            self._now - asked_ms,
        )
