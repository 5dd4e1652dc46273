"""The communication network of a run: who is on which medium, which links lead upwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from scenarios.assembly.gateways import cloud_links
from scenarios.assembly.hierarchy import Hierarchy, House
from scenarios.assembly.hosting import Hosting
from scenarios.assembly.interference import with_interferences
from scenarios.assembly.mobile import Mobile, by_radio
from scenarios.assembly.places import make_places
from scenarios.assembly.reach import Reach, conductors, locate
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.network import Area, Network, Transport
from simulators.network import technologies
from simulators.network.airs import Airs
from simulators.network.technologies import MediumTechnology
from simulators.network.topology import Topology

__all__ = ["make_network"]

Spec = dict[str, Any]
INTERNET = "internet"


def make_network(config: ScenarioConfig, model: GridModel, hierarchy: Hierarchy) -> Spec:
    """Return the specification of the network.

    Raises ScenarioError for areas and elements that are not there, and for what cannot work.
    """
    _check_areas(config, model)
    wiring = _Wiring(config.network, model, hierarchy)
    wiring.areas()
    wiring.upwards()
    spec = wiring.specification(config)
    spec = with_interferences(config, spec)
    _check(spec, config.seed)
    return spec


def _check(spec: Spec, seed: int) -> None:
    """Raise what is wrong with a specification, before anything starts."""
    topology = Topology.from_spec(spec)
    airs, faults = Airs(topology, seed), list[Fault]()
    for medium in topology.media:
        try:
            airs.of(medium)
        except ScenarioError as error:
            faults += error.faults
    if faults:
        raise ScenarioError(faults)


class _Wiring:
    """Collects media, links and subscriptions, from houses upwards."""

    def __init__(self, wanted: Network, model: GridModel, hierarchy: Hierarchy) -> None:
        self._wanted, self._model, self._hierarchy = wanted, model, hierarchy
        known = technologies.load(wanted.technologies)
        self._shared = {n: t for n, t in known.items() if isinstance(t, MediumTechnology)}
        self._reach = Reach(model, wanted)
        self._mobile = Mobile(known)
        self._hosting = Hosting(wanted, hierarchy.units)
        self._media: list[Spec] = []
        self._links: list[Spec] = []
        self._homes: list[Spec] = []

    def areas(self) -> None:
        """Add what lies within houses, between meters and substation, and above that."""
        site, mobile = self._hosting.site, self._mobile
        for area, houses in self._hierarchy.houses.items():
            uses = _technologies(self._wanted, area)
            substation, upper = site(f"lvgmu/{area}"), site(self._hierarchy.parents[area])
            self._media += [_house_medium(house, uses.han) for house in houses]
            metered = self._hierarchy.metered(area)
            if uses.lv_fan in self._shared and metered:
                technology = self._shared[uses.lv_fan]
                self._media += self._reach.media(area, substation, metered, technology)
            elif mobile.serves(uses.lv_fan):
                for house in metered:
                    mobile.subscribe(_cell_of(area, self._wanted), uses.lv_fan, house.meter, upper)
            else:
                self._links += [_meter_link(it.meter, uses.lv_fan, substation) for it in metered]
            self._connect(f"wan/{area}", uses.wan, substation, upper)
            if self._wanted.direct is not None:
                for house in houses:
                    self._direct(house, self._wanted.direct, substation, upper)

    def _direct(self, house: House, technology: str, substation: str, upper: str) -> None:
        """Give a customer's unit a way past the meter.

        It leads over a router and a modem, so it has more hops than the bridge and is taken only
        where there is no other.
        """
        tail = house.terminal.partition("/")[2]
        router, modem = f"router/{tail}", f"modem/{tail}"
        self._links.append(_link(f"direct/{tail}/home", "ethernet", house.cmu, router))
        self._links.append(_link(f"direct/{tail}/modem", "ethernet", router, modem))
        if self._mobile.serves(technology):
            area = _cell_of(tail.split("/")[0], self._wanted)
            self._mobile.subscribe(area, technology, modem, upper)
        else:
            self._links.append(_link(f"direct/{tail}/wan", technology, modem, substation))
        battery_ms = round(self._wanted.battery_s * 1000)
        self._homes += [
            {"id": name, "terminal": house.terminal, "battery_ms": battery_ms}
            for name in (router, modem)
        ]

    def upwards(self) -> None:
        """Add what leads to upper units, of other units, generators and data providers."""
        site, backbone = self._hosting.site, self._wanted.backbone
        units = self._hierarchy.units
        for unit in units:
            if unit["kind"] in ("mvgmu", "igmu") or (unit["kind"] == "tlgmu" and unit["parent"]):
                ends = site(unit["id"]), site(unit["parent"])
                self._connect(f"backbone/{unit['area'] or unit['kind']}", backbone, *ends)
        for dmu, parent, _ in self._hierarchy.plants:
            wan = _technologies(self._wanted, dmu.split("/")[1]).wan
            self._connect(f"wan/{dmu.partition('/')[2]}", wan, dmu, site(parent))
        self._internet()
        tops = [unit["id"] for unit in units if unit["kind"] == "tlgmu"]
        for unit in units:
            if unit["kind"] == "provider":
                self._connect(f"backbone/{unit['id']}", backbone, unit["id"], site(tops[0]))

    def _internet(self) -> None:
        """Give customers' units and providers access to the Internet, if there is one."""
        if self._wanted.internet:
            for unit in self._hierarchy.units:
                if unit["kind"] in ("cmu", "provider"):
                    link = _link(f"{INTERNET}/{unit['id']}", "cloud", unit["id"], INTERNET)
                    self._links.append(link | {"public": True})

    def specification(self, config: ScenarioConfig) -> Spec:
        """Return all that was added as the network takes it."""
        wanted, model = self._wanted, self._model
        stations = _stations(self._mobile, model, wanted)
        hosts = self._hosting.links(
            lambda area: self._beside(area, stations), mobile=bool(stations)
        )
        clouds = cloud_links(self._hierarchy.units, mobile=bool(stations))
        nodes = self._hosting.nodes(_nodes(self._hierarchy, model, wanted))
        nodes += self._homes
        if wanted.internet:
            nodes.append({"id": INTERNET, "terminal": None, "battery_ms": 0})
        spec: Spec = {
            "nodes": self._hosting.power([*nodes, *stations.values()], hosts),
            "media": self._media,
            "links": [*self._links, *self._mobile.links(), *hosts, *clouds],
            "cells": self._mobile.cells(),
            "overrides": {name: dict(changes) for name, changes in wanted.technologies.items()},
            "loss": wanted.loss,
            "interval_ms": config.record.interval_s * 1000,
        }
        if wanted.fidelity:
            spec["fidelity"] = dict(wanted.fidelity)
        if wanted.transport != Transport():
            spec["transport"] = wanted.transport.model_dump()
        return spec if wanted.reach != "grid" else self._located(spec, config)

    def _located(self, spec: Spec, config: ScenarioConfig) -> Spec:
        """Return a specification with places, conductors and the time of day."""
        instant, mast_m = config.time.instant, self._wanted.base_stations.height_m
        places = make_places(self._model, config.seed)
        houses = {area: self._hierarchy.metered(area) for area in self._hierarchy.houses}
        nodes = locate(spec["nodes"], houses, self._model, places, mast_m)
        return spec | {
            "nodes": nodes,
            "cells": by_radio(spec["cells"], nodes),
            "conductors": conductors(self._model),
            "day_began_ms": (instant.hour * 60 + instant.minute) * 60_000,
        }

    def _connect(self, name: str, technology: str, unit: str, upper: str) -> None:
        if self._mobile.serves(technology):
            area = _cell_of(name.split("/")[1], self._wanted)
            self._mobile.subscribe(area, technology, unit, upper)
        else:
            self._links.append(_link(name, technology, unit, upper))

    def _beside(self, area: str, stations: Mapping[str, Spec]) -> list[str]:
        """Return the base stations of an area, that of its meters first."""
        uses, cell = _technologies(self._wanted, area), _cell_of(area, self._wanted)
        names = [f"base-station/{cell}/{technology}" for technology in (uses.lv_fan, uses.wan)]
        return [name for name in names if name in stations]


