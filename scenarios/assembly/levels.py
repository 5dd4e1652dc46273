"""Units beyond the usual tree: levels between and above, displays, sensors of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fernwatt.streams import stream
from scenarios.assembly.hierarchy import Hierarchy, plain_unit
from scenarios.schema import ScenarioConfig

__all__ = ["complete", "with_sensors"]

Spec = dict[str, Any]
_TOP, _ABOVE = "tlgmu/top", "ugmu/all"


def complete(config: ScenarioConfig, hierarchy: Hierarchy) -> Hierarchy:
    """Return a hierarchy, changed in place, with what a scenario wants beyond the usual."""
    units = {unit["id"]: unit for unit in hierarchy.units}
    if config.units.levels.between is not None:
        _between(config, hierarchy, units, config.units.levels.between)
    if config.units.levels.above:
        top = units[_TOP]
        # whose customers these are is not its business: it looks at no meter
        services = {"aggregation": {**top["services"]["aggregation"], "poll": {"count": 0}}}
        hierarchy.units.append(
            plain_unit(config, "ugmu", _ABOVE, "", "", [_TOP], services, owner="coordinator")
        )
        top["parent"] = _ABOVE
    _displays(config, hierarchy, units)
    return hierarchy


def _between(
    config: ScenarioConfig, hierarchy: Hierarchy, units: dict[str, Spec], most: int
) -> None:
    """Put a unit above every so many substations; it stands in the first of them."""
    for upper in [unit for unit in hierarchy.units if unit["kind"] == "mvgmu"]:
        below = [child for child in upper["children"] if units[child]["kind"] == "lvgmu"]
        others = [child for child in upper["children"] if units[child]["kind"] != "lvgmu"]
        names = []
        for begin in range(0, len(below), most):
            group = below[begin : begin + most]
            name, area = f"igmu/{upper['area']}-{begin // most + 1}", units[group[0]]["area"]
            services = {"aggregation": dict(upper["services"]["aggregation"])}
            if "forecast" in upper["services"]:
                services["forecast"] = {**upper["services"]["forecast"], "source": upper["id"]}
            unit = plain_unit(config, "igmu", name, area, upper["id"], group, services)
            hierarchy.units.append(unit)
            units[name] = unit
            names.append(name)
            for child in group:
                units[child]["parent"] = name
                hierarchy.parents[units[child]["area"]] = name
                if "forecast" in units[child]["services"]:
                    units[child]["services"]["forecast"]["source"] = name
        upper["children"] = names + others


def _displays(config: ScenarioConfig, hierarchy: Hierarchy, units: dict[str, Spec]) -> None:
    """Give some customers a display, on their home network below the CMU."""
    for area, houses in hierarchy.houses.items():
        for number, house in enumerate(houses):
            drawn = stream(config.seed, "units", f"{house.terminal}\x1fgui").random()
            if drawn >= config.units.gui:
                continue
            cmu = units[house.cmu]
            name = "gui/" + house.cmu.partition("/")[2]
            unit = plain_unit(
                config, "gui", name, cmu["area"], house.cmu, [], {}, customer=cmu["customer"]
            )
            hierarchy.units.append(unit)
            cmu["children"] = [*cmu["children"], name]
            hierarchy.houses[area][number] = replace(house, dmus=(*house.dmus, name))


def with_sensors(config: ScenarioConfig, hierarchy: Hierarchy) -> None:
    """Give indicators and line sensors units of their own, in place, where that is wanted.

    Each is below the unit that had it, and reports over a link of its own.
    """
    if config.units.sensors != "own":
        return
    for upper in list(hierarchy.units):
        hung = [name for name in upper["instruments"] if name.startswith(("indicator/", "sensor/"))]
        places = sorted({name.partition("/")[2] for name in hung}, key=str.encode)
        for place in places:
            name = f"probe/{place}"  # the instrument itself is called sensor/…
            own = [each for each in hung if each.partition("/")[2] == place]
            unit = plain_unit(config, "sensor", name, upper["area"], upper["id"], [], {})
            unit["instruments"] = own
            hierarchy.units.append(unit)
            hierarchy.plants.append((name, upper["id"], ""))
            upper["instruments"] = [it for it in upper["instruments"] if it not in own]
            upper["children"] = [*upper["children"], name]
