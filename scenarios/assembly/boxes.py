"""Devices that know nothing of the platform: black boxes, with a gateway unit in front of each.

    cmu ── dmu/…/battery (gateway: master) ══ Modbus over the house's network ══ device/…/battery

The device has the instruments and the actuator; its unit has the same variables as ever, filled
over the device's protocol, and passes orders on in it. Whoever deals with the unit sees no
difference.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controllers.modbus.registers import ORDERS
from fernwatt.errors import Fault, ScenarioError
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.schema import ScenarioConfig

__all__ = ["with_black_boxes"]

_DMU, _BOX = "dmu/", "device/"
Spec = dict[str, Any]


def with_black_boxes(config: ScenarioConfig, hierarchy: Hierarchy) -> None:
    """Put devices of some kinds behind gateways, where the scenario wants it.

    Raises ScenarioError for orders that a protocol has no place for.
    """
    wanted = config.units.black_boxes
    if not wanted:
        return
    owners = {actuator["id"]: actuator for actuator in hierarchy.actuators}
    for unit in list(hierarchy.units):
        kind = unit["id"].rpartition("/")[2].partition("-")[0]
        if unit["kind"] == "dmu" and kind in wanted:
            box = _split(unit, wanted[kind], config.units.black_box_poll_s)
            hierarchy.units.append(box)
            for actuator in set(box["actuators"].values()):
                owners[actuator]["unit"] = box["id"]
            _hang(hierarchy, unit["id"], box["id"])


def _split(unit: Spec, protocol: str, poll_s: float) -> Spec:
    """Return the device of a unit; the unit keeps no instrument and no actuator."""
    name, device = unit["id"], _BOX + unit["id"].removeprefix(_DMU)
    orders = sorted(unit["actuators"])
    allowed = set(ORDERS) if protocol == "modbus" else set()
    if unknown := [variable for variable in orders if variable not in allowed]:
        kind = name.rpartition("/")[2]
        text = f"{protocol} has no place for {', '.join(unknown)}"
        hint = f"leave {kind} out of units.control, or out of units.black_boxes"
        raise ScenarioError([Fault(f"units.black_boxes.{kind}", text, hint)])
    box = unit | {
        "id": device,
        "kind": "device",
        "parent": name,
        "children": [],
        "host": "mcu",
        "services": {"modbus": {"role": "device"}}
        if protocol == "modbus"
        else {"zigbee": {"role": "sensor", "to": name}},
        "links": {name: protocol},
    }
    box.pop("policies", None)
    unit["instruments"], unit["actuators"] = [], {}
    service = (
        {"role": "master", "device": device, "poll_s": poll_s, "orders": orders}
        if protocol == "modbus"
        else {"role": "coordinator", "sensor": device}
    )
    unit["services"] = {**unit["services"], protocol: service}
    unit["links"] = {**unit.get("links", {}), device: protocol}
    unit["children"] = [*unit["children"], device]
    return box


def _hang(hierarchy: Hierarchy, unit: str, box: str) -> None:
    """Put a device into its house's network."""
    for area, houses in hierarchy.houses.items():
        for place, house in enumerate(houses):
            if unit in house.dmus:
                hierarchy.houses[area][place] = replace(house, dmus=(*house.dmus, box))
