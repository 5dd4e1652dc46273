"""How instruments differ from the truth: gain, offset, noise, clock.

The class index c (IEC 62053-21/-22: percentage error limit at unity power factor) is shared out:
a gain fixed for each device up to 0.6 c, noise of every increment up to 0.2 c, an offset of power
fixed for each device up to 0.2 c of a tenth of the reference power. So at a tenth of the
reference power and above the error is within the class, always. All are rectangular, as the GUM
(JCGM 100:2008, 4.3.7) has it for what is known by its limits alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fernwatt.streams import stream
from simulators.field.specs import InstrumentSpec

__all__ = ["Accuracy", "Clocks", "Draws", "FloatArray", "Gaps", "IntArray", "rounded"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
GAIN_SHARE, NOISE_SHARE, OFFSET_SHARE = 0.6, 0.2, 0.2
REFERENCE_W = {"meter": 3 * 230.0 * 5.0, "substation": 100_000.0}  # a basic current of 5 A
REFERENCE_A = 5.0
_DEVICE_REFERENCE_W = 3 * 230.0 * 5.0
_BLOCK = 256  # values drawn at a time for each instrument


class Draws:
    """Values from -1 to 1 of n instruments, ``width`` at a time, each from its own stream."""

    def __init__(self, rngs: Sequence[np.random.Generator], width: int) -> None:
        self._rngs = list(rngs)
        self._block = np.zeros((len(rngs), _BLOCK, width))
        self._used = np.full(len(rngs), _BLOCK)

    def take(self, rows: IntArray) -> FloatArray:
        """Return fresh values of ``rows``, ``[len(rows), width]``."""
        for row in rows[self._used[rows] == _BLOCK].tolist():
            self._block[row] = self._rngs[row].uniform(-1, 1, self._block.shape[1:])
            self._used[row] = 0
        values: FloatArray = self._block[rows, self._used[rows]]
        self._used[rows] += 1
        return values


class Accuracy:
    """Errors of n instruments; ``gain`` and ``voltage_gain`` are 1 for an ideal one."""

    def __init__(self, specs: Sequence[InstrumentSpec], seed: int) -> None:
        c = np.array([spec.accuracy_class for spec in specs], dtype=float) / 100
        self._draws = Draws([stream(seed, "field", f"{spec.id}/noise") for spec in specs], 4)
        fixed = np.array(
            [stream(seed, "field", f"{spec.id}/accuracy").uniform(-1, 1, 3) for spec in specs]
        ).reshape(-1, 3)
        reference_w = np.array([REFERENCE_W.get(s.kind, _DEVICE_REFERENCE_W) for s in specs])
        self.gain = 1.0 + GAIN_SHARE * c * fixed[:, 0]
        self.voltage_gain = 1.0 + GAIN_SHARE * c * fixed[:, 1]
        self.offset_w = OFFSET_SHARE * c * fixed[:, 2] * 0.1 * reference_w
        self._noise_limit = NOISE_SHARE * c

    def noise(self, rows: IntArray) -> FloatArray:
        """Return four fresh relative errors for each of ``rows``, ``[len(rows), 4]``."""
        return self._draws.take(rows) * self._noise_limit[rows, None]


class Gaps:
    """Samples that n instruments miss: gaps of geometric length, each from its own stream."""

    def __init__(self, specs: Sequence[InstrumentSpec], seed: int) -> None:
        self._begins = np.array([spec.gap_probability for spec in specs], dtype=float)
        self._ends = np.array([1.0 / spec.gap_length for spec in specs], dtype=float)
        self._inside = np.zeros(len(specs), dtype=bool)
        self._rngs = {
            row: stream(seed, "field", f"{spec.id}/gaps")
            for row, spec in enumerate(specs)
            if spec.gap_probability > 0
        }

    def missed(self, rows: IntArray) -> NDArray[np.bool_]:
        """Draw which of the samples of ``rows`` are missed."""
        for row in rows.tolist() if self._rngs else ():
            if row in self._rngs:
                drawn = self._rngs[row].random()
                inside = self._inside[row]
                self._inside[row] = drawn >= self._ends[row] if inside else False
                if not self._inside[row]:
                    again = drawn / self._ends[row] if inside else drawn
                    self._inside[row] = again < self._begins[row]
        missed: NDArray[np.bool_] = self._inside[rows]
        return missed


class Clocks:
    """Clocks of n instruments: ``shown = t + offset + drift t``."""

    def __init__(self, specs: Sequence[InstrumentSpec], seed: int) -> None:
        drawn = np.array(
            [stream(seed, "field", f"{spec.id}/clock").standard_normal(2) for spec in specs]
        ).reshape(-1, 2)
        self.offset_ms = drawn[:, 0] * np.array([spec.clock_sd_ms for spec in specs])
        self.drift = drawn[:, 1] * np.array([spec.drift_sd_ppm for spec in specs]) * 1e-6
        self._period_ms = np.array([spec.period_ms for spec in specs], dtype=np.int64)
        self._own = np.array([spec.sampling == "clock" for spec in specs], dtype=bool)

    def shown(self, rows: IntArray, t_ms: int) -> IntArray:
        """Return what the clocks of ``rows`` show at ``t_ms`` [ms]."""
        shown = np.rint(t_ms + self.offset_ms[rows] + self.drift[rows] * t_ms)
        ticks: IntArray = shown.astype(np.int64)
        return ticks

    def first(self) -> IntArray:
        """Return the first instant, not before 0, at which each one samples."""
        rows = np.arange(len(self._own))
        numbers = np.zeros(len(rows), dtype=np.int64)
        while (early := self._instant(rows, numbers) < 0).any():
            numbers[early] += 1
        return self._instant(rows, numbers)

    def next(self, rows: IntArray, t_ms: int) -> IntArray:
        """Return when ``rows``, which sample at ``t_ms``, do so again."""
        return np.maximum(self._instant(rows, self._number(rows, t_ms) + 1), t_ms + 1)

    def stamps(self, rows: IntArray, t_ms: int) -> IntArray:
        """Return the stamps of scheduled samples at ``t_ms``."""
        round_ms = self._number(rows, t_ms) * self._period_ms[rows]
        return np.where(self._own[rows], round_ms, self.shown(rows, t_ms))

    def _number(self, rows: IntArray, t_ms: int) -> IntArray:
        period_ms = self._period_ms[rows]
        shown = np.where(self._own[rows], self.shown(rows, t_ms), t_ms)
        return np.rint(shown / period_ms).astype(np.int64)

    def _instant(self, rows: IntArray, numbers: IntArray) -> IntArray:
        due_ms = numbers * self._period_ms[rows]
        own_ms = np.rint((due_ms - self.offset_ms[rows]) / (1.0 + self.drift[rows]))
        return np.where(self._own[rows], own_ms, due_ms).astype(np.int64)


def rounded(values: FloatArray, resolution: FloatArray) -> FloatArray:
    """Return values in whole steps of the resolution (0: as they are)."""
    step = np.where(resolution > 0, resolution, 1.0)
    # by whole numbers of steps, so that 0.1 V gives 230.1 and no 230.10000000000002
    per_unit = np.rint(1.0 / step)
    fine = np.where(
        (step < 1) & (np.abs(per_unit * step - 1) < 1e-9),
        np.rint(values * per_unit) / per_unit,
        np.rint(values / step) * step,
    )
    rounded: FloatArray = np.where(resolution > 0, fine, values)
    return rounded
