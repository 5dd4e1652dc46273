"""Short circuits against OpenDSS's own: lines really split, its Fault elements, its solution.

The other circuit is made of the same text as the power flow's, and then edited in another way
than ours: one-phase sources behind impedances for the upstream grid, loads of its own constant
impedance, two line elements for a faulted line.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.faults import FaultSolver, Infeed, Short, Upstream
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import FourWireSolver
from fernwatt.gridmodel.solvers.fourwire.circuit import Circuit

S_SC_VA, R_OVER_X = 2e9, 0.15
TINY_OHM = {True: 1e-9, False: 1e-7}  # in low voltage and above: OpenDSS is told for none
TYPES = {
    "three": ((0, 1, 2), False), "two": ((1, 2), False), "two-ground": ((0, 2), True),
    "one": ((1,), True), "three-ground": ((0, 1, 2), True),
}  # fmt: skip
NEUTRALS = ("solid", "resistance", "compensated", "isolated")


@pytest.fixture(scope="module")
def grid():
    model = load_grid(
        {"simbench": "1-MV-semiurb--0-sw"},
        lv=[{"simbench": "1-LV-semiurb4--0-sw", "at": "MV2.101 Load 5"}],
    )
    model = connect_phases(model, assign_phases(model, PhaseRule(), seed=1))
    rng = np.random.default_rng(7)
    p_w, q_var = (part[:, None] / 3 for part in model.static_power())
    p_w = np.abs(p_w) * rng.uniform(0.2, 1.3, (len(p_w), 3))
    q_var = np.abs(q_var) * rng.uniform(0.0, 1.0, (len(q_var), 3))
    return model, p_w, q_var


def n(value):
    """A number with all its digits."""
    return repr(float(value))


class Dss:
    """A circuit of OpenDSS, edited into one with the upstream grid's impedance and a fault."""

    def __init__(self, model, earthing, p_w, q_var, s_sc_va=S_SC_VA):
        self._s_sc_va = s_sc_va
        self.circuit = Circuit(model, earthing)
        self.model, self.dss, self.do = model, self.circuit.dss, self.circuit.command
        self.do("set tolerance=1e-10")
        column = self.circuit.load_column
        for load, terminal in enumerate(self.circuit.load_terminal):
            one = slice(None) if column[load] < 0 else column[load]
            if column[load] >= 0:
                share = self._share(terminal, column[load], model)
                kw, kvar = ((part[terminal] * share).sum() * 1e-3 for part in (p_w, q_var))
            else:
                kw, kvar = (part[terminal, one].sum() * 1e-3 for part in (p_w, q_var))
            self.do(f"edit load.d{load} kw={n(kw)} kvar={n(kvar)}")
        for row, switch in zip(model.net.switch.itertuples(), model.switches, strict=True):
            if not switch.closed:
                assert row.et == "l"
                end = 1 if model.net.line.from_bus[row.element] == row.bus else 2
                for wire in (1, 2, 3):
                    self.do(f"open line.l{row.element} {end} {wire}")
        self.do("solve")
        assert self.dss.Solution.Converged
        self.impede_loads()
        self.impede_source()
        self.do("set tolerance=1e-8")  # all is linear now: the first iteration finds it
        self.faults: list[str] = []

    @staticmethod
    def _share(terminal, column, model):
        """What is asked for on phases that a terminal has not goes to those it has."""
        has = np.isin([1, 2, 3], model.terminals[terminal].phases)
        share = np.where(has, 0.0, 1.0 / has.sum())
        share[column] = 1.0
        return share

    def voltages(self):
        """Voltage by (bus, node)."""
        v = np.asarray(self.dss.YNodeVarray).view(complex)
        names = (name.split(".") for name in self.dss.YNodeOrder)
        return {(bus.lower(), int(node)): v[k] for k, (bus, node) in enumerate(names)}

    def impede_loads(self):
        """Make every load the impedance that draws its power at the voltage it has."""
        v = self.voltages()
        new = []
        for load, (bus, column) in enumerate(
            zip(self.circuit.load_bus, self.circuit.load_column, strict=True)
        ):
            self.dss.SetActiveElement(f"load.d{load}")
            s = np.asarray(self.dss.ActiveCktElement.Powers).view(complex).sum()
            self.do(f"disable load.d{load}")
            pairs = [(1, 2), (2, 3), (3, 1)] if column < 0 else [(int(column) + 1, 4)]
            for k, (a, b) in enumerate(pairs):
                kv = abs(v[f"b{bus}", a] - v[f"b{bus}", b]) * 1e-3
                part = s / len(pairs)
                new.append(
                    f"new load.z{load}_{k} phases=1 bus1=b{bus}.{a}.{b} kv={n(kv)} model=2 "
                    f"kw={n(part.real)} kvar={n(part.imag)} vminpu=0 vlowpu=0 vmaxpu=5"
                )
        for text in new:
            self.do(text)

    def impede_source(self):
        """Put one-phase sources behind an impedance that give the same voltage before."""
        bus = int(self.model.net.ext_grid.bus.iloc[0])
        v = self.voltages()
        self.dss.SetActiveElement("vsource.source")
        i = -np.asarray(self.dss.ActiveCktElement.Currents).view(complex)[:3]
        vn_v = self.circuit.vn_v[bus]
        x = vn_v**2 / self._s_sc_va / np.hypot(1, R_OVER_X)
        z = complex(R_OVER_X * x, x)
        self.do("disable vsource.source")
        for phase in range(3):
            e = v[f"b{bus}", phase + 1] + z * i[phase]
            self.do(
                f"new vsource.e{phase} phases=1 bus1=b{bus}.{phase + 1} basekv={n(abs(e) / 1e3)} "
                f"pu=1 angle={n(np.degrees(np.angle(e)))} r1={n(z.real)} x1={n(z.imag)} "
                f"r0={n(z.real)} x0={n(z.imag)}"
            )

    def split(self, line, position, at="m", torn=()):
        """Make two lines of one, with a bus between them; ``torn`` conductors do not go on."""
        row = self.model.net.line.iloc[line]
        self.dss.Lines.Name = f"l{line}"
        code = self.dss.Lines.LineCode
        wires = 4 if self.circuit.lines.four_wire[line] else 3
        nodes = "".join(f".{k + 1}" for k in range(wires))
        km = row.length_km
        self.do(f"edit line.l{line} bus2={at}{nodes} length={n(km * position)}")
        other = "".join(f".{k + 1 + (10 if k in torn else 0)}" for k in range(wires))
        self.do(
            f"new line.{at} phases={wires} bus1={at}{other} bus2=b{int(row.to_bus)}{nodes} "
            f"linecode={code} length={n(km * (1 - position))} units=km"
        )

    def fault(self, name, bus, phases, ground, r_ohm, *, low, back=0, shift=0):
        """Put fault elements at a bus; ``back`` is the node that earth faults go to."""
        tiny = TINY_OHM[low]
        r = max(r_ohm, tiny)
        legs = [f"{bus}.{p + 1 + shift}" for p in phases]
        if ground and len(phases) == 1:
            texts = [(legs[0], f"{bus}.{back}", r)]
        elif ground:
            texts = [(leg, f"{bus}.9", tiny) for leg in legs] + [(f"{bus}.9", f"{bus}.{back}", r)]
        elif len(phases) == 2:
            texts = [(legs[0], legs[1], r)]
        else:
            texts = [(leg, f"{bus}.9", max(r / 2, tiny)) for leg in legs]
        for k, (one, other, ohm) in enumerate(texts):
            self.do(f"new fault.{name}{k} phases=1 bus1={one} bus2={other} r={n(ohm)}")
            self.faults.append(f"{name}{k}")
        self.do("makebuslist")
        self.do(f"setkvbase bus={bus} kvll={0.4 if low else 20.0}")  # for its check of convergence

    def clear(self):
        for name in self.faults:
            self.do(f"disable fault.{name}")
        self.faults = []

    def solve(self):
        self.do("solve")
        assert self.dss.Solution.Converged

    def current(self, element):
        """Currents into an element's conductors [A], one end after the other."""
        self.dss.SetActiveElement(element)
        return np.asarray(self.dss.ActiveCktElement.Currents).view(complex)


