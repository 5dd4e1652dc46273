"""A unit between two others: carries their messages one hop further, and answers for who is gone.

A request stays open here until its answer has passed or its time is over. Until then it is
repeated like one of the unit's own. What its caller sealed anew goes on at once, since the holder
may have begun anew and take nothing that is older; other repetitions end here. When the time is
over, which it is before it is for the unit that handed it on, the caller is told which
unit did not answer. Answers are kept for a while, as its caller may not have got them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from controllers.unit.gate import Gate
from controllers.unit.post import Post
from controllers.unit.requests import RequestProcessor
from controllers.unit.service import Result
from controllers.unit.surroundings import TRANSIT_TIMER, Surroundings
from controllers.unit.transit import Kind, Transit
from controllers.unit.wire import Notify
from fernwatt.messages import Delivery

__all__ = ["Forwarder"]

_MAX_OPEN = 4096
_KEPT = 256


@dataclass(slots=True)
class _Open:
    """A request on its way through; ``back`` is the neighbour that handed it on."""

    transit: Transit
    flow: str
    back: str
    cause: str
    give_up_ms: int
    attempt: int = 0


class Forwarder:
    """Forwards for one unit."""

    __slots__ = ("_around", "_gate", "_kept", "_open", "_post", "_processor", "_unit")

    def __init__(
        self,
        unit: str,
        around: Surroundings,
        *,
        post: Post,
        processor: RequestProcessor,
        gate: Gate,
    ) -> None:
        self._unit, self._around, self._gate = unit, around, gate
        self._post, self._processor = post, processor
        self._open: dict[str, _Open] = {}
        self._kept: dict[str, Transit] = {}

    def __len__(self) -> int:
        return len(self._open)

    def on_way(self, transit: Transit, src: str) -> bool:
        """Tell whether a neighbour's transit came along the tree, from where its origin is."""
        routes = self._around.routes
        if not routes.by_levels or routes.next(self._unit, transit.origin) != src:
            return False
        return transit.target == self._unit or self._onward(transit) != src

    def take(self, transit: Transit, delivery: Delivery) -> None:
        """Carry on what is for somebody else."""
        if transit.kind is Kind.REQUEST:
            self._request(transit, delivery)
            return
        if transit.kind is Kind.ANSWER:
            if transit.request in self._kept:
                self._around.counters["late-answer"] += 1
                return  # its caller was told something else, or has it already
            self._open.pop(transit.request, None)
            self._keep(transit)
        self._pass(transit, cause=delivery.id, flow=delivery.flow)

    def due(self, identifier: str) -> None:
        """Repeat an open request, or answer for who does not."""
        found = self._open.get(identifier)
        if found is None:
            return
        if self._around.now_ms >= found.give_up_ms:
            del self._open[identifier]
            self._fail(found.transit, Result.UNREACHABLE, found)
            return
        found.attempt += 1
        self._transmit(found)
        self._wait(found)

    # -- requests ----------------------------------------------------------------------------

    def _request(self, transit: Transit, delivery: Delivery) -> None:
        around, identifier = self._around, transit.request
        kept, found = self._kept.get(identifier), self._open.get(identifier)
        if kept is not None:
            around.counters["repeated-request"] += 1
            self._pass(kept, cause=delivery.id, flow=delivery.flow)
        elif found is not None:
            around.counters["repeated-request"] += 1
            if transit.content != found.transit.content:  # sealed anew by its caller
                found.transit = transit
                self._transmit(found)
        else:
            flow = delivery.flow if delivery.flow in around.flows else "management"
            hops = around.routes.hops(self._unit, transit.target)
            patience_ms = min(around.flows[flow].over(hops), transit.budget_ms)
            give_up_ms = around.now_ms + patience_ms
            opened = _Open(transit, flow, delivery.src, delivery.id, give_up_ms)
            result = self._processor.pass_on(transit, around.now_ms)
            full = len(self._open) >= _MAX_OPEN
            if result is Result.OK and (full or not self._gate.admits(flow)):
                result = Result.OVERLOADED
            if result is not Result.OK:
                self._fail(transit, result, opened)
                return
            self._open[identifier] = opened
            self._transmit(opened)
            self._wait(opened)

    def _transmit(self, found: _Open) -> None:
        """Hand a request on, with the time that is left less one time-out for the answer."""
        around = self._around
        left_ms = found.give_up_ms - around.now_ms - around.flows[found.flow].timeout_ms
        onward = replace(found.transit, budget_ms=max(1, left_ms))
        deadline_us = found.give_up_ms * 1000
        self._pass(onward, cause=found.cause, flow=found.flow, deadline_us=deadline_us)

    def _wait(self, found: _Open) -> None:
        flow = self._around.flows[found.flow]
        at_ms = found.give_up_ms
        if found.attempt < flow.retries:
            at_ms = min(at_ms, self._around.now_ms + (flow.timeout_ms << found.attempt))
        self._around.timer(at_ms, self._unit, TRANSIT_TIMER, found.transit.request)

    def _fail(self, transit: Transit, result: Result, found: _Open) -> None:
        """Answer a request that went no further, naming the unit that it did not pass."""
        failed = self._onward(transit) if result is Result.UNREACHABLE else self._unit
        told = {"hop": failed, "location": transit.target, "result": result.label}
        self._post.tell("not_forwarded", found.cause, told)
        notify = Notify(transit.request, result, "", transit.target, "", None, -1, hop=failed)
        content = self._post.content(notify, transit.source)
        answer = Transit(Kind.ANSWER, self._unit, transit.source, transit.request, content)
        if result is Result.UNREACHABLE:
            self._keep(answer)
        self._pass(answer, cause=found.cause, flow=found.flow)

    # -- carrying ----------------------------------------------------------------------------

    def _onward(self, transit: Transit) -> str:
        return self._around.routes.next(self._unit, transit.target)

    def _pass(self, transit: Transit, *, cause: str, flow: str, deadline_us: int = -1) -> None:
        onward = self._onward(transit)
        self._post.carry(transit, cause=cause, dst=onward, flow=flow, deadline_us=deadline_us)

    def _keep(self, answer: Transit) -> None:
        self._kept[answer.request] = answer
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
