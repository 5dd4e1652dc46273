"""What assembly asks for: profiles, sessions, owners; and what it is told about bad data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.timebase import Clock
from simulators.devices import (
    DevicesCore,
    SessionStatistics,
    VehiclePlan,
    assign,
    cars,
    charging_points,
    make_weather,
    on_one_phase,
    parse_devices,
    pv_systems,
    read_sessions,
    roofs,
    sample_sessions,
    vary,
)

CLOCK = Clock.from_iso("2016-04-20T10:00:00Z")
DAY_MS = 86_400_000
CUSTOMERS = [f"terminal/lv1/load-{n}" for n in range(400)]


def day_energies(values, first_slot):
    day = (first_slot + np.arange(len(values))) // 96
    return np.bincount(day, weights=values)[day[0] :]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 95), st.integers(1, 400), st.floats(0, 0.6), st.integers(0, 99))
def test_variation_keeps_the_energy_of_every_day(first_slot, slots, variation, who) -> None:
    p_w = np.random.default_rng(who).gamma(0.7, 500.0, slots)
    own, q_var = vary(
        p_w, 0.3 * p_w, seed=1, customer=f"c{who}", variation=variation, first_slot=first_slot
    )
    want = day_energies(p_w, first_slot)
    assert day_energies(own, first_slot) == pytest.approx(want, rel=1e-9, abs=1e-9)
    assert (own >= 0).all()
    assert q_var == pytest.approx(0.3 * own, rel=1e-6, abs=1e-6)


def test_no_two_customers_are_scaled_copies() -> None:
    p_w = np.random.default_rng(0).gamma(0.7, 500.0, 7 * 96)
    all_own = [vary(p_w, p_w, seed=1, customer=f"c{n}")[0] for n in range(20)]
    off_diagonal = np.corrcoef(all_own)[np.triu_indices(20, 1)]
    assert off_diagonal.min() > 0.05
    assert off_diagonal.max() < 0.97


def test_a_longer_profile_begins_like_a_shorter_one() -> None:
    p_w = np.random.default_rng(0).gamma(0.7, 500.0, 4 * 96)
    short = vary(p_w[:192], p_w[:192], seed=1, customer="c")[0]
    assert vary(p_w, p_w, seed=1, customer="c")[0][:192] == pytest.approx(short)


def test_owners_stay_when_others_come_or_the_share_grows() -> None:
    some, few = assign(0.4, CUSTOMERS, 1, "ev"), assign(0.4, CUSTOMERS[::2], 1, "ev")
    assert set(few) == {d for d in some if some[d] in CUSTOMERS[::2]}
    assert set(some) <= set(assign(0.7, CUSTOMERS, 1, "ev"))
    assert len(some) == pytest.approx(160, abs=40)
    assert next(iter(some)).startswith("ev/lv1/load-")
    with pytest.raises(ScenarioError, match=r"devices\.ev\.share"):
        assign(1.2, CUSTOMERS, 1, "ev")


def test_roofs_are_drawn_within_their_limits_and_make_pv_devices() -> None:
    owners = assign(0.3, CUSTOMERS, 1, "pv")
    systems = roofs(owners, 1, p_rated_w=(3_000.0, 10_000.0))
    assert len({(s.tilt_deg, s.azimuth_deg) for s in systems.values()}) > 20
    assert all(3_000 <= s.p_rated_w <= 10_000 for s in systems.values())
    truth = make_weather(start=CLOCK.start, slots=96, seed=1, history_slots=96)
    specs = pv_systems(owners, systems, truth)
    DevicesCore(CUSTOMERS, specs, DAY_MS).step(0)
    assert all(len(spec["p_w"]) == 96 for spec in specs)


def test_a_roofs_area_gives_its_rating() -> None:
    owners = assign(0.3, CUSTOMERS, 1, "pv")
    systems = roofs(owners, 1, p_rated_w=(1.0, 2.0), area_m2=(20.0, 40.0), module_efficiency=0.2,
                    dc_ratio=1.25, tilt_deg=33.0, curve="pvwatts")  # fmt: skip
    rated_w = np.array([s.p_rated_w for s in systems.values()])
    assert rated_w.min() >= 20 * 0.2 * 1_000 / 1.25
    assert rated_w.max() <= 40 * 0.2 * 1_000 / 1.25
    assert len(set(rated_w)) > 50
    assert {(s.tilt_deg, s.curve) for s in systems.values()} == {(33.0, "pvwatts")}
    assert len({s.azimuth_deg for s in systems.values()}) > 10


def test_points_on_one_phase_are_spread_and_each_keeps_its_own() -> None:
    owners = assign(1.0, CUSTOMERS, 1, "ev")
    points = charging_points(owners, clock=CLOCK, end_ms=DAY_MS, seed=1, p_max_w=3_700.0)
    single = on_one_phase(points, 1)
    counts = np.array([[p["phase"] for p in single].count(phase) for phase in "abc"])
    assert counts.min() > 0.2 * len(points)
    assert on_one_phase(points[5:], 1) == single[5:]
    core = DevicesCore(CUSTOMERS, single, DAY_MS)
    due = 0
    while due is not None and not core.p_w.any():
        due = core.step(due)
    assert (core.power()["p_w"] > 0).sum(axis=1).max() == 1


def test_sampled_sessions_have_the_stated_marginals() -> None:
    what = SessionStatistics(timezone="UTC")
    clock = Clock.from_iso("2016-04-20T00:00:00Z")
    days, points = 20, 200
    found = [
        s
        for n in range(points)
        for s in sample_sessions(
            f"ev/lv1/{n}", 11_000.0, clock=clock, end_ms=days * DAY_MS, seed=3, statistics=what
        )
        if s["arrival_ms"] > 0
    ]
    arrival_h = np.array([s["arrival_ms"] for s in found]) / 3.6e6
    arrival_h = np.where(arrival_h % 24 < 6, arrival_h % 24 + 24, arrival_h % 24)
    departure_h = np.array([s["departure_ms"] for s in found]) / 3.6e6 % 24
    energy_wh = np.array([s["energy_wh"] for s in found])
    assert len(found) / (days * points) == pytest.approx(0.63, abs=0.03)
    assert arrival_h.mean() == pytest.approx(19.6, abs=0.15)
    assert arrival_h.std() == pytest.approx(2.2, abs=0.15)
    assert departure_h.mean() == pytest.approx(8.2, abs=0.1)
    assert energy_wh.mean() == pytest.approx(15_000, rel=0.05)


def test_sampled_sessions_are_feasible_and_a_longer_run_begins_alike() -> None:
    owners = assign(1.0, CUSTOMERS[:100], 1, "ev")
    specs = charging_points(owners, clock=CLOCK, end_ms=3 * DAY_MS, seed=1, p_max_w=3_700.0)
    devices = parse_devices(specs, CUSTOMERS, 0)  # refuses what cannot be served
    assert sum(len(d.sessions) for d in devices) > 100
    shorter = charging_points(owners, clock=CLOCK, end_ms=DAY_MS, seed=1, p_max_w=3_700.0)
    for long, short in zip(specs, shorter, strict=True):
        assert long["sessions"][: len(short["sessions"])] == short["sessions"]


GOOD = "device,session,arrival,departure,energy_wh\n"
ROW = "ev/lv1/a,{},2016-04-20T{}:00:00Z,2016-04-20T{}:00:00Z,{}\n"
BAD_ROWS = {
    "is not after the arrival": ROW.format("x", 18, 17, 1000),
    "more than the session can take": ROW.format("x", 18, 19, 12000),
    "must be a positive number, not 'nan'": ROW.format("x", 18, 19, "nan"),
    "must be a positive number, not '-5'": ROW.format("x", 18, 19, -5),
    "must be a positive number, not 'much'": ROW.format("x", 18, 19, "much"),
    "is at sessions.csv:2 already": ROW.format("one", 20, 21, 1000),
    "the vehicle of sessions.csv:2 is still": ROW.format("x", 13, 15, 1000),
    "no charging point 'ev/lv1/b'": ROW.format("x", 18, 19, 1).replace("lv1/a", "lv1/b"),
    "is no instant": ROW.format("x", 18, 29, 1),
    "is before the start of the run": ROW.format("x", "09", 11, 1),
}


@pytest.mark.parametrize("message", BAD_ROWS)
def test_a_bad_row_of_a_session_file_is_named(tmp_path, message) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text(GOOD + ROW.format("one", 12, 14, 5000) + BAD_ROWS[message])
    with pytest.raises(ScenarioError, match=message) as caught:
        read_sessions(path, clock=CLOCK, end_ms=DAY_MS, p_max_w={"ev/lv1/a": 11_000.0})
    assert [fault.where for fault in caught.value.faults] == ["sessions.csv:3"]


def test_a_good_session_file_is_read(tmp_path) -> None:
    path = tmp_path / "sessions.csv"
    late = ROW.format("two", 18, 20, 7000) + ROW.format("one", 12, 14, 5000)
    path.write_text(GOOD + late + ROW.format("past", "08", "09", 100))
    found = read_sessions(path, clock=CLOCK, end_ms=DAY_MS, p_max_w={"ev/lv1/a": 11_000.0})
    assert [s["id"] for s in found["ev/lv1/a"]] == ["session/lv1/a/one", "session/lv1/a/two"]
    assert found["ev/lv1/a"][0]["arrival_ms"] == 7_200_000
    path.write_text("device,arrival\n")
    with pytest.raises(ScenarioError, match="departure, energy_wh"):
        read_sessions(path, clock=CLOCK, end_ms=DAY_MS, p_max_w={})


def test_every_fault_of_every_device_is_told_with_its_path() -> None:
    here = {"terminal": CUSTOMERS[0]}
    visit = {"arrival_ms": 0, "departure_ms": 3_600_000, "energy_wh": 99_000.0}
    devices = [
        {"id": "load/x", "kind": "load", **here, "p_w": [1.0, float("nan"), 2.0, 3.0]},
        {"id": "load/y", "kind": "load", **here, "p_w": [1.0]},
        {"id": "pv/x", "kind": "pv", **here, "p_w": [0.0, 5.0, 0.0, 0.0]},
        {"id": "battery/x", "kind": "battery", **here, "capacity_wh": -1.0, "p_max_w": 1.0},
        {"id": "ev/x", "kind": "ev", **here, "p_max_w": 11_000.0, "sessions": [visit]},
        {"id": "ev/y", "kind": "ev", "terminal": "terminal/nowhere", "p_max_w": 1.0, "colour": 3},
        {"id": "fridge/x", "kind": "fridge", **here},
        {"id": "load/z", "kind": "load", **here, "p_w": [1.0] * 4},
        {"id": "load/z", "kind": "load", **here, "p_w": [1.0] * 4},
    ]
    with pytest.raises(ScenarioError) as caught:
        parse_devices(devices, CUSTOMERS, 4)
    paths = [fault.path for fault in caught.value.faults]
    assert paths == [
        "devices[0].p_w[1]", "devices[1].p_w", "devices[2].p_w[1]", "devices[3].capacity_wh",
        "devices[4].sessions[0].energy_wh", "devices[5].terminal", "devices[5].colour",
        "devices[6].kind", "devices[8].id",
    ]  # fmt: skip


LOCAL = "device,arrival,departure,energy_wh\nev/lv1/a,2016-04-20T18:30,2016-04-21T06:00,5000\n"
POINT = {"ev/lv1/a": 11_000.0}


def test_a_session_without_a_zone_needs_a_stated_one(tmp_path) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text(LOCAL)
    given_ = {"clock": CLOCK, "end_ms": DAY_MS, "p_max_w": POINT}
    with pytest.raises(ScenarioError, match="has no time zone") as caught:
        read_sessions(path, **given_)
    assert [(f.path, f.where) for f in caught.value.faults] == [
        ("arrival", "sessions.csv:2"), ("departure", "sessions.csv:2")
    ]  # fmt: skip
    for zone, hours in (("Z", 8.5), ("+02:00", 6.5), ("Europe/Berlin", 6.5)):
        found = read_sessions(path, zone=zone, **given_)["ev/lv1/a"]
        assert found[0]["arrival_ms"] == hours * 3.6e6


def known(**given_):
    return cars(["ev/lv1/a"], VehiclePlan(capacity_wh=(50_000.0, 50_000.0), **given_), 11_000.0, 1)


CAR_HEAD = "device,arrival,departure,energy_wh,capacity_wh,arrival_soc\n"
CAR_ROW = "ev/lv1/a,2016-04-20T12:00Z,2016-04-20T{}:00Z,{},{},{}\n"


def test_a_file_may_tell_of_batteries(tmp_path) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text(CAR_HEAD + CAR_ROW.format(14, 10_000, 40_000, 0.25))
    given_ = {"clock": CLOCK, "end_ms": DAY_MS, "p_max_w": POINT}
    vehicle = read_sessions(path, cars=known(), **given_)["ev/lv1/a"][0]["vehicle"]
    assert (vehicle["capacity_wh"], vehicle["arrival_soc"]) == (40_000.0, 0.25)
    path.write_text(CAR_HEAD + CAR_ROW.format(18, 10_000, "", ""))
    vehicle = read_sessions(path, cars=known(), **given_)["ev/lv1/a"][0]["vehicle"]
    assert vehicle["arrival_soc"] == pytest.approx(1 - 9_000 / 50_000)
    with pytest.raises(ScenarioError, match="belong to known vehicles"):
        read_sessions(path, **given_)


@pytest.mark.parametrize(
    ("row", "path", "message"),
    [
        (CAR_ROW.format(22, 40_000, 40_000, 0.25), "energy_wh", "more than the battery can take"),
        (CAR_ROW.format(22, 60_000, 40_000, ""), "energy_wh", "the empty battery can take"),
        (CAR_ROW.format(14, 12_000, 40_000, 0.73), "energy_wh", "the session can take"),
        (CAR_ROW.format(14, 1_000, -40_000, 0.25), "capacity_wh", "must be a positive number"),
        (CAR_ROW.format(14, 1_000, "nan", 0.25), "capacity_wh", "must be a positive number"),
        (CAR_ROW.format(14, 1_000, 40_000, 1.25), "arrival_soc", "must be at least 0 and at most"),
    ],
)
def test_a_battery_that_cannot_be_is_named_with_its_row(tmp_path, row, path, message) -> None:
    file = tmp_path / "sessions.csv"
    file.write_text(CAR_HEAD + CAR_ROW.format(12, 1, 40_000, 0.25).replace("12:00Z", "11:00Z", 1)
                    + row)  # fmt: skip
    with pytest.raises(ScenarioError, match=message) as caught:
        read_sessions(file, cars=known(), clock=CLOCK, end_ms=DAY_MS, p_max_w=POINT)
    assert [(f.path, f.where) for f in caught.value.faults] == [(path, "sessions.csv:3")]


def test_drawn_sessions_of_known_vehicles_are_feasible() -> None:
    owners = assign(1.0, CUSTOMERS[:200], 1, "ev")
    plan = VehiclePlan(capacity_wh=(20_000.0, 80_000.0), full_soc=0.9)
    fleet = cars(owners, plan, 3_700.0, 1)
    given_ = {"clock": CLOCK, "seed": 1, "p_max_w": 3_700.0, "vehicles": fleet}
    specs = charging_points(owners, end_ms=3 * DAY_MS, p_discharge_w=3_000.0, **given_)
    devices = parse_devices(specs, CUSTOMERS, 0)
    assert parse_devices(json.loads(json.dumps(specs)), CUSTOMERS, 0) == devices
    visits = [visit for device in devices for visit in device.sessions]
    assert len(visits) > 200
    assert all(v.vehicle.target_soc(v.energy_wh) == pytest.approx(0.9) for v in visits)
    assert min(v.vehicle.arrival_soc for v in visits) >= 0.05 - 1e-9
    assert len({v.vehicle.capacity_wh for v in visits}) > 100
    # who comes when does not depend on what is known of the vehicles
    plain = charging_points(owners, end_ms=3 * DAY_MS, clock=CLOCK, seed=1, p_max_w=3_700.0)
    times = [[(s["arrival_ms"], s["departure_ms"]) for s in p["sessions"]] for p in plain]
    same = [[(s["arrival_ms"], s["departure_ms"]) for s in p["sessions"]] for p in specs]
    shared = [set(a) & set(b) for a, b in zip(times, same, strict=True)]
    assert sum(map(len, shared)) > 0.95 * sum(map(len, times))
