"""From a scenario to a plan: everything static is worked out here, once, before anything runs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import simbench

from controllers.unit.catalogue import CATALOGUE
from controllers.unit.groups import described
from fernwatt.gridmodel import GridModel, load_grid
from scenarios.assembly.attacks import make_attacks
from scenarios.assembly.auction import with_auction
from scenarios.assembly.bare import with_bare_meters
from scenarios.assembly.boxes import with_black_boxes
from scenarios.assembly.connection import connect_customers
from scenarios.assembly.customers import with_customers
from scenarios.assembly.data import with_data
from scenarios.assembly.derflows import with_der_flows
from scenarios.assembly.detection import with_detection
from scenarios.assembly.failing import unit_failures, with_dead_nodes
from scenarios.assembly.field import air_params, meter_params, with_imperfections
from scenarios.assembly.fleet import Fleet, make_fleet
from scenarios.assembly.flexibility import with_flexibility
from scenarios.assembly.gateways import with_gateways, with_streams
from scenarios.assembly.grid import grid_params, grid_source, with_solver
from scenarios.assembly.group import group_spec, with_backup_links, with_group
from scenarios.assembly.hierarchy import Hierarchy, make_hierarchy
from scenarios.assembly.instruments import hang_instruments
from scenarios.assembly.languages import let_speak
from scenarios.assembly.levels import complete
from scenarios.assembly.lighting import with_lighting
from scenarios.assembly.links import make_network
from scenarios.assembly.pairing import with_pairing
from scenarios.assembly.people import with_users
from scenarios.assembly.platform import platform
from scenarios.assembly.privacy import hang_privacy
from scenarios.assembly.quality import solves_harmonics
from scenarios.assembly.response import with_response
from scenarios.assembly.signals import with_signals
from scenarios.assembly.suppliers import with_suppliers
from scenarios.assembly.third_party import make_third_party
from scenarios.assembly.upkeep import with_maintenance
from scenarios.loader import Scenario
from scenarios.manifest import file_hash
from scenarios.plan import RunPlan

__all__ = ["assemble"]


def assemble(scenario: Scenario) -> RunPlan:
    """Return the plan of a run; raises ScenarioError for what cannot be put together."""
    source, lv = grid_source(scenario)
    model = load_grid(source, lv=lv, base_dir=scenario.base_dir)
    scenario = with_solver(scenario, model)
    config = scenario.config
    model, lights = with_lighting(config, model)
    model, fleet, phases = connect_customers(config, model, make_fleet(scenario, model))
    hierarchy = with_bare_meters(config, make_hierarchy(config, model, fleet))
    hierarchy = with_suppliers(config, complete(config, hierarchy))
    hierarchy = with_customers(config, with_signals(scenario, hierarchy, fleet))
    hierarchy = with_response(config, hierarchy)
    hierarchy = with_flexibility(config, model, hierarchy, fleet)
    hierarchy = with_auction(config, hierarchy, fleet)
    hang_privacy(config, hierarchy.units)
    hung = hang_instruments(config, model, hierarchy, lights.described().get("lighting", ()))
    with_data(config, model, fleet, hierarchy)
    with_der_flows(config, model, hierarchy)
    with_pairing(config, hierarchy)
    with_black_boxes(config, hierarchy)
    with_gateways(config, hierarchy, hung.topology.get("line_instruments", ()))
    failures = unit_failures(config, hierarchy.units)
    network = make_network(config, model, hierarchy)
    network = with_backup_links(config, hierarchy.units, network)
    network = with_dead_nodes(with_streams(config, network), failures)
    with_detection(config, hierarchy, fleet)
    with_group(config, hierarchy)
    let_speak(config, hierarchy.units)
    attacks = make_attacks(config, hierarchy, network)
    network = attacks.network(network)
    seed, interval_ms = config.seed, config.record.interval_s * 1000
    network_params = {"spec": network, "seed": seed}
    units_spec: dict[str, Any] = {
        "units": attacks.units(with_maintenance(config, with_users(config, hierarchy.units))),
        "failures": failures,
        **platform(config),
    }
    if (group := group_spec(config, hierarchy.units)) is not None:
        units_spec["group"] = attacks.group(group)
    units_params = {"spec": units_spec, "seed": seed}
    params = {
        "grid": grid_params(scenario, model, phases)
        | lights.params(config, fleet.place)
        | hung.grid
        | meter_params(config, model),
        "devices": {
            "terminals": model.terminal_ids,
            "devices": fleet.devices,
            "interval_ms": interval_ms,
            "start": config.time.start,
            "control_ms": config.devices.control_s * 1000,
            "climate": fleet.climate,
        }
        | ({"by_kind": True} if solves_harmonics(config) else {}),
        "field": with_imperfections(
            config, _field(model, fleet, hierarchy, seed, config.time.start)
        )
        | hung.field
        | attacks.field_params
        | (air_params(scenario, model) if config.field.sensors else {}),
        "network": network_params,
        "units": units_params,
        "cyber": {"network": network_params, "units": units_params},
    }
    return RunPlan(
        name=config.name,
        seed=seed,
        start=config.time.instant,
        end_ms=config.time.end_ms,
        interval_ms=interval_ms,
        coupling=config.orchestration.coupling,
        rt_factor=config.orchestration.rt_factor,
        processes=frozenset(config.orchestration.processes),
        params=params,
        grid=model.describe(),
        topology=_topology(model, fleet, hierarchy, network) | lights.described() | hung.topology,
        data_hash=_data_hash(scenario, model),
        third_party=make_third_party(scenario, model),
    )


def _field(
    model: GridModel, fleet: Fleet, hierarchy: Hierarchy, seed: int, start: str
) -> dict[str, Any]:
    return {
        "terminals": model.terminal_ids,
        "transformers": [transformer.id for transformer in model.transformers],
        "devices": sorted((device["id"] for device in fleet.devices), key=str.encode),
        "instruments": hierarchy.instruments,
        "actuators": hierarchy.actuators,
        "feeds": hierarchy.feeds,
        "gauges": hierarchy.gauges,
        "seed": seed,
        "start": start,
        "drop": [],
    }


def _topology(
    model: GridModel, fleet: Fleet, hierarchy: Hierarchy, network: dict[str, Any]
) -> dict[str, Any]:
    """Return what stands still of the system, profiles and histories left out."""
    profiles = {"p_w", "q_var", "hot_water_w", "heat_w"}
    return {
        "terminals": model.terminal_ids,
        "devices": [
            {key: value for key, value in device.items() if key not in profiles}
            for device in fleet.devices
        ],
        "units": hierarchy.units,
        "instruments": [
            {key: value for key, value in instrument.items() if key != "history"}
            for instrument in hierarchy.instruments
        ],
        "actuators": hierarchy.actuators,
        "network": network,
        "data": described(CATALOGUE),
    }


def _data_hash(scenario: Scenario, model: GridModel) -> str:
    digest = hashlib.sha256(f"{model.source_hash}\n{simbench.__version__}\n".encode())
    for name, path in sorted(scenario.files.items()):
        digest.update(f"{name} {file_hash(Path(path))}\n".encode())
    return digest.hexdigest()
