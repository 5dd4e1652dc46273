"""Checks of a unit's own traffic: what it refused, could not read, was asked too often."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.detection.finding import Finding, Recent, Source
from controllers.detection.limits import Limits
from controllers.unit.securityvariables import REFUSED, TRAFFIC, UNREADABLE
from controllers.unit.service import Notification
from fernwatt.timebase import HOUR_MS

__all__ = ["Refusals", "Traffic"]


class Refusals:
    """Frames that were not authentic or fresh (``forgery``), or no messages (``garbage``)."""

    def __init__(self, unit: str, limits: Limits) -> None:
        self._unit = unit
        self._rules = {
            REFUSED: ("forgery", limits.refused_per_h, Recent(HOUR_MS)),
            UNREADABLE: ("garbage", limits.malformed_per_h, Recent(HOUR_MS)),
        }

    def wants(self) -> Sequence[Source]:
        """Return the unit's own notes."""
        return [(variable, self._unit) for variable in self._rules]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:
        """Count one by its claimed sender."""
        kind, limit, recent = self._rules[notification.variable]
        src = str(notification.value["src"])
        count = recent.add(src, now_ms)
        if count <= limit:
            return ()
        detail = {"count": count, "why": notification.value["why"]}
        return (Finding(kind, src, detail, (notification.id,)),)

    def slot(self, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002 - of the protocol
        """Find nothing."""
        return ()


class Traffic:
    """Minutes with too many frames of one sender (``flood``), of stray ones, of denied ones."""

    def __init__(self, unit: str, limits: Limits) -> None:
        self._unit, self._limits = unit, limits

    def wants(self) -> Sequence[Source]:
        """Return the unit's own sums."""
        return [(TRAFFIC, self._unit)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Judge a minute."""
        value, limits, causes = notification.value, self._limits, (notification.id,)
        found = (
            ("flood", value["most"], limits.frames_per_min),
            ("stray", value["strays"], limits.strays_per_min),
            ("intrusion", value["denied"], limits.denied_per_min),
        )
        return [
            Finding(kind, value["src"], {"count": count, "limit": limit}, causes)
            for kind, count, limit in found
            if count > limit
        ]

    def slot(self, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Find nothing."""
        return ()
