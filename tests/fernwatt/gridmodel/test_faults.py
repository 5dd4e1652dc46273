"""Short circuits against formulae of symmetrical components, and what must hold of any."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.faults import FaultSolver, Infeed, Short, Upstream
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import FourWireSolver

OMEGA = 2 * np.pi * 50
A = np.exp(2j * np.pi / 3)
ALL = (True, True, True)


def by_phase(values):
    return np.repeat(np.asarray(values, dtype=float)[:, None] / 3, 3, axis=1)


# -- two buses, by hand ------------------------------------------------------------------------

UPSTREAM = Upstream(s_sc_va=1.5e9, r_over_x=0.2)
R1, X1, R0, X0, KM = 0.3, 0.35, 0.6, 1.2, 10.0
MV_OHM = 20.0


def medium(tmp_path, c_nf):
    """110 kV, a transformer, 20 kV, and a line of 10 km to its second bus."""
    import pandapower as pp

    net = pp.create_empty_network()
    top, a, b = (pp.create_bus(net, kv, name=f"n{k}") for k, kv in enumerate((110.0, 20.0, 20.0)))
    pp.create_ext_grid(net, top)
    pp.create_transformer_from_parameters(
        net, top, a, 25.0, 110.0, 20.0, 0.5, 12.0, 0.0, 0.0, shift_degree=150, name="t",
        vector_group="YNd5",
    )  # fmt: skip
    pp.create_line_from_parameters(
        net, a, b, KM, R1, X1, c_nf, 0.3, name="l", r0_ohm_per_km=R0, x0_ohm_per_km=X0,
        c0_nf_per_km=c_nf,
    )  # fmt: skip
    pp.create_switch(net, a, 0, "l", name="s")
    pp.to_json(net, tmp_path / "net.json")
    return load_grid({"file": "net.json"}, base_dir=tmp_path)


class Sequences:
    """Voltage before, and impedances, at a point of the line, by symmetrical components."""

    def __init__(self, c_nf, neutral, position):
        z_up = 20e3**2 / UPSTREAM.s_sc_va / np.hypot(1, UPSTREAM.r_over_x)
        z_t = 20e3**2 / 25e6 * complex(0.005, np.sqrt(0.12**2 - 0.005**2))
        y_km = 1j * OMEGA * max(c_nf, 1e-3) * 1e-9
        stiff = self._at(1 / z_t, complex(R1, X1), y_km, position)
        self.v = 20e3 / np.sqrt(3) / z_t * stiff[0, 1]
        z_feed = z_t + z_up * complex(UPSTREAM.r_over_x, 1.0)
        self.z1 = self._at(1 / z_feed, complex(R1, X1), y_km, position)[1, 1]
        coil = 1 / (OMEGA * max(c_nf, 1e-3) * 1e-9 * KM)
        star = {"solid": 1e3, "resistance": 1 / (3 * MV_OHM), "isolated": 0.0,
                "compensated": 1 / (coil * complex(0.025, 1.0))}[neutral]  # fmt: skip
        self.z0 = self._at(star, complex(R0, X0), y_km, position)[1, 1]

    @staticmethod
    def _at(y_feed, z_km, y_km, position):
        """Impedances between the busbar and the point: pi-sections on either side of it."""
        y, first = np.zeros((3, 3), dtype=complex), 0 if position else 1
        y[first, first] = y_feed
        for k, km in ((0, KM * position), (1, KM * (1 - position))):
            if km:
                series, half = 1 / (z_km * km), y_km * km / 2
                y[k : k + 2, k : k + 2] += [[series + half, -series], [-series, series + half]]
        used = slice(first, 2 if position == 1.0 else 3)
        z = np.linalg.inv(y[used, used])
        return z if position else np.full((2, 2), z[0, 0])

    def currents(self, kind, r):
        """Phase currents of a short circuit; its phases are 0, or 1 and 2, or all."""
        z1, z0, v = self.z1, self.z0, self.v
        if kind == "three":
            i1, i2, i0 = v / (z1 + r / 2), 0.0, 0.0
        elif kind == "two":
            i1 = v / (2 * z1 + r)
            i2, i0 = -i1, 0.0
        elif kind == "one":
            i1 = i2 = i0 = v / (2 * z1 + z0 + 3 * r)
        else:
            z_e = z0 + 3 * r
            i1 = v / (z1 + z1 * z_e / (z1 + z_e))
            i2, i0 = -i1 * z_e / (z1 + z_e), -i1 * z1 / (z1 + z_e)
        return i0 + i1 * A ** np.array([0, 2, 1]) + i2 * A ** np.array([0, 1, 2])


KINDS = {
    "three": ((0, 1, 2), False), "two": ((1, 2), False), "two-ground": ((1, 2), True),
    "one": ((0,), True),
}  # fmt: skip


@pytest.mark.parametrize("neutral", ["solid", "resistance", "isolated", "compensated"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_buses_of_medium_voltage_are_the_closed_form(tmp_path, kind, neutral):
    """Magnitudes: the transformer's clock turns all angles alike."""
    c_nf = 0.0 if neutral in ("solid", "resistance") else 250.0
    model = medium(tmp_path, c_nf)
    solver = FaultSolver(
        FourWireSolver(model, Earthing(mv_neutral=neutral, mv_ohm=MV_OHM)), UPSTREAM
    )
    phases, ground = KINDS[kind]
    none = np.zeros((0, 3))
    for position, r_ohm in ((0.0, 0.0), (0.35, 0.0), (0.35, 8.0), (1.0, 0.0), (1.0, 100.0)):
        short = Short("x", line=0, position=position, phases=phases, ground=ground, r_ohm=r_ohm)
        state = solver.solve(none, none, [short])
        if position == 0.0:
            short_at_bus = Short("x", bus=1, phases=phases, ground=ground, r_ohm=r_ohm)
            at_bus = solver.solve(none, none, [short_at_bus])
            assert np.allclose(at_bus.vm_pu, state.vm_pu, atol=1e-9)
            assert at_bus.p_loss_w == pytest.approx(state.p_loss_w, abs=1.0)
        expected = np.abs(Sequences(c_nf, neutral, position).currents(kind, r_ohm))
        i = np.abs(solver.fault_phasors()["x"][:3])
        # OpenDSS holds windings by a millionth of their rating, which is 0.1 microsiemens here
        held_a = 1e-3 if c_nf else 0.0
        assert i == pytest.approx(expected, rel=1e-6, abs=held_a + 1e-6 * expected.max())
        assert solver.fault_currents() == {"x": pytest.approx(i.max())}


