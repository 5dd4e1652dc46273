"""What contracted meters have measured: out of the unit's own copies, else asked of the meter.

The unit keeps copies of the registers that it is notified of anyway, so a request costs nothing on
the wire; a meter of which some are missing is asked once, by itself, a few at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controllers.response.baseline import Metered
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import DAY_MS, SLOT_MS

__all__ = ["MeterReader"]

_REGISTERS = ("energy.import", "energy.export")
_PARALLEL = 2


@dataclass(slots=True)
class _Round:
    """One reading of all meters: what is still open, and what comes after."""

    since_ms: int
    then: Callable[[], None]
    queue: list[str] = field(default_factory=list)
    open: set[str] = field(default_factory=set)


class MeterReader:
    """Reads meters; ``known`` holds what each has measured."""

    def __init__(self, meters: Sequence[str]) -> None:
        self.known = {meter: Metered() for meter in sorted(meters, key=str.encode)}
        self.causes: dict[str, str] = {}
        self._asked: dict[str, tuple[_Round, str, str, bool]] = {}
        self._series: dict[tuple[str, str], list[object]] = {}

    def start(self, context: UnitContext) -> None:
        """Be ready."""
        self._context = context

    def read(self, since_ms: int, then: Callable[[], None]) -> None:
        """Read what was measured since then, a day at most; call ``then`` when that is done."""
        since_ms = max(since_ms, self._context.now_ms - DAY_MS, 0)
        one = _Round(since_ms // SLOT_MS * SLOT_MS, then)
        for meter in self.known:
            self._query(one, meter, self._context.unit)
        self._go_on(one)

    def notify(self, notification: Notification) -> bool:
        """Take the outcome of a query; return False if it is none of these."""
        asked = self._asked.pop(notification.request, None)
        if asked is None:
            return False
        one, meter, variable, copied = asked
        if notification.result is Result.OK and type(notification.value) is list:
            self._series[meter, variable] = notification.value
            self.causes[meter] = notification.id
        one.open.discard(notification.request)
        if not any(self._asked[open_id][1] == meter for open_id in one.open):
            self._close(one, meter, copied=copied)
        self._go_on(one)
        return True

    def _query(self, one: _Round, meter: str, at: str) -> None:
        tolerance_ms = SLOT_MS // 2  # of the meter's clock
        condition = f"t >= {max(one.since_ms - tolerance_ms, 0)}"
        copied = at == self._context.unit
        for register in _REGISTERS:
            issued = self._context.data.query(
                register, meter, condition=condition, function="values", at=at if copied else ""
            )
            self._asked[issued.id] = (one, meter, register, copied)
            one.open.add(issued.id)

    def _close(self, one: _Round, meter: str, *, copied: bool) -> None:
        """Take both registers of a meter; ask it directly if its copies have a gap."""
        series = [self._series.pop((meter, register), []) for register in _REGISTERS]
        self.known[meter].take(*series)
        until = self._context.now_ms // SLOT_MS - 1  # the newest one may be on its way
        if copied and self.known[meter].misses(range(one.since_ms // SLOT_MS, until)):
            one.queue.append(meter)

    def _go_on(self, one: _Round) -> None:
        while one.queue and len(one.open) < len(_REGISTERS) * _PARALLEL:
            self._query(one, one.queue.pop(0), "")
        if not one.open and not one.queue:
            then, one.then = one.then, _nothing
            then()


def _nothing() -> None:
    """Be called when all is done already."""
