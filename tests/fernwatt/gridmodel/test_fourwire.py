"""The four-wire solver against runpp, balanced, and against formulae of single lines."""

from __future__ import annotations

from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ConvergenceError, ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.linetypes import line_conductors
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import FourWireSolver, PandapowerSolver, make_solver
from fernwatt.gridmodel.solvers.fourwire.contexts import context_for

QUICK = [
    {"simbench": "1-LV-rural1--0-sw"},
    {"simbench": "1-LV-semiurb4--0-sw"},
    {"simbench": "1-LV-rural3--0-sw"},
    {"simbench": "1-MV-semiurb--0-sw"},
    {"pandapower": "create_cigre_network_lv"},
    {"pandapower": "create_cigre_network_mv"},
]
SLOW = [
    {"simbench": "1-LV-rural2--0-sw"},
    {"simbench": "1-LV-semiurb5--0-sw"},
    {"simbench": "1-LV-urban6--0-sw"},
    {"simbench": "1-MV-rural--0-sw"},
    {"simbench": "1-MV-urban--0-sw"},
    {"simbench": "1-MV-comm--0-sw"},
    {"pandapower": "mv_oberrhein"},
    {"pandapower": "case33bw"},
    {"pandapower": "create_kerber_landnetz_freileitung_1"},
    {"pandapower": "simple_mv_open_ring_net"},
]
TT = Earthing(substation_ohm=1.0, customer_ohm=inf)


def by_phase(values):
    return np.repeat(np.asarray(values, dtype=float)[:, None] / 3, 3, axis=1)


def assert_balanced_as(ours, reference, v_pu=1e-5):
    live = reference.energised
    assert (ours.energised == live).all()
    assert np.abs(ours.vm_pu - reference.vm_pu)[live].max() < v_pu
    assert np.abs(ours.va_degree - reference.va_degree)[live].max() < 1e-3
    assert np.isnan(ours.vm_pu[~live]).all()
    scale = max(1.0, abs(reference.p_slack_w))
    for one, other in ((ours.line, reference.line), (ours.transformer, reference.transformer)):
        assert np.allclose(one.p_from_w, other.p_from_w, atol=1e-5 * scale)
        assert np.allclose(one.q_to_var, other.q_to_var, atol=1e-5 * scale)
        assert np.allclose(one.loading_percent, other.loading_percent, atol=5e-3)
        assert np.allclose(one.i_a, other.i_a, rtol=1e-4, atol=1e-2)
    assert ours.p_slack_w == pytest.approx(reference.p_slack_w, rel=2e-5, abs=1.0)
    assert ours.p_loss_w == pytest.approx(reference.p_loss_w, rel=1e-3, abs=1.0)
    # conductors of a balanced grid: equal phases, nothing in the neutral
    three = ours.conductors.v_bus_v[live]
    assert (three.max(axis=1) / three.min(axis=1)).max() < 1 + 2e-6
    assert ours.conductors.i_line_a[:, 3].max(initial=0) < 1e-3


def check_against_runpp(model, loads=(1.0, 0.2, -0.5)):
    ours, slow = FourWireSolver(model), PandapowerSolver(model)
    p_w, q_var = model.static_power()
    for factor in loads:
        drawn = by_phase(p_w * factor), by_phase(q_var * factor)
        assert_balanced_as(ours.solve(*drawn), slow.solve(*drawn))


@pytest.mark.parametrize("source", QUICK, ids=lambda s: next(iter(s.values())))
def test_balanced_power_gives_what_runpp_gives(source):
    check_against_runpp(load_grid(source))


@pytest.mark.slow
@pytest.mark.parametrize("source", SLOW, ids=lambda s: next(iter(s.values())))
def test_balanced_power_gives_what_runpp_gives_on_more_grids(source):
    check_against_runpp(load_grid(source))


def test_medium_voltage_above_low_voltage_is_in_the_same_solution():
    below = [{"simbench": "1-LV-semiurb4--0-sw", "at": "MV2.101 Load 5"}]
    model = load_grid({"simbench": "1-MV-semiurb--0-sw"}, lv=below)
    check_against_runpp(model, loads=(1.0, -0.3))
    # and medium voltage feels what low voltage draws
    solver = FourWireSolver(model)
    p_w, q_var = (by_phase(part) for part in model.static_power())
    before = solver.solve(p_w, q_var)
    low = np.array([t.voltage_level == "lv" for t in model.terminals])
    after = solver.solve(np.where(low[:, None], 0.0, p_w), q_var)
    mv = np.array([bus.vn_v > 1000 for bus in model.buses])
    assert np.abs(after.vm_pu - before.vm_pu)[mv].max() > 1e-5


