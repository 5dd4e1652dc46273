"""Service ``metering``: a meter watches over its own registers.

The values themselves need no service: they are written as they are read, and whoever subscribed
is notified. The service notices when an expected slot value does not come, and when a register
runs backwards, and records both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.unit.directory import Directory
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["Metering"]

_REGISTERS = ("energy.import", "energy.export")
_PATIENCE_MS = 30_000
_TIMER = "expected"


class Metering:
    """Watches the registers that the unit's own instruments read once per period."""

    name = "metering"

    __slots__ = ("_context", "_last", "_period_ms", "_seen_ms", "_watch")

    _context: UnitContext

    def __init__(self, period_ms: int, watch: bool) -> None:
        self._period_ms, self._watch = period_ms, watch
        self._last: dict[str, tuple[float, str]] = {}
        self._seen_ms = -1

    @classmethod
    def make(
        cls, spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
    ) -> Metering:
        """Return the service of a unit's specification; ``params``: ``period_s``."""
        del directory
        period_ms = round(params.get("period_s", SLOT_MS // 1000) * 1000)
        return cls(period_ms, watch=bool(spec.get("instruments")))

    def start(self, context: UnitContext) -> None:
        """Subscribe to the unit's own registers."""
        self._context = context
        if not self._watch:
            return
        for variable in _REGISTERS:
            context.data.event(variable, context.unit)
        context.set_timer(_TIMER, context.now_ms + self._period_ms + _PATIENCE_MS)

    def notify(self, notification: Notification) -> None:
        """Check a new register value against the one before."""
        if notification.result is not Result.OK or notification.value is None:
            return
        self._seen_ms = self._context.now_ms
        value, variable = float(notification.value), notification.variable
        before, cause = self._last.get(variable, (value, ""))
        self._last[variable] = (value, notification.id)
        if value < before:
            detail = {"variable": variable, "before_wh": before, "after_wh": value}
            causes = (notification.id, cause)
            self._context.decide("register_backwards", self._context.unit, detail, causes)

    def timer(self, name: str) -> None:
        """Notice a period without any value."""
        context = self._context
        if self._seen_ms < context.now_ms - self._period_ms:
            cause = next((cause for _, cause in self._last.values()), "")
            detail = {"since_ms": self._seen_ms}
            context.decide("reading_missing", context.unit, detail, (cause,) if cause else ())
        context.set_timer(name, context.now_ms + self._period_ms)
