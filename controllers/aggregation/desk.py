"""What a unit's aggregation has asked of whom, and joins of meters one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from controllers.unit.service import Issued, Notification, Result, UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["Desk", "Joining", "Part", "Question", "Source"]

VOLTAGE = "voltage"
_CHECK_PERIOD_MS = 60_000
_AGAIN_MS = SLOT_MS


class Part:
    """What came of one slot: energies [Wh] and what brought them, meters that are in it.

    ``suppressed`` are customers whose energies are there and may not be given out.
    """

    __slots__ = ("causes", "exports", "imports", "meters", "missing", "suppressed")

    def __init__(self) -> None:
        self.imports: list[float] = []
        self.exports: list[float] = []
        self.causes: list[str] = []
        self.meters = self.missing = self.suppressed = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A request whose outcome ``source`` waits for; ``once``: it has one only."""

    source: Source
    purpose: str
    child: str
    variable: str
    once: bool


class Source(Protocol):
    """Energies of some of the children."""

    def take(self, question: Question, notification: Notification) -> None:
        """Take the outcome of what this source asked."""


class Desk:
    """The requests of one service, each with who waits for its outcome."""

    __slots__ = ("_asked", "context")

    def __init__(self, context: UnitContext) -> None:
        self.context = context
        self._asked: dict[str, Question] = {}

    def expect(  # noqa: PLR0917 - a question has that many parts
        self,
        issued: Issued,
        source: Source,
        purpose: str,
        child: str,
        variable: str,
        once: bool = False,
    ) -> None:
        """Have ``source`` told what comes of a request."""
        if issued.result is Result.ISSUED:
            self._asked[issued.id] = Question(source, purpose, child, variable, once)

    def notify(self, notification: Notification) -> None:
        """Hand on an outcome to who waits for it."""
        question = self._asked.get(notification.request)
        if question is None:
            return
        if question.once:
            del self._asked[notification.request]
        question.source.take(question, notification)

    def forget(self, request: str) -> None:
        """Wait for a request no longer."""
        del self._asked[request]

    def failed(self, question: Question, notification: Notification) -> bool:
        """Tell whether a child cannot be followed; note it."""
        if notification.result in {Result.OK, Result.REPLACED, Result.NO_DATA, Result.ISSUED}:
            return False
        self.forget(notification.request)
        detail = {"result": notification.result.label, "variable": question.variable}
        self.context.decide("join_failed", question.child, detail, (notification.id,))
        return True

    def decide(self, kind: str, value: Any, causes: Sequence[str]) -> str:
        """Record what this unit decided."""
        return self.context.decide(kind, self.context.unit, value, causes)


class Joining:
    """Has meters join one after another; each is checked by a look at its voltage."""

    __slots__ = ("_check", "_count", "_desk", "_follow", "_join_ms", "_waiting")

    def __init__(
        self, meters: Sequence[str], follow: Callable[[str], None], *, join_ms: int, check: bool
    ) -> None:
        self._waiting, self._count = list(reversed(meters)), len(meters)
        self._follow, self._join_ms, self._check = follow, join_ms, check

    def start(self, desk: Desk, *, wait: bool = False) -> None:
        """Begin with the first; ``wait``: have join who is added only."""
        self._desk = desk
        if wait:
            self._waiting = []
        elif self._waiting:
            desk.context.set_timer("join", desk.context.now_ms)

    def add(self, meter: str) -> None:
        """Have a further meter join, after those that wait already."""
        if meter not in self._waiting:
            self._waiting.insert(0, meter)
            if len(self._waiting) == 1:
                self._desk.context.set_timer("join", self._desk.context.now_ms + 1)

    def drop(self, meter: str) -> None:
        """Have a meter not join after all."""
        if meter in self._waiting:
            self._waiting.remove(meter)

    def due(self) -> None:
        """Have the next one join."""
        if not self._waiting:
            return  # who was to join is gone
        meter, context = self._waiting.pop(), self._desk.context
        self._follow(meter)
        if self._check:
            issued = context.data.periodic(VOLTAGE, meter, _CHECK_PERIOD_MS)
            self._desk.expect(issued, self, "check", meter, VOLTAGE)
        if self._waiting:
            gap_ms = max(1, self._join_ms // max(1, self._count))
            context.set_timer("join", context.now_ms + gap_ms)

    def again(self, meter: str) -> None:
        """Try a meter again later that could not be followed."""
        if meter not in self._waiting:
            context = self._desk.context
            self._waiting.insert(0, meter)
            context.set_timer("join", context.now_ms + _AGAIN_MS)

    def take(self, question: Question, notification: Notification) -> None:
        """End the commissioning check with the first voltage, or with its failure."""
        result, meter = notification.result, question.child
        if question.purpose == "end":
            return
        if result in {Result.OK, Result.REPLACED} and notification.t_ms == -1:
            return  # the confirmation
        self._desk.forget(notification.request)
        context = self._desk.context
        detail = {"result": result.label, "v": notification.value}
        decision = context.decide("commissioned", meter, detail, (notification.id,))
        if result in {Result.OK, Result.NO_DATA}:
            issued = context.data.unsubscribe(notification.request, meter, cause=decision)
            self._desk.expect(issued, self, "end", meter, VOLTAGE, once=True)
