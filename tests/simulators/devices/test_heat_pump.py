"""Heat pumps: performance map, building, tank, comfort, energy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fernwatt.errors import ScenarioError
from fernwatt.messages import Actuation, Supply
from fernwatt.timebase import Clock
from simulators.devices import (
    DevicesCore,
    HeatPumpPlan,
    assign,
    heat_pumps,
    hot_water,
    make_weather,
)
from simulators.devices.heat_pump_map import performance
from simulators.devices.thermal import OneNode, TwoNodes

SLOT_MS, DAY_MS, TERMINAL = 900_000, 86_400_000, "terminal/lv1/a"
CLOCK = Clock.from_iso("2016-01-18T00:00:00Z")
HOUSES = [f"terminal/lv1/load-{n}" for n in range(40)]


def machine(**given_fields):
    building = {"heat_loss_w_per_k": 150.0, "c_air_wh_per_k": 1_200.0, "c_mass_wh_per_k": 6_750.0}
    return {
        "id": "heat_pump/lv1/a", "kind": "heat_pump", "terminal": TERMINAL, "p_rated_w": 3_000.0,
        "building": building | given_fields.pop("building", {}),
        "tank": given_fields.pop("tank", {}), **given_fields,
    }  # fmt: skip


def climate(temperature_c, slots=96, ghi_w_m2=0.0):
    return {"temperature_c": np.full(slots, temperature_c), "ghi_w_m2": np.full(slots, ghi_w_m2)}


def run(core, orders=()):
    """Step to the end; return the rows of table thermal, and what machines gave and drew."""
    rows, heats, due = [], [], 0
    while due is not None:
        now = due
        due = core.step(now, [order for t, order in orders if t == now])
        rows += [columns for table, columns in core.take_rows() if table == "thermal"]
        group = core.groups["heat_pump"]
        heats.append((group.heat_w.sum(), group.p_w.sum()))
    return rows, np.sum(heats, axis=0)


# power as a share of the reference, and COP, of hplib 1.9 for its generic on-off machines
HPLIB = [
    (0, -12.0, -12.0, 45.0, 0.8880996, 1.8377051), (0, -7.0, -7.0, 52.0, 0.9928713, 1.8921420),
    (0, 2.0, 2.0, 35.0, 0.8091817, 3.7755514), (0, 10.0, 10.0, 30.0, 0.7730693, 4.8398077),
    (1, 5.0, -12.0, 45.0, 0.8013868, 4.2802144), (1, 5.0, 7.0, 55.0, 1.0358031, 2.6348640),
]  # fmt: skip


@pytest.mark.parametrize(("source", "source_c", "outdoor_c", "flow_c", "share", "cop"), HPLIB)
def test_the_map_is_that_of_hplib(source, source_c, outdoor_c, flow_c, share, cop) -> None:
    one = (np.array([float(value)]) for value in (source, source_c, flow_c, outdoor_c))
    got = performance(*one)
    assert (got[0][0], got[1][0]) == pytest.approx((share, cop), rel=1e-6)


def test_bodies_follow_their_differential_equations() -> None:
    one = np.ones(1)
    house = TwoNodes(
        (1_200 * one, 6_750 * one), 60 * one, 600 * one, 105 * one, (21 * one, 18 * one)
    )

    def slope(_, x):
        air = (600 * (x[1] - x[0]) + 60 * (-3 - x[0]) + 4_000) / 1_200
        mass = (600 * (x[0] - x[1]) + 105 * (-3 - x[1]) + 500) / 6_750
        return [air, mass, 60 * (x[0] + 3) + 105 * (x[1] + 3)]

    lost_wh = house.advance(2.5, -3 * one, 4_000 * one, 500 * one)
    want = solve_ivp(slope, (0, 2.5), [21, 18, 0], rtol=1e-11, atol=1e-9).y[:, -1]
    got = [house.air_c[0], house.mass_c[0], lost_wh[0]]
    assert got == pytest.approx(want, rel=1e-9)
    tank = OneNode(232.0 * one, 1.5 * one, 50.0 * one)
    ahead = tank.ahead(3.0, 15 * one, -400 * one)
    lost_wh = tank.advance(3.0, 15 * one, -400 * one)
    end = solve_ivp(
        lambda _, x: [(-400 - 1.5 * (x[0] - 15)) / 232, 1.5 * (x[0] - 15)], (0, 3), [50, 0],
        rtol=1e-11, atol=1e-9,
    ).y[:, -1]  # fmt: skip
    assert [tank.t_c[0], lost_wh[0], ahead[0]] == pytest.approx([*end, end[0]], rel=1e-9)


@pytest.mark.parametrize("nodes", [1, 2])
def test_the_steady_loss_is_the_stated_one(nodes) -> None:
    mass = 6_750.0 if nodes == 2 else 0.0
    spec = machine(building={"c_mass_wh_per_k": mass})
    core = DevicesCore([TERMINAL], [spec], DAY_MS, climate=climate(1.0))
    house = core.groups["heat_pump"].house
    for _ in range(200):
        lost_wh = house.advance(10.0, np.array([1.0]), np.array([3_000.0]), np.zeros(1))
    assert house.air_c[0] - 1.0 == pytest.approx(20.0)
    assert lost_wh[0] == pytest.approx(30_000.0)


@pytest.mark.parametrize("nodes", [1, 2])
def test_houses_stay_comfortable_in_a_mild_winter_week(nodes) -> None:
    end_ms = 7 * DAY_MS
    truth = make_weather(start=CLOCK.start, slots=7 * 96, seed=1, temperature_c=3.0)
    plan = HeatPumpPlan(nodes=nodes)
    owners = assign(1.0, HOUSES, 1, "heat_pump")
    specs = heat_pumps(owners, plan, clock=CLOCK, end_ms=end_ms, seed=1)
    weather = {"temperature_c": truth.temperature_c, "ghi_w_m2": truth.ghi_slots}
    core = DevicesCore(HOUSES, specs, end_ms, SLOT_MS, climate=weather)
    rows, heat = run(core)
    assert min(row["low_c"].min() for row in rows) >= 20.0
    assert max(row["high_c"].max() for row in rows) <= 22.5
    assert sum(row["discomfort_kh"].sum() for row in rows) == 0.0
    group = core.groups["heat_pump"]
    machines = sum(row["tank_c"] >= 42.0 for row in rows) / len(rows)
    assert machines.min() > 0.95  # useful water at nearly every quarter of an hour
    assert 2.8 < heat[0] / heat[1] < 4.2  # COP of the week
    assert group.served_wh.mean() / 7 == pytest.approx(5_845.0, rel=0.1)


def order(p_w, until_ms):
    value = {"p_w": p_w, "until_ms": until_ms}
    return Actuation("x#1", "c#1", "heat_pump/lv1/a", "set_power", value)


def test_set_points_move_it_within_the_comfort_band() -> None:
    spec = machine(building={"initial_c": 21.0})
    waits = DevicesCore([TERMINAL], [spec], DAY_MS, SLOT_MS, climate=climate(0.0))
    rows, _ = run(waits, [(0, order(0.0, None))])
    lows = np.array([row["temperature_c"][0] for row in rows])
    assert lows[-40:].mean() < 20.7  # kept low, where a thermostat would have kept 21
    assert min(row["low_c"][0] for row in rows) >= 20.0
    runs = DevicesCore([TERMINAL], [spec], DAY_MS, SLOT_MS, climate=climate(0.0))
    rows, _ = run(runs, [(0, order(3_000.0, None))])
    highs = np.array([row["temperature_c"][0] for row in rows])
    assert highs[-40:].mean() > 22.0
    assert max(row["high_c"][0] for row in rows) <= 22.5
    told = [(e.kind, e.cause) for e in runs.take_events()]
    assert told[0] == ("set_point_changed", "x#1")
    assert told[1][0] == "power_changed"


def test_the_compressor_keeps_its_least_times_and_needs_supply() -> None:
    core = DevicesCore([TERMINAL], [machine()], DAY_MS, climate=climate(-5.0))
    group, switched, due = core.groups["heat_pump"], [], 0
    was = False
    while due is not None:
        now, due = due, core.step(due)
        if bool(group.on[0]) != was:
            switched.append(now)
            was = bool(group.on[0])
    assert len(switched) > 6
    assert np.diff(switched).min() >= 600_000
    other = DevicesCore([TERMINAL], [machine()], DAY_MS, climate=climate(-25.0))
    for minute in range(90):
        other.step(minute * 60_000)
    assert other.p_w[0] > 0
    other.step(90 * 60_000 + 5, supplies=[Supply("s#1", "g#1", TERMINAL, False, False)])
    assert (other.p_w[0], other.q_var[0]) == (0.0, 0.0)


def test_other_devices_do_not_change_when_it_decides() -> None:
    visit = {"arrival_ms": 123_457, "departure_ms": 70_000_001, "energy_wh": 4_321.0}
    point = {"id": "ev/lv1/a", "kind": "ev", "terminal": TERMINAL, "p_max_w": 3_700.0,
             "sessions": [visit]}  # fmt: skip
    alone = DevicesCore([TERMINAL], [machine()], DAY_MS, SLOT_MS, climate=climate(-2.0))
    beside = DevicesCore([TERMINAL], [machine(), point], DAY_MS, SLOT_MS, climate=climate(-2.0))
    mine = np.array([row["temperature_c"][0] for row in run(alone)[0]])
    theirs = np.array([row["temperature_c"][0] for row in run(beside)[0]])
    assert mine == pytest.approx(theirs, abs=1e-9)


def test_hot_water_repeats_and_a_longer_run_begins_alike() -> None:
    given_ = {"clock": CLOCK, "seed": 1, "wh_per_day": 5_845.0}
    short = hot_water("heat_pump/lv1/a", end_ms=DAY_MS, **given_)
    long = hot_water("heat_pump/lv1/a", end_ms=30 * DAY_MS, **given_)
    assert np.array_equal(short, long[:96])
    assert long.sum() / 4 / 30 == pytest.approx(5_845.0, rel=0.15)
    other = hot_water("heat_pump/lv1/b", end_ms=DAY_MS, **given_)
    assert not np.array_equal(short, other)


BAD = {
    "p_rated_w": {"p_rated_w": -1.0},
    "source": {"source": "river"},
    "building.heat_loss_w_per_k": {"building": {"heat_loss_w_per_k": 0.0}},
    "building.set_c": {"building": {"set_c": 20.2}},
    "building.coupling_w_per_k": {"building": {"coupling_w_per_k": 50.0}},
    "building.colour": {"building": {"colour": 1}},
    "tank.volume_l": {"tank": {"volume_l": float("nan")}},
    "tank.set_c": {"tank": {"set_c": 40.0}},
    "hot_water_w": {"hot_water_w": [1.0] * 5},
    "hot_water_w[3]": {"hot_water_w": [1.0] * 3 + [-1.0] * 93},
}


@pytest.mark.parametrize("field", BAD)
def test_plates_that_cannot_be_are_faults(field) -> None:
    with pytest.raises(ScenarioError) as caught:
        DevicesCore([TERMINAL], [machine(**BAD[field])], DAY_MS, climate=climate(0.0))
    assert f"devices[0].{field}" in [fault.path for fault in caught.value.faults]


def test_weather_that_is_short_or_broken_is_a_fault() -> None:
    for given_, message in (
        (None, "outdoor temperature"),
        (climate(0.0, slots=95), "has 95 values"),
        (climate(float("nan")), "finite"),
    ):
        with pytest.raises(ScenarioError, match=message):
            DevicesCore([TERMINAL], [machine()], DAY_MS, climate=given_)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-18, 25), min_size=2, max_size=12),
    st.lists(st.floats(0, 9_000), min_size=12, max_size=12),
    st.floats(0, 900),
    st.sampled_from([0.0, 6_750.0]),
    st.lists(st.tuples(st.integers(0, 10_000_000), st.floats(0, 4_000)), max_size=4),
)
def test_energy_is_neither_made_nor_lost(temperatures, water_w, ghi, mass, given_orders) -> None:
    slots = len(temperatures)
    weather = {"temperature_c": temperatures, "ghi_w_m2": [ghi] * slots}
    extra = {"c_mass_wh_per_k": mass, "solar_m2": 3.0, "gains_w": 300.0}
    spec = machine(building=extra, hot_water_w=water_w, rod_w=3_000.0)
    core = DevicesCore([TERMINAL], [spec], slots * SLOT_MS, climate=weather)
    group = core.groups["heat_pump"]
    before = np.zeros(3)
    stored_wh, due = group.stored_wh[0], 0
    orders = sorted(given_orders)
    while due is not None:
        now = due
        due = core.step(now, [order(p, None) for t, p in orders if t == now])
        inserted = [t for t, _ in orders if now < t < (due or 0)]
        due = min([due, *inserted]) if due is not None else None
        books = np.array([core.energy_wh[0], core.loss_wh[0], group.served_wh[0]])
        drawn, lost, served = books - before
        kept = group.stored_wh[0] - stored_wh
        assert drawn == pytest.approx(kept + lost + served, rel=1e-9, abs=1e-7)
        assert group.tank.t_c[0] >= 9.9
        before, stored_wh = books, group.stored_wh[0]
