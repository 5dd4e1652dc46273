"""What the record leaves open: phases of customers, conductors of lines, earthing."""

from __future__ import annotations

import gc
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.linetypes import find_type, line_conductors
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import FourWireSolver
from fernwatt.gridmodel.solvers.fourwire import contexts

MODEL = load_grid({"simbench": "1-LV-rural3--0-sw"})
DISTRICT = load_grid(
    {"simbench": "1-MV-semiurb--0-sw"},
    lv=[{"simbench": "1-LV-semiurb4--0-sw", "at": f"MV2.101 Load {n}"} for n in (5, 6)],
)


def rated_w(model, ident):
    return sum(abs(d.p_w) for d in model.record_devices if d.terminal == ident)


# -- phases ----------------------------------------------------------------------------------


@given(unbalance=st.floats(0, 1), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_phases_carry_the_shares_that_the_rule_states(unbalance, seed):
    phases = assign_phases(MODEL, PhaseRule(4600.0, unbalance), seed)
    sizes = {ident: rated_w(MODEL, ident) for ident in phases}
    assert max(sizes.values()) <= 4600.0
    total = sum(sizes.values())
    shares = sorted(
        (sum(w for ident, w in sizes.items() if phases[ident] == k) / total for k in (1, 2, 3)),
        reverse=True,
    )
    stated = [(1 + unbalance) / 3, 1 / 3, (1 - unbalance) / 3]
    assert shares == pytest.approx(stated, abs=max(sizes.values()) / total)


def test_large_customers_and_medium_voltage_keep_three_phases():
    phases = assign_phases(DISTRICT, PhaseRule(), seed=1)
    model = connect_phases(DISTRICT, phases)
    kinds = set()
    for terminal in model.terminals:
        single = len(terminal.phases) == 1
        small = rated_w(model, terminal.id) <= 4600.0
        low = terminal.voltage_level == "lv" and terminal.customer != ""
        assert single == (small and low), terminal.id
        kinds.add((single, low))
    assert len(kinds) == 3


def test_phases_are_drawn_by_area_and_by_seed():
    everywhere = assign_phases(DISTRICT, PhaseRule(), seed=1)
    areas = sorted({ident.split("/")[1] for ident in everywhere})
    assert len(areas) == 2
    first, second = (
        [everywhere[ident] for ident in sorted(everywhere) if ident.split("/")[1] == area]
        for area in areas
    )
    assert first != second  # two equal grids, two draws
    alone = assign_phases(
        load_grid(
            {"simbench": "1-MV-semiurb--0-sw"},
            lv=[{"simbench": "1-LV-semiurb4--0-sw", "at": "MV2.101 Load 5"}],
        ),
        PhaseRule(), seed=1,
    )  # fmt: skip
    assert alone == {i: k for i, k in everywhere.items() if i in alone}  # nobody else matters
    assert assign_phases(DISTRICT, PhaseRule(), seed=1) == everywhere
    assert assign_phases(DISTRICT, PhaseRule(), seed=2) != everywhere


def test_what_a_scenario_adds_makes_a_customer_large():
    small = assign_phases(MODEL, PhaseRule(), seed=1)
    ident = min(small)
    assert ident not in assign_phases(MODEL, PhaseRule(), seed=1, added_w={ident: 11_000.0})


# -- lines -----------------------------------------------------------------------------------

GRIDS = [
    {"simbench": "1-LV-semiurb5--0-sw"},
    {"simbench": "1-MV-rural--0-sw"},
    {"simbench": "1-MV-urban--0-sw"},
    {"pandapower": "create_cigre_network_lv"},
    {"pandapower": "create_cigre_network_mv"},
    {"pandapower": "create_kerber_landnetz_freileitung_1"},
]


@pytest.mark.parametrize("source", GRIDS, ids=lambda s: next(iter(s.values())))
def test_the_positive_sequence_is_the_records_and_every_type_has_a_source(source):
    model = load_grid(source)
    lines = line_conductors(model)
    z = lines.z_ohm_per_km
    table = model.net.line
    z1 = (table.r_ohm_per_km + 1j * table.x_ohm_per_km).to_numpy()
    assert np.allclose(z[:, 0, 0] - z[:, 0, 1], z1, rtol=1e-12)
    assert np.allclose(z, z.transpose(0, 2, 1))
    assert lines.unknown == ()
    assert all(find_type(line.std_type).source for line in model.lines)
    for wires in z:  # a passive network: no current gives power back
        size = 4 if wires[3, 3] else 3
        assert np.linalg.eigvalsh(wires[:size, :size].real).min() > 0
        assert np.linalg.eigvalsh(wires[:size, :size].imag).min() > 0


def test_zero_sequences_are_near_those_published():
    """IEC 60909-2 gives R0/R1 = 4 for four-core cables with return by the fourth conductor."""
    low = load_grid({"simbench": "1-LV-semiurb5--0-sw"})
    z = line_conductors(low).z_ohm_per_km
    z1 = z[:, 0, 0] - z[:, 0, 1]
    z0 = z[:, 0, 0] + 2 * z[:, 0, 1] - 6 * z[:, 0, 3] + 3 * z[:, 3, 3]
    assert z0.real == pytest.approx(4 * z1.real, rel=1e-9)
    assert z0.imag == pytest.approx(4 * z1.imag, rel=1e-9)
    # CIGRE TB 575 publishes 0.658 + j1.611 for its medium-voltage overhead line
    from fernwatt.gridmodel.linetypes import LineType, _zero_sequence

    overhead = LineType("", "overhead", 63.0, 0.0, 0.0, 0.0, None, "")
    worked_out = _zero_sequence(complex(0.510, 0.366), overhead, 50.0)
    assert worked_out.real == pytest.approx(0.658, rel=0.01)
    assert worked_out.imag == pytest.approx(1.611, rel=0.02)


def test_an_unknown_type_is_named_and_taken_as_four_equal_conductors(tmp_path):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 0.4, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, 0.1, 0.3, 0.08, 0, 0.3, name="l", parallel=2)
    net.line["std_type"] = "grandfather's"
    pp.create_load(net, b, 0.001, name="x")
    pp.to_json(net, tmp_path / "net.json")
    lines = line_conductors(load_grid({"file": "net.json"}, base_dir=tmp_path))
    assert lines.unknown == ("grandfather's",)
    assert lines.z_ohm_per_km[0, 3, 3] == pytest.approx(lines.z_ohm_per_km[0, 0, 0])
    assert lines.z_ohm_per_km[0, 0, 0] - lines.z_ohm_per_km[0, 0, 1] == pytest.approx(
        complex(0.15, 0.04)
    )


