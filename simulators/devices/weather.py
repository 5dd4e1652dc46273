"""Weather of a run: clear sky, a seeded cloud process, temperature; and forecasts of it.

Clouds. The cloud cover n in [0, 1] follows a Beta distribution with the scenario's mean
``cloudiness`` and the U shape that observations show (mostly clear or mostly overcast), made
of a stationary Gaussian process z (a slow and a fast first-order autoregression) by equal
quantiles. The clearness index is Kasten and Czeplak's 1 - 0.75 n^3.4 of the clear-sky global
irradiance (Ineichen, with pvlib's monthly Linke turbidity). Erbs splits it into beam and diffuse.

Slots before the start (negative) are drawn backwards from the start, so a longer history changes
nothing that comes after it, and a longer run nothing that comes before.

References: F. Kasten, G. Czeplak, Solar Energy 24 (1980) 177; D. G. Erbs et al., Solar Energy
28 (1982) 293; P. Ineichen, R. Perez, Solar Energy 73 (2002) 151.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pvlib
from scipy.signal import lfilter
from scipy.special import betaincinv, ndtr

from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import SLOT_MS
from simulators.devices.specs import FloatArray

__all__ = [
    "DEFAULT_LOCATION",
    "SUBSLOTS",
    "Forecast",
    "ForecastQuality",
    "Weather",
    "make_weather",
    "plotting_positions",
    "sky",
    "thirds",
]

DEFAULT_LOCATION = (51.31, 9.49)  # Kassel, where SimBench comes from
SUBSLOTS = 3  # the sun's position is taken every five minutes
_SLOT_H = SLOT_MS / 3.6e6
_SPREAD = 0.7  # a + b of the Beta distribution: below 2 it is U-shaped
_MEMORY_H, _WEIGHT = (30.0, 1.5), (0.6, 0.4)  # correlation time and variance share of z's parts
_NOISE_MEMORY_H, _NOISE_C = 12.0, 1.5
_DAY_AMPLITUDE_C, _WARMEST_H = 4.0, 15.0


@dataclass(frozen=True, slots=True)
class ForecastQuality:
    """How good forecasts are; the figures are assumptions of the order of published errors.

    ``skill`` is the correlation of their cloud process with the true one, at once and in the long
    run, falling with ``skill_h``; ``error_c`` the standard deviation of their temperature's
    error at once and at most, growing by ``error_c_per_h``.
    """

    skill: tuple[float, float] = (0.98, 0.55)
    skill_h: float = 18.0
    error_c: tuple[float, float] = (0.5, 2.5)
    error_c_per_h: float = 0.06

    def correlation(self, ahead_h: FloatArray) -> FloatArray:
        """Return the correlation of the cloud processes, by the time ahead [h]."""
        first, last = self.skill
        skill: FloatArray = last + (first - last) * np.exp(-ahead_h / self.skill_h)
        return skill

    def spread_c(self, ahead_h: FloatArray) -> FloatArray:
        """Return the standard deviation of the temperature's error [K]."""
        first, most = self.error_c
        spread: FloatArray = np.minimum(first + self.error_c_per_h * ahead_h, most)
        return spread


