"""Units under attack on a loopback: the top hears of it, and hears nothing where none detects."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from controllers.unit import Loopback
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.codec import CborCodec
from controllers.unit.wire import Operation, Request
from fernwatt.messages import Delivery
from tests.controllers.detection.conftest import CMU, CUSTOMER, DMU, METER, MIDDLE, SUBSTATION

World = Callable[..., Loopback]
Alarms = Callable[[Loopback], list[tuple[str, str]]]
MINUTE = 60_000


def write(number: int, value: object, src: str = CMU, stakeholder: str = CUSTOMER) -> bytes:
    request = Request(
        Operation.WRITE, f"{src}#{number}", src, "balancing", stakeholder, "set_point", DMU, value
    )
    return CborCodec(CATALOGUE).encode(request, src, DMU)


def arrive(bus: Loopback, payload: bytes, t_ms: int, src: str = CMU, dst: str = DMU) -> None:
    """Have a frame arrive that somebody made up."""
    bus.run(t_ms)
    frame = Delivery(f"tap#{t_ms}", "attack", src, dst, "control", t_ms * 1000, payload)
    bus._settle(bus.core.step(t_ms, deliveries=[frame]))


def order(bus: Loopback, t_ms: int, p_w: float) -> None:
    """Have the house's own unit order something."""
    bus.run(t_ms)
    context = bus.core.unit(CMU).context("balancing")
    context.data.write("set_point", DMU, {"p_w": p_w, "until_ms": t_ms + 10 * MINUTE})
    bus.poke()


def test_orders_of_the_house_itself_raise_nothing(world: World, alarms: Alarms) -> None:
    bus = world()
    for minute in range(1, 50, 7):
        order(bus, minute * MINUTE, 100.0 * minute)
    bus.run(3_600_000)
    assert len(bus.commands) == 7
    assert alarms(bus) == []


@pytest.mark.parametrize("detects", [True, False])
def test_a_forged_order_is_carried_out_and_the_top_hears_of_it(
    world: World, alarms: Alarms, detects: bool
) -> None:
    bus = world(detects=detects)
    order(bus, MINUTE, 500.0)
    arrive(bus, write(4242, {"p_w": -4000.0, "until_ms": 1_000_000}), 2 * MINUTE)
    bus.run(4 * MINUTE)
    assert [command.value["p_w"] for command in bus.commands] == [500.0, -4000.0]
    assert alarms(bus) == ([("order", DMU)] if detects else [])


def test_an_old_order_under_another_address_is_found_though_its_value_was_once_meant(
    world: World, alarms: Alarms
) -> None:
    bus = world()
    order(bus, MINUTE, 500.0)
    order(bus, 2 * MINUTE, 900.0)
    old = write(77, {"p_w": 500.0, "until_ms": 11 * MINUTE}, src=METER)
    arrive(bus, old, 3 * MINUTE, src=METER)
    bus.run(5 * MINUTE)
    assert [command.value["p_w"] for command in bus.commands] == [500.0, 900.0, 500.0]
    assert alarms(bus) == [("order", DMU)]


@pytest.mark.parametrize("level", ["integrity", "integrity+secrecy"])
def test_what_protection_refuses_is_told_to_the_top_and_nothing_else_happens(
    world: World, alarms: Alarms, level: str
) -> None:
    bus = world(security=level)
    arrive(bus, write(4242, {"p_w": -4000.0, "until_ms": 1_000_000}), 2 * MINUTE)
    bus.run(4 * MINUTE)
    assert bus.commands == []
    assert alarms(bus) == [("forgery", CMU)]


def test_garbage_is_told_once_in_a_quarter_of_an_hour(world: World, alarms: Alarms) -> None:
    bus = world()
    for second in range(60):
        arrive(bus, b"\xff" * 20, MINUTE + 1000 * second)
    bus.run(10 * MINUTE)
    assert alarms(bus) == [("garbage", CMU)]
    arrive(bus, b"\xff" * 20, 20 * MINUTE)
    bus.run(25 * MINUTE)
    assert alarms(bus) == [("garbage", CMU)] * 2


def test_a_flood_is_told_and_does_not_become_one(world: World, alarms: Alarms) -> None:
    bus = world()
    query = Request(
        Operation.QUERY, "meter/a/x#900", METER, "aggregation", CUSTOMER, "voltage", SUBSTATION
    )
    payload = CborCodec(CATALOGUE).encode(query, METER, SUBSTATION)
    for number in range(2000):
        arrive(bus, payload, MINUTE + 100 * number, src=METER, dst=SUBSTATION)
    bus.run(10 * MINUTE)
    assert ("flood", METER) in alarms(bus)
    assert len(alarms(bus)) <= 6


def test_alarms_lead_back_to_what_was_seen(world: World) -> None:
    bus = world()
    arrive(bus, b"\xff" * 20, MINUTE)
    bus.run(2 * MINUTE)
    (alarm,) = [event for event in bus.events if event.kind == "alarm"]
    causes = {row["id"]: row["cause"] for row in bus.table("cause")}
    assert causes[alarm.cause] == f"tap#{MINUTE}"
    (heard,) = [event for event in bus.events if event.kind == "alarm_at_top"]
    assert heard.t_us > alarm.t_us  # it went over five hops
    assert json.loads(json.dumps(heard.value)) == alarm.value


def test_an_alarm_that_finds_no_way_is_sent_again(world: World, alarms: Alarms) -> None:
    bus = world()
    blocked = {"on": True}

    def fates(frame: object, _t_ms: int) -> list[int]:
        cut = blocked["on"] and getattr(frame, "src", "") == METER
        return [] if cut and getattr(frame, "dst", "") == SUBSTATION else [20]

    bus._fates = fates
    arrive(bus, b"\xff" * 20, MINUTE)
    bus.run(20 * MINUTE)
    assert alarms(bus) == []
    blocked["on"] = False
    bus.run(40 * MINUTE)
    assert ("garbage", CMU) in alarms(bus)


def test_an_alarm_goes_round_whom_it_suspects(world: World, alarms: Alarms) -> None:
    bus = world()
    wild = Request(
        Operation.WRITE, f"{SUBSTATION}#9", SUBSTATION, "balancing", "operator", "set_point", DMU,
        {"p_w": 1.0, "until_ms": 1_000_000},
    )  # fmt: skip
    payload = CborCodec(CATALOGUE).encode(wild, SUBSTATION, CMU)[:-1]
    arrive(bus, payload, MINUTE, src=SUBSTATION, dst=CMU)  # garbage in the substation's name
    bus.run(5 * MINUTE)
    assert alarms(bus) == [("garbage", SUBSTATION)]
    way = [frame.dst for frame in bus.frames if frame.src == METER and frame.dst != CMU]
    assert MIDDLE in way
    asked = [row for row in bus.table("request") if row["variable"] == "alarm"]
    told = [row["location"] for row in asked if row["operation"] == "write"]
    assert told == [METER, MIDDLE, "tlgmu/top"]


def test_units_without_detection_take_no_notes(world: World) -> None:
    bus = world(detects=False)
    arrive(bus, b"\xff" * 20, MINUTE)
    assert bus.core.counters["malformed"] == 1
    assert bus.core._around.watches == {}
    assert bus.core.unit(DMU).processor.newest("security.malformed", CUSTOMER) is None
