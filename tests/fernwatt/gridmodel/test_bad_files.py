"""What can be wrong with a network of the user's, one fault at a time, each with its place."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ConvergenceError, ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.build import build
from fernwatt.gridmodel.checks import UNSUPPORTED
from fernwatt.gridmodel.raw import SOURCE_COLUMNS
from fernwatt.gridmodel.sanitise import sanitise
from fernwatt.gridmodel.solvers import BalancedSolver

PLACE = "grid.source.file."


def complete():
    """Two areas, a switch of each kind, a shunt, a generator, a tap changer: all of it good."""
    net = pp.create_empty_network()
    a, b, c, d = (
        pp.create_bus(net, kv, name=name)
        for kv, name in ((20.0, "a"), (20.0, "b"), (0.4, "c"), (0.4, "d"))
    )
    pp.create_ext_grid(net, a, name="upstream")
    cable = pp.create_line(net, a, b, 1.0, "NA2XS2Y 1x95 RM/25 12/20 kV", name="cable")
    trafo = pp.create_transformer(net, b, c, "0.4 MVA 20/0.4 kV", name="trafo")
    line = pp.create_line(net, c, d, 0.1, "NAYY 4x150 SE", name="line")
    pp.create_switch(net, a, cable, "l", name="s0")
    pp.create_switch(net, b, trafo, "t", name="s1")
    pp.create_switch(net, c, line, "l", name="s2")
    pp.create_load(net, d, 0.02, 0.005, name="house")
    pp.create_sgen(net, d, 0.005, name="roof")
    pp.create_shunt(net, b, q_mvar=-0.01, name="coil")
    return net


SOUND = complete()


def sound():
    return copy.deepcopy(SOUND)


def put(table, column, value, row=0):
    """Return a change that puts a value into one cell, whatever the column's type."""

    def change(net):
        if column not in net[table]:
            net[table][column] = None
        net[table][column] = net[table][column].astype(object)
        net[table].at[row, column] = value

    return change


def both(*changes):
    return lambda net: [change(net) for change in changes]


def made(kind, **params):
    return lambda net: getattr(pp, f"create_{kind}")(net, **params)


TAPPED = both(
    *(put("trafo", column, value) for column, value in
      {"tap_side": "hv", "tap_neutral": 0, "tap_min": -2, "tap_max": 2, "tap_step_percent": 2.5,
       "tap_changer_type": "Ratio"}.items())
)  # fmt: skip
W3 = "63/25/38 MVA 110/20/10 kV"

