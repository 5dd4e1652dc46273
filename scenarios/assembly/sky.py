"""The weather of a scenario: drawn, or of the user's file; and the forecasts of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.gridmodel import GridModel
from fernwatt.timebase import HOUR_MS, SLOT_MS
from scenarios.loader import Scenario
from simulators.devices import Weather, make_weather, read_weather, weather_of, wind_speed
from simulators.devices.weather import ForecastQuality

__all__ = ["Sky"]

FloatArray = NDArray[np.float64]
_KASSEL = (51.3, 9.5)
"""Where a grid without coordinates is taken to be: the middle of Germany, as SimBench's grids."""


class Sky:
    """Place and weather of a scenario; ``place`` is (latitude, longitude) [°].

    Raises ScenarioError for a weather file that will not do, whoever needs the weather.
    """

    def __init__(self, scenario: Scenario, model: GridModel) -> None:
        self._config = config = scenario.config
        wanted = config.weather
        self._table = None
        if wanted.file is not None:
            self._table = read_weather(scenario.files[wanted.file], wanted.zone, wanted.stamps)
        own = self._table.place if self._table is not None else None
        found = own or _place(model)
        self.place = (
            found[0] if wanted.latitude_deg is None else wanted.latitude_deg,
            found[1] if wanted.longitude_deg is None else wanted.longitude_deg,
        )
        self._slots = config.time.end_ms // SLOT_MS
        if self._table is not None:
            _ = self.weather  # whether it covers the run, and the sun stands where it should

    @cached_property
    def weather(self) -> Weather:
        """The weather of the run."""
        return self._weather(0)

    def wind(self, mean_m_s: float) -> FloatArray:
        """Return the speed at a hub in each slot ``[slots]`` [m/s].

        A file's course is brought to the plant's mean: the file's is 10 m above ground somewhere.
        """
        table, config = self._table, self._config
        course = self.weather.wind_m_s if table is not None else None
        if course is None or table is None:
            return wind_speed(self._slots, config.seed, mean_m_s)
        mean = float(table.columns["wind"].mean())
        return course * (mean_m_s / mean) if mean else np.zeros_like(course)

    def forecasts(self) -> tuple[dict[str, Any], ...]:
        """Return what a provider issues during the run; the last are shorter where a file ends."""
        wanted, seed = self._config.services.forecast, self._config.seed
        if wanted is None:
            return ()
        an_hour = HOUR_MS // SLOT_MS
        slots, step = wanted.horizon_h * an_hour, wanted.step_s * 1000 // SLOT_MS
        quality = ForecastQuality(
            (wanted.skill[0], wanted.skill[1]),
            wanted.skill_h,
            (wanted.error_c[0], wanted.error_c[1]),
            wanted.error_c_per_h,
        )
        weather = self._weather(slots)
        return tuple(
            weather.forecast(issued, seed, slots, quality).product(slots, step)
            for issued in range(0, self._slots, wanted.every_h * an_hour)
        )

    def _weather(self, beyond: int) -> Weather:
        config = self._config
        if self._table is not None:
            return weather_of(
                self._table,
                start=config.time.instant,
                slots=self._slots,
                place=self.place,
                beyond=beyond,
            )
        return make_weather(
            start=config.time.instant,
            slots=self._slots + beyond,
            seed=config.seed,
            latitude_deg=self.place[0],
            longitude_deg=self.place[1],
            cloudiness=config.weather.cloudiness,
            temperature_c=config.weather.temperature_c,
        )


def _place(model: GridModel) -> tuple[float, float]:
    """Return where the grid lies, by its coordinates."""
    places = [(bus.y, bus.x) for bus in model.buses if bus.x is not None and bus.y is not None]
    if places:
        latitude, longitude = (sum(axis) / len(places) for axis in zip(*places, strict=True))
        if 47 <= latitude <= 56 and 5 <= longitude <= 16:  # degrees in Germany, no drawing units
            return latitude, longitude
    return _KASSEL