def test_the_earth_fault_of_an_isolated_net_is_its_charging_current(tmp_path):
    model = medium(tmp_path, 250.0)
    none, short = np.zeros((0, 3)), Short("x", bus=2, phases=(0,), ground=True)
    charging_a = 3 * OMEGA * 250e-9 * KM * 20e3 / np.sqrt(3)  # 27 A
    found = {}
    for neutral in ("isolated", "compensated"):
        solver = FaultSolver(FourWireSolver(model, Earthing(mv_neutral=neutral)), UPSTREAM)
        state = solver.solve(none, none, [short])
        found[neutral] = solver.fault_currents()["x"]
        # the sound phases rise to the full voltage between phases
        sound = np.abs(state.conductors.v_node_v[2, 1:3]) / 20e3
        assert sound == pytest.approx([1.0, 1.0], abs=0.02)
        assert state.vm_pu[2] == pytest.approx(1.0, abs=0.01)  # customers notice nothing
    assert found["isolated"] == pytest.approx(charging_a, rel=0.02)
    assert found["compensated"] == pytest.approx(0.025 * charging_a, rel=0.1)  # the coil's loss


def low(tmp_path):
    """A source in low voltage, a line of 500 m, 0.5 + j0.1 ohm/km, and a customer at its end."""
    import pandapower as pp

    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 0.4, name="a"), pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, 0.5, 0.5, 0.1, 0.0, 0.3, name="l")
    pp.create_switch(net, a, 0, "l", name="s")
    pp.create_load(net, b, 0.001, name="x")
    pp.to_json(net, tmp_path / "net.json")
    return load_grid({"file": "net.json"}, base_dir=tmp_path)


