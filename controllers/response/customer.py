"""The customer's side of demand response: follows what the contract allows, unless told not to."""

from __future__ import annotations

from controllers.response.records import ANSWER, CALL, CHOICE, Answer, Contract, Request
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["CustomerResponse"]

_KEPT_MS = 86_400_000
_AGAIN_MS = 60_000


class CustomerResponse:
    """Answers calls; when the customer opts out, takes back what still runs.

    The customer's own unit holds every call against the contract as the customer knows it. A
    choice (``follows``) holds for all calls from then on, and for those that are not over.
    """

    name = "response"

    def __init__(self, contract: Contract, manager: str) -> None:
        self._contract, self._manager = contract, manager
        self._follows = True
        self._calls: dict[str, tuple[Request, bool]] = {}
        self._writes: dict[str, Answer] = {}
        self._again: list[Answer] = []

    def start(self, context: UnitContext) -> None:
        """Wait for calls, and for what the customer chooses."""
        self._context = context
        for variable in (CALL, CHOICE):
            context.data.event(variable, context.unit)

    def timer(self, name: str) -> None:  # noqa: ARG002 - there is one only
        """Send again what did not arrive: who opts out is to be heard."""
        again, self._again = self._again, []
        for answer in again:
            self._send(answer, "")

    def notify(self, notification: Notification) -> None:
        """Take a call or a choice, or what became of an answer."""
        written = self._writes.pop(notification.request, None)
        if written is not None:
            newest = self._calls.get(written.id, (None, None))[1]
            if notification.result is not Result.OK and written.follows == newest:
                self._again.append(written)
                self._context.set_timer("again", self._context.now_ms + _AGAIN_MS)
            return
        if notification.location != self._context.unit or notification.t_ms < 0:
            return
        if notification.variable == CALL:
            self._called(notification)
        elif notification.variable == CHOICE and type(notification.value) is dict:
            follows = notification.value.get("follows")
            if type(follows) is bool and follows != self._follows:
                self._choose(follows, notification.id)

    def _called(self, notification: Notification) -> None:
        request, now_ms = Request.of(notification.value), self._context.now_ms
        if request is None:
            self._context.decide("response_refused", self._context.unit, None, (notification.id,))
            return
        if request.id in self._calls:
            return
        self._calls = {
            key: call for key, call in self._calls.items() if call[0].ends_ms + _KEPT_MS > now_ms
        }
        why = "" if self._follows else "opted out"
        why = why or self._against(request)
        self._calls[request.id] = (request, not why)
        self._answer(Answer(request.id, self._context.unit, not why, why), notification.id)

    def _against(self, request: Request) -> str:
        """Return what in the contract speaks against a call."""
        contract, day = self._contract, request.begins_ms // _KEPT_MS
        if request.percent > contract.max_percent:
            return "too much"
        followed = [one for one, follows in self._calls.values() if follows]
        that_day = sum(one.begins_ms // _KEPT_MS == day for one in followed)
        return contract.refusal(request, request.issued_ms, that_day)

    def _choose(self, follows: bool, cause: str) -> None:
        """Opt out or in; running calls are taken back, those that were are not taken up again."""
        self._follows = follows
        context = self._context
        chosen = context.decide("response_choice", context.unit, {"follows": follows}, (cause,))
        if follows:
            return
        for key, (request, followed) in sorted(self._calls.items()):
            if followed and request.ends_ms > context.now_ms:
                self._calls[key] = (request, False)
                self._answer(Answer(key, context.unit, follows=False, why="opted out"), chosen)

    def _answer(self, answer: Answer, cause: str) -> None:
        told = self._context.decide("response_answer", answer.id, answer.plain(), (cause,))
        self._send(answer, told)

    def _send(self, answer: Answer, cause: str) -> None:
        issued = self._context.data.write(ANSWER, self._manager, answer.plain(), cause=cause)
        self._writes[issued.id] = answer
