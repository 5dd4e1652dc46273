"""Variables whose instances are their writers': several stakeholders side by side on one unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from controllers.unit import Loopback, Result, UnitsCore
from controllers.unit.service import Notification, UnitContext

OFFER = "balancing.offer"
GREEN, BLUE, OPERATOR = "supplier/green", "supplier/blue", "operator"
AREA, ANN, BOB = "lvgmu/a", "cmu/a/ann", "cmu/a/bob"
TAKERS = [[GREEN, "balancing", 2, 0], ["customer/ann", "balancing", 2, 0],
          ["customer/bob", "balancing", 2, 0]]  # fmt: skip


class Listener:
    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[Notification] = []

    def start(self, context: UnitContext) -> None:
        self.context = context

    def notify(self, notification: Notification) -> None:
        self.heard.append(notification)

    def timer(self, name: str) -> None:
        raise AssertionError(name)

    @property
    def values(self) -> list[Any]:
        return [one.value for one in self.heard if one.t_ms >= 0]


def units(security: str = "none", policies: Mapping[str, Any] | None = None) -> Loopback:
    def house(name: str) -> dict[str, Any]:
        who = f"customer/{name}"
        return {"id": f"cmu/a/{name}", "kind": "cmu", "parent": AREA, "area": "a", "customer": who,
                "owner": who, "services": {"balancing": {}, "nosy": {}}}  # fmt: skip

    names = ("balancing:green", "balancing:blue", "balancing:owner")
    area = {
        "id": AREA, "kind": "lvgmu", "area": "a", "owner": OPERATOR, "children": [ANN, BOB],
        "services": {name: {} for name in names}, "policies": {OFFER: TAKERS, **(policies or {})},
        "stakeholders": {"balancing:green": GREEN, "balancing:blue": BLUE},
    }  # fmt: skip
    factories = {
        name: lambda _s, _p, _d, name=name: Listener(name) for name in (*names, "balancing", "nosy")
    }
    spec = {"units": [area, house("ann"), house("bob")], "security": security}
    bus = Loopback(UnitsCore(spec, 1, factories=factories))
    bus.run(0)
    return bus


def service(bus: Loopback, unit: str, name: str = "balancing") -> Any:
    return bus.core.service(unit, name)


def settle(bus: Loopback) -> None:
    bus.poke()
    bus.run(bus.now_ms + 500)


def write(bus: Loopback, who: str, value: Any, *readers: str, name: str = "balancing") -> Any:
    grants = [[reader, "balancing", 1, 0] for reader in readers]
    issued = service(bus, who, name).context.data.write(OFFER, AREA, value, policy=grants)
    settle(bus)
    heard = service(bus, who, name).heard
    return next(one.result for one in heard if one.request == issued.id)


def follow(bus: Loopback, *names: str) -> list[Any]:
    out = [service(bus, AREA, f"balancing:{name}") for name in names]
    for one in out:
        one.context.data.event(OFFER, AREA)
    settle(bus)
    return out


@pytest.mark.parametrize("security", ["none", "integrity"])
def test_each_reads_what_its_author_shows_and_nothing_else(security: str) -> None:
    bus = units(security)
    green, blue, owner = follow(bus, "green", "blue", "owner")
    # the area's policy names green and customers as takers: others may not even listen
    assert [one.heard[0].result for one in (blue, owner)] == [Result.DENIED, Result.DENIED]
    assert write(bus, ANN, {"child": ANN}, GREEN) is Result.OK
    assert write(bus, BOB, {"child": BOB}, BLUE) is Result.OK
    assert write(bus, ANN, {"child": ANN, "k": 2}, GREEN) is Result.OK
    assert green.values == [{"child": ANN}, {"child": ANN, "k": 2}]
    assert {one.owner for one in green.heard if one.t_ms >= 0} == {"customer/ann"}
    assert not blue.values
    assert not owner.values


def test_what_one_does_not_show_ends_nobodys_subscription() -> None:
    bus = units(policies={OFFER: [*TAKERS, [BLUE, "balancing", 2, 0]]})
    green, blue = follow(bus, "green", "blue")
    for number in range(3):
        write(bus, ANN, {"k": number}, GREEN)
        write(bus, BOB, {"k": 10 + number}, BLUE)
    assert green.values == [{"k": 0}, {"k": 1}, {"k": 2}]
    assert blue.values == [{"k": 10}, {"k": 11}, {"k": 12}]


def test_who_says_nothing_of_readers_is_read_by_whom_the_unit_names() -> None:
    shown = units(policies={OFFER: [*TAKERS[1:], [GREEN, "balancing", 3, 0]]})
    hidden = units()
    for bus, expected in ((shown, [{"k": 1}]), (hidden, [])):
        green = follow(bus, "green")[0]
        service(bus, ANN).context.data.write(OFFER, AREA, {"k": 1})
        settle(bus)
        assert green.values == expected


def test_an_authors_last_policy_holds_for_what_it_writes_after() -> None:
    bus = units()
    green = follow(bus, "green")[0]
    write(bus, ANN, {"k": 1}, GREEN)
    service(bus, ANN).context.data.write(OFFER, AREA, {"k": 2})
    settle(bus)
    write(bus, ANN, {"k": 3})  # to nobody
    service(bus, ANN).context.data.write(OFFER, AREA, {"k": 4})
    settle(bus)
    assert green.values == [{"k": 1}, {"k": 2}]


def test_who_may_write_is_the_units_to_say_not_the_authors() -> None:
    bus = units(policies={OFFER: [["customer/ann", "balancing", 2, 0], [GREEN, "balancing", 2, 0]]})
    green = follow(bus, "green")[0]
    assert write(bus, BOB, {"k": 1}, GREEN) is Result.DENIED
    assert write(bus, ANN, {"k": 1}, GREEN, name="nosy") is Result.DENIED
    assert write(bus, ANN, {"k": 1}, GREEN) is Result.OK
    assert green.values == [{"k": 1}]


def test_a_query_gives_the_callers_own_alone() -> None:
    bus = units(policies={OFFER: [["all", "balancing", 3, 0]]})
    write(bus, ANN, {"k": 1}, GREEN)
    write(bus, BOB, {"k": 2}, GREEN)
    for who, expected in ((ANN, {"k": 1}), (BOB, {"k": 2})):
        issued = service(bus, who).context.data.query(OFFER, AREA)
        settle(bus)
        answer = next(o for o in service(bus, who).heard if o.request == issued.id)
        assert (answer.result, answer.value) == (Result.OK, expected)


def test_the_unit_owner_may_withdraw_the_right_to_write() -> None:
    bus = units()
    green = follow(bus, "green")[0]
    assert write(bus, ANN, {"k": 1}, GREEN) is Result.OK
    owner = service(bus, AREA, "balancing:owner").context.data
    owner.write("access.policy", AREA, {"variable": OFFER, "grants": TAKERS[:1]})
    settle(bus)
    assert write(bus, ANN, {"k": 2}, GREEN) is Result.DENIED
    assert green.values == [{"k": 1}]


def test_instances_of_a_service_have_its_rights_and_its_flow() -> None:
    bus = units()
    green = service(bus, AREA, "balancing:green").context.data
    green.write("balancing.signal", ANN, {"k": 1})
    settle(bus)
    frames = [frame for frame in bus.frames if frame.src == AREA]
    assert {frame.flow for frame in frames} == {"balancing"}
    assert service(bus, AREA, "balancing:green").heard[0].result is Result.OK
