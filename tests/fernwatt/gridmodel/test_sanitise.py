"""The sanitise step, on networks that each have one thing wrong."""

from __future__ import annotations

import numpy as np
import pandapower as pp
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import BalancedSolver, PandapowerSolver


def small():
    """An upstream grid, a transformer, a line, a load."""
    net = pp.create_empty_network()
    a = pp.create_bus(net, 20.0, name="a")
    b = pp.create_bus(net, 0.4, name="b")
    c = pp.create_bus(net, 0.4, name="c")
    pp.create_ext_grid(net, a, name="upstream")
    pp.create_transformer(net, a, b, "0.25 MVA 20/0.4 kV", name="t")
    pp.create_line(net, b, c, 0.1, "NAYY 4x150 SE", name="l")
    pp.create_load(net, c, 0.02, 0.005, name="house")
    return net


def load(net, folder):
    pp.to_json(net, folder / "net.json")
    return load_grid({"file": "net.json"}, base_dir=folder)


def faults(net, folder):
    with pytest.raises(ScenarioError) as caught:
        load(net, folder)
    return caught.value.faults


def solved(model, solver=BalancedSolver):
    p_w, q_var = (np.repeat(x[:, None] / 3, 3, axis=1) for x in model.static_power())
    return solver(model).solve(p_w, q_var)


def test_taps_become_effective(tmp_path):
    """pandapower ignores a tap without tap_changer_type; the sanitised grid does not."""
    net = small()
    net.trafo[["tap_pos", "tap_neutral", "tap_step_percent"]] = [-2.0, 0.0, 2.5]
    net.trafo["tap_side"] = "hv"
    net.trafo["tap_changer_type"] = None
    pp.runpp(net)
    ignored = net.res_bus.vm_pu.iloc[1]
    model = load(net, tmp_path)
    row = next(n for n, bus in enumerate(model.buses) if bus.name == "b")
    vm = [solved(model, solver).vm_pu[row] for solver in (BalancedSolver, PandapowerSolver)]
    assert vm[0] == pytest.approx(vm[1], abs=1e-5)
    assert vm[0] == pytest.approx(ignored / 0.95, abs=2e-3)  # two steps of 2.5 % down at HV
    net.trafo["tap_changer_type"] = "Ratio"
    pp.runpp(net, calculate_voltage_angles=True, init="dc")
    assert vm[1] == pytest.approx(net.res_bus.vm_pu.iloc[1], abs=1e-8)


def test_an_incomplete_tap_is_neutral_for_both_solvers(tmp_path):
    net = small()
    net.trafo["tap_side"] = None
    net.trafo["tap_pos"] = 2.0
    net.trafo["tap_step_percent"] = np.nan
    model = load(net, tmp_path)
    one, other = solved(model), solved(model, PandapowerSolver)
    assert np.abs(one.vm_pu - other.vm_pu).max() < 1e-5


@pytest.mark.parametrize("shift", [0.0, 30.0, 150.0, 180.0, 330.0])
def test_phase_shifts_agree_between_solvers(tmp_path, shift):
    net = small()
    net.trafo["shift_degree"] = shift
    net.trafo["vector_group"] = "Dyn5"  # contradicts most of the shifts
    model = load(net, tmp_path)
    one, other = solved(model), solved(model, PandapowerSolver)
    turn = (one.va_degree - other.va_degree + 180) % 360 - 180
    assert np.abs(turn).max() < 1e-3


def test_parallel_derated_elements_agree_between_solvers(tmp_path):
    net = small()
    net.trafo[["parallel", "df"]] = [2, 0.8]
    net.line[["parallel", "df"]] = [3, 0.9]
    model = load(net, tmp_path)
    one, other = solved(model), solved(model, PandapowerSolver)
    assert np.abs(one.vm_pu - other.vm_pu).max() < 1e-5
    assert np.allclose(one.line.loading_percent, other.line.loading_percent, atol=1e-3)
    assert np.allclose(
        one.transformer.loading_percent, other.transformer.loading_percent, atol=1e-3
    )
    assert model.lines[0].max_i_a == pytest.approx(net.line.max_i_ka.iloc[0] * 3 * 0.9 * 1e3)


