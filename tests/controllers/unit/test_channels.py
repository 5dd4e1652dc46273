"""The seam between units and protocols: one with a state of its own, between two units."""

from __future__ import annotations

import hmac
import logging
from dataclasses import replace
from typing import Any

import cbor2
import pytest

from controllers.unit import Loopback, Result, UnitsCore
from controllers.unit.catalogue import Catalogue
from controllers.unit.channels import CHANNELS, Received, Reply, UnauthenticError
from controllers.unit.codec import CborCodec, DecodeError
from controllers.unit.notes import Notebook
from controllers.unit.wire import Message, Request
from fernwatt.errors import ScenarioError
from fernwatt.messages import Delivery, Reading

TOP, METER = "lvgmu/a", "meter/a/x"
HELLO, WELCOME, ALL = b"\x01", b"\x02", 3


class Polite:
    """Says hello before its first message; what waits for the welcome goes in one payload.

    It has no room for the numbers of requests, and remembers whom it answered.
    """

    def __init__(self, unit: str, peer: str, catalogue: Catalogue, notes: Notebook) -> None:
        self._unit, self._peer, self._codec = unit, peer, CborCodec(catalogue)
        self._notes, self._known = notes, False
        self._waiting: list[Message] = []
        self._key = b""

    def protect(self, level: str, secret: bytes) -> bool:
        self._key = secret
        return level == "integrity"

    def is_own(self, payload: bytes) -> bool:
        return payload[:1] != b"\x84"

    def _seal(self, content: bytes) -> bytes:
        return content + (hmac.digest(self._key, content, "sha256")[:8] if self._key else b"")

    def send(self, message: Message, t_ms: int) -> list[bytes]:
        if self._known:
            return [self._pack([message])]
        if all(other is not message for other in self._waiting):
            self._waiting.append(message)
        return [self._seal(HELLO)] if len(self._waiting) == 1 else []

    def _pack(self, messages: list[Message]) -> bytes:
        parts = [self._codec.encode(one, self._unit, self._peer) for one in messages]
        return self._seal(bytes([ALL]) + cbor2.dumps(parts))

    def receive(self, payload: bytes, identifier: str, t_ms: int) -> Received:
        if self._key:
            payload, tag = payload[:-8], payload[-8:]
            if not hmac.compare_digest(self._seal(payload)[-8:], tag):
                raise UnauthenticError("signature")
        if payload == HELLO:
            self._known = True
            return Received(replies=(Reply(self._seal(WELCOME)),))
        if payload == WELCOME:
            self._known, waiting, self._waiting = True, self._waiting, []
            if len(waiting) == 1:
                return Received(replies=(Reply(self._pack(waiting), waiting[0]),))
            return Received(replies=(Reply(self._pack(waiting)),))
        if payload[:1] != bytes([ALL]):
            raise DecodeError("neither hello, welcome nor messages")
        try:
            parts = cbor2.loads(payload[1:])
        except Exception as error:
            raise DecodeError("not CBOR") from error
        return Received([self._codec.decode(part, self._peer, self._unit) for part in parts])


@pytest.fixture
def polite(pair, monkeypatch):
    monkeypatch.setitem(CHANNELS, "polite", Polite)

    def make(**options: Any) -> Loopback:
        meter = options.pop("meter", {}) | {"speaks": {TOP: "polite"}}
        top = {"speaks": {METER: "polite"}} | options.pop("top", {})
        return pair(services=("metering",), meter=meter, top=top, **options)

    return make


def ask(bus: Loopback, variable: str = "voltage") -> str:
    return bus.core.service(TOP, "metering").context.data.query(variable, METER).id


def heard(bus: Loopback, request: str) -> list[Any]:
    return bus.core.service(TOP, "metering").outcomes(request)


def volts(value: float) -> Reading:
    return Reading("field#1", "", "i/x", "voltage", 0, 0, value, "V")


def test_a_protocol_may_wait_before_it_sends(polite) -> None:
    bus = polite()
    bus.run(0, [volts(230.0)])
    asked = ask(bus)
    bus.poke()
    bus.run(1000)
    assert [one.value for one in heard(bus, asked)] == [230.0]
    hello, welcome, request, answer = bus.frames
    assert (hello.payload, welcome.payload) == (HELLO, WELCOME)
    assert hello.id == asked
    assert [frame.src for frame in bus.frames] == [TOP, METER, TOP, METER]
    assert {frame.flow for frame in bus.frames} == {"metering"}
    # each by what made it happen, and the request by itself, too
    assert [frame.cause for frame in (welcome, request)] == [hello.id, welcome.id]
    assert {"id": request.id, "cause": asked} in bus.table("cause")
    assert answer.cause == asked
    again = ask(bus)
    bus.poke()
    bus.run(2000)
    assert [one.value for one in heard(bus, again)] == [230.0]
    assert len(bus.frames) == 6


def test_a_payload_may_bring_several_messages(polite) -> None:
    bus = polite()
    bus.run(0, [volts(230.0)])
    asked = [ask(bus), ask(bus), ask(bus, "weather.wind")]
    bus.poke()
    bus.run(1000)
    assert [heard(bus, one)[0].result for one in asked] == [
        Result.OK, Result.OK, Result.UNKNOWN_VARIABLE,
    ]  # fmt: skip
    assert [frame.src for frame in bus.frames] == [TOP, METER, TOP, METER, METER, METER]


