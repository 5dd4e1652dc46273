"""Every result code of the Data Interface, near and over several units, by all six operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from controllers.unit import Loopback, Result
from fernwatt.messages import Frame
from tests.controllers.unit.conftest import OPERATOR
from tests.controllers.unit.test_levels import (
    DMU,
    LINE,
    LOW,
    TOP,
    begin,
    lost_at,
    probe,
    reading,
    settle,
)

OPEN = [[OPERATOR, "metering", 3, 0]]
SLOW = {"mcu": {"queue_messages": 1, "parse_us": 10_000_000}}


def unit(**policies: Any) -> dict[str, Any]:
    return {DMU: {"policies": {"device.energy": OPEN, "set_point": OPEN} | policies}}


Case = tuple[Callable[[Any], Any], dict[str, Any], Callable[[Frame, int], Any] | None]


def query(data: Any) -> Any:
    return data.query("device.energy", DMU)


def twice(data: Any) -> Any:
    data.periodic("device.energy", DMU, 1000)
    return data.periodic("device.energy", DMU, 2000)


# what is asked, of which units, and what becomes of their frames
CASES: dict[Result, Case] = {
    Result.OK: (query, unit(), None),
    Result.DENIED: (query, unit(**{"device.energy": []}), None),
    Result.UNKNOWN_VARIABLE: (lambda data: data.query("weather.wind", DMU), unit(), None),
    Result.UNKNOWN_LOCATION: (lambda data: data.query("voltage", "dmu/nowhere"), unit(), None),
    Result.MALFORMED: (lambda data: data.write("device.energy", DMU, "high"), unit(), None),
    Result.NO_DATA: (lambda data: data.query("set_point", DMU), unit(), None),
    Result.TIMEOUT: (query, unit(), lost_at(TOP)),
    Result.RATE: (
        lambda data: (query(data), query(data))[1],
        unit(**{"device.energy": [[OPERATOR, "metering", 1, 5000]]}),
        None,
    ),
    Result.REPLACED: (twice, unit(), None),
    Result.OVERLOADED: (
        query, {DMU: unit()[DMU] | {"host": "mcu"}, "hosts": SLOW}, None,
    ),
    Result.UNKNOWN_SUBSCRIPTION: (lambda data: data.unsubscribe(f"{TOP}#999", DMU), unit(), None),
}  # fmt: skip


def outcome(bus: Loopback, ask: Callable[[Any], Any]) -> Any:
    bus.run(1000, [reading(1, 7.0, 500)])
    bus.poke()
    issued = ask(probe(bus).context.data)
    settle(bus, 3_600_000)
    return probe(bus).outcomes(issued.id)[0]


@pytest.mark.requirement("DI-02")
@pytest.mark.parametrize("routing", ["direct", "levels"])
@pytest.mark.parametrize("result", CASES, ids=lambda result: result.label)
def test_a_caller_far_off_is_told(result: Result, routing: str) -> None:
    ask, changes, fates = CASES[result]
    told = outcome(begin(fates, routing=routing, **changes), ask)
    assert told.result is result
    assert (told.value is None) == (result is not Result.OK)


def test_who_is_on_the_way_says_that_it_is_unreachable() -> None:
    assert outcome(begin(lost_at(DMU), **unit()), query).result is Result.UNREACHABLE


def test_every_request_is_first_answered_by_issued_or_a_refusal() -> None:
    bus = begin(**unit())
    data = probe(bus).context.data
    assert query(data).result is Result.ISSUED
    assert data.query("voltage", "dmu/nowhere").result is Result.UNKNOWN_LOCATION
    assert data.query("voltage", DMU, condition="value >").result is Result.MALFORMED


def test_the_table_has_them_all() -> None:
    assert {*CASES, Result.UNREACHABLE, Result.ISSUED} == set(Result)


@pytest.mark.parametrize(
    "result",
    [one for one in CASES if one not in (Result.TIMEOUT, Result.OVERLOADED)],
    ids=lambda result: result.label,
)
def test_a_caller_in_the_same_unit_is_told_the_same(result: Result) -> None:
    """There is neither time-out nor network between a unit's services."""
    ask, changes, _ = CASES[result]
    stakeholders = {"stakeholders": dict.fromkeys(("metering", "probe"), OPERATOR)}
    bus = begin(**{DMU: changes[DMU] | stakeholders})  # type: ignore[arg-type]
    bus.run(1000, [reading(1, 7.0, 500)])
    bus.poke()
    near = probe(bus, DMU)
    issued = ask(near.context.data)
    bus.poke()
    assert near.outcomes(issued.id)[0].result is result
    assert bus.frames == []


def lose_one_in_three() -> Callable[[Frame, int], Any]:
    count = iter(range(10**9))
    return lambda _frame, _t_ms: () if next(count) % 3 == 0 else (20,)


@pytest.mark.parametrize("operation", ["query", "write", "event", "periodic", "unsubscribe"])
@pytest.mark.parametrize("location", LINE)
def test_each_operation_gets_one_outcome_from_each_distance(operation: str, location: str) -> None:
    """Though one frame in three is lost."""
    arguments: tuple[Any, ...] = {
        "write": ("set_point", location, {"p_w": 1.0, "until_ms": 9}),
        "periodic": ("device.energy", location, 1_000_000),
        "unsubscribe": (f"{TOP}#999", location),
    }.get(operation, ("device.energy", location))
    bus = begin(lose_one_in_three())
    issued = getattr(probe(bus).context.data, operation)(*arguments)
    settle(bus, 900_000)
    outcomes = [one for one in probe(bus).outcomes(issued.id) if one.t_ms == -1]
    assert len(outcomes) == 1
    assert outcomes[0].result in {
        Result.OK, Result.NO_DATA, Result.UNKNOWN_SUBSCRIPTION, Result.DENIED,
        Result.UNREACHABLE, Result.TIMEOUT,
    }  # fmt: skip
    if location == LOW and operation == "write":
        assert outcomes[0].result is Result.OK
