"""One variable of another unit, followed: subscribed to, kept here, and asked for when overdue.

The source's instances are notified to whoever subscribed. Notifications are not acknowledged: one
that is overdue is asked for by ``query``, and a subscription that failed is tried again. What comes
is written to the same variable of this unit, where the next one down finds it: one copy goes down
each branch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controllers.unit.service import Issued, Notification, Result, UnitContext

__all__ = ["Followed", "Follower"]


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed, and how patiently.

    ``valid`` tells whether a value is one; each has ``issued_ms``. The next one is expected
    ``every_ms`` after that, asked for ``patience_ms`` later, and from then on every ``again_ms``.
    ``refusal`` is the event that tells of a value that is none.
    """

    variable: str
    source: str
    valid: Callable[[Any], bool]
    every_ms: int
    patience_ms: int
    again_ms: int = 600_000
    refusal: str = "signal_refused"
    timer: str = "overdue"


class Follower:
    """Follows one variable; ``newest_ms`` is when the newest value here was issued, -1: none."""

    __slots__ = ("_context", "_subscription", "_what", "newest_ms")

    _context: UnitContext

    def __init__(self, what: Followed) -> None:
        self._what, self._subscription = what, ""
        self.newest_ms = -1

    def start(self, context: UnitContext) -> None:
        """Subscribe, and look after a while whether something has come."""
        self._context = context
        self._follow()
        context.set_timer(self._what.timer, context.now_ms + self._what.patience_ms)

    def notify(self, notification: Notification) -> None:
        """Take a value, or the end of the subscription."""
        result, what = notification.result, self._what
        if (
            result is Result.OK
            and notification.t_ms >= 0
            and notification.variable == what.variable
        ):
            if notification.location == what.source:
                self._take(notification)
        elif notification.request == self._subscription and result not in {
            Result.OK,
            Result.REPLACED,
        }:
            self._subscription = ""

    def timer(self, name: str) -> None:
        """Ask for a value that has not come."""
        if name != self._what.timer:
            return
        context = self._context
        if not self._subscription:
            self._follow()
        context.data.query(self._what.variable, self._what.source)
        context.set_timer(name, context.now_ms + self._what.again_ms)

    def _follow(self) -> None:
        issued: Issued = self._context.data.event(self._what.variable, self._what.source)
        self._subscription = issued.id if issued.result is Result.ISSUED else ""

    def _take(self, notification: Notification) -> None:
        """Keep a value that is newer than the one before; wait for the next."""
        context, value, what = self._context, notification.value, self._what
        if not what.valid(value):
            context.decide(what.refusal, what.source, None, (notification.id,))
            return
        if value["issued_ms"] <= self.newest_ms:
            return
        self.newest_ms = value["issued_ms"]
        context.data.write(what.variable, context.unit, value, cause=notification.id)
        next_ms = self.newest_ms + what.every_ms + what.patience_ms
        context.set_timer(what.timer, max(next_ms, context.now_ms + what.patience_ms))
