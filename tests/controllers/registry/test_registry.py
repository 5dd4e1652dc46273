"""Descriptions go down as versions: only what changed is sent, whatever gets lost on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.registry import Book
from controllers.unit import Loopback, UnitsCore

H, MIN = 3_600_000, 60_000
TOP, MV, LV, METER = "tlgmu/top", "mvgmu/mv", "lvgmu/lv", "meter/lv/x"
CHAIN = (TOP, MV, LV, METER)
MODEL = {f"line/{k}": ["a", "b", 100.0 + k] for k in range(40)}


def world(sources, check_s=6 * 3600, **options):
    units = []
    for number, name in enumerate(CHAIN):
        below = CHAIN[number + 1 : number + 2]
        parent = CHAIN[number - 1] if number else ""
        params = {"parent": parent, "check_s": check_s,
                  "below": {child: list(CHAIN[number + 1 :]) for child in below}}  # fmt: skip
        if not number:
            params["sources"] = sources
        customer = "customer/x" if name == METER else ""
        units.append({"id": name, "kind": name.split("/")[0], "parent": parent,
                      "children": list(below), "customer": customer,
                      "owner": customer or "operator", "stakeholders": {"registry": "operator"},
                      "services": {"registry": params}})  # fmt: skip
    return Loopback(UnitsCore({"units": units}, 1), **options)


def source(at_ms, data, target, added=None, drop=()):
    return {"at_ms": at_ms, "data": data, "target": target, "set": added or {}, "drop": list(drop)}


def kept(bus, unit, data):
    owner = bus.core.directory.owner(unit, data)
    series = bus.core.unit(unit).store.series(data, owner, unit)
    return [(one.value["version"], one.value["items"]) for one in series]


TARIFF = {"price T1": 0.3, "price T2": 0.2, "at 06:00": "T1", "at 22:00": "T2"}


def test_each_unit_has_what_is_its_own_and_what_is_everybodys():
    bus = world([source(0, "grid.model", LV, MODEL), source(0, "tariff.table", "", TARIFF)])
    bus.run(H)
    assert kept(bus, LV, "grid.model") == [(1, MODEL)]
    assert kept(bus, MV, "grid.model") == []  # it only passes it on
    for unit in CHAIN:
        assert kept(bus, unit, "tariff.table") == [(1, TARIFF)]
    assert kept(bus, METER, "grid.model") == []
    assert bus.core.directory.owner(METER, "tariff.table") == "supplier"


def test_only_what_changed_is_sent():
    changed = {"line/3": ["a", "c", 1.0]}
    bus = world([source(0, "grid.model", LV, MODEL),
                 source(2 * H, "grid.model", LV, changed, ["line/4"])])  # fmt: skip
    bus.run(H)
    first = sum(len(f.payload) for f in bus.frames if f.dst == LV)
    already = len(bus.frames)
    bus.run(3 * H)
    later = [f for f in bus.frames[already:] if f.dst == LV]
    assert len(later) == 1
    assert len(later[0].payload) < 120 < first / 5
    expected = {**MODEL, **changed}
    del expected["line/4"]
    assert kept(bus, LV, "grid.model")[-1] == (2, expected)


@pytest.mark.parametrize("victim", CHAIN[1:])
def test_a_unit_that_was_cut_off_comes_up_to_date(victim):
    steps = [source(0, "tariff.table", "", TARIFF)]
    steps += [source(k * H, "tariff.table", "", {"price T1": k / 4}) for k in (2, 3, 4)]

    def fate(frame, t_ms):
        return () if victim in {frame.src, frame.dst} and H < t_ms < 5 * H else (20,)

    bus = world(steps, check_s=900, fates=fate)
    bus.run(4 * H + MIN)
    assert kept(bus, victim, "tariff.table")[-1][0] == 1
    bus.run(6 * H)
    for unit in CHAIN:
        assert kept(bus, unit, "tariff.table")[-1] == (4, {**TARIFF, "price T1": 1.0})


@pytest.mark.parametrize("victim", CHAIN)
def test_a_restarted_unit_keeps_its_last_and_hears_of_the_next(victim):
    steps = [source(0, "grid.model", LV, MODEL), source(0, "tariff.table", "", TARIFF),
             source(3 * H, "tariff.table", "", {"price T2": 0.1}),
             source(3 * H, "grid.model", LV, {"line/0": [1]})]  # fmt: skip
    bus = world(steps, check_s=900)
    bus.run(H)
    bus.core.kill(victim)
    bus.run(H + MIN)
    bus.core.revive(victim)
    bus.run(2 * H)
    assert kept(bus, METER, "tariff.table")[-1] == (1, TARIFF)
    bus.run(5 * H)
    assert kept(bus, METER, "tariff.table")[-1] == (2, {**TARIFF, "price T2": 0.1})
    assert kept(bus, LV, "grid.model")[-1] == (2, {**MODEL, "line/0": [1]})


def test_nobody_speaks_for_another_unit():
    bus = world([source(0, "tariff.table", "", TARIFF)])
    bus.run(H)
    already = len(bus.frames)
    bus.poke()
    forged = {"unit": METER, "versions": {}}
    bus.core.unit(MV).context("registry").data.write("registry.have", LV, forged)
    bus.poke()
    bus.run(H + MIN)
    refused = [event for event in bus.events if event.kind == "versions_refused"]
    assert [event.element for event in refused] == [METER]
    assert not any(f.dst == METER for f in bus.frames[already:])


def test_a_customer_cannot_change_what_the_operator_describes():
    bus = world([source(0, "grid.model", LV, MODEL)])
    bus.run(H)
    change = {"data": "grid.model", "target": LV, "version": 9, "base": 0, "set": {}, "drop": []}
    unit = bus.core.unit(METER)
    port = unit.context("registry")
    port._stakeholder = "customer/x"
    bus.poke()
    port.data.write("registry.change", LV, change)
    bus.poke()
    bus.run(H + MIN)
    denied = [row for row in bus.table("request") if row["result"] == "denied"]
    assert [(row["unit"], row["variable"]) for row in denied] == [(METER, "registry.change")]
    assert kept(bus, LV, "grid.model")[-1] == (1, MODEL)


ITEMS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), max_size=6)


@given(st.lists(ITEMS, min_size=1, max_size=14), st.integers(0, 14))
@settings(max_examples=200, deadline=None)
def test_a_difference_makes_of_any_version_the_newest(versions, had):
    book, behind = Book(), Book()
    for number, items in enumerate(versions, 1):
        book.replace(number, items)
        if number == had:
            behind.replace(number, items)
    change = json.loads(json.dumps(book.since(behind.version)))
    if change["base"] == 0:
        behind.replace(change["version"], change["set"])
    else:
        assert change["base"] == behind.version
        behind.change(change["version"], change["set"], change["drop"])
    assert (behind.version, behind.items) == (book.version, book.items)
