"""Faults over time, without a grid: what begins, evolves, goes out, is repaired."""

from __future__ import annotations

from typing import Any

import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from simulators.grid.incidents import Faults, parse_faults, parse_operations

MODEL = load_grid({"simbench": "1-LV-rural1--0-sw"})
LINE = MODEL.lines[3].id
BUS = MODEL.buses[5].id


def fault(**changes: Any) -> dict[str, Any]:
    stage = {"after_us": 0, "phases": [0, 1, 2], "ground": False, "r_ohm": 0.1}
    return {"id": "fault/0", "t_us": 1_000, "element": LINE, "stages": [stage], **changes}


def faults(*items: dict[str, Any]) -> Faults:
    return Faults(parse_faults(MODEL, items))


def test_a_permanent_fault_begins_and_stays_until_it_is_repaired() -> None:
    happening = faults(fault(repaired_us=9_000))
    assert happening.due_us == 1_000
    assert happening.advance(999) == []
    assert happening.shorts == ()
    (begins,) = happening.advance(1_000)
    assert (begins.kind, begins.fault.id) == ("begins", "fault/0")
    (short,) = happening.shorts
    assert (short.line, short.position, short.phases, short.r_ohm) == (3, 0.5, (0, 1, 2), 0.1)
    happening.observe(1_000, {"fault/0": 0.0})  # no arc, nothing that could go out
    assert [change.kind for change in happening.advance(20_000)] == ["repaired"]
    assert happening.shorts == ()
    assert happening.due_us is None


def test_an_arc_goes_out_when_its_current_stayed_away_long_enough() -> None:
    happening = faults(fault(transient=True, hold_a=35.0, arc_us=200_000))
    happening.advance(1_000)
    happening.observe(1_000, {"fault/0": 900.0})
    assert happening.due_us is None
    happening.observe(100_000, {"fault/0": 0.0})
    happening.observe(150_000, {"fault/0": 1.0})  # still below: the time runs from the first
    assert happening.due_us == 300_000
    assert [change.kind for change in happening.advance(300_000)] == ["goes-out"]
    assert happening.shorts == ()


def test_current_that_comes_back_in_time_keeps_the_arc() -> None:
    happening = faults(fault(transient=True, hold_a=35.0, arc_us=200_000))
    happening.advance(1_000)
    happening.observe(1_000, {"fault/0": 0.0})
    happening.observe(150_000, {"fault/0": 900.0})
    assert happening.advance(400_000) == []
    assert len(happening.shorts) == 1
    happening.observe(500_000, {"fault/0": 0.0})
    assert [change.kind for change in happening.advance(700_000)] == ["goes-out"]


def test_a_fault_evolves_and_what_breaks_is_told_once() -> None:
    stages = [
        {"after_us": 0, "phases": [0], "ground": True, "r_ohm": 100.0},
        {"after_us": 500, "phases": [0, 1], "ground": True, "r_ohm": 1.0, "broken": [0]},
        {"after_us": 900, "phases": [], "broken": [0, 3]},
    ]
    happening = faults(fault(stages=stages, repaired_us=5_000))
    first, second, third = happening.advance(2_000)
    assert [c.kind for c in (first, second, third)] == ["begins", "evolves", "evolves"]
    assert (second.breaks, third.breaks, third.mends) == ((0,), (3,), ())
    assert happening.shorts == ()
    (repaired,) = happening.advance(5_000)
    assert repaired.mends == (0, 3)


def test_what_went_out_does_not_evolve() -> None:
    stages = [
        {"after_us": 0, "phases": [0], "ground": True},
        {"after_us": 500_000, "phases": [0, 1, 2]},
    ]
    happening = faults(fault(stages=stages, transient=True, arc_us=100_000))
    happening.advance(1_000)
    happening.observe(1_000, {"fault/0": 0.0})
    assert [change.kind for change in happening.advance(1_000_000)] == ["goes-out"]


def test_a_crew_repairs_all_faults_of_an_element() -> None:
    happening = faults(fault(), fault(id="fault/1", t_us=2_000, position=0.9), fault(
        id="fault/2", element=BUS
    ))  # fmt: skip
    happening.advance(2_000)
    assert happening.repair(3_000, LINE) == ["fault/0", "fault/1"]
    assert [change.fault.id for change in happening.advance(3_000)] == ["fault/0", "fault/1"]
    assert [short.id for short in happening.shorts] == ["fault/2"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"element": "line/lv1.101/nowhere"}, "element"),
        ({"position": 1.5}, "position"),
        ({"stages": []}, "stages"),
        ({"stages": [{"after_us": 5, "phases": [0, 1]}]}, "stages"),
        ({"stages": [{"phases": [3], "ground": True}]}, "stages[0].phases"),
        ({"stages": [{"phases": [0]}]}, "stages[0].phases"),
        ({"stages": [{"phases": [0, 1], "r_ohm": -1.0}]}, "stages[0].r_ohm"),
        ({"stages": [{"broken": [4]}]}, "stages[0].broken"),
        ({"stages": [{}]}, "stages[0].phases"),
        ({"element": BUS, "stages": [{"broken": [0]}]}, "stages[0].broken"),
    ],
)
def test_an_impossible_fault_is_refused(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_faults(MODEL, [fault(**change)])
    assert f"faults[0].{place}" in [found.path for found in caught.value.faults]


def test_names_are_unique_and_switches_exist() -> None:
    with pytest.raises(ScenarioError, match="twice"):
        parse_faults(MODEL, [fault(), fault()])
    with pytest.raises(ScenarioError, match="no switch"):
        parse_operations(MODEL, [{"t_us": 0, "switch": "switch/lv1.101/none", "closed": True}])
