"""Commands on their way down, and who follows them on the way up.

A command that is written here is written on to every unit below, a few at a time. Who refuses it by
policy has opted out; who took it answers for itself and those below it. When all have answered, or
the time for that is over, the answers go up as one; what comes late is sent after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controllers.signals.records import COMMAND, RESPONSE, Answer, Command
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["Spread", "Spreading"]

_LATE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Spreading:
    """Whom commands go to, and whom answers.

    ``below`` maps each unit to the name of who is behind it; ``decides``: a service of this unit
    answers too. ``above`` is the unit that answers go to, empty: the command's issuer. ``as_one``
    is the customer whose devices answer as one, empty: each for itself.
    """

    below: Mapping[str, str]
    decides: bool
    above: str = ""
    as_one: str = ""
    answer_ms: int = 60_000
    parallel: int = 4


@dataclass(slots=True)
class _Open:
    """One command: who is still to be told, who has answered."""

    command: Command
    value: object
    causes: list[str]
    deadline_ms: int
    queue: list[str]
    answers: dict[str, Answer] = field(default_factory=dict)
    sent: Answer | None = None
    in_flight: int = 0


class Spread:
    """The commands of one unit."""

    TIMER = "answers"

    def __init__(self, how: Spreading) -> None:
        self._how = how
        self._expected: tuple[str, ...] = ()
        self._open: dict[str, _Open] = {}
        self._writes: dict[str, tuple[str, str]] = {}  # request: command, unit

    def start(self, context: UnitContext) -> None:
        """Follow the commands and answers that are written to this unit."""
        self._context = context
        own = (context.unit,) if self._how.decides else ()
        self._expected = (*sorted(self._how.below, key=str.encode), *own)
        context.data.event(COMMAND, context.unit)
        context.data.event(RESPONSE, context.unit)

    def notify(self, notification: Notification) -> None:
        """Take a command, an answer, or the outcome of passing one on."""
        written = self._writes.pop(notification.request, None)
        if written is not None:
            self._passed_on(*written, notification)
        elif notification.location == self._context.unit and notification.t_ms >= 0:
            if notification.variable == COMMAND:
                self._command(notification)
            elif notification.variable == RESPONSE:
                self._answer(notification)

    def timer(self) -> None:
        """Send the answers whose time is over."""
        for number in sorted(self._open):
            one = self._open[number]
            if one.deadline_ms <= self._context.now_ms:
                self._report(one)
        self._set_timer()

    def _command(self, notification: Notification) -> None:
        if notification.value is None:
            return  # written by the owner to change the policy
        command = Command.of(notification.value)
        if command is None:
            self._context.decide("signal_refused", self._context.unit, None, (notification.id,))
            return
        known = self._open.get(command.id)
        if known is not None and command.issued_ms <= known.command.issued_ms:
            return
        self._forget()
        one = _Open(
            command,
            notification.value,
            [notification.id],
            self._context.now_ms + self._how.answer_ms,
            sorted(self._how.below, key=str.encode, reverse=True),
        )
        self._open[command.id] = one
        self._pass_on(one)
        self._close(one)
        self._set_timer()

    def _pass_on(self, one: _Open) -> None:
        while one.queue and one.in_flight < self._how.parallel:
            unit = one.queue.pop()
            issued = self._context.data.write(COMMAND, unit, one.value, cause=one.causes[0])
            if issued.result is Result.ISSUED:
                one.in_flight += 1
                self._writes[issued.id] = (one.command.id, unit)
            else:
                one.answers[unit] = self._silence(one, unit)

    def _passed_on(self, number: str, unit: str, outcome: Notification) -> None:
        one = self._open.get(number)
        if one is None:
            return
        one.in_flight -= 1
        if outcome.result is Result.DENIED:
            one.answers[unit] = Answer(number, unit, opted_out=(self._how.below[unit],))
            one.causes.append(outcome.id)
        elif outcome.result is not Result.OK:
            one.answers.setdefault(unit, self._silence(one, unit))
        self._pass_on(one)
        self._close(one)

    def _silence(self, one: _Open, unit: str) -> Answer:
        who = self._how.below.get(unit, self._how.as_one or unit)
        return Answer(one.command.id, unit, silent=(who,))

    def _answer(self, notification: Notification) -> None:
        answer = Answer.of(notification.value)
        one = self._open.get(answer.id) if answer is not None else None
        if answer is None or one is None or answer.unit not in self._expected:
            return
        one.answers[answer.unit] = answer
        one.causes.append(notification.id)
        if one.sent is None:
            self._close(one)
        elif self._sum(one) != one.sent and one.deadline_ms <= self._context.now_ms:
            one.deadline_ms = self._context.now_ms + _LATE_MS
            self._set_timer()

    def _close(self, one: _Open) -> None:
        """Send the answers once all are there."""
        if one.sent is None and len(one.answers) == len(self._expected):
            self._report(one)

    def _sum(self, one: _Open) -> Answer:
        names: tuple[list[str], ...] = ([], [], [])
        for unit in self._expected:
            answer = one.answers.get(unit) or self._silence(one, unit)
            for at, some in enumerate((answer.opted_in, answer.opted_out, answer.silent)):
                names[at].extend(some)
        number, unit, who = one.command.id, self._context.unit, self._how.as_one
        if who:
            in_, out, _ = (bool(some) for some in names)
            return Answer(number, unit, *_as_one(who, opted_in=in_, opted_out=out))
        return Answer(number, unit, *(tuple(some) for some in names))

    def _report(self, one: _Open) -> None:
        answer = self._sum(one)
        if answer == one.sent:
            return
        one.sent, causes = answer, one.causes
        told = self._context.decide("signal_answered", one.command.id, answer.plain(), causes)
        above = self._how.above or one.command.issuer
        self._context.data.write(RESPONSE, above, answer.plain(), cause=told)

    def _set_timer(self) -> None:
        now_ms = self._context.now_ms
        waiting = [one.deadline_ms for one in self._open.values() if one.deadline_ms > now_ms]
        if waiting:
            self._context.set_timer(self.TIMER, min(waiting))

    def _forget(self) -> None:
        """Forget commands that are long over."""
        now_ms = self._context.now_ms
        over = [
            number
            for number, one in self._open.items()
            if max(one.command.end_ms, one.deadline_ms) + self._how.answer_ms < now_ms
        ]
        for number in over:
            del self._open[number]


def _as_one(who: str, *, opted_in: bool, opted_out: bool) -> Sequence[tuple[str, ...]]:
    """Return in, out and silent of a customer some of whose devices do one or the other."""
    if opted_in:
        return (who,), (), ()
    return ((), (who,), ()) if opted_out else ((), (), (who,))
