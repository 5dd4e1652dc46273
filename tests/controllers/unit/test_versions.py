"""Units of different versions in one run: what one does not know is skipped, and nothing breaks."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.unit import CATALOGUE, Catalogue, Result, Variable
from controllers.unit.codec import CborCodec, DecodeError
from controllers.unit.packing import PackingError, unpack_value
from controllers.unit.policy import ALL, READ_WRITE, Grant
from controllers.unit.transit import Kind, Transit, decode_transit, encode_transit
from controllers.unit.wire import Notify, Operation, Request
from fernwatt.messages import Delivery
from tests.controllers.unit.test_levels import DMU, LINE, LOW, METER, TOP, begin, probe, settle

OPEN = (Grant(ALL, ALL, READ_WRITE),)
OLD = [
    Variable("old.value", 1, "number", "W", "unit", OPEN),
    Variable("record", 2, "record", "1", "unit", OPEN, fields=("a", "b")),
    Variable("gone.later", 3, "number", "W", "unit", OPEN),
]
NEW = [
    Variable("old.value", 1, "number", "W", "unit", OPEN),
    Variable("record", 2, "record", "1", "unit", OPEN, fields=("a", "b", "c", "d")),
    Variable("new.value", 4, "number", "W", "unit", OPEN),
]
KERNEL = [one for one in CATALOGUE if one.name in ("transit", "audit.log")]
OLDER, NEWER = CborCodec(Catalogue([*OLD, *KERNEL])), CborCodec(Catalogue([*NEW, *KERNEL]))
A, B = "lvgmu/a", "meter/a/x"


def write(variable: str, value: Any) -> Request:
    return Request(Operation.WRITE, f"{A}#7", A, "probe", "operator", variable, B, value)


def test_fields_that_a_newer_unit_adds_are_skipped_by_an_older_one() -> None:
    full = {"a": 1, "b": [1, 2], "c": 3, "d": list(range(20))}
    seen = OLDER.decode(NEWER.encode(write("record", full), A, B), A, B)
    assert seen.value == {"a": 1, "b": [1, 2]}
    # and what an older one says by name, since it has no number for it, is understood
    seen = NEWER.decode(OLDER.encode(write("record", full), A, B), A, B)
    assert seen.value == full


@pytest.mark.parametrize(
    ("wire", "fields"),
    [({"a": 1, 0: 2}, ("a",)), ({-1: 1}, ()), ({1 << 16: 1}, ()), ({0: list(range(8))}, ("a",))],
)
def test_what_no_version_says_is_refused_still(wire: Any, fields: tuple[str, ...]) -> None:
    with pytest.raises(PackingError):
        unpack_value(wire, fields)


def test_variables_that_only_one_has_are_refused_by_name_or_number() -> None:
    seen = OLDER.decode(NEWER.encode(write("new.value", 1.5), A, B), A, B)
    assert seen.variable == "code 4"
    seen = NEWER.decode(OLDER.encode(write("gone.later", 1.5), A, B), A, B)
    assert seen.variable == "code 3"


def newer(change: dict[int, Any]) -> bytes:
    """A newer unit's query of ``old.value``, with something more or else."""
    return cbor2.dumps({0: 2, 1: 7, 2: 1, 4: "probe", 5: "operator"} | change, canonical=True)


def test_further_keys_services_functions_and_results_are_taken_for_what_they_are() -> None:
    seen = OLDER.decode(newer({40: {"priority": "new"}, 4: 99, 8: 77}), A, B)
    assert (seen.service, seen.function) == ("code 99", "code 77")  # type: ignore[union-attr]
    answer = cbor2.dumps({0: 0, 1: 7, 10: 200, 41: 1}, canonical=True)
    seen = OLDER.decode(answer, B, A)
    assert seen.result is Result.MALFORMED  # type: ignore[union-attr]
    transit = encode_transit(Transit(Kind.NEWS, A, B, f"{B}#3", b"x"), A, "meter/z")
    longer = cbor2.loads(transit)
    more = cbor2.CBORTag(longer.tag, [*longer.value, {"new": 1}, 5])
    assert decode_transit(cbor2.dumps(more, canonical=True), A, "meter/z") == decode_transit(
        transit, A, "meter/z"
    )


