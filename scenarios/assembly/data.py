"""Gives each kind of unit the services of its data groups, and the top what travels down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from controllers.unit.catalogue import CATALOGUE
from fernwatt.gridmodel import GridModel
from fernwatt.streams import stream
from fernwatt.timebase import DAY_MS, HOUR_MS
from scenarios.assembly.data_orders import order_params
from scenarios.assembly.data_sources import sources
from scenarios.assembly.exports import export_params
from scenarios.assembly.fleet import Fleet
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.assembly.levels import with_sensors
from scenarios.assembly.outfits import kind_of, unit_name
from scenarios.schema import ScenarioConfig
from scenarios.schema.data import Data
from simulators.devices.instants import zone_of

__all__ = ["with_data"]

Spec = dict[str, Any]
OPERATOR = "operator"
_SUMMING = ("lvgmu", "igmu", "mvgmu", "tlgmu", "ugmu")
_GRACE_S, _LEVEL_S = 120.0, 60.0


def with_data(
    config: ScenarioConfig, model: GridModel, fleet: Fleet, hierarchy: Hierarchy
) -> Hierarchy:
    """Return a hierarchy, changed in place, whose units have their data groups.

    Raises ScenarioError for orders and revisions that name no unit.
    """
    with_sensors(config, hierarchy)
    units = {unit["id"]: unit for unit in hierarchy.units}
    for name, plate in hierarchy.plates.items():
        units[name]["services"]["der"] = plate
    if config.units.data is not None:
        _Data(config, model, fleet, hierarchy, config.units.data).hang()
    return hierarchy


class _Data:
    def __init__(
        self,
        config: ScenarioConfig,
        model: GridModel,
        fleet: Fleet,
        hierarchy: Hierarchy,
        wanted: Data,
    ) -> None:
        self._config, self._model, self._wanted = config, model, wanted
        self._hierarchy, self._units = hierarchy, {unit["id"]: unit for unit in hierarchy.units}
        self._devices = {unit_name(device): device for device in fleet.devices}
        start = config.time.instant
        of_day_ms = ((start.hour * 60 + start.minute) * 60 + start.second) * 1000
        zone = zone_of(wanted.tariff.zone if wanted.tariff is not None else "UTC")
        ahead = start.astimezone(zone).utcoffset()
        offset_ms = 0 if ahead is None else round(ahead.total_seconds() * 1000)
        self._day_ms = (of_day_ms + offset_ms) % DAY_MS

    def hang(self) -> None:
        """Add the services, from the leaves upwards."""
        for unit in self._hierarchy.units:
            match unit["kind"]:
                case "meter":
                    self._meter(unit)
                case "cmu":
                    self._cmu(unit)
                case "dermu":
                    self._registry(unit)
                case "lvgmu" | "igmu" | "mvgmu" | "tlgmu":
                    self._grid_unit(unit)
                case "ugmu":
                    self._sums(unit)
        top = self._units["tlgmu/top"]
        top["services"]["registry"]["sources"] = sources(
            self._config, self._model, self._hierarchy, self._wanted
        )
        if self._wanted.inspection:
            areas = {
                unit["id"]: [c for c in unit["children"] if self._units[c]["kind"] == "meter"]
                for unit in self._hierarchy.units
                if unit["kind"] == "lvgmu"
            }
            top["services"]["inspection"] = {"areas": areas}
        if self._config.exports:
            top["services"]["exports"] = export_params(self._config, self._hierarchy)

    # -- by kind -----------------------------------------------------------------------------

    def _meter(self, unit: Spec) -> None:
        unit["services"]["values"] = {"quality_s": 3600, "nominal_v": 230.0, "day_ms": self._day_ms}
        if self._wanted.tariff is not None:
            unit["services"]["tariffs"] = {"day_ms": self._day_ms}
        self._registry(unit)
        drawn = stream(self._config.seed, "units", f"{unit['id']}\x1finspection").random()
        if drawn < self._wanted.refuse_inspection:
            unit["policies"] = {**unit.get("policies", {}), **_refusing()}

    def _cmu(self, unit: Spec) -> None:
        dmus = [child for child in unit["children"] if child in self._devices]
        devices = {}
        for dmu in dmus:
            device = self._devices[dmu]
            devices[dmu] = {"kind": kind_of(device), "p_max_w": device.get("p_max_w", 0.0)}
        services = self._config.services
        # where balancing or device control decide about devices, nobody else does
        free = services.balancing.mode == "local" and services.control is None
        free = free and services.flexibility is None
        unit["services"]["home"] = {
            "meter": unit["parent"],
            "devices": devices,
            "obeys": free and "ev" in self._config.units.control,
        }

    def _grid_unit(self, unit: Spec) -> None:
        below = [self._units[child] for child in unit["children"]]
        sensors = [child["id"] for child in below if child["kind"] == "sensor"]
        if sensors or any(name.startswith("sensor/") for name in unit["instruments"]):
            unit["services"]["values"] = {"sensors": sensors}
        self._sums(unit)
        self._registry(unit)
        unit["services"]["orders"] = order_params(
            self._config, self._wanted, unit, self._units, self._hierarchy.plates
        )

    def _sums(self, unit: Spec) -> None:
        below = [self._units[child] for child in unit["children"]]
        meters = [child["id"] for child in below if child["kind"] == "meter"]
        # the customer's unit behind each meter, where there is one
        behind = (self._units[meter]["children"] for meter in meters)
        houses = [units[0] for units in behind if units]
        metering = self._config.units.metering
        level = self._level(unit["id"])
        unit["services"]["concentrator"] = {
            "meters": meters,
            "houses": houses,
            "ders": [child["id"] for child in below if child["kind"] == "dermu"],
            "areas": [child["id"] for child in below if child["kind"] in _SUMMING],
            "period_s": metering.period_s,
            "deadline_s": metering.spread_s + _GRACE_S + _LEVEL_S * (level - 1),
            "day_ms": self._day_ms,
        }

    def _level(self, unit: str) -> int:
        """Return how many levels of units that sum there are from here down."""
        below = [c for c in self._units[unit]["children"] if self._units[c]["kind"] in _SUMMING]
        return 1 + max((self._level(child) for child in below), default=0)

    def _registry(self, unit: Spec) -> None:
        top = unit["kind"] == "tlgmu"
        unit["services"]["registry"] = {
            "parent": "" if top else unit["parent"],
            "below": {
                child: [child, *self._behind(child)]
                for child in unit["children"]
                if self._units[child]["kind"] in {*_SUMMING, "meter", "dermu"}
            },
            "check_s": self._wanted.check_h * HOUR_MS / 1000.0,
        }
        # descriptions are the operator's business, on a customer's unit, too
        stakeholders = {**unit.get("stakeholders", {}), "registry": OPERATOR}
        unit["stakeholders"] = stakeholders

    def _behind(self, unit: str) -> Iterator[str]:
        """Yield the units below that keep descriptions of their own."""
        for child in self._units[unit]["children"]:
            if self._units[child]["kind"] in {*_SUMMING, "meter", "dermu"}:
                yield child
                yield from self._behind(child)


def _refusing() -> Mapping[str, Any]:
    """Return the policies of a customer who lets nobody look closer."""
    refused = {}
    for name in ("meter.values", "supply.quality"):
        declared = CATALOGUE.get(name)
        grants = declared.policy.plain() if declared is not None else []
        refused[name] = [grant for grant in grants if grant[1] != "inspection"]
    return refused
