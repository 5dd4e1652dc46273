"""Simulators of others: the scenario's section as the world wants it, checked against the grid."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from scenarios.faults import nearest
from scenarios.loader import Scenario
from scenarios.plan import EntityGroup, Link, ThirdParty
from scenarios.schema.extras import FILE, Connection

__all__ = ["make_third_party"]


def make_third_party(scenario: Scenario, model: GridModel) -> dict[str, ThirdParty]:
    """Return the third-party simulators; raises ScenarioError for entities the grid lacks."""
    known = {"grid"}
    for group in (model.buses, model.lines, model.transformers, model.switches, model.terminals):
        known |= {element.id for element in group}
    faults: list[Fault] = []
    made = {}
    for name, simulator in scenario.config.simulators.items():
        links = []
        for index, connection in enumerate(simulator.connections):
            path = f"simulators.{name}.connections[{index}]"
            faults += _faults(path, connection, known)
            links.append(_link(connection))
        made[name] = ThirdParty(
            starter=simulator.starter,
            params={key: _param(scenario, value) for key, value in simulator.params.items()},
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


def _param(scenario: Scenario, value: Any) -> Any:
    """Return a parameter's value; the path of the file where it names one."""
    if isinstance(value, str) and value.startswith(FILE):
        return str(scenario.files[value.removeprefix(FILE)])
    return value


def _link(connection: Connection) -> Link:
    source, _, from_attr = connection.source.rpartition(".")
    target, _, to_attr = connection.target.rpartition(".")
    options: dict[str, Any] = {}
    if connection.time_shifted:
        options["time_shifted"] = connection.time_shifted
        options["initial_data"] = {from_attr: connection.initial}
    if connection.factor is not None:
        options["transform"] = partial(operator.mul, connection.factor)
    return Link(source, target, (from_attr, to_attr), options)