# -- a single line, by hand ------------------------------------------------------------------


def two_buses(tmp_path, loads=1, r=0.5, x=0.1, length_km=0.5, **line):
    """A source in low voltage, a line, and terminals at its end."""
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 0.4, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, length_km, r, x, 0.0, 0.3, name="l", **line)
    pp.create_switch(net, a, 0, "l", name="s")
    for number in range(loads):
        pp.create_load(net, b, 0.001, name=f"x{number}")
    pp.to_json(net, tmp_path / "net.json")
    return load_grid({"file": "net.json"}, base_dir=tmp_path)


V0 = 400 / 3**0.5


def loaded_voltage(z_ohm, s_va, source_v=V0):
    """The voltage behind an impedance that feeds constant power: the upper root of a quadratic."""
    v = source_v + 0j
    for _ in range(200):
        v = source_v - z_ohm * np.conj(s_va / v)
    return v


def test_one_phase_loaded_is_the_closed_form(tmp_path):
    """Voltage drop over phase and neutral, neutral current and voltage, of one loaded phase."""
    model = connect_phases(two_buses(tmp_path), {"terminal/lv1/x0": 1})
    solver = FourWireSolver(model, TT)
    p, q = 8000.0, 2000.0
    state = solver.solve(np.array([[p, 0, 0]]), np.array([[q, 0, 0]]))
    z1 = complex(0.5, 0.1) * 0.5
    v = loaded_voltage(2 * z1, complex(p, q))  # out by the phase, back by an equal neutral
    i = np.conj(complex(p, q) / v)
    wires = state.conductors
    assert wires.v_terminal_v[0] == pytest.approx([abs(v), 0, 0], abs=1e-5)
    assert wires.i_line_a[0] == pytest.approx([abs(i), 0, 0, abs(i)], abs=1e-3)
    assert wires.v_neutral_v == pytest.approx([0, abs(z1 * i)], abs=1e-3)
    # the others, without current, feel the neutral's voltage alone
    a = np.exp(2j * np.pi / 3)
    assert wires.v_bus_v[1, 1:] == pytest.approx(
        [abs(V0 * a**2 - z1 * i), abs(V0 * a - z1 * i)], abs=1e-3
    )
    assert state.p_loss_w == pytest.approx(2 * z1.real * abs(i) ** 2, abs=1e-3)
    assert state.p_slack_w == pytest.approx(p + state.p_loss_w, abs=1e-3)
    assert state.q_slack_var == pytest.approx(q + 2 * z1.imag * abs(i) ** 2, abs=1e-3)
    assert state.line.i_a[0] == pytest.approx(abs(i), abs=1e-3)


def test_an_earth_electrode_takes_its_share_of_the_neutrals_current(tmp_path):
    """Neutral and earth in parallel: a system of two equations, written out by hand."""
    model = connect_phases(two_buses(tmp_path), {"terminal/lv1/x0": 2})
    near, far = 2.0, 5.0
    solver = FourWireSolver(model, Earthing(substation_ohm=near, customer_ohm=far))
    p = 6000.0
    state = solver.solve(np.array([[0, p, 0]]), np.zeros((1, 3)))
    z = line_conductors(model).z_ohm_per_km[0] * 0.5
    # i: phase current; k: what of it comes back by the earth
    neutral_loop = z[3, 3] + near + far
    share = (z[3, 3] - z[1, 3]) / neutral_loop
    effective = z[1, 1] - 2 * z[1, 3] + z[3, 3] - (z[3, 3] - z[1, 3]) * share
    v = loaded_voltage(effective, p)
    i = np.conj(p / v)
    k = i * share
    wires = state.conductors
    assert wires.v_terminal_v[0, 1] == pytest.approx(abs(v), abs=1e-4)
    assert wires.v_neutral_v == pytest.approx([abs(near * k), abs(far * k)], abs=1e-4)
    assert wires.i_line_a[0, 3] == pytest.approx(abs(i - k), abs=1e-3)
    assert state.p_slack_w == pytest.approx(p + state.p_loss_w, abs=1e-2)


