"""Quality of supply of a plant with two buses, against formulas."""

from __future__ import annotations

import json
from math import inf
from types import SimpleNamespace

import numpy as np
import pytest

from fernwatt.adapter import plain_value
from fernwatt.errors import ScenarioError, SimulationError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.faults import Short, Upstream
from fernwatt.gridmodel.phases import connect_phases
from fernwatt.gridmodel.solvers import BalancedSolver, FourWireSolver
from simulators.grid.news import News
from simulators.grid.plant import Plant
from simulators.grid.quality import (
    Distortion,
    Frequency,
    KindsDrawn,
    Quality,
    Recorder,
    find_places,
    make_quality,
)
from simulators.grid.solutions import Solutions

TT = Earthing(substation_ohm=1.0, customer_ohm=inf)
Z1 = complex(0.25, 0.05)
LOAD, BUS = "terminal/lv1/x0", "bus/lv1/b"
V0 = 400 / 3**0.5


def low_voltage(tmp_path, loads=1):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 0.4, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, 0.5, 2 * Z1.real, 2 * Z1.imag, 0.0, 0.3, name="l")
    pp.create_switch(net, a, 0, "l", name="s")
    for number in range(loads):
        pp.create_load(net, b, 0.001, name=f"x{number}")
    pp.to_json(net, tmp_path / "net.json")
    return load_grid({"file": "net.json"}, base_dir=tmp_path)


def medium_voltage(tmp_path, length_km):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 20.0, name="a"), pp.create_bus(net, 20.0, name="b")
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, length_km, 0.2, 0.35, 0.0, 0.3, name="l")
    pp.create_load(net, b, 0.0, name="x")
    pp.to_json(net, tmp_path / "net.json")
    return load_grid({"file": "net.json"}, base_dir=tmp_path)


def one_phase(tmp_path):
    model = connect_phases(low_voltage(tmp_path), {LOAD: 1})
    return model, Plant(model, FourWireSolver(model, TT))


def recorder(model, solver, places="all", **given):
    return Recorder(model, find_places(model, places, solver), Frequency(()), **given)


def table(rows, name):
    return [columns for found, columns in rows if found == name]


def settled(plant, p_w, t_ms=0):
    plant.advance(t_ms)
    plant.draw(np.array(p_w, dtype=float), np.zeros((len(p_w), 3)))
    plant.settle()
    return plant.state


def test_unbalance_of_one_phase_is_that_of_the_sequence_networks(tmp_path):
    """Z1 = Z2 = z, Z0 = 4 z (an equal neutral), in series: V2 = z I/3, V0 = 4 z I/3."""
    model, plant = one_phase(tmp_path)
    recording = recorder(model, plant._solutions._solver)
    state = settled(plant, [[6000.0, 0, 0]])
    recording.see(0, state, "")
    ((_, columns),) = recording.end(state, None)
    i = state.conductors.i_line[0, 0, 0]
    positive = abs(V0 - Z1 * i / 3)
    at = columns["place"].index(BUS)
    assert columns["u2_percent"][at] == pytest.approx(100 * abs(Z1 * i / 3) / positive, rel=1e-6)
    assert columns["u0_percent"][at] == pytest.approx(
        100 * abs(4 * Z1 * i / 3) / positive, rel=1e-6
    )
    assert columns["u2_percent"][1 - at] == pytest.approx(0.0, abs=1e-6)


def test_ten_minutes_are_the_root_of_the_mean_square(tmp_path):
    model, plant = one_phase(tmp_path)
    recording = recorder(model, plant._solutions._solver, [LOAD])
    first = settled(plant, [[2000.0, 0, 0]])
    recording.see(0, first, "")
    second = settled(plant, [[4000.0, 0, 0]], 150_000)
    recording.see(150_000_000, second, "")
    ((_, columns),) = recording.end(second, None)
    v = [state.conductors.v_terminal_v[0, 0] for state in (first, second)]
    assert columns["v_1_v"][0] == pytest.approx(np.sqrt((v[0] ** 2 + 3 * v[1] ** 2) / 4))
    assert columns["v_2_v"] == [None]  # the terminal has it not
    assert not columns["flagged"][0]
    # and one step of voltage is the flicker: Pst = (2.3 d^3.2 / 600)^(1/3.2)
    d = 100 * (v[0] - v[1]) / V0
    assert columns["pst_1"][0] == pytest.approx((2.3 * d**3.2 / 600) ** (1 / 3.2))
    # the next ten minutes know nothing of that
    ((_, columns),) = recording.end(second, None)
    assert columns["v_1_v"][0] == pytest.approx(v[1])
    assert (columns["pst_1"][0], columns["t_ms"]) == (0.0, 600_000)


