"""A meter read by a concentrator with real APDUs, in and out of order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.dlms.apdu import (
    Attribute,
    GetRequest,
    GetResponse,
    SetRequest,
    SetResponse,
    decode_apdu,
    encode_apdu,
)
from controllers.dlms.association import Aarq
from controllers.dlms.axdr import Data, Tag
from controllers.dlms.objects import HISTORY
from controllers.dlms.wrapper import Wrapped
from controllers.unit import UnitsCore
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.channels import CHANNELS
from controllers.unit.codec import DecodeError
from controllers.unit.notes import MemoryNotebook
from controllers.unit.wire import Operation, Request
from fernwatt.errors import ScenarioError
from fernwatt.messages import Delivery
from tests.controllers.dlms.support.bench import METER, TOP, Bench

LEVELS = ["none", "integrity", "integrity+secrecy"]
Make = Callable[..., Bench]
SLOT_MS = 900_000
PROFILE = {
    "start_ms": -7 * 96 * SLOT_MS,
    "step_ms": SLOT_MS,
    "import_wh": [round(0.1 * (i % 90) + 12.345, 3) for i in range(7 * 96)],
    "export_wh": [0.0] * (7 * 96),
}


@pytest.mark.parametrize("level", LEVELS)
def test_every_operation_has_its_outcome(bench: Make, level: str) -> None:
    desk = bench(level=level)
    desk.run(0, desk.read("voltage", 230.1), desk.read("energy.import", 1234.0))
    asked = {
        "voltage": desk.ask("query", "voltage", METER),
        "register": desk.ask("query", "energy.import", METER),
        "none": desk.ask("query", "energy.export", METER),
        "order": desk.ask("write", "set_point", METER, {"p_w": -5.5, "until_ms": 90_000},
                          service="balancing"),
        "event": desk.ask("event", "energy.import", METER, condition="value > 1300"),
        "period": desk.ask("periodic", "voltage", METER, 10_000),
        "denied": desk.ask("query", "voltage", METER, service="probe"),
        "refused": desk.ask("write", "set_point", METER, {"p_w": 1.0, "until_ms": 1}),
        "unknown": desk.ask("query", "weather.wind", METER),
    }  # fmt: skip
    desk.run(1000)
    desk.run(25_000, desk.read("energy.import", 1290.0, 2_000),
             desk.read("energy.import", 1310.0, 3_000))  # fmt: skip
    assert desk.told(asked["voltage"]) == [("ok", 230.1, 0)]
    assert desk.told(asked["register"]) == [("ok", 1234.0, 0)]
    assert desk.told(asked["none"]) == [("no-data", None, -1)]
    assert desk.told(asked["order"], "balancing") == [("ok", None, -1)]
    assert [command.value for command in desk.bus.commands] == [{"p_w": -5.5, "until_ms": 90_000}]
    assert desk.told(asked["event"]) == [("ok", None, -1), ("ok", 1310.0, 3_000)]
    assert desk.told(asked["period"]) == [("ok", None, -1), *[("ok", 230.1, 0)] * 2]
    assert desk.told(asked["denied"], "probe") == [("denied", None, -1)]
    assert desk.told(asked["refused"]) == [("denied", None, -1)]
    assert desk.told(asked["unknown"]) == [("unknown-variable", None, -1)]
    ended = desk.ask("unsubscribe", asked["period"], METER)
    desk.run(30_000)
    assert desk.told(ended) == [("ok", None, -1)]
    assert len(desk.told(asked["period"])) <= 4
    assert not desk.core.counters
    assert all(payload.startswith(b"\x00\x01") for _, payload in desk.payloads())


def test_more_requests_than_numbers_wait_for_their_turn(bench: Make) -> None:
    desk = bench()
    desk.run(0, desk.read("voltage", 230.0), desk.read("energy.import", 5.0))
    desk.bus.poke()
    names = ["voltage", "energy.import", "energy.export"] * 20
    asked = [desk.probe().context.data.query(name, METER).id for name in names]
    desk.run(2000)
    told = [desk.told(request) for request in asked]
    assert told == [[("ok", 230.0, 0)], [("ok", 5.0, 0)], [("no-data", None, -1)]] * 20
    open_now, most = 0, 0
    for src, payload in desk.payloads():
        if payload[8] in (0xC0, 0xC4):
            open_now += 1 if src == TOP else -1
            most = max(most, open_now)
    assert (open_now, most) == (0, 16)


@pytest.mark.parametrize("level", LEVELS)
def test_a_weeks_profile_comes_in_blocks(bench: Make, level: str) -> None:
    desk = bench(level=level)
    desk.run(0, desk.read("load_profile", PROFILE))
    asked = desk.ask("query", "load_profile", METER, service="balancing")
    desk.run(5_000)
    assert desk.told(asked, "balancing") == [("ok", PROFILE, 0)]
    assert max(len(payload) for _, payload in desk.payloads()) <= 1024 + 8
    assert len(desk.payloads()) > 18


def test_the_past_is_read_by_range_and_reckoned_by_the_reader(bench: Make) -> None:
    desk = bench()
    rising = [desk.read("energy.import", 100.0 * k, k * SLOT_MS) for k in range(8)]
    desk.run(8 * SLOT_MS, *rising)
    condition = f"{2 * SLOT_MS} <= t and t < {5 * SLOT_MS} and value != 300"
    asked = {
        function: desk.ask("query", "energy.import", METER, condition=condition, function=function)
        for function in ("last", "first", "min", "sum", "count", "mean", "values", "percentile:50")
    }
    asked["none"] = desk.ask("query", "energy.import", METER, condition="value < 0")
    asked["all"] = desk.ask("query", "energy.import", METER, condition="value < 0 or t > 0",
                            function="max")  # fmt: skip
    asked["wrong"] = desk.ask("query", "energy.export", METER, function="count")
    desk.run(1000)
    told = {name: desk.told(request)[0][:2] for name, request in asked.items()}
    assert told == {
        "last": ("ok", 400.0), "first": ("ok", 200.0), "min": ("ok", 200.0), "sum": ("ok", 600.0),
        "count": ("ok", 2), "mean": ("ok", 300.0), "percentile:50": ("ok", 300.0),
        "values": ("ok", [[2 * SLOT_MS, 200.0], [4 * SLOT_MS, 400.0]]),
        "none": ("no-data", None), "all": ("ok", 700.0), "wrong": ("ok", 0),
    }  # fmt: skip
    ranges = [payload for src, payload in desk.payloads() if src == TOP and b"\x63\x02" in payload]
    answers = [payload for src, payload in desk.payloads() if src == METER]
    assert len(ranges) == 11
    assert min(len(one) for one in answers) < 30  # three rows need more: they were not sent


OPERATIONS = st.one_of(
    st.tuples(st.just("read"), st.sampled_from(["voltage", "energy.import"]),
              st.integers(0, 4000).map(lambda n: n / 10)),
    st.tuples(st.just("read"), st.just("set_point"),
              st.fixed_dictionaries({"p_w": st.integers(-5, 5)})),
    st.tuples(st.just("query"), st.sampled_from(["voltage", "energy.import", "energy.export",
                                                 "set_point", "confirm"]),
              st.sampled_from(["", "value > 100", "t >= 60000 and value < 300", "t < 0"]),
              st.sampled_from(["last", "first", "max", "count", "values", "mean"])),
    st.tuples(st.just("event"), st.sampled_from(["voltage", "set_point", "energy.import"]),
              st.sampled_from(["", "value > 150"])),
    st.tuples(st.just("periodic"), st.sampled_from(["voltage", "set_point"]),
              st.sampled_from([47_300, 71_900])),
    st.tuples(st.just("unsubscribe"), st.integers(0, 5)),
    st.tuples(st.just("write"), st.sampled_from(["set_point", "confirm", "voltage"]),
              st.sampled_from([{"p_w": 3.5}, None, "yes", 7, 12.25, [1, "x", {"y": None}]])),
)  # fmt: skip


def played(desk: Bench, script: list[tuple[Any, ...]]) -> list[list[tuple[str, Any, int]]]:
    """Return what each request of a script brought."""
    asked: list[tuple[str, str]] = []
    for step, *rest in script:
        # who asks differs: each service has an association of its own
        service = "balancing" if len(asked) % 3 == 2 or step == "write" else "metering"
        if step == "read":
            variable, value = rest
            desk.run(0, desk.read(variable, value))
        elif step == "query":
            variable, condition, function = rest
            asked.append((desk.ask(step, variable, METER, condition=condition, function=function,
                                   service=service), service))  # fmt: skip
        elif step == "event":
            asked.append((desk.ask(step, rest[0], METER, condition=rest[1], service=service),
                          service))  # fmt: skip
        elif step == "unsubscribe":
            if asked:
                of, service = asked[rest[0] % len(asked)]
                asked.append((desk.ask(step, of, METER, service=service), service))
        else:
            asked.append((desk.ask(step, rest[0], METER, rest[1], service=service), service))
        desk.run(20_000)
    desk.run(30_000)
    return [
        [(result, value, round(t_ms, -2)) for result, value, t_ms in desk.told(request, service)]
        for request, service in asked
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=st.lists(OPERATIONS, max_size=14), level=st.sampled_from(LEVELS))
def test_services_hear_the_same_as_by_the_platforms_own_protocol(
    script: list[tuple[Any, ...]], level: str
) -> None:
    own, dlms = Bench("cbor", latency_ms=1), Bench("dlms", level, latency_ms=1)
    assert played(dlms, script) == played(own, script)
    assert not dlms.core.counters


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("lost", range(16))
def test_whatever_frame_is_lost_is_made_good(bench: Make, level: str, lost: int) -> None:
    sent = iter(range(10_000))
    desk = bench(level=level, fates=lambda _f, _t: () if next(sent) == lost else (20,))
    desk.run(0, desk.read("voltage", 230.0), desk.read("load_profile", PROFILE))
    asked = [desk.ask("query", "voltage", METER), desk.ask("event", "voltage", METER)]
    order = desk.ask("write", "set_point", METER, {"p_w": 1.0}, service="balancing")
    profile = desk.ask("query", "load_profile", METER, service="balancing")
    desk.run(100_000)
    desk.run(10_000, desk.read("voltage", 231.0))
    assert desk.told(asked[0]) == [("ok", 230.0, 0)]
    assert [one[0] for one in desk.told(asked[1])] == ["ok", "ok"]
    assert desk.told(order, "balancing") == [("ok", None, -1)]
    assert len(desk.bus.commands) == 1, "once, however often it was asked for"
    assert desk.told(profile, "balancing") == [("ok", PROFILE, 0)]
    assert not {key for key in desk.core.counters if key != "unexpected"}


@pytest.mark.parametrize("level", LEVELS)
def test_frames_may_come_twice_and_in_any_order(bench: Make, level: str) -> None:
    late = iter([20, 3, 50, 7, 31, 12] * 200)
    desk = bench(level=level, fates=lambda _f, _t: (at := next(late), at + 11))
    desk.run(0, desk.read("voltage", 230.0))
    asked = [desk.ask("query", "voltage", METER) for _ in range(5)]
    event = desk.ask("event", "voltage", METER)
    desk.run(1000)
    desk.run(10_000, *(desk.read("voltage", 230.0 + n, 2000 + n) for n in range(1, 30)))
    assert [desk.told(one)[0][1] for one in asked] == [230.0] * 5
    heard = [value for _, value, _ in desk.told(event)[1:]]
    assert sorted(heard) == [230.0 + n for n in range(1, 30)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_network_slower_than_the_callers_patience_is_enough(bench: Make, level: str) -> None:
    desk = bench(level=level, latency_ms=33_000)  # each is repeated before its answer is there
    desk.run(0, desk.read("voltage", 230.0))
    asked = desk.ask("query", "voltage", METER)
    desk.run(209_000)
    assert desk.told(asked) == [("ok", 230.0, 0)]
    assert not {key for key in desk.core.counters if key != "unexpected"}
    desk.core.kill(METER)
    desk.core.revive(METER)
    again = desk.ask("query", "voltage", METER)
    desk.run(700_000)
    once_more = desk.ask("query", "voltage", METER)
    desk.run(209_000)
    assert desk.told(again)[0][0] in ("ok", "timeout")
    assert desk.told(once_more) == [("ok", 230.0, 0)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("memory", ["volatile", "disk"])
@pytest.mark.parametrize("who", [METER, TOP])
def test_either_end_may_begin_anew(bench: Make, level: str, memory: str, who: str) -> None:
    desk = bench(level=level, memory=memory)
    desk.run(0, desk.read("voltage", 230.0))
    event = desk.ask("event", "voltage", METER)
    desk.run(10_000, desk.read("voltage", 231.0, 5_000))
    assert [one[1] for one in desk.told(event)] == [None, 231.0]
    desk.core.kill(who)
    desk.run(1_000)
    desk.core.revive(who)
    if who == TOP:
        event = desk.ask("event", "voltage", METER)
        desk.run(1_000)
        assert desk.told(event) == [("replaced", None, -1)]
    before = len(desk.bus.frames)
    asked = desk.ask("query", "voltage", METER)
    desk.run(10_000, desk.read("voltage", 232.0, desk.bus.now_ms + 5_000))
    assert desk.told(asked) == [("ok", 231.0, 5_000)]
    assert [one[1] for one in desk.told(event)][-1] == 232.0
    if who == METER:
        tags = [frame.payload[8] for frame in desk.bus.frames[before:]]
        assert tags[1:4] == [0xD8, 0x60, 0x61], "not associated, asks again"
    assert not desk.core.counters
    if level != "none":
        numbers = [counter_of(*one) for one in desk.payloads()]
        known = [one for one in numbers if one is not None]
        assert len(known) == len(set(known)) > 10, "no nonce comes twice"


def counter_of(src: str, payload: bytes) -> tuple[str, bytes] | None:
    """Return sender and invocation counter of a ciphered APDU."""
    apdu = payload[8:]
    if apdu[0] in (0xD8, 0x60, 0x61):
        return None
    head = 10 if apdu[0] == 0xDB else 1
    size = 1 + (apdu[head] & 0x7F if apdu[head] & 0x80 else 0)
    return src, apdu[head + size + 1 : head + size + 5]


@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_reader_with_other_keys_gets_nothing(bench: Make, level: str) -> None:
    desk = bench(level=level)
    desk.run(0, desk.read("voltage", 230.0))
    stranger = CHANNELS["dlms"](TOP, METER, CATALOGUE, MemoryNotebook())
    ours: Any = stranger
    ours.protect(level, b"somebody else's secret")
    query = Request(Operation.QUERY, f"{TOP}#1", TOP, "metering", "operator", "voltage", METER)
    (aarq,) = stranger.send(query, 0)
    plain = Wrapped(0x11, 1, Aarq(client="operator\x1fmetering").encoded()).encoded()
    for number, payload in enumerate((aarq, plain)):
        delivery = Delivery(f"x#{number}", "", TOP, METER, "metering", 1_000_000, payload)
        assert not [
            frame
            for frame in desk.core.step(desk.bus.now_ms, (), [delivery]).frames
            if frame.payload[8] != 0x61
        ]
    assert desk.core.counters["refused-signature"] >= 1
    asked = desk.ask("query", "voltage", METER)
    desk.run(1000)
    assert desk.told(asked) == [("ok", 230.0, 0)]


@pytest.mark.parametrize("level", LEVELS[1:])
def test_replays_and_changed_bits_are_refused_and_told(bench: Make, level: str) -> None:
    desk = bench(level=level)
    desk.run(0, desk.read("voltage", 230.0))
    desk.ask("event", "voltage", METER)
    order = desk.ask("write", "set_point", METER, {"p_w": 1.0}, service="balancing")
    desk.run(10_000, desk.read("voltage", 231.0, 5_000))
    assert desk.told(order, "balancing") == [("ok", None, -1)]
    desk.bus.run(11_000)
    recorded = [frame for frame in desk.bus.frames if frame.payload[8] not in (0x61, 0xD8)]
    heard = len(desk.probe().heard)
    for frame in recorded:
        flipped = bytearray(frame.payload)
        flipped[len(flipped) // 2] ^= 4
        for payload in (frame.payload, bytes(flipped)):
            again = Delivery("x#1", "", frame.src, frame.dst, frame.flow, 11_000_000, payload)
            out = desk.core.step(11_000, (), [again])
            assert not out.frames
            assert not out.commands
    refused = {key: n for key, n in desk.core.counters.items() if key.startswith("refused")}
    # where the bit was of what only wraps the APDU, it is as it was, and replayed all the same
    assert refused["refused-replayed"] >= len(recorded)
    assert refused["refused-signature"] >= len(recorded) - 4
    assert sum(refused.values()) + desk.core.counters["malformed"] == 2 * len(recorded)
    assert len(desk.probe().heard) == heard
    asked = desk.ask("query", "voltage", METER)
    desk.run(2000)
    assert desk.told(asked)[0][:2] == ("ok", 231.0)


@pytest.fixture
def bench() -> Make:
    return Bench


def recorded(level: str) -> list[tuple[str, bytes]]:
    """Return the frames of a conversation with all kinds of APDUs."""
    desk = Bench(level=level)
    desk.run(0, desk.read("voltage", 230.0), desk.read("load_profile", PROFILE))
    for operation, variable in (("query", "voltage"), ("event", "voltage"), ("query", "x.y")):
        desk.ask(operation, variable, METER)
    desk.ask("query", "voltage", METER, condition="t > 0", function="mean")
    desk.ask("write", "set_point", METER, {"p_w": 1.0}, service="balancing")
    desk.ask("query", "load_profile", METER, service="balancing")
    desk.run(3000)
    desk.run(3000, desk.read("voltage", 231.0))
    return desk.payloads()


NAMES = count()
RECORDED = {level: recorded(level) for level in LEVELS}


@settings(max_examples=200, deadline=None)
@given(level=st.sampled_from(LEVELS), data=st.data())
def test_garbage_changes_nothing_but_a_count(level: str, data: st.DataObject) -> None:
    src, payload = data.draw(st.sampled_from(RECORDED[level]))
    dst = METER if src == TOP else TOP
    notes = MemoryNotebook()
    end: Any = CHANNELS["dlms"](dst, src, CATALOGUE, notes)
    if level != "none":
        end.protect(level, bytes(32))
    kind = data.draw(st.sampled_from(["flip", "cut", "random", "spliced"]))
    bad = bytearray(payload)
    if kind == "flip":
        for _ in range(data.draw(st.integers(1, 4))):
            bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        bad = bad[: data.draw(st.integers(0, len(bad) - 1))]
    elif kind == "random":
        bad = bytearray(data.draw(st.binary(max_size=80)))
    else:
        _, other = data.draw(st.sampled_from(RECORDED[level]))
        bad = bad[:8] + other[data.draw(st.integers(0, len(other))) :]
        bad[6:8] = max(0, len(bad) - 8).to_bytes(2, "big")
    before = repr(notes._collections)
    try:
        end.receive(bytes(bad), "x#1", 0)
    except DecodeError:
        assert repr(notes._collections) == before


@settings(max_examples=80, deadline=None)
@given(level=st.sampled_from(LEVELS), data=st.data())
def test_no_flipped_frame_stops_a_run(level: str, data: st.DataObject) -> None:
    desk = Bench(level=level)
    desk.run(0, desk.read("voltage", 230.0), desk.read("load_profile", PROFILE))
    event = desk.ask("event", "voltage", METER)
    desk.ask("query", "load_profile", METER, service="balancing")
    desk.run(500)  # in the middle of a conversation
    for number in range(6):
        src, payload = data.draw(st.sampled_from(RECORDED[level]))
        bad = bytearray(payload)
        for _ in range(data.draw(st.integers(0, 3))):
            bad[data.draw(st.integers(8, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        dst = METER if src == TOP else TOP
        delivery = Delivery(f"{src}#{900 + number}", "", src, dst, "metering", 500_000, bytes(bad))
        desk.bus._settle(desk.core.step(desk.bus.now_ms, (), [delivery]))
    desk.run(300_000)
    asked = desk.ask("query", "voltage", METER)
    desk.run(100_000)
    assert [one[0] for one in desk.told(asked)] in (["ok"], ["denied"])
    if level != "none":
        assert desk.told(asked)[0][:2] == ("ok", 230.0)
        assert desk.told(event)[0][0] == "ok"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([TOP, METER]), st.binary(max_size=60)), max_size=20))
def test_units_go_on_after_garbage(garbage: list[tuple[str, bytes]]) -> None:
    desk = Bench(level="integrity+secrecy")
    desk.run(0, desk.read("voltage", 230.0))
    event = desk.ask("event", "voltage", METER)
    desk.run(1000)
    for number, (dst, payload) in enumerate(garbage):
        src = TOP if dst == METER else METER
        framed = Wrapped(0x11, 1, payload).encoded() if payload and number % 2 else payload
        delivery = Delivery(f"x#{number}", "", src, dst, "metering", 1_000_000, framed)
        assert not desk.core.step(desk.bus.now_ms, (), [delivery]).frames
    assert sum(desk.core.counters.values()) == len(garbage)
    asked = desk.ask("query", "voltage", METER)
    desk.run(5000, desk.read("voltage", 231.0, desk.bus.now_ms + 1000))
    assert desk.told(asked)[0][:2] == ("ok", 230.0)
    assert desk.told(event)[-1][1] == 231.0


def test_garbage_is_logged(bench: Make, caplog: pytest.LogCaptureFixture) -> None:
    desk = bench()
    with caplog.at_level(logging.INFO, "fernwatt.units"):
        for payload in (b"\x00\x01", b"", RECORDED["none"][0][1][:-1]):
            delivery = Delivery("x#1", "", TOP, METER, "metering", 0, payload)
            desk.core.step(0, (), [delivery])
    assert desk.core.counters == {"malformed": 3}
    assert len(caplog.records) == 3


def asked_of(desk: Bench, client: int, apdu: Any) -> Any:
    """Return a meter's answer to a client that is not ours."""
    payload = Wrapped(client, 1, encode_apdu(apdu)).encoded()
    name = f"{TOP}#{9000 + next(NAMES)}"
    delivery = Delivery(name, "", TOP, METER, "metering", 0, payload)
    out = desk.core.step(desk.bus.now_ms, (), [delivery])
    (frame,) = out.frames
    return decode_apdu(frame.payload[8:])


