"""The fast solver against pandapower's runpp, and what both do when there is no solution."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ConvergenceError, ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import BalancedSolver, PandapowerSolver, make_solver

QUICK = [
    {"simbench": "1-LV-rural1--0-sw"},
    {"simbench": "1-LV-semiurb4--0-sw"},
    {"simbench": "1-MV-semiurb--0-sw"},
    {"pandapower": "create_cigre_network_lv"},
    {"pandapower": "create_cigre_network_mv"},
]
SLOW = [
    {"simbench": "1-LV-rural2--0-sw"},
    {"simbench": "1-LV-rural3--2-sw"},
    {"simbench": "1-LV-semiurb5--0-sw"},
    {"simbench": "1-LV-urban6--0-sw"},
    {"simbench": "1-MV-rural--0-sw"},
    {"simbench": "1-MV-urban--0-sw"},
    {"simbench": "1-MV-comm--0-sw"},
    {"simbench": "1-MVLV-urban-all-0-sw"},
    {"pandapower": "mv_oberrhein"},
    {"pandapower": "case33bw"},
    {"pandapower": "create_kerber_landnetz_freileitung_1"},
    {"pandapower": "simple_mv_open_ring_net"},
]
DISTRICT = (
    {"simbench": "1-MV-semiurb--0-sw"},
    [
        {"simbench": "1-LV-semiurb4--0-sw", "at": "MV2.101 Load 5"},
        {"simbench": "1-LV-semiurb4--0-sw", "at": "MV2.101 Load 6"},
        {"simbench": "1-LV-rural1--0-sw", "at": 40},
    ],
)


def by_phase(values):
    return np.repeat(np.asarray(values, dtype=float)[:, None] / 3, 3, axis=1)


def assert_same(fast, slow):
    assert (fast.energised == slow.energised).all()
    live = fast.energised
    assert np.abs(fast.vm_pu[live] - slow.vm_pu[live]).max() < 1e-5
    assert np.abs(fast.va_degree[live] - slow.va_degree[live]).max() < 1e-3
    assert np.isnan(fast.vm_pu[~live]).all()
    scale = max(1.0, abs(slow.p_slack_w))
    for one, other in ((fast.line, slow.line), (fast.transformer, slow.transformer)):
        assert np.allclose(one.p_from_w, other.p_from_w, atol=1e-5 * scale)
        assert np.allclose(one.q_to_var, other.q_to_var, atol=3e-5 * scale)
        assert np.allclose(one.loading_percent, other.loading_percent, atol=5e-3)
        assert np.allclose(one.i_a, other.i_a, rtol=1e-4, atol=1e-2)
    assert fast.p_slack_w == pytest.approx(slow.p_slack_w, rel=2e-5, abs=1.0)
    assert fast.p_loss_w == pytest.approx(slow.p_loss_w, rel=1e-3, abs=1.0)


def check_against_runpp(model, loads=(1.0, 0.2, -0.5)):
    fast, slow = BalancedSolver(model), PandapowerSolver(model)
    p_w, q_var = model.static_power()
    for factor in loads:
        drawn = by_phase(p_w * factor), by_phase(q_var * factor)
        assert_same(fast.solve(*drawn), slow.solve(*drawn))


@pytest.mark.parametrize("source", QUICK, ids=lambda s: next(iter(s.values())))
def test_fast_solver_equals_runpp(source):
    check_against_runpp(load_grid(source))


@pytest.mark.slow
@pytest.mark.parametrize("source", SLOW, ids=lambda s: next(iter(s.values())))
def test_fast_solver_equals_runpp_on_more_grids(source):
    check_against_runpp(load_grid(source))


def test_fast_solver_equals_runpp_on_a_composed_district():
    check_against_runpp(load_grid(DISTRICT[0], lv=DISTRICT[1]), loads=(1.0, -0.3))


def test_the_record_solves_as_simbench_and_pandapower_would():
    """The whole way, sanitising included, against runpp of SimBench's own network."""
    import pandapower as pp
    import simbench

    net = simbench.get_simbench_net("1-LV-semiurb4--0-sw")
    net.trafo["tap_changer_type"] = "Ratio"
    pp.runpp(net, calculate_voltage_angles=True, init="dc")
    model = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
    state = BalancedSolver(model).solve(*(by_phase(part) for part in model.static_power()))
    expected = dict(zip(net.bus.name, net.res_bus.vm_pu, strict=True))
    ours = {bus.name: vm for bus, vm in zip(model.buses, state.vm_pu, strict=True)}
    assert ours.keys() == expected.keys()
    assert max(abs(ours[name] - expected[name]) for name in ours) < 1e-5


@pytest.fixture(scope="module")
def rural():
    model = load_grid({"simbench": "1-LV-rural1--0-sw"})
    return model, BalancedSolver(model)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_power_balance(rural, seed):
    """What comes in from upstream is what terminals draw and branches lose."""
    model, solver = rural
    rng = np.random.default_rng(seed)
    n = len(model.terminals)
    p_w, q_var = rng.normal(0, 3000, (n, 3)), rng.normal(0, 1000, (n, 3))
    state = solver.solve(p_w, q_var)
    assert state.p_slack_w == pytest.approx(p_w.sum() + state.p_loss_w, abs=0.1)
    assert np.allclose(state.p_terminals_w, p_w.sum(axis=1), atol=1e-6)
    assert state.p_loss_w > 0


