"""What a meter with windows tells of the quality of supply, where the plant offers it.

Fixed errors within the limits of IEC 61000-4-30 class S, as recalled: distortion 5 % of its value,
flicker 10 %, unbalance 0.3 percentage points, frequency 50 mHz.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fernwatt.streams import stream
from simulators.field.accuracy import FloatArray, IntArray, rounded
from simulators.field.plantview import PlantView

__all__ = ["QualityMeters"]

_THD, _PST, _U2_PERCENT, _HZ = 0.05, 0.10, 0.3, 0.05
_STEPS = {"thd_percent": 0.01, "pst": 0.001}
_FINE = 0.001


class QualityMeters:
    """Meters ``ids`` at the terminals in rows ``target``; an ideal one (class 0) has no errors."""

    def __init__(
        self, ids: Sequence[str], ideal: Iterable[bool], target: IntArray, view: PlantView,
        seed: int,
    ) -> None:  # fmt: skip
        self._target, self._view = target, view
        drawn = [stream(seed, "field", f"{ident}/quality").uniform(-1, 1, 4) for ident in ids]
        wrong = ~np.array(list(ideal), dtype=bool)[:, None]
        self._error = np.array(drawn).reshape(len(ids), 4) * wrong

    def records(self, numbers: IntArray) -> list[dict[str, Any]]:
        """Return what meters in rows ``numbers`` tell; nothing where the plant offers nothing.

        ``{thd_percent[3], pst[3], u2_percent, hz}`` of the last ten minutes and of the instant,
        null where there is nothing to measure.
        """
        told, hz = self._view.quality, self._view.frequency_hz
        if told is None and hz is None:
            return []
        error, at = self._error[numbers], self._target[numbers]
        columns: dict[str, list[Any]] = {}
        if told is not None:
            for name, share, number in (("thd_percent", _THD, 0), ("pst", _PST, 1)):
                true = np.asarray(told[name], dtype=float)[at]
                columns[name] = _shown(true * (1.0 + share * error[:, [number]]), _STEPS[name])
            u2 = np.asarray(told["u2_percent"], dtype=float)[at] + _U2_PERCENT * error[:, 2]
            columns["u2_percent"] = _shown(np.maximum(u2, 0.0), _STEPS["thd_percent"])
        if hz is not None:
            columns["hz"] = _shown(hz + _HZ * error[:, 3], _FINE)
        names = list(columns)
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(names, values, strict=True)) for values in rows]


def _shown(values: FloatArray, step: float) -> list[Any]:
    """Return values in whole steps, null for what is no number."""
    whole = rounded(values, np.full(values.shape, step))
    shown = whole.astype(object)
    shown[np.isnan(values)] = None
    listed: list[Any] = shown.tolist()
    return listed
