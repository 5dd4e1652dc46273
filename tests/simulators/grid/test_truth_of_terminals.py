"""What the plant does for instruments: taps on order, wiring unlike the records, squared volts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fernwatt.errors import ComponentError, SimulationError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.faults import Short
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import make_solver
from fernwatt.gridmodel.taps import tap_steps
from fernwatt.messages import Actuation
from simulators.grid.outputs import state_payload
from simulators.grid.plant import Plant
from simulators.grid.sim import GridSimulator

SOURCE = {"simbench": "1-LV-semiurb4--0-sw"}
RECORD = load_grid(SOURCE)
PHASES = assign_phases(RECORD, PhaseRule(single_phase_max_w=4_000), seed=1)
MODEL = connect_phases(RECORD, PHASES)
N, TRAFO = len(MODEL.terminals), MODEL.transformers[0].id


def plant_of(name="four-wire"):
    return Plant(MODEL, make_solver(name, MODEL))


def draw(plant, watts):
    plant.draw(np.outer(watts, [1 / 3] * 3), np.zeros((N, 3)))
    plant.settle()


def test_squared_volts_are_integrated_exactly_whoever_looks():
    plant = plant_of()
    draw(plant, np.full(N, 500.0))
    assert "squares" not in state_payload(plant)
    plant = plant_of()
    plant.keep_squares()
    total, since = np.zeros((N, 4)), 0
    for t_ms, watts in ((0, 300.0), (17_123, 2_500.0), (400_001, 900.0)):
        plant.advance(t_ms)
        total += np.column_stack((plant.voltage() ** 2, np.ones(N))) * (t_ms - since) if t_ms else 0
        draw(plant, np.full(N, watts))
        since = t_ms
    plant.advance(600_000)
    total += np.column_stack((plant.voltage() ** 2, np.ones(N))) * (600_000 - since)
    squares = state_payload(plant)["squares"]
    assert squares == pytest.approx(total / 3.6e6, rel=1e-13)
    mean = np.sqrt(squares[:, :3] / squares[:, 3:])
    held = np.array([len(t.phases) == 3 for t in MODEL.terminals])
    assert ((mean > 0).sum(axis=1) == np.where(held, 3, 1)).all()


@pytest.mark.parametrize("name", ["four-wire", "balanced", "pandapower"])
def test_a_tap_lifts_the_voltage_of_the_area(name):
    plant = plant_of(name)
    draw(plant, np.full(N, 800.0))
    before = plant.voltage_pu()
    low, _, now = tap_steps(MODEL, 0)
    assert not plant.set_tap(TRAFO, now)
    assert plant.set_tap(TRAFO, low)
    assert not plant.set_tap(TRAFO, low)
    plant.settle()
    step = float(MODEL.net.trafo["tap_step_percent"].iat[0]) / 100
    assert plant.voltage_pu() / before == pytest.approx(1 / (1 + (low - now) * step), rel=2e-3)
    with pytest.raises(SimulationError, match="has taps from"):
        plant.set_tap(TRAFO, 99)
    with pytest.raises(SimulationError, match="is no transformer"):
        plant.set_tap("transformer/none", 0)


def simulator(**params):
    sim = GridSimulator()
    sim.init("grid", time_resolution=0.001, end_ms=3_600_000)
    sim.create(1, "Grid", source=SOURCE, solver="four-wire", phases=PHASES, **params)
    return sim


def rows(sim, table):
    data = sim.get_data({"grid": ["rows"]})["grid"].get("rows", [])
    return [item["columns"] for _, item in data if item["table"] == table]


def test_terminals_are_wired_as_they_are_and_the_truth_says_so():
    single = min(PHASES, key=lambda name: name.encode())
    row = MODEL.terminal_ids.index(single)
    turned = [2, 3, 1]
    honest, other = simulator(), simulator(wiring=[{"terminal": single, "phases": turned}])
    for sim in (honest, other):
        sim.step(0, {}, 1)
    (truth,) = rows(other, "truth")
    assert [list(truth[name]) for name in ("kind", "element", "value")] == [
        ["wiring"], [single], [json.dumps({"phases": turned})],
    ]  # fmt: skip
    assert rows(honest, "truth") == []
    volts = [sim.output("grid", "state")["v_v"] for sim in (honest, other)]
    column = PHASES[single] - 1
    assert (volts[1][row] > 0).tolist() == [k == column for k in range(3)]
    assert abs(volts[0][row, column] - volts[1][row, column]) > 0.05
    mates = [r for r in range(N) if r != row and len(MODEL.terminals[r].phases) == 3]
    assert np.abs(volts[0][mates] - volts[1][mates]).max() > 1e-3  # others feel it


def test_an_order_of_a_tap_changer_is_an_event_with_its_cause():
    sim = simulator()
    sim.step(0, {}, 1)
    low = tap_steps(MODEL, 0)[0]
    order = Actuation("field#1", "u#1", TRAFO, "set_tap", {"position": low})
    before = sim.output("grid", "state")["v_v"].max()
    sim.step(5_000, {"grid": {"actuate": {"field": [[1, order]]}}}, 1)
    assert sim.output("grid", "state")["v_v"].max() > before
    moved = [
        dict(zip(block, values, strict=True))
        for block in rows(sim, "event")
        for values in zip(*(block[k] if isinstance(block[k], list) else [block[k]] * len(
            block["id"]) for k in block), strict=True)
        if "tap_moved" in values
    ]  # fmt: skip
    assert [(e["cause"], e["element"], e["t_us"]) for e in moved] == [("field#1", TRAFO, 5_000_000)]
    bad = Actuation("field#2", "u#2", TRAFO, "set_tap", {"position": 99})
    with pytest.raises(ComponentError, match="has taps from"):
        sim.step(6_000, {"grid": {"actuate": {"field": [[2, bad]]}}}, 1)


@pytest.mark.parametrize("name", ["four-wire", "balanced"])
@pytest.mark.parametrize("early", [True, False])
def test_a_short_circuit_behind_a_moved_tap_has_the_current_of_that_tap(name, early):
    currents = []
    bus = next(n for n, b in enumerate(MODEL.buses) if b.id == MODEL.transformers[0].lv_bus)
    short = Short(id="fault/0", line=-1, position=0.0, bus=bus, phases=(0, 1, 2), ground=False,
                  r_ohm=0.5)  # fmt: skip
    low, high, _ = tap_steps(MODEL, 0)
    for position in (low, high):
        plant = plant_of(name)
        if early:  # the solver of short circuits is there before the tap moves
            plant.short([short])
            draw(plant, np.zeros(N))
        plant.set_tap(TRAFO, position)
        plant.short([short])
        draw(plant, np.zeros(N))
        currents.append(plant.fault_currents()["fault/0"])
    step = float(MODEL.net.trafo["tap_step_percent"].iat[0]) / 100
    ratio = (1 + high * step) / (1 + low * step)
    assert currents[0] / currents[1] == pytest.approx(ratio, rel=3e-3)
