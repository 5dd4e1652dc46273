"""The four-wire solver against other tools: the European feeder, a day of uneven loads."""

from __future__ import annotations

import warnings
from math import inf

import numpy as np
import pandas as pd
import pytest
from dss import DSS
from power_grid_model import (
    CalculationMethod,
    LoadGenType,
    PowerGridModel,
    WindingType,
    initialize_array,
)

from fernwatt.gridmodel import load_grid, load_profiles
from fernwatt.gridmodel.build import build
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.linetypes import line_conductors
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.sanitise import sanitise
from fernwatt.gridmodel.solvers import FourWireSolver

SNAPSHOTS = ["on_peak_566", "off_peak_1", "off_peak_1440"]
FLOATING = Earthing(substation_ohm=1.0, customer_ohm=inf)


# -- IEEE European low-voltage test feeder ---------------------------------------------------


def european(snapshot):
    """The feeder as pandapower ships it, as a model of ours; powers ``[55, 3]`` W and var."""
    import pandapower.networks

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = pandapower.networks.ieee_european_lv_asymmetric(snapshot)
    tables = {name: table for name, table in net.items() if isinstance(table, pd.DataFrame)}
    uneven = tables.pop("asymmetric_load")
    p_w = uneven[["p_a_mw", "p_b_mw", "p_c_mw"]].to_numpy() * 1e6
    q_var = uneven[["q_a_mvar", "q_b_mvar", "q_c_mvar"]].to_numpy() * 1e6
    tables["load"] = pd.DataFrame(
        {"name": uneven["name"], "bus": uneven["bus"], "p_mw": p_w.sum(axis=1) * 1e-6,
         "q_mvar": q_var.sum(axis=1) * 1e-6}
    )  # fmt: skip
    tables["bus"]["name"] = [f"n{index}" for index in tables["bus"].index]
    model = build(sanitise(tables, float(net.f_hz), "feeder"))
    names = [terminal.name for terminal in model.terminals]
    order = [list(uneven["name"]).index(name) for name in names]
    p_w, q_var = p_w[order], q_var[order]
    phases = {
        terminal.id: int(np.argmax(p)) + 1 for terminal, p in zip(model.terminals, p_w, strict=True)
    }
    return connect_phases(model, phases), p_w, q_var, net


def by_opendss(model, p_w, q_var):
    """The feeder in three wires, as one writes it in OpenDSS: sequence impedances, solid earth."""
    net, context = model.net, DSS.NewContext()
    trafo = net.trafo.iloc[0]
    reactance = (trafo.vk_percent**2 - trafo.vkr_percent**2) ** 0.5

    def command(text):
        context.Text.Command = text

    command("clear")
    command("set defaultbasefrequency=50")
    command(
        f"new circuit.c bus1=b{net.ext_grid.bus[0]} basekv=11 pu={net.ext_grid.vm_pu[0]} "
        "r1=1e-9 x1=1e-8 r0=1e-9 x0=1e-8"
    )
    command(
        f"new transformer.t buses=(b{trafo.hv_bus} b{trafo.lv_bus}) conns=(delta wye) "
        f"kvs=({trafo.vn_hv_kv} {trafo.vn_lv_kv}) kvas=({trafo.sn_mva * 1e3} "
        f"{trafo.sn_mva * 1e3}) xhl={reactance} %loadloss={trafo.vkr_percent}"
    )
    for row in net.line.itertuples():
        command(
            f"new line.l{row.Index} bus1=b{row.from_bus} bus2=b{row.to_bus} "
            f"length={row.length_km} units=km r1={row.r_ohm_per_km} x1={row.x_ohm_per_km} "
            f"r0={row.r0_ohm_per_km} x0={row.x0_ohm_per_km} c1=0 c0=0"
        )
    for row, bus in enumerate(net.load.bus):
        phase = int(np.argmax(p_w[row]))
        command(
            f"new load.d{row} phases=1 bus1=b{bus}.{phase + 1} kv={0.416 / 3**0.5} model=1 "
            f"kw={p_w[row, phase] / 1e3} kvar={q_var[row, phase] / 1e3} vminpu=0.5 vmaxpu=2"
        )
    command("set mode=snapshot tolerance=1e-10")
    solution = context.ActiveCircuit.Solution
    solution.Solve()
    assert solution.Converged
    names = context.ActiveCircuit.YNodeOrder
    values = np.abs(np.asarray(context.ActiveCircuit.YNodeVarray).view(complex))
    found = dict(zip(names, values, strict=True))
    return np.array([[found[f"B{bus}.{k}"] for k in (1, 2, 3)] for bus in range(len(net.bus))])


