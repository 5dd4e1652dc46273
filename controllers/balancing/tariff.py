"""Prices that planning knows of, quarter-hour by quarter-hour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from controllers.balancing.planners import Watts
from controllers.signals.records import Price
from fernwatt.timebase import DAY_MS, SLOT_MS

__all__ = ["Tariff"]

_DAY = DAY_MS // SLOT_MS


class Tariff:
    """What a supplier has told: of several records the newest that says something counts."""

    def __init__(self) -> None:
        self._newest_first: list[Price] = []

    def take(self, price: Price, now_ms: int) -> None:
        """Take a record; forget those that ended more than a day ago."""
        kept = [
            one
            for one in self._newest_first
            if one.end_ms > now_ms - DAY_MS and one.issued_ms != price.issued_ms
        ]
        self._newest_first = sorted([*kept, price], key=lambda one: -one.issued_ms)

    def prices(self, first_slot: int, slots: int) -> tuple[Watts, Watts] | None:
        """Return prices [cent/MWh] of what is drawn and of what is fed in, at each slot's start.

        A slot of which nothing is known has the price of a day before it, if that is known, else
        the mean of those that are. None where nothing is known at all.
        """
        span = [self._at(slot) for slot in range(first_slot, first_slot + slots)]
        for i, known in enumerate(span):
            if known is None:
                span[i] = span[i - _DAY] if i >= _DAY else self._at(first_slot + i - _DAY)
        there = [known for known in span if known is not None]
        if not there:
            return None
        mean = _mean(there)
        rows = np.array([mean if known is None else known for known in span], dtype=float)
        return rows[:, 0], rows[:, 1]

    def _at(self, slot: int) -> tuple[float, float] | None:
        t_ms = slot * SLOT_MS
        for one in self._newest_first:
            step = (t_ms - one.start_ms) // one.step_ms
            if 0 <= step < len(one.cent_per_mwh):
                return float(one.cent_per_mwh[step]), float(one.feed_in_cent_per_mwh[step])
        return None


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(p[0] for p in pairs) / len(pairs), sum(p[1] for p in pairs) / len(pairs)
