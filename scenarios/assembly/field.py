"""What is wrong in the field: for grid and field alone, never for a unit."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.streams import stream
from fernwatt.timebase import HOUR_MS, SLOT_MS
from scenarios.assembly.instruments import drive_figures
from scenarios.assembly.sky import Sky
from scenarios.faults import nearest
from scenarios.loader import Scenario
from scenarios.schema import ScenarioConfig

__all__ = ["air_params", "meter_params", "true_wiring", "with_imperfections"]


def with_imperfections(config: ScenarioConfig, params: dict[str, Any]) -> dict[str, Any]:
    """Return the field's parameters with losses, and with what all meters have in common.

    Raises ScenarioError for terminals without a meter, and for two losses at one.
    """
    meters = config.field.meters
    common = {
        "gap_probability": meters.gap_probability,
        "gap_length": meters.gap_length,
        "rollover_wh": meters.rollover_wh,
        "clock_sd_ms": meters.clock_sd_s * 1000,
        "drift_sd_ppm": meters.drift_sd_ppm,
    }
    if config.units.data is not None:
        common |= {"by_phase": True, "outages": True}
    if meters.by_phase:
        common["by_phase"] = True
    if meters.window_s:
        common["window_ms"] = round(meters.window_s * 1000)
    instruments = [
        {**item, **common, **_drawn_class(config, item["id"])} if item["kind"] == "meter" else item
        for item in params["instruments"]
    ]
    at = {item["target"]: item["id"] for item in instruments if item["kind"] == "meter"}
    drives = {k: v for k, v in drive_figures(config.field.actuators).items() if v}
    actuators = [item if "group" in item else {**item, **drives} for item in params["actuators"]]
    return {
        **params,
        "instruments": instruments,
        "actuators": actuators,
        "losses": _losses(config, at),
    }


def meter_params(config: ScenarioConfig, model: GridModel) -> dict[str, Any]:
    """Return what the grid has to do for the meters: be wired as it is, integrate squares."""
    wiring = true_wiring(config, model)
    params: dict[str, Any] = {"wiring": wiring} if wiring else {}
    return params | ({"squares": True} if _integrates(config) else {})


def _integrates(config: ScenarioConfig) -> bool:
    """Tell whether meters need integrals of the grid: voltages' squares, time with supply."""
    return bool(config.field.meters.window_s) or config.units.data is not None


def air_params(scenario: Scenario, model: GridModel) -> dict[str, Any]:
    """Return the temperature outside, for sensors."""
    temperature_c = Sky(scenario, model).weather.temperature_c
    return {"air": {"step_ms": SLOT_MS, "temperature_c": temperature_c.round(2).tolist()}}


def true_wiring(config: ScenarioConfig, model: GridModel) -> list[dict[str, Any]]:
    """Return the terminals that are not wired as the records say, for the grid.

    Raises ScenarioError for places that are none, and without a solver that knows phases.
    """
    wanted = config.field
    if not wanted.wiring and not (wanted.wrong_phases and wanted.wrong_phases.share):
        return []
    if config.grid.solver != "four-wire":
        path = "field.wiring" if wanted.wiring else "field.wrong_phases"
        hint = "write grid.solver: four-wire"
        raise ScenarioError([Fault(path, "phases need a solver that knows them", hint)])
    known = {t.id: t for t in model.terminals if t.customer and t.voltage_level == "lv"}
    faults, wiring = [], dict[str, list[int]]()
    for number, item in enumerate(wanted.wiring):
        path, name = f"field.wiring[{number}].terminal", item.terminal
        if name not in known:
            text = f"there is no customer at {name!r}"
            faults.append(Fault(path, text, nearest(name, known)))
        elif name in wiring:
            faults.append(Fault(path, f"{name} is there already", "name it once"))
        wiring[name] = item.phases
    if faults:
        raise ScenarioError(faults)
    share = wanted.wrong_phases.share if wanted.wrong_phases else 0.0
    for name, terminal in known.items():
        rng = stream(config.seed, "field", f"{name}/wiring")
        if name not in wiring and rng.random() < share:
            # a single conductor has to move, of three any other order will do
            others = [
                list(order)
                for order in permutations((1, 2, 3))
                if any(order[phase - 1] != phase for phase in terminal.phases)
            ]
            wiring[name] = others[int(rng.integers(len(others)))]
    return [{"terminal": name, "phases": wiring[name]} for name in sorted(wiring, key=str.encode)]


def _drawn_class(config: ScenarioConfig, meter: str) -> dict[str, float]:
    """Return the class of a meter where the scenario mixes them."""
    if not config.field.meters.classes:
        return {}
    drawn = stream(config.seed, "field", f"{meter}/class").random()
    for part in config.field.meters.classes:
        if drawn < part.share:
            return {"accuracy_class": float(part.accuracy_class)}
        drawn -= part.share
    return {}


def _losses(config: ScenarioConfig, meters: dict[str, str]) -> list[dict[str, Any]]:
    faults, losses = [], []
    taken: set[str] = set()
    for number, loss in enumerate(config.field.losses):
        path = f"field.losses[{number}].terminal"
        if loss.terminal not in meters:
            hint = f"for example {min(meters)}" if meters else "no terminal has a meter"
            faults.append(Fault(path, f"there is no meter at {loss.terminal!r}", hint))
        elif loss.terminal in taken:
            faults.append(Fault(path, f"{loss.terminal} has a loss already", "give it one"))
        else:
            taken.add(loss.terminal)
            losses.append(
                {
                    "id": f"loss/{number:03}",
                    "kind": loss.kind,
                    "meter": meters[loss.terminal],
                    "share": loss.share,
                    "hours": loss.hours or [0.0, 24.0],
                    "from_ms": round(loss.from_h * HOUR_MS),
                    "until_ms": -1 if loss.until_h is None else round(loss.until_h * HOUR_MS),
                }
            )
    if faults:
        raise ScenarioError(faults)
    return losses
