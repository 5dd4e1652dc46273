"""The communication network of a run: who is on which medium, which links lead upwards."""

from __future__ import annotations

from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig

__all__ = ["make_network"]


def make_network(config: ScenarioConfig, model: GridModel, hierarchy: Hierarchy) -> dict[str, Any]:
    """Return the specification of the network; raises ScenarioError for unknown areas."""
    _check_areas(config, model)
    wanted = config.network
    at = {}
    for houses in hierarchy.houses.values():
        for house in houses:
            at.update(dict.fromkeys((house.meter, house.cmu, *house.dmus), house.terminal))
    nodes = [
        {
            "id": unit["id"],
            "terminal": at.get(unit["id"]),
            "battery_ms": round(wanted.battery_s * 1000) if unit["id"] in at else 0,
        }
        for unit in hierarchy.units
    ]
    media, links = [], []
    for area, houses in hierarchy.houses.items():
        own = wanted.areas.get(area)
        han = (own and own.han) or wanted.han
        lv_fan = (own and own.lv_fan) or wanted.lv_fan
        wan = (own and own.wan) or wanted.wan
        for house in houses:
            members = [house.meter, house.cmu, *house.dmus]
            name = house.terminal.partition("/")[2]
            media.append({"id": f"han/{name}", "technology": han, "members": members})
        meters = [house.meter for house in houses]
        substation, parent = f"lvgmu/{area}", hierarchy.parents[area]
        if meters:
            members = [substation, *meters]
            media.append({"id": f"lv-fan/{area}", "technology": lv_fan, "members": members})
        # the subscriber's side is a: cellular rates differ by direction
        links.append({"id": f"wan/{area}", "technology": wan, "a": substation, "b": parent})
    links += [
        {
            "id": f"backbone/{unit['area']}",
            "technology": wanted.backbone,
            "a": unit["id"],
            "b": unit["parent"],
        }
        for unit in hierarchy.units
        if unit["kind"] == "mvgmu"
    ]
    return {
        "nodes": nodes,
        "media": media,
        "links": links,
        "overrides": {name: dict(changes) for name, changes in wanted.technologies.items()},
        "loss": wanted.loss,
        "interval_ms": config.record.interval_s * 1000,
    }


def _check_areas(config: ScenarioConfig, model: GridModel) -> None:
    known = [area.id for area in model.areas if area.kind == "lv"]
    faults = [
        Fault(f"network.areas.{name}", "no such low-voltage area", nearest(name, known))
        for name in config.network.areas
        if name not in known
    ]
    if faults:
        raise ScenarioError(faults)