TT = Earthing(substation_ohm=1.0, customer_ohm=inf)


def test_short_circuits_of_a_line_in_low_voltage_are_the_closed_form(tmp_path):
    upstream = Upstream(s_sc_va=5e6, r_over_x=0.5)
    solver = FaultSolver(FourWireSolver(low(tmp_path), TT), upstream)
    x = 400**2 / 5e6 / np.hypot(1, 0.5)
    z_up, z1, v = complex(0.5 * x, x), complex(0.5, 0.1) * 0.5, 400 / np.sqrt(3)
    none = np.zeros((1, 3))
    for r in (0.0, 0.05, 1.0):
        for kind, expected in (
            (Short("x", line=0, position=1.0, r_ohm=r), v / (z_up + z1 + r / 2)),
            (
                Short("x", line=0, position=0.5, phases=(0, 2), r_ohm=r),
                np.sqrt(3) * v / (2 * z_up + z1 + r),
            ),
            # out by the phase, back by a neutral like it
            (
                Short("x", line=0, position=1.0, phases=(1,), ground=True, r_ohm=r),
                v / (z_up + 2 * z1 + r),
            ),
        ):
            solver.solve(none, none, [kind])
            assert solver.fault_currents()["x"] == pytest.approx(abs(expected), rel=1e-7)
    # to earth, back through the star-point's electrode alone
    short = Short("x", bus=1, phases=(0,), ground=True, earth=True, r_ohm=30.0)
    solver.solve(none, none, [short])
    i = solver.fault_phasors()["x"]
    line = FourWireSolver(low(tmp_path), TT).circuit.line_matrices(0)[0]
    assert abs(i[0]) == pytest.approx(v / abs(z_up + line[0, 0] + 31.0), rel=1e-7)
    assert i[3] == 0.0


# -- what must hold of any ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grid():
    model = load_grid(
        {"simbench": "1-MV-semiurb--0-sw"},
        lv=[{"simbench": "1-LV-semiurb4--0-sw", "at": "MV2.101 Load 5"}],
    )
    return connect_phases(model, assign_phases(model, PhaseRule(), seed=1))


def draw(model, seed, feeding=0.3):
    """Uneven power, some of it feeding in."""
    rng = np.random.default_rng(seed)
    p_w, q_var = (np.abs(by_phase(part)) for part in model.static_power())
    p_w = p_w * rng.uniform(-feeding, 1.3, p_w.shape)
    return p_w, q_var * rng.uniform(0.0, 1.0, q_var.shape)


@pytest.fixture(scope="module")
def solvers(grid):
    wires = FourWireSolver(grid, Earthing(mv_neutral="compensated"))
    return wires, FaultSolver(wires, Upstream.of(None, grid))


def leaving(solver, wires, state, p_terminal, shorts):
    """Currents that leave each node ``[n_buses, 4]``, where all are known.

    Not at the source, star-points, and what medium voltage's loads draw by phase.
    """
    model, net = wires.model, wires.model.net
    out = np.zeros((len(model.buses), 4), dtype=complex)
    for flows, table, ends in (
        (state.conductors.i_line, net.line, ("from_bus", "to_bus")),
        (state.conductors.i_transformer, net.trafo, ("hv_bus", "lv_bus")),
        (state.conductors.i_tie, net.switch[net.switch.et == "b"], ("bus", "element")),
    ):
        for end, name in enumerate(ends):
            np.add.at(out, table[name].to_numpy(int), flows[:, end])
    v = state.conductors.v_node_v
    conductance, _ = wires.circuit.earth_admittances()
    out += conductance * v
    for row, (bus, terminal) in enumerate(zip(net.load.bus, model.terminals, strict=True)):
        if not wires.circuit.low[bus]:
            continue
        for phase in terminal.phases:
            at = v[bus, phase - 1] - v[bus, 3]
            i = np.conj(p_terminal[row, phase - 1] / at) if abs(at) > 1e-6 else 0.0
            out[bus, phase - 1] += i
            out[bus, 3] -= i
    for short in shorts:
        if short.bus >= 0:
            out[short.bus] += solver.fault_phasors()[short.id]
    above = ~wires.circuit.low
    out[above, 3] = 0.0  # earth
    out[net.ext_grid.bus] = 0.0
    out[net.load.bus[above[net.load.bus]]] = 0.0
    out[net.trafo.lv_bus[above[net.trafo.lv_bus]]] = 0.0  # star-points
    return out


