"""Customers without a unit of their own: a meter alone, and devices under their own firmware."""

from __future__ import annotations

from typing import Any

from fernwatt.streams import stream
from scenarios.assembly.hierarchy import Hierarchy, House
from scenarios.schema import ScenarioConfig

__all__ = ["with_bare_meters"]

_HIDDEN = "with-privacy"
Spec = dict[str, Any]


def with_bare_meters(config: ScenarioConfig, hierarchy: Hierarchy) -> Hierarchy:
    """Take their units from the customers that have none by lot; the substation predicts them."""
    share = config.units.cmu
    if share >= 1.0:
        return hierarchy
    units = {unit["id"]: unit for unit in hierarchy.units}
    gone = set[str]()
    for area, houses in hierarchy.houses.items():
        bare = [h for h in houses if stream(config.seed, "cmu", h.terminal).random() >= share]
        if not bare:
            continue
        lots = {house.terminal for house in bare}
        hierarchy.houses[area] = [house for house in houses if house.terminal not in lots]
        hierarchy.bare[area] = [House(house.terminal, house.meter, "", ()) for house in bare]
        for house in bare:
            units[house.meter]["children"] = []
            gone |= {house.cmu, *house.dmus}
        _represent(units[f"lvgmu/{area}"], bare, hidden=config.units.security == _HIDDEN)
    _remove(hierarchy, gone)
    return hierarchy


def _represent(substation: Spec, bare: list[House], *, hidden: bool) -> None:
    """Have the substation's balancing stand for these houses."""
    params = substation["services"].get("balancing")
    if params is None:
        return
    silent = {house.cmu for house in bare}
    substation["services"]["balancing"] = (
        params
        | {
            "children": [child for child in params["children"] if child not in silent],
            "meters": {cmu: meter for cmu, meter in params["meters"].items() if cmu not in silent},
            "others": [house.meter for house in bare],
        }
        | ({"hidden": True} if hidden else {})
    )


def _remove(hierarchy: Hierarchy, gone: set[str]) -> None:
    """Remove units with all that they read and move."""
    parts = {part for unit in hierarchy.units if unit["id"] in gone for part in unit["instruments"]}
    hierarchy.units[:] = [unit for unit in hierarchy.units if unit["id"] not in gone]
    for listed in (hierarchy.instruments, hierarchy.gauges):
        listed[:] = [one for one in listed if one["id"] not in parts]
    hierarchy.actuators[:] = [one for one in hierarchy.actuators if one["unit"] not in gone]
