"""Subscriptions and first queries that are asked again until they are answered."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.unit.service import Issued, Notification, Result, UnitContext

__all__ = ["Subscriptions"]

_AGAIN = {Result.TIMEOUT, Result.UNREACHABLE, Result.OVERLOADED, Result.RATE}
_FIRST_MS, _LONGEST_MS = 60_000, 1_800_000


@dataclass(slots=True)
class _Wish:
    query: bool
    variable: str
    location: str
    wait_ms: int = _FIRST_MS


class Subscriptions:
    """What a service wants to know; a wish that failed on the way is repeated, ever more rarely."""

    TIMER = "subscriptions"

    def __init__(self, context: UnitContext) -> None:
        self._context = context
        self._open: dict[str, _Wish] = {}
        self._again: list[tuple[int, _Wish]] = []

    def want(self, variable: str, location: str, *, now_too: bool = False) -> None:
        """Be notified of every new value, and of the present one too."""
        self._ask(_Wish(False, variable, location))
        if now_too:
            self.ask(variable, location)

    def ask(self, variable: str, location: str) -> None:
        """Be told the present value once; while it is being asked for, that is enough."""
        pending = (*self._open.values(), *(wish for _, wish in self._again))
        if not any(w.query and (w.variable, w.location) == (variable, location) for w in pending):
            self._ask(_Wish(True, variable, location))

    def is_value(self, notification: Notification) -> bool:
        """Take note of a notification; return True when it carries a value."""
        wish = self._open.get(notification.request)
        if notification.result is Result.OK:
            if wish is not None and wish.query:
                del self._open[notification.request]
            return notification.t_ms >= 0
        if wish is not None:
            del self._open[notification.request]
            if notification.result in _AGAIN:
                self._later(wish)
        return False

    def timer(self) -> None:
        """Ask again what is due."""
        now_ms = self._context.now_ms
        due = [wish for at_ms, wish in self._again if at_ms <= now_ms]
        self._again = [entry for entry in self._again if entry[0] > now_ms]
        for wish in due:
            self._ask(wish)
        self._set_timer()

    def _ask(self, wish: _Wish) -> None:
        data = self._context.data
        issued: Issued = (data.query if wish.query else data.event)(wish.variable, wish.location)
        if issued.result in (Result.OK, Result.ISSUED):
            self._open[issued.id] = wish
        elif issued.result in _AGAIN:
            self._later(wish)

    def _later(self, wish: _Wish) -> None:
        self._again.append((self._context.now_ms + wish.wait_ms, wish))
        wish.wait_ms = min(2 * wish.wait_ms, _LONGEST_MS)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._again:
            self._context.set_timer(self.TIMER, min(at_ms for at_ms, _ in self._again))
