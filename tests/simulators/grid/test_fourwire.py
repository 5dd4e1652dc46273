"""The plant with phases and neutral: tables, payloads, energy, broken conductors, wrong wiring."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fernwatt.errors import ComponentError, SimulationError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import BalancedSolver, FourWireSolver
from fernwatt.tables import TABLES
from simulators.grid.outputs import scalar, state_payload, terminal_payload
from simulators.grid.plant import Plant
from simulators.grid.sim import GridSimulator

RECORD = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
PHASES = assign_phases(RECORD, PhaseRule(), seed=1)
MODEL = connect_phases(RECORD, PHASES)
N = len(MODEL.terminals)
ONE = np.array([len(t.phases) == 1 for t in MODEL.terminals])


def new_plant(interval_ms=900_000):
    return Plant(MODEL, FourWireSolver(MODEL), interval_ms)


def drawn(watts):
    return np.full((N, 3), watts / 3), np.full((N, 3), watts / 10)


def rows_of(plant, end_ms):
    out = {}
    for table, columns in plant.close(end_ms):
        out.setdefault(table, []).append(columns)
    return out


def test_rows_have_the_columns_of_the_tables():
    plant = new_plant()
    plant.draw(*drawn(1500.0))
    plant.settle()
    rows = rows_of(plant, 1_800_000)
    assert set(rows) == {"bus", "branch", "terminal", "system", "phase", "conductor"}
    for table, blocks in rows.items():
        assert len(blocks) == 2
        for columns in blocks:
            assert list(columns) == [column.name for column in TABLES[table].columns]
            assert len({len(v) for v in columns.values() if not isinstance(v, int)}) == 1
            for column in TABLES[table].columns:
                values = columns[column.name]
                if column.kind == "f":
                    assert column.nullable or np.isfinite(np.asarray(values, dtype=float)).all()


def test_a_customer_on_one_phase_has_one_voltage_and_all_its_power_there():
    plant = new_plant()
    plant.draw(*drawn(1500.0))
    plant.settle()
    rows = rows_of(plant, 900_000)
    phase, terminal = rows["phase"][0], rows["terminal"][0]
    assert 0 < ONE.sum() < N
    by_phase = np.array([phase[f"p_{k}_w"] for k in (1, 2, 3)])
    assert by_phase.sum(axis=0) == pytest.approx(terminal["p_w"])
    for row, item in enumerate(MODEL.terminals):
        volts = [phase[f"v_{k}_v"][row] for k in (1, 2, 3)]
        known = [k for k, v in zip((1, 2, 3), volts, strict=True) if v is not None]
        assert tuple(known) == item.phases
        assert terminal["v_v"][row] == pytest.approx(np.mean([volts[k - 1] for k in known]))
        expected = [1500 / len(item.phases) if k in item.phases else 0 for k in (1, 2, 3)]
        assert by_phase[:, row] == pytest.approx(expected)
    assert max(phase["v_neutral_v"]) > 0.05


def test_extremes_of_a_bus_are_those_of_its_phases():
    plant = new_plant()
    p_w = np.zeros((N, 3))
    p_w[:, 1] = 2500.0
    plant.draw(p_w, np.zeros_like(p_w))
    plant.settle()
    bus = rows_of(plant, 900_000)["bus"][0]
    wires = plant.state.conductors.v_bus_v / plant._vn_v[:, None]
    assert bus["vm_min_pu"] == pytest.approx(wires.min(axis=1))
    assert bus["vm_max_pu"] == pytest.approx(wires.max(axis=1))
    assert max(np.subtract(bus["vm_max_pu"], bus["vm_min_pu"])) > 0.005


def test_energy_is_conserved_with_neutral_and_earth():
    plant = new_plant()
    plant.draw(*drawn(2000.0))
    plant.settle()
    plant.advance(400_000)
    plant.draw(*drawn(-700.0))
    plant.settle()
    system = rows_of(plant, 900_000)["system"][0]
    assert system["p_import_w"][0] == pytest.approx(
        system["p_terminals_w"][0] + system["p_loss_w"][0], abs=0.1
    )
    import_wh, export_wh = plant.registers()
    expected = N * (2000 * 400 - 700 * 500) / 3600
    assert (import_wh - export_wh)[:N].sum() == pytest.approx(expected, rel=1e-9)


def test_payloads_carry_phases_and_neutral_and_no_nan():
    plant = new_plant(0)
    plant.draw(*drawn(1500.0))
    plant.settle()
    payload = terminal_payload(plant)
    assert payload["v_v"].shape == (N, 3)
    assert payload["v_neutral_v"].shape == (N,)
    assert ((payload["v_v"] > 200).sum(axis=1) == np.where(ONE, 1, 3)).all()
    state = state_payload(plant)
    assert state["p_w"].sum() == pytest.approx(N * 1500)
    trafo = state["transformers"]["v_v"]
    assert trafo.shape == (1, 3)
    assert np.ptp(trafo) > 0.01
    row = next(n for n, t in enumerate(MODEL.terminals) if len(t.phases) == 1)
    assert scalar(plant, "Load", row, "vm_pu") == pytest.approx(
        payload["v_v"][row].max() / (400 / 3**0.5)
    )
    switch = next(s.id for s in MODEL.switches if s.kind == "transformer")
    plant.operate(switch, closed=False)
    plant.settle()
    dark = state_payload(plant)
    assert not dark["energised"].any()
    for name in ("v_v", "v_neutral_v", "p_w", "q_var", "import_wh"):
        assert np.isfinite(dark[name]).all()
    assert np.abs(dark["v_v"]).max() == np.abs(dark["p_w"]).max() == 0


def test_a_balanced_plant_has_a_neutral_at_earth():
    plant = Plant(RECORD, BalancedSolver(RECORD))
    plant.draw(*drawn(1500.0))
    plant.settle()
    assert np.array_equal(plant.neutral_voltage(), np.zeros(N))
    with pytest.raises(SimulationError, match="four-wire"):
        plant.damage(MODEL.lines[0].id, 3, whole=False)


def feeding(plant):
    """A line that feeds customers: the one with most current."""
    wires = plant.state.conductors.i_line_a[:, 0]
    return MODEL.lines[int(np.argmax(wires))].id


def test_a_broken_phase_darkens_its_customers_until_it_is_mended():
    plant = new_plant(0)
    plant.draw(*drawn(900.0))
    plant.settle()
    line = feeding(plant)
    before = plant.voltage()
    plant.damage(line, 0, whole=False)
    changes = {change.element: change for change in plant.settle()}
    assert not changes[line].continuous
    lost = {name for name, change in changes.items() if not change.energised}
    assert lost
    assert all(PHASES[name] == 1 for name in lost)
    row = MODEL.terminal_ids.index(min(lost))
    assert not plant.energised()[row]
    assert plant.power[0][row].sum() < 1.0
    plant.damage(line, 0, whole=True)
    back = {change.element: change for change in plant.settle()}
    assert all(back[name].energised for name in lost)
    assert back[line].continuous
    assert np.array_equal(plant.voltage(), before)


def test_an_interrupted_phase_is_no_low_voltage():
    plant = new_plant()
    plant.draw(*drawn(900.0))
    plant.settle()
    plant.damage(feeding(plant), 0, whole=False)
    plant.settle()
    bus = rows_of(plant, 900_000)["bus"][0]
    wires = plant.state.conductors.v_bus_v / plant._vn_v[:, None]
    assert wires[:, 0].min() < 0.05 < 0.8 < wires[:, 1:].min()
    assert bus["vm_min_pu"] == pytest.approx(np.where(wires < 0.05, 2.0, wires).min(axis=1))


def test_a_lost_neutral_leaves_everybody_live_and_spreads_the_voltages():
    plant = new_plant(0)
    rng = np.random.default_rng(2)
    p_w = rng.uniform(0, 1500, (N, 1)) * np.ones((1, 3)) / 3
    plant.draw(p_w, np.zeros_like(p_w))
    plant.settle()
    line = feeding(plant)
    before = plant.voltage()[plant.voltage() > 0]
    plant.damage(line, 3, whole=False)
    changes = plant.settle()
    assert [change.element for change in changes] == [line]
    after = plant.voltage()[plant.voltage() > 0]
    assert plant.energised().all()
    assert np.ptp(after) > 3 * np.ptp(before)
    assert plant.neutral_voltage().max() > 5.0


def test_wrong_wiring_moves_a_customer_to_another_phase_of_the_line():
    plant = new_plant(0)
    plant.draw(*drawn(900.0))
    plant.settle()
    ident, phase = min(PHASES.items())
    row = MODEL.terminal_ids.index(ident)
    before = plant.state.conductors.i_transformer_a[0].copy()
    other = phase % 3 + 1
    order = [1, 2, 3]
    order[phase - 1], order[other - 1] = other, phase
    plant.rewire(ident, tuple(order))
    plant.settle()
    after = plant.state.conductors.i_transformer_a[0]
    assert after[phase - 1] < before[phase - 1] - 1
    assert after[other - 1] > before[other - 1] + 1
    assert plant.power[0][row, phase - 1] == pytest.approx(900.0)  # under its own conductor
    with pytest.raises(SimulationError, match="order"):
        plant.rewire(ident, (1, 1, 2))
    with pytest.raises(SimulationError, match="no conductor"):
        plant.damage(MODEL.lines[0].id, 4, whole=False)


def test_the_simulator_takes_phases_and_earthing_and_refuses_nonsense():
    def create(**params):
        simulator = GridSimulator()
        simulator.init("grid", 0.001, plain=True)
        simulator.create(
            1, "Grid", source={"simbench": "1-LV-semiurb4--0-sw"}, solver="four-wire", **params
        )
        return simulator

    simulator = create(phases=PHASES, earthing={"system": "TT", "substation_ohm": 2.0})
    simulator.step(0, {}, 10)
    payload = simulator.get_data({"grid": ["terminal"]})["grid"]["terminal"]
    text = json.loads(json.dumps(payload))  # plain JSON for a remote simulator
    assert len(text["v_neutral_v"]) == len(text["v_v"]) == N
    for params, path in (
        ({"phases": {"terminal/none": 1}}, "grid.phases"),
        ({"phases": {MODEL.terminals[0].id: 4}}, "grid.phases"),
        ({"earthing": {"system": "IT"}}, "grid.earthing.system"),
        ({"earthing": {"customer_ohm": -1.0}}, "grid.earthing.customer_ohm"),
        ({"earthing": {"substation_ohm": None}}, "grid.earthing.substation_ohm"),
        ({"earthing": {"depth_m": 3}}, "grid.earthing.depth_m"),
    ):
        with pytest.raises(ComponentError, match=path):
            create(**params)
