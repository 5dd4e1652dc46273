"""Grids as they are loaded: identifiers, order, terminals, areas, devices of the record."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.sources import BUILT_IN
from fernwatt.identifiers import index_hash, is_identifier

STREET = {"simbench": "1-LV-semiurb4--0-sw"}


@pytest.fixture(scope="module")
def street():
    return load_grid(STREET)


def everything(model):
    return (
        model.buses, model.lines, model.transformers, model.switches, model.terminals,
        model.record_devices,
    )  # fmt: skip


def test_identifiers_are_unique_well_formed_and_sorted_as_bytes(street):
    for items in everything(street):
        ids = [item.id for item in items]
        assert len(set(ids)) == len(ids) > 0
        assert ids == sorted(ids, key=str.encode)
        assert all(is_identifier(ident) for ident in ids)


def test_identifiers_are_those_of_simbench(street):
    """A fixed sample: recorded results and scenarios refer to these names."""
    assert "bus/lv4.101/bus-12" in {bus.id for bus in street.buses}
    assert "line/lv4.101/line-3" in {line.id for line in street.lines}
    assert "terminal/lv4.101/load-7" in street.terminal_ids
    assert [t.id for t in street.transformers] == ["transformer/lv4.101/trafo-1"]
    assert [d.id for d in street.record_devices if d.kind == "pv"] == ["pv/lv4.101/sgen-1"]
    assert street.index == index_hash(sorted(street.terminal_ids))


def test_a_second_load_gives_the_same(street):
    again = load_grid(STREET, cache=False)
    assert everything(again) == everything(street)
    assert again.source_hash == street.source_hash


def test_network_has_the_order_of_the_model(street):
    net = street.net
    assert list(net.bus.name) == [bus.id for bus in street.buses]
    assert list(net.line.name) == [line.id for line in street.lines]
    assert list(net.trafo.name) == [t.id for t in street.transformers]
    assert list(net.switch.name) == [s.id for s in street.switches]
    assert list(net.load.name) == street.terminal_ids
    for table in (net.bus, net.line, net.trafo, net.switch, net.load):
        assert list(table.index) == list(range(len(table)))
    bus_of = [street.buses[int(row)].id for row in net.load.bus]
    assert bus_of == [terminal.bus for terminal in street.terminals]


def test_areas_hang_below_each_other(street):
    lv, mv = street.areas
    assert (lv.id, lv.kind, lv.parent) == ("lv4.101", "lv", "mv1.101")
    assert lv.transformer == "transformer/lv4.101/trafo-1"
    assert lv.bus == street.transformers[0].lv_bus
    assert (mv.id, mv.kind, mv.parent, mv.transformer) == ("mv1.101", "mv", "", "")


def test_record_devices_carry_the_power_of_the_source(street):
    import simbench

    net = simbench.get_simbench_net(STREET["simbench"])
    drawn = net.load.p_mw.sum() - net.sgen.p_mw.sum()
    assert sum(d.p_w for d in street.record_devices) == pytest.approx(drawn * 1e6)
    assert street.static_power()[0].sum() == pytest.approx(drawn * 1e6)
    pv = next(d for d in street.record_devices if d.kind == "pv")
    assert pv.p_w == pytest.approx(-6480.0)
    assert pv.p_profile == "PV5"
    host = next(t for t in street.terminals if t.id == pv.terminal)
    sgen_bus = net.bus.name[net.sgen.bus.iloc[0]]
    assert sgen_bus == next(bus.name for bus in street.buses if bus.id == host.bus)


def test_heat_pumps_and_charging_points_belong_to_a_household_of_their_bus():
    model = load_grid({"simbench": "1-LV-semiurb4--2-sw"})
    kinds = {device.kind for device in model.record_devices}
    assert {"load", "pv", "heat-pump", "ev-charger"} <= kinds
    households = [device.terminal for device in model.record_devices if device.kind == "load"]
    assert sorted(households) == model.terminal_ids  # exactly one load each
    assert {d.terminal for d in model.record_devices} == set(households)
    assert any("storages of the record are left out" in note for note in model.notes)


def test_a_generator_alone_on_its_bus_has_a_terminal_and_no_customer():
    model = load_grid({"simbench": "1-MV-semiurb--0-sw"})
    alone = [t for t in model.terminals if t.profile == "" and t.p_w < 0 and not t.customer]
    assert [terminal.name for terminal in alone] == ["MV2.101 MV SGen 2"]
    aggregates = [t for t in model.terminals if t.profile.startswith("lv_")]
    assert aggregates
    assert all(t.customer == "" for t in aggregates)


def test_grids_without_subnets_have_areas_by_voltage():
    model = load_grid({"pandapower": "create_cigre_network_lv"})
    assert [area.id for area in model.areas] == ["lv1", "lv2", "lv3", "mv1"]
    assert {area.parent for area in model.areas if area.kind == "lv"} == {"mv1"}


def test_description_is_json_and_complete(street):
    text = json.dumps(street.describe(), allow_nan=False)
    described = json.loads(text)
    assert len(described["lines"]) == len(street.lines)
    assert {"id", "x", "y", "vn_v", "area"} <= described["buses"][0].keys()
    assert all(isinstance(bus["x"], float) for bus in described["buses"])
    assert described["terminals"][0]["phases"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "path", "hint"),
    [
        ({"simbench": "1-LV-semiurb4--0"}, "grid.source.simbench", "1-LV-semiurb4--0-"),
        ({"pandapower": "create_cigre_network_lw"}, "grid.source.pandapower", "network_lv"),
        ({"pandapower": "os"}, "grid.source.pandapower", ""),
        ({"file": "../net.json"}, "grid.source.file", ""),
        ({"file": "/etc/passwd"}, "grid.source.file", ""),
        ({"file": "net.p"}, "grid.source.file", "to_json"),
        ({"file": "missing.json"}, "grid.source.file", ""),
        ({}, "grid.source", "simbench"),
        ({"simbench": "a", "file": "b"}, "grid.source", ""),
        ({"simbench": 3}, "grid.source.simbench", ""),
    ],
)
def test_unusable_sources_are_faults_with_place_and_hint(source, path, hint, tmp_path):
    with pytest.raises(ScenarioError) as caught:
        load_grid(source, base_dir=tmp_path)
    fault = caught.value.faults[0]
    assert fault.path == path
    assert hint in fault.hint


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_network_loads_and_is_the_same_each_time(name):
    first = load_grid({"pandapower": name}, cache=False)
    assert first.terminals
    assert load_grid({"pandapower": name}, cache=False).source_hash == first.source_hash


def test_no_number_of_the_network_is_nan(street):
    for table in (street.net.bus, street.net.line, street.net.load):
        columns = ["vn_kv", "r_ohm_per_km", "x_ohm_per_km", "length_km", "max_i_ka", "p_mw"]
        for column in set(columns) & set(table.columns):
            assert np.isfinite(table[column]).all()
