"""A register that grew by more than a connection bears, or ran backwards, is in no sum."""

from __future__ import annotations

import pytest

from controllers.unit import Loopback
from tests.controllers.aggregation.test_held_sums import even, records, run, tree

METER = "meter/lv0/load-03"


def refused(bus: Loopback) -> list[int]:
    return [
        e.value["slot"] for e in bus.events if e.kind == "reading_refused" and e.element == METER
    ]


@pytest.mark.parametrize("leap_wh", [1.6e14, 26_000.0, -3.0])
def test_a_leap_is_refused_and_said(leap_wh: float) -> None:
    spec = tree([20])
    growth = even(spec, slots=4)
    growth[METER][1] = (leap_wh, 0.0)
    bus = run(spec, growth)
    others = sum(rows[1][0] for meter, rows in growth.items() if meter != METER)
    found = records(bus, "lvgmu/lv0")
    assert found[1]["import_wh"] == pytest.approx(others)
    assert (found[1]["meters"], found[1]["missing"]) == (19, 1)
    assert [found[slot]["missing"] for slot in (0, 2, 3)] == [0, 0, 0]
    assert refused(bus) == [1]


def test_a_value_changed_on_its_way_spoils_the_slots_beside_it_only() -> None:
    spec = tree([20])
    growth = even(spec, slots=5)
    growth[METER][1:3] = [(2.0**40, 0.0), (103.0 - 2.0**40, 0.0)]
    bus = run(spec, growth)
    assert [records(bus, "lvgmu/lv0")[slot]["missing"] for slot in range(5)] == [0, 1, 1, 0, 0]
    assert refused(bus) == [1, 2]


@pytest.mark.parametrize("most_w", [4_000.0, 500_000.0])
def test_what_a_connection_bears_is_a_setting(most_w: float) -> None:
    spec = tree([20])
    for unit in spec["units"]:
        if "aggregation" in unit["services"]:
            unit["services"]["aggregation"]["most_w"] = most_w
    growth = even(spec, slots=2)
    growth[METER][1] = (26_000.0, 0.0)
    assert refused(run(spec, growth)) == ([1] if most_w < 104_000.0 else [])
