"""Exact integrals and time-weighted means of what holds piecewise.

A value holds from its instant on until the next one. Sums are taken only when a value changes
or an interval ends, never because somebody looked: so a result does not depend on how often
the simulator was stepped.
"""

from __future__ import annotations

import numpy as np

from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import BoolArray

__all__ = ["Extremes", "Means", "Registers"]

_MS_PER_H = 3_600_000.0


class Registers:
    """Energy registers [Wh] of ``n`` powers [W]: import counts positive power, export negative."""

    __slots__ = ("_export_wms", "_import_wms", "_in_w", "_out_w", "_since_ms")

    def __init__(self, n: int) -> None:
        self._import_wms, self._export_wms = np.zeros(n), np.zeros(n)
        self._in_w, self._out_w = np.zeros(n), np.zeros(n)
        self._since_ms = 0

    def hold(self, t_ms: int, p_w: FloatArray) -> None:
        """Let ``p_w[n]`` hold from ``t_ms`` on."""
        self._import_wms = self._import_wms + self._in_w * (t_ms - self._since_ms)
        self._export_wms = self._export_wms + self._out_w * (t_ms - self._since_ms)
        self._in_w, self._out_w = np.maximum(p_w, 0.0), np.maximum(-p_w, 0.0)
        self._since_ms = t_ms

    def read(self, t_ms: int) -> tuple[FloatArray, FloatArray]:
        """Return import and export [Wh] at ``t_ms``, not before the last ``hold``."""
        span = t_ms - self._since_ms
        return (
            (self._import_wms + self._in_w * span) / _MS_PER_H,
            (self._export_wms + self._out_w * span) / _MS_PER_H,
        )


class Means:
    """Time-weighted means of ``n`` values over an interval."""

    __slots__ = ("_sum", "_weight")

    def __init__(self, n: int) -> None:
        self._sum, self._weight = np.zeros(n), 0

    def add(self, values: FloatArray, span_ms: int) -> None:
        """Count ``values[n]`` for ``span_ms``."""
        self._sum += values * span_ms
        self._weight += span_ms

    def take(self) -> FloatArray:
        """Return the means and begin anew."""
        out = self._sum / self._weight
        self._sum, self._weight = np.zeros_like(self._sum), 0
        return out


class Extremes:
    """Mean, least and greatest of ``n`` values, each over the time in which it was a number."""

    __slots__ = ("_greatest", "_least", "_sum", "_weight")

    def __init__(self, n: int) -> None:
        self._sum, self._weight = np.zeros(n), np.zeros(n)
        self._least, self._greatest = np.full(n, np.nan), np.full(n, np.nan)

    def add(
        self, values: FloatArray, valid: BoolArray, span_ms: int,
        extremes: tuple[FloatArray, FloatArray] | None = None,
    ) -> None:  # fmt: skip
        """Count ``values[n]``, NaN where ``valid[n]`` is false, for ``span_ms``.

        ``extremes`` are the least and the greatest of what each value is a mean of.
        """
        low, high = (values, values) if extremes is None else extremes
        self._sum += np.where(valid, values, 0.0) * span_ms
        self._weight += valid * float(span_ms)
        self._least = np.fmin(self._least, low)
        self._greatest = np.fmax(self._greatest, high)

    def take(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return means, least and greatest, NaN where there never was a number; begin anew."""
        known = self._weight > 0
        mean = np.full(len(known), np.nan)
        np.divide(self._sum, self._weight, out=mean, where=known)
        out = mean, self._least, self._greatest
        n = len(known)
        self._sum, self._weight = np.zeros(n), np.zeros(n)
        self._least, self._greatest = np.full(n, np.nan), np.full(n, np.nan)
        return out
