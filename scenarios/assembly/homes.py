"""Customers whose devices can be controlled, and what their devices' units say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fernwatt.streams import stream
from scenarios.assembly.fleet import Fleet
from scenarios.assembly.hierarchy import Hierarchy, House
from scenarios.assembly.outfits import kind_of
from scenarios.schema import ScenarioConfig

__all__ = ["Home", "find_homes"]

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Home:
    """A customer whose devices can be controlled: plates of devices by unit."""

    house: House
    customer: str
    substation: str
    plates: Mapping[str, Spec]
    contract: bool


def find_homes(config: ScenarioConfig, hierarchy: Hierarchy, fleet: Fleet) -> list[Home]:
    """Return the customers with devices that take set-points."""
    control = config.services.control
    units = {unit["id"]: unit for unit in hierarchy.units}
    share = control.contract.share if control is not None else 0.0
    targets = {one["unit"]: one["target"] for one in hierarchy.actuators}
    devices = {device["id"]: device for device in fleet.devices}
    homes = []
    for area, houses in hierarchy.houses.items():
        for house in houses:
            customer = units[house.cmu]["customer"]
            plates = {
                dmu: plate
                for dmu in house.dmus
                if dmu in units and "set_point" in units[dmu]["actuators"]
                if (plate := _plate(devices[targets[dmu]], customer, fleet)) is not None
            }
            if plates:
                drawn = stream(config.seed, "contracts", house.cmu).random()
                contract = bool(drawn < share)
                homes.append(Home(house, customer, f"lvgmu/{area}", plates, contract))
    return homes


def _plate(device: Spec, customer: str, fleet: Fleet) -> Spec | None:
    """Return what a device's unit announces, None where its power is not known."""
    kind = kind_of(device)
    rated_w = device.get("p_max_w") or device.get("p_rated_w")
    if kind == "pv" and device["id"] in fleet.panels:
        rated_w = fleet.panels[device["id"]].p_rated_w
    elif kind == "heat_pump":
        rated_w = device["p_rated_w"] + device.get("rod_w", 0.0)
    elif kind == "appliance":
        rated_w = max(device["cycle_w"])
    if not rated_w:
        return None
    plate = {
        "device": device["id"],
        "customer": customer,
        "kind": kind,
        "p_max_w": float(rated_w),
        "p_min_w": float(device.get("p_min_w", 0.0)),
        "method": "off" if device["kind"] == "thermostat" else "reduce",
    }
    if kind == "battery":
        plate["efficiency"] = float(device["charge_efficiency"])
    return plate
