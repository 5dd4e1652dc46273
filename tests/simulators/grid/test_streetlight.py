"""Lamps on the grid: both agree at each instant, whatever solves the grid and whatever happens."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandapower as pp
import pytest

from fernwatt.errors import ScenarioError, SimulationError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.points import add_points
from fernwatt.gridmodel.solvers import make_solver
from fernwatt.identifiers import index_hash
from fernwatt.messages import Actuation
from fernwatt.tables import TABLES
from simulators.grid.news import News
from simulators.grid.plant import Plant
from simulators.grid.streetlight import add_lighting, make_lighting

BARE = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
BUSBAR = BARE.areas[0].bus
H_MS = 3_600_000
HPS, LED, HALIDE = "high-pressure-sodium", "led", "metal-halide"
ALWAYS = {"mode": "timetable", "on": "00:00", "off": "00:00"}
STEADY = {"tolerance": 0.0, "flicker": 0.0, "unsteady": 0.0, "drift": 0.0, "common_drift": 0.0,
          "trend": 0.0}  # fmt: skip
FEEDER = "lighting/lv4.101/a"
TERMINAL = "terminal/lv4.101/lighting-a"
SWITCH = next(s.id for s in BARE.switches if s.kind == "transformer")


def spec(*segments, bus=BUSBAR, acts=(), switching=ALWAYS, **more):
    """Return the Grid's parameter for one feeder."""
    feeder = {"id": FEEDER, "terminal": TERMINAL, "segments": list(segments),
              "age_h": [0.0, 0.0], "switching": switching, **more}  # fmt: skip
    return {"points": [{"id": TERMINAL, "bus": bus}], "feeders": [feeder], "acts": list(acts),
            "start": "2016-12-20T14:00:00+00:00", "end_ms": 48 * H_MS, "position": [51.3, 9.5],
            "seed": 1}  # fmt: skip


class Street:
    """A plant with lighting, driven as the simulator drives it."""

    def __init__(self, given, solver="balanced", interval_ms=0, load=1.0):
        self.model = add_lighting(BARE, given)
        self.lights = make_lighting(self.model, given, interval_ms)
        solver = make_solver(solver, self.model)
        self.plant = Plant(self.model, solver, interval_ms, self.lights)
        self.news, self.rows = News(), []
        self.row = self.model.terminal_ids.index(TERMINAL)
        self.load(load)

    def load(self, factor):
        p, q = self.model.static_power()
        self.plant.draw(*(np.repeat(x[:, None] * factor / 3, 3, axis=1) for x in (p, q)))

    def look(self, t_ms, cause=""):
        self.rows += self.plant.advance(t_ms)
        self.plant.settle(cause)
        self.lights.tell(self.news)

    def run(self, until_ms, looks=()):
        t_ms, pending = self.plant.t_ms, sorted(looks)
        self.look(t_ms)
        while t_ms < until_ms:
            pending = [t for t in pending if t > t_ms]
            dues = (self.plant.due_ms, until_ms, *pending[:1])
            t_ms = min(t for t in dues if t is not None and t > t_ms)
            self.look(t_ms)

    def order(self, t_ms, target, action, number):
        self.rows += self.plant.advance(t_ms)
        told = self.lights.obey(t_ms, Actuation(f"order#{number}", "x", target, action, None))
        self.look(t_ms)
        return told

    @property
    def drawn_va(self):
        p_w, q_var = self.plant.power
        return p_w[self.row] + 1j * q_var[self.row]

    def events(self, kind=""):
        return [e for e in self.news.take()[0] if kind in ("", e.kind)]

    def truths(self):
        rows = dict(self.news.rows()).get("truth", {"kind": ()})
        return list(zip(rows["kind"], rows.get("element", ()), rows.get("value", ()), strict=True))


def segments(steady=True, count=8):
    more = STEADY if steady else {}
    return [{"lamp": lamp, "count": count, **more} for lamp in (HPS, LED, HALIDE, HPS)]


# -- connection points ---------------------------------------------------------------------------


def test_a_point_takes_its_place_and_changes_no_voltage():
    more = add_points(BARE, [{"id": "terminal/lv4.101/a", "bus": BUSBAR},
                             {"id": "terminal/zz/b", "bus": BARE.buses[3].id}])  # fmt: skip
    assert more.terminal_ids == sorted((*BARE.terminal_ids, "terminal/lv4.101/a", "terminal/zz/b"))
    assert more.index == index_hash(more.terminal_ids) != BARE.index
    assert list(more.net.load["name"]) == more.terminal_ids
    assert list(BARE.net.load["name"]) == BARE.terminal_ids
    row = {bus.id: number for number, bus in enumerate(more.buses)}
    assert list(more.net.load["bus"]) == [row[t.bus] for t in more.terminals]
    assert more.net.load.dtypes.equals(BARE.net.load.dtypes)
    for name in ("balanced", "four-wire"):
        states = [
            make_solver(name, model).solve(
                *(np.repeat(x[:, None] / 3, 3, axis=1) for x in model.static_power())
            )
            for model in (BARE, more)
        ]
        assert np.array_equal(states[0].vm_pu, states[1].vm_pu)


