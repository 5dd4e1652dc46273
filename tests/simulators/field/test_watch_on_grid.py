"""Indicators at every line of a medium-voltage grid: those that show lead to the fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.feeding import feeding
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import make_solver
from simulators.field.indicators import parse_indicators
from simulators.field.sensors import parse_sensors
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


def test_ideal_sensors_measure_the_power_that_flows_however_unbalanced() -> None:
    record = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
    grid = connect_phases(record, assign_phases(record, PhaseRule(9_000, 1.0), seed=1))
    earthing = Earthing(customer_ohm=float("inf"))
    ends = [(t.id, 1) for t in grid.transformers] + [(line.id, 0) for line in grid.lines]
    places = [{"id": f"{name}@{end}", "element": name, "end": end} for name, end in ends]
    plant = Plant(grid, Solutions(grid, make_solver("four-wire", grid, earthing), earthing))
    incidents = make_incidents(plant, News(), {"watch": places})
    ideal = {"accuracy_class": 0.0, "resolution_v": 0.0, "resolution_a": 0.0}
    sensors = parse_sensors([{"id": f"s/{p['id']}", "place": p["id"], **ideal} for p in places])
    watch = Watch([p["id"] for p in places], [], sensors, 1, Air([20.0], 1))
    shape = (len(grid.terminals), 3)
    plant.draw(np.full(shape, 900.0), np.full(shape, 300.0))
    incidents.settle(0, "")
    watch.see(incidents.take_seen())
    readings, _ = watch.sample(0)
    told = {(r.value["element"], r.value["end"]): r.value for r in readings}
    state = plant.state
    flows = {(t.id, 1): (state.transformer.p_to_w[n], state.transformer.q_to_var[n])
             for n, t in enumerate(grid.transformers)}  # fmt: skip
    flows |= {(line.id, 0): (state.line.p_from_w[n], state.line.q_from_var[n])
              for n, line in enumerate(grid.lines)}  # fmt: skip
    neutral_v = np.abs(state.conductors.v_node_v[:, 3]).max()
    assert neutral_v > 3.0  # so it matters against what is measured
    for place, (p_w, q_var) in flows.items():
        # to the last digit that is shown
        assert sum(told[place]["p_w"]) == pytest.approx(p_w, abs=0.3)
        assert sum(told[place]["q_var"]) == pytest.approx(q_var, abs=0.3)
    row = {bus.id: n for n, bus in enumerate(grid.buses)}
    for line in grid.lines:
        volts = state.conductors.v_bus_v[row[line.from_bus]]
        assert told[line.id, 0]["v_v"] == pytest.approx(volts, rel=1e-9)
