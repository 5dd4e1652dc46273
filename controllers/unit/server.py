"""The holding side of one unit: what it does about requests for its own data, from near and far."""

from __future__ import annotations

from collections.abc import Callable

from controllers.unit.answers import Answers
from controllers.unit.backlog import Backlog
from controllers.unit.gate import Gate
from controllers.unit.post import Post
from controllers.unit.publisher import Conflict, Publisher
from controllers.unit.requests import Outcome, RequestProcessor, refusal
from controllers.unit.service import Result
from controllers.unit.store import Instance
from controllers.unit.surroundings import Surroundings
from controllers.unit.wire import Operation, Request

__all__ = ["Server"]


class Server:
    """Lets requests in, has them executed, answers them, and sees to what follows.

    ``written`` takes an instance that a request made, ``conflict`` an access that a contract
    grants and a policy denies.
    """

    __slots__ = (
        "_answers",
        "_around",
        "_backlog",
        "_conflict",
        "_gate",
        "_post",
        "_processor",
        "_publisher",
        "_unit",
        "_written",
    )

    def __init__(
        self,
        unit: str,
        around: Surroundings,
        *,
        gate: Gate,
        processor: RequestProcessor,
        answers: Answers,
        post: Post,
        publisher: Publisher,
        backlog: Backlog,
        written: Callable[[Instance], None],
        conflict: Conflict,
    ) -> None:
        self._unit, self._around, self._gate = unit, around, gate
        self._processor, self._answers, self._post = processor, answers, post
        self._publisher, self._backlog = publisher, backlog
        self._written, self._conflict = written, conflict

    def has_answered(self, request: str) -> bool:
        """Tell whether a request was answered, not long ago."""
        return request in self._answers

    def serve(self, request: Request, flow: str) -> None:
        """Answer a remote request; one that was answered before gets the same answer."""
        if request.operation is Operation.ACKNOWLEDGE:
            self._acknowledged(request, flow)
            return
        if request.id in self._answers:
            self.again(request.id, request.source, flow)
            return
        outcome = self.execute(request, flow)
        if outcome.notify.result is not Result.OVERLOADED:  # asked again, it may be another
            self._answers.keep(outcome.notify)
        frame = self._post.notify(outcome.notify, cause=request.id, dst=request.source, flow=flow)
        if outcome.instance is not None and not outcome.written:
            # the value that was read has a history of its own
            self._around.books.add("cause", frame, outcome.instance.id)

    def again(self, request: str, source: str, flow: str) -> None:
        """Give an answer once more."""
        self._around.counters["repeated-request"] += 1
        self._around.noted("repeated-request", self._unit, source, request)
        self._post.notify(self._answers[request], cause=request, dst=source, flow=flow)

    def execute(self, request: Request, flow: str) -> Outcome:
        """Execute a request and do what follows from it; nothing of that calls a service."""
        if not self._gate.admits(flow):
            return refusal(request, Result.OVERLOADED)
        outcome = self._processor.execute(request, flow, self._around.now_ms)
        if outcome.conflict:
            result = outcome.notify.result
            self._conflict(request.operation, request.variable, request, request.id, result)
        if outcome.notify.result is Result.DENIED:
            self._denied(request)
        if outcome.subscription is not None and outcome.replaced is not None:
            self._publisher.succeed(outcome.replaced, outcome.subscription)
        if outcome.subscription is not None and outcome.subscription.period_ms:
            self._publisher.next_period(outcome.subscription)
        if outcome.written and outcome.instance is not None:
            self._written(outcome.instance)
        return outcome

    def _acknowledged(self, request: Request, flow: str) -> None:
        """Take that a subscriber has what it was sent; nobody waits for an answer to that."""
        outcome = self.execute(request, flow)
        if outcome.acknowledged is not None:
            self._backlog.acknowledged(outcome.acknowledged, request.number)

    def _denied(self, request: Request) -> None:
        detail = {
            "operation": request.operation.label,
            "variable": request.variable,
            "service": request.service,
            "stakeholder": request.stakeholder,
        }
        self._post.tell("access_denied", request.id, detail)
        self._around.noted("denied", self._unit, request.source, request.id)
