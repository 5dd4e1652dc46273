"""The mains frequency: a course of steps, which the scenario gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fernwatt.gridmodel.model import FloatArray

__all__ = ["Frequency"]

_WINDOW_MS = 10_000


class Frequency:
    """Frequency over time: each of ``steps`` (t_ms, hz), in order of time, holds until the next.

    Before the first one it is ``nominal_hz``.
    """

    def __init__(self, steps: Sequence[tuple[int, float]], nominal_hz: float = 50.0) -> None:
        every = [(0, nominal_hz), *((int(t_ms), float(hz)) for t_ms, hz in steps)]
        self._t_ms = np.array([t_ms for t_ms, _ in every], dtype=np.int64)
        self._hz = np.array([hz for _, hz in every])
        self._sum = np.concatenate(([0.0], np.cumsum(np.diff(self._t_ms) * self._hz[:-1])))

    def at(self, t_ms: int) -> float:
        """Return the frequency [Hz] at an instant."""
        return float(self._hz[np.searchsorted(self._t_ms, t_ms, side="right") - 1])

    def next_ms(self, t_ms: int) -> int | None:
        """Return when it next changes, None for never."""
        after = int(np.searchsorted(self._t_ms, t_ms, side="right"))
        return int(self._t_ms[after]) if after < len(self._t_ms) else None

    def ten_seconds(self, begin_ms: int, end_ms: int) -> FloatArray:
        """Return its means over windows of ten seconds (EN 50160), whole ones."""
        edges = np.arange(begin_ms, end_ms + 1, _WINDOW_MS, dtype=np.int64)
        means: FloatArray = np.diff(self._integral(edges)) / _WINDOW_MS
        return means

    def _integral(self, t_ms: npt.NDArray[np.int64]) -> FloatArray:
        row = np.searchsorted(self._t_ms, t_ms, side="right") - 1
        total: FloatArray = self._sum[row] + (t_ms - self._t_ms[row]) * self._hz[row]
        return total
