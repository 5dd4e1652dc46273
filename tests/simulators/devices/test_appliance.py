"""Time-shiftable appliances: start, deadline, no interruption."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Actuation, Supply
from fernwatt.timebase import Clock
from simulators.devices import DevicesCore, appliances, assign

TERMINAL, DEVICE, DAY_MS = "terminal/lv1/a", "appliance/lv1/a", 86_400_000
CYCLE_W = [100.0, 2_000.0, 50.0]  # three parts of ten minutes
TOTAL_MS, ENERGY_WH = 1_800_000, 2_150.0 / 6


def washer(*jobs, **given_fields):
    return {
        "id": DEVICE, "kind": "appliance", "terminal": TERMINAL, "cycle_w": CYCLE_W, "step_s": 600,
        "jobs": [{"earliest_ms": a, "deadline_ms": b} for a, b in jobs], **given_fields,
    }  # fmt: skip


def run(device, orders=(), supplies=(), end_ms=DAY_MS):
    """Return core, events and (t, p) of every step."""
    core, events, trace, due = DevicesCore([TERMINAL], [device], end_ms), [], [], 0
    while due is not None:
        now = due
        given_ = [
            Actuation(f"x#{t}", "c#1", DEVICE, "set_power", {"p_w": p, "until_ms": u})
            for t, p, u in orders if t == now
        ]  # fmt: skip
        fed = [Supply(f"s#{t}", "g#1", TERMINAL, on, on) for t, on in supplies if t == now]
        due = core.step(now, given_, None, fed)
        if due is not None:
            due = min([due, *(t for t, *_ in (*orders, *supplies) if now < t < due)])
        events += core.take_events()
        trace.append((now, float(core.p_w[0])))
    return core, events, trace


def test_without_set_points_a_job_begins_at_its_earliest_start() -> None:
    core, events, trace = run(washer((1_000_123, 9_000_000)))
    told = [(e.t_us // 1000, e.kind) for e in events]
    assert told == [(1_000_123, "job_started"), (1_000_123 + TOTAL_MS, "job_ended")]
    assert events[1].value["late_ms"] == 0
    assert [dict(trace)[1_000_123 + k * 600_000] for k in range(4)] == [*CYCLE_W, 0.0]
    assert core.energy_wh[0] == pytest.approx(ENERGY_WH, rel=1e-12)


def test_a_set_point_makes_it_wait_until_the_deadline_calls() -> None:
    _, events, _ = run(washer((1_000_000, 9_000_000)), [(0, 0.0, DAY_MS)])
    told = {e.kind: e for e in events}
    assert told["job_started"].t_us // 1000 == 9_000_000 - TOTAL_MS
    assert told["job_ended"].value["late_ms"] == 0


def test_the_end_of_a_set_point_or_a_large_one_starts_it() -> None:
    for orders in ([(0, 0.0, 3_000_000)], [(0, 0.0, DAY_MS), (3_000_000, 2_000.0, DAY_MS)]):
        _, events, _ = run(washer((1_000_000, 9_000_000)), orders)
        told = {e.kind: e for e in events}
        assert told["job_started"].t_us // 1000 == 3_000_000


def test_once_begun_it_runs_through() -> None:
    _, events, _ = run(washer((0, 9_000_000)), [(300_000, 0.0, DAY_MS)])
    ended = next(e for e in events if e.kind == "job_ended")
    assert ended.t_us // 1000 == TOTAL_MS


def test_without_supply_it_halts_and_goes_on_and_says_when_it_is_late() -> None:
    core, events, trace = run(
        washer((0, 1_900_000)), supplies=[(700_000, False), (1_700_000, True)]
    )
    assert dict(trace)[700_000] == 0.0
    ended = next(e for e in events if e.kind == "job_ended")
    assert ended.t_us // 1000 == TOTAL_MS + 1_000_000
    assert ended.value["late_ms"] == TOTAL_MS + 1_000_000 - 1_900_000
    assert core.energy_wh[0] == pytest.approx(ENERGY_WH, rel=1e-12)


def test_drawn_jobs_fit_and_a_longer_run_begins_alike() -> None:
    houses = [f"terminal/lv1/load-{n}" for n in range(200)]
    owners = assign(1.0, houses, 1, "appliance")
    clock = Clock.from_iso("2016-04-20T10:00:00Z")
    made = appliances(owners, clock=clock, end_ms=7 * DAY_MS, seed=1)
    short = appliances(owners, clock=clock, end_ms=DAY_MS, seed=1)
    DevicesCore(houses, made, 7 * DAY_MS)  # refuses windows that are too short or overlap
    counts = [len(one["jobs"]) for one in made]
    assert np.mean(counts) == pytest.approx(4.0, abs=0.4)
    for long_, short_ in zip(made, short, strict=True):
        assert long_["jobs"][: len(short_["jobs"])] == short_["jobs"]


BAD = {
    "jobs[0].deadline_ms": washer((0, 1_799_999)),
    "jobs[0].earliest_ms": washer((-5, 9_000_000)),
    "jobs[1].earliest_ms": washer((0, 9_000_000), (8_000_000, 20_000_000)),
    "cycle_w": washer((0, 9_000_000), cycle_w=[]),
    "cycle_w[1]": washer((0, 9_000_000), cycle_w=[1.0, float("nan"), 2.0]),
    "step_s": washer((0, 9_000_000), step_s=0),
}


@pytest.mark.parametrize("field", BAD)
def test_plates_that_cannot_be_are_faults(field) -> None:
    with pytest.raises(ScenarioError) as caught:
        DevicesCore([TERMINAL], [BAD[field]], DAY_MS)
    assert f"devices[0].{field}" in [fault.path for fault in caught.value.faults]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(0, 9_000_000)), max_size=5),
    st.lists(st.tuples(st.integers(0, 50_000_000), st.floats(-500, 2_500)), max_size=8),
)
def test_every_job_is_done_in_time_and_draws_its_energy(gaps, given_orders) -> None:
    jobs, t_ms = [], 0
    for gap, slack in gaps:
        jobs.append((t_ms + gap, t_ms + gap + TOTAL_MS + slack))
        t_ms = jobs[-1][1]
    orders = [(t, p, DAY_MS) for t, p in sorted(given_orders)]
    core, events, trace = run(washer(*jobs), orders)
    ended = [e for e in events if e.kind == "job_ended"]
    assert [e.value["late_ms"] for e in ended] == [0] * len(jobs)
    assert core.energy_wh[0] == pytest.approx(len(jobs) * ENERGY_WH, rel=1e-9)
    spans = pairwise(trace)
    drawn = sum(p * (b - a) for (a, p), (b, _) in spans) / 3.6e6
    assert drawn == pytest.approx(core.energy_wh[0], rel=1e-9, abs=1e-9)
