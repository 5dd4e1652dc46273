"""The communication network of a run: who is on which medium, which links lead upwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from scenarios.assembly.hierarchy import Hierarchy, House
from scenarios.assembly.hosting import Hosting
from scenarios.assembly.interference import with_interferences
from scenarios.assembly.mobile import Mobile
from scenarios.assembly.places import make_places
from scenarios.assembly.reach import Reach, conductors, locate
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.network import Area, Network
from simulators.network import technologies
from simulators.network.technologies import MediumTechnology
from simulators.network.topology import Topology

__all__ = ["make_network"]

Spec = dict[str, Any]


def make_network(config: ScenarioConfig, model: GridModel, hierarchy: Hierarchy) -> Spec:
    """Return the specification of the network; raises ScenarioError for unknown areas."""
    _check_areas(config, model)
    wanted = config.network
    media: list[Spec] = []
    links: list[Spec] = []
    shared, by_grid = _shared(wanted.technologies), wanted.reach == "grid"
    reach = Reach(model, by_grid=by_grid, most=wanted.meters_per_medium)
    mobile = Mobile(technologies.load(wanted.technologies))
    hosting = Hosting(wanted, hierarchy.units)
    site = hosting.site

    def connect(name: str, technology: str, unit: str, upper: str) -> None:
        if mobile.serves(technology):
            mobile.subscribe(_cell_of(name.split("/")[1], wanted), technology, unit, upper)
        else:
            links.append(_link(name, technology, unit, upper))

    for area, houses in hierarchy.houses.items():
        uses = _technologies(wanted, area)
        substation, upper = site(f"lvgmu/{area}"), site(hierarchy.parents[area])
        media += [_house_medium(house, uses.han) for house in houses]
        if uses.lv_fan in shared and houses:
            media += reach.media(area, substation, houses, shared[uses.lv_fan])
        elif mobile.serves(uses.lv_fan):
            for house in houses:
                mobile.subscribe(_cell_of(area, wanted), uses.lv_fan, house.meter, upper)
        else:
            links += [_meter_link(house.meter, uses.lv_fan, substation) for house in houses]
        connect(f"wan/{area}", uses.wan, substation, upper)
    for unit in hierarchy.units:
        if unit["kind"] == "mvgmu":
            ends = site(unit["id"]), site(unit["parent"])
            connect(f"backbone/{unit['area']}", wanted.backbone, *ends)
    for dmu, parent, _ in hierarchy.plants:
        wan = _technologies(wanted, dmu.split("/")[1]).wan
        connect(f"wan/{dmu.partition('/')[2]}", wan, dmu, site(parent))
    tops = [unit["id"] for unit in hierarchy.units if unit["kind"] == "tlgmu"]
    for unit in hierarchy.units:
        if unit["kind"] == "provider":
            connect(f"backbone/{unit['id']}", wanted.backbone, unit["id"], site(tops[0]))
    stations = _stations(mobile, model, wanted)
    hosts = hosting.links(
        lambda area: [
            name
            for technology in (_technologies(wanted, area).lv_fan, _technologies(wanted, area).wan)
            if (name := f"base-station/{_cell_of(area, wanted)}/{technology}") in stations
        ],
        mobile=bool(stations),
    )
    nodes = [*hosting.nodes(_nodes(hierarchy, model, wanted)), *stations.values()]
    nodes = hosting.power(nodes, hosts)
    if by_grid:
        mast_m, places = wanted.base_stations.height_m, make_places(model, config.seed)
        nodes = locate(nodes, hierarchy.houses, model, places, mast_m)
    spec = {
        "nodes": nodes,
        "media": media,
        "links": [*links, *mobile.links(), *hosts],
        "cells": mobile.cells(),
        "overrides": {name: dict(changes) for name, changes in wanted.technologies.items()},
        "loss": wanted.loss,
        "interval_ms": config.record.interval_s * 1000,
    }
    if by_grid:
        instant = config.time.instant
        began_ms = (instant.hour * 60 + instant.minute) * 60_000
        spec |= {"conductors": conductors(model), "day_began_ms": began_ms}
    spec = with_interferences(config, spec)
    Topology.from_spec(spec)  # raises what is wrong with it before anything starts
    return spec


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
    for houses in hierarchy.houses.values():
        for house in houses:
            at.update(dict.fromkeys((house.meter, house.cmu, *house.dmus), house.terminal))
    battery_ms = dict.fromkeys(at, round(wanted.battery_s * 1000))
    busbar = {area.id: area.bus for area in model.areas}
    for unit in hierarchy.units:
        if unit["kind"] in ("lvgmu", "mvgmu"):
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


def _shared(overrides: Mapping[str, Any]) -> dict[str, MediumTechnology]:
    """Return the technologies that are one medium for all; others are a link for each meter."""
    known = technologies.load(overrides)
    return {n: t for n, t in known.items() if isinstance(t, MediumTechnology)}


def _check_areas(config: ScenarioConfig, model: GridModel) -> None:
    known = [area.id for area in model.areas if area.kind == "lv"]
    faults = [
        Fault(f"network.areas.{name}", "no such low-voltage area", nearest(name, known))
        for name in config.network.areas
        if name not in known
    ]
    if faults:
        raise ScenarioError(faults)