def by_power_grid_model(model, p_w, q_var):
    """The feeder with power-grid-model's asymmetric Newton-Raphson."""
    net = model.net
    data = _pgm_common(model)
    line = initialize_array("input", "line", len(net.line))
    _pgm_ends(line, net.line, 20_000)
    for name, column in (("r1", "r"), ("x1", "x"), ("r0", "r0"), ("x0", "x0")):
        line[name] = (net.line[f"{column}_ohm_per_km"] * net.line.length_km).to_numpy()
    line["c1"] = line["c0"] = line["tan1"] = line["tan0"] = 0.0
    data["line"] = line
    return _pgm_voltages(model, data, p_w, q_var)


def _pgm_ends(branch, table, first):
    branch["id"] = first + np.arange(len(table))
    branch["from_node"], branch["to_node"] = table.from_bus.to_numpy(), table.to_bus.to_numpy()
    branch["from_status"] = branch["to_status"] = 1
    branch["i_n"] = 300.0


def _pgm_common(model):
    net = model.net
    node = initialize_array("input", "node", len(net.bus))
    node["id"], node["u_rated"] = np.arange(len(net.bus)), net.bus.vn_kv.to_numpy() * 1e3
    source = initialize_array("input", "source", 1)
    source["id"], source["node"], source["status"] = 900_000, net.ext_grid.bus[0], 1
    source["u_ref"], source["sk"], source["rx_ratio"] = net.ext_grid.vm_pu[0], 1e15, 0.1
    trafo = initialize_array("input", "transformer", 1)
    row = net.trafo.iloc[0]
    for name, value in {
        "id": 10_000, "from_node": row.hv_bus, "to_node": row.lv_bus, "from_status": 1,
        "to_status": 1, "u1": row.vn_hv_kv * 1e3, "u2": row.vn_lv_kv * 1e3, "sn": row.sn_mva * 1e6,
        "uk": row.vk_percent / 100, "pk": row.vkr_percent / 100 * row.sn_mva * 1e6,
        "i0": row.i0_percent / 100, "p0": row.pfe_kw * 1e3, "winding_from": WindingType.delta,
        "winding_to": WindingType.wye_n, "clock": round(row.shift_degree / 30), "tap_side": 0,
        "tap_pos": 0, "tap_min": 0, "tap_max": 0, "tap_nom": 0, "tap_size": 0.0,
    }.items():  # fmt: skip
        trafo[name] = value
    load = initialize_array("input", "asym_load", len(net.load))
    load["id"], load["node"] = 30_000 + np.arange(len(net.load)), net.load.bus.to_numpy()
    load["status"], load["type"] = 1, LoadGenType.const_power
    return {"node": node, "source": source, "transformer": trafo, "asym_load": load}


def _pgm_voltages(model, data, p_w, q_var):
    data["asym_load"]["p_specified"], data["asym_load"]["q_specified"] = p_w, q_var
    result = PowerGridModel(data, system_frequency=50.0).calculate_power_flow(
        symmetric=False, error_tolerance=1e-10, max_iterations=50,
        calculation_method=CalculationMethod.newton_raphson, output_component_types=["node"],
    )  # fmt: skip
    return result["node"]["u"]


