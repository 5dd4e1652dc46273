"""Which units speak another protocol than the platform's to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenarios.schema import ScenarioConfig

__all__ = ["let_speak"]


def let_speak(config: ScenarioConfig, units: Sequence[dict[str, Any]]) -> None:
    """Say in the units' specifications what meters and whoever reads them speak."""
    protocol = config.units.protocols.meters
    if protocol == "cbor":
        return
    by_name = {unit["id"]: unit for unit in units}
    for unit in units:
        if unit["kind"] == "meter" and unit["parent"]:
            for one, other in ((unit, by_name[unit["parent"]]), (by_name[unit["parent"]], unit)):
                one.setdefault("speaks", {})[other["id"]] = protocol