def apart(dss, state, shorts, current_a):
    """Return how far voltages of all buses and currents of all lines are from OpenDSS's.

    Of faulted lines the from end alone, and no end where the fault is at one: it is at a bus there.
    """
    circuit, worst = dss.circuit, 0.0
    v = dss.voltages()
    for bus, ours in enumerate(state.conductors.v_node_v):
        for node in range(4 if circuit.low[bus] else 3):
            worst = max(worst, abs(ours[node] - v[f"b{bus}", node + 1]) / circuit.vn_v[bus])
    faulted = {short.line: short.position for short in shorts}
    scale = max(current_a, 1.0)
    for row, flows in enumerate(state.conductors.i_line):
        wires = 4 if circuit.lines.four_wire[row] else 3
        theirs = dss.current(f"line.l{row}")
        if faulted.get(row, 0.5) not in (0.0, 1.0):
            worst = max(worst, np.abs(flows[0, :wires] - theirs[:wires]).max() / scale)
        if row not in faulted:
            worst = max(worst, np.abs(flows[1, :wires] - theirs[wires:]).max() / scale)
    return worst


def line_of(model, low, number):
    vn_kv = model.net.bus.vn_kv.to_numpy()[model.net.line.from_bus]
    opened = {s.element for s in model.switches if not s.closed}
    rows = [n for n in np.flatnonzero((vn_kv < 1) == low) if model.lines[n].id not in opened]
    return int(rows[number])


