"""When the street's ten days are, and which seeds it has."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["DAYS", "HISTORY_DAYS", "SEEDS", "START", "ZONE", "days", "is_free"]

SEEDS = (1, 2, 3, 4, 5)
START = datetime(2016, 1, 29, 11, tzinfo=UTC)
"""Noon of a Friday: vehicles that come on one day leave on the next, so no night is cut in two."""
DAYS, HISTORY_DAYS = 10, 28
ZONE = ZoneInfo("Europe/Berlin")


def days() -> list[date]:
    """Return all local days of history and run, the first and the last in part."""
    first = (START - timedelta(days=HISTORY_DAYS)).astimezone(ZONE).date()
    return [first + timedelta(days=n) for n in range(HISTORY_DAYS + DAYS + 1)]


def is_free(day: date) -> bool:
    """Tell whether a day is one of the week's end."""
    return day.weekday() >= 5
