"""A grid unit's view of generators: flows, what they could do, what is wrong, level by level."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.derflows import Limits, availability, find_problems
from controllers.unit import Loopback, UnitsCore

SLOT = 900_000
LV, MV = "lvgmu/lv", "mvgmu/mv"


def state(kind="pv", p_w=-2000.0, **more):
    return {"kind": kind, "p_max_w": 5000.0, "q_max_var": 1000.0, "status": "running",
            "services": ["set_point"], "available": True, "p_w": p_w, "v_deviation": 0.01,
            } | more  # fmt: skip


class Teller:
    """Writes to its own unit, as the concentrator would."""

    name = "concentrator"

    def start(self, context):
        self.context = context

    def timer(self, name):
        pass

    def notify(self, notification):
        pass


def world():
    tellers = {}
    limits = {"rated_w": 20_000.0, "reverse": 0.5}
    units = [
        {"id": MV, "kind": "mvgmu", "owner": "operator", "children": [LV],
         "services": {"concentrator": {}, "derflows": {"areas": [LV]}}},
        {"id": LV, "kind": "lvgmu", "owner": "operator", "children": [], "parent": MV,
         "services": {"concentrator": {}, "derflows": {"limits": limits}}},
    ]  # fmt: skip

    def factory(spec, _params, _directory):
        return tellers.setdefault(spec["id"], Teller())

    bus = Loopback(UnitsCore({"units": units}, 1, factories={"concentrator": factory}))
    bus.run(1_000)
    return bus, tellers


def look(bus, tellers, unit, states, p_w, at_ms):
    bus.run(at_ms)
    context = tellers[unit].context
    if states is not None:
        context.data.write("area.der", unit, {"t_ms": at_ms, "units": states})
    record = {"t_ms": at_ms, "p_w": p_w, "q_var": 0.0, "meters": 3, "missing": 0,
              "flexible_w": 0.0, "houses": 0}  # fmt: skip
    context.data.write("area.values", unit, record)
    bus.poke()
    bus.run(at_ms + 5_000)


def told(bus, kind):
    return [(event.element, event.value) for event in bus.events if event.kind == kind]


def test_a_reverse_flow_is_a_problem_from_when_it_begins_until_it_is_over():
    bus, tellers = world()
    for number, p_w in enumerate((-5_000.0, -12_000.0, -15_000.0, -3_000.0), 1):
        look(bus, tellers, LV, {"dermu/a": state()}, p_w, number * SLOT)
    problems = told(bus, "der_problem")
    assert [(element, value["kind"], value["active"]) for element, value in problems] == [
        (LV, "reverse_flow", True), (LV, "reverse_flow", False)]  # fmt: skip
    assert problems[0][1]["value"] == 12_000.0


def test_summaries_go_up_and_add_up():
    bus, tellers = world()
    states = {"dermu/a": state(), "dermu/b": state("battery", 1000.0),
              "dermu/c": state(status="alarm", available=False)}  # fmt: skip
    look(bus, tellers, LV, states, -4_000.0, SLOT)
    look(bus, tellers, MV, {"dermu/w": state("wind", -4000.0)}, 0.0, 2 * SLOT)
    low, high = (dict(told(bus, "der_summary"))[unit] for unit in (LV, MV))
    assert (low["units"], low["available"], low["alarms"], low["problems"]) == (3, 2, 1, 1)
    assert (low["fed_w"], low["drawn_w"]) == (4000.0, 1000.0)
    assert (low["more_w"], low["less_w"]) == (2000.0 + 4000.0, 6000.0)
    assert low["found"] == [["alarm", "dermu/c"]]
    assert (high["units"], high["available"], high["alarms"]) == (4, 3, 1)
    assert high["fed_w"] == 8000.0
    assert high["more_w"] == low["more_w"] + 4000.0


def test_who_was_never_heard_is_no_problem_and_who_falls_silent_is():
    bus, tellers = world()
    silent = {"status": "silent", "available": False, "p_w": None}
    look(bus, tellers, LV, {"dermu/a": silent}, 0.0, SLOT)
    assert not told(bus, "der_problem")
    look(bus, tellers, LV, {"dermu/a": state()}, 0.0, 2 * SLOT)
    look(bus, tellers, LV, {"dermu/a": silent}, 0.0, 3 * SLOT)
    kinds = [value["kind"] for _, value in told(bus, "der_problem")]
    assert kinds == ["silent"]


@pytest.mark.parametrize(("before", "now", "lost"), [(8000.0, -1000.0, True),
                                                     (8000.0, -5000.0, False),
                                                     (1000.0, 0.0, False)])  # fmt: skip
def test_feed_in_that_is_suddenly_gone_is_a_problem(before, now, lost):
    found = find_problems(LV, {"dermu/a": state(p_w=now)}, 0.0, {"dermu/a": before}, Limits())
    assert (("lost", LV) in found) is lost


def test_a_voltage_that_rises_too_far_is_a_problem_of_that_generator():
    states = {"dermu/a": state(v_deviation=0.09), "dermu/b": state(v_deviation=0.05)}
    assert find_problems(LV, states, None, {}, Limits()) == {("voltage_rise", "dermu/a"): 0.09}


@given(st.lists(st.tuples(st.sampled_from(["pv", "battery", "chp", "wind", "ev"]),
                          st.floats(-5000, 5000), st.booleans(), st.booleans())))  # fmt: skip
def test_what_could_be_done_is_never_negative_and_none_of_who_is_away(some):
    states = {str(n): state(kind, p_w, available=there, services=["set_point"] if takes else [])
              for n, (kind, p_w, there, takes) in enumerate(some)}  # fmt: skip
    all_of_it = availability(states)
    assert min(all_of_it.values()) >= 0.0
    counted = {n: s for n, s in states.items() if s["available"] and s["services"]}
    assert availability(counted) == all_of_it
