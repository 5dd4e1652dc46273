"""Quality of supply in a scenario: what is recorded, mains frequency, transients."""

from __future__ import annotations

import csv
import math
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.streams import stream
from scenarios.faults import nearest
from scenarios.loader import Scenario
from scenarios.schema import ScenarioConfig

__all__ = ["quality_params", "solves_harmonics"]

_YEAR_S = 8760 * 3600
_LOW_V = 1000.0
_NOMINAL_HZ = 50.0
_LEAST_HZ, _MOST_HZ = 40.0, 60.0
_SHOWN = 5


def solves_harmonics(config: ScenarioConfig) -> bool:
    """Tell whether harmonics are solved, for which devices tell their kinds."""
    quality = config.grid.quality
    by_phase = config.grid.solver == "four-wire"
    return quality is not None and (by_phase if quality.harmonics is None else quality.harmonics)


def quality_params(scenario: Scenario, model: GridModel) -> dict[str, Any]:
    """Return the parameters of the Grid on quality; none where the scenario says nothing.

    Raises ScenarioError for places that the grid has not, faulty files, and harmonics without
    phases.
    """
    config = scenario.config
    params: dict[str, Any] = {}
    faults = _wrong_places(config, model)
    if config.grid.quality is not None:
        params["quality"] = config.grid.quality.model_dump() | {
            "harmonics": solves_harmonics(config)
        }
        params["upstream"], params["seed"] = config.grid.upstream.model_dump(), config.seed
    try:
        if config.grid.frequency is not None:
            params["frequency"] = _frequency(scenario)
    except ScenarioError as error:
        faults += error.faults
    if faults:
        raise ScenarioError(faults)
    transients = _transients(config, model)
    if transients:
        params["transients"] = transients
    return params


def _wrong_places(config: ScenarioConfig, model: GridModel) -> list[Fault]:
    quality, faults = config.grid.quality, []
    if solves_harmonics(config) and config.grid.solver != "four-wire":
        hint = "write solver: four-wire, or harmonics: false"
        faults.append(Fault("grid.quality.harmonics", "need a solver by phases", hint))
    buses = [bus.id for bus in model.buses]
    wanted = []
    if quality is not None and not isinstance(quality.places, str):
        known = [*buses, *model.terminal_ids]
        wanted += [
            (f"grid.quality.places[{number}]", name, known)
            for number, name in enumerate(quality.places)
        ]
    wanted += [
        (f"grid.transients[{number}].bus", item.bus, buses)
        for number, item in enumerate(config.grid.transients)
    ]
    for path, name, known in wanted:
        if name not in known:
            faults.append(Fault(path, f"the grid has no {name}", nearest(name, known)))
    return faults


def _frequency(scenario: Scenario) -> list[list[float]]:
    """Return the steps ``[t_ms, hz]`` of the frequency."""
    given = scenario.config.grid.frequency
    if given is None:
        return []
    if given.file is not None:
        return _from_file(scenario, given.file)
    steps = [[round(1000 * at_s), hz] for at_s, hz in given.series or ()]
    for excursion in given.excursions or ():
        begin_s, end_s = excursion.at_s, excursion.at_s + excursion.duration_s
        if steps and steps[-1][0] == round(1000 * begin_s):
            steps.pop()
        steps += [[round(1000 * begin_s), excursion.hz], [round(1000 * end_s), _NOMINAL_HZ]]
    return steps


def _from_file(scenario: Scenario, name: str) -> list[list[float]]:
    path = "grid.frequency.file"
    try:
        with scenario.files[name].open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError([Fault(path, f"{name} is no CSV in UTF-8: {error}")]) from error
    if not rows or not {"t_s", "hz"} <= set(rows[0]):
        raise ScenarioError([Fault(path, f"{name} has not the columns t_s and hz, with rows")])
    steps: list[list[float]] = []
    faults = []
    for number, row in enumerate(rows, 2):
        step = _step(row)
        wrong = step if isinstance(step, str) else ""
        if not isinstance(step, str):
            if steps and step[0] <= steps[-1][0]:
                wrong = f"t_s {row['t_s']} does not come after the one before"
            steps.append(step)
        if wrong:
            faults.append(Fault(path, wrong, where=f"{name}:{number}"))
    if faults:
        raise ScenarioError(faults[:_SHOWN])
    return steps


def _step(row: dict[str, str]) -> list[float] | str:
    try:
        t_s, hz = float(row["t_s"]), float(row["hz"])
    except (TypeError, ValueError):
        return f"t_s {row['t_s']!r} and hz {row['hz']!r} are no numbers"
    if not (math.isfinite(t_s) and t_s >= 0):
        return f"t_s is {t_s}, not 0 or more"
    if not _LEAST_HZ <= hz <= _MOST_HZ:
        return f"hz is {hz}, not from 40 to 60"
    return [round(1000 * t_s), hz]


def _transients(config: ScenarioConfig, model: GridModel) -> list[dict[str, Any]]:
    """Return transients as stated, then as drawn at each bus of low voltage."""
    found = [
        {"t_us": round(item.at_s * 1e6), "bus": item.bus, "peak_pu": item.peak_pu}
        for item in config.grid.transients
    ]
    rate, end_s = config.grid.transient_rate, config.time.end_ms / 1000
    if not rate.per_bus_year:
        return found
    low, high = rate.peak_pu
    for bus in model.buses:
        if bus.vn_v > _LOW_V:
            continue
        draws = stream(config.seed, "grid.transients", bus.id)
        t_s = draws.exponential(_YEAR_S / rate.per_bus_year)
        while t_s < end_s:
            # log-uniform: as many between 1.5 and 2 as between 3 and 4
            peak_pu = low * (high / low) ** draws.random()
            found.append({"t_us": round(t_s * 1e6), "bus": bus.id, "peak_pu": float(peak_pu)})
            t_s += draws.exponential(_YEAR_S / rate.per_bus_year)
    return found
