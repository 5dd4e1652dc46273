"""PV systems: from the weather to the power of each, worked out once for the whole run.

Plane of array by Hay and Davies with the ground's albedo; cell temperature by Faiman; DC power by
PVWatts (temperature coefficient, constant losses); the inverter has a constant efficiency, or that
of PVWatts, and clips at its rated power. Systems of the same orientation share the plane-of-array
calculation.

References: pvlib's documentation of ``get_total_irradiance``, ``temperature.faiman``,
``pvsystem.pvwatts_dc``, ``inverter.pvwatts``; A. P. Dobos, PVWatts Version 5 Manual,
NREL/TP-6A20-62641 (2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pvlib

from simulators.devices.specs import FloatArray
from simulators.devices.weather import SUBSLOTS, Weather

__all__ = ["PvSystem", "ac_power", "cell_temperature", "plane_of_array", "pv_power"]

_ALBEDO, _WIND_M_S = 0.2, 1.5
_STANDARD_W_M2, _STANDARD_C = 1000.0, 25.0


@dataclass(frozen=True, slots=True)
class PvSystem:
    """One roof. ``p_rated_w`` is the inverter's AC rating, ``tilt_deg`` 0 is flat.

    ``azimuth_deg`` is clockwise from north (180 faces south), ``dc_ratio`` the modules' power at
    standard conditions divided by ``p_rated_w``, ``losses`` the share of DC power lost to wiring,
    soiling and mismatch, ``gamma_per_c`` the modules' temperature coefficient [1/K].
    ``efficiency`` is the inverter's: always (``curve`` is ``constant``), or its nominal one, which
    falls at part load (``pvwatts``).
    """

    p_rated_w: float
    tilt_deg: float
    azimuth_deg: float
    dc_ratio: float = 1.2
    losses: float = 0.14
    efficiency: float = 0.96
    gamma_per_c: float = -0.004
    curve: str = "constant"


def pv_power(weather: Weather, systems: Sequence[PvSystem]) -> FloatArray:
    """Return the mean AC power ``[n, slots]`` [W] of each slot, generation negative."""
    power_w = np.zeros((len(systems), weather.slots))
    groups: dict[tuple[float, float], list[int]] = {}
    for number, system in enumerate(systems):
        groups.setdefault((system.tilt_deg, system.azimuth_deg), []).append(number)
    extra = pvlib.irradiance.get_extra_radiation(weather.times).to_numpy()
    for (tilt_deg, azimuth_deg), members in sorted(groups.items()):
        poa = plane_of_array(weather, tilt_deg, azimuth_deg, extra)
        cell_c = cell_temperature(weather, poa)
        for number in members:
            fine_w = ac_power(systems[number], poa, cell_c)
            power_w[number] = -fine_w.reshape(-1, SUBSLOTS).mean(axis=1)
    return power_w + 0.0  # no negative zeros at night


def plane_of_array(
    weather: Weather, tilt_deg: float, azimuth_deg: float, extra: FloatArray | None = None
) -> FloatArray:
    """Return the irradiance of a plane at ``weather.times`` [W/m²], ``extra`` is that of space."""
    if extra is None:
        extra = pvlib.irradiance.get_extra_radiation(weather.times).to_numpy()
    poa = pvlib.irradiance.get_total_irradiance(
        tilt_deg, azimuth_deg, weather.solar_zenith_deg, weather.solar_azimuth_deg,
        weather.dni, weather.ghi, weather.dhi, dni_extra=extra, albedo=_ALBEDO,
        model="haydavies",
    )["poa_global"]  # fmt: skip
    lit: FloatArray = np.maximum(np.nan_to_num(np.asarray(poa)), 0.0)
    return lit


def cell_temperature(weather: Weather, poa: FloatArray) -> FloatArray:
    """Return the temperature of cells under ``poa`` at ``weather.times`` [°C]."""
    wind_m_s = _WIND_M_S if weather.wind_m_s is None else np.repeat(weather.wind_m_s, SUBSLOTS)
    cell_c: FloatArray = pvlib.temperature.faiman(
        poa, np.repeat(weather.temperature_c, SUBSLOTS), wind_m_s
    )
    return cell_c


def ac_power(system: PvSystem, poa: FloatArray, cell_c: FloatArray) -> FloatArray:
    """Return the power of a system under ``poa`` at cells of ``cell_c`` [W], not negative."""
    heat = 1.0 + system.gamma_per_c * (cell_c - _STANDARD_C)
    dc_w = system.p_rated_w * system.dc_ratio * (poa / _STANDARD_W_M2) * heat
    dc_w = dc_w * (1.0 - system.losses)
    if system.curve == "pvwatts":
        limit_w = system.p_rated_w / system.efficiency
        curved_w: FloatArray = pvlib.inverter.pvwatts(dc_w, limit_w, system.efficiency)
        return curved_w
    ac_w: FloatArray = np.clip(dc_w * system.efficiency, 0.0, system.p_rated_w)
    return ac_w
