"""Actuators: delay, failure, refusal, and who caused what."""

from __future__ import annotations

import pytest

from fernwatt.errors import ScenarioError
from fernwatt.messages import Command
from simulators.field import Actuators, parse_actuators

VALUE = {"p_w": 1.0, "until_ms": 9}


def actuator(name="actuator/a/1", **given):
    return {"id": name, "unit": "dmu/a/1", "target": "ev/a/1", **given}


def command(number, name="actuator/a/1", unit="dmu/a/1"):
    return Command(f"{unit}#{number}", "plan#1", unit, name, "set_power", VALUE, 0)


def test_a_command_is_carried_out_after_its_delay_and_confirmed() -> None:
    actuators = Actuators(parse_actuators([actuator(delay_ms=250)]), 1)
    assert actuators.step(1_000, [command(1)]).actuations == []
    assert actuators.due_ms == 1_250
    outcome = actuators.step(1_250, [])
    (actuation,) = outcome.actuations
    assert (actuation.cause, actuation.target, actuation.value) == ("dmu/a/1#1", "ev/a/1", VALUE)
    (reading,) = outcome.readings
    assert (reading.variable, reading.cause, reading.value) == ("confirm", "dmu/a/1#1", 1.0)
    (event,) = outcome.events
    assert (event.id, event.kind, event.cause) == (actuation.id, "actuated", "dmu/a/1#1")
    assert actuators.due_ms is None


def test_unknown_and_foreign_actuators_are_refused() -> None:
    actuators = Actuators(parse_actuators([actuator()]), 1)
    outcome = actuators.step(0, [command(1, "actuator/none/1"), command(2, unit="dmu/b/2")])
    assert [e.kind for e in outcome.events] == ["command_refused"] * 2
    assert [e.cause for e in outcome.events] == ["dmu/a/1#1", "dmu/b/2#2"]
    assert not outcome.actuations
    assert not outcome.readings


def test_failures_come_as_often_as_stated_and_are_confirmed_as_such() -> None:
    actuators = Actuators(parse_actuators([actuator(failure_probability=0.25)]), 1)
    outcome = actuators.step(0, [command(n) for n in range(2_000)])
    assert len(outcome.actuations) == pytest.approx(1_500, abs=80)
    assert sum(r.value for r in outcome.readings) == len(outcome.actuations)
    assert sum(e.kind == "actuation_failed" for e in outcome.events) == 2_000 - len(
        outcome.actuations
    )
    assert len({r.id for r in outcome.readings} | {a.id for a in outcome.actuations}) == (
        2_000 + len(outcome.actuations)
    )


def test_bad_actuators_are_named() -> None:
    items = [actuator(delay_ms=-1), actuator("actuator/a/2", failure_probability=2.0)]
    with pytest.raises(ScenarioError) as caught:
        parse_actuators(items)
    assert [f.path for f in caught.value.faults] == [
        "actuators[0].delay_ms", "actuators[1].failure_probability",
    ]  # fmt: skip


def test_jitter_stays_within_its_limit_and_differs() -> None:
    actuators = Actuators(parse_actuators([actuator(delay_ms=100, jitter_ms=50)]), 1)
    delays = []
    for number in range(200):
        t_ms = number * 1_000
        actuators.step(t_ms, [command(number)])
        delays.append(actuators.due_ms - t_ms)
        actuators.step(actuators.due_ms, [])
    assert min(delays) == 100
    assert max(delays) == 150
    assert len(set(delays)) > 40


def test_an_actuator_that_misreports_says_the_contrary() -> None:
    items = [actuator(failure_probability=0.5, misreport_probability=0.3)]
    outcome = Actuators(parse_actuators(items), 1).step(0, [command(n) for n in range(1_000)])
    done = {a.cause for a in outcome.actuations}
    wrong = [r for r in outcome.readings if (r.value == 1.0) != (r.cause in done)]
    assert len(wrong) == pytest.approx(300, abs=45)
    events = [e for e in outcome.events if e.kind == "misreported"]
    assert {e.cause for e in events} == {r.cause for r in wrong}


def tap(number, position):
    value = {"position": position}
    return Command(f"unit#{number}", "plan#1", "dmu/a/1", "actuator/a/1", "tap", value, 0)


def test_a_tap_changer_takes_a_time_for_each_step_and_refuses_taps_it_has_not() -> None:
    items = [actuator(delay_ms=200, step_ms=5_000, steps=[-4, 4], position=1)]
    actuators = Actuators(parse_actuators(items), 1)
    outcome = actuators.step(0, [tap(1, -2), tap(2, -1), tap(3, 5)])
    assert [e.value["reason"] for e in outcome.events] == ["no such tap: 5"]
    times = []
    while (due_ms := actuators.due_ms) is not None:
        times += [(due_ms, a.value["position"]) for a in actuators.step(due_ms, []).actuations]
    assert times == [(15_200, -2), (20_400, -1)]


def test_bad_drives_are_named() -> None:
    items = [actuator(jitter_ms=-1, by="horse"), actuator("actuator/a/2", by="crew"),
             actuator("actuator/a/3", steps=[2, 1])]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        parse_actuators(items)
    assert [f.path for f in caught.value.faults] == [
        "actuators[0].jitter_ms", "actuators[0].by", "actuators[1].by", "actuators[2].steps",
    ]  # fmt: skip