_USUAL = ForecastQuality()


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a weather service says at the start of ``issued_slot`` of the slots from there on.

    ``clearness[k]``, ``temperature_c[k]`` and ``ghi_w_m2[k]`` (global irradiance) are for slot
    ``issued_slot + k``.
    """

    issued_slot: int
    clearness: FloatArray
    temperature_c: FloatArray
    ghi_w_m2: FloatArray

    def product(self, slots: int, step_slots: int = 1) -> dict[str, Any]:
        """Return what a provider sends: means of each ``step_slots`` of the next ``slots``.

        As JSON values: whole W/m², and sixteenths of a kelvin, which are three bytes on the wire.
        A last step that is not whole is left out.
        """
        steps = min(slots, len(self.clearness)) // step_slots
        ghi_w_m2, temperature_c = (
            values[: steps * step_slots].reshape(steps, step_slots).mean(axis=1)
            for values in (self.ghi_w_m2, self.temperature_c)
        )
        issued_ms = self.issued_slot * SLOT_MS
        return {
            "issued_ms": issued_ms,
            "start_ms": issued_ms,
            "step_ms": step_slots * SLOT_MS,
            "ghi_w_per_m2": np.rint(ghi_w_m2).astype(int).tolist(),
            "temperature_c": (np.rint(temperature_c * 16) / 16).tolist(),
        }


@dataclass(frozen=True, slots=True)
class Weather:
    """The truth; slot ``first_slot + k`` is at index k of every array by slot.

    ``clearness`` is the share of the clear-sky irradiance, ``temperature_c`` the air's.
    ``ghi``, ``dni``, ``dhi`` [W/m²] are at the middle of each third of a slot, at ``times``.
    ``latent`` is the cloud process behind it, ``cloudiness`` its parameter; of a file, latent are
    the normal scores of the clearness among ``levels``, all that the file has, sorted.
    ``clear_ghi`` is the clear sky's at ``times``, ``wind_m_s`` the speed 10 m above ground by
    slot, None where there is no file of it.
    """

    latitude_deg: float
    longitude_deg: float
    start: datetime
    first_slot: int
    cloudiness: float
    latent: FloatArray
    clearness: FloatArray
    temperature_c: FloatArray
    times: pd.DatetimeIndex
    solar_zenith_deg: FloatArray
    solar_azimuth_deg: FloatArray
    ghi: FloatArray
    dni: FloatArray
    dhi: FloatArray
    clear_ghi: FloatArray
    wind_m_s: FloatArray | None = None
    levels: FloatArray | None = None

    @property
    def slots(self) -> int:
        """Number of slots."""
        return len(self.clearness)

    @property
    def ghi_slots(self) -> FloatArray:
        """Mean global irradiance of each slot [W/m²]."""
        mean: FloatArray = self.ghi.reshape(-1, SUBSLOTS).mean(axis=1)
        return mean

    def forecast(
        self,
        issued_slot: int,
        seed: int,
        slots: int | None = None,
        quality: ForecastQuality = _USUAL,
    ) -> Forecast:
        """Return the forecast issued at the start of a slot, for ``slots`` (all) from there on.

        Its cloud process is correlated with the true one, less the further ahead, and is as
        cloudy as that in the mean; its temperature has an error that grows with the time ahead.
        """
        begin = issued_slot - self.first_slot
        if not 0 <= begin < self.slots:
            raise ValueError(f"slot {issued_slot} is not within the weather")
        end = self.slots if slots is None else min(begin + slots, self.slots)
        ahead_h: FloatArray = _SLOT_H * np.arange(end - begin, dtype=float)
        rng = stream(seed, "weather", f"forecast/{issued_slot}")
        normals = rng.standard_normal((len(ahead_h), 3))
        own = sum(
            weight**0.5 * _autoregression(normals[:, part], memory_h)
            for part, (weight, memory_h) in enumerate(zip(_WEIGHT, _MEMORY_H, strict=True))
        )
        skill = quality.correlation(ahead_h)
        latent = np.asarray(skill * self.latent[begin:end] + np.sqrt(1 - skill**2) * own)
        error_c = quality.spread_c(ahead_h) * _autoregression(normals[:, 2], _NOISE_MEMORY_H)
        if self.levels is None:
            clearness = _clearness(latent, self.cloudiness)
        else:
            clearness = np.interp(ndtr(latent), plotting_positions(self.levels), self.levels)
        clear = self.clear_ghi[begin * SUBSLOTS : end * SUBSLOTS].reshape(-1, SUBSLOTS)
        ghi_w_m2 = clearness * clear.mean(axis=1)
        return Forecast(issued_slot, clearness, self.temperature_c[begin:end] + error_c, ghi_w_m2)


def make_weather(
    *,
    start: datetime,
    slots: int,
    seed: int,
    history_slots: int = 0,
    latitude_deg: float | None = None,
    longitude_deg: float | None = None,
    cloudiness: float = 0.5,
    temperature_c: float = 10.0,
) -> Weather:
    """Return the weather of ``history_slots`` before and ``slots`` after ``start`` (with zone).

    ``cloudiness`` is the mean cloud cover, 0 to 1; ``temperature_c`` the mean of the air.
    Raises ScenarioError for a place or a cloudiness that cannot be.
    """
    latitude = DEFAULT_LOCATION[0] if latitude_deg is None else latitude_deg
    longitude = DEFAULT_LOCATION[1] if longitude_deg is None else longitude_deg
    _check(latitude, longitude, cloudiness, temperature_c, start)
    total = history_slots + slots
    latent: FloatArray = np.zeros(total)
    for weight, memory_h, name in zip(_WEIGHT, _MEMORY_H, ("slow", "fast"), strict=True):
        latent = latent + weight**0.5 * _two_sided(
            seed, f"clouds/{name}", history_slots, slots, memory_h
        )
    clearness = _clearness(latent, cloudiness)
    noise_c = _NOISE_C * _two_sided(seed, "temperature", history_slots, slots, _NOISE_MEMORY_H)
    begin = start - timedelta(milliseconds=SLOT_MS) * history_slots
    hours = _slot_hours(start, -history_slots, total, longitude)
    cycle_c = _DAY_AMPLITUDE_C * np.cos((hours - _WARMEST_H) * (2 * np.pi / 24))
    sun = _sun(begin, total, latitude, longitude, clearness)
    return Weather(
        latitude, longitude, start, -history_slots, cloudiness, latent, clearness,
        temperature_c + cycle_c + noise_c, *sun,
    )  # fmt: skip


def _sun(
    begin: datetime, slots: int, latitude: float, longitude: float, clearness: FloatArray
) -> tuple[
    pd.DatetimeIndex, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray
]:
    """Return times, zenith, azimuth, ghi, dni, dhi, clear ghi in the middle of each third."""
    times = thirds(begin, slots)
    position, clear_ghi = sky(times, latitude, longitude)
    zenith = position["apparent_zenith"].to_numpy()
    ghi = clear_ghi * np.repeat(clearness, SUBSLOTS)
    split = pvlib.irradiance.erbs(ghi, position["zenith"].to_numpy(), times)
    azimuth, dni, dhi = position["azimuth"].to_numpy(), split["dni"], split["dhi"]
    return times, zenith, azimuth, ghi, np.asarray(dni), np.asarray(dhi), clear_ghi


def thirds(begin: datetime, slots: int) -> pd.DatetimeIndex:
    """Return the middles of the thirds of ``slots`` slots from ``begin`` on."""
    step = pd.Timedelta(milliseconds=SLOT_MS) / SUBSLOTS
    first = pd.Timestamp(begin).tz_convert("UTC") + step / 2
    return pd.date_range(first, periods=slots * SUBSLOTS, freq=step)


def sky(
    times: pd.DatetimeIndex, latitude: float, longitude: float
) -> tuple[pd.DataFrame, FloatArray]:
    """Return the sun's position (pvlib's columns), and the clear sky's global irradiance [W/m²]."""
    place = pvlib.location.Location(latitude, longitude)
    position = place.get_solarposition(times)
    clear = place.get_clearsky(times, model="ineichen", solar_position=position)
    return position, clear["ghi"].to_numpy()


