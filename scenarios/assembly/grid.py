"""The parameters of the Grid: its source and solver, and what is to happen to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.solvers.fourwire import check_model
from scenarios.assembly.faults import grid_faults, grid_operations
from scenarios.assembly.protection import protection_devices
from scenarios.assembly.quality import quality_params
from scenarios.loader import Scenario

__all__ = ["grid_params", "grid_source", "with_solver"]


def grid_source(scenario: Scenario) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return where the grid comes from, and what is put below it."""
    grid = scenario.config.grid
    source = grid.source.model_dump(exclude_none=True)
    return source, [below.model_dump() for below in grid.lv]


def with_solver(scenario: Scenario, model: GridModel) -> Scenario:
    """Return the scenario with the solver that ``auto`` stands for in this grid."""
    config = scenario.config
    if config.grid.solver != "auto":
        return scenario
    low = any(item.customer and item.voltage_level == "lv" for item in model.terminals)
    grid = config.grid.model_copy(update={"solver": "four-wire" if low else "balanced"})
    return replace(scenario, config=config.model_copy(update={"grid": grid}))


def grid_params(
    scenario: Scenario, model: GridModel, phases: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the parameters of the Grid; ``phases`` are its terminals', where the solver knows.

    Raises ScenarioError for places that the grid has not.
    """
    config = scenario.config
    source, lv = grid_source(scenario)
    params: dict[str, Any] = {
        "source": source,
        "lv": lv,
        "base_dir": str(scenario.base_dir),
        "solver": config.grid.solver,
        "interval_ms": config.record.interval_s * 1000,
    }
    if config.grid.on_divergence != "stop":
        params["on_divergence"] = config.grid.on_divergence
    params |= _happenings(scenario, model)
    by_phase = config.grid.solver == "four-wire"
    if by_phase:
        params["phases"] = phases
    if by_phase or "faults" in params:
        check_model(model)
        params["earthing"] = config.grid.earthing.model_dump()
    if "faults" in params:
        params["upstream"] = config.grid.upstream.model_dump()
    if "protection" in params:
        params["seed"] = config.seed
    return params | quality_params(scenario, model)


def _happenings(scenario: Scenario, model: GridModel) -> dict[str, list[dict[str, Any]]]:
    """Return what is to happen to the grid, and what stands against it."""
    config = scenario.config
    makers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "faults": lambda: grid_faults(scenario, model),
        "protection": lambda: protection_devices(config, model),
        "operations": lambda: grid_operations(config, model),
    }
    made: dict[str, list[dict[str, Any]]] = {}
    faults: list[Fault] = []
    for name, make in makers.items():
        try:
            made[name] = make()
        except ScenarioError as error:
            faults += error.faults
    if faults:
        raise ScenarioError(faults)
    return {name: items for name, items in made.items() if items}
