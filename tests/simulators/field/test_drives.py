"""Drives of switches and taps, their positions, and the crews' desk."""

from __future__ import annotations

import pytest

from fernwatt.errors import ScenarioError
from fernwatt.messages import Command, Event
from simulators.field import Actuators, Crews, CrewSpec, parse_actuators
from simulators.field.desk import Desk, parse_desk

UNIT, GEAR, DESK = "mvgmu/mv1", "mvgmu/mv1/drives", "tlgmu/top/crews"
SWITCHES = ["switch/mv1/1", "switch/mv1/2"]
TRAFO, LINE = "transformer/mv1/t", "line/mv1/7"


def drive(target=SWITCHES[0], **given):
    return {"id": f"drive/{target}", "unit": UNIT, "target": target, "group": GEAR, "tells": True,
            **given}  # fmt: skip


def desk(**given):
    places = {SWITCHES[1]: [3_000.0, 0.0], LINE: [0.0, 1_000.0], TRAFO: [0.0, 0.0]}
    return {"id": DESK, "unit": "tlgmu/top", "places": places, "taps": {TRAFO: [-2, 2]},
            "switch_ms": 60_000, "repair_ms": 3_600_000, **given}  # fmt: skip


def build(*items, crews=0, **given):
    team = Crews(CrewSpec(crews, speed_m_per_s=10, detour=1.0, dispatch_ms=0), 1) if crews else None
    return Actuators(parse_actuators(items, crews=bool(crews)), 1, team,
                     Desk(parse_desk(desk(**given))) if crews else None)  # fmt: skip


def order(n, value, action="switch", actuator=GEAR, unit=UNIT):
    return Command(f"{unit}#{n}", "plan#1", unit, actuator, action, value, 0)


def moved(kind, element, cause, t_ms=0, value=None):
    return Event(f"grid#{element}{t_ms}", cause, t_ms * 1000, kind, element, value or {})


def told(outcome, variable):
    return [r for r in outcome.readings if r.variable == variable]


def test_positions_are_told_at_first_and_with_each_move_whoever_made_it() -> None:
    actuators = build(drive(delay_ms=2_000), drive(SWITCHES[1], closed=False))
    first = told(actuators.step(0, []), "switch.position")
    assert {r.value["element"]: r.value["closed"] for r in first} == {
        SWITCHES[0]: True, SWITCHES[1]: False,
    }  # fmt: skip
    assert {r.instrument for r in first} == {GEAR}
    actuators.step(10_000, [order(1, {"element": SWITCHES[0], "closed": False})])
    done = actuators.step(12_000, [])
    (acted,) = done.actuations
    assert (acted.target, acted.action, acted.value) == (SWITCHES[0], "open", None)
    assert [r.variable for r in done.readings] == ["confirm"]  # the grid has not moved yet
    (reading,) = actuators.step(
        12_001, [], [moved("switch_opened", SWITCHES[0], acted.id)]
    ).readings
    assert reading.value == {"element": SWITCHES[0], "closed": False, "t_ms": 12_001}
    (tripped,) = actuators.step(
        20_000, [], [moved("switch_opened", SWITCHES[1], "relay#1")]
    ).readings
    assert tripped.value["element"] == SWITCHES[1]
    ids = [r.id for r in (*first, reading, tripped)]
    assert len(set(ids)) == len(ids)


def test_what_has_no_such_element_or_value_is_refused() -> None:
    actuators = build(drive(), drive(TRAFO, step_ms=1_000, steps=[-2, 2]), crews=1)
    outcome = actuators.step(0, [
        order(1, {"element": "switch/none", "closed": True}),
        order(2, {"element": SWITCHES[0], "closed": 1}),
        order(3, {"element": TRAFO, "position": 3}, "tap"),
        order(4, {"element": SWITCHES[0], "closed": True}, unit="lvgmu/lv1"),
        order(5, None),
        order(6, {"element": "line/none", "work": "repair"}, "crew", DESK, "tlgmu/top"),
        order(7, {"element": LINE, "work": "open"}, "crew", DESK, "tlgmu/top"),
        order(8, {"element": TRAFO, "work": "tap", "position": 9}, "crew", DESK, "tlgmu/top"),
    ])  # fmt: skip
    assert [e.value["reason"] for e in outcome.events] == [
        "no such element: switch/none", "cannot be done at switch/mv1/1: closed 1",
        "no such tap: 3",
        "belongs to mvgmu/mv1", "no such element: ", "no such element: line/none",
        "no work of a crew at line/mv1/7: open", "no such tap: 9",
    ]  # fmt: skip
    assert not outcome.actuations
    assert actuators.due_ms is None