def test_the_records_zero_sequence_is_the_loop_through_the_neutral(tmp_path):
    model = two_buses(tmp_path, r0_ohm_per_km=1.7, x0_ohm_per_km=0.4, c0_nf_per_km=0.0)
    model = connect_phases(model, {"terminal/lv1/x0": 3})
    state = FourWireSolver(model, TT).solve(np.array([[0, 0, 5000.0]]), np.zeros((1, 3)))
    loop = (2 * complex(0.5, 0.1) + complex(1.7, 0.4)) / 3 * 0.5
    assert state.conductors.v_terminal_v[0, 2] == pytest.approx(
        abs(loaded_voltage(loop, 5000.0)), abs=1e-4
    )


# -- what breaks -----------------------------------------------------------------------------


def test_a_lost_neutral_shifts_the_star_point_as_millman_says(tmp_path):
    """Constant impedances between three phases and a floating point."""
    model = two_buses(tmp_path, loads=3)
    model = connect_phases(model, {f"terminal/lv1/x{k}": k + 1 for k in range(3)})
    solver = FourWireSolver(model, TT)
    p_w = np.diag([6000.0, 2000.0, 500.0])
    before = solver.solve(p_w, np.zeros((3, 3)))
    assert np.ptp(before.conductors.v_terminal_v.max(axis=1)) < 25
    solver.set_conductor(0, 3, whole=False)
    lost = solver.solve(p_w, np.zeros((3, 3)))
    z_load = V0**2 / np.diag(p_w)
    source = V0 * np.exp(-2j * np.pi / 3 * np.arange(3))
    y = 1 / (complex(0.5, 0.1) * 0.5 + z_load)  # without return, the line has its positive sequence
    star = (source * y).sum() / y.sum()
    v = np.abs((source - star) * y * z_load)
    assert np.diag(lost.conductors.v_terminal_v) == pytest.approx(v, rel=1e-6)
    assert v.max() > 330  # the least loaded customer's devices burn
    assert lost.p_terminals_w == pytest.approx(v**2 / z_load, rel=1e-5)
    assert lost.conductors.i_line_a[0, 3] < 1e-3
    assert lost.conductors.v_neutral_v[1] == pytest.approx(abs(star), abs=5)
    assert lost.energised.all()
    assert lost.conductors.terminal_live.all()
    solver.set_conductor(0, 3, whole=True)
    after = solver.solve(p_w, np.zeros((3, 3)))
    assert np.array_equal(after.vm_pu, before.vm_pu)


def test_an_open_phase_leaves_its_customer_dark_and_the_others_lit(tmp_path):
    model = two_buses(tmp_path, loads=3)
    model = connect_phases(model, {f"terminal/lv1/x{k}": k + 1 for k in range(3)})
    solver = FourWireSolver(model, TT)
    p_w = np.diag([3000.0, 2000.0, 1000.0])
    solver.set_conductor(0, 1, whole=False)
    state = solver.solve(p_w, np.zeros((3, 3)))
    wires = state.conductors
    assert list(wires.terminal_live) == [True, False, True]
    assert wires.v_terminal_v[1, 1] < 0.01
    assert state.p_terminals_w[1] < 1e-3
    assert state.energised.all()
    # the other two: impedances in a circuit of two phases and the neutral, as a matrix by hand
    z1 = complex(0.5, 0.1) * 0.5
    z_load = V0**2 / np.array([3000.0, 1000.0])
    source = V0 * np.exp(-2j * np.pi / 3 * np.array([0, 2]))
    currents = np.linalg.solve(np.full((2, 2), z1) + np.diag(z1 + z_load), source)
    assert wires.v_terminal_v[[0, 2], [0, 2]] == pytest.approx(np.abs(currents) * z_load, rel=1e-6)
    assert wires.i_line_a[0, 3] == pytest.approx(abs(currents.sum()), abs=1e-3)


def test_swapped_phases_swap_what_the_line_carries_not_what_the_customer_counts(tmp_path):
    model = two_buses(tmp_path)
    solver = FourWireSolver(model, TT)
    p_w = np.array([[4000.0, 2000.0, 500.0]])
    before = solver.solve(p_w, np.zeros((1, 3)))
    solver.set_wiring(0, (2, 1, 3))
    after = solver.solve(p_w, np.zeros((1, 3)))
    assert np.array_equal(after.conductors.p_terminal_w, p_w)
    was, now = before.conductors.i_line_a[0], after.conductors.i_line_a[0]
    ratio = now[:2] / was[1::-1]
    assert ratio == pytest.approx([1, 1], abs=0.03)
    assert now[0] < now[1]
    # its own first conductor, loaded most, has the lowest voltage, wherever it hangs
    assert after.conductors.v_terminal_v[0].argmin() == 0
    assert after.conductors.v_bus_v[1].argmin() == 1
    # the mirrored circuit: phases 1 and 2 exchanged at the load are exchanged at the source
    solver.set_wiring(0, (1, 2, 3))
    again = solver.solve(p_w, np.zeros((1, 3)))
    assert np.allclose(again.vm_pu, before.vm_pu, rtol=1e-12)
    crossed = solver.solve(p_w[:, [1, 0, 2]], np.zeros((1, 3)))
    assert np.allclose(crossed.conductors.v_bus_v[1], after.conductors.v_bus_v[1], rtol=1e-9)