SHORTS = st.lists(
    st.tuples(
        st.booleans(), st.integers(0, 10**6), st.floats(0, 1),
        st.sampled_from([(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)]), st.booleans(),
        st.sampled_from([0.0, 1e-3, 0.1, 1.0, 10.0, 1000.0]),
    ),
    min_size=1, max_size=3,
)  # fmt: skip


def shorts_of(model, drawn):
    return [
        Short(
            f"f{n}", line=number % len(model.lines) if on_line else -1,
            bus=-1 if on_line else number % len(model.buses), position=position, phases=phases,
            ground=ground or len(phases) == 1, r_ohm=r_ohm,
        )
        for n, (on_line, number, position, phases, ground, r_ohm) in enumerate(drawn)
    ]  # fmt: skip


@given(drawn=SHORTS, seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_currents_and_powers_add_up_whatever_the_short_circuits(grid, solvers, drawn, seed):
    wires, solver = solvers
    shorts = shorts_of(grid, drawn)
    state = solver.solve(*draw(grid, seed), shorts)
    most = max(1.0, *solver.fault_currents().values())
    assert np.isfinite(state.vm_pu[state.energised]).all()
    assert (state.vm_pu[state.energised] < 2.5).all()
    s_va = state.conductors.p_terminal_w + 1j * state.conductors.q_terminal_var
    rest = leaving(solver, wires, state, s_va, shorts)
    assert float(np.abs(rest).max()) < 1e-5 * most
    gone = state.p_slack_w - state.p_terminals_w.sum() - state.p_loss_w
    assert abs(gone) < 1e-7 * max(1e7, abs(state.p_slack_w))


def test_without_a_short_circuit_and_with_a_very_high_resistance_it_is_the_power_flow(
    grid, solvers
):
    wires, solver = solvers
    drawn = draw(grid, 3, feeding=0.0)
    flow = wires.solve(*drawn)
    line = next(n for n, item in enumerate(grid.lines) if "mv" in item.id)
    far = Short("x", line=line, position=0.5, phases=(0,), ground=True, r_ohm=1e10)
    for shorts in ([], [far]):
        state = solver.solve(*drawn, shorts)
        assert np.abs(state.vm_pu - flow.vm_pu).max() < 1e-8
        off = np.abs(state.conductors.v_node_v - flow.conductors.v_node_v)
        assert (off.max(axis=1) / [bus.vn_v for bus in grid.buses]).max() < 1e-6
        assert np.abs(state.conductors.i_line - flow.conductors.i_line).max() < 1e-3
        assert np.abs(state.p_terminals_w - flow.p_terminals_w).max() < 0.1
        assert state.p_slack_w == pytest.approx(flow.p_slack_w, rel=1e-6)
    # feeding in, the same but for the sequence in which medium voltage's converters do
    drawn = draw(grid, 3)
    off = solver.solve(*drawn, []).vm_pu - wires.solve(*drawn).vm_pu
    assert np.abs(off).max() < 1e-6


def test_switches_damage_wiring_and_taps_are_those_of_the_power_flow(grid):
    wires = FourWireSolver(grid)
    solver = FaultSolver(wires, Upstream.of(None, grid))
    drawn = draw(grid, 12, feeding=0.0)
    closed = [n for n, s in enumerate(grid.switches) if s.closed and s.kind == "line"]
    low = wires.circuit.lines.four_wire
    for change in (
        lambda: None,
        lambda: wires.set_tap(0, 2),
        lambda: wires.set_wiring(0, (2, 3, 1)),
        lambda: wires.set_poles(closed[5], (True, True, False)),
        lambda: wires.set_switch(closed[40], closed=False),
        lambda: wires.set_conductor(int(np.flatnonzero(low)[7]), 3, whole=False),
        lambda: wires.set_conductor(int(np.flatnonzero(~low)[20]), 0, whole=False),
    ):
        change()
        state, flow = solver.solve(*drawn, []), wires.solve(*drawn)
        assert np.array_equal(state.energised, flow.energised)
        assert np.nanmax(np.abs(state.vm_pu - flow.vm_pu)) < 1e-7
        assert np.abs(state.conductors.i_line - flow.conductors.i_line).max() < 1e-2
        assert np.abs(state.conductors.i_transformer - flow.conductors.i_transformer).max() < 1e-2
        assert np.abs(state.conductors.i_tie - flow.conductors.i_tie).max() < 1e-2
        assert np.abs(state.p_terminals_w - flow.p_terminals_w).max() < 1.0
        assert state.p_slack_w == pytest.approx(flow.p_slack_w, rel=1e-6)


def test_two_sources_and_shunts_keep_what_they_are(tmp_path):
    """One source in medium, one in low voltage; each behind its own impedance."""
    import pandapower as pp

    net = pp.create_empty_network()
    buses = [pp.create_bus(net, kv, name=f"n{k}") for k, kv in enumerate((20.0, 20.0, 0.4, 0.4))]
    pp.create_ext_grid(net, buses[0])
    pp.create_ext_grid(net, buses[3], vm_pu=0.99, va_degree=-150.0)
    pp.create_line_from_parameters(net, buses[0], buses[1], 2.0, 0.2, 0.1, 300, 0.3)
    pp.create_transformer_from_parameters(
        net, buses[1], buses[2], 0.4, 20.0, 0.4, 1.0, 4.0, 1.0, 0.3, shift_degree=150
    )
    pp.create_line_from_parameters(net, buses[2], buses[3], 0.1, 0.2, 0.08, 300, 0.3)
    pp.create_shunt(net, buses[1], q_mvar=-0.3, p_mw=0.05, step=2)
    pp.create_shunt(net, buses[2], q_mvar=-0.05, p_mw=0.002)
    pp.create_load(net, buses[2], 0.1, 0.03, name="x")
    pp.to_json(net, tmp_path / "net.json")
    model = load_grid({"file": "net.json"}, base_dir=tmp_path)
    wires = FourWireSolver(model)
    upstream = Upstream(s_sc_va=200e6, r_over_x=0.3, z0_over_z1=2.5)
    solver = FaultSolver(wires, upstream)
    drawn = tuple(by_phase(part) for part in model.static_power())
    state, flow = solver.solve(*drawn, []), wires.solve(*drawn)
    assert np.abs(state.vm_pu - flow.vm_pu).max() < 1e-7
    assert state.p_slack_w == pytest.approx(flow.p_slack_w, abs=1.0)
    assert state.q_slack_var == pytest.approx(flow.q_slack_var, abs=1.0)
    # at the first source's own bus; the other one is behind 4 % of 0.4 MVA
    short = Short("x", bus=int(model.net.ext_grid.bus[0]), phases=(0,), ground=True)
    state = solver.solve(*drawn, [short])
    z1 = 20e3**2 / 200e6
    own = np.sqrt(3) * 20e3 / ((2 + 2.5) * z1)  # 3 E / (2 Z1 + Z0)
    assert solver.fault_currents()["x"] == pytest.approx(own, rel=0.01)
    gone = state.p_slack_w - state.p_terminals_w.sum() - state.p_loss_w
    assert abs(gone) < 1.0


def test_two_earth_faults_at_one_bus_are_one_of_two_phases(grid, solvers):
    drawn = draw(grid, 5)
    _, solver = solvers
    bus = int(grid.net.line.to_bus[100])
    both = [Short(f"f{k}", bus=bus, phases=(k,), ground=True) for k in (0, 1)]
    state = solver.solve(*drawn, both)
    apart = sum(solver.fault_phasors().values())
    one = solver.solve(*drawn, [Short("x", bus=bus, phases=(0, 1), ground=True)])
    assert np.abs(solver.fault_phasors()["x"] - apart).max() < 1e-5
    assert np.abs(one.vm_pu - state.vm_pu).max() < 1e-9
    twice = [Short(name, bus=bus, phases=(0, 1), ground=True) for name in ("a", "b")]
    again = solver.solve(*drawn, twice)  # the same joint made twice is the same joint
    assert np.abs(again.vm_pu - one.vm_pu).max() < 1e-9
    assert np.abs(sum(solver.fault_phasors().values()) - apart).max() < 1e-4


def test_a_bolted_short_circuit_leaves_no_voltage(grid, solvers):
    _, solver = solvers
    drawn = draw(grid, 6)
    for bus in (int(grid.net.line.to_bus[10]), int(grid.net.line.to_bus[150])):
        state = solver.solve(*drawn, [Short("x", bus=bus)])
        assert state.energised[bus]
        three = state.conductors.v_node_v[bus, :3]
        assert np.abs(three - three.mean()).max() < 1e-6  # where the neutral is, loads decide
        assert state.vm_pu[bus] < 5e-3
        assert np.isfinite(state.va_degree[bus])
        state = solver.solve(*drawn, [Short("x", bus=bus, phases=(0, 1, 2), ground=True)])
        assert state.vm_pu[bus] < 1e-9


def test_along_every_line_the_current_falls_away_from_its_source(grid, solvers):
    """The grid is run open, so each line has one end nearer to the substation."""
    _, solver = solvers
    drawn = draw(grid, 11, feeding=0.0)
    for phases, ground in (((0, 1, 2), False), ((1, 2), False)):
        for line in range(len(grid.lines)):
            found = []
            for position in (0.0, 0.5, 1.0):
                short = Short("x", line=line, position=position, phases=phases, ground=ground)
                state = solver.solve(*drawn, [short])
                assert np.isfinite(state.vm_pu[state.energised]).all()
                found.append(solver.fault_currents()["x"])
            assert found[1] > 500.0  # every line is fed
            assert min(found[0], found[2]) < found[1] < max(found[0], found[2])


def test_turned_phases_turn_everything(grid):
    """In a grid that treats phases alike, a fault on the next phase is the same, turned."""
    model = load_grid({"simbench": "1-MV-semiurb--0-sw"})
    solver = FaultSolver(FourWireSolver(model, Earthing(mv_neutral="resistance")), Upstream())
    drawn = tuple(by_phase(part) for part in model.static_power())
    line = 40
    for phases, following in (((0,), (1,)), ((0, 1), (1, 2))):
        shorts = [
            Short("x", line=line, position=0.4, phases=which, ground=True, r_ohm=5.0)
            for which in (phases, following)
        ]
        before = solver.solve(*drawn, shorts[:1])
        after = solver.solve(*drawn, shorts[1:])
        for one, other in (
            (before.conductors.v_node_v, after.conductors.v_node_v),
            (before.conductors.i_line[:, 0], after.conductors.i_line[:, 0]),
        ):
            turned = np.roll(one[:, :3], 1, axis=1) / A
            assert np.abs(turned - other[:, :3]).max() < 1e-7 * np.abs(one).max()
        assert after.p_slack_w == pytest.approx(before.p_slack_w, rel=1e-9)


def test_nothing_depends_on_what_was_solved_before(grid):
    def made():
        wires = FourWireSolver(grid)
        return wires, FaultSolver(wires, Upstream.of(None, grid))

    wires, solver = made()
    drawn, other = draw(grid, 8), draw(grid, 9)
    short = Short("x", line=120, position=0.7, phases=(0, 1), r_ohm=0.2)
    first = solver.solve(*drawn, [short])
    solver.solve(*other, [Short("y", line=3), Short("z", bus=5)])
    wires.set_poles(0, (False, True, True))
    solver.solve(*other, [short])
    wires.set_poles(0, ALL)
    wires.solve(*other)
    for state in (solver.solve(*drawn, [short]), made()[1].solve(*drawn, [short])):
        assert state.conductors.v_node_v.tobytes() == first.conductors.v_node_v.tobytes()
        assert state.conductors.i_line.tobytes() == first.conductors.i_line.tobytes()
        assert state.p_slack_w == first.p_slack_w


# -- poles ----------------------------------------------------------------------------------------


def test_a_lost_pole_darkens_its_phase_alone(grid, solvers):
    """As a fuse of a low-voltage feeder does."""
    wires, solver = solvers
    net = grid.net
    rows = [n for n, s in enumerate(grid.switches) if s.kind == "line" and "lv4" in s.id]
    drawn = draw(grid, 4, feeding=0.0)
    before = wires.solve(*drawn)
    first = int(
        net.trafo.lv_bus[[t.lv_bus.startswith("bus/lv") for t in grid.transformers]].iloc[0]
    )
    switch = next(
        n for n in rows
        if net.switch.bus[n] == first and before.line.i_a[net.switch.element[n]] > 1.0
    )  # fmt: skip
    try:
        wires.set_poles(switch, (True, False, True))
        for state in (
            wires.solve(*drawn),
            solver.solve(*drawn, [Short("x", bus=first, phases=(0,), ground=True, r_ohm=5.0)]),
        ):
            live, phases = state.conductors.terminal_live, [t.phases for t in grid.terminals]
            dark = [n for n in np.flatnonzero(~live) if before.conductors.terminal_live[n]]
            assert dark
            assert {phases[n] for n in dark} == {(2,)}
            assert np.abs(state.p_terminals_w[dark]).max() < 1e-3  # what the others induce
            line = int(net.switch.element[switch])
            assert abs(state.conductors.i_line[line, 0, 1]) < 1e-6
            assert abs(state.conductors.i_line[line, 0, 0]) > 0.1
            assert state.energised[before.energised].all()  # some phase reaches every bus
    finally:
        wires.set_poles(switch, ALL)
    assert wires.solve(*drawn).vm_pu.tobytes() == before.vm_pu.tobytes()


def test_a_dead_line_has_no_short_circuit_current(grid, solvers):
    """What a breaker leaves behind: the arc has nothing to live on."""
    wires, solver = solvers
    opened = {s.element for s in grid.switches if not s.closed}
    net = grid.net
    line = next(
        n for n, item in enumerate(grid.lines)
        if item.id in opened and (net.switch.element[net.switch.et == "l"] == n).sum() == 2
    )  # fmt: skip
    ends = [
        n for n, row in enumerate(net.switch.itertuples()) if row.et == "l" and row.element == line
    ]
    was = [grid.switches[n].closed for n in ends]
    try:
        for n in ends:
            wires.set_switch(n, closed=False)
        state = solver.solve(*draw(grid, 2), [Short("x", line=line, position=0.5)])
        assert solver.fault_currents()["x"] < 1e-6
        assert not np.abs(state.conductors.i_line[line]).max() > 1e-6
        assert np.isfinite(state.vm_pu[state.energised]).all()
    finally:
        for n, closed in zip(ends, was, strict=True):
            wires.set_switch(n, closed=closed)


# -- what feeds in --------------------------------------------------------------------------------


def test_a_converter_gives_its_current_and_no_more(tmp_path):
    wires = FourWireSolver(low(tmp_path), TT)
    solver = FaultSolver(wires, Upstream(s_sc_va=5e6), Infeed(limit=1.3, cut_off_pu=0.1))
    p_w, q_var = np.full((1, 3), -3000.0), np.zeros((1, 3))
    nominal_a = 3000.0 / (400 / np.sqrt(3))

    def fed_a(r_ohm):
        state = solver.solve(p_w, q_var, [Short("x", bus=1, r_ohm=r_ohm)])
        v = state.conductors.v_terminal_v[0]
        return np.abs(state.conductors.p_terminal_w[0]) / np.where(v > 0, v, 1.0), v

    i, v = fed_a(100.0)
    assert i * v == pytest.approx([3000.0] * 3)  # all its power, at nearly all the voltage
    i, v = fed_a(0.5)
    assert v[0] == pytest.approx(400 / np.sqrt(3) * 0.5, rel=0.1)
    assert i == pytest.approx([1.3 * nominal_a] * 3)
    i, v = fed_a(0.01)
    assert v[0] < 0.1 * 400 / np.sqrt(3)
    assert not i.any()  # below its limit it stops
    # on one phase the others go on
    solver.solve(p_w, q_var, [Short("x", bus=1, phases=(0,), ground=True)])
    state = solver.solve(p_w, q_var, [Short("x", bus=1, phases=(0,), ground=True)])
    assert (state.conductors.p_terminal_w[0] != 0).tolist() == [False, True, True]


@given(
    seed=st.integers(0, 2**32), drawn=SHORTS, feeding=st.floats(0.0, 30.0),
    pole=st.integers(0, 10**6), closed=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    torn=st.integers(0, 10**6), limit=st.floats(1.0, 5.0), cut_off_pu=st.floats(0.0, 0.8),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_whatever_feeds_in_and_is_open_there_is_a_solution(
    grid, seed, drawn, feeding, pole, closed, torn, limit, cut_off_pu
):
    """Also where the power flow has none; nobody gives more than his limit."""
    wires = FourWireSolver(grid)
    rule = Infeed(limit, cut_off_pu)
    solver = FaultSolver(wires, Upstream.of(None, grid), rule)
    wires.set_poles(pole % len(grid.switches), closed)
    wires.set_conductor(torn % len(grid.lines), torn % 3, whole=False)
    p_w, q_var = draw(grid, seed, feeding)
    state = solver.solve(p_w, q_var, shorts_of(grid, drawn))
    assert np.isfinite(state.vm_pu[state.energised]).all()
    assert np.isfinite(state.conductors.i_line).all()
    gone = state.p_slack_w - state.p_terminals_w.sum() - state.p_loss_w
    assert abs(gone) < 1e-6 * max(1e7, abs(state.p_slack_w))
    low = wires.circuit.low[grid.net.load.bus]
    s_va = np.abs(state.conductors.p_terminal_w + 1j * state.conductors.q_terminal_var)[low]
    v = np.maximum(state.conductors.v_terminal_v[low], 1e-9)
    asked = np.zeros(len(p_w), dtype=complex)
    asked += (p_w + 1j * q_var).sum(axis=1)
    single = np.array([len(t.phases) == 1 for t in grid.terminals])[low]
    feeds = (asked.real[low] < 0) & single
    most = limit * np.abs(asked[low]) / (400 / np.sqrt(3))
    assert (
        s_va[feeds].max(axis=1) <= (v[feeds].max(axis=1) * most[feeds]) * (1 + 1e-9) + 1e-6
    ).all()


# -- what is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"line": 1, "bus": 1}, {"line": 1, "position": 1.5}, {"bus": 1, "phases": ()},
        {"bus": 1, "phases": (0, 0)}, {"bus": 1, "phases": (3,), "ground": True},
        {"bus": 1, "phases": (0,)}, {"bus": 1, "r_ohm": -1.0}, {"bus": 1, "r_ohm": inf},
        {"line": 1, "side": 2},
    ],
)  # fmt: skip
def test_what_is_no_short_circuit_is_refused(wrong):
    with pytest.raises(ValueError, match="short circuit x"):
        Short("x", **wrong)


def test_a_place_that_does_not_exist_is_refused(grid, solvers):
    drawn = draw(grid, 1)
    for short in (Short("x", line=len(grid.lines)), Short("x", bus=len(grid.buses))):
        with pytest.raises(ValueError, match="no such place"):
            solvers[1].solve(*drawn, [short])


def test_the_upstream_grid_is_what_is_stated_or_usual(grid):
    stated = Upstream.of({"s_sc_mva": 800, "r_over_x": 0.2, "z0_over_z1": 2.0}, grid)
    assert stated == Upstream(800e6, 0.2, 2.0)
    z = stated.impedance(110e3)
    assert abs(z[0, 0] - z[0, 1]) == pytest.approx(110e3**2 / 800e6)
    assert z[0, 0] + 2 * z[0, 1] == pytest.approx(2 * (z[0, 0] - z[0, 1]))
    usual = Upstream.of({"s_sc_mva": None}, grid)
    assert usual.s_sc_va == 5e9  # fed at 110 kV
    for wrong in ({"s_sc_mva": 0}, {"r_over_x": -1}, {"s_sc_mva": "much"}, {"z1": 2}):
        with pytest.raises(ScenarioError):
            Upstream.of(wrong, grid)
