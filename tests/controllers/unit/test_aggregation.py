"""Energy of an area, from the meters' registers to the top."""

from __future__ import annotations

import ast
import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import controllers.unit
from controllers.unit import CATALOGUE, Loopback, ManagementUnit, UnitsCore
from controllers.unit.codec import CborCodec
from fernwatt.messages import Reading
from fernwatt.streams import stream

SLOT = 900_000


def readings(spec, slots, seed=3, skip=()):
    """Registers that grow at random, read at slot boundaries by clocks that are off by seconds."""
    draws, number, out = stream(seed, "test", "readings"), itertools.count(1), []
    energy = {}
    for unit in spec["units"]:
        for instrument in unit.get("instruments", ()):
            growth = draws.uniform(0, 500, (slots, 2)).round(3)
            registers = np.vstack([[0.0, 0.0], growth.cumsum(axis=0)])
            energy[unit["id"]] = growth
            skew = int(draws.integers(-3000, 3000))
            for slot, (taken, given) in enumerate(registers.tolist()):
                t_ms = slot * SLOT
                if (unit["id"], slot) in skip:
                    continue
                for variable, value in (("energy.import", taken), ("energy.export", given),
                                        ("voltage", 230.0)):  # fmt: skip
                    name = f"field#{next(number)}"
                    out.append(Reading(name, "", instrument, variable, t_ms, t_ms + skew, value,
                                       "Wh"))  # fmt: skip
    return out, energy


def run(spec, slots, skip=(), **options):
    given, energy = readings(spec, slots, skip=skip)
    bus = Loopback(UnitsCore(spec, 1), **options)
    bus.run(slots * SLOT + 890_000, given)
    bus.close()
    return bus, energy


def area(bus, unit):
    store = bus.core.unit(unit).store.series("area.energy", "operator", unit)
    return {one.value["t_ms"]: one.value for one in store}


def test_every_level_sums_what_its_meters_measured(hierarchy) -> None:
    spec = hierarchy(areas=2, size=4)
    bus, energy = run(spec, 6)
    for level, members in {
        "lvgmu/lv0": [m for m in energy if "/lv0/" in m],
        "mvgmu/mv": list(energy),
        "tlgmu/top": list(energy),
    }.items():
        records = area(bus, level)
        for slot in range(4):
            record = records[slot * SLOT]
            total = sum(energy[member][slot] for member in members)
            assert record["import_wh"] == pytest.approx(total[0], abs=1e-6)
            assert record["export_wh"] == pytest.approx(total[1], abs=1e-6)
            assert (record["meters"], record["missing"]) == (len(members), 0)


@pytest.mark.requirement("MU-02")
def test_one_class_for_all_levels_that_share_all_operations(hierarchy) -> None:
    bus, _ = run(hierarchy(), 6)
    units = [bus.core.unit(name) for name in ("tlgmu/top", "mvgmu/mv", "lvgmu/lv0",
                                              "meter/lv0/load-0")]  # fmt: skip
    assert {type(unit) for unit in units} == {ManagementUnit}
    assert ManagementUnit.__subclasses__() == []
    root = Path(controllers.unit.__file__).parents[1]
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
                assert "ManagementUnit" not in bases, path
    rows = bus.table("request")
    assert {row["operation"] for row in rows} == {
        "write", "query", "event", "periodic", "unsubscribe"
    }  # fmt: skip
    assert {row["result"] for row in rows} == {"ok"}
    notified = [one for one in bus.frames if one.src == "meter/lv0/load-0"]
    assert notified


def test_a_missing_value_costs_the_two_slots_it_bounds(hierarchy) -> None:
    spec = hierarchy(areas=1, size=3)
    gap = ("meter/lv0/load-1", 2)
    bus, energy = run(spec, 6, skip={gap})
    records = area(bus, "lvgmu/lv0")
    counted = [(records[k * SLOT]["meters"], records[k * SLOT]["missing"]) for k in range(5)]
    assert counted == [(3, 0), (2, 1), (2, 1), (3, 0), (3, 0)]
    others = sum(energy[m][1] for m in energy if m != gap[0])
    assert records[SLOT]["import_wh"] == pytest.approx(others[0], abs=1e-6)
    assert area(bus, "mvgmu/mv")[SLOT]["missing"] == 1
    [missed] = [event for event in bus.events if event.kind == "reading_missing"]
    assert missed.element == gap[0]


