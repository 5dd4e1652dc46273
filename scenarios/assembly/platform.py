"""What holds for the platform of all management units of a run."""

from __future__ import annotations

from typing import Any

from controllers.unit.catalogue import CATALOGUE
from fernwatt.errors import Fault, ScenarioError
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig

__all__ = ["platform"]


def platform(config: ScenarioConfig) -> dict[str, Any]:
    """Return that part of the units' specification; raises ScenarioError with all that is wrong."""
    units, faults = config.units, []
    names = [variable.name for variable in CATALOGUE]
    for number, name in enumerate(units.reliable):
        if name not in names:
            path = f"units.reliable[{number}]"
            faults.append(Fault(path, f"no variable {name}", nearest(name, names)))
    if faults:
        raise ScenarioError(faults)
    return {
        "security": units.security,
        "memory": units.memory,
        "routing": units.routing,
        "reliable": units.reliable,
        "audit": units.audit,
    }
