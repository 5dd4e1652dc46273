"""The predictor of a load with gradient boosted trees beside the regression.

Needs LightGBM (``pip install fernwatt[ml]``). Everything else is as in ``loads``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from controllers.balancing.history import SLOTS_PER_DAY
from controllers.balancing.loads import LoadPredictor, Watts
from fernwatt.timebase import Clock

if TYPE_CHECKING:
    import lightgbm

__all__ = ["METHODS", "BoostedPredictor", "is_installed", "make_predictor"]

METHODS = ("regression", "boosted")
_LEAST_DAYS = 28
_QUANTILES = {"low": 0.1, "high": 0.9}
_SETTINGS: dict[str, Any] = {
    "num_leaves": 15,
    "learning_rate": 0.05,
    "min_data_in_leaf": 60,
    "lambda_l2": 5.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # the same trees on every machine
    "verbosity": -1,
}
_TREES = 80


def is_installed() -> bool:
    """Tell whether LightGBM is there."""
    return find_spec("lightgbm") is not None


def make_predictor(start: Clock, settings: Mapping[str, Any]) -> LoadPredictor:
    """Return the predictor of ``settings``: ``method`` (regression if not given), and its own."""
    own = {name: settings[name] for name in sorted(settings) if name != "method"}
    boosted = settings.get("method", METHODS[0]) == "boosted"
    return (BoostedPredictor if boosted else LoadPredictor)(start, **own)


class BoostedPredictor(LoadPredictor):
    """The mean of the regression and of boosted trees, and so are the quantiles told.

    The trees have the regression's features, by the level of the last 7 days, and slot of the
    day, weekday and kind of day. They are grown anew every ``refit_days`` from the last
    ``train_days``, for the first time from the 28th day on; before, all is the regression's.
    """

    def __init__(
        self,
        start: Clock,
        *,
        days: int = 56,
        cold_start_w: float = 400.0,
        refit_days: int = 14,
        train_days: int = 182,
    ) -> None:
        super().__init__(start, days=days, cold_start_w=cold_start_w)
        self._refit_days = refit_days
        self._rows: deque[tuple[Watts, Watts]] = deque(maxlen=train_days)
        self._trees: dict[str, lightgbm.Booster] = {}
        self._grown: int | None = None

    def _over(self, day: int, known: Watts, actual: Watts) -> None:
        features, level_w = self._relative(day, known)
        there = np.isfinite(actual)
        self._rows.append((features[there], actual[there] / level_w))
        due = self._grown is None or day - self._grown >= self._refit_days
        if due and len(self._rows) >= _LEAST_DAYS:
            self._grown = day
            self._grow()

    def _grow(self) -> None:
        import lightgbm

        features = np.concatenate([row for row, _ in self._rows])
        values = np.concatenate([row for _, row in self._rows])
        goals: dict[str, dict[str, Any]] = {"mean": {"objective": "l2"}}
        goals |= {name: {"objective": "quantile", "alpha": at} for name, at in _QUANTILES.items()}
        self._trees = {
            name: lightgbm.train(_SETTINGS | goal, lightgbm.Dataset(features, values), _TREES)
            for name, goal in goals.items()
        }

    def _relative(self, day: int, known: Watts) -> tuple[Watts, float]:
        """Return the trees' features of a day, ``[96, 13]``, and its level [W]."""
        level_w = max(float(known[:, 0].mean()), 1.0)
        weekday, kind = self._history.kind_of(day)
        slots = np.arange(SLOTS_PER_DAY)
        marks = np.stack((slots, np.full_like(slots, weekday), np.full_like(slots, kind)), axis=1)
        return np.concatenate((known / level_w, marks), axis=1), level_w

    def _grown_w(self, name: str, day: int, known: Watts) -> Watts:
        features, level_w = self._relative(day, known)
        grown: Watts = level_w * np.asarray(self._trees[name].predict(features))
        return grown

    def _mean(self, day: int, known: Watts) -> Watts:
        regression = super()._mean(day, known)
        if not self._trees:
            return regression
        return (regression + self._grown_w("mean", day, known)) / 2.0

    def _band(self, day: int, mean: Watts) -> Watts:
        band, known = super()._band(day, mean), self._known(day)
        if not self._trees or known is None:
            return band
        grown = np.stack([self._grown_w(name, day, known) for name in _QUANTILES])
        return np.sort((band + grown) / 2.0, axis=0)

    def quantiles(self, first_slot: int, slots: int, levels: Sequence[float]) -> Watts:
        """Return quantiles of the power; the trees have their share in those of 10 and 90 %."""
        told = super().quantiles(first_slot, slots, levels)
        if not self._trees:
            return told
        extra_w = self.predict(first_slot, slots) - self._usual(first_slot, slots)
        first = (first_slot + self._start_slot) // SLOTS_PER_DAY
        last = (first_slot + slots - 1 + self._start_slot) // SLOTS_PER_DAY
        skip = (first_slot + self._start_slot) % SLOTS_PER_DAY
        for name, level in _QUANTILES.items():
            if level not in levels:
                continue
            days = [(day, self._known(day)) for day in range(first, last + 1)]
            grown = [self._grown_w(name, day, known) for day, known in days if known is not None]
            row = list(levels).index(level)
            told[row] = (told[row] + np.concatenate(grown)[skip : skip + slots] + extra_w) / 2.0
        return told
