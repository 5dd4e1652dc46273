"""The plant without mosaik: energy, means, switches, supply."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import SimulationError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import BalancedSolver
from fernwatt.tables import TABLES
from simulators.grid.integrate import Registers
from simulators.grid.plant import Plant

MODEL = load_grid({"simbench": "1-LV-rural1--0-sw"})
N = len(MODEL.terminals)
TRAFO_SWITCH = next(s.id for s in MODEL.switches if s.kind == "transformer")


def new_plant(interval_ms=0):
    return Plant(MODEL, BalancedSolver(MODEL), interval_ms)


def drawn(watts):
    return np.full((N, 3), watts / 3), np.zeros((N, 3))


def run(changes, looks, end_ms, interval_ms):
    """Step a plant at all ``changes`` {t_ms: W} and all ``looks``; return rows and registers."""
    plant = new_plant(interval_ms)
    rows = []
    for t_ms in sorted({0, *changes, *looks, *range(0, end_ms, interval_ms or end_ms)}):
        rows += plant.advance(t_ms)
        if t_ms in changes:
            plant.draw(*drawn(changes[t_ms]))
        plant.settle()
    rows += plant.close(end_ms)
    return plant, rows


CHANGES = st.dictionaries(st.integers(0, 3_599_999), st.floats(-5e3, 5e3), max_size=8)


@given(changes=CHANGES)
@settings(max_examples=30, deadline=None)
def test_registers_are_the_integral_of_the_power_held(changes):
    end_ms = 3_600_000
    plant, _ = run(changes, (), end_ms, 0)
    import_wh, export_wh = plant.registers()
    times = sorted({0, *changes})
    expected_in = expected_out = 0.0
    for t_ms, until in zip(times, [*times[1:], end_ms], strict=True):
        energy_wh = changes.get(t_ms, 0.0) * (until - t_ms) / 3_600_000
        expected_in += max(energy_wh, 0.0)
        expected_out += max(-energy_wh, 0.0)
    assert np.allclose(import_wh[:N], expected_in, rtol=1e-9, atol=1e-6)
    assert np.allclose(export_wh[:N], expected_out, rtol=1e-9, atol=1e-6)


@given(changes=CHANGES, looks=st.sets(st.integers(0, 3_599_999), max_size=10))
@settings(max_examples=20, deadline=None)
def test_looking_more_often_changes_no_bit(changes, looks):
    plain, rows = run(changes, (), 3_600_000, 900_000)
    watched, more = run(changes, looks, 3_600_000, 900_000)
    assert all(
        np.array_equal(a, b) for a, b in zip(plain.registers(), watched.registers(), strict=True)
    )
    assert repr(rows) == repr(more)


def test_registers_between_two_changes_run_on():
    registers = Registers(2)
    registers.hold(0, np.array([3600.0, -7200.0]))
    assert [list(part) for part in registers.read(1000)] == [[1.0, 0.0], [0.0, 2.0]]
    assert [list(part) for part in registers.read(2000)] == [[2.0, 0.0], [0.0, 4.0]]


def test_energy_is_conserved_through_the_transformer():
    """What the registers of terminals and transformer count, and the losses, add up."""
    plant, rows = run({0: 2000.0, 700_000: -500.0, 2_000_000: 4000.0}, (), 3_600_000, 3_600_000)
    import_wh, export_wh = plant.registers()
    columns = {table: dict(cols) for table, cols in rows}
    branch = columns["branch"]
    lines_wh = sum(
        loss for loss, kind in zip(branch["loss_w"], branch["kind"], strict=True) if kind == "line"
    )
    through = import_wh[N:].sum() - export_wh[N:].sum()
    terminals = import_wh[:N].sum() - export_wh[:N].sum()
    assert through == pytest.approx(terminals + lines_wh, abs=0.05)
    system = columns["system"]
    assert system["p_import_w"][0] == pytest.approx(
        system["p_terminals_w"][0] + system["p_loss_w"][0], abs=0.05
    )
    assert system["p_loss_w"][0] == pytest.approx(sum(branch["loss_w"]))
    assert system["p_terminals_w"][0] == pytest.approx(terminals)


def test_rows_have_the_columns_of_the_tables():
    _, rows = run({0: 1000.0}, (), 1_800_000, 900_000)
    assert [table for table, _ in rows] == ["bus", "branch", "terminal", "system"] * 2
    for table, columns in rows:
        assert list(columns) == [column.name for column in TABLES[table].columns]
        lengths = {len(v) for v in columns.values() if not isinstance(v, int)}
        assert len(lengths) == 1
    assert rows[0][1]["t_ms"] == 0
    assert rows[4][1]["t_ms"] == 900_000


def test_extremes_and_means_are_weighted_by_time():
    plant, rows = run({0: 0.0, 300_000: 6000.0}, (), 900_000, 900_000)
    columns = dict(rows)
    terminal = columns["terminal"]
    assert terminal["p_w"] == pytest.approx(np.full(N, 4000.0))
    high = Plant(MODEL, BalancedSolver(MODEL))
    high.draw(*drawn(0.0))
    high.settle()
    bus = columns["bus"]
    assert np.array_equal(bus["vm_max_pu"], high.state.vm_pu)
    assert np.array_equal(bus["vm_min_pu"], plant.state.vm_pu)
    mean = (high.state.vm_pu + 2 * plant.state.vm_pu) / 3
    assert np.allclose(bus["vm_pu"], mean, rtol=1e-12)
    assert np.allclose(
        terminal["v_v"],
        [mean[[b.id for b in MODEL.buses].index(t.bus)] * 400 / 3**0.5 for t in MODEL.terminals],
    )


def test_a_state_held_for_no_time_leaves_no_trace():
    plant = new_plant(900_000)
    plant.draw(*drawn(0.0))
    plant.settle()
    plant.advance(100)
    plant.draw(*drawn(20_000.0))
    plant.settle()
    plant.draw(*drawn(0.0))
    plant.settle()
    columns = dict(plant.close(900_000))
    assert np.array_equal(columns["bus"]["vm_min_pu"], columns["bus"]["vm_max_pu"])
    assert plant.registers()[0][:N].max() == 0.0


def test_a_short_last_interval_is_recorded_with_its_own_mean():
    _, rows = run({0: 0.0, 900_000: 5000.0}, (), 1_000_000, 900_000)
    last = [columns for table, columns in rows if table == "terminal"][-1]
    assert last["t_ms"] == 900_000
    assert last["p_w"] == pytest.approx(np.full(N, 5000.0))


def test_supply_is_complete_at_first_and_then_changes():
    plant = new_plant()
    plant.draw(*drawn(1000.0))
    first = plant.settle()
    busbars = {area.bus for area in MODEL.areas}
    assert len(first) == N + len(MODEL.lines) + len(MODEL.switches) + len(busbars)
    assert all(change.energised and change.continuous for change in first)
    plant.advance(1000)
    assert plant.operate(TRAFO_SWITCH, closed=False)
    lost = plant.settle()
    dark = {change.element for change in lost if not change.energised}
    assert set(MODEL.terminal_ids) <= dark
    assert [c.element for c in lost if not c.continuous] == [TRAFO_SWITCH]
    assert not plant.energised().any()
    assert np.abs(plant.voltage()).max() == 0.0
    assert np.abs(plant.power[0]).max() == 0.0
    assert plant.state.p_terminals_w.sum() == 0.0
    plant.advance(3_601_000)
    assert plant.registers()[0][:N] == pytest.approx(np.full(N, 1000 / 3600))
    assert plant.operate(TRAFO_SWITCH, closed=True)
    assert {change.element for change in plant.settle()} == {change.element for change in lost}
    assert plant.power[0].sum() == pytest.approx(1000.0 * N)


def test_buses_without_supply_have_no_voltage_in_the_table():
    plant = new_plant(900_000)
    plant.draw(*drawn(1000.0))
    plant.settle()
    plant.advance(450_000)
    plant.operate(TRAFO_SWITCH, closed=False)
    plant.settle()
    half = dict(plant.advance(900_000))["bus"]
    dark = dict(plant.close(1_800_000))
    live_rows = [n for n, bus in enumerate(MODEL.buses) if bus.area == "mv1.101"]
    for row, (was, now) in enumerate(zip(half["vm_pu"], dark["bus"]["vm_pu"], strict=True)):
        assert 0.9 < was < 1.1
        assert (now is not None) == (row in live_rows)
    assert dark["terminal"]["v_v"] == [None] * N
    assert not any(value != value for value in dark["terminal"]["v_v"])


def test_an_open_line_is_live_up_to_the_switch():
    """Opened at its far end it has voltage, at its near end it has none; never continuous."""
    switches = [s for s in MODEL.switches if s.kind == "line"]
    element = switches[0].element
    seen = set()
    for switch in (s for s in switches if s.element == element):
        plant = new_plant()
        plant.settle()
        plant.operate(switch.id, closed=False)
        changes = {c.element: c for c in plant.settle()}
        assert not changes[switch.element].continuous
        assert not changes[switch.id].continuous
        # the switch's own bus is dark exactly when the rest of the line is still fed
        assert changes[switch.element].energised != changes[switch.id].energised
        seen.add(changes[switch.element].energised)
    assert seen == {True, False}


def test_same_power_again_is_not_solved_again():
    plant = new_plant()
    plant.draw(*drawn(1000.0))
    plant.settle()
    state = plant.state
    plant.advance(1000)
    plant.draw(*drawn(1000.0))
    plant.settle()
    assert plant.state is state


def test_a_buffer_that_its_owner_changes_later_does_no_harm():
    plant = new_plant()
    p_w, q_var = drawn(1000.0)
    plant.draw(p_w, q_var)
    plant.settle()
    p_w[:] = 0.0
    assert plant.power[0].sum() == pytest.approx(1000.0 * N)
    plant.draw(p_w, q_var)
    plant.settle()
    assert plant.power[0].sum() == 0.0


def test_unknown_switches_and_shapes_are_errors():
    plant = new_plant()
    with pytest.raises(SimulationError, match="no switch"):
        plant.operate("switch/lv1.101/none", closed=False)
    with pytest.raises(SimulationError, match="shape"):
        plant.draw(np.zeros((N + 1, 3)), np.zeros((N + 1, 3)))
    with pytest.raises(SimulationError, match="not been solved"):
        _ = plant.state