@pytest.mark.parametrize(
    ("point", "path"),
    [({"id": "terminal/x/a", "bus": "bus/none"}, "points[0].bus"),
     ({"id": BARE.terminal_ids[0], "bus": BUSBAR}, "points[0].id")],
)  # fmt: skip
def test_a_point_at_no_bus_or_with_a_taken_name_is_refused(point, path):
    with pytest.raises(ScenarioError) as caught:
        add_points(BARE, [point])
    assert [fault.path for fault in caught.value.faults] == [path]


# -- both agree ----------------------------------------------------------------------------------


def test_lamps_as_impedances_are_pandapowers_shunts():
    """Exponent 2 and no cable to speak of: a constant admittance, solved by runpp."""
    square = {**STEADY, "voltage_exponent": 2.0, "reactive_exponent": 2.0, "start_power": 1.0,
              "start_reactive": 1.0, "p_w": 9000.0, "power_factor": 0.9}  # fmt: skip
    bus = BARE.terminals[5].bus
    given = spec({"lamp": HPS, "count": 9, **square}, bus=bus, r_ohm_per_km=1e-9,
                 x_ohm_per_km=0.0, neutral_r_ohm_per_km=1e-9, neutral_x_ohm_per_km=0.0)  # fmt: skip
    given["feeders"][0]["vn_v"] = 400 / 3**0.5
    for solver, close in (("balanced", 1e-5), ("four-wire", 2e-4)):
        street = Street(given, solver)
        street.look(0)
        net = copy.deepcopy(BARE.net)
        p_w, q_var = 81_000.0, 81_000.0 * np.tan(np.arccos(0.9))
        row = [b.id for b in BARE.buses].index(bus)
        pp.create_shunt(net, row, q_var / 1e6, p_w / 1e6)
        pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-10)
        expected = net.res_shunt.iloc[-1]
        drawn = street.drawn_va.sum() / 1e6
        assert drawn.real == pytest.approx(expected.p_mw, rel=close)
        assert drawn.imag == pytest.approx(expected.q_mvar, rel=close)
        vm_pu = street.plant.state.vm_pu
        np.testing.assert_allclose(vm_pu, net.res_bus.vm_pu, atol=close)
        assert expected.p_mw < 0.0801  # it does press its own voltage


@pytest.mark.parametrize("solver", ["balanced", "four-wire"])
def test_what_the_terminal_draws_is_what_lamps_and_cables_take_and_books_close(solver):
    street = Street(spec(*segments(steady=False)), solver, 900_000)
    street.run(H_MS)
    rows = [*street.rows, *street.plant.close(H_MS)]
    terminal, system, lighting = (
        [columns for table, columns in rows if table == name]
        for name in ("terminal", "system", "lighting")
    )
    assert len(lighting) == 4
    for points, books, lamps in zip(terminal, system, lighting, strict=True):
        assert list(lamps) == [column.name for column in TABLES["lighting"].columns]
        assert points["terminal"][street.row] == TERMINAL
        assert sum(lamps["p_w"]) == pytest.approx(points["p_w"][street.row], abs=3e-3)
        assert sum(lamps["q_var"]) == pytest.approx(points["q_var"][street.row], abs=3e-3)
        gap = books["p_import_w"] - books["p_terminals_w"] - books["p_loss_w"]
        assert abs(gap[0]) < 0.1
    # and at the last instant: power at luminaires and in conductors, from currents alone
    core = street.lights._lighting
    flow = core._flow
    lamps_w = core.power_w().sum()
    ladder = core._ladder
    lost_w = (np.abs(flow.section_a) ** 2 * ladder._phase_ohm.real).sum() + (
        np.abs(flow.section_a.sum(axis=2)) ** 2 * ladder._neutral_ohm.real
    ).sum()
    assert street.drawn_va.sum().real == pytest.approx(lamps_w + lost_w, abs=3e-3)
    assert lost_w > 10.0


def test_balanced_and_four_wire_agree_where_phases_are_even():
    """30 lamps, evenly on three phases: a balanced grid knows all that there is to know."""
    streets = [Street(spec(*segments(count=9)), solver) for solver in ("balanced", "four-wire")]
    for street in streets:
        street.run(H_MS)
    drawn = [street.drawn_va for street in streets]
    assert np.abs(drawn[0] - drawn[1]).max() < 2e-4 * np.abs(drawn[0]).max()
    heads = [street.lights.segment_phasors() for street in streets]
    for one, other in zip(*heads, strict=True):
        assert np.abs(one - other).max() < 5e-4 * np.abs(one).max()
    # the phases turn as those of the grid
    v_v = heads[1][1][0]
    assert np.angle(v_v[0] / v_v[1], deg=True) == pytest.approx(120.0, abs=0.1)
    assert np.angle(v_v[1] / v_v[2], deg=True) == pytest.approx(120.0, abs=0.1)


