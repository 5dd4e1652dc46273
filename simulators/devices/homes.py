"""Homes: their need for heat and hot water, drawn for each customer.

The spread of buildings is an assumption, meant for existing German houses: 80 to 250 W/K, a time
constant of about two days, most of it in the mass. Hot water follows the day's energy of the
European load profile M (5.845 kWh; Regulation (EU) 814/2013), drawn in the morning, in the evening
and in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from fernwatt.streams import stream
from fernwatt.timebase import SLOT_MS, Clock
from simulators.devices.heat_pump_map import SOURCES, performance
from simulators.devices.specbase import FloatArray

__all__ = [
    "HOT_WATER_WH",
    "HeatPumpPlan",
    "appliances",
    "boilers",
    "fridges",
    "heat_pumps",
    "hot_water",
]

HOT_WATER_WH = 5845.0
"""Hot water drawn in a day, profile M of Regulation (EU) 814/2013."""

_DRAWS, _SPREAD, _SLOT_H = 12, 0.25, SLOT_MS / 3.6e6
# share, mean and deviation of local time [h]
_TIMES = ((0.4, 7.0, 1.0), (0.4, 19.5, 1.5), (0.2, 14.0, 3.0))
_AIR_H, _MASS_H = 8.0, 45.0  # capacity in hours of the heat loss
_COUPLING = 4.0  # air to mass, of the heat loss
_SOLAR_M2_PER_W_K, _GAINS_W_PER_W_K = 0.02, 2.0
_RESERVE = 1.1
# a dishwasher or washing machine in parts of five minutes: two heating phases, motor, spin [W]
_CYCLE_W = (60.0, *(2000.0,) * 3, *(120.0,) * 3, *(2000.0,) * 2, 80.0, 80.0, 400.0, 400.0, 60.0)
_CYCLE_STEP_S = 300
_EARLIEST_H = (10.0, 4.0, 6.0, 20.0)  # mean, deviation, limits


@dataclass(frozen=True, slots=True)
class HeatPumpPlan:
    """What a scenario says of its heat pumps; see ``HeatPumpSpec`` for the rest."""

    heat_loss_w_per_k: tuple[float, float] = (80.0, 250.0)
    nodes: int = 2
    source: str = "air"
    set_c: float = 21.0
    switch_k: float = 0.5
    comfort_c: tuple[float, float] = (20.0, 22.5)
    flow_design_c: float = 45.0
    design_c: float = -12.0
    tank_l: float = 200.0
    hot_water_wh_per_day: float = HOT_WATER_WH
    rod_w: float = 3000.0


def hot_water(
    device: str, *, clock: Clock, end_ms: int, seed: int, wh_per_day: float,
    timezone: str = "Europe/Berlin",
) -> FloatArray:  # fmt: skip
    """Return the heat drawn as hot water, mean power of each quarter of an hour ``[slots]`` [W].

    Twelve draws a day of unequal size; the day's energy has a spread of a quarter. A longer run
    begins alike.
    """
    slots, zone = -(-end_ms // SLOT_MS), ZoneInfo(timezone)
    first = clock.start.astimezone(zone).date() - timedelta(days=1)
    days = (clock.at(end_ms).astimezone(zone).date() - first).days + 1
    rng = stream(seed, "devices", f"{device}/hot-water")
    energy_wh = np.zeros(slots)
    for day in range(days):
        size = rng.standard_gamma(0.5, _DRAWS)
        level = np.exp(_SPREAD * rng.standard_normal() - _SPREAD**2 / 2)
        which = np.searchsorted(np.cumsum([part[0] for part in _TIMES]), rng.random(_DRAWS))
        normals = rng.standard_normal(_DRAWS)
        mean, spread = (np.array([part[k] for part in _TIMES])[which.clip(max=2)] for k in (1, 2))
        hours = np.clip(mean + spread * normals, 0.0, 23.99)
        midnight = datetime.combine(first + timedelta(days=day), datetime.min.time(), tzinfo=zone)
        begin_h = (midnight - clock.start) / timedelta(hours=1)
        slot = np.floor((begin_h + hours) / _SLOT_H).astype(int)
        inside = (slot >= 0) & (slot < slots)
        share = size / size.sum() * level * wh_per_day
        np.add.at(energy_wh, slot[inside], share[inside])
    power_w: FloatArray = np.round(energy_wh / _SLOT_H, 3)
    return power_w


def heat_pumps(
    owners: Mapping[str, str], plan: HeatPumpPlan, *, clock: Clock, end_ms: int, seed: int
) -> list[dict[str, Any]]:
    """Return the specifications of heat pumps with a drawn house each.

    A machine alone covers its house on the design day with a tenth in reserve. Houses begin
    somewhere between the limits of their thermostats, so that they do not switch together.
    """
    return [
        {"id": device, "kind": "heat_pump", "terminal": terminal}
        | _home(device, plan, clock, end_ms, seed)
        for device, terminal in owners.items()
    ]


def _home(device: str, plan: HeatPumpPlan, clock: Clock, end_ms: int, seed: int) -> dict[str, Any]:
    size, air, water = stream(seed, "devices", f"{device}/home").random(3)
    low, high = plan.heat_loss_w_per_k
    loss = round(low + size * (high - low), 1)
    building = {
        "heat_loss_w_per_k": loss,
        "coupling_w_per_k": _COUPLING * loss,
        "c_air_wh_per_k": _AIR_H * loss + (0.0 if plan.nodes == 2 else _MASS_H * loss),
        "c_mass_wh_per_k": _MASS_H * loss if plan.nodes == 2 else 0.0,
        "solar_m2": _SOLAR_M2_PER_W_K * loss,
        "gains_w": _GAINS_W_PER_W_K * loss,
        "set_c": plan.set_c,
        "switch_k": plan.switch_k,
        "low_c": plan.comfort_c[0],
        "high_c": plan.comfort_c[1],
        "flow_design_c": plan.flow_design_c,
        "design_c": plan.design_c,
        "initial_c": round(plan.set_c + (2 * air - 1) * plan.switch_k, 3),
    }
    need_w = loss * (plan.set_c - plan.design_c) + plan.hot_water_wh_per_day / 24
    return {
        "p_rated_w": round(_RESERVE * need_w / _heat_per_watt(plan), 0),
        "source": plan.source,
        "rod_w": plan.rod_w,
        "building": building,
        "tank": {
            "volume_l": plan.tank_l,
            "initial_c": round(52.0 - 6.0 * water, 3),
        },
        "hot_water_w": hot_water(
            device, clock=clock, end_ms=end_ms, seed=seed, wh_per_day=plan.hot_water_wh_per_day
        ),
    }


def _heat_per_watt(plan: HeatPumpPlan) -> float:
    """Return the heat of a machine on the design day, for each watt of its reference power."""
    source = np.array([float(SOURCES.index(plan.source))])
    outdoor_c = np.array([plan.design_c])
    source_c = np.array([5.0]) if plan.source == "brine" else outdoor_c
    share, cop = performance(source, source_c, np.array([plan.flow_design_c]), outdoor_c)
    return float(share[0] * cop[0])


def fridges(owners: Mapping[str, str], seed: int) -> list[dict[str, Any]]:
    """Return refrigerators: 100 W, 3 to 7 °C, about 0.3 kWh a day; sizes and contents are drawn."""
    made = []
    for device, terminal in owners.items():
        size, fill, t_c = stream(seed, "devices", f"{device}/plate").random(3)
        made.append(
            {"id": device, "kind": "thermostat", "terminal": terminal, "cools": True,
             "p_rated_w": round(80.0 + 40.0 * size, 1), "cop": 2.0, "cos_phi": 0.8,
             "c_wh_per_k": round(8.0 + 8.0 * fill, 2), "loss_w_per_k": round(1.2 + 0.8 * size, 3),
             "surroundings_c": 21.0, "set_c": 5.0, "switch_k": 1.0, "low_c": 3.0, "high_c": 7.0,
             "min_on_s": 240.0, "min_off_s": 240.0, "initial_c": round(4.0 + 2.0 * t_c, 3)}
        )  # fmt: skip
    return made


def boilers(
    owners: Mapping[str, str], *, clock: Clock, end_ms: int, seed: int, volume_l: float = 150.0,
    p_rated_w: float = 2000.0, wh_per_day: float = HOT_WATER_WH,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return electric boilers, 45 to 70 °C, with hot water drawn as heat pumps' tanks have it."""
    return [
        {"id": device, "kind": "thermostat", "terminal": terminal, "p_rated_w": p_rated_w,
         "c_wh_per_k": round(volume_l * 4.186 / 3.6, 3), "loss_w_per_k": 1.2,
         "set_c": 60.0, "switch_k": 4.0, "low_c": 45.0, "high_c": 70.0,
         "initial_c": round(56.0 + 8.0 * stream(seed, "devices", f"{device}/plate").random(), 3),
         "hot_water_w": hot_water(
             device, clock=clock, end_ms=end_ms, seed=seed, wh_per_day=wh_per_day)}
        for device, terminal in owners.items()
    ]  # fmt: skip


