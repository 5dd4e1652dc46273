"""Faults of a run: those that the scenario names, and those that are drawn from rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.linetypes import is_overhead
from fernwatt.gridmodel.model import Line
from fernwatt.streams import stream
from fernwatt.timebase import HOUR_MS, SLOT_MS
from scenarios.assembly.sky import Sky
from scenarios.faults import nearest
from scenarios.loader import Scenario
from scenarios.schema import ScenarioConfig
from scenarios.schema.faults import FaultRates, FaultStage, GridFault

__all__ = ["grid_faults", "grid_operations"]

FloatArray = NDArray[np.float64]
_US_PER_H, _US_PER_S = 1000 * HOUR_MS, 1_000_000
_HOURS_A_YEAR = 8760.0
_LV_MAX_V = 1_000.0
# below 35 A an arc to earth at 10 to 20 kV goes out by itself (VDE 0228-2:1987, isolated and
# compensated neutrals); in low voltage an arc needs a load's current
_HOLD_A = {True: 1.0, False: 35.0}
_MIX = {
    "single_phase_ground": "single-phase-ground",
    "two_phase_ground": "two-phase-ground",
    "two_phase": "two-phase",
    "three_phase": "three-phase",
}


def grid_faults(scenario: Scenario, model: GridModel) -> list[dict[str, Any]]:
    """Return all faults of a run, as ``parse_faults`` takes them; ScenarioError for bad places."""
    config = scenario.config
    named, rates = _named(config, model), config.fault_rates
    return named if rates is None else named + list(_drawn(scenario, rates, model))


def grid_operations(config: ScenarioConfig, model: GridModel) -> list[dict[str, Any]]:
    """Return the switches that are operated by plan; ScenarioError for those that are none."""
    known = [switch.id for switch in model.switches]
    faults = [
        Fault(f"operations[{n}].switch", f"no switch {o.switch!r}", nearest(o.switch, known))
        for n, o in enumerate(config.operations)
        if o.switch not in set(known)
    ]
    if faults:
        raise ScenarioError(faults)
    return [
        {"t_us": round(o.at_h * _US_PER_H), "switch": o.switch, "closed": o.closed}
        for o in config.operations
        if o.at_h * HOUR_MS < config.time.end_ms
    ]


def _named(config: ScenarioConfig, model: GridModel) -> list[dict[str, Any]]:
    low = {bus.id: bus.vn_v <= _LV_MAX_V for bus in model.buses}
    at_line = {line.id: low[line.from_bus] for line in model.lines}
    faults: list[Fault] = []
    made = []
    for number, wanted in enumerate(config.faults):
        path = f"faults[{number}]"
        faults += _misplaced(config, wanted, path, at_line, low)
        element = wanted.line or wanted.bus or ""
        is_low = {**at_line, **low}.get(element, False)
        if wanted.at_h * HOUR_MS < config.time.end_ms:
            made.append(_plain(wanted, f"fault/{number:03}", element, is_low))
    if faults:
        raise ScenarioError(faults)
    return made


def _misplaced(
    config: ScenarioConfig,
    wanted: GridFault,
    path: str,
    lines: dict[str, bool],
    buses: dict[str, bool],
) -> Iterator[Fault]:
    if wanted.line is not None and wanted.line not in lines:
        yield Fault(f"{path}.line", f"no line {wanted.line!r}", nearest(wanted.line, lines))
    if wanted.bus is not None and wanted.bus not in buses:
        yield Fault(f"{path}.bus", f"no bus {wanted.bus!r}", nearest(wanted.bus, buses))
    breaks = [stage for stage in (wanted, *wanted.becomes) if stage.torn]
    if breaks and config.grid.solver != "four-wire":
        hint = "write grid.solver: four-wire"
        yield Fault(f"{path}.kind", "single conductors need a solver that knows them", hint)
    if wanted.line in lines and not lines[wanted.line] and any(3 in stage.torn for stage in breaks):
        yield Fault(f"{path}.phases", f"{wanted.line} has three conductors, no neutral")


def _plain(wanted: GridFault, ident: str, element: str, low: bool) -> dict[str, Any]:
    begin_us = round(wanted.at_h * _US_PER_H)
    after_h = wanted.repaired_after_h
    stages = [_stage(wanted, 0.0), *(_stage(later, later.after_s) for later in wanted.becomes)]
    return {
        "id": ident, "t_us": begin_us, "element": element, "position": wanted.position,
        "stages": stages, "transient": wanted.lasts == "transient",
        "hold_a": wanted.hold_a or _HOLD_A[low], "arc_us": round(wanted.arc_s * _US_PER_S),
        "repaired_us": -1 if after_h is None else begin_us + round(after_h * _US_PER_H),
    }  # fmt: skip


def _stage(wanted: FaultStage, after_s: float) -> dict[str, Any]:
    return {
        "after_us": round(after_s * _US_PER_S),
        "phases": wanted.shorted,
        "ground": wanted.kind.endswith("ground"),
        "r_ohm": wanted.r_ohm,
        "broken": wanted.torn,
        "side": None if wanted.side is None else ("from", "to").index(wanted.side),
    }


# -- drawn -----------------------------------------------------------------------------------


def _drawn(scenario: Scenario, rates: FaultRates, model: GridModel) -> Iterator[dict[str, Any]]:
    low = {bus.id: bus.vn_v <= _LV_MAX_V for bus in model.buses}
    config = scenario.config
    slots = config.time.end_ms // SLOT_MS
    calm = np.ones(slots)
    stormy = calm
    if rates.storm_m_per_s is not None:
        share = Sky(scenario, model).wind(rates.wind_mean_m_per_s) / rates.storm_m_per_s
        stormy = 1.0 + rates.storm_factor * np.maximum(share**2 - 1.0, 0.0)
    for line in model.lines:
        overhead, is_low = is_overhead(line.std_type), low[line.from_bus]
        per_km_year = rates.lv_per_km_year if is_low else rates.mv_per_km_year
        if not per_km_year or (rates.overhead_only and not overhead):
            continue
        per_slot = per_km_year * line.length_m / 1000 / _HOURS_A_YEAR * SLOT_MS / HOUR_MS
        course = per_slot * (stormy if overhead else calm)
        yield from _of_line(config.seed, rates, line, course, overhead=overhead, low=is_low)


def _of_line(
    seed: int, rates: FaultRates, line: Line, course: FloatArray, *, overhead: bool, low: bool
) -> Iterator[dict[str, Any]]:
    """Yield the faults of one line: exponential times in the course's integral."""
    rng = stream(seed, "faults", line.id)
    edges = np.concatenate(([0.0], np.cumsum(course)))
    at, number = rng.standard_exponential(), 0
    while at < edges[-1]:
        t_us = round(float(np.interp(at, edges, np.arange(len(edges)))) * SLOT_MS * 1000)
        yield _draw(rng, rates, line, number, t_us, transient=overhead, low=low)
        at += rng.standard_exponential()
        number += 1


