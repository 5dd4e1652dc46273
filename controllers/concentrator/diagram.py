"""Typical load diagrams: mean power by quarter of an hour of the day, by criterion."""

from __future__ import annotations

from typing import Any

from fernwatt.timebase import DAY_MS, SLOT_MS

__all__ = ["Diagram"]

_SLOTS = DAY_MS // SLOT_MS


class Diagram:
    """Sums of all customers, of those who feed in, and of those who do not."""

    __slots__ = ("_counts", "_customers", "_days", "_sums")

    CRITERIA = ("all", "producers", "consumers")

    def __init__(self) -> None:
        self._sums = {name: [0.0] * _SLOTS for name in self.CRITERIA}
        self._counts = {name: [0] * _SLOTS for name in self.CRITERIA}
        self._customers = dict.fromkeys(self.CRITERIA, 0)
        self._days: set[int] = set()

    def add(self, start_ms: int, day_ms: int, p_w: dict[str, float], producers: set[str]) -> None:
        """Take the mean powers [W] of one slot, by meter; ``day_ms`` is the time of day at 0."""
        local_ms = start_ms + day_ms
        slot = local_ms % DAY_MS // SLOT_MS
        self._days.add(local_ms // DAY_MS)
        feeding = [value for meter, value in p_w.items() if meter in producers]
        others = [value for meter, value in p_w.items() if meter not in producers]
        for name, values in zip(self.CRITERIA, (list(p_w.values()), feeding, others), strict=True):
            if values:
                self._sums[name][slot] += sum(values)
                self._counts[name][slot] += 1
                self._customers[name] = len(values)

    def records(self, t_ms: int) -> list[dict[str, Any]]:
        """Return a record for each criterion that has any customers."""
        return [
            {
                "t_ms": t_ms,
                "criterion": name,
                "customers": self._customers[name],
                "mean_w": [
                    round(total / count) if count else None
                    for total, count in zip(self._sums[name], self._counts[name], strict=True)
                ],
                "days": len(self._days),
            }
            for name in self.CRITERIA
            if self._customers[name]
        ]