def test_any_client_finds_the_objects_that_the_standard_names(bench: Make) -> None:
    desk = bench()
    desk.run(2000, desk.read("energy.import", 10.0, 900), desk.read("energy.export", 2.0, 900),
             desk.read("energy.import", 11.0, 1800))  # fmt: skip
    aarq = Wrapped(0x20, 1, Aarq(client="operator\x1fmetering").encoded()).encoded()
    desk.core.step(2000, (), [Delivery("x#1", "", TOP, METER, "metering", 0, aarq)])

    def read(attribute: Attribute) -> Any:
        answer = asked_of(desk, 0x20, GetRequest(1, attribute))
        assert isinstance(answer, GetResponse)
        return answer.outcome

    energy = "1.0.1.8.0.255"
    assert read(Attribute(4, energy)) == Data(Tag.DOUBLE_LONG_UNSIGNED, 11)
    scaler = Data(Tag.INTEGER, 0), Data(Tag.ENUM, 30)
    assert read(Attribute(4, energy, 3)) == Data(Tag.STRUCTURE, scaler)
    assert read(Attribute(4, energy, 1)).value == bytes([1, 0, 1, 8, 0, 255])
    assert read(Attribute(3, energy)) == 4, "another class"
    assert read(Attribute(4, "1.0.9.9.9.255")) == 4
    assert read(Attribute(4, energy, 7)) == 4
    columns = read(Attribute(7, HISTORY.name, 3)).value
    assert [one.parts[0].value for one in columns] == [8, 4, 4, 4]
    rows = read(HISTORY).value
    assert [[cell.value for cell in row.parts[1:3]] for row in rows] == [[10, 2], [11, None]]
    refused = [
        asked_of(desk, 0x20, SetRequest(2, attribute, Data(Tag.DOUBLE_LONG_UNSIGNED, 5)))
        for attribute in (
            Attribute(4, energy),
            Attribute(4, energy, 5),
            Attribute(4, "9.9.9.9.9.9"),
        )
    ]
    assert refused == [SetResponse(2, 3), SetResponse(2, 3), SetResponse(2, 4)]
    assert asked_of(desk, 0x21, GetRequest(1, Attribute(4, energy))).state == 1, "no association"


