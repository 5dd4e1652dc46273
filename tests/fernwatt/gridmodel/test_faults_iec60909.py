"""Short circuits against pandapower's calc_sc, which follows IEC 60909.

The standard neglects loads, capacitances and taps, puts c times the nominal voltage in the place
of the fault, and corrects transformers by K_T. The grid here is the same: no load, no shunts, the
source at c, transformers' impedances multiplied by K_T. What then remains is arithmetic.
"""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.faults import FaultSolver, Infeed, Short, Upstream
from fernwatt.gridmodel.solvers import FourWireSolver

C = 1.1  # c_max above 1 kV, and up to 1 kV with a tolerance of 10 %
S_SC_MVA, RX = 3000.0, 0.1
TN = Earthing(customer_ohm=float("inf"), mv_neutral="isolated")
SIMBENCH = [
    {"simbench": "1-LV-rural3--0-sw"},
    {"simbench": "1-LV-semiurb4--0-sw"},
    {"simbench": "1-MV-semiurb--0-sw"},
    {"simbench": "1-MV-urban--0-sw"},
]


def k_t(trafo):
    """Correction of network transformers, IEC 60909-0, equation (12a)."""
    x_t = np.sqrt(trafo.vk_percent**2 - trafo.vkr_percent**2) / 100.0
    return 0.95 * C / (1.0 + 0.6 * x_t)


def bare(source, tmp_path, corrected, group=None, loads=1):
    """A grid as the standard sees it, as a model; its transformers corrected or not.

    With another vector ``group`` its lines have a zero sequence of four times the positive one.
    """
    import pandapower as pp

    net = copy.deepcopy(load_grid(source).net)
    net.line["c_nf_per_km"] = 0.0
    net.ext_grid["vm_pu"] = C
    net.trafo["tap_pos"] = net.trafo["tap_neutral"]
    net.trafo[["pfe_kw", "i0_percent"]] = 0.0
    net.trafo["vn_hv_kv"] = net.bus.vn_kv[net.trafo.hv_bus].to_numpy()
    net.trafo["vn_lv_kv"] = net.bus.vn_kv[net.trafo.lv_bus].to_numpy()
    if corrected:
        factor = k_t(net.trafo)
        for name in ("vk_percent", "vkr_percent"):
            net.trafo[name] *= factor
    if group is not None:
        net.line["r0_ohm_per_km"] = 4.0 * net.line["r_ohm_per_km"]
        net.line["x0_ohm_per_km"] = 4.0 * net.line["x_ohm_per_km"]
        net.line["c0_nf_per_km"] = 0.0
        net.trafo["vector_group"] = group
        if not group.endswith("5"):
            net.trafo["shift_degree"] = 0.0
    net.load = net.load.iloc[:loads]  # a grid has a customer, who draws nothing
    net.bus["name"] = [f"b{n}" for n in net.bus.index]
    for table in ("line", "trafo", "switch", "load"):
        net[table]["name"] = [f"{table[0]}{n}" for n in net[table].index]
    path = tmp_path / f"{corrected}.json"
    pp.to_json(net, path)
    return load_grid({"file": path.name}, base_dir=tmp_path)


def record(model, s_sc_mva=S_SC_MVA):
    """The model's network as calc_sc takes it."""
    net = copy.deepcopy(model.net)
    net.ext_grid["s_sc_max_mva"], net.ext_grid["rx_max"] = s_sc_mva, RX
    net.ext_grid["x0x_max"], net.ext_grid["r0x0_max"] = 1.0, RX
    return net


def calc_sc(net, fault, **options):
    from pandapower.shortcircuit import calc_sc as run

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(net, fault=fault, case="max", lv_tol_percent=10, ip=False, ith=False, **options)
    return 1e3 * net.res_bus_sc["ikss_ka"].to_numpy(float)


def ours(model, kind):
    """Short-circuit current [A] at each bus, NaN where it is dead."""
    upstream = Upstream(S_SC_MVA * 1e6 / C, RX, 1.0)
    solver = FaultSolver(FourWireSolver(model, TN), upstream)
    power = np.zeros((len(model.terminals), 3))
    phases, ground = {"3ph": ((0, 1, 2), False), "2ph": ((0, 1), False), "1ph": ((0,), True)}[kind]
    found = np.full(len(model.buses), np.nan)
    for bus in range(len(model.buses)):
        short = Short("x", bus=bus, phases=phases, ground=ground)
        state = solver.solve(power, power, [short])
        if state.energised[bus]:
            found[bus] = solver.fault_currents()["x"]
    return found


