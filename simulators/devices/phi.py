"""Means of decaying exponentials, without cancellation: what linear systems are solved by."""

from __future__ import annotations

import numpy as np

from simulators.devices.specbase import FloatArray

__all__ = ["phi1", "phi2"]


def phi1(x: FloatArray) -> FloatArray:
    """Return (1 - exp(-x)) / x, 1 at 0: the mean of exp(-s) over s in [0, x]."""
    small = np.abs(x) < 1e-8
    safe = np.where(small, 1.0, x)
    result: FloatArray = np.where(small, 1.0 - x / 2, -np.expm1(-safe) / safe)
    return result


def phi2(x: FloatArray) -> FloatArray:
    """Return (1 - phi1(x)) / x, 1/2 at 0; by its series where the difference would cancel."""
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, x)
    series = 1 / 2 - x / 6 * (1 - x / 4 * (1 - x / 5 * (1 - x / 6 * (1 - x / 7))))
    result: FloatArray = np.where(small, series, (1.0 - phi1(safe)) / safe)
    return result