def test_a_swapped_single_phase_customer_loads_the_other_phase(tmp_path):
    model = connect_phases(two_buses(tmp_path), {"terminal/lv1/x0": 1})
    solver = FourWireSolver(model, TT)
    solver.set_wiring(0, (3, 2, 1))
    state = solver.solve(np.array([[3000.0, 0, 0]]), np.zeros((1, 3)))
    assert state.conductors.p_terminal_w[0] == pytest.approx([3000, 0, 0])
    assert state.conductors.i_line_a[0].argmin() != 2
    assert state.conductors.i_line_a[0, 2] == pytest.approx(
        state.conductors.i_line_a[0, 3], rel=1e-6
    )
    assert state.conductors.v_terminal_v[0, 0] == pytest.approx(
        state.conductors.v_bus_v[1, 2], rel=1e-9
    )


def test_power_on_a_phase_that_a_terminal_has_not_is_drawn_on_the_one_it_has(tmp_path):
    model = connect_phases(two_buses(tmp_path), {"terminal/lv1/x0": 2})
    state = FourWireSolver(model).solve(np.full((1, 3), 1000.0), np.full((1, 3), 100.0))
    assert state.conductors.p_terminal_w[0] == pytest.approx([0, 3000, 0])
    assert state.conductors.q_terminal_var[0] == pytest.approx([0, 300, 0])
    assert state.p_terminals_w[0] == pytest.approx(3000)


# -- the solver as a whole -------------------------------------------------------------------


@pytest.fixture(scope="module")
def uneven():
    model = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
    return connect_phases(model, assign_phases(model, PhaseRule(), seed=1))


@pytest.fixture(scope="module")
def uneven_solver(uneven):
    return FourWireSolver(uneven)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_power_balance_of_uneven_loads(uneven, uneven_solver, seed):
    solver = uneven_solver
    rng = np.random.default_rng(seed)
    n = len(uneven.terminals)
    p_w, q_var = rng.normal(0, 1500, (n, 3)), rng.normal(0, 500, (n, 3))
    state = solver.solve(p_w, q_var)
    assert state.p_slack_w == pytest.approx(p_w.sum() + state.p_loss_w, abs=0.1)
    assert np.allclose(state.p_terminals_w, p_w.sum(axis=1), atol=1e-6)
    assert np.allclose(state.conductors.p_terminal_w.sum(axis=1), state.p_terminals_w)
    assert state.p_loss_w > 0
    assert np.isfinite(state.vm_pu).all()


def test_two_circuits_in_one_process_and_two_runs_give_the_same_bits(uneven):
    rng = np.random.default_rng(3)
    n = len(uneven.terminals)
    one, other = FourWireSolver(uneven), FourWireSolver(uneven)
    third = FourWireSolver(load_grid({"simbench": "1-LV-rural1--0-sw"}))
    powers = [rng.normal(500, 1500, (n, 3)) for _ in range(4)]
    zero = np.zeros((n, 3))
    first = [one.solve(p_w, zero) for p_w in powers]
    third.solve(*(by_phase(part) for part in third._model.static_power()))
    other.set_switch(0, closed=False)
    other.solve(powers[2], zero)
    other.set_switch(0, closed=True)
    second = [other.solve(p_w, zero) for p_w in reversed(powers)][::-1]
    for a, b in zip(first, second, strict=True):  # whatever came before
        assert np.array_equal(a.vm_pu, b.vm_pu)
        assert np.array_equal(a.conductors.i_line_a, b.conductors.i_line_a)
        assert a.p_slack_w == b.p_slack_w


