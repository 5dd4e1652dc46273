"""Who is without supply, from when to when, because of what; and how much energy is not supplied.

A customer is interrupted while no conductor of its terminal has voltage. Energy not supplied is
reckoned with what the terminal drew last, as operators do; one that fed in misses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fernwatt.gridmodel.model import FloatArray
from simulators.grid.plant import Plant

__all__ = ["Interruptions"]

_US_PER_H = 3_600_000_000.0


class Interruptions:
    """Follows the supply of a plant's terminals; ``see`` it after each solution.

    Table ``interruption`` gets a row at each end, and at the close for those that last;
    ``unsupplied`` one for each area and interval in which somebody was interrupted.
    """

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        terminals = plant.model.terminals
        n = len(terminals)
        areas = sorted({t.area for t in terminals}, key=str.encode)
        self._areas = areas
        self._area = np.array([areas.index(t.area) for t in terminals], dtype=int)
        self._customer = np.array([bool(t.customer) for t in terminals], dtype=bool)
        self._dead = np.zeros(n, dtype=bool)
        self._since_us = np.zeros(n, dtype=np.int64)
        self._why = [""] * n
        self._missed_wus = np.zeros(n)  # of the interruption under way
        self._drawn_w = np.zeros(n)
        self._t_us = 0
        self._dark_us, self._interval_wus = np.zeros(n), np.zeros(n)
        self._most = np.zeros(len(areas), dtype=np.int64)
        self._rows: list[tuple[Any, ...]] = []
        self._start_ms = 0

    def see(self, t_us: int, cause: str) -> None:
        """Take over the plant's supply as it is from ``t_us`` on, because of ``cause``."""
        self._integrate(t_us)
        dead = ~self._plant.energised()
        if not (dead.any() or self._dead.any()):
            return  # as nearly always
        new = dead & ~self._dead
        # devices have not noticed yet: this is what they draw with supply
        self._drawn_w[new] = np.maximum(self._plant.asked[new].sum(axis=1), 0.0)
        for row in np.flatnonzero(new).tolist():
            self._since_us[row], self._why[row], self._missed_wus[row] = t_us, cause, 0.0
        for row in np.flatnonzero(~dead & self._dead).tolist():
            self._end(row, t_us, cause, complete=True)
        self._dead = dead
        self._count()

    def interval(self, end_ms: int) -> list[tuple[str, Mapping[str, Any]]]:
        """End a recording interval at ``end_ms``; return the rows of both tables."""
        self._integrate(end_ms * 1000)
        hours = np.bincount(self._area, self._dark_us * self._customer, len(self._areas))
        missed = np.bincount(self._area, self._interval_wus, len(self._areas))
        which = np.flatnonzero((hours > 0) | (missed > 0))
        rows = self._take_ended()
        if len(which):
            rows.append(("unsupplied", {
                "t_ms": self._start_ms, "area": [self._areas[n] for n in which.tolist()],
                "customers": self._most[which], "customer_h": hours[which] / _US_PER_H,
                "energy_wh": missed[which] / _US_PER_H,
            }))  # fmt: skip
        self._dark_us[:], self._interval_wus[:] = 0.0, 0.0
        self._most[:] = 0
        self._start_ms = end_ms
        self._count()
        return rows

    def close(self, end_ms: int) -> list[tuple[str, Mapping[str, Any]]]:
        """End the last interval, and tell of the interruptions that outlast the run."""
        rows = self.interval(end_ms)
        for row in np.flatnonzero(self._dead).tolist():
            self._end(row, end_ms * 1000, "", complete=False)
        return rows + self._take_ended()

    # -- inside ------------------------------------------------------------------------------

    def _integrate(self, t_us: int) -> None:
        span_us, self._t_us = t_us - self._t_us, t_us
        if span_us <= 0 or not self._dead.any():
            return
        missed: FloatArray = np.where(self._dead, self._drawn_w, 0.0) * span_us
        self._dark_us += self._dead * float(span_us)
        self._missed_wus += missed
        self._interval_wus += missed

    def _count(self) -> None:
        now = np.bincount(self._area[self._dead & self._customer], minlength=len(self._areas))
        self._most = np.maximum(self._most, now)

    def _end(self, row: int, t_us: int, cause: str, *, complete: bool) -> None:
        terminal = self._plant.model.terminals[row]
        self._rows.append((
            int(self._since_us[row]), t_us, terminal.id, terminal.customer, self._why[row],
            cause, complete, float(self._missed_wus[row]) / _US_PER_H,
        ))  # fmt: skip

    def _take_ended(self) -> list[tuple[str, Mapping[str, Any]]]:
        if not self._rows:
            return []
        names = (
            "begin_us", "end_us", "terminal", "customer", "cause", "restored_by", "complete",
            "energy_wh",
        )  # fmt: skip
        columns = dict(zip(names, map(list, zip(*self._rows, strict=True)), strict=True))
        self._rows = []
        return [("interruption", columns)]
