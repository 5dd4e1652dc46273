"""Simulators of others: the scenario's section as the world wants it, checked against the grid."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from scenarios.faults import nearest
from scenarios.loader import Scenario
from scenarios.plan import EntityGroup, Link, ThirdParty
from scenarios.schema.extras import FILE, Connection
from simulators.grid import GridSimulator

__all__ = ["make_third_party"]


def make_third_party(scenario: Scenario, model: GridModel) -> dict[str, ThirdParty]:
    """Return the third-party simulators; raises ScenarioError for what the grid lacks."""
    known = {"grid": "Grid"}
    for kind, group in (
        ("Bus", model.buses), ("Load", model.terminals), ("Line", model.lines),
        ("Transformer", model.transformers), ("Switch", model.switches),
    ):  # fmt: skip
        known |= {element.id: kind for element in group}
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


def _faults(path: str, connection: Connection, known: Mapping[str, str]) -> Iterator[Fault]:
    ends = (("from", connection.source, _gives), ("to", connection.target, _takes))
    for key, text, attributes in ends:
        owner, _, rest = text.partition("/")
        entity, _, attr = rest.rpartition(".")
        if owner != "grid":
            continue
        where = f"{path}.{key}"
        if entity not in known:
            hint = nearest(entity, known)
            yield Fault(where, f"the grid has no entity {entity}", hint)
        elif attr not in attributes(known[entity]):
            verb = "gives" if key == "from" else "takes"
            hint = nearest(attr, attributes(known[entity]))
            yield Fault(where, f"{entity} {verb} no {attr}", hint)
        elif key == "from" and connection.time_shifted and connection.initial is None:
            yield Fault(where, "with time_shifted it needs a value for the start", "give `initial`")


def _gives(kind: str) -> set[str]:
    """Return what a model of the grid has for others."""
    attrs = GridSimulator.models[kind]
    return {*attrs["attrs"]} - {*attrs["trigger"], *attrs["non-persistent"]}


def _takes(kind: str) -> set[str]:
    """Return what a model of the grid lets others drive; its arrays are the devices'."""
    return set() if kind == "Grid" else {*GridSimulator.models[kind]["trigger"]}


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
    if connection.initial is not None:
        options["initial_data"] = {from_attr: connection.initial}
    if connection.factor is not None:
        options["transform"] = partial(operator.mul, connection.factor)
    return Link(source, target, (from_attr, to_attr), options)
