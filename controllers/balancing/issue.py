"""A day's prediction as it was given out, beside what simpler methods would have said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Issue", "Said"]

Watts: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Said:
    """One slot of an ``Issue``; None where a method had nothing to go by."""

    mean_w: float
    low_w: float | None
    high_w: float | None
    yesterday_w: float | None
    weekday_w: float | None
    week_w: float | None
    days: int = 0  # that were known


@dataclass(frozen=True, slots=True)
class Issue:
    """Means, the quantiles 10 and 90 %, the day before, the same weekday, the mean of 7 days.

    Each ``[96]``, NaN where nothing is known. ``days`` were known when it was said.
    """

    mean_w: Watts
    low_w: Watts
    high_w: Watts
    yesterday_w: Watts
    weekday_w: Watts
    week_w: Watts
    days: int = 0

    def at(self, slot: int) -> Said:
        """Return what was said of the day's ``slot``."""
        rest = (self.low_w, self.high_w, self.yesterday_w, self.weekday_w, self.week_w)
        low_w, high_w, yesterday_w, weekday_w, week_w = (_known(one[slot]) for one in rest)
        mean_w = float(self.mean_w[slot])
        return Said(mean_w, low_w, high_w, yesterday_w, weekday_w, week_w, self.days)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