WRONG = {
    # no number, or an impossible one
    "NaN": (put("line", "r_ohm_per_km", np.nan, 1), "line[1].r_ohm_per_km", "nan is impossible"),
    "a missing number": (put("line", "length_km", None), "line[0].length_km", "impossible"),
    "infinity": (put("load", "p_mw", np.inf), "load[0].p_mw", "impossible"),
    "a text": (put("line", "x_ohm_per_km", "much"), "line[0].x_ohm_per_km", "'much' is no number"),
    "a text where there is a default": (put("line", "c_nf_per_km", "-"), "line[0].c_nf_per_km",
                                        "is no number"),
    "a text for a tap": (put("trafo", "tap_pos", "up"), "trafo[0].tap_pos", "is no number"),
    "a text for a factor": (put("load", "scaling", "half"), "load[0].scaling", "is no number"),
    "a list": (put("line", "length_km", [1.0]), "line[0].length_km", "is no number"),
    "negative length": (put("line", "length_km", -0.1), "line[0].length_km", "impossible"),
    "no length": (put("line", "length_km", 0.0), "line[0].length_km", "impossible"),
    "negative resistance": (put("line", "r_ohm_per_km", -1.0), "line[0].r_ohm_per_km", "-1.0 is"),
    "negative reactance": (put("line", "x_ohm_per_km", -1.0), "line[0].x_ohm_per_km", "-1.0 is"),
    "no impedance": (both(put("line", "r_ohm_per_km", 0.0), put("line", "x_ohm_per_km", 0.0)),
                     "line[0]", "has no impedance"),
    "no current": (put("line", "max_i_ka", 0.0), "line[0].max_i_ka", "impossible"),
    "half a system": (put("line", "parallel", 1.5), "line[0].parallel", "no whole number"),
    "no voltage": (put("bus", "vn_kv", 0.0), "bus[0].vn_kv", "impossible"),
    "no rating": (put("trafo", "sn_mva", 0.0), "trafo[0].sn_mva", "impossible"),
    "no short-circuit voltage": (put("trafo", "vk_percent", 0.0), "trafo[0].vk_percent", "0.0 is"),
    "more resistance than impedance": (put("trafo", "vkr_percent", 9.0), "trafo[0].vkr_percent",
                                       "more than vk_percent"),
    "110 kV given as 110 pu": (put("ext_grid", "vm_pu", 110.0), "ext_grid[0].vm_pu", "not between"),
    "a switch that is maybe": (put("switch", "closed", "maybe"), "switch[0].closed", "neither"),
    "a row that is maybe": (put("load", "in_service", "maybe"), "load[0].in_service", "neither"),
    # transformers
    "exchanged sides": (both(put("trafo", "vn_hv_kv", 0.4), put("trafo", "vn_lv_kv", 20.0)),
                        "trafo[0]", "0.4 kV above 20 kV"),
    "a phase shift between the hours": (put("trafo", "shift_degree", 17.0),
                                        "trafo[0].shift_degree", "no multiple of 30"),
    "an unknown vector group": (put("trafo", "vector_group", "Foo7"), "trafo[0].vector_group",
                                "'Foo7' is no vector group"),
    "a tap outside of its range": (both(TAPPED, put("trafo", "tap_pos", 3)), "trafo[0].tap_pos",
                                   "3 is outside of -2 to 2"),
    "half a tap": (both(TAPPED, put("trafo", "tap_pos", 1.5)), "trafo[0].tap_pos", "no tap"),
    "a tap without end": (both(TAPPED, put("trafo", "tap_max", 1e6)), "trafo[0].tap_max",
                          "no tap position"),
    "a step too large": (both(TAPPED, put("trafo", "tap_pos", 2), put("trafo", "tap_step_percent",
                              -40)), "trafo[0].tap_step_percent", "no transformer has"),
    "a phase shifter": (both(TAPPED, put("trafo", "tap_pos", 1), put("trafo", "tap_changer_type",
                             "Symmetrical")), "trafo[0]", "phase-shifting"),
    # what is joined to what
    "a load nowhere": (put("load", "bus", 99), "load[0].bus", "there is no bus 99"),
    "a generator nowhere": (put("sgen", "bus", 99), "sgen[0].bus", "there is no bus 99"),
    "a line into nothing": (put("line", "to_bus", 99, 1), "line[1].to_bus", "there is no bus 99"),
    "a transformer from nothing": (put("trafo", "hv_bus", 99), "trafo[0].hv_bus", "no bus 99"),
    "an upstream grid nowhere": (put("ext_grid", "bus", 99), "ext_grid[0].bus", "no bus 99"),
    "a shunt nowhere": (put("shunt", "bus", 99), "shunt[0].bus", "there is no bus 99"),
    "no bus said": (put("load", "bus", None), "load[0].bus", "impossible"),
    "half a bus": (put("load", "bus", 1.5), "load[0].bus", "no whole number"),
    "a switch nowhere": (put("switch", "bus", 99), "switch[0].bus", "there is no bus 99"),
    "a switch of nothing": (put("switch", "element", 9), "switch[0].element", "there is no line 9"),
    "a switch of no transformer": (put("switch", "element", 9, 1), "switch[1].element",
                                   "there is no trafo 9"),
    "a switch beside its line": (put("switch", "bus", 3), "switch[0].bus",
                                 "line 0 does not end at bus 3"),
    "a switch of another kind": (put("switch", "et", "x"), "switch[0].et", "'x' is not one of"),
    "a switch at a three-winding transformer": (put("switch", "et", "t3"), "switch[0].et", "'t3'"),
    "a loop of one line": (put("line", "to_bus", 0), "line[0]", "begins and ends at bus 0"),
    "a line between voltages": (put("line", "to_bus", 3), "line[0]", "joins 20 kV and 0.4 kV"),
    "a coupler between voltages": (made("switch", bus=1, element=2, et="b"), "switch[3]", "joins"),
    "a coupler of one bus": (made("switch", bus=1, element=1, et="b"), "switch[3].element",
                             "joins bus 1 with itself"),
    "a transformer of another voltage": (put("trafo", "vn_hv_kv", 10.0), "trafo[0].vn_hv_kv",
                                         "10 kV at a bus of 20 kV"),
    # supply
    "no upstream grid": (lambda net: net.ext_grid.drop(0, inplace=True), "", "no grid connection"),
    "an upstream grid out of service": (put("ext_grid", "in_service", False), "", "no grid conn"),
    "an upstream grid at a dead bus": (put("bus", "in_service", False), "", "no grid connection"),
    "an upstream grid that nothing leaves": (put("line", "in_service", False), "ext_grid[0]",
                                             "feeds nothing"),
    "two upstream grids at a bus": (made("ext_grid", bus=0, vm_pu=1.02), "ext_grid[1].bus",
                                    "a second grid connection"),
    # elements that the solvers have not
    "gen": (made("gen", bus=3, p_mw=0.1), "gen", "1 elements of this kind, the first is gen[0]"),
    "trafo3w": (lambda net: pp.create_transformer3w(
        net, pp.create_bus(net, 110.0), 1, pp.create_bus(net, 10.0), W3), "trafo3w", "trafo3w[0]"),
    "impedance": (made("impedance", from_bus=2, to_bus=3, rft_pu=0.1, xft_pu=0.1, sn_mva=1.0),
                  "impedance", "impedance[0]"),
    "ward": (made("ward", bus=3, ps_mw=0.1, qs_mvar=0, pz_mw=0, qz_mvar=0), "ward", "ward[0]"),
    "xward": (made("xward", bus=3, ps_mw=0.1, qs_mvar=0, pz_mw=0, qz_mvar=0, r_ohm=1, x_ohm=1,
                   vm_pu=1.0), "xward", "xward[0]"),
    "dcline": (made("dcline", from_bus=0, to_bus=1, p_mw=0.1, loss_percent=0, loss_mw=0,
                    vm_from_pu=1.0, vm_to_pu=1.0), "dcline", "dcline[0]"),
    "motor": (made("motor", bus=3, pn_mech_mw=0.01, cos_phi=0.9), "motor", "motor[0]"),
    "asymmetric_load": (made("asymmetric_load", bus=3, p_a_mw=0.01), "asymmetric_load", "[0]"),
    "asymmetric_sgen": (made("asymmetric_sgen", bus=3, p_a_mw=0.01), "asymmetric_sgen", "[0]"),
    "svc": (made("svc", bus=3, x_l_ohm=1, x_cvar_ohm=-10, set_vm_pu=1.0,
                 thyristor_firing_angle_degree=144.0), "svc", "svc[0]"),
}  # fmt: skip


