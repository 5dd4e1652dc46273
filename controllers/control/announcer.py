"""A device's unit tells the unit that decides for it what the device can do."""

from __future__ import annotations

from controllers.control.known import Capability
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["CAPABILITY", "Announcer"]

CAPABILITY = "control.capability"
_AGAIN_MS, _FAILED_MS = 6 * 3_600_000, 300_000


class Announcer:
    """Announces ``capability`` to ``to`` until it is taken, and every six hours after that."""

    TIMER = "announce"

    def __init__(self, capability: Capability, to: str) -> None:
        self._capability, self._to = capability, to
        self._request = ""

    def start(self, context: UnitContext) -> None:
        """Announce the device, a little later than others of the same instant."""
        self._context = context
        wait_ms = int(context.stream("announce").integers(1, 60_000))
        context.set_timer(self.TIMER, context.now_ms + wait_ms)

    def timer(self) -> None:
        """Announce the device."""
        value = self._capability.plain()
        self._request = self._context.data.write(CAPABILITY, self._to, value).id
        self._context.set_timer(self.TIMER, self._context.now_ms + _AGAIN_MS)

    def notify(self, outcome: Notification) -> bool:
        """Take the outcome of an announcement; tell whether it was one."""
        if outcome.request != self._request:
            return False
        if outcome.result is not Result.OK:
            self._context.set_timer(self.TIMER, self._context.now_ms + _FAILED_MS)
        return True
