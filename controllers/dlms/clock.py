"""Dates and times of COSEM: twelve bytes, to the hundredth of a second (IEC 62056-6-2, 4.1.6.1).

A unit's clock counts milliseconds from the run's begin and knows no date; here that is the
beginning of the year 2000 (UTC). What is finer than a hundredth of a second is rounded.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from controllers.dlms.axdr import DlmsError

__all__ = ["EARLIEST_MS", "LATEST_MS", "from_clock", "to_clock"]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_STEP_MS = 10
_NOT_SPECIFIED, _NO_DEVIATION = 0xFF, -0x8000
EARLIEST_MS = -50 * 365 * 86_400_000
LATEST_MS = 90 * 365 * 86_400_000


def to_clock(t_ms: int) -> bytes:
    """Return an instant [ms]; raises DlmsError for one far from all runs."""
    if not EARLIEST_MS <= t_ms <= LATEST_MS:
        raise DlmsError(f"{t_ms} ms is no time of a run")
    steps = (t_ms + _STEP_MS // 2) // _STEP_MS
    at = _EPOCH + timedelta(milliseconds=steps * _STEP_MS)
    day = at.year.to_bytes(2, "big") + bytes([at.month, at.day, at.isoweekday()])
    time = bytes([at.hour, at.minute, at.second, at.microsecond // 10_000])
    return day + time + b"\x00\x00\x00"  # no deviation from UTC, no doubts


def from_clock(content: bytes) -> int:
    """Return the instant [ms] of its twelve bytes; raises DlmsError.

    The day of the week, hundredths and the deviation from UTC [min] may be unspecified.
    """
    if len(content) != 12:
        raise DlmsError("no date and time")
    hundredths = 0 if content[8] == _NOT_SPECIFIED else content[8]
    ahead = int.from_bytes(content[9:11], "big", signed=True)
    ahead_min = 0 if ahead == _NO_DEVIATION else ahead
    if hundredths > 99 or abs(ahead_min) > 720:
        raise DlmsError("no date and time")
    try:
        year = int.from_bytes(content[:2], "big")
        day = datetime(year, content[2], content[3], tzinfo=UTC)
        at = day.replace(hour=content[5], minute=content[6], second=content[7])
        at = at.replace(microsecond=hundredths * 10_000)
    except ValueError as error:
        raise DlmsError("no date and time") from error
    t_ms = (at - _EPOCH) // timedelta(milliseconds=1) - ahead_min * 60_000
    if content[4] not in (at.isoweekday(), _NOT_SPECIFIED):
        raise DlmsError("another day of the week")
    if not EARLIEST_MS <= t_ms <= LATEST_MS:
        raise DlmsError("no day of a run")
    return t_ms
