"""What the top tells those below: the grid as documented, phases, losses, tariffs, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fernwatt.errors import ConvergenceError, Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.solvers import BalancedSolver
from fernwatt.timebase import HOUR_MS
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.data import Data, Dermu

__all__ = ["sources"]

Spec = dict[str, Any]
_SHARES = (0.25, 0.5, 0.75, 1.0)


def sources(
    config: ScenarioConfig, model: GridModel, hierarchy: Hierarchy, wanted: Data
) -> list[Spec]:
    """Return ``{at_ms, data, target, set, drop}`` of all versions that the top makes in a run."""
    units = {unit["id"]: unit for unit in hierarchy.units}
    made = []
    losses = _losses(model)
    for name, area in _areas(hierarchy).items():
        made.append(_first("grid.model", name, _equipment(model, area)))
        if area in losses:
            made.append(_first("loss.reference", name, losses[area]))
        if units[name]["kind"] == "lvgmu":
            made.append(_first("grid.phases", name, _phases(model, hierarchy, units[name])))
    if wanted.tariff is not None:
        items: Spec = {f"price {name}": price for name, price in wanted.tariff.registers.items()}
        items |= {f"at {time}": name for time, name in wanted.tariff.calendar.items()}
        made.append(_first("tariff.table", "", items))
    if config.units.dermu is not None:
        conductors = {gauge["id"].rpartition("/")[0]: gauge.get("conductors", 3)
                      for gauge in hierarchy.gauges}  # fmt: skip
        for name, plate in hierarchy.plates.items():
            items = _limits(config.units.dermu, plate) | {"conductors": conductors[name]}
            made.append(_first("der.configuration", name, items))
    return made + _revisions(wanted, made)


def _first(data: str, target: str, items: Mapping[str, Any]) -> Spec:
    return {"at_ms": 0, "data": data, "target": target, "set": dict(items), "drop": []}


def _limits(wanted: Dermu, plate: Spec) -> Spec:
    """Return what a generator has to keep to by its contract and the rules of connection."""
    low_v, high_v = (round(pu * plate["v_nominal_v"], 1) for pu in wanted.band_pu)
    return {
        "export_max_w": round(plate["p_max_w"] * wanted.export_share, 1),
        "power_factor": wanted.power_factor,
        "v_min_v": low_v,
        "v_max_v": high_v,
    }


def _revisions(wanted: Data, made: list[Spec]) -> list[Spec]:
    known = {(item["data"], item["target"]) for item in made}
    found, faults = [], []
    for number, revision in enumerate(wanted.revisions):
        if (revision.data, revision.unit) not in known:
            path = f"units.data.revisions[{number}].unit"
            names = [target for data, target in known if data == revision.data]
            text = f"there is no {revision.data} of {revision.unit or 'everybody'}"
            faults.append(Fault(path, text, nearest(revision.unit, names) or "leave it out"))
        found.append(
            {
                "at_ms": round(revision.at_h * HOUR_MS),
                "data": revision.data,
                "target": revision.unit,
                "set": revision.set,
                "drop": revision.drop,
            }
        )
    if faults:
        raise ScenarioError(faults)
    return found


def _areas(hierarchy: Hierarchy) -> dict[str, str]:
    """Return the areas of units at substations, by unit."""
    return {
        unit["id"]: unit["area"] for unit in hierarchy.units if unit["kind"] in ("lvgmu", "mvgmu")
    }


def _equipment(model: GridModel, area: str) -> Spec:
    """Return an area's elements as documented: ends, length, impedance, limits."""
    net, items = model.net, Spec()
    for row, line in enumerate(model.lines):
        if line.area == area:
            ohm = net.line.iloc[row]
            per_km, parallel = line.length_m / 1000.0, float(ohm["parallel"])
            items[line.id] = [
                line.from_bus, line.to_bus, round(line.length_m, 1),
                round(float(ohm["r_ohm_per_km"]) * per_km / parallel, 5),
                round(float(ohm["x_ohm_per_km"]) * per_km / parallel, 5),
                round(line.max_i_a, 1),
            ]  # fmt: skip
    for trafo in model.transformers:
        if trafo.area == area:
            items[trafo.id] = [trafo.hv_bus, trafo.lv_bus, trafo.sn_va, trafo.std_type]
    for switch in model.switches:
        if switch.area == area:
            items[switch.id] = [switch.bus, switch.element, switch.type, switch.closed]
    return items


def _phases(model: GridModel, hierarchy: Hierarchy, unit: Spec) -> Spec:
    """Return the phases to which the record has each meter and generator connected."""
    phases = {terminal.id: list(terminal.phases) for terminal in model.terminals}
    items = {house.meter: phases[house.terminal] for house in hierarchy.metered(unit["area"])}
    at = {name: terminal for name, _, terminal in hierarchy.plants if terminal}
    items |= {child: phases[at[child]] for child in unit["children"] if child in at}
    return items


def _losses(model: GridModel) -> dict[str, Spec]:
    """Return reference losses by area [W], for shares of all terminals' recorded power.

    Worked out on the grid as documented, with the lines and transformers of each area.
    """
    solver = BalancedSolver(model)
    recorded = np.array([[terminal.p_w, terminal.q_var] for terminal in model.terminals])
    p_w, q_var = (np.repeat(recorded[:, [k]] / 3.0, 3, axis=1) for k in (0, 1))
    areas: dict[str, Spec] = {}
    for share in _SHARES:
        try:
            state = solver.solve(share * p_w, share * q_var)
        except ConvergenceError:
            break  # the record's full load is more than the grid carries
        loss_w = np.concatenate(
            [flow.p_from_w + flow.p_to_w for flow in (state.line, state.transformer)]
        )
        sums: dict[str, float] = {}
        at = [line.area for line in model.lines] + [trafo.area for trafo in model.transformers]
        for area, lost_w in zip(at, loss_w.tolist(), strict=True):
            sums[area] = sums.get(area, 0.0) + lost_w
        for area, lost_w in sums.items():
            areas.setdefault(area, {})[f"{share:.2f}"] = round(lost_w, 1)
    return areas
