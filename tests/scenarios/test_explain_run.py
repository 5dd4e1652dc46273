"""The loop is closed and tells of itself: from a vehicle's power back to the meter's reading.

The reading that the trail names is what moved the vehicle: without it, it charges otherwise.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis import Run, explain
from analysis.trail import Node
from scenarios import load, run, runner

EVENING = ["time.start='2016-04-20T15:00:00Z'", "time.duration_h=3", "units.history_days=1"]


def go(folder: Path) -> Run:
    """Run an evening of the street."""
    return Run(run(load("street", EVENING), folder=folder, with_report=False).check().folder)


def nodes(node: Node) -> Iterator[Node]:
    """Return a node and all below it."""
    yield node
    for cause in node.causes:
        yield from nodes(cause)


def orders(found: Run) -> Any:
    """Return the vehicles' changes of power that a set-point caused, in order of time."""
    events = found.events
    moved = events[(events["kind"] == "power_changed") & events["element"].str.startswith("ev/")]
    return moved[moved["value"].str.contains("set-point")]


@pytest.fixture(scope="module")
def evening(tmp_path_factory):
    """Return the run as it was."""
    return go(tmp_path_factory.mktemp("evening") / "run")


@pytest.fixture(scope="module")
def trail(evening):
    """Return the trail of the last change that a set-point caused."""
    return explain(evening, orders(evening)["id"].iloc[-1])


def meter_readings(trail: Any, found: Run) -> Any:
    """Return the readings of the meters' registers that a trail names."""
    told = {node.id for node in nodes(trail.root) if node.kind == "reading"}
    readings = found.series("reading")
    ours = readings["instrument"].str.endswith("/register") & readings["id"].isin(told)
    return readings[ours & (readings["variable"] == "energy.import")]


def test_the_trail_goes_over_plan_and_messages_to_a_meter(evening, trail):
    text = trail.text()
    for step in ("power_changed ev/", "set_point_changed", "actuated", "commanded", "plan ev/"):
        assert step in text, step
    assert "(control), arrived after" in text
    assert len(meter_readings(trail, evening)) >= 1


def test_a_plan_of_a_negotiation_leads_to_where_that_began(evening):
    """Houses are asked one after another: the row of their messages is folded."""
    trails = (explain(evening, change) for change in reversed(orders(evening)["id"].tolist()))
    trail = next(trail for trail in trails if "write balancing.accept at cmu/" in trail.text())
    told = list(nodes(trail.root))
    (talk,) = {node.id for node in told if node.text.startswith("negotiation lvgmu/")}
    assert talk in set(evening.events["id"])
    assert any(node.kind == "messages" for node in told)
    assert len(meter_readings(trail, evening)) >= 1
    assert len(trail.text().splitlines()) < 60


def test_an_answer_leads_to_the_reading_it_tells(evening):
    asked = evening.series("request")
    asked = asked[(asked["operation"] == "query") & (asked["variable"] == "load_profile")]
    trail = explain(evening, asked["id"].iloc[0])
    messages = evening.messages
    answers = messages[messages["cause"] == trail.root.id]["id"]
    told = list(nodes(explain(evening, answers.iloc[0]).root))
    (profile,) = (node for node in told if node.text.startswith("reading load_profile of meter/"))
    assert str(asked["location"].iloc[0]) in profile.text


def test_a_device_does_what_happened_to_it_and_not_what_is_planned(evening):
    events = evening.events
    planned = events[(events["kind"] == "plan") & events["element"].str.startswith("ev/")]
    for element, t_us in zip(planned["element"][-5:], planned["t_us"][-5:], strict=True):
        (last,) = explain(evening, f"{element}@{t_us / 1e6}s").root.causes
        assert last.text.startswith(("power_changed", "set_point_changed", "session_started"))


@pytest.mark.requirement("BX-02")
def test_without_that_reading_the_vehicle_charges_otherwise(evening, trail, tmp_path, monkeypatch):
    reading = meter_readings(trail, evening).iloc[-1]
    sampled_ms = int(reading["t_sample_ms"])
    drop = {
        "instrument": str(reading["instrument"]),
        "variable": "energy.import",
        "t_sample_ms": sampled_ms,
    }
    whole = runner.assemble

    def without(scenario: Any) -> Any:
        plan = whole(scenario)
        field = {**plan.params["field"], "drop": [drop]}
        return dataclasses.replace(plan, params={**plan.params, "field": field})

    monkeypatch.setattr(runner, "assemble", without)
    other = go(tmp_path / "other")
    changed = orders(evening).iloc[-1]
    element = changed["element"]
    before, after = (
        found[(found["element"] == element) & (found["t_us"] >= sampled_ms * 1000)]
        for found in (orders(evening), orders(other))
    )
    assert before["value"].tolist() != after["value"].tolist()
    again = explain(other, after["id"].iloc[-1])
    named = meter_readings(again, other)
    assert (str(reading["instrument"]), sampled_ms) not in set(
        zip(named["instrument"].astype(str), named["t_sample_ms"], strict=True)
    )
    assert len(named) >= 1