@pytest.mark.parametrize("snapshot", SNAPSHOTS)
def test_european_feeder_on_all_phases(snapshot):
    """Phase-to-neutral voltages with an explicit neutral that carries the return."""
    model, p_w, q_var, _ = european(snapshot)
    state = FourWireSolver(model, FLOATING).solve(p_w, q_var)
    low = np.array([bus.vn_v < 1000 for bus in model.buses])
    assert low.sum() == 906
    ours = state.conductors.v_bus_v[low]
    base_v = 416 / 3**0.5
    for reference in (by_opendss, by_power_grid_model):
        theirs = reference(model, p_w, q_var)[low]
        assert np.abs(ours - theirs).max() / base_v < 1e-7, reference.__name__
    # the neutral is no formality here: volts at its far end
    if snapshot == "on_peak_566":
        assert state.conductors.v_neutral_v[low].max() > 1.0


@pytest.mark.parametrize("snapshot", SNAPSHOTS)
def test_european_feeder_is_near_what_pandapower_ships_as_its_result(snapshot):
    """pandapower's own figures have an impedance upstream, and its three-phase power flow."""
    model, p_w, q_var, net = european(snapshot)
    state = FourWireSolver(model, FLOATING).solve(p_w, q_var)
    shipped = net.res_bus_3ph[["vm_a_pu", "vm_b_pu", "vm_c_pu"]].to_numpy()
    row_of = {f"n{index}": row for row, index in enumerate(net.bus.index)}
    rows = [row_of[bus.name] for bus in model.buses]
    low = np.array([bus.vn_v < 1000 for bus in model.buses])
    ours = state.conductors.v_bus_v / (
        np.array([bus.vn_v for bus in model.buses])[:, None] / 3**0.5
    )
    assert np.abs(ours - shipped[rows])[low].max() < 2e-3


# -- a day of uneven loads where the neutral is solidly earthed everywhere -------------------


def test_a_day_of_single_phase_loads_with_a_solidly_earthed_neutral():
    """power-grid-model eliminates the earthed neutral; here it is there, held at earth."""
    from datetime import UTC, datetime

    record = load_grid({"simbench": "1-LV-rural1--0-sw"})
    model = connect_phases(record, assign_phases(record, PhaseRule(9000.0, 0.5), seed=5))
    assert sum(len(t.phases) == 1 for t in model.terminals) == 6
    solid = Earthing(substation_ohm=1e-6, customer_ohm=1e-6, joint_ohm=1e-6)
    solver = FourWireSolver(model, solid)
    data = _pgm_common(model)
    net, wires = model.net, line_conductors(model)
    line = initialize_array("input", "asym_line", len(net.line))
    _pgm_ends(line, net.line, 20_000)
    z = wires.z_ohm_per_km * net.line.length_km.to_numpy()[:, None, None]
    for a, one in enumerate("abcn"):
        for b, other in enumerate("abcn"[: a + 1]):
            line[f"r_{one}{other}"], line[f"x_{one}{other}"] = z[:, a, b].real, z[:, a, b].imag
    line["c1"] = line["c0"] = wires.c_nf_per_km * net.line.length_km.to_numpy() * 1e-9
    data["asym_line"] = line
    profiles = load_profiles(model, datetime(2016, 4, 20, tzinfo=UTC), 96)
    row = {terminal.id: number for number, terminal in enumerate(model.terminals)}
    low = np.array([bus.vn_v < 1000 for bus in model.buses])
    at = np.array([[k in t.phases for k in (1, 2, 3)] for t in model.terminals])
    worst = spread = 0.0
    for slot in range(96):
        p_w, q_var = np.zeros(len(row)), np.zeros(len(row))
        for device in model.record_devices:
            p_w[row[device.terminal]] += device.p_w * _share(profiles, device.p_profile, slot)
            q_var[row[device.terminal]] += device.q_var * _share(profiles, device.q_profile, slot)
        drawn = [np.where(at, (part / at.sum(axis=1))[:, None], 0.0) for part in (p_w, q_var)]
        ours = solver.solve(*drawn).conductors.v_bus_v[low]
        theirs = _pgm_voltages(model, data, *drawn)[low]
        worst = max(worst, np.abs(ours - theirs).max() / (400 / 3**0.5))
        spread = max(spread, np.ptp(ours, axis=1).max())
    assert worst < 1e-6
    assert spread > 1.5  # the phases differ by volts all the same


def _share(profiles, name, slot):
    return profiles[name][slot] if name else 1.0