def lost_reports(share, frame, t_ms):
    """Notifications of subscriptions to registers and areas get lost, the rest arrives."""
    notified = frame.cause.startswith("field#") or frame.dst in {"mvgmu/mv", "tlgmu/top"}
    at = int(frame.id.rsplit("#", 1)[1])
    asked = CborCodec(CATALOGUE).decode(frame.payload, frame.src, frame.dst)
    report = notified and getattr(asked, "number", 0) > 0 and t_ms > SLOT
    return () if report and at % 10 < 10 * share else (30,)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_what_was_reported_in_vain_is_asked_for(hierarchy, share) -> None:
    bus, energy = run(hierarchy(areas=2, size=6), 6, fates=partial(lost_reports, share))
    for level, members in {
        "lvgmu/lv0": [m for m in energy if "/lv0/" in m],
        "mvgmu/mv": list(energy),
    }.items():
        records = area(bus, level)
        for slot in range(1, 5):
            record = records[slot * SLOT]
            assert (record["meters"], record["missing"]) == (len(members), 0)
            total = sum(energy[member][slot][0] for member in members)
            assert record["import_wh"] == pytest.approx(total, abs=1e-6)
    queries = [row for row in bus.table("request") if row["operation"] == "query"]
    assert sum(row["t_ms"] > 2 * SLOT for row in queries) > 4


def test_nobody_is_asked_when_all_have_reported(hierarchy) -> None:
    bus, _ = run(hierarchy(areas=2, size=3, poll={"count": 0}), 6)
    late = [row for row in bus.table("request")
            if row["operation"] == "query" and row["t_ms"] > SLOT]  # fmt: skip
    assert late == []


def test_a_silent_area_is_missing_with_all_its_meters(hierarchy) -> None:
    def fates(frame, t_ms):
        return () if frame.src == "lvgmu/lv1" and t_ms > 3 * SLOT else (30,)

    bus, _ = run(hierarchy(areas=2, size=3), 6, fates=fates)
    records = area(bus, "mvgmu/mv")
    assert [(records[k * SLOT]["meters"], records[k * SLOT]["missing"]) for k in (0, 1, 3)] == [
        (6, 0), (6, 0), (3, 3)
    ]  # fmt: skip


def test_meters_report_spread_over_the_minute_after_the_slot(hierarchy) -> None:
    bus, _ = run(hierarchy(areas=1, size=30), 4)
    begin = 3 * SLOT
    sent = {}
    for frame in bus.frames:
        if frame.src.startswith("meter/") and begin <= frame.ready_us // 1000 < begin + 100_000:
            sent.setdefault(frame.src, []).append(frame.ready_us / 1e6 - begin / 1e3)
    assert len(sent) == 30
    delays = np.array([min(times) for times in sent.values()])
    assert delays.min() >= 0
    assert delays.max() < 60.1
    # 30 uniform delays: each third of the minute has some
    assert all(np.histogram(delays, bins=3, range=(0, 60))[0] >= 3)


def test_from_a_reading_to_the_top_every_cause_is_known(hierarchy) -> None:
    bus, _ = run(hierarchy(areas=1, size=2), 4)
    causes: dict[str, set[str]] = {}
    for frame in bus.frames:
        causes.setdefault(frame.id, set()).add(frame.cause)
    for row in [*bus.table("event"), *bus.table("request"), *bus.table("cause")]:
        causes.setdefault(row["id"], set()).add(row["cause"])
    seen, stack = set(), [[e for e in bus.events if e.element == "tlgmu/top"][-1].id]
    while stack:
        one = stack.pop()
        if one not in seen:
            seen.add(one)
            stack += causes.get(one, ())
    roots = {one for one in seen if one.startswith("field#")}
    assert len(roots) >= 4  # two registers of two meters
    assert seen - causes.keys() <= roots | {""}


def test_a_meter_that_cannot_be_reached_is_asked_again(hierarchy) -> None:
    def fates(frame, t_ms):
        return () if "meter/lv0/load-0" in (frame.src, frame.dst) and t_ms < 600_000 else (30,)

    bus, _ = run(hierarchy(areas=1, size=2), 6, fates=fates)
    failed = {e.element for e in bus.events if e.kind == "join_failed"}
    assert failed == {"meter/lv0/load-0"}
    records = area(bus, "lvgmu/lv0")
    assert records[0]["missing"] == 1
    assert records[4 * SLOT]["missing"] == 0


def test_a_register_that_runs_backwards_is_noticed(hierarchy) -> None:
    spec = hierarchy(areas=1, size=1)
    bus = Loopback(UnitsCore(spec, 1))
    given = [
        Reading(f"f#{i}", "", "instrument/lv0/load-0", "energy.import", i * SLOT, i * SLOT, v, "Wh")
        for i, v in enumerate([5.0, 9.0, 8.0])
    ]
    bus.run(3 * SLOT, given)
    [event] = [e for e in bus.events if e.kind == "register_backwards"]
    assert event.value == {"variable": "energy.import", "before_wh": 9.0, "after_wh": 8.0}
    assert [row["cause"] for row in bus.table("cause") if row["id"] == event.id] == ["f#2", "f#1"]


def test_the_same_seed_gives_the_same_frames_and_another_one_others(hierarchy) -> None:
    first, again = (run(hierarchy(), 3)[0] for _ in range(2))
    assert first.frames == again.frames
    assert first.rows == again.rows
    given, _ = readings(hierarchy(), 3)
    other = Loopback(UnitsCore(hierarchy(), 2))
    other.run(3 * SLOT + 890_000, given)
    assert [f.ready_us for f in other.frames] != [f.ready_us for f in first.frames]