@pytest.mark.requirement("CP-10")
@pytest.mark.parametrize("routing", ["direct", "levels"])
def test_a_newer_unit_is_told_at_once_what_an_older_one_does_not_know(
    routing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The top has a variable, a function and an operation that nobody else has."""
    bus = begin(routing=routing)
    asker, data = probe(bus), probe(bus).context.data
    encode = CborCodec.encode
    wire: dict[str, dict[int, Any]] = {}

    def newer_encode(self: CborCodec, message: Any, src: str, dst: str) -> bytes:
        payload = encode(self, message, src, dst)
        change = wire.get(message.id) if isinstance(message, Request) else None
        if change is not None:
            return cbor2.dumps(cbor2.loads(payload) | change, canonical=True)
        return payload

    monkeypatch.setattr(CborCodec, "encode", newer_encode)
    expected = {}
    for change, result in (
        ({2: 3999}, Result.UNKNOWN_VARIABLE),
        ({2: "weather.wind"}, Result.UNKNOWN_VARIABLE),
        ({8: 77}, Result.MALFORMED),
        ({0: 60}, Result.MALFORMED),
        ({90: ["what", "ever"]}, Result.NO_DATA),
    ):
        number = int(bus.core.unit(TOP).name().rpartition("#")[2])
        wire[f"{TOP}#{number + 1}"] = change
        issued = data.query("device.energy", DMU)
        expected[issued.id] = result
    settle(bus, 5000)
    assert {one.request: one.result for one in asker.heard} == expected
    assert not [event for event in bus.events if event.kind == "refused"]
    assert bus.core.counters["malformed"] == 0
    assert bus.core.counters["unknown-operation"] == 1


def test_units_on_the_way_carry_what_they_do_not_know() -> None:
    bus = begin()
    newest = Transit(Kind.REQUEST, TOP, DMU, f"{TOP}#9", b"x", 200, 9999, "operator", "probe")
    bus.core.unit(TOP)._post.carry(newest, cause="", dst=LINE[1], flow="metering")
    settle(bus)
    assert (LINE[-2], DMU) in [(frame.src, frame.dst) for frame in bus.frames]
    changes: dict[str, Any] = {METER: {"policies": {"transit": [["all", "all", 1, 0]]}}}
    bus = begin(**changes)  # where only reading may pass, nobody knows what this is
    bus.core.unit(TOP)._post.carry(newest, cause="", dst=LINE[1], flow="metering")
    settle(bus)
    assert METER in [event.element for event in bus.events if event.kind == "not_forwarded"]


any_cbor = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=6)
    | st.binary(max_size=12) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.integers(-2, 60) | st.text(max_size=3), inner, max_size=5),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=300)
@given(st.dictionaries(st.integers(0, 60), any_cbor, max_size=10), st.booleans())
def test_any_map_is_a_message_or_refused(data: dict[int, Any], good: bool) -> None:
    message: dict[int, Any] = {0: 2, 1: 7, 2: 1, 4: 0, 5: "operator"} if good else {}
    payload = cbor2.dumps(data | message, canonical=True)
    for codec in (OLDER, NEWER):
        try:
            seen = codec.decode(payload, A, B)
        except DecodeError:
            continue
        assert isinstance(seen, Request | Notify)


@settings(max_examples=300)
@given(st.lists(any_cbor, max_size=12), st.binary(max_size=40))
def test_any_transit_is_one_or_refused(fields: list[Any], noise: bytes) -> None:
    tagged = cbor2.dumps(cbor2.CBORTag(20_843, fields), canonical=True)
    good = encode_transit(Transit(Kind.ANSWER, B, A, f"{A}#3", noise), B, LOW)
    spoiled = bytearray(good)
    spoiled[len(noise) % len(good)] ^= 0x5A
    for payload in (tagged, noise, good[: len(noise)], good + noise, bytes(spoiled)):
        try:
            seen = decode_transit(payload, B, LOW)
        except DecodeError:
            continue
        assert decode_transit(encode_transit(seen, B, LOW), B, LOW) == seen


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(LINE[:-1]), st.binary(max_size=80)), max_size=6),
       st.sampled_from(["none", "integrity"]))  # fmt: skip
def test_a_unit_takes_any_bytes_from_anybody(frames: list[tuple[str, bytes]], level: str) -> None:
    bus = begin(security=level)
    prefix = bytes([0xD9, 20_843 >> 8, 20_843 & 0xFF])
    for number, (src, noise) in enumerate(frames):
        for payload in (noise, prefix + noise, b"\xa1" + noise, b"\xd2\x84" + noise):
            name = f"z#{number}"
            delivery = Delivery(name, "", src, DMU, "metering", 1000, payload)
            bus._settle(bus.core.step(bus.now_ms, deliveries=[delivery]))
    settle(bus)
    assert bus.commands == []