def faults(net, folder):
    pp.to_json(net, folder / "net.json")
    with pytest.raises(ScenarioError) as caught:
        load_grid({"file": "net.json"}, base_dir=folder)
    return caught.value.faults


def test_the_network_is_sound_as_it_stands(tmp_path):
    pp.to_json(sound(), tmp_path / "net.json")
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    assert (len(model.buses), len(model.lines), len(model.switches)) == (4, 2, 3)
    assert model.notes == ()


@pytest.mark.parametrize("kind", WRONG)
def test_each_kind_of_bad_data_is_refused_with_its_place(kind, tmp_path):
    change, path, message = WRONG[kind]
    net = sound()
    change(net)
    found = faults(net, tmp_path)
    assert [fault.path for fault in found] == [(PLACE + path).rstrip(".")], found
    assert message in found[0].message


def test_every_elements_table_of_pandapower_is_taken_or_refused():
    """Nothing of a newer pandapower slips through: its tables are known by name."""
    silent = {"controller", "group", "measurement", "poly_cost", "pwl_cost"}
    empty = pp.create_empty_network()
    tables = {name for name in empty if hasattr(empty[name], "columns")}
    elements = {name for name in tables if not name.startswith(("res_", "_"))}
    assert elements - set(SOURCE_COLUMNS) - set(UNSUPPORTED) - silent == set()


def test_many_rows_with_the_same_fault_are_told_in_a_few_lines(tmp_path):
    net = sound()
    for number in range(40):
        pp.create_load(net, 3, 0.001, name=f"x{number}")
    net.load.loc[1:, "p_mw"] = np.nan
    found = faults(net, tmp_path)
    assert [fault.path for fault in found] == [f"{PLACE}load[{n}].p_mw" for n in range(1, 6)]
    assert found[-1].message.endswith("and so in 35 more rows")


def test_rows_that_are_numbered_twice_or_by_names_are_refused(tmp_path):
    for index, message in (([0, 0], "same index"), (["one", "two"], "whole numbers")):
        pp.to_json(sound(), tmp_path / "net.json")
        document = json.loads((tmp_path / "net.json").read_text())
        table = json.loads(document["_object"]["line"]["_object"])
        table["index"] = index
        document["_object"]["line"]["_object"] = json.dumps(table)
        (tmp_path / "net.json").write_text(json.dumps(document))
        with pytest.raises(ScenarioError) as caught:
            load_grid({"file": "net.json"}, base_dir=tmp_path)
        (fault,) = caught.value.faults
        assert fault.path == f"{PLACE}line"
        assert message in fault.message