def appliances(
    owners: Mapping[str, str], *, clock: Clock, end_ms: int, seed: int,
    cycles_per_week: float = 4.0, flexibility_h: float = 6.0, timezone: str = "Europe/Berlin",
) -> list[dict[str, Any]]:  # fmt: skip
    """Return washing machines and the like: on some days a job, which may wait ``flexibility_h``.

    Earliest starts are normal about 10:00 (4 h), from 6:00 to 20:00 local time. The program is a
    stylised one of 70 minutes and about 1 kWh. A longer run begins with the same jobs.
    """
    zone = ZoneInfo(timezone)
    first = clock.start.astimezone(zone).date()
    days = (clock.at(end_ms).astimezone(zone).date() - first).days + 1
    window_ms = round((len(_CYCLE_W) * _CYCLE_STEP_S + flexibility_h * 3600) * 1000)
    mean, spread, least, most = _EARLIEST_H
    made = []
    for device, terminal in owners.items():
        rng, jobs = stream(seed, "devices", f"{device}/jobs"), []
        for day in range(days):
            wanted, normal = rng.random() < cycles_per_week / 7, rng.standard_normal()
            hour = float(np.clip(mean + spread * normal, least, most))
            midnight = datetime.combine(
                first + timedelta(days=day), datetime.min.time(), tzinfo=zone
            )
            after = midnight + timedelta(seconds=round(hour * 3600)) - clock.start
            earliest_ms = round(after / timedelta(milliseconds=1))
            if wanted and 0 <= earliest_ms < end_ms:
                jobs.append({"earliest_ms": earliest_ms, "deadline_ms": earliest_ms + window_ms})
        made.append(
            {"id": device, "kind": "appliance", "terminal": terminal, "cycle_w": list(_CYCLE_W),
             "step_s": _CYCLE_STEP_S, "cos_phi": 0.98, "jobs": jobs}
        )  # fmt: skip
    return made
