"""Checks of orders: what devices were told, against what their house's unit told them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from controllers.balancing.sound import is_sound
from controllers.detection.finding import Finding, Source
from controllers.detection.limits import Limits
from controllers.unit.securityvariables import ORDERED
from controllers.unit.service import Notification
from fernwatt.timebase import HOUR_MS

__all__ = ["Numbers", "Orders", "Signals"]

_SET_POINT, _REQUEST, _SIGNAL = "set_point", "balancing.request", "balancing.signal"


class Orders:
    """Set points that a device took without this unit having given them (class ``order``).

    A device's unit tells each set point that it took; each must be one that this unit gave and
    that was not told before, so copies and altered ones are found as well as forged ones.
    """

    def __init__(self, unit: str, devices: Sequence[str]) -> None:
        self._unit, self._devices = unit, tuple(devices)
        self._given: dict[str, list[tuple[int, Any]]] = {device: [] for device in devices}

    def wants(self) -> Sequence[Source]:
        """Return the unit's own orders, and the set points that devices took."""
        return [(ORDERED, self._unit), *((_SET_POINT, device) for device in self._devices)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:
        """Remember an order, or look for the one that a set point came from."""
        value = notification.value
        if notification.variable == ORDERED:
            given = self._given.get(value["location"])
            if given is not None and value["variable"] == _SET_POINT:
                given[:] = [item for item in given if item[0] > now_ms - HOUR_MS]
                given.append((now_ms, value["value"]))
            return ()
        given = self._given[notification.location]
        for place, (_, known) in enumerate(given):
            if known == value:
                del given[place]
                return ()
        return (Finding("order", notification.location, {"taken": value}, (notification.id,)),)

    def slot(self, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002 - of the protocol
        """Find nothing."""
        return ()


class Signals:
    """Negotiations that lead away from what they are for (class ``signal``).

    What is left to shift, the norm of a signal's ``d``, falls from round to round: where nobody
    can help any more a negotiation ends. Where houses commit to the wrong thing their commits are
    undone and it goes on and on, or it grows.
    """

    def __init__(self, unit: str, parent: str, limits: Limits) -> None:
        self._unit, self._parent, self._limits = unit, parent, limits
        self._last: tuple[int, float] = (-1, 0.0)
        self._stalled = 0

    def wants(self) -> Sequence[Source]:
        """Return the unit's own signals."""
        return [(_SIGNAL, self._unit)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:
        """Hold a round's signal against the one before."""
        value = notification.value
        if not is_sound(notification, now_ms) or value["round"] < 1:
            return ()
        number, norm = value["negotiation"], math.hypot(*value["d"])
        before, self._last = self._last, (number, norm)
        same = before[0] == number
        self._stalled = self._stalled + 1 if same and norm >= before[1] else 0
        grown = same and norm > before[1] * (1.0 + self._limits.signal_share)
        if not grown and self._stalled <= self._limits.stalled_rounds:
            return ()
        detail = {"before": round(before[1], 1), "after": round(norm, 1), "rounds": self._stalled}
        return (Finding("signal", self._parent, detail, (notification.id,)),)

    def slot(self, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002 - of the protocol
        """Find nothing."""
        return ()


class Numbers:
    """Negotiations whose number is far from the clock that numbers are taken from (``request``)."""

    def __init__(self, unit: str, parent: str, limits: Limits) -> None:
        self._unit, self._parent, self._limits = unit, parent, limits

    def wants(self) -> Sequence[Source]:
        """Return the unit's own requests."""
        return [(_REQUEST, self._unit)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:
        """Judge a request."""
        value = notification.value
        number = value.get("negotiation") if isinstance(value, dict) else None
        now_s = now_ms // 1000
        if type(number) is int and abs(number - now_s) <= self._limits.number_s:
            return ()
        detail = {"number": number if type(number) is int else None, "now_s": now_s}
        return (Finding("request", self._parent, detail, (notification.id,)),)

    def slot(self, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Find nothing."""
        return ()
