"""What a house will draw and its panels will yield, from what was measured so far.

Powers are means over slots of a quarter of an hour [W], positive = drawn from the grid; slots
are counted from the scenario's start and negative before it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pandas as pd
import pvlib
from numpy.typing import NDArray

from fernwatt.timebase import SLOT_MS, Clock

__all__ = ["LoadPredictor", "Panel", "PvPredictor", "clear_sky_w"]

Watts: TypeAlias = NDArray[np.float64]

SLOTS_PER_DAY = 86_400_000 // SLOT_MS
_WEEKEND = 5  # Saturday, counted from Monday


class LoadPredictor:
    """Mean of the recent days at the same time of day, corrected by the newest readings.

    The newest deviation from the mean is carried on and dies away as an AR(1) process whose
    coefficient is estimated from all deviations so far. Days of the other kind (working day,
    weekend) are left out as soon as two of the same kind are known for a slot. Without any
    history the prediction starts from ``cold_start_w``.
    """

    def __init__(self, start: Clock, *, days: int = 14, cold_start_w: float = 400.0) -> None:
        self._start_slot = _slot_of_day(start)
        self._first_weekday = start.start.astimezone(UTC).weekday()
        self._cold_start_w = cold_start_w
        self._memory = np.full((days, SLOTS_PER_DAY), np.nan)
        self._day_of_row = np.full(days, np.iinfo(np.int64).min)
        self._newest: int | None = None
        self._deviation_w = 0.0
        # Prior: a coefficient of 0.6 with the weight of eight hours of deviations of 200 W.
        self._squares = 32 * 200.0**2
        self._products = 0.6 * self._squares

    @property
    def newest_slot(self) -> int | None:
        """Return the newest slot observed, None before the first."""
        return self._newest

    def load_history(self, first_slot: int, p_w: Sequence[float]) -> None:
        """Take a row of slots at once, without counting its last one as news."""
        for slot, power_w in enumerate(p_w, first_slot):
            self._store(slot, power_w)

    def observe(self, slot: int, p_w: float) -> None:
        """Take the mean power of one slot; slots come in order, an older one only fills a gap."""
        if self._newest is None or slot > self._newest:
            gap = 0 if self._newest is None else slot - self._newest
            deviation_w = p_w - float(self._usual(slot, 1)[0])
            if gap == 1:
                self._products += deviation_w * self._deviation_w
                self._squares += self._deviation_w**2
            self._newest, self._deviation_w = slot, deviation_w
        self._store(slot, p_w)

    def predict(self, first_slot: int, slots: int) -> Watts:
        """Return the predicted mean power of ``slots`` slots."""
        usual = self._usual(first_slot, slots)
        if self._newest is None:
            return usual
        coefficient = min(max(self._products / self._squares, 0.0), 0.98)
        ahead = np.arange(first_slot, first_slot + slots) - self._newest
        return usual + self._deviation_w * coefficient ** np.maximum(ahead, 0)

    def _store(self, slot: int, p_w: float) -> None:
        day, at = divmod(slot + self._start_slot, SLOTS_PER_DAY)
        row = day % len(self._memory)
        if day < self._day_of_row[row]:
            return  # older than what is kept
        if day > self._day_of_row[row]:
            self._memory[row], self._day_of_row[row] = np.nan, day
        self._memory[row, at] = p_w

    def _usual(self, first_slot: int, slots: int) -> Watts:
        """Return the mean of the days kept, of the same kind of day where two are known."""
        day, at = np.divmod(np.arange(first_slot, first_slot + slots) + self._start_slot, 96)
        values = self._memory[:, at]
        alike = self._weekend(self._day_of_row)[:, None] == self._weekend(day)[None, :]
        known = ~np.isnan(values)
        narrow = known & alike
        used = np.where(narrow.sum(axis=0) >= 2, narrow, known)
        count = used.sum(axis=0)
        total = np.where(used, values, 0.0).sum(axis=0)
        overall = np.isfinite(self._memory)
        fallback = float(self._memory[overall].mean()) if overall.any() else self._cold_start_w
        return np.where(count > 0, total / np.maximum(count, 1), fallback)

    def _weekend(self, day: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((day + self._first_weekday) % 7 >= _WEEKEND)


@dataclass(frozen=True, slots=True)
class Panel:
    """A photovoltaic system as its owner knows it; azimuth 180 is south."""

    p_rated_w: float
    tilt_deg: float
    azimuth_deg: float
    latitude_deg: float
    longitude_deg: float


class PvPredictor:
    """Clear-sky power times the clearness measured so far.

    The clearness of the last hours (weights halve in ``memory_slots``) goes over into the
    long-run one with the horizon. It is the ratio to the nominal power, so it learns the losses
    of inverter and temperature too. Before anything is measured it is ``clearness``.
    """

    def __init__(
        self,
        panel: Panel,
        start: Clock,
        *,
        clearness: float = 0.5,
        memory_slots: float = 4.0,
        reversion_slots: float = 16.0,
    ) -> None:
        self._panel, self._start = panel, start
        self._reversion_slots = reversion_slots
        self._forget = np.array([0.5 ** (1.0 / memory_slots), 0.5 ** (1.0 / (7 * SLOTS_PER_DAY))])
        # The prior weighs as half an hour (recent) and as half a day (long run) of full sun.
        self._clear_w = panel.p_rated_w * np.array([2.0, 16.0])
        self._measured_w = clearness * self._clear_w
        self._newest: int | None = None

    def observe(self, slot: int, p_w: float) -> None:
        """Take the mean power of one slot (negative when generating); slots come in order."""
        if self._newest is not None and slot <= self._newest:
            return
        self._newest = slot
        clear_w = float(self.clear_sky(slot, 1)[0])
        if clear_w < 0.02 * self._panel.p_rated_w:
            return  # at night, and with the sun at the horizon, there is nothing to learn
        self._clear_w = self._clear_w * self._forget + clear_w
        self._measured_w = self._measured_w * self._forget + max(-p_w, 0.0)

    def predict(self, first_slot: int, slots: int) -> Watts:
        """Return the predicted mean power of ``slots`` slots [W, <= 0]."""
        clear_w = self.clear_sky(first_slot, slots)
        recent, usual = np.minimum(self._measured_w / self._clear_w, 1.2)
        origin = first_slot if self._newest is None else self._newest
        ahead = np.maximum(np.arange(first_slot, first_slot + slots) - origin, 0)
        clearness = usual + (recent - usual) * np.exp(-ahead / self._reversion_slots)
        predicted_w: Watts = -clear_w * clearness
        return predicted_w

    def clear_sky(self, first_slot: int, slots: int) -> Watts:
        """Return the power under a clear sky [W, >= 0]."""
        offset = _slot_of_day(self._start)
        midnight = self._start.start.astimezone(UTC).replace(hour=0, minute=0, second=0)
        first, last = first_slot + offset, first_slot + offset + slots - 1
        days = range(first // SLOTS_PER_DAY, last // SLOTS_PER_DAY + 1)
        curve = np.concatenate(
            [clear_sky_w(self._panel, midnight + timedelta(days=day)) for day in days]
        )
        skip = first % SLOTS_PER_DAY
        return curve[skip : skip + slots]


def _slot_of_day(clock: Clock) -> int:
    instant = clock.start.astimezone(UTC)
    return (instant.hour * 60 + instant.minute) // 15


@lru_cache(maxsize=4096)
def clear_sky_w(panel: Panel, midnight: datetime) -> Watts:
    """Return the 96 mean powers of a panel on one UTC day under a clear sky [W, >= 0].

    Haurwitz's clear sky, split into beam and diffuse by Erbs, transposed isotropically; the
    nominal power stands for 1,000 W/m2 on the panel.
    """
    zenith, sun_azimuth, global_wm2, beam_wm2, diffuse_wm2 = _sky(
        panel.latitude_deg, panel.longitude_deg, midnight
    )
    plane = pvlib.irradiance.get_total_irradiance(
        panel.tilt_deg, panel.azimuth_deg, zenith, sun_azimuth, beam_wm2, global_wm2, diffuse_wm2
    )
    power_w: Watts = np.nan_to_num(np.asarray(plane["poa_global"])) * panel.p_rated_w / 1000.0
    power_w.setflags(write=False)
    return power_w


@lru_cache(maxsize=256)
def _sky(latitude_deg: float, longitude_deg: float, midnight: datetime) -> tuple[Watts, ...]:
    """Return zenith, sun's azimuth [deg], global, beam and diffuse irradiance [W/m2]."""
    times = pd.date_range(
        midnight + timedelta(milliseconds=SLOT_MS / 2),
        periods=SLOTS_PER_DAY,
        freq=timedelta(milliseconds=SLOT_MS),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # division by cos(zenith) at night
        sun = pvlib.solarposition.get_solarposition(times, latitude_deg, longitude_deg)
        global_wm2 = pvlib.clearsky.haurwitz(sun["apparent_zenith"])["ghi"]
        parts = pvlib.irradiance.erbs(global_wm2, sun["zenith"], times)
    return (
        sun["apparent_zenith"].to_numpy(),
        sun["azimuth"].to_numpy(),
        global_wm2.to_numpy(),
        np.nan_to_num(np.asarray(parts["dni"])),
        np.nan_to_num(np.asarray(parts["dhi"])),
    )