@pytest.mark.parametrize("kind", ["3ph", "2ph"])
@pytest.mark.parametrize("source", SIMBENCH, ids=lambda s: s["simbench"])
def test_every_bus_of_simbench_grids(tmp_path, source, kind):
    """Z of the source is c Un² / S in the standard, its own nominal voltage behind it times c."""
    found = ours(bare(source, tmp_path, corrected=True), kind)
    expected = calc_sc(record(bare(source, tmp_path, corrected=False)), kind)
    live = np.isfinite(found)
    assert live.any()
    # busbar couplers have 10 microohms here and none there
    close = 1e-5 if "MV" in source["simbench"] else 1e-6
    assert found[live] == pytest.approx(expected[live], rel=close)


@pytest.mark.parametrize(
    ("source", "group"),
    [
        ("1-LV-rural3--0-sw", "Dyn5"),
        ("1-LV-semiurb4--0-sw", "Dyn5"),
        ("1-MV-semiurb--0-sw", "YNyn0"),
    ],
)
def test_every_bus_with_one_phase_to_earth(tmp_path, source, group):
    """In low voltage back through the neutral; star-star passes the zero sequence on."""
    source = {"simbench": source}
    found = ours(bare(source, tmp_path, corrected=True, group=group), "1ph")
    net = record(bare(source, tmp_path, corrected=False, group=group))
    net.trafo["vector_group"] = group.rstrip("05")
    net.trafo["vk0_percent"], net.trafo["vkr0_percent"] = (
        net.trafo.vk_percent,
        net.trafo.vkr_percent,
    )
    net.trafo["mag0_percent"], net.trafo["mag0_rx"] = 1e9, 0.0
    net.trafo["si0_hv_partial"] = 0.5
    expected = calc_sc(net, "1ph")
    live = np.isfinite(found)
    if group == "Dyn5":
        live &= net.bus.vn_kv.to_numpy() < 1.0  # above there is no way back but the source's
    assert found[live] == pytest.approx(expected[live], rel=1e-5)


def test_converters_add_what_the_standard_lets_them_add(tmp_path):
    """Constant current of k times the rated one, through the same impedances.

    The standard adds magnitudes. Here what two converters add as phasors is compared, given the
    angles that they have; where they are limited: not at full voltage, nor at none.
    """
    import pandapower as pp

    source, k, s_va = {"simbench": "1-LV-rural3--0-sw"}, 1.2, 40e3
    stiff_mva = 1e9  # what feeds in before the fault takes from the source, and so from its force
    model = bare(source, tmp_path, corrected=True, loads=40)
    fed = [7, 30]
    p_w, q_var = np.zeros((len(model.terminals), 3)), np.zeros((len(model.terminals), 3))
    p_w[fed] = -s_va * 0.9 / 3
    q_var[fed] = -s_va * np.sqrt(1 - 0.9**2) / 3
    wires = FourWireSolver(model, TN)
    solver = FaultSolver(wires, Upstream(stiff_mva * 1e6 / C, RX), Infeed(k, 0.05))
    unfed = record(bare(source, tmp_path, corrected=False, loads=40), stiff_mva)
    net = copy.deepcopy(unfed)
    for row in fed:
        pp.create_sgen(net, int(model.net.load.bus[row]), 0.0, sn_mva=s_va * 1e-6, k=k)
    net.sgen["current_source"] = True
    alone = calc_sc(unfed, "3ph")
    compared, rated_a = 0, s_va / np.sqrt(3) / 400.0
    for bus in range(0, len(model.buses), 5):
        short = Short("x", bus=bus)
        solver.solve(0 * p_w, 0 * q_var, [short])
        without = solver.fault_phasors()["x"][0]
        state = solver.solve(p_w, q_var, [short])
        s = (state.conductors.p_terminal_w + 1j * state.conductors.q_terminal_var)[fed, 0]
        v = state.conductors.v_node_v[model.net.load.bus[fed]]
        i = np.conj(s / np.where(s == 0, 1.0, v[:, 0] - v[:, 3]))
        if np.abs(i) != pytest.approx([k * rated_a] * 2, rel=1e-6):
            continue
        net.sgen["current_angle_degree"] = np.degrees(np.angle(i))
        added_a = calc_sc(net, "3ph")[bus] - alone[bus]
        ours_a = abs(solver.fault_phasors()["x"][0] - without)
        assert ours_a == pytest.approx(added_a, rel=1e-5), bus
        compared += 1
    assert compared > 8
