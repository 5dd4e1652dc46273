"""From a weather file to the weather of a run.

Which row holds: where the file covers the run, the row of the instant; a typical year (or a file
of at least a year that does not cover the run) gives the row of the same day and time by the
file's own clock, 29 February the row of the 28th where the file has none.

Irradiance: within a row's interval clearness and diffuse share are taken as constant, so the
global irradiance follows the clear sky's shape with the interval's mean kept. Where that would be
more than 1.5 times the clear sky (around sunrise) it is spread evenly. Files finer than the thirds
of a slot are averaged. Beam is what is left, over the sine of elevation; below 3° of elevation all
is taken as diffuse. Without ``dhi`` it comes from ``dni``, without both from Erbs. Temperature and
wind go in straight lines between their instants.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pvlib
from scipy.special import ndtri

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import DAY_MS, HOUR_MS, SLOT_MS
from simulators.devices.specbase import FloatArray
from simulators.devices.weather import SUBSLOTS, Weather, plotting_positions, sky
from simulators.devices.weather_table import PATH, IntArray, WeatherTable, calendar_minutes

__all__ = ["weather_of"]

_THIRD_MS = SLOT_MS // SUBSLOTS
_YEAR_MS = 365 * DAY_MS
_MOST_CLEARNESS = 1.5
_LOWEST_SUN_DEG = 3.0
_DAY_W_M2 = 50.0  # clear sky above which clearness says something
_DARK_DEG, _DARK_W_M2, _SHOWN = -3.0, 20.0, 3
_OFF_H, _OFF_DAYS = 0.75, 20
_MOST_ROWS = 10_000


def weather_of(
    table: WeatherTable,
    *,
    start: datetime,
    slots: int,
    place: tuple[float, float],
    beyond: int = 0,
) -> Weather:
    """Return the weather of ``slots`` from ``start`` on at ``place`` (latitude, longitude) [°].

    ``beyond`` further slots are added as far as the file has them. Raises ScenarioError for a
    file that does not cover the run, and for one whose sun does not stand where it should.
    """
    levels = _levels(table, place)
    window = _window(table, start, _reach(table, start, slots, beyond))
    position, clear_ghi = sky(window.times, *place)
    zenith = position["zenith"].to_numpy()
    ghi = window.spread("ghi", clear_ghi)
    high = zenith < 90 - _LOWEST_SUN_DEG
    dhi = np.where(high, np.minimum(_diffuse(window, ghi, clear_ghi, zenith), ghi), ghi)
    dni = np.where(high, (ghi - dhi) / np.maximum(np.cos(np.radians(zenith)), 1e-3), 0.0)
    ghi, dni, dhi, clear_ghi = (window.cut(values) for values in (ghi, dni, dhi, clear_ghi))
    clearness = _clearness(ghi, clear_ghi, levels)
    score = ndtri(np.interp(clearness, levels, plotting_positions(levels)))
    wind = window.line("wind") if "wind" in table.columns else None
    return Weather(
        *place, start, 0, float("nan"), score, clearness, window.line("temperature"),
        window.times[window.inside], window.cut(position["apparent_zenith"].to_numpy()),
        window.cut(position["azimuth"].to_numpy()), ghi, dni, dhi, clear_ghi, wind, levels,
    )  # fmt: skip


# -- which row holds -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Window:
    """The intervals that a run of ``slots`` from ``start`` on touches, and one more at either end.

    ``rows`` are the table's, the first begins at ``first_ms``; ``begins_ms`` are the thirds of
    slots that are worked out, ``inside`` those of the run.
    """

    table: WeatherTable
    start: datetime
    slots: int
    rows: IntArray
    first_ms: int
    begins_ms: IntArray
    inside: slice

    @property
    def times(self) -> pd.DatetimeIndex:
        """The middles of the thirds."""
        return pd.DatetimeIndex(
            pd.to_datetime(self.begins_ms + _THIRD_MS // 2, unit="ms", utc=True)
        )

    @property
    def interval(self) -> IntArray:
        """The interval of each third."""
        return (self.begins_ms - self.first_ms) // self.table.step_ms

    def cut(self, values: FloatArray) -> FloatArray:
        """Return what belongs to the run."""
        return values[self.inside]

    def spread(self, name: str, shape: FloatArray) -> FloatArray:
        """Return the means of intervals as values of thirds that follow ``shape``, means kept."""
        means = self.table.columns[name][self.rows]
        if self.table.step_ms <= _THIRD_MS:
            return self._averaged(means)
        interval, count = self.interval, self.table.step_ms // _THIRD_MS
        mean = np.bincount(interval, weights=shape, minlength=len(means)) / count
        scale = np.divide(means, mean, out=np.full_like(means, np.inf), where=mean > 0)
        even = scale > _MOST_CLEARNESS
        shaped = np.where(even, 0.0, scale)[interval] * shape
        return np.where(even[interval], means[interval], shaped)

    def held(self, values: FloatArray) -> FloatArray:
        """Return the value of a third's interval; ``values`` are by interval."""
        found: FloatArray = (
            self._averaged(values) if self.table.step_ms <= _THIRD_MS else values[self.interval]
        )
        return found

    def _averaged(self, means: FloatArray) -> FloatArray:
        energy = np.concatenate(([0.0], np.cumsum(means)))
        edges = self.first_ms + self.table.step_ms * np.arange(len(energy))
        upper, lower = (np.interp(self.begins_ms + late, edges, energy) for late in (_THIRD_MS, 0))
        averaged: FloatArray = (upper - lower) * (self.table.step_ms / _THIRD_MS)
        return averaged

    def line(self, name: str) -> FloatArray:
        """Return the values in the middle of each slot, in straight lines between instants."""
        values = self.table.columns[name][self.rows]
        known_ms = self.first_ms + self.table.step_ms * (
            np.arange(len(values)) + self.table.instant
        )
        middle = self.start + timedelta(milliseconds=SLOT_MS // 2)
        at_ms = round(middle.timestamp() * 1000) + SLOT_MS * np.arange(self.slots)
        between: FloatArray = np.interp(at_ms, known_ms, values)
        return between


def _window(table: WeatherTable, start: datetime, slots: int) -> _Window:
    step, begin_ms = table.step_ms, round(start.timestamp() * 1000)
    end_ms = begin_ms + slots * SLOT_MS
    phase = int(table.starts_ms[0]) % step
    first_ms = (begin_ms - phase) // step * step + phase - step
    count = -(-(end_ms - first_ms) // step) + 1
    rows = _rows(table, first_ms + step * np.arange(count), (begin_ms, end_ms))
    if step <= _THIRD_MS:
        begins_ms, before = begin_ms + _THIRD_MS * np.arange(slots * SUBSLOTS), 0
    else:
        begins_ms = first_ms + _THIRD_MS * np.arange(count * (step // _THIRD_MS))
        before = (begin_ms - first_ms) // _THIRD_MS
    inside = slice(before, before + slots * SUBSLOTS)
    return _Window(table, start, slots, rows, first_ms, begins_ms, inside)


def _rows(table: WeatherTable, wanted_ms: IntArray, run_ms: tuple[int, int]) -> IntArray:
    """Return the rows of intervals that begin at ``wanted_ms``."""
    if not _by_calendar(table, *run_ms):
        rows = (wanted_ms - table.starts_ms[0]) // table.step_ms
        inside: IntArray = np.clip(rows, 0, len(table.starts_ms) - 1)
        return inside
    keys, places = np.unique(table.calendar, return_index=True)
    minutes = calendar_minutes(wanted_ms + table.offset_ms)
    leap = (minutes // 1440 == 59) & ~np.isin(minutes, keys)
    at = np.searchsorted(keys, np.where(leap, minutes - 1440, minutes))
    return np.asarray(places[at], dtype=np.int64)


def _reach(table: WeatherTable, start: datetime, slots: int, beyond: int) -> int:
    """Return how many slots the file gives; ScenarioError where they are not those of the run."""
    begin_ms = round(start.timestamp() * 1000)
    end_ms = begin_ms + slots * SLOT_MS
    if _by_calendar(table, begin_ms, end_ms):
        return slots + beyond
    first_ms, last_ms = int(table.starts_ms[0]), int(table.starts_ms[-1]) + table.step_ms
    if begin_ms < first_ms or end_ms > last_ms:
        text = f"{table.name} goes from {_said(first_ms)} to {_said(last_ms)}"
        hint = f"the run needs {_said(begin_ms)} to {_said(end_ms)}, or give a whole year"
        raise ScenarioError([Fault(PATH, text, hint, table.where(-1))])
    return min(slots + beyond, (last_ms - begin_ms) // SLOT_MS)


def _by_calendar(table: WeatherTable, begin_ms: int, end_ms: int) -> bool:
    """Tell whether rows are taken by day and time of the year."""
    if table.typical:
        return True
    last_ms = table.starts_ms[-1] + table.step_ms
    covered = table.starts_ms[0] <= begin_ms and end_ms <= last_ms
    return bool(not covered and last_ms - table.starts_ms[0] >= _YEAR_MS)


def _said(t_ms: int) -> str:
    return pd.Timestamp(t_ms, unit="ms", tz="UTC").strftime("%Y-%m-%dT%H:%MZ")


# -- irradiance ----------------------------------------------------------------------------------


def _diffuse(
    window: _Window, ghi: FloatArray, clear_ghi: FloatArray, zenith: FloatArray
) -> FloatArray:
    """Return the diffuse irradiance of thirds [W/m²], before limits."""
    columns = window.table.columns
    if "dhi" in columns:
        whole, part = (columns[name][window.rows] for name in ("ghi", "dhi"))
        if window.table.step_ms <= _THIRD_MS:
            return window.held(part)
        return ghi * window.held(np.divide(part, whole, out=np.ones_like(part), where=whole > 0))
    if "dni" in columns:
        up = np.where(clear_ghi > 0, np.maximum(np.cos(np.radians(zenith)), 0.0), 0.0)
        return np.maximum(ghi - window.held(columns["dni"][window.rows]) * up, 0.0)
    return np.asarray(pvlib.irradiance.erbs(ghi, zenith, window.times)["dhi"], dtype=float)


def _clearness(ghi: FloatArray, clear_ghi: FloatArray, levels: FloatArray) -> FloatArray:
    """Return the clearness of each slot; by night it goes from evening's to morning's."""
    got, clear = (values.reshape(-1, SUBSLOTS).mean(axis=1) for values in (ghi, clear_ghi))
    day = clear > _DAY_W_M2
    if not day.any():
        return np.full(len(got), float(np.median(levels)))
    slots = np.arange(len(got))
    between = np.interp(slots, slots[day], got[day] / clear[day])
    clearness: FloatArray = np.clip(between, levels[0], levels[-1])
    return clearness


def _levels(table: WeatherTable, place: tuple[float, float]) -> FloatArray:
    """Return the clearness of the file's daytime rows, sorted; ScenarioError for a wrong sun."""
    every = -(-len(table.starts_ms) // _MOST_ROWS)
    rows = np.arange(0, len(table.starts_ms), every)
    middles_ms = table.starts_ms[rows] + table.step_ms // 2
    middles = pd.DatetimeIndex(pd.to_datetime(middles_ms, unit="ms", utc=True))
    position, clear_ghi = sky(middles, *place)
    ghi = table.columns["ghi"][rows]
    dark = _dark(table, ghi, position["elevation"].to_numpy(), rows)
    late_h = _late_h(ghi, clear_ghi, middles_ms, place[1])
    days = len(rows) * every * table.step_ms / DAY_MS
    if not dark and days >= _OFF_DAYS and abs(late_h) > _OFF_H:
        text = f"its days come {late_h:+.1f} h late for {place[0]:g}°, {place[1]:g}°"
        dark = [(text, table.where(0))]
    if dark:
        hint = "is it the right time zone, and the right place?"
        raise ScenarioError([Fault(PATH, text, hint, where) for text, where in dark])
    day = clear_ghi > _DAY_W_M2
    if not day.any():
        return np.array([0.5, 1.0])
    levels: FloatArray = np.sort(np.minimum(ghi[day] / clear_ghi[day], _MOST_CLEARNESS))
    return levels


def _dark(
    table: WeatherTable, ghi: FloatArray, elevation: FloatArray, rows: IntArray
) -> list[tuple[str, str]]:
    """Return the first rows with sun at night, and where they are."""
    half_deg = 15.0 * table.step_ms / (2 * HOUR_MS)  # no sun moves farther in half an interval
    dark = np.flatnonzero((elevation < _DARK_DEG - half_deg) & (ghi > _DARK_W_M2))
    return [
        (
            f"{ghi[k]:g} W/m² while the sun is {-elevation[k]:.0f}° below the horizon",
            table.where(int(rows[k])),
        )
        for k in dark[:_SHOWN].tolist()
    ]


def _late_h(ghi: FloatArray, clear_ghi: FloatArray, t_ms: IntArray, longitude: float) -> float:
    """Return by how much the middle of the sunshine is later than that of the clear sky [h]."""
    solar_h = (t_ms / HOUR_MS + longitude / 15) % 24
    if not (ghi.any() and clear_ghi.any()):
        return 0.0
    return float(np.average(solar_h, weights=ghi) - np.average(solar_h, weights=clear_ghi))
