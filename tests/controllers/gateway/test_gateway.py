"""A gateway publishes its area and obeys, through loss, restarts and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from controllers.gateway.topics import Topics, packed
from controllers.mqtt.packets import Publish, Stream
from tests.controllers.gateway.conftest import METERS, PERIOD_MS, Area

Make = Callable[..., Area]
COMMAND = "fernwatt/lvgmu/a/command"


def order(area: Area, t_ms: int, location: str, **changes: Any) -> str:
    """Have the application order a set-point."""
    command = {
        "id": f"order-{area.number}-{t_ms}", "variable": "set_point", "location": location,
        "value": {"p_w": 100.0, "until_ms": t_ms + 60_000},
    } | changes  # fmt: skip
    area.bus.run(t_ms)
    application = area.core.service("application/web", "gateway")
    application.session.publish(COMMAND, packed(command), 1)  # type: ignore[attr-defined]
    area.bus.poke()
    return str(command["id"])


def said(area: Area, src: str, dst: str) -> list[Publish]:
    """Return what one told the other by MQTT, as it went over the wire."""
    packets = [
        packet
        for frame in area.bus.frames
        if (frame.src, frame.dst) == (src, dst)
        for packet in Stream().feed(frame.payload)
    ]
    return [packet for packet in packets if isinstance(packet, Publish)]


def test_a_period_is_published_when_all_have_answered(area: Make) -> None:
    it = area()
    it.periods(0, 1)
    records = [one for one in it.shown() if one["end_ms"] == PERIOD_MS]
    assert [one["unit"] for one in records[:3]] == list(METERS)
    assert records[1]["values"] == {"energy.import": [1.0, PERIOD_MS + 50]}
    assert records[3]["missing"] == []
    assert records[3]["answered"] == 3
    (first, _) = it.events("gateway_period")
    assert first.t_us < (PERIOD_MS + 1_000) * 1000  # it did not wait for the time-out
    assert first.cause.startswith("meter/a/")


def test_who_does_not_answer_is_waited_for_and_named(area: Make) -> None:
    it = area()
    it.periods(0, 0, METERS[:2])
    (period,) = it.events("gateway_period")
    assert period.t_us == (PERIOD_MS + 120_000) * 1000
    assert period.value["missing"] == [METERS[2]]
    late = it.read(METERS[2], PERIOD_MS + 100, 7.0)
    it.bus.run(it.bus.now_ms + 60_000, [late])
    assert it.shown()[-1] == {
        "gateway": "lvgmu/a", "unit": METERS[2], "end_ms": PERIOD_MS, "late": True,
        "values": {"energy.import": [7.0, PERIOD_MS + 100]},
    }  # fmt: skip


def test_all_in_one_event_by_area(area: Make) -> None:
    it = area(by="area")
    it.periods(0, 0)
    (record,) = it.shown()
    assert sorted(record["values"]) == list(METERS)


def test_topics_and_quality_are_as_documented(area: Make) -> None:
    it = area(qos=0)
    it.periods(0, 0)
    out = said(it, "lvgmu/a", "broker/cloud")
    topics = Topics("fernwatt", "lvgmu/a")
    assert [(one.topic, one.qos, one.retain) for one in out] == [
        (topics.status, 1, True), *((topics.event(meter), 0, False) for meter in METERS),
        (topics.area, 0, False),
    ]  # fmt: skip
    assert [json.loads(one.payload)["n"] for one in out[1:]] == [1, 2, 3, 4]


def test_a_wrong_password_is_refused_and_seen_and_nothing_is_published(area: Make) -> None:
    it = area(password="guess")
    it.periods(0, 1)
    assert it.shown() == []
    assert {event.value for event in it.events("gateway_refused")} == {"code 4"}
    assert {event.element for event in it.events("broker_refused")} == {"lvgmu/a"}
    assert said(it, "lvgmu/a", "broker/cloud") == []


def test_an_order_moves_the_actuator_and_is_answered(area: Make) -> None:
    it = area()
    identifier = order(it, 10_000, METERS[0])
    it.bus.run(20_000)
    (command,) = it.bus.commands
    assert (command.actuator, command.value["p_w"]) == (f"{METERS[0]}/relay", 100.0)
    assert it.shown("gateway.reply") == [{"gateway": "lvgmu/a", "id": identifier, "result": "ok"}]


@pytest.mark.parametrize(
    ("location", "changes", "result"),
    [
        (METERS[1], {}, "denied"),
        (METERS[0], {"variable": "no.such"}, "unknown-variable"),
        ("meter/a/9", {}, "unknown-location"),
        (METERS[0], {"value": 5}, "malformed"),
        (METERS[0], {"more": 1}, "malformed"),
    ],
)
def test_an_order_that_may_not_be_is_answered_and_moves_nothing(
    area: Make, location: str, changes: dict[str, Any], result: str
) -> None:
    it = area()
    identifier = order(it, 10_000, location, **changes)
    it.bus.run(20_000)
    assert it.bus.commands == []
    assert it.shown("gateway.reply") == [{"gateway": "lvgmu/a", "id": identifier, "result": result}]
    assert len(it.events("access_denied")) == (result == "denied")


def test_an_order_that_comes_twice_is_done_once_even_over_a_restart(area: Make) -> None:
    it = area()
    order(it, 10_000, METERS[0], id="x")
    order(it, 20_000, METERS[0], id="x")
    it.bus.run(30_000)
    it.kill("lvgmu/a")
    it.bus.run(40_000)
    it.revive("lvgmu/a")
    order(it, 60_000, METERS[0], id="x")
    it.bus.run(90_000)
    assert len(it.bus.commands) == 1
    assert [one["result"] for one in it.shown("gateway.reply")] == ["ok"] * 3


@pytest.mark.parametrize("away", ["lvgmu/a", "broker/cloud", "application/web"])
def test_what_was_kept_meanwhile_arrives_once_and_in_order(area: Make, away: str) -> None:
    it = area(retry_max_s=60)
    it.periods(0, 0)
    if away == "lvgmu/a":
        links = {"lvgmu/a", "broker/cloud"}
        it.bus._fates = lambda f, t: () if {f.src, f.dst} == links else (20,)
    else:
        it.away.add(away)
    it.periods(1, 3)
    it.away.clear()
    it.bus._fates = it._fate
    it.periods(4, 4)
    areas = [one["end_ms"] // PERIOD_MS for one in it.shown() if "missing" in one]
    assert areas == [1, 2, 3, 4, 5]
    assert it.events("application_gap") == []


def test_a_killed_gateway_publishes_after_its_restart_what_it_had_kept(area: Make) -> None:
    it = area(memory="disk", retry_max_s=30)
    it.periods(0, 0)
    it.away.add("broker/cloud")
    it.periods(1, 1)
    it.kill("lvgmu/a")
    it.bus.run(it.bus.now_ms + 1_000)
    it.away.clear()
    it.revive("lvgmu/a")
    it.bus.run(it.bus.now_ms + 120_000)
    it.periods(2, 2)
    ends = [one["end_ms"] // PERIOD_MS for one in it.shown() if "missing" in one]
    assert ends == [1, 2, 3]
    it.bus.close()


def test_the_last_will_tells_that_a_gateway_is_gone_and_its_return(area: Make) -> None:
    it = area(keep_alive_s=60)
    it.bus.run(10_000)
    it.kill("lvgmu/a")
    it.bus.run(200_000)
    it.revive("lvgmu/a")
    it.bus.run(300_000)
    assert [one["online"] for one in it.shown("gateway.status")] == [True, False, True]


@pytest.mark.parametrize("security", ["integrity", "integrity+secrecy"])
def test_mqtt_goes_sealed_where_the_run_says_so(area: Make, security: str) -> None:
    it = area(security=security)
    it.periods(0, 0)
    assert len(it.shown()) == 4
    sealed = [f.payload for f in it.bus.frames if f.dst == "broker/cloud"]
    assert all(
        (b"fernwatt/" in one) == (security == "integrity") for one in sealed if len(one) > 150
    )