# -- earthing --------------------------------------------------------------------------------


def test_earthing_of_a_scenario():
    assert Earthing.of(None) == Earthing()
    assert Earthing.of({"system": "TT", "customer_ohm": 5.0}).customer_ohm == inf
    assert Earthing.of({"system": "TN", "customer_ohm": None, "joint_ohm": 30.0}) == Earthing(
        customer_ohm=inf, joint_ohm=30.0
    )
    with pytest.raises(ScenarioError) as caught:
        Earthing.of({"system": "IT", "mv_ohm": 0, "mv_neutral": "floating", "depth": 1})
    text = str(caught.value)
    for part in ("system", "mv_ohm", "mv_neutral", "depth"):
        assert f"grid.earthing.{part}" in text


def test_electrodes_hold_the_neutral_nearer_to_earth():
    model = connect_phases(MODEL, assign_phases(MODEL, PhaseRule(4600.0, 1.0), seed=1))
    p_w = np.repeat(model.static_power()[0][:, None] / 3, 3, axis=1) * 0.6
    highest = []
    for customer_ohm in (inf, 30.0, 5.0, 0.1):
        solver = FourWireSolver(model, Earthing(1.0, customer_ohm))
        wires = solver.solve(p_w, 0.3 * p_w).conductors
        highest.append(np.nanmax(wires.v_neutral_v[solver._circuit.low]))
    assert highest == sorted(highest, reverse=True)
    assert highest[0] > 3 * highest[-1]


@pytest.mark.parametrize("mv_neutral", ["isolated", "compensated", "resistance", "solid"])
def test_the_neutral_of_medium_voltage_matters_to_no_balanced_load(mv_neutral):
    model = load_grid({"simbench": "1-MV-semiurb--0-sw"})
    p_w, q_var = (np.repeat(part[:, None] / 3, 3, axis=1) for part in model.static_power())
    base = FourWireSolver(model).solve(p_w, q_var)
    state = FourWireSolver(model, Earthing(mv_neutral=mv_neutral)).solve(p_w, q_var)
    assert np.abs(state.vm_pu - base.vm_pu).max() < 1e-9
    assert state.p_slack_w == pytest.approx(state.p_terminals_w.sum() + state.p_loss_w, abs=5.0)


# -- contexts --------------------------------------------------------------------------------


def test_a_context_is_used_again_when_its_circuit_is_gone():
    model = load_grid({"simbench": "1-LV-rural1--0-sw"})
    drawn = tuple(np.repeat(part[:, None] / 3, 3, axis=1) for part in model.static_power())
    before = FourWireSolver(model).solve(*drawn)
    gc.collect()
    kept = len(contexts._free)
    assert kept >= 1
    other = FourWireSolver(MODEL)  # another grid in the same context
    assert len(contexts._free) == kept - 1
    del other
    gc.collect()
    after = FourWireSolver(model).solve(*drawn)
    assert np.array_equal(after.vm_pu, before.vm_pu)
    assert after.p_slack_w == before.p_slack_w


@pytest.mark.parametrize(
    ("neutral", "expected"),
    [("solid", 1e-3), ("resistance", 60.0), ("compensated", 34.930 + 1397.196j)],
)
def test_medium_voltage_is_earthed_as_stated(neutral, expected):
    model = load_grid({"pandapower": "create_cigre_network_mv"})
    solver = FourWireSolver(model, Earthing(mv_neutral=neutral, mv_ohm=20.0))
    dss = solver._circuit.dss
    dss.SetActiveElement("reactor.g0")
    y = np.asarray(dss.ActiveCktElement.Yprim).view(complex).reshape(6, 6)[:3, :3]
    assert 3.0 / y.sum() == pytest.approx(expected, abs=0.01)  # the zero sequence's impedance
    assert abs(y[0, 0] - y[0, 1]) < 1e-9  # and nothing in the positive one
