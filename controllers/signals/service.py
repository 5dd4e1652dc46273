"""Service ``signals``: what a supplier or aggregator tells, on its way through one unit."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.signals.follower import Followed, Follower
from controllers.signals.records import COMMAND, RESPONSE
from controllers.signals.spread import Spread, Spreading
from controllers.unit.service import Notification, UnitContext

__all__ = ["Signals"]


class Signals:
    """Follows informational signals of the unit above, passes commands to the units below."""

    name = "signals"

    __slots__ = ("_followers", "_spread")

    def __init__(self, followed: Sequence[Followed], spreading: Spreading | None) -> None:
        self._followers = [Follower(what) for what in followed]
        self._spread = None if spreading is None else Spread(spreading)

    def start(self, context: UnitContext) -> None:
        """Subscribe."""
        for follower in self._followers:
            follower.start(context)
        if self._spread is not None:
            self._spread.start(context)

    def notify(self, notification: Notification) -> None:
        """Take a signal, an answer, or what became of one that was passed on."""
        if self._spread is not None and notification.variable in (COMMAND, RESPONSE):
            self._spread.notify(notification)
            return
        for follower in self._followers:
            follower.notify(notification)

    def timer(self, name: str) -> None:
        """Ask for a signal that is overdue; send answers whose time is over."""
        if name == Spread.TIMER and self._spread is not None:
            self._spread.timer()
        for follower in self._followers:
            follower.timer(name)
