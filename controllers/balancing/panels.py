"""What a house's panels will yield, from the sun, the weather forecast and what was measured.

Powers are means over slots of a quarter of an hour [W], positive = drawn from the grid; slots
are counted from the scenario's start and negative before it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pvlib
from numpy.typing import NDArray

from controllers.balancing.history import SLOTS_PER_DAY, History
from controllers.balancing.issue import Issue, Said
from fernwatt.timebase import SLOT_MS, Clock

__all__ = ["Panel", "PvPredictor", "clear_sky_w", "forecast_w", "in_slots"]

Watts: TypeAlias = NDArray[np.float64]

_HEATING = 0.03125  # of a cell above the air [K m2/W]: 45 degC at 800 W/m2 and 20 degC
_GAMMA = -0.004  # of the power [1/K], crystalline silicon
_LONGEST_MS = 20 * 86_400_000
_MOST = 1.3  # times the clear sky's irradiation


@dataclass(frozen=True, slots=True)
class Panel:
    """A photovoltaic system as its owner knows it; azimuth 180 is south."""

    p_rated_w: float
    tilt_deg: float
    azimuth_deg: float
    latitude_deg: float
    longitude_deg: float


class PvPredictor:
    """Clear-sky power times a clearness: the measured one, then the forecast or usual one.

    The clearness of the last hours (weights halve in ``memory_slots``) goes over with the
    horizon into that of the weather forecast, or where there is none into the long-run one. It
    is the ratio to the nominal power, so it learns the losses of inverter and temperature too;
    the forecast's is corrected by what the panels yielded against what it had said. Before
    anything is measured the long-run one is ``clearness``.
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
        self._first, self._forecast_w = 0, np.zeros(0)
        # what was yielded and what had been said of it, with a prior of an hour of full sun
        self._kept = np.array([0.95, 1.0]) * panel.p_rated_w * 4.0
        self._history = History(8, 0)
        self._issue: tuple[int, Issue] | None = None

    def take_forecast(self, record: Mapping[str, Any]) -> None:
        """Take a weather forecast ``{start_ms, step_ms, ghi_w_per_m2, temperature_c}``."""
        self._first, self._forecast_w = forecast_w(self._panel, self._start, record)

    def observe(self, slot: int, p_w: float) -> None:
        """Take the mean power of one slot (negative when generating); slots come in order."""
        if self._newest is not None and slot <= self._newest:
            return
        self._newest = slot
        for _ in self._history.store(*self._day(slot), p_w):
            pass
        clear_w = float(self.clear_sky(slot, 1)[0])
        if clear_w < 0.02 * self._panel.p_rated_w:
            return  # at night, and with the sun at the horizon, there is nothing to learn
        if 0 <= slot - self._first < self._forecast_w.size:
            said_w = self._forecast_w[slot - self._first]
            self._kept = self._kept * self._forget[1] + [max(-p_w, 0.0), said_w]
        self._clear_w = self._clear_w * self._forget + clear_w
        self._measured_w = self._measured_w * self._forget + max(-p_w, 0.0)

    def predict(self, first_slot: int, slots: int) -> Watts:
        """Return the predicted mean power of ``slots`` slots [W, <= 0]."""
        clear_w = self.clear_sky(first_slot, slots)
        recent, usual = np.minimum(self._measured_w / self._clear_w, 1.2)
        origin = first_slot if self._newest is None else self._newest
        ahead = np.maximum(np.arange(first_slot, first_slot + slots) - origin, 0)
        later_w = self._said(first_slot, slots, clear_w * usual)
        fade = np.exp(-ahead / self._reversion_slots)
        predicted_w: Watts = -(later_w + (clear_w * recent - later_w) * fade)
        return predicted_w

    def said(self, slot: int) -> Said | None:
        """Return what was said of a slot as its day began; None: the day was not seen to begin.

        To be asked before the slot is observed.
        """
        day, at = self._day(slot)
        if at == 0 and (self._issue is None or self._issue[0] != day):
            unknown = np.full(SLOTS_PER_DAY, np.nan)
            mean = self.predict(slot, SLOTS_PER_DAY)
            self._issue = (day, Issue(mean, unknown, unknown, *self._history.naive(day)))
        return self._issue[1].at(at) if self._issue is not None and self._issue[0] == day else None

    def _day(self, slot: int) -> tuple[int, int]:
        return divmod(slot + _slot_of_day(self._start), SLOTS_PER_DAY)

    def _said(self, first_slot: int, slots: int, otherwise_w: Watts) -> Watts:
        """Return the yield by the newest forecast [W, >= 0], ``otherwise_w`` where it says none."""
        out = otherwise_w.copy()
        begin = max(first_slot, self._first)
        end = min(first_slot + slots, self._first + self._forecast_w.size)
        if begin < end:
            share = self._kept[0] / max(self._kept[1], 1.0)
            said_w = self._forecast_w[begin - self._first : end - self._first]
            out[begin - first_slot : end - first_slot] = said_w * share
        return out

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


def in_slots(record: Mapping[str, Any]) -> bool:
    """Tell whether a forecast begins with a slot, has steps of whole ones, and is not endless."""
    whole = record["start_ms"] % SLOT_MS == 0 and record["step_ms"] % SLOT_MS == 0
    return bool(whole and len(record["ghi_w_per_m2"]) * record["step_ms"] <= _LONGEST_MS)


def forecast_w(panel: Panel, start: Clock, record: Mapping[str, Any]) -> tuple[int, Watts]:
    """Return first slot and yield [W, >= 0] of a weather forecast.

    Within a step the irradiation follows the clear sky; on the plane it is split by Erbs and an
    isotropic sky; cells are 45 degC warm at 800 W/m2 and 20 degC of the air, and lose 0.4 %/K.
    """
    step = record["step_ms"] // SLOT_MS
    first, slots = record["start_ms"] // SLOT_MS, len(record["ghi_w_per_m2"]) * step
    centre = start.start.astimezone(UTC) + timedelta(milliseconds=(first + 0.5) * SLOT_MS)
    times = pd.date_range(centre, periods=slots, freq=timedelta(milliseconds=SLOT_MS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # division by cos(zenith) at night
        sun = pvlib.solarposition.get_solarposition(times, panel.latitude_deg, panel.longitude_deg)
        clear = pvlib.clearsky.haurwitz(sun["apparent_zenith"])["ghi"].to_numpy()
        means = np.repeat(clear.reshape(-1, step).mean(axis=1), step)
        said = np.repeat(np.asarray(record["ghi_w_per_m2"], dtype=float), step)
        share = np.divide(said, means, out=np.zeros(slots), where=means > 1.0)
        global_wm2 = np.clip(share, 0.0, _MOST) * clear
        parts = pvlib.irradiance.erbs(global_wm2, sun["zenith"], times)
    plane = pvlib.irradiance.get_total_irradiance(
        panel.tilt_deg, panel.azimuth_deg, sun["apparent_zenith"], sun["azimuth"],
        np.nan_to_num(np.asarray(parts["dni"])), global_wm2,
        np.nan_to_num(np.asarray(parts["dhi"])),
    )["poa_global"]  # fmt: skip
    plane_wm2 = np.maximum(np.nan_to_num(np.asarray(plane)), 0.0)
    air_c = np.repeat(np.asarray(record["temperature_c"], dtype=float), step)
    cell_c = air_c + _HEATING * plane_wm2
    power_w = panel.p_rated_w * plane_wm2 / 1000.0 * (1.0 + _GAMMA * (cell_c - 25.0))
    return first, np.maximum(power_w, 0.0)


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