PLACES = {  # low voltage or not, which line, position; None: its to bus
    "mv-begin": (False, 3, 0.0), "mv-mid": (False, 3, 0.37), "mv-end": (False, 40, 1.0),
    "mv-bus": (False, 40, None), "lv-mid": (True, 20, 0.5), "lv-bus": (True, 20, None),
}  # fmt: skip


@pytest.mark.parametrize("neutral", NEUTRALS)
@pytest.mark.parametrize("place", PLACES)
def test_every_type_resistance_and_earthing_is_what_opendss_says(grid, place, neutral):
    model, p_w, q_var = grid
    low, number, position = PLACES[place]
    earthing = Earthing(mv_neutral=neutral)
    ours = FaultSolver(FourWireSolver(model, earthing), Upstream(S_SC_VA, R_OVER_X, 1.0), Infeed())
    dss = Dss(model, earthing, p_w, q_var)
    line = line_of(model, low, number)
    to_bus = int(model.net.line.to_bus[line])
    if position is None:
        where, bus = {"bus": to_bus}, f"b{to_bus}"
    elif position in (0.0, 1.0):
        ends = model.net.line[["from_bus", "to_bus"]].to_numpy()
        where, bus = {"line": line, "position": position}, f"b{ends[line, int(position)]}"
    else:
        dss.split(line, position)
        where, bus = {"line": line, "position": position}, "m"
    resistances = (0.0, 1e-4, 0.1, 1.0) if low else (0.0, 1e-4, 1.0, 10.0, 100.0)
    cases = product(TYPES.items(), resistances)
    for number, ((kind, (phases, ground)), r_ohm) in enumerate(cases):
        short = Short("x", phases=phases, ground=ground, r_ohm=r_ohm, **where)
        state = ours.solve(p_w, q_var, [short])
        dss.clear()
        dss.fault(f"f{number}_", bus, phases, ground, r_ohm,
                  low=low, back=4 if low else 0)  # fmt: skip
        dss.solve()
        first = dss.current(f"fault.{dss.faults[0]}")[0]
        i = ours.fault_phasors()["x"]
        at = phases[0]
        error = abs(i[at] - first) / abs(first)
        if r_ohm:  # none is a conductance to OpenDSS, in whose digits it loses small voltages
            error = max(error, apart(dss, state, [short], abs(first)))
        assert error < 1e-6, (kind, r_ohm, abs(i[at]), abs(first), error)


STIFF_VA = 1e14  # what is broken before a fault changes what the source gives, and so its force


def both(grid, neutral, power=1.0, s_sc_va=S_SC_VA, **kind):
    """Our solvers, and what OpenDSS's circuit of the same grid is made of."""
    model, p_w, q_var = grid
    p_w, q_var = p_w * power, q_var * power
    earthing = Earthing(mv_neutral=neutral, **kind)
    wires = FourWireSolver(model, earthing)
    return wires, FaultSolver(wires, Upstream(s_sc_va, R_OVER_X)), (p_w, q_var), earthing


