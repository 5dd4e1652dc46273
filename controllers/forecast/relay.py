"""Service ``forecast``: a unit follows the forecasts of another, and has them for those below.

The provider's forecasts are the readings of its feed. They stay the provider's on every unit that
keeps a copy, and its policy lets the unit do that.
"""

from __future__ import annotations

import math
from typing import Any

from controllers.signals.follower import Followed, Follower
from controllers.unit.service import Notification, UnitContext

__all__ = ["VARIABLE", "Relay"]

VARIABLE = "weather.forecast"
_SERIES = ("ghi_w_per_m2", "temperature_c")
_TIMES = ("issued_ms", "start_ms", "step_ms")


class Relay:
    """Follows ``source``; ``newest_ms`` is when the newest forecast here was issued, -1: none."""

    name = "forecast"

    __slots__ = ("_follower",)

    def __init__(self, source: str, every_ms: int, patience_ms: int) -> None:
        self._follower = Follower(
            Followed(
                VARIABLE, source, is_forecast, every_ms, patience_ms, refusal="forecast_refused"
            )
        )

    @property
    def newest_ms(self) -> int:
        """When the newest forecast here was issued, -1: none."""
        return self._follower.newest_ms

    def start(self, context: UnitContext) -> None:
        """Subscribe, and look after a while whether something has come."""
        self._follower.start(context)

    def notify(self, notification: Notification) -> None:
        """Take a forecast, or the end of the subscription."""
        self._follower.notify(notification)

    def timer(self, name: str) -> None:
        """Ask for a forecast that has not come."""
        self._follower.timer(name)


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
