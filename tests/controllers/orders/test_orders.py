"""Orders are split on their way down, reach what is the operator's, and nothing that is hidden."""

from __future__ import annotations

import pytest

from controllers.unit import Loopback, UnitsCore

MIN = 60_000
TOP, MV = "tlgmu/top", "mvgmu/mv"
LVS = ("lvgmu/a", "lvgmu/b")
SIZES = {"lvgmu/a": 3, "lvgmu/b": 1}
RATED = {"dermu/a/1": 6000.0, "dermu/a/2": 2000.0, "dermu/b/1": 2000.0}


def world(order, **options):
    order = {"at_ms": MIN, "until_ms": 60 * MIN, **order}
    meters = {lv: [f"meter/{lv[-1]}/{k}" for k in range(SIZES[lv])] for lv in LVS}
    ders = {lv: {d: w for d, w in RATED.items() if d.split("/")[1] == lv[-1]} for lv in LVS}
    behind = {lv: {"customers": SIZES[lv], "p_max_w": sum(ders[lv].values()), "units": [lv]}
              for lv in LVS}  # fmt: skip
    all_behind = {"customers": 4, "p_max_w": 10_000.0, "units": [MV, *LVS]}
    units = [
        {"id": TOP, "kind": "tlgmu", "owner": "operator", "children": [MV],
         "services": {"orders": {"units": {MV: all_behind}, "orders": [order]}}},
        {"id": MV, "kind": "mvgmu", "parent": TOP, "owner": "operator", "children": list(LVS),
         "services": {"orders": {"units": behind}}},
    ]  # fmt: skip
    for lv in LVS:
        own = {"orders": {"meters": meters[lv], "ders": ders[lv]}}
        units.append({"id": lv, "kind": "lvgmu", "parent": MV, "owner": "operator",
                      "children": [*meters[lv], *ders[lv]], "services": own})  # fmt: skip
        units += [
            {"id": name, "kind": name.split("/")[0], "parent": lv, "customer": "customer/x",
             "owner": "customer/x", "services": {}}
            for name in [*meters[lv], *ders[lv]]
        ]  # fmt: skip
    bus = Loopback(UnitsCore({"units": units}, 1), **options)
    bus.run(10 * MIN)
    return bus


def written(bus, variable):
    """Return the newest value of a variable at each unit that has one."""
    found = {}
    for entry in (*bus.core.directory.below(TOP),):
        owner = bus.core.directory.owner(entry.id, variable)
        newest = bus.core.unit(entry.id).store.newest(variable, owner, entry.id)
        if newest is not None:
            found[entry.id] = newest.value
    return found


def test_a_limit_of_import_is_split_by_customers():
    bus = world({"target": "", "import_max_w": 20_000.0})
    limits = {unit: value["import_max_w"] for unit, value in written(bus, "area.set_point").items()}
    assert limits == {MV: 20_000.0, "lvgmu/a": 15_000.0, "lvgmu/b": 5_000.0}
    meters = written(bus, "load.set_point")
    assert len(meters) == 4
    assert {value["import_max_w"] for value in meters.values()} == {5000.0}
    assert {value["until_ms"] for value in meters.values()} == {60 * MIN}
    assert written(bus, "der.set_point") == {}


def test_a_limit_of_what_is_fed_in_is_split_by_ratings():
    bus = world({"target": "", "export_max_w": 5_000.0})
    parts = {unit: value["p_w"] for unit, value in written(bus, "der.set_point").items()}
    assert parts == {unit: -rated / 2 for unit, rated in RATED.items()}
    assert written(bus, "load.set_point") == {}


@pytest.mark.parametrize("run", [False, True])
def test_an_order_for_one_area_leaves_the_others_alone(run):
    bus = world({"target": "lvgmu/a", "import_max_w": 9_000.0, "run": run})
    assert set(written(bus, "load.set_point")) == {f"meter/a/{k}" for k in range(3)}
    commands = written(bus, "der.command")
    assert commands == {"dermu/a/1": {"run": run}, "dermu/a/2": {"run": run}}
    assert "lvgmu/b" not in written(bus, "area.set_point")


def test_regulation_reaches_all_generators_and_no_meter():
    bus = world({"target": "", "regulate_pu": 0.99})
    told = written(bus, "regulation.command")
    assert set(told) == {MV, *LVS, *RATED}
    assert {value["v_pu"] for value in told.values()} == {0.99}


def test_who_cannot_be_reached_is_told_of():
    bus = world({"target": "", "import_max_w": 1.0},
                fates=lambda frame, _t: () if frame.dst == "meter/b/0" else (20,))  # fmt: skip
    failed = [event for event in bus.events if event.kind == "order_not_taken"]
    assert [(event.element, event.value["result"]) for event in failed] == [
        ("meter/b/0", "timeout")
    ]
    assert "meter/b/0" not in written(bus, "load.set_point")


def test_a_customer_cannot_order():
    bus = world({"target": "", "import_max_w": 20_000.0})
    bus.poke()
    unit = bus.core.unit("lvgmu/a")
    port = unit.context("orders")
    port._stakeholder = "customer/x"
    port.data.write("load.set_point", "meter/b/0", {"import_max_w": 1.0})
    bus.poke()
    bus.run(bus.now_ms + MIN)
    assert bus.table("request")[-1]["result"] == "denied"
