"""A table of measured or typical weather: its rows, and what makes them impossible.

Times are epoch milliseconds of the beginning of each row's interval, UTC. Irradiances are means of
the interval; temperature and wind hold at ``instant`` of it (0 its beginning, 1 its end).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import DAY_MS, HOUR_MS
from simulators.devices.specbase import FloatArray

__all__ = ["PATH", "WeatherTable", "check_table"]

PATH = "weather.file"
_SHOWN = 5  # faulty rows that are told one by one, for each kind of fault
_MIN_MS = 60_000
_STEPS_MS = tuple(minutes * _MIN_MS for minutes in (1, 5, 10, 15, 20, 30, 60))
_ZONE_H = 3.0  # more than any land's clock is away from the sun
IntArray = NDArray[np.int64]
_LIMITS = {
    "ghi": (0.0, 1500.0, "W/m²"),
    "dni": (0.0, 1500.0, "W/m²"),
    "dhi": (0.0, 1500.0, "W/m²"),
    "temperature": (-60.0, 60.0, "°C"),
    "wind": (0.0, 75.0, "m/s"),
}


@dataclass(frozen=True, slots=True)
class WeatherTable:
    """Rows of a weather file; ``columns`` are ``ghi, dni?, dhi?`` [W/m²], ``temperature`` [°C] and
    ``wind?`` [m/s], each ``[n]``.

    ``typical``: the rows are a year whatever its number is; otherwise they are instants.
    ``offset_ms`` is the zone of the file's calendar. ``lines`` are the rows' places in the file.
    """

    name: str
    starts_ms: IntArray
    step_ms: int
    typical: bool
    offset_ms: int
    instant: float
    columns: dict[str, FloatArray]
    lines: IntArray
    latitude_deg: float | None = None
    longitude_deg: float | None = None

    @property
    def place(self) -> tuple[float, float] | None:
        """Latitude and longitude [°], None where the file does not say."""
        if self.latitude_deg is None or self.longitude_deg is None:
            return None
        return self.latitude_deg, self.longitude_deg

    def where(self, row: int) -> str:
        """Return ``file:line`` of a row."""
        return f"{self.name}:{self.lines[row]}"

    @property
    def calendar(self) -> IntArray:
        """Minute of the (leap) year at which each row begins, by the file's own clock."""
        return calendar_minutes(self.starts_ms + self.offset_ms)


def calendar_minutes(local_ms: IntArray) -> IntArray:
    """Return the minute within a year of 366 days; 1 March is the same in all years."""
    times = pd.to_datetime(local_ms, unit="ms")
    first = np.array([0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335])
    days = first[times.month.to_numpy() - 1] + times.day.to_numpy() - 1
    minutes: IntArray = (days * DAY_MS + local_ms % DAY_MS) // _MIN_MS
    return minutes


def check_table(table: WeatherTable) -> None:
    """Raise ScenarioError with the rows that are missing, no numbers or impossible."""
    faults = [*_zone(table), *_values(table), *_times(table)]
    if faults:
        raise ScenarioError(faults)


def _zone(table: WeatherTable) -> Iterator[Fault]:
    if table.longitude_deg is None:
        return
    away_h = (table.offset_ms / HOUR_MS - table.longitude_deg / 15 + 12) % 24 - 12
    if abs(away_h) > _ZONE_H:
        text = f"the zone {table.offset_ms / HOUR_MS:+g} h cannot be at {table.longitude_deg:g}°"
        yield Fault(PATH, text, "mend the file's first line", f"{table.name}:1")


def _values(table: WeatherTable) -> Iterator[Fault]:
    for name, values in table.columns.items():
        low, high, unit = _LIMITS[name]
        lost = np.flatnonzero(~np.isfinite(values))
        yield from _told(table, lost, name, lambda _row: "is missing or no number", "fill it")
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero((values < low) | (values > high))
        limits = f"from {low:g} to {high:g} {unit}"
        yield from _told(
            table, wrong, name, lambda row, v=values, k=limits: f"must be {k}, not {v[row]:g}", ""
        )


def _told(
    table: WeatherTable, rows: IntArray, name: str, say: object, hint: str
) -> Iterator[Fault]:
    """Yield a fault for each of the first rows, and one for how many more there are."""
    for row in islice(rows.tolist(), _SHOWN):
        text = f"{name} {say(row)}"  # type: ignore[operator]
        yield Fault(PATH, text, hint, table.where(row))
    if len(rows) > _SHOWN:
        text = f"{name}: {len(rows) - _SHOWN} more rows like these"
        yield Fault(PATH, text, hint, table.where(int(rows[_SHOWN])))


def _times(table: WeatherTable) -> Iterator[Fault]:
    """Yield gaps and rows out of order; the step must divide an hour."""
    if not len(table.starts_ms):
        yield Fault(PATH, f"{table.name} has no rows")
        return
    if table.step_ms not in _STEPS_MS:
        text = f"a step of {table.step_ms / _MIN_MS:g} min will not do"
        yield Fault(PATH, text, "take 60, 30, 20, 15, 10, 5 or 1 min", table.where(0))
        return
    if table.starts_ms[0] % min(table.step_ms, 5 * _MIN_MS):
        yield Fault(PATH, "time: not on whole five minutes, or steps", "", table.where(0))
        return
    if not table.typical:
        gaps = np.diff(table.starts_ms) - table.step_ms
    else:
        step, year, leap = table.step_ms // _MIN_MS, 366 * 1440, 1440
        minutes = table.calendar
        gaps = (np.diff(minutes) - step) % year
        march = (minutes[1:] >= 60 * 1440) & (minutes[:-1] < 59 * 1440)
        gaps = np.where(march & (gaps == leap), 0, gaps)  # without 29 February
        whole = {365 * 1440 // step, 366 * 1440 // step}
        if len(minutes) not in whole and not gaps.any():
            text = f"{len(minutes)} rows are no whole year of {min(whole)}"
            yield Fault(PATH, text, "a typical year has all its hours", table.where(-1))
    yield from _told(
        table,
        np.flatnonzero(gaps) + 1,
        "time",
        lambda row: (
            f"does not follow on the row before by {table.step_ms // _MIN_MS} min" if row else ""
        ),
        "no gaps, no row twice, in order",
    )
