"""Indicators at every line of a medium-voltage grid: those that show lead to the fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.feeding import feeding
from fernwatt.gridmodel.solvers import make_solver
from simulators.field.indicators import parse_indicators
from simulators.field.watch import Air, Watch
from simulators.grid.incidents import make_incidents
from simulators.grid.news import News
from simulators.grid.plant import Plant
from simulators.grid.solutions import Solutions

GRID = load_grid({"simbench": "1-MV-rural--0-sw"})
FED = feeding(GRID)
LINES = {line.id: line for line in GRID.lines if line.id in FED.head}
BEGIN_US, FAULT_US = 1_000_000, 1_250_000


def indicators(**given: Any) -> list[dict[str, Any]]:
    """Return an indicator at the fed end of each line; current counts away from the source."""
    return [
        {"id": f"fpi/{name}", "place": f"{name}@{int(line.from_bus != FED.head[name])}", **given}
        for name, line in LINES.items()
    ]


class Night:
    """A fault in a grid without protection, and what indicators make of it."""

    def __init__(
        self, line: str, stage: dict[str, Any], earthing: Earthing, **given: Any
    ) -> None:  # fmt: skip
        specs = parse_indicators(indicators(**given))
        places = [{"id": s.place, "element": s.place[:-2], "end": int(s.place[-1])} for s in specs]
        plant = Plant(GRID, Solutions(GRID, make_solver("four-wire", GRID, earthing), earthing))
        fault = {"id": "fault/0", "t_us": BEGIN_US, "element": line, "position": 0.3,
                 "stages": [stage], "repaired_us": FAULT_US}  # fmt: skip
        incidents = make_incidents(plant, News(), {"faults": [fault], "watch": places})
        watch = Watch([p["id"] for p in places], specs, [], 1, Air([20.0], 1))
        shape = (len(GRID.terminals), 3)
        plant.draw(np.full(shape, 20_000.0), np.full(shape, 2_000.0))
        incidents.settle(0, "")
        self.shown: dict[str, int] = {}
        for t_ms in (0, BEGIN_US // 1000, BEGIN_US // 1000 + 100, FAULT_US // 1000 + 1):
            incidents.play(t_ms * 1000)
            items = incidents.take_seen()
            watch.see(items)
            readings, truth = watch.sample(t_ms)
            assert {t.kind for t in truth} <= {"passage_shown"}
            for reading in readings:
                assert reading.value["on"]
                self.shown[reading.value["element"]] = reading.value["direction"]


def path_to(line: str) -> set[str]:
    """Return the lines from the source to a fault in ``line``, itself included."""
    return {element for element in FED.path(FED.head[line]) if element in LINES} | {line}


FAR = sorted(LINES, key=lambda name: (len(FED.path(FED.head[name])), name))[-1]
MIDDLE = sorted(LINES, key=lambda name: (len(FED.path(FED.head[name])), name))[len(LINES) // 2]
SOLID = {"mv_neutral": "resistance", "mv_ohm": 20.0}


@pytest.mark.parametrize("line", [FAR, MIDDLE])
@pytest.mark.parametrize("phases", [[0, 1, 2], [0, 2]])
def test_short_circuits_are_seen_by_all_before_them_and_none_behind(line, phases) -> None:
    stage = {"phases": phases, "ground": False, "r_ohm": 0.5}
    night = Night(line, stage, Earthing(), phase_a=300.0, directional=True)
    assert set(night.shown) == path_to(line)
    assert set(night.shown.values()) == {1}


@pytest.mark.parametrize("line", [FAR, MIDDLE])
def test_earth_faults_are_seen_over_their_residual_current(line) -> None:
    stage = {"phases": [1], "ground": True, "r_ohm": 10.0}
    night = Night(line, stage, Earthing(**SOLID), phase_a=0.0, earth_a=100.0)
    assert set(night.shown) == path_to(line)


def test_in_a_compensated_grid_the_residual_active_current_still_points_to_the_fault() -> None:
    stage = {"phases": [1], "ground": True, "r_ohm": 5.0}
    given = {"phase_a": 0.0, "earth_a": 1.0, "directional": True, "polarising_v": 500.0,
             "minimum_ms": 20.0}  # fmt: skip
    night = Night(FAR, stage, Earthing(mv_neutral="compensated"), **given)
    ahead = {name for name, direction in night.shown.items() if direction == 1}
    behind = {name for name, direction in night.shown.items() if direction == -1}
    assert ahead == path_to(FAR)
    # a threshold alone would not tell: healthy feeders' capacitances carry residual current too
    assert len(behind) > len(ahead)
    assert behind | ahead == set(night.shown)
