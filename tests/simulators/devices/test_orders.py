"""Orders beyond a power: temperature bands, starts of jobs, reactive power; what tells of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.messages import Actuation
from simulators.devices import DevicesCore

SLOT_MS, HOUR_MS, DAY_MS, TERMINAL = 900_000, 3_600_000, 86_400_000, "terminal/lv1/a"
V, RATED_W = 400 / 3**0.5, 10_000.0
CYCLE_W = [100.0, 2_000.0, 50.0]  # three parts of ten minutes
FRIDGE, PUMP, WASHER, ROOF = (
    f"{kind}/lv1/a" for kind in ("fridge", "heat_pump", "appliance", "pv")
)


def fridge(**fields):
    return {
        "id": FRIDGE, "kind": "thermostat", "terminal": TERMINAL, "p_rated_w": 100.0,
        "cools": True, "cop": 2.0, "c_wh_per_k": 12.0, "loss_w_per_k": 1.6, "surroundings_c": 21.0,
        "set_c": 5.0, "switch_k": 1.0, "low_c": 3.0, "high_c": 7.0, **fields,
    }  # fmt: skip


def pump():
    building = {"heat_loss_w_per_k": 150.0, "c_air_wh_per_k": 1_200.0}
    return {
        "id": PUMP, "kind": "heat_pump", "terminal": TERMINAL, "p_rated_w": 3_000.0,
        "building": building, "tank": {},
    }  # fmt: skip


def washer(*jobs, **fields):
    return {
        "id": WASHER, "kind": "appliance", "terminal": TERMINAL, "cycle_w": CYCLE_W, "step_s": 600,
        "jobs": [{"earliest_ms": a, "deadline_ms": b} for a, b in jobs], **fields,
    }  # fmt: skip


def roof(**inverter):
    return {
        "id": ROOF, "kind": "pv", "terminal": TERMINAL, "p_w": [-6_000.0] * 96,
        "inverter": {"p_rated_w": RATED_W, "tau_s": 1.0, **inverter},
    }  # fmt: skip


def order(action, device, **value):
    return Actuation("x#1", "c#1", device, action, value)


def run(devices, orders=(), end_ms=DAY_MS, climate=None, watch=lambda core: None):
    """Step to the end; return the events, and what ``watch`` saw after each step by its time."""
    core, events, seen, due = DevicesCore([TERMINAL], devices, end_ms, climate=climate), [], {}, 0
    volts = np.full((1, 3), V)
    while due is not None:
        now = due
        due = core.step(now, [one for t, one in orders if t == now], v_v=volts)
        if due is not None:
            due = min([due, *(t for t, _ in orders if now < t < due)])
        events += core.take_events()
        seen[now] = watch(core)
    return events, seen


def cold(core):
    return float(core.groups["thermostat"].body.t_c[0])


def test_a_fridge_keeps_the_band_it_is_given_and_then_its_own() -> None:
    given_ = order("set_band", FRIDGE, low_c=3.2, high_c=3.8, until_ms=12 * HOUR_MS)
    events, seen = run([fridge()], [(2 * HOUR_MS, given_)], watch=cold)
    within = [t_c for t, t_c in seen.items() if 6 * HOUR_MS <= t <= 12 * HOUR_MS]
    assert 3.0 <= min(within) < max(within) < 4.0
    after = [t_c for t, t_c in seen.items() if t >= 18 * HOUR_MS]
    assert max(after) > 5.5
    changed, ended = (e for e in events if e.kind.startswith("band"))
    assert (changed.kind, changed.cause, changed.t_us) == (
        "band_changed",
        "x#1",
        2 * HOUR_MS * 1000,
    )
    assert (ended.kind, ended.cause, ended.t_us) == ("band_ended", changed.id, 12 * HOUR_MS * 1000)


def test_a_heat_pump_keeps_the_room_in_its_band() -> None:
    weather = {"temperature_c": np.full(96, 0.0), "ghi_w_m2": np.zeros(96)}
    given_ = order("set_band", PUMP, low_c=21.8, high_c=22.2, until_ms=None)
    _, seen = run([pump()], [(HOUR_MS, given_)], climate=weather,
                  watch=lambda core: float(core.groups["heat_pump"].house.air_c[0]))  # fmt: skip
    late = [air_c for t, air_c in seen.items() if t > 10 * HOUR_MS]
    _, own = run([pump()], climate=weather,
                 watch=lambda core: float(core.groups["heat_pump"].house.air_c[0]))  # fmt: skip
    before = [air_c for t, air_c in own.items() if t > 10 * HOUR_MS]
    assert 21.6 < np.mean(late) < 22.4
    assert 20.6 < np.mean(before) < 21.4


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"low_c": 2.0, "high_c": 5.0, "until_ms": None}, "2 to 5 °C is not within 3 to 7 °C"),
        ({"low_c": 5.0, "high_c": 5.1, "until_ms": None}, "narrower than 0.2 K"),
        ({"low_c": 6.0, "high_c": 5.0, "until_ms": None}, "not within"),
        ({"low_c": 4.0, "high_c": 5.0, "until_ms": 0}, "until_ms is over"),
        ({"low_c": 4.0, "high_c": 5.0}, "until_ms is missing"),
        ({"low_c": 4.0, "high_c": 5.0, "until_ms": 1.5}, "until_ms is no integer"),
        ({"low_c": float("nan"), "high_c": 5.0, "until_ms": None}, "a band is"),
        ({"low_c": True, "high_c": 5.0, "until_ms": None}, "a band is"),
    ],
)
def test_impossible_bands_are_refused_and_change_nothing(value, reason) -> None:
    events, seen = run([fridge()], [(HOUR_MS, order("set_band", FRIDGE, **value))], watch=cold)
    _, alone = run([fridge()], watch=cold)
    (refused,) = [e for e in events if "refused" in e.kind]
    assert reason in refused.value["reason"]
    assert refused.cause == "x#1"
    assert seen == {**seen, **alone}


def test_a_job_begins_when_it_is_ordered_to() -> None:
    (name,) = (job.id for job in DevicesCore([TERMINAL], [washer((HOUR_MS, 9 * HOUR_MS))],
                                             DAY_MS).groups["appliance"]._jobs[0])  # fmt: skip
    at_ms = 5 * HOUR_MS + 123
    events, _ = run(
        [washer((HOUR_MS, 9 * HOUR_MS))], [(0, order("start_at", WASHER, id=name, at_ms=at_ms))]
    )
    told = {e.kind: e for e in events}
    assert told["job_started"].t_us == at_ms * 1000
    assert told["job_ended"].t_us == (at_ms + 1_800_000) * 1000
    assert told["start_ordered"].value == {"id": name, "at_ms": at_ms}


def test_an_order_goes_before_a_set_point_and_a_later_one_before_an_earlier() -> None:
    hold = order("set_power", WASHER, p_w=0.0, until_ms=None)
    job = "job/lv1/a/0"
    orders = [(0, hold), (1, order("start_at", WASHER, id=job, at_ms=3 * HOUR_MS)),
              (HOUR_MS, order("start_at", WASHER, id=job, at_ms=2 * HOUR_MS))]  # fmt: skip
    events, _ = run([washer((HOUR_MS, 9 * HOUR_MS))], orders)
    assert [e.t_us for e in events if e.kind == "job_started"] == [2 * HOUR_MS * 1000]


@pytest.mark.parametrize(
    ("t_ms", "job", "at_ms", "reason"),
    [
        (0, "job/lv1/a/0", 0, "is not from 3600000 to 30600000 ms"),
        (0, "job/lv1/a/0", 8 * HOUR_MS + 1_800_001, "is not from"),
        (0, "job/lv1/a/1", 2 * HOUR_MS, "there is no job"),
        (HOUR_MS + 1, "job/lv1/a/0", 2 * HOUR_MS, "has begun"),
        (0, "job/lv1/a/0", 2.5 * HOUR_MS, "a start is {id, at_ms}"),
        (12 * HOUR_MS, "job/lv1/a/0", 13 * HOUR_MS, "there is no job"),
    ],
)
def test_starts_that_cannot_be_are_refused(t_ms, job, at_ms, reason) -> None:
    orders = [(t_ms, order("start_at", WASHER, id=job, at_ms=at_ms))]
    events, _ = run([washer((HOUR_MS, 9 * HOUR_MS))], orders)
    (refused,) = [e for e in events if "refused" in e.kind]
    assert reason in refused.value["reason"]
    assert [e.t_us for e in events if e.kind == "job_started"] == [HOUR_MS * 1000]


def test_a_job_is_told_of_before_it_may_begin() -> None:
    jobs = ((1_000, HOUR_MS), (6 * HOUR_MS, 9 * HOUR_MS))
    events, _ = run([washer(*jobs, notice_s=3_600)])
    told = [(e.t_us // 1000, e.value["id"]) for e in events if e.kind == "job_requested"]
    assert told == [(0, "job/lv1/a/0"), (5 * HOUR_MS, "job/lv1/a/1")]
    value = next(e.value for e in events if e.kind == "job_requested")
    assert value == {
        "id": "job/lv1/a/0", "energy_wh": pytest.approx(2_150 / 6, abs=1e-3),
        "duration_ms": 1_800_000, "earliest_ms": 1_000, "deadline_ms": HOUR_MS, "step_ms": 600_000,
        "p_w": [100, 2_000, 50],
    }  # fmt: skip
    assert json.loads(json.dumps(value)) == value
    assert not [e for e in run([washer(*jobs)])[0] if e.kind == "job_requested"]


def test_an_inverter_gives_the_reactive_power_it_is_asked_for() -> None:
    orders = [(HOUR_MS, order("set_reactive", ROOF, q_var=3_000.0, until_ms=2 * HOUR_MS))]
    events, seen = run([roof()], orders, watch=lambda core: float(core.q_var[0]))
    for t, q_var in seen.items():
        asked = HOUR_MS + 60_000 <= t < 2 * HOUR_MS
        if asked or t < HOUR_MS or t >= 2 * HOUR_MS + 60_000:
            assert q_var == pytest.approx(3_000.0 if asked else 0.0, abs=1.0)
    assert [e.kind for e in events] == ["reactive_changed", "reactive_ended"]
    assert events[1].cause == events[0].id


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.floats(-3e4, 3e4), st.floats(-1.2e4, 5e3)),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_no_order_takes_an_inverter_beyond_its_rating(asked) -> None:
    orders = []
    for minute, q_var, p_w in sorted(asked):
        orders += [(minute * 60_000, order("set_reactive", ROOF, q_var=q_var, until_ms=None)),
                   (minute * 60_000, order("set_power", ROOF, p_w=p_w, until_ms=None))]  # fmt: skip
    _, seen = run([roof()], orders, end_ms=HOUR_MS,
                  watch=lambda core: (float(core.p_w[0]), float(core.q_var[0])))  # fmt: skip
    rating_va = RATED_W / 0.9
    assert all(np.hypot(p_w, q_var) <= rating_va * (1 + 1e-9) for p_w, q_var in seen.values())
    assert all(-6_000.0 <= p_w <= 0.0 for p_w, _ in seen.values())


def test_what_has_no_such_thing_refuses_and_says_so() -> None:
    plain = {"id": ROOF, "kind": "pv", "terminal": TERMINAL, "p_w": [-5_000.0] * 96}
    devices = [plain, fridge(), washer((HOUR_MS, 9 * HOUR_MS))]
    orders = [
        (0, order("set_reactive", ROOF, q_var=1.0, until_ms=None)),
        (0, order("set_band", ROOF, low_c=1.0, high_c=2.0, until_ms=None)),
        (0, order("start_at", FRIDGE, id="x", at_ms=1)),
        (0, order("open", WASHER)),
        (0, Actuation("x#1", "c#1", FRIDGE, "set_band", None)),
        (0, order("set_band", "switch/lv1/s", low_c=1.0)),  # somebody else's
    ]
    events, _ = run(devices, orders)
    reasons = [e.value["reason"] for e in events if e.kind == "order_refused"]
    assert [reason.split()[:3] for reason in reasons] == [
        ["only", "an", "inverter"], ["a", "device", "of"], ["a", "device", "of"],
        ["a", "device", "cannot"], ["set_band", "needs", "a"],
    ]  # fmt: skip


def test_instruments_see_the_temperatures_and_nothing_where_there_are_none() -> None:
    weather = {"temperature_c": np.full(96, 0.0), "ghi_w_m2": np.zeros(96)}
    boiler = {
        "id": "boiler/lv1/a", "kind": "thermostat", "terminal": TERMINAL, "p_rated_w": 2_000.0,
        "c_wh_per_k": 174.0, "loss_w_per_k": 1.2, "set_c": 60.0, "switch_k": 3.0, "low_c": 45.0,
        "high_c": 70.0,
    }  # fmt: skip
    core = DevicesCore([TERMINAL], [fridge(), pump(), boiler], DAY_MS, climate=weather)
    core.step(0)
    seen = core.device()["thermal"]
    assert seen["ids"] == [PUMP, "boiler/lv1/a", FRIDGE]
    assert seen["temperature_c"].tolist() == [21.0, 60.0, 5.0]
    assert seen["tank_c"].tolist() == [52.0]
    assert "thermal" not in DevicesCore([TERMINAL], [roof()], DAY_MS).device()
