"""Means over seeds, with their confidence intervals."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["LEVEL", "mean_half"]

LEVEL = 0.95


def mean_half(values: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return the mean, and half of its 95 % confidence interval by Student's t; None of too few."""
    if not len(values):
        return None, None
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None
    from scipy import stats

    spread = float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean, float(stats.t.ppf(0.5 + LEVEL / 2, len(values) - 1) * spread)
