"""EN 50160: what voltage shall be like at the point of supply, and whether it was.

Figures of the standard (2010 edition) as far as they are widely published; where the text itself
was not at hand they are recalled: the bands that hold always, those of medium voltage, and the
harmonics of medium voltage, here taken to be those of low voltage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = [
    "LIMITS_LV",
    "LIMITS_MV",
    "Limits",
    "Measured",
    "Verdict",
    "assess",
    "classify",
    "quantile",
    "within",
]

FloatArray = npt.NDArray[np.float64]

_ODD = {
    3: 5.0, 5: 6.0, 7: 5.0, 9: 1.5, 11: 3.5, 13: 3.0, 15: 0.5, 17: 2.0, 19: 1.5, 21: 0.5,
    23: 1.5, 25: 1.5,
}  # fmt: skip
_EVEN = {2: 2.0, 4: 1.0} | dict.fromkeys(range(6, 25, 2), 0.5)
_HARMONICS = dict(sorted((_ODD | _EVEN).items()))


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits; voltages in parts of the nominal one, the rest in percent, frequencies in Hz.

    ``voltage_pu`` holds for ``voltage_share`` percent of the week, ``voltage_always_pu`` for all
    of it; unbalance, distortion, harmonics and flicker for ``share`` percent of the week;
    ``frequency_hz`` for ``frequency_share`` percent (of the year), ``frequency_always_hz`` always.
    """

    voltage_pu: tuple[float, float] = (0.90, 1.10)
    voltage_share: float = 95.0
    voltage_always_pu: tuple[float, float] = (0.85, 1.10)
    unbalance_percent: float = 2.0
    thd_percent: float = 8.0
    harmonics_percent: Mapping[int, float] = field(default_factory=lambda: _HARMONICS)
    plt: float = 1.0
    share: float = 95.0
    frequency_hz: tuple[float, float] = (49.5, 50.5)
    frequency_share: float = 99.5
    frequency_always_hz: tuple[float, float] = (47.0, 52.0)


LIMITS_LV = Limits()
LIMITS_MV = Limits(voltage_share=99.0, voltage_always_pu=(0.85, 1.15))


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured at one place; NaN where an interval is flagged or missing.

    ``voltage_pu[n, phases]``, ``thd_percent[n, phases]``, ``harmonics_percent[order][n, phases]``:
    means of ten minutes; ``unbalance_percent[n]`` too; ``plt[m, phases]`` of two hours;
    ``frequency_hz[k]`` means of ten seconds. What is None was not measured.
    """

    voltage_pu: FloatArray | None = None
    unbalance_percent: FloatArray | None = None
    thd_percent: FloatArray | None = None
    harmonics_percent: Mapping[int, FloatArray] = field(default_factory=dict)
    plt: FloatArray | None = None
    frequency_hz: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one quantity kept one limit.

    ``outside`` of ``count`` values are outside of ``low`` to ``high`` (the limits themselves are
    inside), of the worst phase; ``share_percent`` are inside, ``needed_percent`` have to be.
    ``value`` is the quantile that is held to the limit: of the side on which it is worse.
    Without any value there is nothing to fail, and ``share_percent`` and ``value`` are None.
    """

    quantity: str
    low: float
    high: float
    needed_percent: float
    count: int
    outside: int
    share_percent: float | None
    value: float | None
    passed: bool


def quantile(values: FloatArray, percent: float) -> float:
    """Return the least value that ``percent`` of the values do not exceed; NaN are left out.

    Raises ValueError where there is none.
    """
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        raise ValueError("there is no value")
    return float(known[_needed(percent, len(known)) - 1])


def within(
    quantity: str, values: FloatArray, low: float, high: float, needed_percent: float = 95.0
) -> Verdict:
    """Return whether ``needed_percent`` of ``values[n]`` or ``[n, phases]`` are within limits.

    Each phase has to keep them; the verdict tells of the worst.
    """
    columns = values.reshape(len(values), -1).T if values.size else values.reshape(1, -1)
    verdicts = [_column(quantity, column, low, high, needed_percent) for column in columns]
    return max(verdicts, key=lambda verdict: (not verdict.passed, -(verdict.share_percent or 0.0)))


def assess(measured: Measured, limits: Limits = LIMITS_LV) -> list[Verdict]:
    """Return the verdicts on what was measured at a place, in the order of the standard."""
    verdicts: list[Verdict] = []
    top = math.inf

    def add(name: str, values: FloatArray | None, low: float, high: float, share: float) -> None:
        if values is not None:
            verdicts.append(within(name, values, low, high, share))

    add("frequency", measured.frequency_hz, *limits.frequency_hz, limits.frequency_share)
    add("frequency_always", measured.frequency_hz, *limits.frequency_always_hz, 100.0)
    add("voltage", measured.voltage_pu, *limits.voltage_pu, limits.voltage_share)
    add("voltage_always", measured.voltage_pu, *limits.voltage_always_pu, 100.0)
    add("flicker", measured.plt, -top, limits.plt, limits.share)
    add("unbalance", measured.unbalance_percent, -top, limits.unbalance_percent, limits.share)
    for order in sorted(measured.harmonics_percent):
        if order in limits.harmonics_percent:
            values, most = measured.harmonics_percent[order], limits.harmonics_percent[order]
            add(f"harmonic_{order}", values, -top, most, limits.share)
    add("thd", measured.thd_percent, -top, limits.thd_percent, limits.share)
    return verdicts


def _column(
    quantity: str, values: FloatArray, low: float, high: float, needed_percent: float
) -> Verdict:
    known = values[~np.isnan(values)]
    count = len(known)
    if not count:
        return Verdict(quantity, low, high, needed_percent, 0, 0, None, None, passed=True)
    outside = int(((known < low) | (known > high)).sum())
    passed = count - outside >= _needed(needed_percent, count)
    value = quantile(known, needed_percent)
    if math.isfinite(low):
        below = -quantile(-known, needed_percent)
        value = below if low - below > value - high else value
    share = 100.0 * (count - outside) / count
    return Verdict(quantity, low, high, needed_percent, count, outside, share, value, passed)


def _needed(percent: float, count: int) -> int:
    """Return how many of ``count`` values ``percent`` of them are, at least; 1 or more."""
    return max(1, math.ceil(percent * count / 100.0 - 1e-9))


def classify(duration_s: float, residual_percent: float) -> tuple[str, str]:
    """Return the cell of the standard's table of dips, by residual voltage and duration."""
    rows: Sequence[tuple[float, str]] = (
        (80.0, "90>u>=80"), (70.0, "80>u>=70"), (40.0, "70>u>=40"), (5.0, "40>u>=5"),
    )  # fmt: skip
    columns: Sequence[tuple[float, str]] = (
        (0.2, "t<=0.2"), (0.5, "t<=0.5"), (1.0, "t<=1"), (5.0, "t<=5"), (60.0, "t<=60"),
    )  # fmt: skip
    row = next((name for least, name in rows if residual_percent >= least), "u<5")
    column = next((name for most, name in columns if duration_s <= most), "t>60")
    return row, column
