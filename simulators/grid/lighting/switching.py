"""When lighting is switched: by a timetable, or by the sun's elevation (pvlib's)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pvlib
from numpy.typing import NDArray

from fernwatt.timebase import DAY_MS
from simulators.grid.lighting.specs import Switching, minutes

__all__ = ["elevation_deg", "switchings"]

_STEP_MS = 600_000
_HALVINGS = 20  # 10 min to below a millisecond
IntArray = NDArray[np.int64]


def switchings(
    spec: Switching, start: datetime, end_ms: int, latitude_deg: float, longitude_deg: float
) -> tuple[bool, list[tuple[int, bool]]]:
    """Return whether it burns at 0, and each later switching up to ``end_ms``: when, and if on."""
    if spec.mode == "timetable":
        return _timetable(spec, start, end_ms)
    return _twilight(spec, start, end_ms, latitude_deg, longitude_deg)


def elevation_deg(
    start: datetime, t_ms: IntArray, latitude_deg: float, longitude_deg: float
) -> NDArray[np.float64]:
    """Return the sun's geometric elevation [deg] at instants after ``start``."""
    times = pd.DatetimeIndex(pd.Timestamp(start.astimezone(UTC)) + pd.to_timedelta(t_ms, "ms"))
    place = pvlib.location.Location(latitude_deg, longitude_deg)
    return np.asarray(place.get_solarposition(times)["elevation"], dtype=float)


def _timetable(
    spec: Switching, start: datetime, end_ms: int
) -> tuple[bool, list[tuple[int, bool]]]:
    on, off = minutes(spec.on) or 0, minutes(spec.off) or 0
    begin = start.astimezone(UTC)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    first_ms = round((midnight - begin) / timedelta(milliseconds=1)) - DAY_MS
    instants = sorted(
        (first_ms + day * DAY_MS + minute * 60_000, lit)
        for day in range((end_ms - first_ms) // DAY_MS + 2)
        for minute, lit in ((on, True), (off, False))
    )
    before = [lit for t_ms, lit in instants if t_ms <= 0]
    if on == off:  # all day
        return True, []
    return before[-1], [(t_ms, lit) for t_ms, lit in instants if 0 < t_ms <= end_ms]


def _twilight(
    spec: Switching, start: datetime, end_ms: int, latitude: float, longitude: float
) -> tuple[bool, list[tuple[int, bool]]]:
    t_ms = np.arange(0, end_ms + 2 * _STEP_MS, _STEP_MS, dtype=np.int64)

    def dark(instants: IntArray) -> NDArray[np.bool_]:
        height = elevation_deg(start, instants, latitude, longitude)
        return np.asarray(height < spec.elevation_deg)

    night = dark(t_ms)
    rows = np.flatnonzero(night[1:] != night[:-1])
    low, high, lit = t_ms[rows], t_ms[rows + 1], night[rows + 1]
    for _ in range(_HALVINGS if len(rows) else 0):
        middle = (low + high) // 2
        later = dark(middle) != lit
        low, high = np.where(later, middle, low), np.where(later, high, middle)
    pairs = zip(high.tolist(), lit.tolist(), strict=True)
    return bool(night[0]), [(t, on) for t, on in pairs if t <= end_ms]
