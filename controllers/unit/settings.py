"""What a specification of units says, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from controllers.unit.calls import FLOWS, Flow
from controllers.unit.catalogue import Catalogue
from controllers.unit.policy import Policy
from controllers.unit.routes import ROUTINGS
from fernwatt.errors import Fault, ScenarioError

__all__ = ["named", "read_flows", "read_policies", "read_routing", "read_variables"]


def read_routing(spec: Mapping[str, Any]) -> str:
    """Return how requests reach units that are no neighbours; raises ScenarioError."""
    routing: str = spec.get("routing", "direct")
    named(dict.fromkeys(ROUTINGS), routing, "routing")
    return routing


def read_variables(names: Iterable[str], catalogue: Catalogue) -> frozenset[str]:
    """Return the names of variables that there are; raises ScenarioError."""
    faults = [
        Fault("reliable", f"there is no variable {name!r}")
        for name in names
        if catalogue.get(name) is None
    ]
    if faults:
        raise ScenarioError(faults)
    return frozenset(names)


def named(registry: Mapping[str, Any], name: str, path: str) -> Any:
    """Return what a name stands for; raises ScenarioError with all that there are."""
    if name not in registry:
        hint = f"one of {', '.join(sorted(registry))}"
        raise ScenarioError([Fault(path, f"there is no {name!r}", hint)])
    return registry[name]


def read_flows(overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, Flow]:
    """Return the application classes with a scenario's own settings; raises ScenarioError."""
    flows, faults = dict(FLOWS), []
    for name, values in sorted(overrides.items()):
        base = flows.get(name)
        if base is None:
            faults.append(Fault(f"flows.{name}", "unknown flow", f"one of {', '.join(FLOWS)}"))
            continue
        merged = {key.name: getattr(base, key.name) for key in fields(Flow)} | dict(values)
        lowest = {"priority": 0, "timeout_ms": 1, "retries": 0}
        for key, value in merged.items():
            if key not in lowest:
                faults.append(Fault(f"flows.{name}.{key}", "unknown setting"))
            elif type(value) is not int or not lowest[key] <= value < 1 << 31:
                faults.append(Fault(f"flows.{name}.{key}", f"an integer from {lowest[key]} on"))
            elif (key == "priority" and value > 3) or (key == "retries" and value > 20):
                faults.append(Fault(f"flows.{name}.{key}", f"{value} is too large"))
        if not faults:
            flows[name] = Flow(**merged)
    if faults:
        raise ScenarioError(faults)
    return flows


def read_policies(spec: Mapping[str, Any], path: str) -> dict[str, Policy]:
    """Return a unit's policies by variable; raises ScenarioError."""
    out = {}
    for variable, policy in (spec.get("policies") or {}).items():
        try:
            out[variable] = Policy.from_plain(policy)
        except ValueError as error:
            raise ScenarioError([Fault(f"{path}.policies.{variable}", str(error))]) from error
    return out