def test_a_load_that_comes_and_goes_flickers(tmp_path):
    """7 changes a minute of 1.46 %: Pst 1 by IEC 61000-4-15; two hours of it: Plt 1."""
    model, plant = one_phase(tmp_path)
    recording = recorder(model, plant._solutions._solver, [BUS])
    idle = settled(plant, [[0.0, 0, 0]])
    low, high = 0.0, 9000.0
    for _ in range(40):
        p_w = (low + high) / 2
        busy = settled(plant, [[p_w, 0, 0]])
        change = 100 * (V0 - busy.conductors.v_bus_v[1, 0]) / V0
        low, high = (p_w, high) if change < 1.46 else (low, p_w)
    columns = None
    for k in range(7 * 120):
        t_us = int(k * 60e6 / 7)
        if t_us >= recording.due_ms * 1000:
            ((_, columns),) = recording.end(busy, None)
            assert columns["plt_1"] == [None]
        recording.see(t_us, busy if k % 2 else idle, "")
    ((_, columns),) = recording.end(busy, None)
    assert columns["pst_1"][0] == pytest.approx(1.0, abs=0.04)
    assert columns["plt_1"][0] == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("length_km", [1.0, 5.0, 20.0])
def test_a_dip_is_as_deep_as_the_divider_says(tmp_path, length_km):
    model = medium_voltage(tmp_path, length_km)
    solver = FourWireSolver(model)
    upstream = {"s_sc_mva": 200.0, "r_over_x": 0.3}
    plant = Plant(model, Solutions(model, solver, Earthing(), upstream))
    recording = recorder(model, solver)
    recording.see(0, settled(plant, [[0.0, 0, 0]]), "")
    plant.short([Short(id="f", line=0, position=0.5)])
    plant.settle()
    recording.see(1_000_000, plant.state, "fault#1")
    plant.short([])
    plant.settle()
    assert recording.see(1_120_000, plant.state, "trip#1") == []  # it might come back
    rows = recording.see(1_130_000, plant.state, "")
    (columns,) = table(rows, "voltage_event")
    at = columns["place"].index("bus/mv1/a")
    z_source = Upstream.of(upstream, model).impedance(20e3)[0, 0]
    z_line = complex(0.2, 0.35) * length_km * 0.5
    expected = abs(z_line / (z_line + z_source))
    assert columns["extreme_pu"][at] == pytest.approx(expected, rel=1e-4)
    assert (columns["begin_us"][at], columns["end_us"][at]) == (1_000_000, 1_120_000)
    assert (columns["cause"][at], columns["ended_by"][at]) == ("fault#1", "trip#1")
    assert (columns["kind"][at], columns["phases"][at]) == ("dip", "123")
    other = columns["place"].index("bus/mv1/b")
    assert columns["extreme_pu"][other] < 1e-4  # behind the short circuit: no voltage
    ((_, quality),) = recording.end(plant.state, None)
    assert list(quality["flagged"]) == [True, True]
    assert quality["pst_1"][0] == 0.0  # a dip is no flicker


def test_an_open_switch_is_an_interruption(tmp_path):
    model = low_voltage(tmp_path)
    solver = FourWireSolver(model, TT)
    plant = Plant(model, solver)
    recording = recorder(model, solver, [LOAD])
    recording.see(0, settled(plant, [[100.0, 100, 100]]), "")
    plant.operate("switch/lv1/s", False)
    plant.settle()
    assert recording.see(5_000_000, plant.state, "opened") == []
    (columns,) = table(recording.close(9_000_000), "voltage_event")
    assert list(zip(columns["kind"], columns["deep"], columns["complete"], strict=True)) == [
        ("dip", True, False),
        ("interruption", False, False),
    ]
    ((_, quality),) = recording.end(plant.state, None)
    assert quality["v_1_v"][0] == pytest.approx(V0 * np.sqrt(5 / 600), rel=1e-3)
    ((_, quality),) = recording.end(plant.state, None)
    assert quality["v_1_v"][0] == 0.0
    assert quality["u2_percent"] == [None]  # nothing to be uneven


