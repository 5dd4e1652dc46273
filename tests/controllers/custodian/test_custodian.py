"""The customer's unit keeps her house's data; stakeholders read what she and contracts let them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from controllers import custodian, reader
from controllers.unit import Directory, Loopback, UnitsCore
from controllers.unit.catalogue import CATALOGUE
from fernwatt.errors import ScenarioError
from fernwatt.messages import Reading

CUSTOMER, MINUTE = "customer/a", 60_000
METER, CMU, DMU, SUPPLIER = "meter/a/x", "cmu/a/x", "dmu/a/x/ev", "reader/supplier"
ENERGY = ("energy.import", METER)
GRANT = ["supplier", "reader", 1, 0]


def house(targets: list[list[str]], changes: tuple[Any, ...] = (), **meter: Any) -> dict[str, Any]:
    owned = {"customer": CUSTOMER, "owner": CUSTOMER}
    follow = [list(ENERGY), ["device.energy", DMU], ["access.conflict", METER]]
    params = {"targets": targets, "every_s": 60, "from_s": 30}
    return {
        "units": [
            {"id": SUPPLIER, "kind": "provider", "owner": "supplier",
             "services": {"reader": params}},
            {"id": METER, "kind": "meter", "children": [CMU], "instruments": ["i/x"], **owned,
             **meter},
            {"id": CMU, "kind": "cmu", "parent": METER, "children": [DMU], **owned,
             "copies": ["energy.import", "device.energy"],
             "services": {"custodian": {"follow": follow, "changes": list(changes)}}},
            {"id": DMU, "kind": "dmu", "parent": CMU, "instruments": ["i/ev"], "shut": True,
             **owned, "policies": {"device.energy": [GRANT]}},
        ]
    }  # fmt: skip


def readings(minutes: int, instrument: str = "i/x", variable: str = "energy.import") -> Any:
    return [
        Reading(f"{instrument}#{t_ms}", "", instrument, variable, t_ms, t_ms, t_ms / MINUTE, "Wh")
        for t_ms in range(0, minutes * MINUTE, MINUTE)
    ]


def counts(bus: Loopback) -> dict[str, int]:
    service = bus.core.service(SUPPLIER, "reader")
    return {result.label: count for result, count in service.counts.items()}  # type: ignore[attr-defined]


def told(bus: Loopback, kind: str) -> list[Any]:
    return [event.value for event in bus.events if event.kind == kind]


def test_a_reader_asks_each_once_a_period_one_after_another() -> None:
    targets = [
        ["energy.import", METER, ""],
        ["device.energy", DMU, ""],
        ["device.energy", DMU, CMU],
    ]
    spec = house(targets, policies={"energy.import": [GRANT]})
    bus = Loopback(UnitsCore(spec, 1))
    bus.run(10 * MINUTE, [*readings(10), *readings(10, "i/ev", "device.energy")])
    asked = [row["t_ms"] for row in bus.table("request") if row["unit"] == SUPPLIER]
    assert min(asked) >= 30_000
    assert len(asked) == pytest.approx(3 * 9.5, abs=1)
    gaps = {round((b - a) / 1000) for a, b in itertools.pairwise(asked)}
    assert gaps == {20}
    by_target = {(row["location"], row["result"]) for row in bus.table("request")
                 if row["unit"] == SUPPLIER}  # fmt: skip
    # the device itself answers nobody outside; its copy at the customer's unit does
    assert by_target == {(METER, "ok"), (DMU, "denied"), (DMU, "ok")}


def test_a_change_of_policy_is_put_in_force_at_its_time_and_made_known_to_the_copies() -> None:
    change = {"at_ms": 5 * MINUTE, "unit": METER, "variable": "energy.import", "grants": []}
    targets = [["energy.import", METER, ""], ["energy.import", METER, CMU]]
    contract = {"energy.import": [GRANT]}
    spec = house(targets, (change,), policies=contract, contracts=contract)
    bus = Loopback(UnitsCore(spec, 1))
    bus.run(10 * MINUTE, readings(10))
    [changed] = [event for event in bus.events if event.kind == "policy_changed"]
    assert (changed.element, changed.value["result"]) == (METER, "ok")
    assert abs(changed.t_us // 1000 - 5 * MINUTE) < 1000
    late = [(row["t_ms"], row["result"]) for row in bus.table("request")
            if row["unit"] == SUPPLIER]  # fmt: skip
    # until the first notification there is no copy, and no policy of one that grants anything
    assert {result for t_ms, result in late if 70_000 < t_ms < 5 * MINUTE} == {"ok"}
    assert {result for t_ms, result in late if t_ms > 6 * MINUTE + 2000} == {"denied"}
    # the meter's contract is broken, that of a copy nobody has made
    assert len(told(bus, "access_conflict")) == len(told(bus, "conflict_heard")) > 2
    assert len(told(bus, "conflict_told")) == len(told(bus, "access_conflict"))


def test_a_change_that_does_not_arrive_is_tried_again_and_a_house_followed_again() -> None:
    change = {"at_ms": MINUTE, "unit": METER, "variable": "energy.import", "grants": []}
    spec = house([], (change,))

    def fates(frame: Any, t_ms: int) -> tuple[int, ...]:
        return () if frame.src == CMU and t_ms < 8 * MINUTE else (20,)

    bus = Loopback(UnitsCore(spec, 1), fates=fates)
    bus.run(40 * MINUTE, readings(40))
    results = [value["result"] for value in told(bus, "policy_changed")]
    assert results == ["timeout", "ok"]
    copies = list(bus.core.unit(CMU).store.series("energy.import", CUSTOMER, METER))
    assert copies[-1].value == 39.0
    assert copies[-1].policy.plain() == []


def test_parameters_that_make_no_sense_are_refused() -> None:
    spec = house([])
    directory = Directory(spec["units"], CATALOGUE)
    unit = {"id": CMU}
    for params in (
        {"follow": [["energy.import", "meter/nowhere"]]},
        {"changes": [{"at_ms": 0, "unit": METER, "variable": "voltage", "grants": [[1]]}]},
        {"changes": [{"at_ms": 0, "unit": "x", "variable": "voltage", "grants": []}]},
    ):
        with pytest.raises(ScenarioError):
            custodian.make_service(unit, params, directory)
    for params in ({"targets": [["voltage", "x", ""]]}, {"targets": [["voltage", METER, "x"]]},
                   {"every_s": 0}):  # fmt: skip
        with pytest.raises(ScenarioError):
            reader.make_service(unit, params, directory)
