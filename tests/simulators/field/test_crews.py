"""Crews: dispatch, travel and work, few of them, and orders that name their causes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Command
from simulators.field import Actuators, Crews, CrewSpec, Job, parse_actuators, parse_crews

MIN_MS = 60_000


def job(number, place=(0.0, 0.0), work_ms=30 * MIN_MS, priority=1):
    return Job(f"order#{number}", "", f"switch/a/{number}", place, work_ms, priority)


def work_off(crews, jobs):
    """Order everything at 0; return when each job was done, and all events."""
    for item in jobs:
        crews.order(item)
    ended, events, t_ms = {}, [], 0
    while True:
        done, news = crews.step(t_ms)
        events += news
        ended |= {item.id: t_ms for item, _ in done}
        if crews.due_ms is None:
            return ended, events
        t_ms = crews.due_ms


def test_a_job_takes_dispatch_travel_and_work() -> None:
    crews = Crews(CrewSpec(1, speed_m_per_s=10.0, detour=1.3, dispatch_ms=5 * MIN_MS), 1)
    ended, events = work_off(crews, [job(1, (3_000.0, 4_000.0))])
    # 5 min, 5 km * 1.3 at 10 m/s = 650 s, 30 min
    assert ended == {"order#1": 300_000 + 650_000 + 1_800_000}
    assert [(e.kind, e.t_us // 1_000) for e in events] == [
        ("crew_sent", 0), ("crew_arrived", 950_000), ("crew_done", 2_750_000),
    ]  # fmt: skip
    assert [e.cause for e in events] == ["order#1", events[0].id, events[1].id]


def test_a_crew_goes_on_from_where_it_is_and_urgent_jobs_go_first() -> None:
    crews = Crews(CrewSpec(1, speed_m_per_s=10.0, detour=1.0, dispatch_ms=0), 1)
    ended, _ = work_off(crews, [
        job(1, (1_000.0, 0.0)), job(2, (5_000.0, 0.0)), job(3, (2_000.0, 0.0), priority=0),
    ])  # fmt: skip
    assert sorted(ended, key=ended.get) == ["order#3", "order#1", "order#2"]
    assert ended["order#3"] == 200_000 + 1_800_000
    assert ended["order#1"] - ended["order#3"] == 100_000 + 1_800_000


def test_the_nearest_free_crew_goes() -> None:
    crews = Crews(CrewSpec(2, speed_m_per_s=10.0, detour=1.0, dispatch_ms=0), 1)
    _, events = work_off(crews, [job(1, (9_000.0, 0.0)), job(2, (0.0, 500.0))])
    assert {e.cause: e.value["crew"] for e in events if e.kind == "crew_sent"} == {
        "order#1": "crew/1", "order#2": "crew/2",
    }  # fmt: skip
    crews.order(job(3, (8_000.0, 0.0)))
    _, (sent,) = crews.step(10**9)
    assert sent.value == {"crew": "crew/1"}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(-9e3, 9e3), st.integers(1, 90), st.integers(0, 2)), max_size=20),
)
def test_never_more_jobs_at_a_time_than_crews_and_none_is_lost(count, items) -> None:
    jobs = [job(n, (x, 0.0), minutes * MIN_MS, p) for n, (x, minutes, p) in enumerate(items)]
    crews = Crews(CrewSpec(count), 1)
    ended, events = work_off(crews, jobs)
    assert ended.keys() == {item.id for item in jobs}
    busy = np.cumsum([{"crew_sent": 1, "crew_done": -1}.get(e.kind, 0) for e in events])
    assert busy.max(initial=0) <= count
    assert min(ended.values(), default=0) >= 0
    assert crews.waiting == 0


def test_work_times_spread_as_stated_and_do_not_depend_on_the_order() -> None:
    spec = CrewSpec(1, dispatch_ms=0, spread=0.4)
    forth, _ = work_off(Crews(spec, 7), [job(n) for n in range(800)])
    times = np.diff([0, *forth.values()])
    assert times.mean() == pytest.approx(1_800_000, rel=0.05)
    assert times.std() / times.mean() == pytest.approx(0.4, rel=0.1)
    back, _ = work_off(Crews(spec, 7), [job(n) for n in reversed(range(800))])
    np.testing.assert_array_equal(np.diff([0, *back.values()])[::-1], times)


def test_a_switching_order_to_a_hand_switch_waits_for_the_crew_and_is_confirmed_then() -> None:
    crews = Crews(CrewSpec(1, speed_m_per_s=10.0, detour=1.0, dispatch_ms=60_000), 1)
    items = [{"id": "actuator/s/1", "unit": "mvgmu/a", "target": "switch/a/1", "by": "crew",
              "place_m": [600.0, 0.0], "work_ms": 120_000, "delay_ms": 500}]  # fmt: skip
    actuators = Actuators(parse_actuators(items, crews=True), 1, crews)
    order = Command("mvgmu/a#1", "vos#1", "mvgmu/a", "actuator/s/1", "open", None, 0)
    outcome = actuators.step(0, [order])
    events, actuations = list(outcome.events), []
    while (due_ms := actuators.due_ms) is not None:
        outcome = actuators.step(due_ms, [])
        events += outcome.events
        actuations += [(due_ms, a) for a in outcome.actuations]
    ((t_ms, actuation),) = actuations
    assert t_ms == 60_000 + 60_000 + 120_000 + 500
    (reading,) = outcome.readings
    assert (reading.variable, reading.value, reading.cause) == ("confirm", 1.0, "mvgmu/a#1")
    by_id = {e.id: e for e in events}
    chain, ident = [], actuation.cause
    while ident in by_id:
        chain.append(by_id[ident].kind)
        ident = by_id[ident].cause
    assert chain == ["crew_done", "crew_arrived", "crew_sent"]
    assert ident == "mvgmu/a#1"


def test_bad_crews_are_named() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_crews({"count": 0, "speed_m_per_s": 0.0, "depot_m": [1.0], "colour": 1})
    assert [f.path for f in caught.value.faults] == [
        "crews.colour", "crews.count", "crews.speed_m_per_s", "crews.depot_m",
    ]  # fmt: skip