# -- harmonics of the plant --------------------------------------------------------------------


def test_chargers_on_all_phases_fill_the_neutral(tmp_path):
    model = low_voltage(tmp_path)
    solver = FourWireSolver(model, TT)
    plant = Plant(model, solver)
    p_w = np.full((1, 3), 3600.0)
    state = settled(plant, p_w)
    above = Upstream.of({"s_sc_mva": 1.0}, model)
    distortion = Distortion(solver, above, 1)
    recording = recorder(model, solver, [BUS], distortion=distortion)
    recording.see(0, state, "")
    drawn = KindsDrawn(["ev"], p_w[None], np.zeros((1, 1, 3)), np.ones((1, 1)))
    rows = recording.end(state, drawn.with_rest(p_w, np.zeros((1, 3))))
    (current,) = table(rows, "harmonic_current")
    phases = np.array([current[f"triplen_{k}_a"][0] for k in (1, 2, 3)])
    assert current["triplen_neutral_a"][0] == pytest.approx(phases.sum(), rel=1e-3)
    assert phases.min() > 0.5
    (quality,) = table(rows, "quality")
    (harmonic,) = table(rows, "harmonic")
    own = np.array([harmonic[f"u_{k}_percent"] for k in (1, 2, 3)])
    assert np.allclose(
        np.sqrt((own**2).sum(axis=1)), [quality[f"thd_{k}_percent"][0] for k in (1, 2, 3)]
    )
    # by hand: V3 = I3 (Z_s + 4 z), out by the phase, three times as much back by the neutral
    z_above = above.impedance(400.0)[0, 0]
    z3 = complex(z_above.real, 3 * z_above.imag) + 4 * complex(1.02 * Z1.real, 3 * Z1.imag)
    i3 = own[0][0] / 100 * state.conductors.v_bus_v[1, 0] / abs(z3)
    assert i3 == pytest.approx(0.06 * np.abs(state.conductors.i_line[0, 0, 0]), rel=0.03)


def test_what_no_device_tells_is_a_load_or_an_inverter():
    told = KindsDrawn(["ev"], np.full((1, 2, 3), 100.0), np.zeros((1, 2, 3)), np.ones((1, 2)))
    p_w = np.array([[100.0, 100, 100], [400.0, 100, -200]])
    every = told.with_rest(p_w, np.zeros((2, 3)))
    assert every.kinds == ["ev", "load", "pv"]
    assert np.allclose(every.p_w.sum(axis=0), p_w)
    assert every.p_w[1].tolist() == [[0, 0, 0], [300, 0, 0]]
    assert every.p_w[2].tolist() == [[0, 0, 0], [0, 0, -300]]
    assert every.devices[1:].tolist() == [[0, 1], [0, 1]]


def test_lamps_are_devices_too():
    nothing = KindsDrawn.of({}, 3).with_rest(np.zeros((3, 3)), np.zeros((3, 3)))
    lights = SimpleNamespace(feeds=(
        np.array([2, 2, 0]), np.array([[1j, 0, 0], [3, 0, 0], [0, 5, 0]]),
        np.array([True, True, False]), np.array([4.0, 6.0, 8.0]),
    ))  # fmt: skip
    drawn = nothing.with_lamps(lights)
    assert drawn.kinds[-2:] == ["lighting", "discharge_lamp"]
    assert drawn.p_w[-2].tolist() == [[0, 0, 0], [0, 0, 0], [3, 0, 0]]
    assert drawn.q_var[-2].sum() == 1
    assert drawn.p_w[-1].tolist() == [[0, 5, 0], [0, 0, 0], [0, 0, 0]]
    assert drawn.devices[-2:].tolist() == [[0, 0, 10], [8, 0, 0]]


