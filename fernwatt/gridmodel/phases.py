"""Which phase each customer is connected to: SimBench's are balanced, real ones are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.model import GridModel, Terminal
from fernwatt.streams import stream

__all__ = ["PhaseRule", "assign_phases", "connect_phases"]


@dataclass(frozen=True, slots=True)
class PhaseRule:
    """How customers of low voltage are connected.

    ``single_phase_max_w``: customers whose devices together have up to this rated power [W] have
    one phase, the others three. ``unbalance`` u in [0, 1]: of the single-phase
    customers' rated power, an area's three phases carry (1+u)/3, 1/3 and (1-u)/3, in an order
    drawn for the area; 0 is as even as the customers' sizes allow.
    """

    single_phase_max_w: float = 4600.0
    unbalance: float = 0.3


def assign_phases(
    model: GridModel, rule: PhaseRule, seed: int, added_w: Mapping[str, float] | None = None
) -> dict[str, int]:
    """Return the phase (1, 2, 3) of each customer that has only one, by terminal.

    ``added_w`` is what a scenario adds to the record's rated power at a terminal. In each area,
    in an order drawn from ``seed``, a customer gets the phase that lacks most of its share.
    Another area's customers change nothing here.
    """
    rated_w = dict.fromkeys(model.terminal_ids, 0.0) | dict(added_w or {})
    for device in model.record_devices:
        rated_w[device.terminal] += abs(device.p_w)
    by_area: dict[str, list[str]] = {}
    for terminal in model.terminals:
        single = rated_w[terminal.id] <= rule.single_phase_max_w
        if terminal.customer and terminal.voltage_level == "lv" and single:
            by_area.setdefault(terminal.area, []).append(terminal.id)
    phase: dict[str, int] = {}
    for area in sorted(by_area):
        phase.update(_spread(area, by_area[area], rated_w, rule.unbalance, seed))
    return phase


def _spread(
    area: str, terminals: Sequence[str], rated_w: Mapping[str, float], unbalance: float, seed: int
) -> dict[str, int]:
    draw = stream(seed, "grid", f"phases/{area}")
    lacking = np.empty(3)
    lacking[draw.permutation(3)] = np.array([1.0 + unbalance, 1.0, 1.0 - unbalance]) / 3.0
    lacking *= sum(rated_w[terminal] for terminal in terminals)
    out = {}
    for number in draw.permutation(len(terminals)):
        best = int(np.argmax(lacking))
        lacking[best] -= rated_w[terminals[number]]
        out[terminals[number]] = best + 1
    return out


def connect_phases(model: GridModel, phases: Mapping[str, int]) -> GridModel:
    """Return the model with terminals connected to one phase as ``phases`` says.

    Raises ScenarioError for a terminal that is none, or is not in low voltage, and for a phase
    other than 1, 2, 3.
    """
    faults = []
    known: dict[str, Terminal] = {terminal.id: terminal for terminal in model.terminals}
    for ident, phase in phases.items():
        if ident not in known or known[ident].voltage_level != "lv":
            faults.append(Fault("grid.phases", f"{ident} is no low-voltage terminal"))
        elif phase not in (1, 2, 3):
            faults.append(Fault("grid.phases", f"phase {phase!r} of {ident} is not 1, 2 or 3"))
    if faults:
        raise ScenarioError(faults)
    terminals = tuple(
        replace(terminal, phases=(int(phases[terminal.id]),)) if terminal.id in phases else terminal
        for terminal in model.terminals
    )
    return replace(model, terminals=terminals)
