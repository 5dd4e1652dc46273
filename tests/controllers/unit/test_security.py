"""Units that sign and encrypt: the same outcomes, and nothing for who meddles with the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cbor2
import pytest

from controllers.security.envelope import LEVELS
from controllers.unit import Loopback, Result
from controllers.unit.codec import CborCodec
from fernwatt.messages import Delivery, Frame, Reading

TOP, METER = "lvgmu/a", "meter/a/x"
SAFE = ["integrity", "integrity+secrecy"]
SET = {"p_w": 1000.0, "until_ms": 10_000_000}
POLICY = {"policies": {"set_point": [["operator", "all", 3, 0]], "voltage": [["all", "all", 1, 0]]}}


def reading(number: int, t_ms: int, value: float) -> Reading:
    return Reading(f"i/x#{number}", "", "i/x", "voltage", t_ms, t_ms, value, "V")


def delivered(frame: Frame, t_ms: int, **changes: object) -> Delivery:
    values = {key: getattr(frame, key) for key in ("id", "cause", "src", "dst", "flow", "payload")}
    return Delivery(**{**values, "t_arrival_us": t_ms * 1000, **changes})  # type: ignore[arg-type]


def ordered(make: Callable[..., Loopback], level: str) -> tuple[Loopback, Frame]:
    """Have the operator write a set-point; return the frame that carried it."""
    bus = make(meter=POLICY, spec={"security": level})
    bus.run(0)
    context = bus.core.unit(TOP).context("probe")
    issued = context.write("set_point", METER, SET)
    bus.poke()
    bus.run(60_000)
    assert [command.action for command in bus.commands] == ["set_power"]
    (frame,) = [one for one in bus.frames if one.id == issued.id]
    return bus, frame


def refusals(bus: Loopback) -> list[str]:
    return [str(event.value["why"]) for event in bus.events if event.kind == "refused"]  # type: ignore[index]


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_outcomes_are_the_same_at_every_level(pair: Callable[..., Loopback], level: str) -> None:
    bus = pair(meter=POLICY, spec={"security": level})
    bus.run(0)
    context = bus.core.unit(TOP).context("probe")
    context.event("voltage", METER)
    context.query("energy.import", METER)
    context.write("set_point", METER, SET)
    bus.poke()
    bus.run(100_000, [reading(n, 1000 * n, 230.0 + n) for n in range(1, 20)])
    probe = bus.core.service(TOP, "probe")
    heard = [one.value for one in probe.heard if one.variable == "voltage" and one.value]  # type: ignore[attr-defined]
    assert heard == [230.0 + n for n in range(1, 20)]
    results = {row["operation"]: row["result"] for row in bus.table("request")}
    assert results == {"event": "ok", "query": Result.DENIED.label, "write": "ok"}
    assert refusals(bus) == []


def test_security_costs_bytes_and_time(pair: Callable[..., Loopback]) -> None:
    sizes, ready = [], []
    for level in ("none", "integrity", "integrity+secrecy"):
        _, frame = ordered(pair, level)
        sizes.append(len(frame.payload))
        ready.append(frame.ready_us)
    assert sizes == sorted(sizes)
    assert 85 <= sizes[1] - sizes[0] <= 95
    assert 45 <= sizes[2] - sizes[1] <= 55
    assert ready == sorted(ready)
    assert ready[1] - ready[0] >= 300  # an embedded processor's signature


@pytest.mark.requirement("SP-02")
@pytest.mark.parametrize("level", SAFE)
def test_a_replayed_order_is_carried_out_once(pair: Callable[..., Loopback], level: str) -> None:
    bus, frame = ordered(pair, level)
    for t_ms in (61_000, 62_000, 3_600_000):
        bus.run(t_ms)
        bus._settle(bus.core.step(t_ms, deliveries=[delivered(frame, t_ms)]))
    assert len(bus.commands) == 1
    assert refusals(bus) == ["replayed", "replayed", "stale"]


def test_without_security_a_replayed_order_is_only_stopped_while_it_is_remembered(
    pair: Callable[..., Loopback],
) -> None:
    bus, frame = ordered(pair, "none")
    forged = CborCodec.encode  # anybody can make such a frame: change its number
    message = bus.core._around.codec.decode(frame.payload, frame.src, frame.dst)
    payload = forged(bus.core._around.codec, replace(message, id=f"{TOP}#9999"), TOP, METER)
    bus._settle(bus.core.step(61_000, deliveries=[delivered(frame, 61_000, payload=payload)]))
    assert len(bus.commands) == 2


@pytest.mark.parametrize("level", SAFE)
def test_no_changed_bit_has_an_effect(pair: Callable[..., Loopback], level: str) -> None:
    bus, frame = ordered(pair, level)
    for bit in range(8 * len(frame.payload)):
        changed = bytearray(frame.payload)
        changed[bit // 8] ^= 1 << bit % 8
        t_ms = 61_000 + 2 * bit  # or its processor's queue overflows
        bad = delivered(frame, t_ms, payload=bytes(changed))
        bus._settle(bus.core.step(t_ms, deliveries=[bad]))
    assert len(bus.commands) == 1
    assert len(refusals(bus)) == 8 * len(frame.payload)


@pytest.mark.parametrize("level", SAFE)
def test_nobody_speaks_for_another(pair: Callable[..., Loopback], level: str) -> None:
    bus, frame = ordered(pair, level)
    # from another address; sealed by the meter itself, which then says it is the operator's unit
    stolen = delivered(frame, 61_000, src=METER, dst=TOP)
    core = bus.core
    meter = core.unit(METER)
    message = core._around.codec.decode(
        core._around.codec.encode(_request(core, frame, level), TOP, METER), TOP, METER
    )
    sealed = meter._post._envelope.seal(
        core._around.codec.encode(message, TOP, METER), METER, 61_000, "customer/a", "probe"
    )
    spoofed = delivered(frame, 61_000, payload=sealed)
    bus._settle(core.step(61_000, deliveries=[stolen, spoofed]))
    assert len(bus.commands) == 1
    assert len(refusals(bus)) == 2


def _request(core: object, frame: Frame, level: str) -> object:
    envelope = core.unit(METER)._post._envelope  # type: ignore[attr-defined]
    wire = frame.payload
    if level == "integrity+secrecy":
        aad = envelope._context(TOP, METER)
        wire = envelope._keys.decrypt(wire, aad, TOP, envelope._known.agreement(TOP))
    payload = cbor2.loads(wire).value[2]
    message = core._around.codec.decode(payload, TOP, METER)  # type: ignore[attr-defined]
    return replace(message, id=f"{TOP}#9999")


@pytest.mark.parametrize("level", SAFE)
def test_a_service_does_not_speak_for_another_stakeholder(
    pair: Callable[..., Loopback], level: str
) -> None:
    bus, frame = ordered(pair, level)
    core = bus.core
    request = replace(
        _request(core, frame, level), source=METER, stakeholder="operator", id=f"{METER}#9999"
    )  # type: ignore[type-var]
    payload = core._around.codec.encode(replace(request, location=TOP), METER, TOP)
    wire = core.unit(METER)._post._envelope.seal(payload, TOP, 61_000, "customer/a", "probe")
    bus._settle(
        core.step(61_000, deliveries=[delivered(frame, 61_000, src=METER, dst=TOP, payload=wire)])
    )
    assert refusals(bus) == ["identity"]


def test_secret_messages_show_nothing_of_their_content(pair: Callable[..., Loopback]) -> None:
    for level, seen in (("integrity", True), ("integrity+secrecy", False)):
        bus, _ = ordered(pair, level)
        wire = b"".join(one.payload for one in bus.frames)
        assert (b"operator" in wire) is seen