def test_kinds_of_another_shape_are_refused():
    payload = {"kinds": ["ev", "pv"], "p_kinds_w": np.zeros((1, 2, 3)),
               "q_kinds_var": np.zeros((2, 2, 3)), "devices": np.zeros((2, 2))}  # fmt: skip
    with pytest.raises(SimulationError, match="shape"):
        KindsDrawn.of(payload, 2)
    assert KindsDrawn.of({}, 2).kinds == []


# -- frequency, transients, places -------------------------------------------------------------


def test_frequency_holds_between_its_steps():
    course = Frequency([(5_000, 49.8), (20_000, 50.0), (25_000, 50.2)])
    assert [course.at(t) for t in (0, 4_999, 5_000, 19_999, 30_000)] == [50, 50, 49.8, 49.8, 50.2]
    assert [course.next_ms(t) for t in (0, 5_000, 25_000)] == [5_000, 20_000, None]
    means = course.ten_seconds(0, 40_000)
    assert np.allclose(means, [49.9, 49.8, 50.1, 50.2])
    assert len(Frequency(()).ten_seconds(600_000, 1_200_000)) == 60


def test_what_instruments_may_sample(tmp_path):
    _, plant = one_phase(tmp_path)
    plant.rewire(LOAD, (2, 3, 1))
    params = {"quality": {"places": [LOAD]}, "frequency": [(1_000, 49.9)],
              "transients": [{"t_us": 2_000_500, "bus": BUS, "peak_pu": 3.0}]}  # fmt: skip
    news = News()
    quality = make_quality(plant, news, plant._solutions._solver, params)
    settled(plant, [[3000.0, 0, 0]])
    quality.see(0, "")
    assert quality.state(0) == {"frequency_hz": 50.0}
    assert quality.due_ms(0) == 1_000
    assert quality.advance(1_000) == []
    assert quality.due_ms(1_000) == 2_001
    (columns,) = table(quality.advance(2_001), "voltage_event")
    (event,), _ = news.take()
    assert (event.kind, event.element, event.t_us) == ("voltage_transient", BUS, 2_000_500)
    assert (columns["cause"], columns["extreme_pu"]) == ([event.id], [3.0])
    (row,) = table(quality.advance(600_000), "quality")
    told = quality.state(600_000)
    assert told["frequency_hz"] == 49.9
    assert row["v_1_v"] == [None]  # wired to phase 2
    assert row["v_2_v"][0] < V0
    assert (row["hz_min"], row["hz_max"]) == (pytest.approx(49.9), pytest.approx(50.0, abs=0.1))
    assert told["quality"]["u2_percent"][0] == row["u2_percent"][0]
    assert told["quality"]["pst"].shape == (1, 3)
    assert told["quality"]["thd_percent"] == [[None] * 3]  # not solved
    assert json.loads(json.dumps(plain_value(told), allow_nan=False))["quality"]["pst"]


def test_nothing_is_there_unless_it_is_asked_for(tmp_path):
    _, plant = one_phase(tmp_path)
    assert make_quality(plant, News(), plant._solutions._solver, {"quality": None}) is None
    only = make_quality(plant, News(), plant._solutions._solver, {"frequency": [(0, 50.1)]})
    assert isinstance(only, Quality)
    assert only.state(0) == {"frequency_hz": 50.1}
    assert only.due_ms(0) is None


def test_unknown_places_and_solvers_without_phases_are_refused(tmp_path):
    model = low_voltage(tmp_path)
    balanced = BalancedSolver(model)
    plant = Plant(model, balanced)
    for params, message in (
        ({"quality": {"places": ["bus/lv1/c"]}}, "bus/lv1/c"),
        ({"quality": {"harmonics": True}}, "by phases"),
        ({"transients": [{"t_us": 0, "bus": "bus/x", "peak_pu": 2.0}]}, "bus/x"),
    ):
        with pytest.raises(ScenarioError, match=message):
            make_quality(plant, News(), balanced, params)
    # what it knows it records
    quality = make_quality(plant, News(), balanced, {"quality": {"places": "lv"}})
    settled(plant, [[3000.0, 3000, 3000]])
    quality.see(0, "")
    (columns,) = table(quality.advance(600_000), "quality")
    assert list(columns["u2_percent"]) == [0.0, 0.0]
    assert columns["thd_1_percent"] == [None, None]