def test_behind_a_broken_conductor_lamps_still_get_what_they_take():
    """There the solver takes loads for impedances; lamps have their own law."""
    ends = [end for line in BARE.lines for end in (line.from_bus, line.to_bus)]
    line = next(line for line in BARE.lines if ends.count(line.to_bus) == 1)
    street = Street(spec({"lamp": LED, "count": 30, **STEADY}, bus=line.to_bus), "four-wire")
    street.look(0)
    whole = street.drawn_va
    street.plant.damage(line.id, 2, whole=False)
    street.look(60_000)
    state = street.plant.state.conductors
    v_v = state.v_terminal_v[street.row]
    assert v_v.min() < 0.7 * v_v.max()  # one phase has but what comes back over the others
    flow = street.lights._lighting._flow
    np.testing.assert_allclose(street.drawn_va, flow.s_va[0], atol=0.01)
    burning = np.abs(flow.s_va[0]) > 1.0
    np.testing.assert_allclose(street.drawn_va.real[burning], whole.real[burning], rtol=5e-3)


# -- what happens --------------------------------------------------------------------------------


def test_a_failed_lamp_takes_its_share_from_its_own_segment_and_is_told_to_the_truth_alone():
    lamp = f"{FEEDER}/lamp-012"  # of the second segment
    acts = [{"t_ms": 2 * H_MS, "kind": "fail", "element": lamp}]
    street = Street(spec(*segments(), acts=acts, phases=[1]))
    street.run(2 * H_MS - 1)
    before_a = street.lights.segment_phasors()[0][:, 0]
    street.run(2 * H_MS)
    after_a = street.lights.segment_phasors()[0][:, 0]
    own = [np.abs(np.append(a[:-1] - a[1:], a[-1])) for a in (before_a, after_a)]
    assert own[1][1] / own[0][1] == pytest.approx(7 / 8, abs=2e-3)
    others = np.delete(own[1] / own[0], 1)
    np.testing.assert_allclose(others, 1.0, atol=4e-3)
    assert street.truths() == [("lamp_failed", lamp, json.dumps({"burnt_h": 2.0}))]
    assert {e.kind for e in street.events()} == {"lighting_on"}


def test_a_dip_puts_lamps_out_by_type_and_they_come_back_by_type():
    """A second without supply: LED back in one second, sodium in a minute, halide in eight."""
    street = Street(spec(*segments()))
    street.run(H_MS)
    burning_va = street.drawn_va.copy()
    street.events()
    assert street.plant.operate(SWITCH, False)
    street.look(H_MS + 1000, "grid#7")
    out = street.events("lamp_out")
    assert len(out) == 32
    assert {e.cause for e in out} == {"grid#7"}
    assert np.abs(street.drawn_va).max() == 0.0
    assert street.plant.operate(SWITCH, True)
    street.look(H_MS + 2000, "grid#8")
    struck_ms, cause = {}, {e.element: e.id for e in out}
    street.run(2 * H_MS)
    for event in street.events("lamp_struck"):
        struck_ms[event.element] = event.t_us // 1000 - H_MS - 1000
        assert event.cause == cause[event.element]
    times = [struck_ms[f"{FEEDER}/lamp-{n:03}"] for n in range(32)]
    assert times == [60_000] * 8 + [1000] * 8 + [480_000] * 8 + [60_000] * 8
    np.testing.assert_allclose(street.drawn_va, burning_va, rtol=1e-3)


def test_near_low_voltage_power_flickers():
    """The same lamps at 0.95 and at 0.78 of their voltage, sodium lamps going out below 0.75."""
    spread = []
    for vn_v in (230.0 / 0.95, 230.0 / 0.785):
        lamps = {"lamp": HPS, "count": 12, **STEADY, "flicker": 0.005, "unsteady": 0.08,
                 "strike": 0.7}  # fmt: skip
        street = Street(spec(lamps, vn_v=vn_v, span_m=1.0))
        street.run(2 * H_MS)
        drawn = []
        for minute in range(121, 240):
            street.run(minute * 60_000)
            drawn.append(street.drawn_va.sum().real)
        spread.append(np.std(drawn) / np.mean(drawn) * 12**0.5)
        assert np.abs(street.drawn_va).min() > 0
    assert spread[0] == pytest.approx(0.005, rel=0.3)
    assert 0.02 < spread[1] < 0.085


