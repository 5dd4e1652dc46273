"""What a unit derives of its line sensors' readings: powers of all conductors together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from controllers.unit.follow import FOLLOW, Follower, Wanted
from controllers.unit.service import Notification, Result, UnitContext
from controllers.unit.shapes import fits

__all__ = ["SensorValues"]

_PHASES = "line.phases"


class SensorValues:
    """Writes ``sensor.values`` for each ``line.phases``, its own or of sensors below."""

    name = "values"

    __slots__ = ("_context", "_follower")

    _context: UnitContext

    def __init__(self, sensors: Sequence[str]) -> None:
        self._follower = Follower([Wanted(_PHASES, unit) for unit in sensors])

    def start(self, context: UnitContext) -> None:
        """Follow the unit's own sensors and those below."""
        self._context = context
        context.data.event(_PHASES, context.unit)
        self._follower.start(context)

    def notify(self, notification: Notification) -> None:
        """Derive what a reading holds."""
        own = notification.location == self._context.unit and notification.result is Result.OK
        if not (self._follower.take(notification) or (own and notification.t_ms != -1)):
            return
        if notification.variable == _PHASES and fits(_PHASES, notification.value):
            record = derive(notification.value, notification.t_ms)
            context = self._context
            context.data.write("sensor.values", context.unit, record, cause=notification.id)

    def timer(self, name: str) -> None:
        """Follow the next sensor."""
        if name == FOLLOW:
            self._follower.timer()


def derive(reading: dict[str, Any], t_ms: int) -> dict[str, Any]:
    """Return powers [W, var, VA], power factor and largest current [A] of a ``line.phases``."""
    p_w, q_var = (math.fsum(x for x in reading[key] if x is not None) for key in ("p_w", "q_var"))
    s_va = math.hypot(p_w, q_var)
    return {
        "element": reading["element"],
        "end": reading["end"],
        "t_ms": t_ms,
        "p_w": round(p_w, 1),
        "q_var": round(q_var, 1),
        "s_va": round(s_va, 1),
        "power_factor": round(abs(p_w) / s_va, 3) if s_va else None,
        "i_max_a": max((x for x in reading["i_a"] if x is not None), default=None),
    }
