"""A meter's tariff registers (COSEM: activity calendar 0-0:13.0.0, active tariff 0-0:96.14.0).

The calendar is the unit's ``tariff.table``: items ``price NAME`` → price per kWh, ``at HH:MM`` →
name, local time. At each switching, and when a new version comes, the register that counts is
written to ``tariff.active``, with what all registers have counted of ``energy.import``. Energy that
was counted between two readings goes to the register that was active at the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from controllers.unit.service import Notification, Result, UnitContext
from controllers.unit.shapes import fits
from fernwatt.timebase import DAY_MS, HOUR_MS

__all__ = ["Tariffs", "active", "switchings"]

_AT = re.compile(r"at ([01][0-9]|2[0-3]):([0-5][0-9])")
TABLE, ACTIVE, REGISTER = "tariff.table", "tariff.active", "energy.import"


def switchings(items: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Return when in the day [ms] which register begins to count, in order."""
    found = []
    for name, register in items.items():
        match = _AT.fullmatch(name)
        if match is not None:
            at_ms = int(match[1]) * HOUR_MS + int(match[2]) * 60_000
            found.append((at_ms, str(register)))
    return sorted(found)


def active(items: Mapping[str, Any], of_day_ms: int) -> tuple[str, int]:
    """Return the register that counts at a time of day, and in how many ms another one does."""
    times = switchings(items)
    before = [register for at_ms, register in times if at_ms <= of_day_ms]
    register = before[-1] if before else times[-1][1]
    following = [at_ms for at_ms, _ in times if at_ms > of_day_ms]
    ends_ms = following[0] if following else times[0][0] + DAY_MS
    return register, ends_ms - of_day_ms


class Tariffs:
    """Switches registers by the calendar that came from above."""

    name = "tariffs"

    __slots__ = (
        "_active", "_context", "_day_ms", "_items", "_last", "_since_ms", "_version", "_wh",
    )  # fmt: skip

    _context: UnitContext

    def __init__(self, day_ms: int) -> None:
        self._day_ms = day_ms
        self._items: dict[str, Any] = {}
        self._version = 0
        self._active, self._since_ms = "", 0
        self._last: float | None = None
        self._wh: dict[str, float] = {}

    def start(self, context: UnitContext) -> None:
        """Go on with what the registers had; follow calendar and register."""
        self._context = context
        context.data.query(ACTIVE, context.unit)
        context.data.event(TABLE, context.unit)
        context.data.query(TABLE, context.unit)
        context.data.event(REGISTER, context.unit)

    def notify(self, notification: Notification) -> None:
        """Take a calendar, or count."""
        if notification.result is not Result.OK or notification.t_ms == -1:
            return
        value, variable = notification.value, notification.variable
        if variable == REGISTER:
            self._count(float(value), notification.id)
        elif variable == TABLE and fits(TABLE, value) and value["version"] > self._version:
            if not switchings(value["items"]):
                return  # a calendar without a time says nothing
            self._items, self._version = value["items"], value["version"]
            self._switch(notification.id)
        elif variable == ACTIVE and not self._wh:
            self._wh = dict(value["registers"])

    def timer(self, name: str) -> None:
        """Switch to the next register."""
        del name
        self._switch("")

    def _count(self, value_wh: float, cause: str) -> None:
        before, self._last = self._last, value_wh
        if before is not None and self._active and value_wh >= before:
            self._wh[self._active] = self._wh.get(self._active, 0.0) + value_wh - before
            boundary = self._context.now_ms % HOUR_MS < 60_000
            if boundary:
                self._write(cause)

    def _switch(self, cause: str) -> None:
        now_ms = self._context.now_ms
        register, left_ms = active(self._items, (now_ms + self._day_ms) % DAY_MS)
        if register != self._active:
            self._active, self._since_ms = register, now_ms
        self._write(cause)
        self._context.set_timer("switch", now_ms + left_ms)

    def _write(self, cause: str) -> None:
        record = {
            "register": self._active,
            "price_per_kwh": self._items.get(f"price {self._active}"),
            "since_ms": self._since_ms,
            "version": self._version,
            "registers": {name: round(wh, 1) for name, wh in sorted(self._wh.items())},
        }
        self._context.data.write(ACTIVE, self._context.unit, record, cause=cause)