def test_shunts_count_as_losses(tmp_path):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 20.0, name="a"), pp.create_bus(net, 20.0, name="b")
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, 1.0, 0.2, 0.1, 10, 0.3, name="l")
    pp.create_shunt(net, b, q_mvar=-0.3, p_mw=0.05, step=2)
    pp.create_load(net, b, 1.0, 0.2, name="x")
    pp.to_json(net, tmp_path / "net.json")
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    drawn = by_phase([1e6]), by_phase([2e5])
    fast, slow = BalancedSolver(model).solve(*drawn), PandapowerSolver(model).solve(*drawn)
    assert_same(fast, slow)
    assert fast.p_loss_w > 100e3 * 0.9
    assert fast.p_slack_w == pytest.approx(1e6 + fast.p_loss_w, abs=1.0)


@pytest.mark.parametrize("solver", ["balanced", "pandapower"])
def test_a_short_circuit_of_a_load_has_no_solution_and_says_why(solver):
    model = load_grid({"simbench": "1-LV-rural1--0-sw"})
    made = make_solver(solver, model)
    p_w, q_var = (by_phase(part) for part in model.static_power())
    before = made.solve(p_w, q_var)
    short = p_w.copy()
    short[3] = 1e9
    with pytest.raises(ConvergenceError) as caught:
        made.solve(short, q_var)
    text = str(caught.value)
    assert model.terminals[3].id in text
    assert "3000000000 W" in text
    if solver == "balanced":
        assert "worst bus bus/lv1.101/" in text
    after = made.solve(p_w, q_var)  # a failure leaves the solver usable
    assert np.array_equal(after.vm_pu, before.vm_pu)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_power_that_is_no_number_is_refused(bad):
    model = load_grid({"simbench": "1-LV-rural1--0-sw"})
    p_w = np.zeros((len(model.terminals), 3))
    p_w[2, 1] = bad
    with pytest.raises(ValueError, match=r"terminal/lv1\.101/"):
        BalancedSolver(model).solve(p_w, np.zeros_like(p_w))


def supplied(model, closed):
    """What networkx says of the buses, from the model's own description alone."""
    state = {switch.id: now for switch, now in zip(model.switches, closed, strict=True)}
    blocked = {s.element for s in model.switches if s.kind != "bus" and not state[s.id]}
    graph = nx.Graph()
    graph.add_nodes_from(bus.id for bus in model.buses)
    graph.add_edges_from((x.from_bus, x.to_bus) for x in model.lines if x.id not in blocked)
    graph.add_edges_from((x.hv_bus, x.lv_bus) for x in model.transformers if x.id not in blocked)
    graph.add_edges_from(
        (s.bus, s.element) for s in model.switches if s.kind == "bus" and state[s.id]
    )
    sources = [model.buses[int(row)].id for row in model.net.ext_grid.bus]
    reached = set().union(*(nx.node_connected_component(graph, source) for source in sources))
    return np.array([bus.id in reached for bus in model.buses])


@pytest.mark.parametrize(
    ("source", "count"), [("1-LV-semiurb4--0-sw", 12), ("1-MV-semiurb--0-sw", 12)]
)
def test_switches_de_energise_what_networkx_says(source, count):
    model = load_grid({"simbench": source})
    fast, slow = BalancedSolver(model), PandapowerSolver(model)
    drawn = tuple(by_phase(part * 0.3) for part in model.static_power())
    closed = [switch.closed for switch in model.switches]
    rng = np.random.default_rng(7)
    dark = 0
    for step in range(count):
        index = int(rng.integers(len(closed)))
        closed[index] = not closed[index]
        fast.set_switch(index, closed[index])
        slow.set_switch(index, closed[index])
        state = fast.solve(*drawn)
        assert (state.energised == supplied(model, closed)).all()
        dark += int((~state.energised).sum())
        if step % 4 == 3:
            assert_same(state, slow.solve(*drawn))
    assert dark > 0


def test_two_switches_at_one_end_are_in_series(tmp_path):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 0.4, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a)
    line = pp.create_line_from_parameters(net, a, b, 0.1, 0.2, 0.1, 10, 0.3, name="l")
    for name in ("s1", "s2"):
        pp.create_switch(net, a, line, "l", name=name)
    pp.create_load(net, b, 0.01, name="x")
    pp.to_json(net, tmp_path / "net.json")
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    solver = BalancedSolver(model)
    drawn = by_phase([1e4]), by_phase([0.0])
    live = []
    for index, closed in ((0, True), (0, False), (1, False), (0, True), (1, True)):
        solver.set_switch(index, closed)
        live.append(bool(solver.solve(*drawn).energised.all()))
    assert live == [True, False, False, False, True]


def test_an_unknown_solver_is_a_fault_with_a_hint():
    model = load_grid({"simbench": "1-LV-rural1--0-sw"})
    with pytest.raises(ScenarioError, match="did you mean balanced"):
        make_solver("balance", model)