@pytest.mark.parametrize("level", LEVELS)
def test_what_does_not_fit_goes_in_the_platforms_own_protocol(bench: Make, level: str) -> None:
    desk = bench(level=level)
    long = {"p_w": 1.0, "at": "x" * 2000}
    order = desk.ask("write", "set_point", METER, long, service="balancing")
    policy = desk.ask("write", "confirm", METER, 5, service="balancing",
                      policy=[["all", "all", 1, 0]])  # fmt: skip
    desk.run(2000)
    assert desk.told(order, "balancing") == [("ok", None, -1)]
    assert desk.told(policy, "balancing") == [("ok", None, -1)]
    asked = desk.ask("query", "set_point", METER, service="balancing")
    desk.run(2000)
    assert desk.told(asked, "balancing")[0][:2] == ("ok", long)
    own = [payload for _, payload in desk.payloads() if not payload.startswith(b"\0\1")]
    assert len(own) == 2
    assert not desk.core.counters


@pytest.mark.parametrize("level", ["none", "integrity+secrecy"])
@pytest.mark.parametrize("policies", [None, {}, {"voltage": [["all", "metering", 1, 5000]]}])
def test_a_copy_is_ruled_by_the_policy_that_came_with_it(
    level: str, policies: dict[str, Any] | None
) -> None:
    def copied(speaks: str) -> list[Any]:
        desk = Bench(speaks, level, copies=["voltage"], policies=policies)
        store, ruled = desk.core.unit(TOP).store, []
        desk.run(0, desk.read("voltage", 230.0))
        desk.ask("query", "voltage", METER)
        desk.run(6000)
        ruled.append(store.newest("voltage", "customer/a", METER).policy.plain())
        desk.ask("event", "voltage", METER)
        desk.run(6000)
        for number in range(4):
            desk.run(6000, desk.read("voltage", 231.0 + number))
            copy = store.newest("voltage", "customer/a", METER)
            ruled.append((copy.value, copy.policy.plain()))
        return ruled

    assert copied("dlms") == copied("cbor")
    assert len({str(one[1]) for one in copied("dlms")[1:]}) == 1


def test_what_is_read_of_the_past_is_open_to_its_owner_alone() -> None:
    desk = Bench(copies=["voltage"], policies={})
    desk.run(0, desk.read("voltage", 230.0))
    asked = desk.ask("query", "voltage", METER, condition="t >= 0")
    desk.run(1000)
    assert desk.told(asked) == [("ok", 230.0, 0)]
    copy = desk.core.unit(TOP).store.newest("voltage", "customer/a", METER)
    assert copy is not None
    assert copy.policy.plain() == []


def test_only_a_meter_is_a_server() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        CHANNELS["dlms"](TOP, "lvgmu/b", CATALOGUE, MemoryNotebook())
    units = [{"id": "cmu/a", "speaks": {TOP: "dlms"}}, {"id": TOP, "speaks": {"cmu/a": "dlms"}}]
    with pytest.raises(ScenarioError, match="exactly one"):
        UnitsCore({"units": units}, 1)
