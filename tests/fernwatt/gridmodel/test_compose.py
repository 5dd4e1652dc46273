"""Low-voltage grids under a medium-voltage grid."""

from __future__ import annotations

import numpy as np
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import BalancedSolver

MV = {"simbench": "1-MV-semiurb--0-sw"}
LV = "1-LV-semiurb4--0-sw"


@pytest.fixture(scope="module")
def parts():
    return load_grid(MV), load_grid({"simbench": LV})


@pytest.fixture(scope="module")
def district():
    below = [{"simbench": LV, "at": "MV2.101 Load 5"}, {"simbench": LV, "at": "MV2.101 Load 6"}]
    return load_grid(MV, lv=below)


def test_everything_of_both_is_there(district, parts):
    mv, lv = parts
    assert len(district.buses) == len(mv.buses) + 2 * (len(lv.buses) - 1)
    assert len(district.lines) == len(mv.lines) + 2 * len(lv.lines)
    assert len(district.switches) == len(mv.switches) + 2 * len(lv.switches)
    assert len(district.terminals) == len(mv.terminals) - 2 + 2 * len(lv.terminals)
    assert len(district.net.ext_grid) == 1


def test_the_aggregates_are_gone_with_their_generators(district, parts):
    names = {device.id for device in district.record_devices}
    gone = {device.id for device in parts[0].record_devices} - names
    assert gone == {
        "load/mv2.101/load-5", "load/mv2.101/load-6",
        "generator/mv2.101/sgen-5", "generator/mv2.101/sgen-6",
    }  # fmt: skip


def test_the_same_grid_twice_has_two_names_and_one_behaviour(district):
    areas = {area.id: area for area in district.areas}
    assert {"lv4.101", "lv4.101-2"} <= areas.keys()
    first = [t for t in district.terminals if t.area == "lv4.101"]
    second = [t for t in district.terminals if t.area == "lv4.101-2"]
    assert [t.id.replace("lv4.101", "lv4.101-2") for t in first] == [t.id for t in second]
    assert [t.p_w for t in first] == [t.p_w for t in second]
    assert areas["lv4.101-2"].parent == areas["lv4.101"].parent == "mv2.101"


def test_a_grid_lies_around_the_bus_that_it_hangs_on(district, parts):
    places = {bus.id: np.array([bus.x, bus.y]) for bus in district.buses}
    alone = {bus.id: np.array([bus.x, bus.y]) for bus in parts[1].buses}
    for area in ("lv4.101", "lv4.101-2"):
        trafo = next(t for t in district.transformers if t.area == area)
        own = {ident.replace("lv4.101", area): at for ident, at in alone.items() if "lv4" in ident}
        offset = places[trafo.lv_bus] - own[trafo.lv_bus]
        assert all(np.allclose(places[i], at + offset, atol=1e-6) for i, at in own.items())
        assert np.linalg.norm(places[trafo.lv_bus] - places[trafo.hv_bus]) < 1e-3
        assert np.linalg.norm(offset) > 1e-3


def test_identifiers_below_are_those_of_the_grid_alone(district, parts):
    """A customer keeps the name, whether the street is simulated alone or in its district."""
    assert set(parts[1].terminal_ids) <= set(district.terminal_ids)


def test_the_street_behaves_as_alone_under_the_voltage_it_gets(district, parts):
    p_w, q_var = (np.repeat(x[:, None] / 3, 3, axis=1) for x in district.static_power())
    state = BalancedSolver(district).solve(p_w, q_var)
    row = {bus.id: number for number, bus in enumerate(district.buses)}
    lv = parts[1]
    upper = next(t for t in district.transformers if t.area == "lv4.101").hv_bus
    import copy
    import dataclasses

    net = copy.deepcopy(lv.net)
    net.ext_grid["vm_pu"] = state.vm_pu[row[upper]]
    alone = dataclasses.replace(lv, net=net)
    p_w, q_var = (np.repeat(x[:, None] / 3, 3, axis=1) for x in lv.static_power())
    expected = BalancedSolver(alone).solve(p_w, q_var)
    for bus, vm_pu in zip(lv.buses, expected.vm_pu, strict=True):
        if bus.area == "lv4.101":
            assert state.vm_pu[row[bus.id]] == pytest.approx(vm_pu, abs=1e-8)


@pytest.mark.parametrize(
    ("below", "path", "text"),
    [
        ([{"simbench": LV}], "grid.lv[0].at", "names no load"),
        ([{"simbench": LV, "at": "MV2.101 Load5"}], "grid.lv[0].at", "MV2.101 Load 5"),
        ([{"simbench": LV, "at": 99999}], "grid.lv[0].at", "99999"),
        ([{"simbench": LV, "at": 1}, {"simbench": LV, "at": 1}], "grid.lv[1].at", "replaced"),
        ([{"pandapower": "case33bw", "at": 1}], "grid.lv[0]", "20 kV"),
        ([{"simbench": "1-LV-x", "at": 1}], "grid.lv[0].simbench", "no SimBench code"),
    ],
)
def test_what_does_not_fit_is_a_fault(below, path, text):
    with pytest.raises(ScenarioError) as caught:
        load_grid(MV, lv=below)
    fault = caught.value.faults[0]
    assert fault.path == path
    assert text in str(fault)
