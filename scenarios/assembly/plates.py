"""What a customer's unit is told of the devices that it plans: their name plates.

That is what the installer of a device would enter: ratings, sizes, limits, a heat pump's
performance map and its building's figures of the energy certificate; not what nobody knows
beforehand (weather, draws of hot water, sun through windows, people).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scenarios.assembly.fleet import Fleet
from scenarios.assembly.outfits import kind_of
from scenarios.schema import ScenarioConfig
from simulators.devices import datasheet
from simulators.devices.heat_pump import HARD_K

__all__ = ["is_planned", "known_device"]

Spec = Mapping[str, Any]
_WH_PER_L_K = 4.186 / 3.6
_TANK_C = {"set_c": 52.0, "switch_k": 6.0, "useful_c": 42.0}


def is_planned(config: ScenarioConfig, kind: str) -> bool:
    """Tell whether balancing knows of a kind; all else is part of the house's load."""
    planned = config.services.balancing.devices
    return kind == "pv" or (kind in planned and kind in config.units.control)


def known_device(
    fleet: Fleet, device: Spec, unit: str, config: ScenarioConfig | None = None
) -> dict[str, Any]:
    """Return the configuration of one device as its planner gets it.

    ``config`` says whether panels may be limited, and in which steps vehicles are charged.
    """
    kind = kind_of(device)
    plate = {"kind": kind, "id": device["id"], "unit": unit}
    if config is not None:
        plate |= _wanted(config, kind)
    if kind == "pv":
        return plate | _pv(fleet, device)
    return plate | _PLATES[kind](device)


def _wanted(config: ScenarioConfig, kind: str) -> dict[str, Any]:
    balancing = config.services.balancing
    if kind == "pv" and "pv" in balancing.devices and "pv" in config.units.control:
        return {"curtail": True}
    return {"p_step_w": balancing.ev_step_w} if kind == "ev" and balancing.ev_step_w else {}


def _pv(fleet: Fleet, device: Spec) -> dict[str, Any]:
    panel = fleet.panels[device["id"]]
    return {
        "p_rated_w": panel.p_rated_w,
        "tilt_deg": panel.tilt_deg,
        "azimuth_deg": panel.azimuth_deg,
    }


def _ev(device: Spec) -> dict[str, Any]:
    return {"p_max_w": device["p_max_w"], "p_min_w": device["p_min_w"]}


def _battery(device: Spec) -> dict[str, Any]:
    plate = {key: device[key] for key in ("p_max_w", "capacity_wh")}
    return plate | {"efficiency": device["charge_efficiency"]}


def _heat_pump(device: Spec) -> dict[str, Any]:
    building, tank = dict(device["building"]), device["tank"]
    for hidden in ("initial_c", "solar_m2", "gains_w"):
        building.pop(hidden, None)
    power_map, cop_map = datasheet(device["source"])
    return {
        "p_rated_w": device["p_rated_w"],
        "source": device["source"],
        "brine_c": device.get("brine_c", 5.0),
        "building": {"direct_share": 0.4} | building,
        "tank": _TANK_C
        | {"c_wh_per_k": round(tank["volume_l"] * _WH_PER_L_K, 3)}
        | {key: tank[key] for key in _TANK_C if key in tank},
        "power_map": power_map,
        "cop_map": cop_map,
        "hard_k": HARD_K,
    }


def _boiler(device: Spec) -> dict[str, Any]:
    told = ("p_rated_w", "c_wh_per_k", "loss_w_per_k", "set_c", "switch_k", "low_c", "high_c")
    usual = {"cop": device.get("cop", 1.0), "surroundings_c": device.get("surroundings_c", 20.0)}
    return {key: device[key] for key in told} | usual


def _appliance(device: Spec) -> dict[str, Any]:
    return {"p_max_w": float(max(device["cycle_w"]))}


def _chp(device: Spec) -> dict[str, Any]:
    usual = {
        "heat_ratio": 1.8,
        "loss_w_per_k": 0.0,
        "surroundings_c": 15.0,
        "set_c": 75.0,
        "switch_k": 15.0,
        "low_c": 45.0,
        "high_c": 85.0,
    }
    told = {key: device[key] for key in ("p_rated_w", "c_wh_per_k")}
    return told | {key: device.get(key, value) for key, value in usual.items()}


_PLATES: dict[str, Callable[[Spec], dict[str, Any]]] = {
    "ev": _ev,
    "battery": _battery,
    "heat_pump": _heat_pump,
    "boiler": _boiler,
    "appliance": _appliance,
    "chp": _chp,
}