@pytest.mark.parametrize("watts", [1e7, 1e9])
def test_a_short_circuit_of_a_load_has_no_solution_and_says_why(watts):
    model = load_grid({"simbench": "1-LV-rural1--0-sw"})
    solver = make_solver("four-wire", model)
    p_w, q_var = (by_phase(part) for part in model.static_power())
    before = solver.solve(p_w, q_var)
    short = p_w.copy()
    short[3] = watts
    with pytest.raises(ConvergenceError) as caught:
        solver.solve(short, q_var)
    text = str(caught.value)
    assert model.terminals[3].id in text
    assert f"{3 * watts:.0f} W" in text
    after = solver.solve(p_w, q_var)  # a failure leaves the solver usable, and as it was
    assert np.array_equal(after.vm_pu, before.vm_pu)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_power_that_is_no_number_is_refused(bad):
    model = load_grid({"simbench": "1-LV-rural1--0-sw"})
    p_w = np.zeros((len(model.terminals), 3))
    p_w[2, 1] = bad
    with pytest.raises(ValueError, match=r"terminal/lv1\.101/"):
        FourWireSolver(model).solve(p_w, np.zeros_like(p_w))


@pytest.mark.parametrize(
    ("source", "count"), [("1-LV-semiurb4--0-sw", 12), ("1-MV-semiurb--0-sw", 12)]
)
def test_switches_do_what_they_do_in_runpp(source, count):
    model = load_grid({"simbench": source})
    ours, slow = FourWireSolver(model), PandapowerSolver(model)
    drawn = tuple(by_phase(part * 0.3) for part in model.static_power())
    closed = [switch.closed for switch in model.switches]
    rng = np.random.default_rng(7)
    dark = 0
    for _ in range(count):
        index = int(rng.integers(len(closed)))
        closed[index] = not closed[index]
        ours.set_switch(index, closed[index])
        slow.set_switch(index, closed[index])
        state, expected = ours.solve(*drawn), slow.solve(*drawn)
        assert (state.energised == expected.energised).all()
        live = expected.energised
        assert np.abs(state.vm_pu - expected.vm_pu)[live].max() < 1e-5
        assert np.allclose(state.line.i_a, expected.line.i_a, rtol=1e-4, atol=1e-2)
        assert state.p_slack_w == pytest.approx(expected.p_slack_w, rel=2e-5, abs=20.0)
        assert np.allclose(state.p_terminals_w, expected.p_terminals_w, atol=0.1)
        dark += int((~live).sum())
    assert dark > 0


def test_an_even_clock_of_two_is_refused_with_a_hint(tmp_path):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 20.0, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a)
    pp.create_transformer_from_parameters(
        net, a, b, 0.4, 20.0, 0.4, 1.0, 4.0, 1.0, 0.3, shift_degree=180, name="t"
    )
    pp.to_json(net, tmp_path / "net.json")
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    with pytest.raises(ScenarioError, match="clock 6"):
        FourWireSolver(model)


@pytest.mark.parametrize("clock", [1, 3, 5, 7, 9, 11, 0, 4, 8])
def test_every_clock_turns_as_in_runpp(tmp_path, clock):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 20.0, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a)
    pp.create_transformer_from_parameters(
        net, a, b, 0.4, 20.0, 0.41, 1.0, 4.0, 1.0, 0.3, shift_degree=30 * clock, name="t",
        tap_side="lv", tap_pos=2, tap_neutral=0, tap_step_percent=1.5, tap_min=-2, tap_max=2,
        tap_changer_type="Ratio",
    )  # fmt: skip
    pp.create_load(net, b, 0.2, 0.05, name="x")
    pp.to_json(net, tmp_path / "net.json")
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    check_against_runpp(model, loads=(1.0,))


def test_parallel_parts_and_shunts_count_as_in_runpp(tmp_path):
    import pandapower as pp

    net = pp.create_empty_network()
    buses = [pp.create_bus(net, kv, name=f"n{k}") for k, kv in enumerate((20.0, 20.0, 0.4, 0.4))]
    pp.create_ext_grid(net, buses[0])
    pp.create_line_from_parameters(net, buses[0], buses[1], 2.0, 0.2, 0.1, 300, 0.3, parallel=2)
    pp.create_transformer_from_parameters(
        net, buses[1], buses[2], 0.4, 20.0, 0.4, 1.0, 4.0, 1.0, 0.3, shift_degree=150, parallel=2
    )
    pp.create_line_from_parameters(net, buses[2], buses[3], 0.1, 0.2, 0.08, 300, 0.3, parallel=3)
    pp.create_shunt(net, buses[1], q_mvar=-0.3, p_mw=0.05, step=2)
    pp.create_shunt(net, buses[3], q_mvar=-0.05, p_mw=0.002)
    pp.create_load(net, buses[3], 0.1, 0.03, name="x")
    pp.create_load(net, buses[0], 0.2, 0.01, name="y")
    pp.to_json(net, tmp_path / "net.json")
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    check_against_runpp(model)
    state = FourWireSolver(model).solve(*(by_phase(part) for part in model.static_power()))
    assert state.p_loss_w > 100e3  # shunts and all
    assert state.p_slack_w == pytest.approx(300e3 + state.p_loss_w, abs=0.5)


