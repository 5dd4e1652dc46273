"""Following variables of other units: one subscription after another, tried again where one fails.

A service has one ``Follower``, gives it its timer ``follow`` and its notifications, and gets told
which of these bring a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controllers.unit.service import Notification, Result, UnitContext
from controllers.unit.shapes import fits

__all__ = ["FOLLOW", "Follower", "Wanted"]

FOLLOW = "follow"
_AGAIN_MS = 900_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A variable at a unit; ``ask``: for the value that is there already, too."""

    variable: str
    unit: str
    ask: bool = False


class Follower:
    """Subscribes to ``wanted`` by ``event``, spread over ``join_ms``; takes what has its shape."""

    __slots__ = ("_asked", "_context", "_gap_ms", "_pending")

    _context: UnitContext

    def __init__(self, wanted: Sequence[Wanted], join_ms: int = 0) -> None:
        self._pending = list(reversed(wanted))
        self._gap_ms = join_ms // len(self._pending) if self._pending else 0
        # request -> what it asks for, and whether it is the subscription
        self._asked: dict[str, tuple[Wanted, bool]] = {}

    def start(self, context: UnitContext) -> None:
        """Begin with the first; all at once where nothing is to be spread."""
        self._context = context
        if self._pending:
            context.set_timer(FOLLOW, context.now_ms)

    def timer(self) -> None:
        """Subscribe to the next."""
        while self._pending:
            self._follow(self._pending.pop())
            if self._pending and self._gap_ms:
                self._context.set_timer(FOLLOW, self._context.now_ms + self._gap_ms)
                return

    def take(self, notification: Notification) -> bool:
        """Tell whether a notification brings a value of what is followed."""
        asked = self._asked.get(notification.request)
        if asked is None:
            return False
        wanted, subscription = asked
        result = notification.result
        if result is Result.OK:
            if not subscription:
                del self._asked[notification.request]
            sound = fits(notification.variable, notification.value)
            return notification.t_ms != -1 and sound
        if result is Result.REPLACED or (result is Result.NO_DATA and subscription):
            return False
        del self._asked[notification.request]
        if subscription:
            self._failed(wanted, notification)
        return False

    def _follow(self, wanted: Wanted) -> None:
        data = self._context.data
        issued = data.event(wanted.variable, wanted.unit)
        if issued.result is Result.ISSUED:
            self._asked[issued.id] = (wanted, True)
        if wanted.ask:
            issued = data.query(wanted.variable, wanted.unit)
            if issued.result is Result.ISSUED:
                self._asked[issued.id] = (wanted, False)

    def _failed(self, wanted: Wanted, notification: Notification) -> None:
        """Note that somebody cannot be followed; try again later, where it may help."""
        context, result = self._context, notification.result
        detail = {"result": result.label, "variable": wanted.variable}
        context.decide("follow_failed", wanted.unit, detail, (notification.id,))
        if result not in {Result.DENIED, Result.UNKNOWN_VARIABLE}:
            self._pending.insert(0, wanted)
            context.set_timer(FOLLOW, context.now_ms + _AGAIN_MS)
