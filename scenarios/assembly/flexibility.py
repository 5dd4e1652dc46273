"""Who offers, sells and buys flexibility: services added to units that are there, contracts."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from controllers.unit.catalogue import CATALOGUE, OPERATOR
from controllers.unit.policy import READ, WRITE
from controllers.unit.signalvariables import AGGREGATOR
from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import Area, GridModel
from fernwatt.streams import stream
from scenarios.assembly.fleet import Fleet
from scenarios.assembly.hierarchy import Hierarchy, House, plain_unit
from scenarios.assembly.outfits import kind_of
from scenarios.assembly.plates import known_device
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.flexibility import Flexibility

__all__ = ["with_flexibility"]

_UNIT = "aggregator/flexibility"
_REGISTERS = ("energy.import", "energy.export")
_PLANNED = ("ev", "battery")
_SLOTS_PER_H, _CENT = 4, 100
Spec = dict[str, Any]


def with_flexibility(
    config: ScenarioConfig, model: GridModel, hierarchy: Hierarchy, fleet: Fleet
) -> Hierarchy:
    """Return the hierarchy with the three roles of flexibility, where a scenario wants them.

    Raises ScenarioError for areas that are not there, or have no transformer to watch.
    """
    wanted = config.services.flexibility
    if wanted is None:
        return hierarchy
    builder = _Builder(config, wanted, hierarchy, fleet)
    areas = {area.id: area for area in model.areas if area.id in hierarchy.houses}
    rated_va = {one.id: one.sn_va for one in model.transformers}
    for name in sorted(_chosen(wanted, areas), key=str.encode):
        carried_w = sum(rated_va[one] for one in areas[name].transformers)
        builder.area(name, carried_w * wanted.limit_percent / 100.0)
    builder.aggregator()
    return hierarchy


def _chosen(wanted: Flexibility, areas: Mapping[str, Area]) -> list[str]:
    chosen, faults = set[str](), list[Fault]()
    for number, pattern in enumerate(wanted.areas):
        found = {name for name in areas if fnmatchcase(name, pattern)}
        if not found:
            path = f"services.flexibility.areas[{number}]"
            faults.append(Fault(path, f"no area {pattern}", nearest(pattern, areas)))
        bare = sorted(name for name in found if not areas[name].transformer)
        if bare:
            path = f"services.flexibility.areas[{number}]"
            faults.append(Fault(path, f"{bare[0]} has no transformer of its own to watch"))
        chosen |= found
    if faults:
        raise ScenarioError(faults)
    return sorted(chosen)


class _Builder:
    def __init__(
        self, config: ScenarioConfig, wanted: Flexibility, hierarchy: Hierarchy, fleet: Fleet
    ) -> None:
        self._config, self._wanted, self._made, self._fleet = config, wanted, hierarchy, fleet
        self._units = {unit["id"]: unit for unit in hierarchy.units}
        self._devices = {device["id"]: device for device in fleet.devices}
        self._of_unit: dict[str, list[str]] = {}
        for instrument in hierarchy.instruments:
            unit = instrument["id"].rpartition("/")[0]
            if instrument["target"] in self._devices:
                self._of_unit.setdefault(unit, []).append(instrument["target"])
        self._areas: dict[str, Spec] = {}

    def area(self, name: str, limit_w: float) -> None:
        """Have the substation of an area watch its transformer, and the houses offer."""
        wanted, houses = self._wanted, self._made.houses[name]
        contracts = [
            house
            for house in houses
            if stream(self._config.seed, "flexibility", house.cmu).random() < wanted.share
        ]
        others = [house.meter for house in houses if house not in contracts]
        for house in contracts:
            self._customer(house)
        for meter in others:
            _grant(self._units[meter], "load_profile", [OPERATOR, "flexibility", READ, 0])
        for house in houses:
            for register in _REGISTERS:
                _grant(self._units[house.meter], register, [OPERATOR, "flexibility", READ, 0])
        self._units[f"lvgmu/{name}"]["services"]["flexibility"] = {
            "role": "operator",
            "start": self._config.time.start,
            "area": name,
            "aggregator": _UNIT,
            "limit_w": round(limit_w, 1),
            "margin_percent": wanted.margin_percent,
            "meters": [house.meter for house in contracts],
            "others": others,
            "most_cent_per_mwh": round(wanted.most_per_mwh * _CENT),
            "penalty_cent_per_mwh": round(wanted.penalty_per_mwh * _CENT),
        }
        customers = [house.cmu for house in contracts]
        self._areas[name] = {"operator": f"lvgmu/{name}", "customers": customers}

    def _customer(self, house: House) -> None:
        """Have a house offer what its vehicles and batteries can do."""
        wanted, cmu = self._wanted, self._units[house.cmu]
        latitude, longitude = self._fleet.place
        prices = {"ev": wanted.ev_per_mwh, "battery": wanted.battery_per_mwh}
        cmu["services"]["flexibility"] = {
            "role": "customer",
            "start": self._config.time.start,
            "aggregator": _UNIT,
            "meter": house.meter,
            "forecast": "forecast" in cmu["services"],
            "latitude_deg": round(latitude, 4),
            "longitude_deg": round(longitude, 4),
            "cent_per_mwh": {k: round(p * _CENT) for k, p in prices.items() if p is not None},
            "devices": [
                known_device(self._fleet, self._devices[device], dmu)
                for dmu in house.dmus
                for device in self._of_unit.get(dmu, ())
                if self._is_known(kind_of(self._devices[device]))
            ],
        }
        for variable in ("flex.assignment", "flex.statement"):
            _grant(cmu, variable, [AGGREGATOR, "flexibility", WRITE, 0])

    def _is_known(self, kind: str) -> bool:
        return kind == "pv" or (kind in _PLANNED and kind in self._config.units.control)

    def aggregator(self) -> None:
        """Add the aggregator's unit, beside the top."""
        wanted = self._wanted
        params = {
            "role": "aggregator",
            "areas": self._areas,
            "share_percent": wanted.share_percent,
            "tolerance": {
                "start_slots": round(wanted.start_tolerance_h * _SLOTS_PER_H),
                "free_slots": round(wanted.free_tolerance_h * _SLOTS_PER_H),
            },
        }
        services = {"flexibility": params}
        unit = plain_unit(self._config, "provider", _UNIT, "", "", [], services, owner=AGGREGATOR)
        self._made.units.append(unit)


def _grant(unit: Spec, variable: str, grant: list[Any]) -> None:
    """Put a grant before those that the unit's policy for a variable has."""
    declared = CATALOGUE.get(variable)
    usual = declared.policy.plain() if declared is not None else []
    policies = unit.setdefault("policies", {})
    policies[variable] = [grant, *policies.get(variable, usual)]
