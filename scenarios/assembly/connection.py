"""Which phases customers are connected to, with all the devices that a scenario gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.linetypes import line_conductors
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from scenarios.assembly.fleet import Fleet
from scenarios.schema import ScenarioConfig

__all__ = ["connect_customers"]

_NAMES = "abc"
_RATINGS = ("p_max_w", "p_rated_w", "rod_w")


def connect_customers(
    config: ScenarioConfig, model: GridModel, fleet: Fleet
) -> tuple[GridModel, Fleet, dict[str, int]]:
    """Return grid and devices with their phases, and the phase of each terminal that has one.

    Without the four-wire solver everything stays balanced, as it is.
    """
    if config.grid.solver != "four-wire":
        return model, fleet, {}
    recorded = {device.id for device in model.record_devices}
    added_w: dict[str, float] = {}
    for device in fleet.devices:
        if device["id"] not in recorded:
            added_w[device["terminal"]] = added_w.get(device["terminal"], 0.0) + _rated_w(device)
    rule = PhaseRule(**config.grid.phases.model_dump())
    phases = assign_phases(model, rule, config.seed, added_w)
    devices = [
        device | {"phase": _NAMES[phases[device["terminal"]] - 1]}
        if device["terminal"] in phases
        else device
        for device in fleet.devices
    ]
    noted = replace(model, notes=model.notes + _notes(model))
    return connect_phases(noted, phases), replace(fleet, devices=devices), phases


def _notes(model: GridModel) -> tuple[str, ...]:
    unknown = line_conductors(model).unknown
    if not unknown:
        return ()
    names = ", ".join(name or "(none)" for name in unknown[:5])
    what = f"{len(unknown)} standard types of lines are not in the library"
    return (f"{what}, and taken as equal conductors: {names}",)


def _rated_w(device: Mapping[str, Any]) -> float:
    """Return the largest power of a device, as stated, else as its course has it."""
    stated = [float(device[name]) for name in _RATINGS if name in device]
    return max(stated) if stated else float(np.abs(device.get("p_w", 0.0)).max())
