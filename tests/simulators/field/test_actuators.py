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
