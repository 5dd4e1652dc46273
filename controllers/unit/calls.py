"""The calling side: requests whose outcome is open, and subscriptions held elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from controllers.unit.notes import Notebook
from controllers.unit.ordered import Ordered
from controllers.unit.subscriptions import Window
from controllers.unit.wire import Operation, Request

__all__ = ["FLOWS", "Call", "Calls", "Flow", "Held"]


@dataclass(frozen=True, slots=True)
class Flow:
    """How requests of one application class are sent.

    An unanswered request is sent again ``retries`` times; the time to wait begins with
    ``timeout_ms`` and doubles. ``priority`` 0 is the highest.
    """

    priority: int
    timeout_ms: int
    retries: int

    @property
    def patience_ms(self) -> int:
        """From the first transmission until the caller is told of a time-out."""
        return int(self.timeout_ms * ((1 << self.retries + 1) - 1))

    def over(self, hops: int) -> int:
        """The patience for a way of ``hops``: with each more, a time-out longer.

        So who is further from the holder still hears of who is nearer and gave up.
        """
        return self.patience_ms + (hops - 1) * self.timeout_ms


FLOWS: dict[str, Flow] = {
    "control": Flow(0, 5_000, 2),
    "balancing": Flow(1, 10_000, 2),
    "metering": Flow(2, 30_000, 2),
    "management": Flow(3, 30_000, 2),
    "session": Flow(2, 30_000, 2),  # connections of foreign protocols; nothing else repeats them
}


@dataclass(slots=True)
class Call:
    """A request that is on its way."""

    request: Request
    flow: str
    cause: str
    asked_ms: int
    deadline_us: int
    attempt: int = 0


@dataclass(slots=True)
class Held:
    """A subscription of one of the unit's services on data held elsewhere."""

    service: str
    operation: Operation
    variable: str
    location: str
    condition: str
    stakeholder: str
    ordered: Ordered | None = None
    window: Window = field(default_factory=Window)

    @property
    def what(self) -> tuple[str, ...]:
        """What a second subscription of the service would take the place of."""
        text = "" if self.operation is Operation.PERIODIC else self.condition
        return (self.service, self.operation.label, self.variable, self.location, text)


class Calls:
    """Open requests and subscriptions of one unit, by the request's identifier."""

    __slots__ = ("_notes", "held", "open")

    def __init__(self, notes: Notebook) -> None:
        self._notes = notes
        self.open: dict[str, Call] = {}
        self.held: dict[str, Held] = {}

    def subscribe(self, request: Request) -> None:
        """Expect notifications from now on: the first may overtake the confirmation."""
        self.held[request.id] = Held(
            request.service,
            request.operation,
            request.variable,
            request.location,
            request.condition.strip(),
            request.stakeholder,
        )
        if request.reliable:
            self.held[request.id].ordered = Ordered(self.held[request.id].what, self._notes)

    def replace(self, identifier: str) -> None:
        """Forget the subscription that ``identifier`` took the place of."""
        new = self.held.get(identifier)
        if new is None:
            return
        for other, old in list(self.held.items()):
            if other != identifier and old.what == new.what:
                del self.held[other]
