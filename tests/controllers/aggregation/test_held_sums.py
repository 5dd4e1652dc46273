"""Sums that are not yet the operator's go up as the customers', until they are over enough."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.unit import Loopback, UnitsCore
from fernwatt.messages import Reading

SLOT = 900_000
Spec = dict[str, Any]
Growth = dict[str, list[tuple[float, float]]]


def tree(sizes: list[int], **rule: Any) -> Spec:
    """Areas of these sizes below one unit and the top; the rule stands everywhere."""
    params = {"disclosure": rule, "poll": {"count": 0}}
    lows = [f"lvgmu/lv{n}" for n in range(len(sizes))]
    units: list[Spec] = [
        {"id": "tlgmu/top", "kind": "tlgmu", "children": ["mvgmu/mv"], "owner": "operator",
         "services": {"aggregation": {**params, "subscribe": "event"}}},
        {"id": "mvgmu/mv", "kind": "mvgmu", "parent": "tlgmu/top", "children": lows,
         "area": "mv", "owner": "operator", "services": {"aggregation": params}},
    ]  # fmt: skip
    for n, (low, size) in enumerate(zip(lows, sizes, strict=True)):
        meters = [f"meter/lv{n}/load-{number:02}" for number in range(size)]
        units.append({"id": low, "kind": "lvgmu", "parent": "mvgmu/mv", "children": meters,
                      "area": f"lv{n}", "owner": "operator",
                      "services": {"aggregation": params}})  # fmt: skip
        units += [
            {"id": meter, "kind": "meter", "parent": low, "customer": f"customer/{meter[6:]}",
             "owner": f"customer/{meter[6:]}", "instruments": [f"i/{meter[6:]}"],
             "services": {"metering": {"spread_s": 60}}}
            for meter in meters
        ]  # fmt: skip
    return {"units": units}


def run(spec: Spec, growth: Growth) -> Loopback:
    bus, given, number = Loopback(UnitsCore(spec, 1)), [], 0
    slots = max((len(rows) for rows in growth.values()), default=0)
    for meter, rows in growth.items():
        shown = [0.0, 0.0]
        for slot in range(len(rows) + 1):
            for place, variable in enumerate(("energy.import", "energy.export")):
                number += 1
                given.append(Reading(f"f#{number}", "", f"i/{meter[6:]}", variable, slot * SLOT,
                                     slot * SLOT, shown[place], "Wh"))  # fmt: skip
            if slot < len(rows):
                shown = [value + more for value, more in zip(shown, rows[slot], strict=True)]
    bus.run(slots * SLOT + 890_000, given)
    return bus


def records(bus: Loopback, unit: str, variable: str = "area.energy") -> dict[int, Any]:
    owner = bus.core.directory.owner(unit, variable)
    found = bus.core.unit(unit).store.series(variable, owner, unit)
    return {one.value["t_ms"] // SLOT: one.value for one in found if "span_ms" not in one.value}


def even(spec: Spec, slots: int = 1, wh: float = 100.0) -> Growth:
    meters = [unit["id"] for unit in spec["units"] if unit["kind"] == "meter"]
    return {meter: [(wh + n, 0.0)] * slots for n, meter in enumerate(meters)}


def test_enough_customers_and_the_sum_is_the_operators() -> None:
    spec = tree([15])
    growth = even(spec)
    bus = run(spec, growth)
    total = sum(rows[0][0] for rows in growth.values())
    for unit in ("lvgmu/lv0", "mvgmu/mv", "tlgmu/top"):
        record = records(bus, unit)[0]
        assert (record["import_wh"], record["meters"], record["missing"]) == (total, 15, 0)
        assert "suppressed" not in record
    assert not records(bus, "lvgmu/lv0", "area.held")


def test_small_areas_are_held_and_released_together() -> None:
    spec = tree([8, 9, 20])
    growth = even(spec)
    bus = run(spec, growth)
    small = records(bus, "lvgmu/lv0")[0]
    assert (small["import_wh"], small["meters"], small["suppressed"]) == (0.0, 0, 8)
    held = records(bus, "lvgmu/lv0", "area.held")[0]
    assert bus.core.directory.owner("lvgmu/lv0", "area.held") == "customers/lv0"
    assert held["meters"] == 8
    # the larger area is known to the operator: without it seventeen are left
    record = records(bus, "mvgmu/mv")[0]
    assert record["meters"] == 37
    assert record["import_wh"] == sum(rows[0][0] for rows in growth.values())
    assert (record["missing"], record.get("suppressed", 0)) == (0, 0)
    assert records(bus, "tlgmu/top")[0]["meters"] == 37
    whys = [e.value["why"] for e in bus.events if e.kind == "sum_suppressed"]
    assert whys == ["too-few"] * len(whys)
    assert len(whys) == 2 * 1  # one slot of each of the small areas


@pytest.mark.requirement("SP-06")
def test_what_would_be_left_of_a_sum_by_taking_off_what_is_known_is_held() -> None:
    spec = tree([14, 20])
    bus = run(spec, even(spec))
    for unit in ("mvgmu/mv", "tlgmu/top"):
        record = records(bus, unit)[0]
        assert (record["meters"], record["missing"], record["suppressed"]) == (20, 14, 14)
        known = records(bus, "lvgmu/lv1")[0]["import_wh"]
        assert record["import_wh"] == known
    suppressed = [e.element for e in bus.events if e.kind == "sum_suppressed"]
    assert suppressed == ["lvgmu/lv0", "mvgmu/mv", "tlgmu/top"]


@pytest.mark.parametrize("place", [0, 1])
def test_one_large_customer_holds_the_sum_of_either_register(place: int) -> None:
    spec = tree([20, 20])
    growth = even(spec)
    for rows in growth.values():
        rows[0] = (100.0, 50.0)
    large = [100.0, 50.0]
    large[place] *= 5
    growth["meter/lv0/load-07"] = [(large[0], large[1])]
    bus = run(spec, growth)
    assert records(bus, "lvgmu/lv0")[0]["suppressed"] == 20
    [event] = [e for e in bus.events if e.kind == "sum_suppressed" and e.element == "lvgmu/lv0"]
    assert event.value["why"] == "share"
    held = records(bus, "lvgmu/lv0", "area.held")[0]
    assert held[("top_import_wh", "top_export_wh")[place]] == large[place]
    assert records(bus, "mvgmu/mv")[0]["suppressed"] == 20


def test_over_enough_time_a_sum_may_be_of_few() -> None:
    spec = tree([3], min_span_s=4 * 900)
    bus = run(spec, even(spec, slots=9))
    spans = [e.value for e in bus.events if e.kind == "area_energy_of_a_time"
             and e.element == "lvgmu/lv0"]  # fmt: skip
    assert [(span["t_ms"], span["span_ms"]) for span in spans] == [
        (0, 4 * SLOT), (4 * SLOT, 4 * SLOT)
    ]  # fmt: skip
    assert spans[0]["import_wh"] == 4 * (100 + 101 + 102)
    assert all(record["suppressed"] == 3 for record in records(bus, "lvgmu/lv0").values())


def test_a_time_in_which_somebody_was_missing_begins_anew() -> None:
    spec = tree([3], min_span_s=3 * 900)
    growth = even(spec, slots=8)
    growth["meter/lv0/load-01"] = growth["meter/lv0/load-01"][:2]  # and then nothing
    bus = run(spec, growth)
    spans = [e.value for e in bus.events if e.kind == "area_energy_of_a_time"
             and e.element == "lvgmu/lv0"]  # fmt: skip
    assert [(span["t_ms"] // SLOT, span["meters"]) for span in spans] == [(2, 2), (5, 2)]


def test_nobody_but_who_sums_reads_what_is_held() -> None:
    spec = tree([4])
    bus = run(spec, even(spec))
    policy = next(iter(bus.core.unit("lvgmu/lv0").store.series(
        "area.held", "customers/lv0", "lvgmu/lv0"))).policy  # fmt: skip
    assert policy.allows(1, "operator", "aggregation")
    for service in ("balancing", "metering", "exports", "all", "reader"):
        assert not policy.allows(1, "operator", service)
    assert not policy.allows(1, "supplier", "aggregation")


@settings(deadline=None, max_examples=12)
@given(st.lists(st.integers(1, 22), min_size=1, max_size=4), st.integers(2, 16))
def test_no_difference_of_what_is_known_is_over_too_few(sizes: list[int], least: int) -> None:
    """What the operator knows at any level, less what he knows below, is nothing or enough."""
    spec = tree(sizes, min_customers=least, max_share=1.0)
    growth = even(spec)
    bus = run(spec, growth)
    known = {unit: records(bus, unit)[0]["meters"] for unit in
             [*(f"lvgmu/lv{n}" for n in range(len(sizes))), "mvgmu/mv", "tlgmu/top"]}  # fmt: skip
    below = sum(count for unit, count in known.items() if unit.startswith("lvgmu"))
    for count in [*known.values(), known["mvgmu/mv"] - below]:
        assert count == 0 or count >= least
    assert known["tlgmu/top"] == known["mvgmu/mv"]
    everybody = sum(sizes)
    assert known["tlgmu/top"] + records(bus, "tlgmu/top")[0].get("suppressed", 0) == everybody
