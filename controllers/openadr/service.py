"""Service ``openadr``: the gateway between a VTN outside and the signals inside."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controllers.balancing.subscriptions import Subscriptions
from controllers.openadr.answers import Reply, Usage, create_opt, created_event, update_report
from controllers.openadr.events import Distribution, DrEvent, parse_document
from controllers.openadr.translate import Gateway, RefusalError, translate
from controllers.openadr.xmltree import DocumentError
from controllers.signals.records import COMMAND, PRICE, RESPONSE, Answer, Command
from controllers.unit.service import Notification, UnitContext

__all__ = ["OpenAdr"]

_PAYLOAD, _ANSWER = "openadr.payload", "openadr.answer"
_ENERGY = "area.energy"
_TIMER, _REPORT = "answer", "report"
_SETTLED_MS = 2_700_000  # after an event: its last quarter-hour has been reported by then
_KEPT = 4 * 24 * 4


@dataclass(slots=True)
class _Open:
    """An event that was taken: what it came to, who follows it."""

    event: DrEvent
    vtn: str
    request: str
    command: Command | None
    cause: str
    deadline_ms: int
    answered: bool = False
    out: tuple[str, ...] = ()
    notices: int = 0
    reported: bool = False

    @property
    def report_ms(self) -> int | None:
        """When to report what was drawn; None where there is nothing to report any more."""
        if self.reported or self.command is None or not self.command.times_ms:
            return None
        return self.command.end_ms + _SETTLED_MS


class OpenAdr:
    """Takes documents, writes commands and prices, answers who follows."""

    name = "openadr"

    def __init__(self, gateway: Gateway, answer_ms: int, metered: str = "") -> None:
        self._gateway, self._answer_ms, self._metered = gateway, answer_ms, metered
        self._usage: dict[int, Usage] = {}
        self._open: dict[str, _Open] = {}

    def start(self, context: UnitContext) -> None:
        """Follow what comes from outside, and the answers from below."""
        self._context = context
        for variable in (_PAYLOAD, RESPONSE):
            context.data.event(variable, context.unit)
        self._subscriptions = Subscriptions(context)
        if self._metered:
            self._subscriptions.want(_ENERGY, self._metered)

    def notify(self, notification: Notification) -> None:
        """Take a document, who follows a command, or what all below drew."""
        if notification.location == self._metered:
            if self._subscriptions.is_value(notification):
                self._metering(notification.value)
            return
        if notification.t_ms < 0 or notification.location != self._context.unit:
            return
        if notification.variable == _PAYLOAD and isinstance(notification.value, dict):
            self._document(str(notification.value.get("document", "")), notification.id)
        elif notification.variable == RESPONSE:
            self._answered(Answer.of(notification.value), notification.id)

    def timer(self, name: str) -> None:
        """Answer the events that nobody below has answered in time."""
        if name == Subscriptions.TIMER:
            self._subscriptions.timer()
        elif name == _REPORT:
            self._report()
        elif name == _TIMER:
            now_ms = self._context.now_ms
            for one in self._open.values():
                if not one.answered and one.deadline_ms <= now_ms:
                    self._reply(one, None, one.cause)
            self._set_timer()

    # -- what comes in -----------------------------------------------------------------------

    def _document(self, text: str, cause: str) -> None:
        try:
            found = parse_document(text.encode())
        except DocumentError as error:
            told = {"why": str(error)}
            self._context.decide("openadr_refused", self._context.unit, told, (cause,))
            return
        replies = []
        for event in found.events:
            known = self._open.get(event.id)
            if known is not None and event.modification <= known.event.modification:
                continue
            reply = self._event(event, found, cause)
            if reply is not None and event.answer:
                replies.append(reply)
        self._implied(found, cause)
        if replies:
            self._send(created_event(self._gateway.ven, replies), cause)
        self._set_timer()

    def _event(self, event: DrEvent, found: Distribution, cause: str) -> Reply | None:
        """Follow an event; return what is answered at once, None where others are asked first."""
        now_ms = self._context.now_ms
        reply = Reply(event.id, event.modification, found.request, opted_in=True)
        try:
            made = translate(event, self._gateway, now_ms)
        except RefusalError as error:
            why = {"code": error.code, "why": str(error)}
            self._context.decide("openadr_refused", event.id, why, (cause,))
            return replace(reply, opted_in=False, code=error.code, text=str(error))
        one = _Open(event, found.vtn, found.request, made.command, cause, now_ms + self._answer_ms)
        self._open[event.id] = one
        if made.price is not None:
            told = self._context.decide("openadr_taken", event.id, made.price, (cause,))
            self._context.data.write(PRICE, self._context.unit, made.price, cause=told)
        if made.command is None or not made.command.times_ms:
            self._command(one, cause)
            one.answered = True
            return reply
        self._command(one, cause)
        return None

    def _command(self, one: _Open, cause: str) -> None:
        if one.command is not None:
            value = one.command.plain()
            told = self._context.decide("openadr_taken", one.event.id, value, (cause,))
            self._context.data.write(COMMAND, self._context.unit, value, cause=told)

    def _implied(self, found: Distribution, cause: str) -> None:
        """Take back events that the VTN does not name any more."""
        there = {event.id for event in found.events}
        for number in sorted(self._open):
            one = self._open[number]
            if one.vtn == found.vtn and number not in there:
                del self._open[number]
                if one.command is not None and one.command.end_ms > self._context.now_ms:
                    one.command = replace(
                        one.command, issued_ms=self._context.now_ms, times_ms=(), percent=()
                    )
                    self._command(one, cause)

    # -- what goes out -----------------------------------------------------------------------

    def _answered(self, answer: Answer | None, cause: str) -> None:
        """Take who follows a command, summed over all below."""
        if answer is None or answer.unit != self._context.unit:
            return
        one = self._open.get(answer.id.removeprefix("openadr:"))
        if one is not None:
            self._reply(one, answer, cause)

    def _reply(self, one: _Open, answer: Answer | None, cause: str) -> None:
        """Answer an event, the first time; tell who is out, whenever that changes."""
        event = one.event
        counts = (0, 0, 0)
        if answer is not None:
            counts = (len(answer.opted_in), len(answer.opted_out), len(answer.silent))
        reply = Reply(
            event.id,
            event.modification,
            one.request,
            opted_in=answer is None or bool(answer.opted_in),
            text="OK: {} in, {} out, {} silent".format(*counts),
        )
        if not one.answered:
            one.answered = True
            if event.answer:
                self._send(created_event(self._gateway.ven, [reply]), cause)
        if answer is not None and reply.opted_in and answer.opted_out != one.out:
            one.out, one.notices = answer.opted_out, one.notices + 1
            at = self._gateway.clock.at(self._context.now_ms)
            text = create_opt(self._gateway.ven, reply, one.out, one.notices, at)
            self._send(text, cause)

    def _metering(self, value: object) -> None:
        """Keep what all below drew in a quarter of an hour."""
        if not isinstance(value, dict) or type(value.get("t_ms")) is not int:
            return
        net_wh = float(value.get("import_wh") or 0.0) - float(value.get("export_wh") or 0.0)
        begins = self._gateway.clock.at(value["t_ms"])
        self._usage[value["t_ms"]] = Usage(begins, net_wh / 1000.0, not value.get("missing"))
        while len(self._usage) > _KEPT:
            del self._usage[min(self._usage)]

    def _report(self) -> None:
        """Report what was drawn while events held that are over."""
        now_ms = self._context.now_ms
        for number in sorted(self._open):
            one = self._open[number]
            at_ms, command = one.report_ms, one.command
            if at_ms is None or at_ms > now_ms or command is None:
                continue
            one.reported = True
            held = [t for t in sorted(self._usage) if command.times_ms[0] <= t < command.end_ms]
            if held:
                usages = [self._usage[t] for t in held]
                reply = Reply(number, one.event.modification, one.request, opted_in=True)
                at = self._gateway.clock.at(now_ms)
                self._send(update_report(self._gateway.ven, reply, usages, at), one.cause)
        self._set_timer()

    def _send(self, document: str, cause: str) -> None:
        """Hand a document to the outside, and keep it."""
        value = {"document": document}
        told = self._context.decide("openadr_answered", self._context.unit, value, (cause,))
        self._context.data.write(_ANSWER, self._context.unit, value, cause=told)

    def _set_timer(self) -> None:
        waiting = [one.deadline_ms for one in self._open.values() if not one.answered]
        if waiting:
            self._context.set_timer(_TIMER, max(min(waiting), self._context.now_ms))
        reports = [at for one in self._open.values() if (at := one.report_ms) is not None]
        if self._metered and reports:
            self._context.set_timer(_REPORT, max(min(reports), self._context.now_ms))
