"""Plants that stand in no house, as children of the balancing above them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios.assembly.fleet import Fleet
from scenarios.assembly.outfits import kind_of
from scenarios.assembly.plates import is_planned, known_device
from scenarios.schema import ScenarioConfig

__all__ = ["have_balanced"]


def have_balanced(
    config: ScenarioConfig,
    fleet: Fleet,
    device: Mapping[str, Any],
    unit: dict[str, Any],
    above: Mapping[str, Any],
) -> None:
    """Have a plant's unit take part in what the unit above it balances, where that does.

    Suppliers' instances have customers only; a plant belongs to none.
    """
    balancing = above["services"].get("balancing")
    if balancing is None or config.services.balancing.suppliers:
        return
    if kind_of(device) == "pv" or not is_planned(config, kind_of(device)):
        return
    balancing["children"].append(unit["id"])
    unit["services"]["balancing"] = {
        "role": "child",
        "start": config.time.start,
        "parent": above["id"],
        "meter": "",
        "devices": [known_device(fleet, device, unit["id"], config)],
    }
