"""Harmonics of two buses against formulas, and of whole grids against OpenDSS."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, pi, sqrt

import numpy as np
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.harmonics import (
    ORDERS,
    Drawn,
    HarmonicNetwork,
    HarmonicSources,
    class_limits,
    kinds_of,
    spectrum,
)
from fernwatt.gridmodel.harmonics.elements import skin_factor
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import FourWireSolver

TT = Earthing(substation_ohm=1.0, customer_ohm=inf)
TRIPLENS = (3, 9, 15, 21)


@dataclass(frozen=True)
class Impedance:
    """A grid above of this impedance [ohm] in every phase."""

    z_ohm: complex

    def impedance(self, vn_v):
        return np.eye(3) * self.z_ohm


STIFF = Impedance(1e-9 + 1e-9j)


def two_buses(tmp_path, loads=1, r=0.5, x=0.1, length_km=0.5, capacitor_var=0.0):
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 0.4, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, length_km, r, x, 0.0, 0.3, name="l")
    for number in range(loads):
        pp.create_load(net, b, 0.001, name=f"x{number}")
    if capacitor_var:
        pp.create_shunt(net, b, q_mvar=-capacitor_var * 1e-6)
    pp.to_json(net, tmp_path / "net.json")
    return load_grid({"file": "net.json"}, base_dir=tmp_path)


def network(model, above=STIFF, orders=ORDERS, earthing=TT, *, plain=True):
    solver = FourWireSolver(model, earthing)
    return HarmonicNetwork(solver, above, orders=orders, plain=plain)


def drawn(net, phases):
    """Currents [A] of all orders, the same in each."""
    points = net.points
    return np.repeat(np.array([phases[c] for c in points.column], dtype=complex)[None],
                     len(net.orders), axis=0)  # fmt: skip


def to_neutral(v):
    return v[..., :3] - v[..., 3:]


# -- two buses ---------------------------------------------------------------------------------


def test_voltage_is_current_by_impedance(tmp_path):
    """One phase draws 10 A of each order: out by the phase, back by an equal neutral."""
    model = connect_phases(two_buses(tmp_path), {"terminal/lv1/x0": 2})
    above = Impedance(0.02 + 0.03j)
    net = network(model, above)
    v = net.solve(drawn(net, (0, 10, 0)))
    z_line = (0.5 + 1j * 0.1 * net.orders) * 0.5
    z_above = 0.02 + 0.03j * net.orders
    assert np.allclose(to_neutral(v)[:, 1, 1], -10 * (2 * z_line + z_above), rtol=1e-6)
    assert np.allclose(to_neutral(v)[:, 0, 1], -10 * z_above, rtol=1e-6)
    i = net.currents(v)["line"][:, 0, 0]
    assert np.allclose(i[:, 1], 10, atol=1e-4)
    assert np.allclose(i[:, 3], -10, atol=1e-4)


def test_triplens_of_three_phases_add_up_in_the_neutral(tmp_path):
    model = two_buses(tmp_path)
    solver = FourWireSolver(model, TT)
    orders = np.array(ORDERS, dtype=float)
    net = HarmonicNetwork(solver, STIFF, plain=True)
    kinds = kinds_of(["ev"], orders)
    sources = HarmonicSources(net.points, kinds, orders, 50.0, np.zeros((1, 3, len(orders))))
    v1 = 230.0 * np.exp(-2j * pi / 3 * net.points.column)
    three = Drawn(np.full((1, 3), 3680.0), np.zeros((1, 3)), np.ones((1, 3)))
    i = net.currents(net.solve(sources.currents(three, v1)))["line"][:, 0, 0]
    share = np.abs(kinds[0].spectrum.share) * 16.0
    assert np.allclose(np.abs(i[:, :3]), share[:, None], rtol=1e-4)
    in_neutral = np.where(np.isin(orders, TRIPLENS), 3 * share, 0.0)
    assert np.allclose(np.abs(i[:, 3]), in_neutral, atol=1e-4)


def test_a_capacitor_resonates_with_the_line(tmp_path):
    """At h0 = sqrt(X_C / X_L) the impedance is that of a parallel circuit with R in the coil."""
    x_l, r, order = 0.05, 0.005, 7.0
    q_var = 400.0**2 / (x_l * order**2)
    model = two_buses(tmp_path, r=r / 0.5, x=x_l / 0.5, capacitor_var=q_var)
    orders = (5, 7, 9)
    net = network(model, orders=orders)
    # all phases alike but turned as orders 5 and 7 are, so that nothing flows in the neutral
    turned = np.exp(-2j * pi / 3 * net.orders[:, None] * np.arange(3))
    turned[2] = np.exp(-2j * pi / 3 * np.arange(3))
    v = to_neutral(net.solve(turned[:, net.points.column]))[:, 1]
    coil = r + 1j * net.orders * x_l
    tank = 1 / (1 / coil + 1j * net.orders / (x_l * order**2))
    assert np.allclose(np.abs(v), np.abs(tank)[:, None], rtol=1e-6)
    assert abs(tank[1]) > 4 * abs(tank[0])
    assert abs(tank[1]) == pytest.approx((order * x_l) ** 2 / r, rel=0.02)


def test_a_resistive_load_damps(tmp_path):
    model = connect_phases(two_buses(tmp_path, loads=2), {f"terminal/lv1/x{k}": 1 for k in (0, 1)})
    net = network(model, orders=(3, 5))
    i = np.array([[4.0, 0.0], [2.0, 0.0]])
    load_s = np.array([[0.0, 0.02], [0.0, 0.02 + 0.01j]])
    v = to_neutral(net.solve(i, load_s))[:, 1, 0]
    z = 2 * (0.25 + 0.05j * net.orders)
    assert np.allclose(v, -i[:, 0] / (1 / z + load_s[:, 1]), rtol=1e-6)


def test_what_the_grid_above_brings(tmp_path):
    model = two_buses(tmp_path)
    net = network(model, Impedance(0.1 + 0.2j), orders=(3, 5))
    fifth = 4.0 * np.exp(2j * pi / 3 * np.arange(3))
    v = to_neutral(net.solve(drawn(net, (0, 0, 0)), None, {5: fifth}))
    assert np.abs(v[0]).max() < 1e-9
    assert np.allclose(v[1], fifth, rtol=1e-6)


def test_a_broken_neutral_leaves_triplens_no_way_back(tmp_path):
    model = two_buses(tmp_path)
    solver = FourWireSolver(model, TT)
    solver.set_conductor(0, 3, whole=False)
    net = HarmonicNetwork(solver, STIFF, orders=(3,), plain=True)
    load_s = np.full((1, 3), 0.05 + 0j)
    v = net.solve(drawn(net, (2, 2, 2)), load_s)
    assert np.allclose(to_neutral(v)[0, 1], -2 / 0.05, rtol=1e-6)
    assert np.abs(net.currents(v)["line"]).max() < 1e-5
    solver.set_conductor(0, 3, whole=True)
    net.refresh()
    assert np.abs(to_neutral(net.solve(drawn(net, (2, 2, 2))))[0, 1]).max() < 5


def test_skin_effect_of_a_thick_and_of_a_thin_conductor():
    r = np.array([0.1, 5.0])
    # series for thin ones: 1 + (a/delta)^4 / 48; thick ones: a / (2 delta) + 1/4
    thin = 1 + (4e-7 * pi * 50 / 5e-3) ** 2 / 48
    assert skin_factor(r, 50.0)[1] == pytest.approx(thin, rel=1e-6)
    thick = sqrt(4e-7 * pi * 20_000 / 1e-4) / 2 + 0.25
    assert skin_factor(r, 20_000.0)[0] == pytest.approx(thick, rel=0.01)


def test_lines_at_a_harmonic_are_those_of_a_grid_of_that_frequency(tmp_path):
    """Carson's terms scaled from 50 Hz are the library's own at 250 Hz, but for the skin effect."""
    import pandapower as pp

    found = []
    for f_hz, x in ((50.0, 0.08), (250.0, 0.4)):
        net = pp.create_empty_network(f_hz=f_hz)
        a, b = pp.create_bus(net, 0.4, name="a"), pp.create_bus(net, 0.4, name="b")
        pp.create_ext_grid(net, a)
        pp.create_line_from_parameters(net, a, b, 1.0, 20.0, x, 0.0, 0.3, name="l")
        pp.create_load(net, b, 0.001, name="x")
        pp.to_json(net, tmp_path / "net.json")
        model = load_grid({"file": "net.json"}, base_dir=tmp_path)
        order = 5.0 if f_hz == 50.0 else 1.0
        found.append(network(model, orders=(order,), plain=False).branches)
    base, other = (
        branches._line_ohm_per_km(order)[0]
        for branches, order in zip(found, (5.0, 1.0), strict=True)
    )
    assert np.abs(base - other).max() < 1e-4  # skin effect of 20 ohm/km: 5e-5


# -- whole grids against OpenDSS ---------------------------------------------------------------


def by_opendss(solver, above, p_w, q_var, shares, folder):
    """Node voltages ``[orders, nodes]`` by OpenDSS's own harmonics mode, and the nodes' names."""
    circuit = solver.circuit
    dss, command = circuit.dss, circuit.command
    sources = circuit.model.net.ext_grid["bus"].to_numpy(int)
    for number, bus in enumerate(sources):
        z = above.impedance(float(circuit.vn_v[bus]))[0, 0]
        name = "source" if number == 0 else f"v{number}"
        command(f"edit vsource.{name} r1={z.real} x1={z.imag} r0={z.real} x0={z.imag}")
    orders = " ".join(str(order) for order in (1, *ORDERS))
    sizes = " ".join(repr(float(100 * abs(s))) for s in (1, *shares))
    angles = " ".join(repr(float(np.angle(s, deg=True))) for s in (1, *shares))
    command(
        f"new spectrum.own numharm={1 + len(ORDERS)} harmonic=({orders}) %mag=({sizes}) "
        f"angle=({angles})"
    )
    for number in range(len(circuit.load_terminal)):
        command(f"edit load.d{number} spectrum=own")
    for number in range(len(circuit.model.lines)):
        command(f"edit line.l{number} rg=0 xg=0")
    for number in range(len(circuit.model.transformers)):
        command(f"edit transformer.t{number} ppm=0")
    state = solver.solve(p_w, q_var)
    command(f"set datapath={folder}")  # where it leaves the voltages of 50 Hz
    command("set neglectloady=yes")
    command("solve mode=snapshot")
    command("set mode=harmonics")
    found = []
    for order in ORDERS:
        command(f"set harmonics=({order})")
        command("solve")
        found.append(np.asarray(dss.YNodeVarray).view(complex).copy())
    return state, np.array(found), list(dss.YNodeOrder)


def uneven(model, rng):
    n = len(model.terminals)
    p_w, q_var = (np.repeat(values[:, None] / 3, 3, axis=1) for values in model.static_power())
    return p_w * rng.uniform(0.2, 1.5, (n, 3)), q_var * rng.uniform(0.2, 1.5, (n, 3))


def as_opendss_draws(solver, net, state, p_w, q_var, shares):
    """Currents of all orders at the points, ``[orders, e]``: between phases those of three legs."""
    points, orders = net.points, net.orders[:, None]
    at = state.conductors.v_node_v.ravel()
    low = points.neutral >= 0
    asked = solver.asked(p_w, q_var)[points.load] * points.share
    out = np.zeros((len(net.orders), len(low)), dtype=complex)
    v1 = np.where(asked[low] != 0, at[points.phase[low]] - at[points.neutral[low]], 1.0)
    i1 = (asked[low] / v1).conj()
    out[:, low] = shares[:, None] * np.abs(i1) * np.exp(1j * np.angle(i1) * orders)
    three = at[points.phase[~low]].reshape(-1, 3)
    across = asked[~low].reshape(-1, 3) / (three - np.roll(three, -1, axis=1))
    turned = np.abs(across) * np.exp(-1j * np.angle(across) * orders[:, :, None])
    legs = turned * shares[:, None, None]
    out[:, ~low] = (legs - np.roll(legs, 1, axis=2)).reshape(len(net.orders), -1)
    return out


def check_against_opendss(solver, folder):
    model, above = solver.model, Impedance(0.3 + 1.5j)
    orders = np.array(ORDERS, dtype=float)
    shares = np.exp(1j * orders) / orders
    p_w, q_var = uneven(model, np.random.default_rng(2))
    state, theirs, names = by_opendss(solver, above, p_w, q_var, shares, folder)
    net = HarmonicNetwork(solver, above, plain=True)
    drawn_a = as_opendss_draws(solver, net, state, p_w, q_var, shares)
    ours = net.solve(drawn_a).reshape(len(orders), -1)
    place = [4 * int(name.split(".")[0][1:]) + int(name.split(".")[1]) - 1 for name in names]
    largest = np.abs(theirs).max(axis=1)
    difference = np.abs(ours[:, place] - theirs).max(axis=1)
    injected = largest > 1e-3  # nothing of orders that delta loads alike cancel
    assert injected[[1, 2, 4, 5]].all()
    assert (difference[injected] / largest[injected]).max() < 1e-6
    assert difference.max() < 1e-6 * largest.max()
    return state


def uneven_phases(source, lv=()):
    model = load_grid({"simbench": source}, lv=lv)
    rule = PhaseRule(single_phase_max_w=4600.0, unbalance=0.5)
    return connect_phases(model, assign_phases(model, rule, 1, {}))


@pytest.mark.parametrize(
    "source", ["1-LV-rural1--0-sw", "1-LV-semiurb4--0-sw", "1-MV-semiurb--0-sw"]
)
def test_whole_grids_agree_with_opendss(source, tmp_path):
    check_against_opendss(FourWireSolver(uneven_phases(source)), tmp_path)


def test_so_do_switched_grids_with_low_voltage_below(tmp_path):
    below = [{"simbench": "1-LV-semiurb4--0-sw", "at": "MV2.101 Load 5"}]
    solver = FourWireSolver(uneven_phases("1-MV-semiurb--0-sw", below))
    model = solver.model
    at_trafo = [t.id for t in model.transformers].index("transformer/lv4.101/trafo-1")
    lines = [n for n, s in enumerate(model.switches) if s.kind == "line" and s.closed]
    low = [n for n in lines if model.switches[n].area == "lv4.101"]
    solver.set_tap(at_trafo, 1)
    solver.set_switch(low[3], False)  # a dead branch
    state = check_against_opendss(solver, tmp_path)
    assert not state.energised.all()
    # a tie of medium voltage: another topology
    tie = next(n for n, s in enumerate(model.switches) if s.kind == "line" and not s.closed)
    fresh = FourWireSolver(model)
    fresh.set_switch(tie, True)
    assert check_against_opendss(fresh, tmp_path).energised.all()


# -- spectra -----------------------------------------------------------------------------------


def test_devices_of_the_library_keep_their_class_at_their_usual_current():
    orders = [float(order) for order in ORDERS]
    usual_a = {"pv": 16.0, "ev": 16.0, "battery": 16.0, "heat_pump": 13.0, "appliance": 10.0}
    for kind in kinds_of([*usual_a, "lighting"], orders):
        most_a, most_percent = class_limits(kind.limit_class, orders)
        share = np.abs(kind.spectrum.share)
        assert (share * usual_a.get(kind.name, 1.0) <= most_a).all(), kind.name
        assert (100 * share <= most_percent).all(), kind.name


def test_a_device_under_a_class_is_capped(tmp_path):
    model = connect_phases(two_buses(tmp_path), {"terminal/lv1/x0": 1})
    net = network(model)
    kinds = kinds_of(["ev"], net.orders.tolist())
    sources = HarmonicSources(net.points, kinds, net.orders, 50.0, np.zeros((1, 1, len(ORDERS))))
    strong = Drawn(np.full((1, 1), 230.0 * 100), np.zeros((1, 1)), np.ones((1, 1)))
    i = sources.currents(strong, np.array([230.0 + 0j]))[:, 0]
    assert np.abs(i[0]) == pytest.approx(2.30)
    both = Drawn(strong.p_w, strong.q_var, np.full((1, 1), 2.0))
    assert np.abs(sources.currents(both, np.array([230.0 + 0j]))[0, 0]) == pytest.approx(4.60)


def test_unknown_spectra_are_refused_and_unknown_kinds_are_loads():
    with pytest.raises(ScenarioError, match="six-pulse"):
        spectrum("sixpulse", [5.0])
    kind, linear = kinds_of(["toaster", "ev"], [3.0], {"ev": "linear"})
    assert kind.spectrum.share == pytest.approx(spectrum("household", [3.0]).share)
    assert linear.spectrum is None
