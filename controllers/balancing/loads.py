"""What a house will draw, learnt from its own measurements.

Powers are means over slots of a quarter of an hour [W], positive = drawn from the grid; slots
are counted from the scenario's start and negative before it, days from the start's UTC midnight.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from controllers.balancing.history import SLOTS_PER_DAY, History
from controllers.balancing.issue import Issue, Said
from fernwatt.timebase import Clock

__all__ = ["LoadPredictor"]

Watts: TypeAlias = NDArray[np.float64]

_RIDGE = 0.03  # least weight of the prior, in days; chosen on other months than the tests'
_FORGET = 0.995  # of what was learnt, a day
_RESIDUAL_DAYS = 28
_AROUND = 4  # slots to either side that share their residuals
# spread of a household's quarter-hours about their mean, as a log-normal distribution has it:
# before a day is known, and when one is
_COLD_SPREAD, _DAY_SPREAD = 1.0, 0.8
_TRUSTED_DAYS = 5  # whose errors say enough
_SAID = np.array([0.1, 0.9])  # levels of the quantiles that are told


class LoadPredictor:
    """A ridge regression upon means of earlier days, corrected by the newest readings.

    Features are means of the last 7 and 28 days, of days of the same kind and of the same
    weekday, yesterday, smoothed and levelled ones (``History.features``). Their weights are
    learnt day by day; before anything is learnt they are those of the mean of the last 7 days.
    The newest deviation is carried on and dies away as an AR(1) process whose coefficient is
    estimated from all deviations so far. Without any history the prediction is
    ``cold_start_w``.
    """

    def __init__(self, start: Clock, *, days: int = 56, cold_start_w: float = 400.0) -> None:
        instant = start.start.astimezone(UTC)
        self._start_slot = (instant.hour * 60 + instant.minute) // 15
        self._history = History(days, instant.weekday())
        self._cold_start_w = cold_start_w
        size = History.SIZE
        self._squares_of, self._products_of = np.zeros((size, size)), np.zeros(size)
        self._weights = np.eye(size)[0]
        self._learnt = 0
        self._residuals = np.full((_RESIDUAL_DAYS, SLOTS_PER_DAY), np.nan)
        self._curves: dict[int, Watts] = {}
        self._issue: tuple[tuple[int, int | None], Issue] | None = None
        self._newest: int | None = None
        self._deviation_w = 0.0
        # Prior: a coefficient of 0.6 with the weight of eight hours of deviations of 200 W.
        self._squares = 32 * 200.0**2
        self._products = 0.6 * self._squares

    @property
    def newest_slot(self) -> int | None:
        """Return the newest slot observed, None before the first."""
        return self._newest

    def load_history(self, first_slot: int, p_w: Sequence[float]) -> None:
        """Take a row of slots at once, without counting its last one as news."""
        for slot, power_w in enumerate(p_w, first_slot):
            self._store(slot, power_w)

    def observe(self, slot: int, p_w: float) -> None:
        """Take the mean power of one slot; slots come in order, an older one only fills a gap."""
        if self._newest is None or slot > self._newest:
            gap = 0 if self._newest is None else slot - self._newest
            deviation_w = p_w - float(self._usual(slot, 1)[0])
            if gap == 1:
                self._products += deviation_w * self._deviation_w
                self._squares += self._deviation_w**2
            self._newest, self._deviation_w = slot, deviation_w
        self._store(slot, p_w)

    def predict(self, first_slot: int, slots: int) -> Watts:
        """Return the predicted mean power of ``slots`` slots."""
        usual = self._usual(first_slot, slots)
        if self._newest is None:
            return usual
        coefficient = min(max(self._products / self._squares, 0.0), 0.98)
        ahead = np.arange(first_slot, first_slot + slots) - self._newest
        predicted: Watts = usual + self._deviation_w * coefficient ** np.maximum(ahead, 0)
        return predicted

    def quantiles(self, first_slot: int, slots: int, levels: Sequence[float]) -> Watts:
        """Return quantiles of the power, ``[levels, slots]``, from what was wrong a day ahead.

        Until a week was predicted, what is usual among households has its share in them.
        """
        mean = self.predict(first_slot, slots)
        at = (np.arange(first_slot, first_slot + slots) + self._start_slot) % SLOTS_PER_DAY
        return self._around(mean, np.asarray(levels), at)

    def _around(self, mean: Watts, levels: Watts, at: NDArray[np.int64]) -> Watts:
        """Return quantiles about a mean at slots ``at`` of a day."""
        measured = int(np.isfinite(self._residuals).any(axis=1).sum())
        own = min(measured / _TRUSTED_DAYS, 1.0)  # what was wrong here, and what is elsewhere
        width = _COLD_SPREAD if self._history.last_day is None else _DAY_SPREAD
        normal = np.array([NormalDist().inv_cdf(level) for level in levels.tolist()])
        bend = np.sign(mean) * width * normal[:, None] - width**2 / 2.0
        wide_w = _level(mean) * _spread(self._residuals, levels)[:, at]
        around: Watts = mean + own * wide_w + (1.0 - own) * mean * (np.exp(bend) - 1.0)
        return around

    def said(self, slot: int) -> Said | None:
        """Return what was said of a slot when the day before it was over; None: nothing.

        Of a day before which none was over, what was said as it began. To be asked before the
        slot is observed.
        """
        day, at = divmod(slot + self._start_slot, SLOTS_PER_DAY)
        last = self._history.last_day
        if last is not None and day != last + 1:
            return None
        if self._issue is None or self._issue[0] != (day, last):
            mean = self._curve(day)
            low, high = self._band(day, mean)
            known = self._history.count(day)
            self._issue = (
                (day, last),
                Issue(mean, low, high, *self._history.naive(day), days=known),
            )
        return self._issue[1].at(at)

    def _band(self, day: int, mean: Watts) -> Watts:
        """Return the quantiles that are told of a day, ``[2, 96]``."""
        del day
        return self._around(mean, _SAID, np.arange(SLOTS_PER_DAY))

    # -- learning ----------------------------------------------------------------------------

    def _store(self, slot: int, p_w: float) -> None:
        day, at = divmod(slot + self._start_slot, SLOTS_PER_DAY)
        for complete in self._history.store(day, at, p_w):
            self._learn(complete)

    def _learn(self, day: int) -> None:
        """Learn from a day that is over."""
        self._curves.clear()
        known = self._history.features(day, day - 1)
        if known is None:
            return
        actual = self._history.row(day)
        there = np.isfinite(actual)
        curve = self._mean(day, known)
        residual = np.where(there, actual - curve, np.nan)
        self._residuals[day % _RESIDUAL_DAYS] = residual / _level(curve)
        self._over(day, known, actual)
        if not self._history.knows(day - 7):
            return  # the features of its kind and weekday would stand for others
        features, values = known[there], actual[there]
        self._squares_of = self._squares_of * _FORGET + features.T @ features
        self._products_of = self._products_of * _FORGET + features.T @ values
        self._learnt += 1
        prior_days = max(_RIDGE, 1.0 / self._learnt)  # one day teaches little of another
        scale = prior_days * SLOTS_PER_DAY * max(float(np.mean(known[:, 0])) ** 2, 1.0)
        prior = scale * np.eye(History.SIZE)
        self._weights = np.linalg.solve(self._squares_of + prior, self._products_of + prior[0])

    # -- predicting --------------------------------------------------------------------------

    def _usual(self, first_slot: int, slots: int) -> Watts:
        first, last = first_slot + self._start_slot, first_slot + self._start_slot + slots - 1
        days = range(first // SLOTS_PER_DAY, last // SLOTS_PER_DAY + 1)
        curve = np.concatenate([self._curve(day) for day in days])
        skip = first % SLOTS_PER_DAY
        return curve[skip : skip + slots]

    def _curve(self, day: int) -> Watts:
        """Return the usual day, kept until one more day is over."""
        if day in self._curves:
            return self._curves[day]
        known = None if self._history.last_day is None else self._known(day)
        if known is None:  # not a whole day yet: what there is of one, as it changes
            return self._history.of_today(self._cold_start_w)
        curve = self._curves[day] = self._mean(day, known)
        return curve

    # -- what a predictor that learns more puts on top ---------------------------------------

    def _over(self, day: int, known: Watts, actual: Watts) -> None:
        """Take a day that is over: its features, and what was measured."""

    def _mean(self, day: int, known: Watts) -> Watts:
        """Return what a day's features say of it."""
        del day
        mean: Watts = known @ self._weights
        return mean

    def _known(self, day: int) -> Watts | None:
        last = self._history.last_day
        return None if last is None else self._history.features(day, min(last, day - 1))


def _level(curve: Watts) -> float:
    """Return by what errors are scaled: they are larger where more is drawn."""
    return max(float(np.abs(curve).mean()), 1.0)


def _spread(residuals: Watts, levels: Watts) -> Watts:
    """Return quantiles of residuals by slot of the day, ``[levels, 96]``, neighbours included."""
    around = np.concatenate(
        [np.roll(residuals, shift, axis=1) for shift in range(-_AROUND, _AROUND + 1)]
    )
    known = around[np.isfinite(around).any(axis=1)]
    if not known.size:
        return np.zeros((levels.size, SLOTS_PER_DAY))
    # a gap takes the middle of its slot
    middle = np.nanmedian(known)
    filled = np.where(np.isfinite(known), known, middle)
    quantiles: Watts = np.quantile(filled, levels, axis=0)
    return quantiles
