"""Units that fail by plan: their processor and their node die together."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig

__all__ = ["unit_failures", "with_dead_nodes"]

Spec = dict[str, Any]


def unit_failures(config: ScenarioConfig, units: Sequence[Spec]) -> list[Spec]:
    """Return ``{unit, at_ms, until_ms}`` of each failure; raises ScenarioError."""
    names = [unit["id"] for unit in units]
    made, faults = [], []
    for number, wanted in enumerate(config.units.failures):
        at_ms = round(wanted.at_h * HOUR_MS)
        until_ms = None if wanted.lasts_s is None else at_ms + max(1, round(wanted.lasts_s * 1000))
        found = [name for name in names if fnmatchcase(name, wanted.unit)]
        if not found:
            path = f"units.failures[{number}].unit"
            faults.append(Fault(path, f"no unit {wanted.unit}", nearest(wanted.unit, names)))
        made += [{"unit": name, "at_ms": at_ms, "until_ms": until_ms} for name in found]
    if faults:
        raise ScenarioError(faults)
    return made


def with_dead_nodes(network: Spec, failures: Sequence[Spec]) -> Spec:
    """Return the network's specification with the nodes of failing units down, too."""
    if not failures:
        return network
    outages = [
        {"id": f"unit-failure/{number:03}", "element": failure["unit"]}
        | {key: failure[key] for key in ("at_ms", "until_ms")}
        for number, failure in enumerate(failures)
    ]
    outages += network.get("outages", [])
    return network | {"outages": sorted(outages, key=lambda it: (it["at_ms"], it["id"]))}
