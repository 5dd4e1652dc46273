"""Service ``control``: at a device's unit, and at the unit that decides for it."""

from __future__ import annotations

from controllers.control.announcer import Announcer
from controllers.control.decider import Decider
from controllers.unit.service import Notification, UnitContext

__all__ = ["Control"]


class Control:
    """Decides, announces a device, or both."""

    name = "control"

    __slots__ = ("_announcer", "decider")

    def __init__(self, decider: Decider | None, announcer: Announcer | None) -> None:
        self.decider, self._announcer = decider, announcer

    def start(self, context: UnitContext) -> None:
        """Begin."""
        for part in (self._announcer, self.decider):
            if part is not None:
                part.start(context)

    def notify(self, notification: Notification) -> None:
        """Hand on what was heard."""
        if self._announcer is not None and self._announcer.notify(notification):
            return
        if self.decider is not None:
            self.decider.notify(notification)

    def timer(self, name: str) -> None:
        """Hand on a timer that is due."""
        if name == Announcer.TIMER and self._announcer is not None:
            self._announcer.timer()
        elif self.decider is not None:
            self.decider.timer(name)
