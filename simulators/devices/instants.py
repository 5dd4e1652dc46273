"""Instants in files of the user's: each needs a zone, its own or one that the scenario states."""

from __future__ import annotations

from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from simulators.devices.weather_files import fixed_zone

__all__ = ["read_instant", "zone_of"]


def zone_of(text: str) -> tzinfo:
    """Return the zone ``Z``, ``+01:00`` or ``Europe/Berlin``; raises ValueError for others."""
    try:
        return fixed_zone(text)
    except ValueError:
        try:
            return ZoneInfo(text)
        except (KeyError, ValueError, OSError) as error:
            message = f"{text!r} is no zone; write Z, +01:00 or Europe/Berlin"
            raise ValueError(message) from error


def read_instant(text: str, zone: tzinfo | None) -> datetime:
    """Return the instant of an ISO 8601 text; ``zone`` is that of texts without one.

    Raises ValueError for what is no instant, has no zone, or is an hour that a change of the
    clocks repeats or leaves out.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()!r} is no instant; write 2016-04-20T18:30:00Z") from None
    if instant.tzinfo is not None:
        return instant
    if zone is None:
        raise ValueError(f"{text.strip()!r} has no time zone; end it with Z or +01:00")
    local = instant.replace(tzinfo=zone)
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        raise ValueError(f"{text.strip()!r} is twice or never in {zone}; end it with Z or +01:00")
    return local
