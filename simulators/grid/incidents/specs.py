"""What is to go wrong, and what is to be switched, by plan: validated, immutable."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel

__all__ = ["FaultSpec", "OperationSpec", "Stage", "parse_faults", "parse_operations"]

_NEUTRAL = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """How a fault is from ``after_us`` after its beginning on.

    ``phases`` (0, 1, 2) are joined to each other, and to earth where ``ground``, over ``r_ohm``;
    none: no short circuit. ``broken``: conductors (3: the neutral) that are interrupted;
    ``side``: which piece of them touches, towards the from (0) or the to bus (1), None for the
    one with supply.
    """

    after_us: int
    phases: tuple[int, ...]
    ground: bool
    r_ohm: float
    broken: tuple[int, ...] = ()
    side: int | None = None


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A fault at ``position`` of a line (0: its from bus, 1: the other), or at a bus.

    ``line`` and ``bus`` are rows of the model, -1 for none. ``transient``: its arc goes out, and
    the fault with it, when the current has been below ``hold_a`` for ``arc_us``. A permanent one
    stays until ``repaired_us`` (-1: not by itself).
    """

    id: str
    t_us: int
    element: str
    line: int
    bus: int
    position: float
    stages: tuple[Stage, ...]
    transient: bool = False
    hold_a: float = 0.5
    arc_us: int = 200_000
    repaired_us: int = -1


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """A switch that is operated at ``t_us`` because the scenario says so."""

    t_us: int
    switch: str
    closed: bool


def parse_faults(
    model: GridModel, items: Sequence[Mapping[str, Any]], path: str = "faults"
) -> list[FaultSpec]:
    """Return the faults by time and identifier; ScenarioError with all that is wrong with them."""
    lines = {line.id: row for row, line in enumerate(model.lines)}
    buses = {bus.id: row for row, bus in enumerate(model.buses)}
    faults: list[Fault] = []
    found = []
    for number, item in enumerate(items):
        wrong = [Fault(f"{path}[{number}].{n}", text) for n, text in _wrong(item, lines, buses)]
        faults += wrong
        if not wrong:
            found.append(_fault(item, lines, buses))
    found.sort(key=lambda fault: (fault.t_us, fault.id.encode()))
    names = sorted(fault.id for fault in found)
    faults += [Fault(path, f"{a} is there twice") for a, b in pairwise(names) if a == b]
    if faults:
        raise ScenarioError(faults)
    return found


def parse_operations(
    model: GridModel, items: Sequence[Mapping[str, Any]], path: str = "operations"
) -> list[OperationSpec]:
    """Return the operations by time; ScenarioError for switches that are none."""
    known = {switch.id for switch in model.switches}
    faults = [
        Fault(f"{path}[{n}].switch", f"{item['switch']} is no switch of this grid")
        for n, item in enumerate(items)
        if item["switch"] not in known
    ]
    if faults:
        raise ScenarioError(faults)
    found = [OperationSpec(int(i["t_us"]), str(i["switch"]), bool(i["closed"])) for i in items]
    return sorted(found, key=lambda operation: (operation.t_us, operation.switch.encode()))


def _fault(item: Mapping[str, Any], lines: dict[str, int], buses: dict[str, int]) -> FaultSpec:
    stages = tuple(
        Stage(
            int(stage.get("after_us", 0)),
            tuple(sorted(int(phase) for phase in stage.get("phases", ()))),
            bool(stage.get("ground", False)),
            float(stage.get("r_ohm", 0.0)),
            tuple(sorted(int(wire) for wire in stage.get("broken", ()))),
            stage.get("side"),
        )
        for stage in item["stages"]
    )
    element = str(item["element"])
    return FaultSpec(
        str(item["id"]), int(item["t_us"]), element, lines.get(element, -1),
        buses.get(element, -1), float(item.get("position", 0.5)), stages,
        bool(item.get("transient", False)), float(item.get("hold_a", 0.5)),
        int(item.get("arc_us", 200_000)), int(item.get("repaired_us", -1)),
    )  # fmt: skip


def _wrong(
    item: Mapping[str, Any], lines: dict[str, int], buses: dict[str, int]
) -> list[tuple[str, str]]:
    found = []
    element, position = item["element"], float(item.get("position", 0.5))
    if element not in lines and element not in buses:
        found.append(("element", f"{element} is neither a line nor a bus of this grid"))
    if not 0.0 <= position <= 1.0:
        found.append(("position", f"must be from 0 to 1, not {position}"))
    stages = item["stages"]
    after = [int(stage.get("after_us", 0)) for stage in stages]
    if not stages or after[0] != 0 or any(a >= b for a, b in pairwise(after)):
        found.append(("stages", "the first begins at 0, the others later and later"))
    for number, stage in enumerate(stages):
        found += [(f"stages[{number}].{n}", text) for n, text in _wrong_stage(stage)]
        if stage.get("broken") and element not in lines:
            found.append((f"stages[{number}].broken", "only lines have conductors that break"))
    return found


def _wrong_stage(stage: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    phases, broken = set(stage.get("phases", ())), set(stage.get("broken", ()))
    if not phases <= {0, 1, 2}:
        found.append(("phases", f"must be of 0, 1, 2, not {sorted(phases)}"))
    if len(phases) == 1 and not stage.get("ground"):
        found.append(("phases", "a single phase is no short circuit unless to ground"))
    if stage.get("side") not in (None, 0, 1):
        found.append(("side", f"must be 0 or 1, not {stage['side']}"))
    if not broken <= {0, 1, 2, _NEUTRAL}:
        found.append(("broken", f"must be of 0, 1, 2, 3, not {sorted(broken)}"))
    if not phases and not broken:
        found.append(("phases", "nothing is wrong in this stage"))
    r_ohm = float(stage.get("r_ohm", 0.0))
    if not (math.isfinite(r_ohm) and r_ohm >= 0):
        found.append(("r_ohm", f"must be 0 or more, not {r_ohm}"))
    return found