def _draw(
    rng: np.random.Generator, rates: FaultRates, line: Line, number: int, t_us: int,
    *, transient: bool, low: bool,
) -> dict[str, Any]:  # fmt: skip
    position, r_share, arc = rng.random(3)
    names, shares = zip(*sorted(rates.kinds.model_dump().items()), strict=True)
    kind = _MIX[str(rng.choice(names, p=shares))]
    phases = sorted(rng.permutation(3)[: {"three-phase": 3, "two-phase": 2}.get(kind, 1)].tolist())
    if kind == "two-phase-ground":
        phases = sorted(rng.permutation(3)[:2].tolist())
    repair_h = rng.standard_exponential() * (rates.repaired_after_h or 0.0)
    r_ohm = rates.r_ohm[0] + (rates.r_ohm[1] - rates.r_ohm[0]) * r_share
    stage = {"phases": phases, "ground": kind.endswith("ground"), "r_ohm": float(r_ohm)}
    return {
        "id": f"fault/{line.id.partition('/')[2]}/{number}", "t_us": t_us, "element": line.id,
        "position": float(position), "stages": [stage],
        "transient": bool(transient and arc < rates.transient),
        "hold_a": _HOLD_A[low], "arc_us": 200_000,
        "repaired_us": -1 if rates.repaired_after_h is None
        else t_us + round(repair_h * _US_PER_H),
    }  # fmt: skip