def test_an_unanswered_request_is_given_to_the_protocol_again(polite) -> None:
    lost = iter([True, False, True])  # the first hello, and the first request

    def fates(frame: Any, _t_ms: int) -> tuple[int, ...]:
        return () if frame.src == TOP and next(lost, False) else (20,)

    bus = polite(fates=fates)
    bus.run(0, [volts(230.0)])
    asked = ask(bus)
    bus.poke()
    bus.run(200_000)
    assert [one.result for one in heard(bus, asked)] == [Result.OK]
    repeats = [frame for frame in bus.frames if frame.src == TOP and frame.cause == asked]
    assert len(repeats) == 2


@pytest.mark.parametrize("payload", [b"", b"?", bytes([ALL]), bytes([ALL]) + cbor2.dumps([b"x"])])
def test_what_no_protocol_understands_is_counted_and_logged(polite, caplog, payload) -> None:
    bus = polite()
    with caplog.at_level(logging.INFO, "fernwatt.units"):
        out = bus.core.step(1, (), [Delivery("x#1", "", TOP, METER, "metering", 1000, payload)])
    assert not out.frames
    assert bus.core.counters == {"malformed": 1}
    assert [record.message.split(":")[0] for record in caplog.records] == [METER]


def test_a_protocol_with_protection_of_its_own_needs_no_envelope(polite) -> None:
    bus = polite(spec={"security": "integrity"})
    bus.run(0, [volts(230.0)])
    asked = ask(bus)
    bus.poke()
    bus.run(1000)
    assert [one.value for one in heard(bus, asked)] == [230.0]
    assert bus.frames[0].payload[:1] == HELLO
    assert len(bus.frames[0].payload) == 9
    forged = replace(bus.frames[2], payload=bus.frames[2].payload[:-1] + b"?")
    delivery = Delivery("x#1", "", TOP, METER, "metering", 2_000_000, forged.payload)
    out = bus.core.step(2000, (), [delivery])
    assert not out.frames
    assert [(event.kind, event.value) for event in out.events] == [
        ("refused", {"src": TOP, "why": "signature"})
    ]
    assert bus.core.counters == {"refused-signature": 1}


def test_one_without_is_sealed_by_whoever_asks(polite) -> None:
    bus = polite(spec={"security": "integrity+secrecy"})
    bus.run(0, [volts(230.0)])
    asked = ask(bus)
    bus.poke()
    bus.run(1000)
    assert [one.value for one in heard(bus, asked)] == [230.0]
    assert all(len(frame.payload) > 140 for frame in bus.frames)


def test_symmetric_protection_costs_no_signature(polite) -> None:
    def ready_us(level: str) -> list[int]:
        bus = polite(spec={"security": level})
        ask(bus)
        bus.poke()
        return [frame.ready_us for frame in bus.frames]

    none, integrity, sealed = (ready_us(level) for level in ("none", "integrity",
                                                             "integrity+secrecy"))  # fmt: skip
    assert none[0] <= integrity[0] < sealed[0] - 200


def test_both_ends_must_speak_the_same(monkeypatch) -> None:
    monkeypatch.setitem(CHANNELS, "polite", Polite)
    low: dict[str, Any] = {"id": METER}
    top: dict[str, Any] = {"id": TOP, "speaks": {METER: "polite"}}
    with pytest.raises(ScenarioError, match="speaks polite to meter/a/x, that cbor back"):
        UnitsCore({"units": [top, low]}, 1)
    low["speaks"] = {TOP: "morse"}
    with pytest.raises(ScenarioError, match="there is no protocol 'morse'") as caught:
        UnitsCore({"units": [top, low]}, 1)
    assert "units[1].speaks.lvgmu/a" in str(caught.value)
    low["speaks"] = {TOP: "polite", "broker/b": "polite"}
    UnitsCore({"units": [top, low]}, 1)  # a peer that is no unit is taken to understand


def test_a_factory_says_why_two_cannot_speak(monkeypatch) -> None:
    def refuse(*_: Any) -> Any:
        raise ValueError("one of the two must be a meter")

    monkeypatch.setitem(CHANNELS, "picky", refuse)
    units = [{"id": TOP, "speaks": {METER: "picky"}}, {"id": METER, "speaks": {TOP: "picky"}}]
    with pytest.raises(ScenarioError, match="one of the two must be a meter"):
        UnitsCore({"units": units}, 1)


def test_the_platforms_own_protocol_is_a_channel_too(pair) -> None:
    from controllers.unit.catalogue import CATALOGUE
    from controllers.unit.notes import MemoryNotebook
    from controllers.unit.wire import Operation

    ends = [CHANNELS["cbor"](a, b, CATALOGUE, MemoryNotebook())
            for a, b in ((TOP, METER), (METER, TOP))]  # fmt: skip
    request = Request(Operation.QUERY, f"{TOP}#7", TOP, "metering", "operator", "voltage", METER)
    (payload,) = ends[0].send(request, 0)
    assert ends[1].receive(payload, "x#1", 0) == Received((request,))
    speaking = pair(top={"speaks": {METER: "cbor"}}, meter={"speaks": {TOP: "cbor"}})
    assert not speaking.core.unit(TOP)._post._channels