@pytest.mark.parametrize("neutral", NEUTRALS)
def test_earth_faults_of_two_phases_at_two_places(grid, neutral):
    model = grid[0]
    _, ours, drawn, earthing = both(grid, neutral)
    one, other = line_of(model, False, 3), line_of(model, False, 60)
    shorts = [
        Short("b", line=other, position=0.8, phases=(2,), ground=True, r_ohm=2.0),
        Short("a", line=one, position=0.3, phases=(0,), ground=True, r_ohm=0.5),
    ]
    state = ours.solve(*drawn, shorts)
    dss = Dss(model, earthing, *drawn)
    for name, short in zip("ba", shorts, strict=True):
        dss.split(short.line, short.position, f"m{name}")
        dss.fault(name, f"m{name}", short.phases, True, short.r_ohm, low=False)
    dss.solve()
    first = dss.current("fault.a0")[0]
    assert abs(ours.fault_phasors()["a"][0] - first) < 1e-6 * abs(first)
    assert apart(dss, state, shorts, abs(first)) < 1e-6
    if neutral == "isolated":  # out by one place, back by the other
        assert abs(first) > 1000.0
        sum_ = ours.fault_phasors()["a"][0] + ours.fault_phasors()["b"][2]
        assert abs(sum_) < 0.1 * abs(first)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("low", [False, True])
def test_a_torn_conductor_on_the_ground_at_either_side(grid, low, side):
    model = grid[0]
    wires, ours, drawn, earthing = both(grid, "resistance", 0.0, STIFF_VA)
    line = line_of(model, low, 20 if low else 3)
    wires.set_conductor(line, 1, whole=False)
    short = Short(
        "x", line=line, position=0.4, phases=(1,), ground=True, earth=True, r_ohm=15.0, side=side
    )
    state = ours.solve(*drawn, [short])
    dss = Dss(model, earthing, *drawn, STIFF_VA)
    dss.split(line, 0.4, torn=(1,))
    dss.fault("x", "m", (1,), True, 15.0, low=low, shift=10 * side)
    dss.solve()
    first = dss.current("fault.x0")[0]
    i = ours.fault_phasors()["x"]
    assert abs(i[1] - first) < 1e-6 * max(abs(first), 1.0)
    assert apart(dss, state, [short], abs(first)) < 1e-6
    supply_side = 0 if wires.supplied.live[int(model.net.line.from_bus[line])].all() else 1
    assert (abs(first) > 5.0) == (side == supply_side)
    unsaid = Short("x", line=line, position=0.4, phases=(1,), ground=True, earth=True, r_ohm=15.0)
    ours.solve(*drawn, [unsaid])
    assert abs(ours.fault_phasors()["x"][1]) > 5.0
    assert not i[0]


def test_a_short_circuit_behind_an_open_pole(grid):
    model = grid[0]
    wires, ours, drawn, earthing = both(grid, "solid", 0.0, STIFF_VA)
    line = line_of(model, False, 3)
    switch = next(
        n for n, row in enumerate(model.net.switch.itertuples())
        if row.et == "l" and row.element == line and row.bus == model.net.line.from_bus[line]
    )  # fmt: skip
    wires.set_poles(switch, (True, False, True))
    short = Short("x", line=line, position=0.6, phases=(0, 1), ground=True, r_ohm=3.0)
    state = ours.solve(*drawn, [short])
    dss = Dss(model, earthing, *drawn, STIFF_VA)
    dss.split(line, 0.6)
    dss.do(f"open line.l{line} 1 2")
    dss.fault("x", "m", (0, 1), True, 3.0, low=False)
    dss.solve()
    first = dss.current("fault.x0")[0]
    assert abs(ours.fault_phasors()["x"][0] - first) < 1e-6 * abs(first)
    assert apart(dss, state, [short], abs(first)) < 1e-6
    assert not state.conductors.i_line[line, 0, 1]


def test_a_phase_against_earth_of_its_own_in_low_voltage(grid):
    model = grid[0]
    _, ours, drawn, earthing = both(grid, "compensated", customer_ohm=float("inf"))
    bus = int(model.net.line.to_bus[line_of(model, True, 20)])
    short = Short("x", bus=bus, phases=(2,), ground=True, earth=True, r_ohm=50.0)
    state = ours.solve(*drawn, [short])
    dss = Dss(model, earthing, *drawn)
    dss.fault("x", f"b{bus}", (2,), True, 50.0, low=True)
    dss.solve()
    first = dss.current("fault.x0")[0]
    i = ours.fault_phasors()["x"]
    assert abs(i[2] - first) < 1e-6 * abs(first)
    assert not i[3]
    assert apart(dss, state, [short], abs(first)) < 1e-6
    # all of it comes back through the substation's electrode of 1 ohm
    areas = [t.area for t in model.transformers]
    star = int(model.net.trafo.lv_bus[areas.index(model.buses[bus].area)])
    assert state.conductors.v_neutral_v[star] == pytest.approx(abs(first), rel=1e-3)
