"""The service ``detection`` in every unit: what it is told of its surroundings, and may read.

Nothing here sees ``attacks``.
"""

from __future__ import annotations

from typing import Any

from controllers.unit.catalogue import CATALOGUE
from controllers.unit.policy import ALL, READ
from fernwatt.timebase import SLOT_MS
from scenarios.assembly.fleet import Fleet
from scenarios.assembly.hierarchy import OPERATOR, Hierarchy, House
from scenarios.assembly.outfits import kind_of
from scenarios.schema import ScenarioConfig
from scenarios.schema.detection import Detection

__all__ = ["with_detection"]

Spec = dict[str, Any]
_FEEDING = ("pv", "wind", "chp")
_OPEN = {
    "meter": (("energy.import", OPERATOR), ("energy.export", OPERATOR)),
    "cmu": (("weather.forecast", ALL), ("balancing.request", ALL), ("balancing.signal", ALL)),
}
"""What detection may read besides what is usual, by kind of unit, and as whom."""


def with_detection(config: ScenarioConfig, hierarchy: Hierarchy, fleet: Fleet) -> None:
    """Give every unit the service, where the scenario wants it."""
    wanted = config.services.detection
    if wanted is None:
        return
    houses = {house.cmu: house for below in hierarchy.houses.values() for house in below}
    for unit in hierarchy.units:
        params: Spec = {"limits": dict(wanted.limits)} if wanted.limits else {}
        if unit["kind"] == "cmu":
            params |= _of_house(config, hierarchy, fleet, houses[unit["id"]], unit["area"])
        params |= _of_area(wanted, unit)
        unit["services"] = unit["services"] | {"detection": params}
        for variable, stakeholder in _OPEN.get(unit["kind"], ()):
            _open(unit, variable, stakeholder)


def _open(unit: Spec, variable: str, stakeholder: str) -> None:
    """Let detection read a variable, as far as the unit's policy for it goes otherwise."""
    declared = CATALOGUE.get(variable)
    policies = unit.get("policies") or {}
    usual = declared.policy.plain() if declared is not None else []
    grants = [*policies.get(variable, usual), [stakeholder, "detection", READ, 0]]
    unit["policies"] = policies | {variable: grants}


def _of_area(wanted: Detection, unit: Spec) -> Spec:
    if unit["kind"] == "lvgmu":
        return {"balance": True} if unit["instruments"] else {}
    if unit["kind"] == "mvgmu" and wanted.audit_h:
        return {"audit_slots": max(1, round(wanted.audit_h * 3_600_000 / SLOT_MS))}
    return {}


def _of_house(
    config: ScenarioConfig, hierarchy: Hierarchy, fleet: Fleet, house: House, area: str
) -> Spec:
    """Return what a customer's unit knows of its house: the name plates of its devices."""
    instruments = {item["id"]: item["target"] for item in hierarchy.instruments}
    named = {dmu: instruments.get(f"{dmu}/instrument") for dmu in house.dmus}
    devices = {dmu: device for dmu, device in named.items() if device is not None}
    known = set(devices.values())
    hidden = [
        device["id"]
        for device in fleet.devices
        if device["terminal"] == house.terminal
        and kind_of(device) in _FEEDING
        and device["id"] not in known
    ]
    moved = {item["unit"] for item in hierarchy.actuators}
    panels = {
        dmu: float(fleet.panels[device].p_rated_w)
        for dmu, device in devices.items()
        if device in fleet.panels
    }
    control = config.services.control
    gives_orders = control is None or control.intelligence == "hybrid"  # else others do, too
    params: Spec = {
        "ordered": [dmu for dmu in devices if dmu in moved and gives_orders],
        "devices": [] if hidden else list(devices),
        "panels": panels if config.services.forecast is not None else {},
        "manager": f"lvgmu/{area}" if config.services.balancing.mode == "steering" else "",
    }
    return {name: value for name, value in params.items() if value}