CELLS = [(name, column, row) for name in SOURCE_COLUMNS for column in SOUND[name].columns
         for row in SOUND[name].index]  # fmt: skip
NASTY = st.sampled_from(
    [None, np.nan, np.inf, -1, 0, 0.5, 1, 2, 3, 99, 1e-300, 1e300, 10**30, "", "x", "1", "NaN",
     True, False, [], {}, [1], b"x", (1, 2), "hv", "l", "b", {"_class": "x"}]
)  # fmt: skip


@given(changes=st.lists(st.tuples(st.sampled_from(CELLS), NASTY), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_whatever_is_in_a_cell_it_is_refused_or_it_has_numbers(changes):
    net = sound()
    for (table, column, row), value in changes:
        net[table][column] = net[table][column].astype(object)
        net[table].at[row, column] = value
    tables = {name: net[name] for name in SOURCE_COLUMNS}
    try:
        model = build(sanitise(tables, 50.0, "x"))
        p_w, q_var = (np.repeat(x[:, None] / 3, 3, axis=1) for x in model.static_power())
        state = BalancedSolver(model).solve(p_w, q_var)
    except (ScenarioError, ConvergenceError):
        return
    assert np.isfinite(state.vm_pu[state.energised]).all()
    assert np.isfinite([state.p_slack_w, state.p_loss_w]).all()


# -- what is taken, and said -----------------------------------------------------------------


def notes(net, folder):
    pp.to_json(net, folder / "net.json")
    return load_grid({"file": "net.json"}, base_dir=folder).notes


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (made("load", bus=3, p_mw=0.001, name="house"),
         "2 of table load share their names and are numbered, the first is load[0], house"),
        (put("line", "std_type", None, 1),
         "1 of table line name no standard type, the first is line[1]"),
        (put("trafo", "vector_group", "Yzn5"),
         "vector group of 1 transformers made from their phase shift: Dyn5 for Yzn5"),
        (put("trafo", "vector_group", "Dyn11"),
         "vector group of 1 transformers made from their phase shift: Dyn5 for Dyn11"),
        (both(put("trafo", "tap_side", None), put("trafo", "tap_pos", 2)),
         "taps of 1 transformers lack side, step or neutral, the first is trafo[0]"),
        (put("switch", "closed", False, 2), "1 buses are not supplied as the switches stand"),
        (made("bus", vn_kv=0.4, name="alone"),
         "1 buses cannot be supplied whatever the switches do, the first is bus/lv2/alone"),
        (put("load", "in_service", False), "1 of table load are out of service and left out"),
        (put("load", "const_z_p_percent", 50.0),
         "voltage-dependent loads of the record are taken as constant power"),
        (put("switch", "z_ohm", 0.1), "impedances of switches are taken as zero"),
    ],
)  # fmt: skip
def test_what_is_taken_otherwise_than_it_stands_is_noted(change, note, tmp_path):
    net = sound()
    change(net)
    assert any(text.startswith(note) for text in notes(net, tmp_path))


def test_storages_become_devices_that_draw_what_they_state(tmp_path):
    net = sound()
    pp.create_storage(net, 3, p_mw=0.003, max_e_mwh=0.01, q_mvar=0.001, scaling=2.0, name="cell")
    pp.create_storage(net, 2, p_mw=-0.004, max_e_mwh=0.01, name="box")
    assert any("2 storages of the record draw what they state" in n for n in notes(net, tmp_path))
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    storages = {d.id: d for d in model.record_devices if d.kind == "storage"}
    cell, box = storages["storage/lv1/cell"], storages["storage/lv1/box"]
    assert (cell.p_w, cell.q_var, cell.terminal) == (6000.0, 2000.0, "terminal/lv1/house")
    assert (box.p_w, box.terminal) == (-4000.0, "terminal/lv1/box")
    alone = next(t for t in model.terminals if t.id == box.terminal)
    assert alone.customer == ""
    house = next(t for t in model.terminals if t.id == cell.terminal)
    assert house.p_w == pytest.approx(20_000.0 - 5_000.0 + 6_000.0)


def test_storages_are_checked_as_the_other_tables_are(tmp_path):
    net = sound()
    pp.create_storage(net, 3, p_mw=0.003, max_e_mwh=0.01)
    put("storage", "bus", 99)(net)
    (fault,) = faults(net, tmp_path)
    assert (fault.path, fault.message) == (f"{PLACE}storage[0].bus", "there is no bus 99")
