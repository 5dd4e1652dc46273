"""Simulated time: integer milliseconds from the scenario's start; slots of a quarter of an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["DAY_MS", "HOUR_MS", "SLOT_MS", "Clock", "ceil_ms"]

SLOT_MS = 900_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


def ceil_ms(t_us: int) -> int:
    """Return the first tick [ms] that is not before ``t_us`` [µs]."""
    return -(-t_us // 1000)


@dataclass(frozen=True, slots=True)
class Clock:
    """Maps simulated milliseconds to UTC.

    ``start`` is the instant of ``t_ms = 0`` and lies on a slot boundary.
    """

    start: datetime

    def at(self, t_ms: int) -> datetime:
        """Return the instant of ``t_ms``."""
        return self.start.astimezone(UTC) + timedelta(milliseconds=t_ms)

    def iso(self, t_ms: int) -> str:
        """Return the instant of ``t_ms`` as ISO 8601 text in UTC."""
        return self.at(t_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @classmethod
    def from_iso(cls, text: str) -> Clock:
        """Return the clock that starts at ``text`` (UTC where no zone is given)."""
        start = datetime.fromisoformat(text)
        return cls(start if start.tzinfo else start.replace(tzinfo=UTC))