def test_names_become_unique(tmp_path):
    net = small()
    for name in ("house", "house", "", None, "House", "Straße 5/ä"):
        pp.create_load(net, 2, 0.001, name=name)
    ids = load(net, tmp_path).terminal_ids
    assert len(set(ids)) == 7
    assert {"terminal/lv1/house", "terminal/lv1/house-2", "terminal/lv1/house-3"} <= set(ids)


def test_what_is_out_of_service_goes_with_what_hangs_on_it(tmp_path):
    net = small()
    d = pp.create_bus(net, 0.4, name="d", in_service=False)
    pp.create_line(net, 2, d, 0.1, "NAYY 4x150 SE", name="dead")
    pp.create_load(net, d, 0.1, name="dead")
    pp.create_load(net, 2, 0.1, name="off", in_service=False)
    model = load(net, tmp_path)
    assert [bus.name for bus in model.buses] == ["b", "c", "a"]
    assert model.terminal_ids == ["terminal/lv1/house"]
    assert len(model.lines) == 1
    text = " ".join(model.notes)
    assert "1 of table bus are out of service" in text
    assert "1 of table line hang on something out of service" in text


def test_islands_are_noted_and_stay_dark(tmp_path):
    net = small()
    d, e = pp.create_bus(net, 0.4, name="d"), pp.create_bus(net, 0.4, name="e")
    pp.create_line(net, d, e, 0.1, "NAYY 4x150 SE", name="far")
    pp.create_load(net, e, 0.1, name="far")
    model = load(net, tmp_path)
    assert any("2 buses cannot be supplied" in note for note in model.notes)
    state = solved(model)
    dark = {b.name for b, live in zip(model.buses, state.energised, strict=True) if not live}
    assert dark == {"d", "e"}
    row = model.terminal_ids.index("terminal/lv2/far")
    assert state.p_terminals_w[row] == 0.0


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("line", "length_km", -0.1),
        ("line", "length_km", 0.0),
        ("line", "r_ohm_per_km", np.nan),
        ("line", "r_ohm_per_km", -1.0),
        ("bus", "vn_kv", 0.0),
        ("trafo", "sn_mva", np.inf),
        ("load", "p_mw", np.nan),
        ("ext_grid", "vm_pu", np.nan),
    ],
)
def test_impossible_numbers_are_faults_with_their_place(tmp_path, table, column, value):
    net = small()
    net[table][column] = float(value)
    found = faults(net, tmp_path)
    assert any(
        fault.path.startswith(f"grid.source.file.{table}[") and fault.path.endswith(f".{column}")
        for fault in found
    )


def test_all_faults_are_listed_at_once(tmp_path):
    net = small()
    net.line["length_km"] = -1.0
    net.load["p_mw"] = np.nan
    pp.create_gen(net, 2, 0.1)
    assert len(faults(net, tmp_path)) == 3


def test_elements_without_a_solver_are_refused(tmp_path):
    net = small()
    pp.create_impedance(net, 1, 2, 0.1, 0.1, 1.0)
    (fault,) = faults(net, tmp_path)
    assert fault.path == "grid.source.file.impedance"


def test_a_line_without_impedance_is_refused(tmp_path):
    net = small()
    net.line[["r_ohm_per_km", "x_ohm_per_km"]] = 0.0
    (fault,) = faults(net, tmp_path)
    assert "bus-bus switch" in fault.hint


def test_a_phase_shifting_tap_is_refused(tmp_path):
    net = small()
    net.trafo["tap_changer_type"] = "Ideal"
    net.trafo[["tap_pos", "tap_neutral", "tap_step_degree"]] = [1.0, 0.0, 2.0]
    (fault,) = faults(net, tmp_path)
    assert fault.path == "grid.source.file.trafo[0]"


def test_a_network_without_upstream_grid_is_refused(tmp_path):
    net = small()
    net.ext_grid["in_service"] = False
    (fault,) = faults(net, tmp_path)
    assert "ext_grid" in fault.message


def test_no_load_current_below_the_iron_losses_is_raised_for_both(tmp_path):
    net = small()
    net.trafo["i0_percent"] = 0.0
    model = load(net, tmp_path)
    assert any("no-load current" in note for note in model.notes)
    one, other = solved(model), solved(model, PandapowerSolver)
    assert np.abs(one.vm_pu - other.vm_pu).max() < 1e-5
    assert one.p_loss_w == pytest.approx(other.p_loss_w, rel=1e-3)
