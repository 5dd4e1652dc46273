"""The days of a load that are kept, and what can be said of a day from those before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fernwatt.timebase import SLOT_MS

__all__ = ["SLOTS_PER_DAY", "History"]

Watts: TypeAlias = NDArray[np.float64]

SLOTS_PER_DAY = 86_400_000 // SLOT_MS
_SATURDAY = 5  # counted from Monday
_NONE = -(1 << 63)


class History:
    """Mean powers by day and slot of the last ``days`` days; ``first_weekday`` is day 0's.

    A day is over when a later one has begun, or when all its slots are known. Slots that are
    not known take no part in means; where no day knows a slot, the mean of all stands for it.
    """

    SIZE = 10

    __slots__ = ("_day_of_row", "_first_weekday", "_memory", "_newest", "last_day")

    def __init__(self, days: int, first_weekday: int) -> None:
        self._memory = np.full((days, SLOTS_PER_DAY), np.nan)
        self._day_of_row = [_NONE] * days
        self._newest = _NONE
        self._first_weekday = first_weekday
        self.last_day: int | None = None

    def store(self, day: int, at: int, p_w: float) -> Iterator[int]:
        """Keep one slot; yields days that are over now, each once."""
        row = day % len(self._day_of_row)
        if day < self._day_of_row[row]:
            return  # older than what is kept
        newest = self._newest
        if day > newest != _NONE and (self.last_day is None or newest > self.last_day):
            self.last_day = newest
            yield newest
        if day > self._day_of_row[row]:
            self._memory[row], self._day_of_row[row] = np.nan, day
            self._newest = max(newest, day)
        self._memory[row, at] = p_w
        whole = at == SLOTS_PER_DAY - 1 and bool(np.isfinite(self._memory[row]).all())
        if whole and (self.last_day is None or day > self.last_day):
            self.last_day = day
            yield day

    def knows(self, day: int) -> bool:
        """Tell whether anything of a day is kept."""
        return self._day_of_row[day % len(self._day_of_row)] == day

    def count(self, day: int) -> int:
        """Return how many earlier days are kept, of those that are over."""
        last = min(day - 1, _NONE if self.last_day is None else self.last_day)
        return len(self._kept(last))

    def row(self, day: int) -> Watts:
        """Return a day's powers, NaN where they are not known."""
        if not self.knows(day):
            return np.full(SLOTS_PER_DAY, np.nan)
        row: Watts = self._memory[day % len(self._memory)]
        return row

    def of_today(self, cold_start_w: float) -> Watts:
        """Return what can be said of a day while none is over: the mean of what there is."""
        known = np.isfinite(self._memory)
        overall = float(self._memory[known].mean()) if known.any() else cold_start_w
        return _mean(self._memory, overall)

    def features(self, day: int, last: int) -> Watts | None:
        """Return what days up to ``last`` say of a later ``day``, ``[96, SIZE]``; None: nothing.

        Means of the last 7 and 28 days, of the last 8 of the same kind (working day, Saturday,
        Sunday) and the last 4 of the same weekday, the last day, the first three smoothed over
        an hour or two, and the levels of the last 7 days and of the last one.
        """
        kept = self._kept(last)
        if not kept:
            return None
        overall = float(np.nanmean(self._rows(kept)))
        week = _mean(self._rows([one for one in kept if one > last - 7]), overall)
        month = _mean(self._rows([one for one in kept if one > last - 28]), overall)
        alike = [one for one in kept if self._kind(one) == self._kind(day)][-8:]
        kind = _mean(self._rows(alike), week) if alike else week
        same = [one for one in kept if (day - one) % 7 == 0][-4:]
        weekday = _mean(self._rows(same), week) if same else week
        newest = _mean(self._rows(kept[-1:]), week)
        smooth = (_smooth(week, 2), _smooth(month, 4), _smooth(kind, 3))
        levels = (np.full(SLOTS_PER_DAY, week.mean()), np.full(SLOTS_PER_DAY, newest.mean()))
        return np.stack((week, month, kind, weekday, newest, *smooth, *levels), axis=1)

    def naive(self, day: int) -> tuple[Watts, Watts, Watts]:
        """Return yesterday, the same day of last week, and the mean of the last 7 days."""
        week = _mean(self._rows(list(range(day - 7, day))), np.nan)
        return self.row(day - 1), self.row(day - 7), week

    def _kept(self, last: int) -> list[int]:
        return sorted(day for day in self._day_of_row if _NONE < day <= last)

    def _rows(self, days: list[int]) -> Watts:
        return np.stack([self.row(day) for day in days])

    def kind_of(self, day: int) -> tuple[int, int]:
        """Return a day's weekday (Monday: 0) and kind: working day, Saturday or Sunday."""
        return (day + self._first_weekday) % 7, self._kind(day)

    def _kind(self, day: int) -> int:
        return max((day + self._first_weekday) % 7 - _SATURDAY + 1, 0)


def _mean(rows: Watts, otherwise: Watts | float) -> Watts:
    """Return the mean of each slot over the rows that know it."""
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    mean: Watts = np.where(count > 0, total / np.maximum(count, 1), otherwise)
    return mean


def _smooth(day: Watts, around: int) -> Watts:
    """Return the mean over ``around`` slots to either side, round the clock."""
    shifts = np.arange(-around, around + 1)[:, None]
    smooth: Watts = day[(np.arange(day.size) - shifts) % day.size].mean(axis=0)
    return smooth
