"""Too much at once: what is shed first, who is told, and what that does to the rest."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.unit import Loopback, Result
from controllers.unit.host import CLASSES, Host, HostClass
from fernwatt.messages import Reading
from tests.controllers.unit.test_levels import DMU, LOW, begin, probe

SLOW = HostClass(1000, 0, 0, 0, 0, 0, 0, queue_messages=10, queue_bytes=1000)
AREA, METER = "lvgmu/a", "meter/a/x"
FLOWS = ("control", "balancing", "metering", "management")


def test_a_queue_is_what_is_not_parsed_yet() -> None:
    host = Host(SLOW)
    assert host.filled(0, 1) == 0
    for _ in range(5):
        host.parse(0, 100)
    assert host.filled(0, 0) == 50
    assert host.filled(0, 1) == 60
    assert host.filled(0, 600) == 110  # bytes
    assert host.filled(2500, 0) == 30
    assert host.filled(5000, 0) == 0


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 300)), max_size=60))
def test_a_queue_counts_what_a_list_counts(frames: list[tuple[int, int]]) -> None:
    host, now_us = Host(SLOW), 0
    jobs: list[tuple[int, int]] = []
    for wait_us, size in frames:
        now_us += wait_us
        jobs = [(done, length) for done, length in jobs if done > now_us]
        percent = max(len(jobs) * 10, -(-sum(length for _, length in jobs) // 10))
        assert host.filled(now_us, 0) == percent
        jobs.append((host.parse(now_us, size), size))


def burst(count: int, **overrides: int) -> tuple[Loopback, Any, Counter[tuple[str, str]]]:
    """Have one unit ask another ``count`` times in each class at one instant."""
    from controllers.unit import UnitsCore
    from tests.controllers.unit.conftest import CUSTOMER, OPERATOR, Probe

    names = ("metering", "balancing", "probe")
    services: dict[str, Any] = {name: {} for name in names}
    spec = {
        "units": [
            {"id": AREA, "children": [METER], "owner": OPERATOR, "services": services,
             "host": "cloud"},
            {"id": METER, "parent": AREA, "customer": CUSTOMER, "owner": CUSTOMER, "host": "mcu",
             "instruments": ["i/x"], "services": services,
             "policies": {"voltage": [["all", "all", 3, 0]], "set_point": [["all", "all", 3, 0]]}},
        ],
        "hosts": {"mcu": {"parse_us": 10_000, "parse_ns_per_byte": 0, **overrides}},
        "flows": {name: {"retries": 0} for name in FLOWS},
    }  # fmt: skip
    factories = {name: lambda _s, _p, _d, name=name: Probe(name) for name in names}
    bus = Loopback(UnitsCore(spec, 1, factories=factories))
    bus.run(0, [Reading("i/x#1", "", "i/x", "voltage", 0, 0, 230.0, "V")])
    for _ in range(count):
        for name in names:
            bus.core.service(AREA, name).context.data.query("voltage", METER)  # type: ignore[attr-defined]
        bus.core.service(AREA, "probe").context.data.query("set_point", METER)  # type: ignore[attr-defined]
    bus.poke()
    bus.run(100_000)
    found = Counter((row["service"], row["result"]) for row in bus.table("request"))
    return bus, bus.core.unit(METER), found


def test_the_least_important_is_shed_first_and_its_caller_told() -> None:
    bus, _, found = burst(20, queue_messages=100)
    assert found["metering", "ok"] == 13  # up to the half of the queue, 4 at a time
    assert found["balancing", "ok"] == 19  # three quarters
    assert found["probe", "overloaded"] == 14  # management; its set-points are control
    assert found["probe", "ok"] + found["probe", "no-data"] == 26
    assert {result for _, result in found} == {"ok", "no-data", "overloaded"}
    heard = bus.core.service(AREA, "probe").heard  # type: ignore[attr-defined]
    assert Counter(one.result for one in heard)[Result.OVERLOADED] == 14
    assert bus.core.counters["overloaded"] == 14 + 7 + 1


def test_with_the_queue_full_nothing_is_read_any_more() -> None:
    bus, _, found = burst(50, queue_messages=40)
    assert bus.core.counters["queue-full"] == 160
    assert sum(count for (_, result), count in found.items() if result == "timeout") == 160


def test_the_episode_is_told_once_with_what_it_cost() -> None:
    bus, _, found = burst(20, queue_messages=100)
    bus.run(200_000)
    bus.core.service(AREA, "metering").context.data.query("voltage", METER)  # type: ignore[attr-defined]
    bus.poke()
    bus.run(300_000)
    told = [(event.kind, event.value) for event in bus.events]
    assert told[0] == ("overloaded", {"filled_percent": 27, "first": "management refused"})
    cost = {"balancing refused": 1, "management refused": 14, "metering refused": 7}
    assert told[1:] == [("overload_over", cost)]
    assert found["metering", "overloaded"] == 7


def test_a_request_that_was_shed_may_be_asked_again() -> None:
    bus, _, _ = burst(20, queue_messages=100)
    bus.poke()
    service: Any = bus.core.service(AREA, "probe")
    issued = service.context.data.query("voltage", METER)
    bus.poke()
    bus.run(200_000)
    assert service.outcomes(issued.id)[0].result is Result.OK


def test_the_units_own_requests_wait_at_the_same_door() -> None:
    bus = burst(0, queue_messages=4)[0]
    own: Any = bus.core.service(METER, "probe")
    host = bus.core.unit(METER)._gate._host
    for _ in range(4):
        host.parse(bus.now_ms * 1000, 10)
    bus.poke()
    first = own.context.data.query("voltage", METER)
    second = own.context.data.query("set_point", METER)  # critical
    bus.poke()
    assert own.outcomes(first.id)[0].result is Result.OVERLOADED
    assert own.outcomes(second.id)[0].result is Result.NO_DATA


def test_a_unit_on_the_way_sheds_too_and_names_itself() -> None:
    changes: dict[str, Any] = {LOW: {"host": "mcu"}, "hosts": {"mcu": {"queue_messages": 4}}}
    bus = begin(**changes)
    asked = [probe(bus).context.data.query("device.energy", DMU) for _ in range(3)]
    bus.poke()
    bus.run(100_000)
    outcomes = [probe(bus).outcomes(one.id)[0] for one in asked]
    assert [one.result for one in outcomes] == [Result.NO_DATA, Result.NO_DATA, Result.OVERLOADED]
    assert outcomes[-1].hop == LOW


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_a_bound(name: str) -> None:
    host, count = Host(CLASSES[name]), 0
    while host.filled(0, 100) <= 100:
        host.parse(0, 100)
        count += 1
    assert count <= 10_000
