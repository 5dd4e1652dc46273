"""A unit's own notes on its traffic, as variables that a service may subscribe to.

Refused and unreadable frames are told one by one, all else as sums of a minute, when the first
frame after that minute comes: nobody is woken by a clock. Kept only where a service ``detection``
is there to read them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from controllers.unit.securityvariables import ORDERED, REFUSED, TRAFFIC, UNREADABLE

__all__ = ["WATCHER", "Watch"]

WATCHER = "detection"
"""The service for which units watch."""

_MINUTE_MS = 60_000
_MOST_PER_MINUTE = 20
_TOLD = {"refused": REFUSED, "malformed": UNREADABLE}
_STRAYS = ("unexpected", "duplicate", "repeated-request")


class Watch:
    """``write`` (variable, value, cause) makes an instance on the unit."""

    __slots__ = ("_counts", "_minute", "_sources", "_told", "_write")

    def __init__(self, write: Callable[[str, Any, str], None]) -> None:
        self._write, self._minute, self._told = write, -1, 0
        self._counts: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()

    def noted(self, what: str, src: str, cause: str, now_ms: int, why: str = "") -> None:
        """Take note of what happened to a frame of ``src``, or that one came (``frame``)."""
        if what == "frame":
            if now_ms // _MINUTE_MS != self._minute:
                self._tell(cause)
                self._minute, self._told = now_ms // _MINUTE_MS, 0
            self._sources[src] += 1
        elif what in _TOLD:
            self._told += 1  # a flood of them must not become one inside of the unit
            if self._told <= _MOST_PER_MINUTE:
                self._write(_TOLD[what], {"src": src, "why": why}, cause)
        else:
            self._counts[what] += 1

    def ordered(self, location: str, variable: str, value: Any, cause: str) -> None:
        """Take note of an order that a service of the unit gives."""
        self._write(ORDERED, {"location": location, "variable": variable, "value": value}, cause)

    def _tell(self, cause: str) -> None:
        """Write the sums of the minute that is over, if anything came."""
        frames = self._sources.total()
        if frames:
            src, most = min(self._sources.items(), key=lambda item: (-item[1], item[0].encode()))
            record = {
                "t_ms": self._minute * _MINUTE_MS,
                "frames": frames,
                "src": src,
                "most": most,
                "strays": sum(self._counts[what] for what in _STRAYS),
                "denied": self._counts["denied"],
            }
            self._sources.clear()
            self._counts.clear()
            self._write(TRAFFIC, record, cause)