def test_a_tap_order_reaches_the_grid_as_set_tap() -> None:
    actuators = build(drive(TRAFO, step_ms=5_000, steps=[-2, 2], position=1))
    (first,) = actuators.step(0, [order(1, {"element": TRAFO, "position": -1}, "tap")]).readings
    assert (first.variable, first.value["position"]) == ("tap.position", 1)
    (acted,) = actuators.step(10_000, []).actuations
    assert (acted.target, acted.action, acted.value) == (TRAFO, "set_tap", {"position": -1})
    (reading,) = actuators.step(
        10_001, [], [moved("tap_moved", TRAFO, acted.id, value={"position": -1})]
    ).readings
    assert reading.value == {"element": TRAFO, "position": -1, "t_ms": 10_001}


def test_a_lighting_feeder_is_switched_and_tells_it_whoever_did() -> None:
    feeder = "lighting/lv1/main-street"
    actuators = build(drive(feeder, closed=False, delay_ms=100), drive())
    first = told(actuators.step(0, []), "light.position")
    assert [r.value for r in first] == [{"element": feeder, "on": False, "t_ms": 0}]
    wrong = [order(1, {"element": feeder, "closed": True}),
             order(2, {"element": SWITCHES[0], "on": True}, "light")]  # fmt: skip
    refused = actuators.step(5, wrong)
    assert [e.kind for e in refused.events] == ["command_refused"] * 2
    actuators.step(10, [order(3, {"element": feeder, "on": True}, "light")])
    (acted,) = actuators.step(110, []).actuations
    assert (acted.target, acted.action, acted.value) == (feeder, "switch_on", None)
    at_dawn = Event("lighting#2", "", 10**9, "lighting_off", feeder, None)
    (reading,) = actuators.step(10**6, [], [at_dawn]).readings
    assert (reading.cause, reading.value["on"]) == ("lighting#2", False)


def test_wrong_positions_come_as_often_as_stated_and_contradict_what_is() -> None:
    actuators = build(drive(failure_probability=0.4, misreport_probability=0.25))
    actuators.step(0, [])
    closed, wrong, failed = True, 0, 0
    for n in range(1, 2_001):
        wish = not closed
        outcome = actuators.step(n * 1_000, [order(n, {"element": SWITCHES[0], "closed": wish})])
        positions = told(outcome, "switch.position")
        (confirm,) = told(outcome, "confirm")
        if outcome.actuations:
            assert positions == []
            closed = wish
            kind = "switch_closed" if closed else "switch_opened"
            event = moved(kind, SWITCHES[0], outcome.actuations[0].id, n * 1_000)
            (position,) = actuators.step(n * 1_000 + 1, [], [event]).readings
            right = position.value["closed"] == closed
            assert (confirm.value == 1.0) == right
        else:
            failed += 1
            right = positions == []
            assert (confirm.value == 0.0) == right
            assert right or positions[0].value["closed"] == wish
        wrong += not right
    assert failed == pytest.approx(800, abs=70)
    assert wrong == pytest.approx(500, abs=60)
    # a relay's move can be reported wrongly as well
    outcomes = [
        actuators.step(10**7 + n, [], [moved("switch_opened", SWITCHES[0], "relay", n)])
        for n in range(800)
    ]
    shown = [outcome.readings[0].value["closed"] for outcome in outcomes]
    assert sum(shown) == pytest.approx(200, abs=45)
    assert [[e.kind for e in o.events] for o in outcomes] == [
        ["misreported"] if wrong else [] for wrong in shown
    ]


def test_a_crew_switches_what_has_no_drive_and_says_what_it_did() -> None:
    actuators = build(crews=1)
    value = {"element": SWITCHES[1], "work": "open"}
    sent = actuators.step(1_000, [order(1, value, "crew", DESK, "tlgmu/top")])
    assert [e.kind for e in sent.events] == ["crew_sent"]
    actuators.step(301_000, [])  # 3 km at 10 m/s
    done = actuators.step(361_000, [])
    (acted,) = done.actuations
    assert (acted.target, acted.action) == (SWITCHES[1], "open")
    assert acted.cause == done.events[0].id
    assert [(r.instrument, r.variable) for r in done.readings] == [
        (DESK, "confirm"), (DESK, "switch.position"),
    ]  # fmt: skip
    assert done.readings[1].value == {"element": SWITCHES[1], "closed": False, "t_ms": 361_000}