def test_a_grid_where_nobody_draws_anything_has_a_solution(tmp_path):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 0.4, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a, vm_pu=1.02)
    pp.create_line_from_parameters(net, a, b, 0.1, 0.2, 0.08, 300, 0.3, name="l")
    pp.to_json(net, tmp_path / "net.json")
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    nothing = np.zeros((0, 3))
    state = FourWireSolver(model).solve(nothing, nothing)
    assert state.vm_pu == pytest.approx([1.02, 1.02], abs=1e-6)
    assert state.p_terminals_w.shape == (0,)


@pytest.fixture(scope="module")
def damaged_solver(uneven):
    return FourWireSolver(uneven)


@given(
    seed=st.integers(0, 2**32 - 1),
    broken=st.sets(st.tuples(st.integers(0, 41), st.integers(0, 3)), min_size=1, max_size=4),
)
@settings(max_examples=25, deadline=None)
def test_whatever_breaks_there_are_numbers_that_add_up(uneven, damaged_solver, seed, broken):
    """Loads and feed-in behind any broken conductors; mending brings the same bits back."""
    solver, n = damaged_solver, len(uneven.terminals)
    rng = np.random.default_rng(seed)
    p_w = rng.normal(500, 1500, (n, 3))
    q_var = 0.2 * p_w
    before = solver.solve(p_w, q_var)
    for line, conductor in sorted(broken):
        solver.set_conductor(line, conductor, whole=False)
    try:
        state = solver.solve(p_w, q_var)
        wires = state.conductors
        assert np.isfinite(state.vm_pu[state.energised]).all()
        assert state.p_slack_w == pytest.approx(state.p_terminals_w.sum() + state.p_loss_w, abs=0.5)
        assert np.isfinite(wires.v_terminal_v).all()
        for line, conductor in broken:
            assert abs(wires.i_line[line, 0, conductor]) < 1e-3
        # what feeds in burns nothing: no phase above what two phases in series leave for one
        assert wires.v_terminal_v.max() < 1.15 * 400
        # a dead phase lies between neutrals of different voltage, which drives next to nothing
        drawn_w = wires.p_terminal_w[~wires.terminal_live].sum(axis=1)
        lost_neutral = any(conductor == 3 for _, conductor in broken)
        assert (drawn_w < (200.0 if lost_neutral else 1.0)).all()
    finally:
        for line, conductor in broken:
            solver.set_conductor(line, conductor, whole=True)
    after = solver.solve(p_w, q_var)
    assert np.array_equal(after.vm_pu, before.vm_pu)
    assert after.p_slack_w == before.p_slack_w


def test_feed_in_behind_a_lost_neutral_stops_when_its_voltage_is_out_of_bounds(tmp_path):
    model = two_buses(tmp_path, loads=3)
    model = connect_phases(model, {f"terminal/lv1/x{k}": k + 1 for k in range(3)})
    solver = FourWireSolver(model, TT)
    zero = np.zeros((3, 3))
    p_w = np.diag([4000.0, 400.0, -3000.0])
    assert solver.solve(p_w, zero).p_terminals_w[2] == pytest.approx(-3000.0)
    solver.set_conductor(0, 3, whole=False)
    lost = solver.solve(p_w, zero)
    without = solver.solve(np.diag([4000.0, 400.0, 0.0]), zero)
    assert lost.p_terminals_w[2] == 0.0
    assert np.array_equal(lost.vm_pu, without.vm_pu)
    solver.set_conductor(0, 3, whole=True)
    solver.set_conductor(0, 0, whole=False)  # another phase: its own voltage stays as it is
    fed = solver.solve(p_w, zero)
    assert fed.p_terminals_w[2] == pytest.approx(-3000.0, rel=0.1)
    assert fed.conductors.v_terminal_v[2, 2] > 231


def test_opendss_never_moves_the_process_to_another_folder(tmp_path):
    owner = type("Owner", (), {})()
    here = Path.cwd()
    context_for(owner).Text.Command = f"set datapath={tmp_path}"
    assert Path.cwd() == here
