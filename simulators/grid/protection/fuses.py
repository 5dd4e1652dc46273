"""Melting curves of fuses: time against current, through points of a data sheet.

The points are pandapower's fuse types (or the user's); between them the logarithm of the time is
a monotone cubic (PCHIP) of the logarithm of the current, as pandapower has it. Below the
first point a fuse never melts; above the last one the melting is adiabatic (I^2 t constant).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from simulators.grid.protection.curves import FloatArray

__all__ = ["FuseCurve", "fuse_curve", "fuse_types"]

_PREFIX = "Siemens "  # pandapower's name of an NH fuse begins with its maker


@dataclass(frozen=True, slots=True)
class FuseCurve:
    """One melting curve and, where the data has it, the curve of the whole clearing time.

    ``rated_a`` is the rated current, ``i_a`` and ``t_s`` are the points.
    """

    rated_a: float
    i_a: tuple[float, ...]
    t_s: tuple[float, ...]
    total: FuseCurve | None = None
    _log: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the interpolation; ValueError for points that are no falling curve."""
        current, time = np.array(self.i_a, dtype=float), np.array(self.t_s, dtype=float)
        if len(current) < 2 or len(current) != len(time):
            raise ValueError("a melting curve has at least two points, each a current and a time")
        if not ((np.diff(current) > 0).all() and (np.diff(time) < 0).all()):
            raise ValueError("along a melting curve currents rise and times fall")
        if current[0] <= 0 or time[-1] <= 0 or not np.isfinite([*current, *time]).all():
            raise ValueError("a melting curve has positive currents and times")
        log = PchipInterpolator(np.log10(current), np.log10(time))
        object.__setattr__(self, "_log", log)

    def melt_s(self, i_a: ArrayLike) -> FloatArray:
        """Return the melting time [s] at constant currents [A]; inf where it never melts."""
        i = np.asarray(i_a, dtype=float)
        first, last = self.i_a[0], self.i_a[-1]
        inside = np.clip(i, first, last)
        t: FloatArray = 10.0 ** self._log(np.log10(inside)) * (inside / np.maximum(i, first)) ** 2
        return np.where(i >= first, t, np.inf)

    def arc_s(self, i_a: float, otherwise_s: float) -> float:
        """Return how long the arc burns after melting at ``i_a`` [A]."""
        if self.total is None:
            return otherwise_s
        clear_s, melt_s = float(self.total.melt_s(i_a)), float(self.melt_s(i_a))
        # below the first point of its clearing curve a back-up fuse may not clear by itself;
        # the data says nothing, so it is taken to clear as fast as there
        if not np.isfinite(clear_s):
            clear_s = melt_s + self.total.t_s[0]
        return max(clear_s - melt_s, 0.0)


@lru_cache(maxsize=1)
def _data() -> dict[str, dict[str, Any]]:
    from pandapower.std_types import basic_fuse_std_types  # slow to import

    found: dict[str, dict[str, Any]] = basic_fuse_std_types()
    return {name.removeprefix(_PREFIX): values for name, values in found.items()}


def fuse_types() -> list[str]:
    """Return the names of the known fuse types, as ``NH-2-315`` or ``HV 40A``."""
    return sorted(_data())


@lru_cache(maxsize=256)
def fuse_curve(name: str) -> FuseCurve:
    """Return the curve of a known fuse type; KeyError for an unknown one."""
    values = _data()[name.removeprefix(_PREFIX)]
    rated_a = float(values["i_rated_a"])
    if values["t_avg"]:
        return FuseCurve(rated_a, *_falling(values["x_avg"], values["t_avg"]))
    total = None
    if values["t_total"]:
        total = FuseCurve(rated_a, *_falling(values["x_total"], values["t_total"]))
    return FuseCurve(rated_a, *_falling(values["x_min"], values["t_min"]), total)


def _falling(
    i_a: Sequence[float], t_s: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the points without those at which the data does not fall."""
    kept: list[tuple[float, float]] = []
    for point in zip(i_a, t_s, strict=True):
        if not kept or (point[0] > kept[-1][0] and point[1] < kept[-1][1]):
            kept.append(point)
    return tuple(p[0] for p in kept), tuple(p[1] for p in kept)
