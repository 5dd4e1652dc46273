"""Reads the meters of an aggregator's customers for a settlement, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.balancing.registers import Register
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["MeterReading"]

_REGISTERS = ("energy.import", "energy.export")
_SLACK_MS, _TRIES = 60_000, 3


class MeterReading:
    """Asks each meter for its registers from ``first`` slot to ``end``, exclusive; they keep them.

    Who does not answer is asked again at the end, twice at most.
    """

    def __init__(self, context: UnitContext, meters: list[str], first: int, end: int) -> None:
        self._context, self.first, self.end = context, first, end
        self._queue = [(meter, name, 1) for meter in sorted(meters) for name in _REGISTERS]
        self._asked: dict[str, tuple[str, str, int]] = {}
        self._registers: dict[tuple[str, str], Register] = {}
        self._meters = sorted(meters)

    @property
    def done(self) -> bool:
        """Whether all have answered, or will not."""
        return not self._queue and not self._asked

    def ask(self) -> None:
        """Ask the next meter, if none is being asked."""
        begin_ms, end_ms = self.first * SLOT_MS - _SLACK_MS, self.end * SLOT_MS + _SLACK_MS
        condition = f"t >= {begin_ms} and t <= {end_ms}"
        while self._queue and not self._asked:
            meter, name, tries = self._queue.pop(0)
            issued = self._context.data.query(name, meter, condition=condition, function="values")
            if issued.result is Result.ISSUED:
                self._asked[issued.id] = (meter, name, tries)

    def take(self, notification: Notification) -> bool:
        """Take an answer; return False where it is none."""
        asked = self._asked.pop(notification.request, None)
        if asked is None:
            return False
        meter, name, tries = asked
        rows = notification.value if notification.result is Result.OK else None
        if isinstance(rows, list):
            register = Register()
            for row in rows:
                if _is_row(row):
                    register.add(row[0], float(row[1]))
            self._registers[meter, name] = register
        elif notification.result in (Result.TIMEOUT, Result.UNREACHABLE) and tries < _TRIES:
            self._queue.append((meter, name, tries + 1))
        return True

    def sums_wh(self) -> tuple[Mapping[int, float], int]:
        """Return what all drew in each slot, and how many meters are missing of them at most.

        Those missing in a slot are taken to be as the mean of the others.
        """
        sums: dict[int, float] = {}
        most_missing = 0
        for slot in range(self.first, self.end):
            known = [wh for meter in self._meters if (wh := self._net_wh(meter, slot)) is not None]
            if known:
                sums[slot] = sum(known) * len(self._meters) / len(known)
            most_missing = max(most_missing, len(self._meters) - len(known))
        return sums, most_missing

    def _net_wh(self, meter: str, slot: int) -> float | None:
        means = [self._registers.get((meter, name)) for name in _REGISTERS]
        drawn, fed = (None if one is None else one.mean_w(slot) for one in means)
        return None if drawn is None or fed is None else (drawn - fed) * SLOT_MS / HOUR_MS


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 2 and all(type(v) in (int, float) for v in row)
