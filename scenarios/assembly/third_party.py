"""Simulators of others: the scenario's section as the world wants it, checked against the grid."""

from __future__ import annotations

from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from scenarios.faults import nearest
from scenarios.plan import EntityGroup, Link, ThirdParty
from scenarios.schema import ScenarioConfig
from scenarios.schema.extras import Connection

__all__ = ["make_third_party"]


def make_third_party(config: ScenarioConfig, model: GridModel) -> dict[str, ThirdParty]:
    """Return the third-party simulators; raises ScenarioError for entities the grid lacks."""
    known = {"grid"}
    for group in (model.buses, model.lines, model.transformers, model.switches, model.terminals):
        known |= {element.id for element in group}
    faults: list[Fault] = []
    made = {}
    for name, simulator in config.simulators.items():
        links = []
        for index, connection in enumerate(simulator.connections):
            path = f"simulators.{name}.connections[{index}]"
            faults += _faults(path, connection, known)
            links.append(_link(connection))
        made[name] = ThirdParty(
            starter=simulator.starter,
            params=simulator.params,
            entities=tuple(
                EntityGroup(group.name, group.model, group.count, group.params)
                for group in simulator.entities
            ),
            connections=tuple(links),
            initial_events=tuple(simulator.initial_events_ms),
        )
    if faults:
        raise ScenarioError(faults)
    return made


def _faults(path: str, connection: Connection, known: set[str]) -> list[Fault]:
    faults = []
    for key, text in (("from", connection.source), ("to", connection.target)):
        owner, _, rest = text.partition("/")
        entity = rest.rpartition(".")[0]
        if owner == "grid" and entity not in known:
            hint = nearest(entity, known)
            faults.append(Fault(f"{path}.{key}", f"the grid has no entity {entity}", hint))
    return faults


def _link(connection: Connection) -> Link:
    source, _, from_attr = connection.source.rpartition(".")
    target, _, to_attr = connection.target.rpartition(".")
    options: dict[str, Any] = {}
    if connection.time_shifted:
        options["time_shifted"] = connection.time_shifted
        options["initial_data"] = {from_attr: connection.initial}
    return Link(source, target, (from_attr, to_attr), options)
