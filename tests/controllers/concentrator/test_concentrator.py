"""Summaries are sums of what came, say what did not, and have no customer's name in them."""

from __future__ import annotations

import json
import math

import pytest

from controllers.concentrator import Diagram
from controllers.unit import Loopback, UnitsCore
from fernwatt.messages import Reading

SLOT_MS, H, MIN = 900_000, 3_600_000, 60_000
TOP, AREAS, SIZE = "tlgmu/top", ("lvgmu/a", "lvgmu/b"), 3
METERS = {area: [f"meter/{area[-1]}/{k}" for k in range(SIZE)] for area in AREAS}


def world(**options):
    times = {"period_s": 900.0, "join_s": 10.0, "diagram_s": 7200.0}
    top = times | {"areas": AREAS, "deadline_s": 240.0}
    units = [{"id": TOP, "kind": "tlgmu", "owner": "operator", "children": list(AREAS),
              "services": {"concentrator": top}}]  # fmt: skip
    for area in AREAS:
        houses = [m.replace("meter", "cmu") for m in METERS[area]]
        own = times | {"meters": METERS[area], "houses": houses, "deadline_s": 180.0}
        units.append({"id": area, "kind": "lvgmu", "parent": TOP, "owner": "operator",
                      "children": METERS[area], "services": {"concentrator": own}})  # fmt: skip
        for meter, house in zip(METERS[area], houses, strict=True):
            name = f"customer/{meter[6:]}"
            units += [
                {"id": meter, "kind": "meter", "parent": area, "customer": name, "owner": name,
                 "children": [house], "instruments": [f"i/{meter}"], "services": {"values": {}}},
                {"id": house, "kind": "cmu", "parent": meter, "customer": name, "owner": name,
                 "services": {"home": {"meter": meter, "devices": {}}}},
            ]  # fmt: skip
    return Loopback(UnitsCore({"units": units}, 1), **options)


def power(meter, slot):
    """Return the mean power of a meter in a slot [W]; the last of each area feeds in."""
    number = int(meter[-1])
    return (-1.0 if number == SIZE - 1 else 1.0) * 400.0 * (1 + number + slot)


def readings(slots, dark=()):
    made = []
    for area in AREAS:
        for meter in METERS[area]:
            drawn = fed = 0.0
            for k in range(slots + 1):
                t_ms, outage_s = k * SLOT_MS, 300.0 if meter in dark and k > 2 else 0.0
                values = {"energy.import": drawn, "energy.export": fed, "voltage": 228.0 + k}
                for name, value in {**values, "supply.outage": outage_s}.items():
                    ident = f"i/{meter}#{k}.{name}"
                    made.append(Reading(ident, "", f"i/{meter}", name, t_ms, t_ms, value, "1"))
                wh = power(meter, k) / 4.0
                drawn, fed = drawn + max(wh, 0.0), fed + max(-wh, 0.0)
    return made


def kept(bus, unit, variable):
    owner = bus.core.directory.owner(unit, variable)
    return [one.value for one in bus.core.unit(unit).store.series(variable, owner, unit)]


def test_sums_are_those_of_the_meters_at_every_level():
    bus = world()
    bus.run(9 * SLOT_MS, readings(8))
    for slot in range(8):
        expected = {area: sum(power(m, slot) for m in METERS[area]) for area in AREAS}
        for area in AREAS:
            (record,) = [v for v in kept(bus, area, "area.values") if v["t_ms"] == slot * SLOT_MS]
            assert (record["meters"], record["missing"]) == (SIZE, 0)
            assert math.isclose(record["p_w"], expected[area], abs_tol=0.05)
        (record,) = [v for v in kept(bus, TOP, "area.values") if v["t_ms"] == slot * SLOT_MS]
        assert (record["meters"], record["missing"]) == (2 * SIZE, 0)
        assert math.isclose(record["p_w"], sum(expected.values()), abs_tol=0.1)
        assert (record["v_min_v"], record["v_max_v"]) == (229.0 + slot, 229.0 + slot)


def test_who_does_not_come_is_missing_and_the_sum_is_of_the_others():
    lost = METERS["lvgmu/a"][0]

    def fate(frame, t_ms):
        return () if frame.src == lost and 3 * SLOT_MS <= t_ms < 4 * SLOT_MS else (20,)

    bus = world(fates=fate)
    bus.run(7 * SLOT_MS, readings(6))
    for unit, of in (("lvgmu/a", SIZE), (TOP, 2 * SIZE)):
        found = {v["t_ms"] // SLOT_MS: (v["meters"], v["missing"])
                 for v in kept(bus, unit, "area.values")}  # fmt: skip
        assert found[2] == (of - 1, 1)
        assert found[1] == found[3] == (of, 0)


def test_an_area_that_is_silent_is_missing_with_all_its_meters():
    def fate(frame, t_ms):
        return () if frame.src == "lvgmu/b" and t_ms > 3 * SLOT_MS else (20,)

    bus = world(fates=fate)
    bus.run(7 * SLOT_MS, readings(6))
    found = {v["t_ms"] // SLOT_MS: v for v in kept(bus, TOP, "area.values")}
    assert (found[4]["meters"], found[4]["missing"]) == (SIZE, SIZE)
    expected = sum(power(m, 4) for m in METERS["lvgmu/a"])
    assert math.isclose(found[4]["p_w"], expected, abs_tol=0.1)


def test_an_interruption_is_at_the_top_within_minutes_and_has_no_name():
    bus = world()
    bus.run(5 * SLOT_MS, readings(4, dark=(METERS["lvgmu/b"][1],)))
    summaries = [v for v in kept(bus, TOP, "quality.summary") if v["interruptions"]]
    assert [(v["interruptions"], v["outage_s"]) for v in summaries] == [(1, 300.0)]
    assert summaries[0]["t_ms"] < 3 * SLOT_MS + 5 * MIN
    for unit in (TOP, *AREAS):
        for variable in ("quality.summary", "area.values", "load.diagram"):
            text = json.dumps(kept(bus, unit, variable))
            assert "meter/" not in text
            assert "customer" not in text.replace('"customers"', "")


def test_load_diagrams_are_means_by_criterion():
    bus = world()
    bus.run(9 * SLOT_MS, readings(8))
    records = {v["criterion"]: v for v in kept(bus, "lvgmu/a", "load.diagram")}
    assert {name: v["customers"] for name, v in records.items()} == {
        "all": SIZE, "producers": 1, "consumers": SIZE - 1,
    }  # fmt: skip
    for slot in range(7):
        parts = [power(m, slot) for m in METERS["lvgmu/a"]]
        assert records["all"]["mean_w"][slot] == pytest.approx(sum(parts), abs=1)
        assert records["producers"]["mean_w"][slot] == pytest.approx(parts[-1], abs=1)
    assert records["all"]["mean_w"][20] is None


def test_a_diagram_over_days_is_the_mean_of_the_days():
    diagram = Diagram()
    for day in range(3):
        diagram.add(day * 24 * H, 0, {"a": 100.0 * day, "b": 50.0}, {"b"})
    records = {record["criterion"]: record for record in diagram.records(0)}
    assert records["all"]["mean_w"][0] == 150
    assert records["consumers"]["mean_w"][0] == 100
    assert records["all"]["days"] == 3