def _cell_of(area: str, wanted: Network) -> str:
    """Return the area whose base stations an area uses."""
    return "all" if wanted.base_stations.shared else area


def _stations(mobile: Mobile, model: GridModel, wanted: Network) -> dict[str, Spec]:
    """Return the base stations and the core, by identifier."""
    busbars = {area.id: area.bus for area in model.areas}
    top = next((area.bus for area in model.areas if area.parent not in busbars), "")
    nodes = mobile.nodes(busbars | {"all": top}, round(wanted.base_stations.battery_s * 1000))
    return {node["id"]: node for node in nodes}


def _nodes(hierarchy: Hierarchy, model: GridModel, wanted: Network) -> list[Spec]:
    """Return a node for each unit: in houses on their supply, in substations on their busbar's."""
    at = {dmu: terminal for dmu, _, terminal in hierarchy.plants}
    for area in hierarchy.houses:
        for house in hierarchy.metered(area):
            at.update(dict.fromkeys((house.meter, house.cmu, *house.dmus), house.terminal))
    battery_ms = dict.fromkeys(at, round(wanted.battery_s * 1000))
    busbar = {area.id: area.bus for area in model.areas}
    for unit in hierarchy.units:
        if unit["kind"] in ("lvgmu", "igmu", "mvgmu"):
            at[unit["id"]] = busbar.get(unit["area"], "")
            battery_ms[unit["id"]] = round(wanted.substation_battery_s * 1000)
    return [
        {"id": ident, "terminal": at.get(ident) or None, "battery_ms": battery_ms.get(ident, 0)}
        for ident in (unit["id"] for unit in hierarchy.units)
    ]


def _house_medium(house: House, technology: str) -> Spec:
    members = [house.meter, house.cmu, *house.dmus]
    name = house.terminal.partition("/")[2]
    return {"id": f"han/{name}", "technology": technology, "members": members}


def _meter_link(meter: str, technology: str, substation: str) -> Spec:
    return _link(f"lv-fan/{meter.partition('/')[2]}", technology, meter, substation)


def _link(name: str, technology: str, a: str, b: str) -> Spec:
    """Return one link; the subscriber's side is ``a``, as cellular rates differ by direction."""
    return {"id": name, "technology": technology, "a": a, "b": b}


@dataclass(frozen=True, slots=True)
class _Uses:
    """Technologies of one area."""

    han: str
    lv_fan: str
    wan: str


def _technologies(wanted: Network, area: str) -> _Uses:
    own = wanted.areas.get(area) or Area()
    return _Uses(own.han or wanted.han, own.lv_fan or wanted.lv_fan, own.wan or wanted.wan)


def _check_areas(config: ScenarioConfig, model: GridModel) -> None:
    known = [area.id for area in model.areas if area.kind == "lv"]
    faults = [
        Fault(f"network.areas.{name}", "no such low-voltage area", nearest(name, known))
        for name in config.network.areas
        if name not in known
    ]
    if faults:
        raise ScenarioError(faults)