def plotting_positions(levels: FloatArray) -> FloatArray:
    """Return the probability of each of the sorted values: the middle of its rank."""
    positions: FloatArray = (np.arange(len(levels)) + 0.5) / len(levels)
    return positions


def _clearness(latent: FloatArray, cloudiness: float) -> FloatArray:
    if cloudiness in (0.0, 1.0):
        cover = np.full(len(latent), cloudiness)
    else:
        a, b = cloudiness * _SPREAD, (1.0 - cloudiness) * _SPREAD
        cover = betaincinv(a, b, ndtr(latent))
    result: FloatArray = 1.0 - 0.75 * cover**3.4
    return result


def _autoregression(normals: FloatArray, memory_h: float) -> FloatArray:
    """Return a stationary AR(1) of unit variance, a value for each slot."""
    rho = float(np.exp(-_SLOT_H / memory_h))
    drive = normals * np.sqrt(1 - rho**2)
    drive[:1] = normals[:1]
    result: FloatArray = lfilter([1.0], [1.0, -rho], drive)
    return result


def _two_sided(seed: int, name: str, history_slots: int, slots: int, memory_h: float) -> FloatArray:
    """Return a stationary AR(1) over history and run; reversible, so drawn both ways from 0."""
    ahead = stream(seed, "weather", f"{name}/ahead").standard_normal(slots)
    back = stream(seed, "weather", f"{name}/back").standard_normal(history_slots)
    run = _autoregression(ahead, memory_h)
    past = _autoregression(np.concatenate((ahead[:1], back)), memory_h)[1:]
    both: FloatArray = np.concatenate((past[::-1], run))
    return both


def _slot_hours(start: datetime, first_slot: int, slots: int, longitude: float) -> FloatArray:
    """Return the mean solar time [h] in the middle of each slot, counted on from the start's."""
    utc = pd.Timestamp(start).tz_convert("UTC")
    start_h = float(utc.hour + utc.minute / 60 + longitude / 15)
    hours: FloatArray = start_h + _SLOT_H * (first_slot + np.arange(slots, dtype=float) + 0.5)
    return hours


def _check(
    latitude: float, longitude: float, cloudiness: float, temperature_c: float, start: datetime
) -> None:
    limits = (
        ("latitude_deg", latitude, -90.0, 90.0),
        ("longitude_deg", longitude, -180.0, 180.0),
        ("cloudiness", cloudiness, 0.0, 1.0),
        ("temperature_c", temperature_c, -60.0, 60.0),
    )
    faults = [
        Fault(f"weather.{name}", f"must be from {low:g} to {high:g}, not {value}")
        for name, value, low, high in limits
        if not low <= value <= high
    ]
    if start.tzinfo is None:
        faults.append(Fault("time.start", "has no time zone", "write 2016-04-20T10:00:00Z"))
    if faults:
        raise ScenarioError(faults)
