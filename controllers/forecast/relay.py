"""Service ``forecast``: a unit follows the forecasts of another, and has them for those below.

The provider's forecasts are the readings of its feed; whoever subscribed is notified. Each unit
on the way down subscribes at the one above by ``event`` and writes what comes to its own
``weather.forecast``, where the next finds it. They stay the provider's, whose policy lets the
unit keep copies. Notifications are not acknowledged: one that is
overdue is asked for by ``query``, and a subscription that failed is tried again.
"""

from __future__ import annotations

import math
from typing import Any

from controllers.unit.service import Issued, Notification, Result, UnitContext

__all__ = ["VARIABLE", "Relay"]

VARIABLE = "weather.forecast"
_SERIES = ("ghi_w_per_m2", "temperature_c")
_TIMES = ("issued_ms", "start_ms", "step_ms")
_AGAIN_MS = 600_000
_TIMER = "overdue"


class Relay:
    """Follows ``source``; ``newest_ms`` is when the newest forecast here was issued, -1: none."""

    name = "forecast"

    __slots__ = ("_context", "_every_ms", "_patience_ms", "_source", "_subscription", "newest_ms")

    _context: UnitContext

    def __init__(self, source: str, every_ms: int, patience_ms: int) -> None:
        self._source, self._every_ms, self._patience_ms = source, every_ms, patience_ms
        self._subscription = ""
        self.newest_ms = -1

    def start(self, context: UnitContext) -> None:
        """Subscribe, and look after a while whether something has come."""
        self._context = context
        self._follow()
        context.set_timer(_TIMER, context.now_ms + self._patience_ms)

    def notify(self, notification: Notification) -> None:
        """Take a forecast, or the end of the subscription."""
        result = notification.result
        if result is Result.OK and notification.t_ms >= 0 and notification.variable == VARIABLE:
            if notification.location == self._source:
                self._take(notification)
        elif notification.request == self._subscription and result not in {
            Result.OK,
            Result.REPLACED,
        }:
            self._subscription = ""

    def timer(self, name: str) -> None:
        """Ask for a forecast that has not come."""
        context = self._context
        if not self._subscription:
            self._follow()
        context.data.query(VARIABLE, self._source)
        context.set_timer(name, context.now_ms + _AGAIN_MS)

    def _follow(self) -> None:
        issued: Issued = self._context.data.event(VARIABLE, self._source)
        self._subscription = issued.id if issued.result is Result.ISSUED else ""

    def _take(self, notification: Notification) -> None:
        """Keep a forecast that is newer than the one before; wait for the next."""
        context, value = self._context, notification.value
        if not is_forecast(value):
            context.decide("forecast_refused", self._source, None, (notification.id,))
            return
        if value["issued_ms"] <= self.newest_ms:
            return
        self.newest_ms = value["issued_ms"]
        context.data.write(VARIABLE, context.unit, value, cause=notification.id)
        next_ms = self.newest_ms + self._every_ms + self._patience_ms
        context.set_timer(_TIMER, max(next_ms, context.now_ms + self._patience_ms))


def is_forecast(value: Any) -> bool:
    """Tell whether a value is a forecast: times, and finite series of the same length."""
    if not isinstance(value, dict) or not {*_TIMES, *_SERIES} <= value.keys():
        return False
    if any(type(value[name]) is not int for name in _TIMES) or value["step_ms"] <= 0:
        return False
    series = [value[name] for name in _SERIES]
    if not all(isinstance(one, list) for one in series) or len(series[0]) != len(series[1]):
        return False
    return all(type(item) in (int, float) and math.isfinite(item) for one in series for item in one)