def test_orders_switch_and_repairs_mend():
    acts = [{"t_ms": 0, "kind": "stick", "element": FEEDER},
            {"t_ms": H_MS, "kind": "cut", "element": FEEDER, "luminaire": 16},
            {"t_ms": H_MS, "kind": "fail", "element": f"{FEEDER}/lamp-000"}]  # fmt: skip
    street = Street(spec(*segments(), acts=acts), interval_ms=900_000)
    street.run(1000)
    assert street.order(1000, FEEDER, "switch_off", 1)
    assert [(e.kind, e.cause) for e in street.events()][-1] == ("lighting_stuck", "order#1")
    assert np.abs(street.drawn_va).min() > 0
    street.run(H_MS)
    (cut,) = {round(e.t_us / 1000) for e in street.events("lamp_out")}
    assert cut == H_MS
    assert np.abs(street.lights.segment_phasors()[0][2:]).max() == 0.0
    assert [kind for kind, *_ in street.truths()] == [
        "contactor_sticks",
        "lamp_failed",
        "cable_cut",
    ]
    street.order(H_MS + 1000, FEEDER, "repair", 2)
    told = [(e.kind, e.cause) for e in street.events()]
    assert told[0] == ("lighting_mended", "order#2")
    assert told[1][0] == "lighting_off"  # what it had been told when it stuck
    assert np.abs(street.drawn_va).max() == 0.0
    street.order(H_MS + 2000, f"{FEEDER}/lamp-000", "repair", 3)
    street.order(H_MS + 3000, FEEDER, "switch_on", 4)
    street.run(2 * H_MS)
    columns = [c for t, c in street.rows if t == "lighting"]
    # stuck, nobody wants them on and they burn; then all is as it ought to be
    assert [list(columns[3][name]) for name in ("due", "lit", "dark")] == [
        [0.0] * 4, [8.0] * 4, [0.0] * 4
    ]  # fmt: skip
    assert [list(columns[7][name]) for name in ("due", "lit", "dark")] == [
        [8.0] * 4, [8.0] * 4, [0.0] * 4
    ]  # fmt: skip
    with pytest.raises(SimulationError, match="cannot dance"):
        street.order(2 * H_MS, FEEDER, "dance", 5)


def test_a_contactor_that_moves_again_does_what_it_was_told():
    acts = [{"t_ms": H_MS, "kind": "stick", "element": FEEDER},
            {"t_ms": 3 * H_MS, "kind": "mend", "element": FEEDER},
            {"t_ms": 2 * H_MS, "kind": "cut", "element": FEEDER, "luminaire": 8},
            {"t_ms": 3 * H_MS, "kind": "join", "element": FEEDER}]  # fmt: skip
    plan = {"mode": "timetable", "on": "13:00", "off": "15:30"}
    street = Street(spec(*segments(), acts=acts, switching=plan), interval_ms=900_000)
    street.run(3 * H_MS)
    told = [(e.t_us / 3.6e9, e.kind) for e in street.events() if e.kind.startswith("lighting")]
    assert told == [(0.0, "lighting_on"), (1.5, "lighting_stuck"), (3.0, "lighting_off")]
    assert [kind for kind, *_ in street.truths()] == [
        "contactor_sticks", "cable_cut", "contactor_mended", "cable_mended"
    ]  # fmt: skip
    lit = [sum(c["lit"]) for t, c in street.rows if t == "lighting"]
    assert lit == [32.0] * 8 + [8.0] * 4
    due = [sum(c["due"]) for t, c in street.rows if t == "lighting"]
    assert due == [32.0] * 6 + [0.0] * 6


# -- cost and repetition -------------------------------------------------------------------------


def test_looking_more_often_changes_no_bit():
    rows = []
    for looks in ((), range(0, 4 * H_MS, 777_777), (5, 6, 1_234_567, 5_000_001)):
        street = Street(spec(*segments(steady=False), switching={"mode": "twilight"}),
                        interval_ms=900_000)  # fmt: skip
        street.run(4 * H_MS, looks)
        rows.append(repr([*street.rows, *street.plant.close(4 * H_MS)]))
        assert len(street.events("lighting_on")) == 1
    assert rows[0] == rows[1] == rows[2]


def test_by_day_nothing_is_due_and_nothing_is_solved_again():
    street = Street(spec(*segments(), switching={"mode": "timetable", "on": "18:00",
                                                 "off": "06:00"}))  # fmt: skip
    street.look(0)
    assert street.plant.due_ms == 4 * H_MS
    street.plant.advance(3 * H_MS)
    assert not street.plant.unsettled


def test_a_feeder_at_no_terminal_is_refused():
    given = spec(*segments())
    with pytest.raises(SimulationError, match="lighting-a"):
        make_lighting(BARE, given, 0)