def test_repairs_take_their_time_and_come_after_switching() -> None:
    actuators = build(crews=1)
    values = [{"element": TRAFO, "work": "tap", "position": 2},
              {"element": LINE, "work": "repair"},
              {"element": SWITCHES[1], "work": "close"}]  # fmt: skip
    orders = [order(n, value, "crew", DESK, "tlgmu/top") for n, value in enumerate(values)]
    acted, t_ms = [(0, a) for a in actuators.step(0, orders).actuations], 0
    while (due := actuators.due_ms) is not None:
        t_ms = due
        acted += [(t_ms, a) for a in actuators.step(t_ms, []).actuations]
    # urgent first; then from the switch (3 km, 0) to the transformer, and on to the line (0, 1 km)
    assert [(t, a.target, a.action) for t, a in acted] == [
        (300_000 + 60_000, SWITCHES[1], "close"),
        (660_000 + 60_000, TRAFO, "set_tap"),
        (820_000 + 3_600_000, LINE, "repair"),
    ]  # fmt: skip


def test_a_crew_finds_a_lamp_at_its_feeder() -> None:
    feeder = "lighting/lv1/main-street"
    actuators = build(crews=1, places={feeder: [0.0, 2_000.0]})
    lamp = {"element": f"{feeder}/lamp-003", "work": "repair"}
    actuators.step(0, [order(1, lamp, "crew", DESK, "tlgmu/top")])
    actuators.step(200_000, [])
    (acted,) = actuators.step(200_000 + 3_600_000, []).actuations
    assert (acted.target, acted.action) == (lamp["element"], "repair")


def test_somebody_notices_a_fault_that_stays_and_a_crew_repairs_it() -> None:
    actuators = build(crews=1, notice_ms=900_000)
    begins = [moved("fault_begins", LINE, "", 0, {"fault": f"fault/{n}"}) for n in range(2)]
    assert actuators.step(0, [], begins).events == []
    actuators.step(200, [], [moved("fault_goes_out", LINE, "", 200, {"fault": "fault/0"})])
    assert actuators.due_ms == 900_000
    (sent,) = actuators.step(900_000, []).events
    assert (sent.kind, sent.element, sent.cause) == ("crew_sent", LINE, f"{DESK}/noticed#1")
    actuators.step(1_000_000, [])
    outcome = actuators.step(4_600_000, [])
    assert [(a.target, a.action) for a in outcome.actuations] == [(LINE, "repair")]
    assert outcome.readings == []  # nobody asked
    assert actuators.due_ms is None


@pytest.mark.parametrize("remote", [True, False])
def test_what_opened_by_itself_is_closed_after_the_repair_and_what_was_opened_stays(remote) -> None:
    driven = [drive(), drive(SWITCHES[1], delay_ms=2_000)] if remote else [drive()]
    actuators = build(*driven, crews=1, notice_ms=60_000)
    actuators.step(0, [], [moved("fault_begins", LINE, "", 0, {"fault": "fault/0"})])
    first = actuators.step(100, [order(1, {"element": SWITCHES[0], "closed": False})])
    (ours,) = first.actuations
    trip = moved("trip", "breaker/1", f"grid#{LINE}0", 101)
    actuators.step(101, [], [moved("switch_opened", SWITCHES[0], ours.id, 101), trip,
                             moved("switch_opened", SWITCHES[1], trip.id, 101),
                             moved("switch_opened", "switch/mv1/9", "plan#1", 101)])  # fmt: skip
    acted = []
    while (due := actuators.due_ms) is not None:
        outcome = actuators.step(due, [])
        acted += [(a.target, a.action) for a in outcome.actuations]
        for actuation in outcome.actuations:
            kind = {"repair": "fault_repaired", "close": "switch_closed"}[actuation.action]
            event = moved(kind, actuation.target, actuation.id, due, {"fault": "fault/0"})
            after = actuators.step(due + 1, [], [event])
            assert ([e.kind for e in after.events] == ["crew_sent"]) == (
                actuation.action == "repair" and not remote
            )
    assert acted == [(LINE, "repair"), (SWITCHES[1], "close")]


def test_a_bad_desk_is_refused() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_desk(desk(repair_ms=-1, colour="red"))
    assert [f.path for f in caught.value.faults] == ["desk.colour", "desk.repair_ms"]
