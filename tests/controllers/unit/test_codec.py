"""The wire format: what is sent arrives, what is broken is refused."""

from __future__ import annotations

from base64 import b64encode

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.security.envelope import LEVELS, make_envelope
from controllers.security.keys import Keys, PublicKeys
from controllers.unit import CATALOGUE, Result, UnitsCore
from controllers.unit.codec import CborCodec, DecodeError
from controllers.unit.packing import PackingError, pack_value, unpack_value
from controllers.unit.wire import Notify, Operation, Request, ValueRefusedError, clean_value
from simulators.network.core import NetworkCore

CODEC = CborCodec(CATALOGUE)
A, B = "lvgmu/a", "meter/a/x"

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
names = st.sampled_from([variable.name for variable in CATALOGUE]) | st.just("weather.wind")
numbers = st.integers(1, 2**40)

requests = st.builds(
    Request,
    operation=st.sampled_from([one for one in Operation if one]),
    id=numbers.map(lambda n: f"{A}#{n}"),
    source=st.just(A),
    service=st.sampled_from(["metering", "aggregation", "balancing", "other"]),
    stakeholder=st.sampled_from(["operator", "customer/a"]),
    variable=names,
    location=st.sampled_from([B, "meter/a/y"]),
    value=values,
    condition=st.sampled_from(["", "value > 3"]),
    function=st.sampled_from(["last", "integral", "percentile:5"]),
    period_ms=st.integers(0, 2**40),
    subscription=st.just("") | numbers.map(lambda n: f"{A}#{n}"),
    policy=st.none() | st.just([["all", "balancing", 3, 0]]),
)
notifies = st.builds(
    Notify,
    request=numbers.map(lambda n: f"{B}#{n}"),
    result=st.sampled_from(Result),
    variable=names,
    location=st.sampled_from([A, "meter/a/y"]),
    owner=st.sampled_from(["", "customer/a"]),
    value=values,
    t_ms=st.integers(-(2**50), 2**50),
    number=st.integers(0, 2**30),
)


@given(requests | notifies)
def test_what_is_encoded_decodes_to_the_same(message) -> None:
    payload = CODEC.encode(message, A, B)
    assert CODEC.decode(payload, A, B) == message
    assert CODEC.encode(CODEC.decode(payload, A, B), A, B) == payload


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=120)
    | st.dictionaries(
        st.sampled_from(["child", "p", "d", "other"]),
        st.lists(st.integers(-(2**15), 2**15), max_size=120) | values,
        max_size=4,
    )
)
def test_profiles_and_records_keep_their_values(value) -> None:
    message = Notify(f"{B}#1", Result.OK, "balancing.profile", A, "", value, 5)
    payload = CODEC.encode(message, A, B)
    assert CODEC.decode(payload, A, B) == message


@given(st.binary(max_size=40))
def test_bytes_in_a_record_go_as_bytes(raw) -> None:
    record = {"block_b64": b64encode(raw).decode(), "text": "YWJj", "bad_b64": "not base64"}
    wire = pack_value(record, ("block_b64",))
    assert wire == {0: raw, "text": "YWJj", "bad_b64": "not base64"}
    assert unpack_value(wire, ("block_b64",)) == record


def test_a_profile_takes_little_more_than_a_byte_for_each_quarter_hour() -> None:
    day = [round(40 + 30 * (i % 7) - i / 3) for i in range(96)]
    record = {"child": "cmu/a/x", "negotiation": 137906, "round": 1, "p": day}
    request = Request(Operation.WRITE, f"{A}#1", A, "balancing", "operator", "balancing.profile",
                      B, record)  # fmt: skip
    assert len(CODEC.encode(request, A, B)) < 96 + 60
    assert len(cbor2.dumps(day)) > 180


@pytest.mark.parametrize(
    "wire",
    [
        list(range(8)),  # long enough to be packed
        {"child": 1, 0: 1},  # a field by its name, too
        {-1: 1},  # no such field
        {"a_b64": "YWJj"},  # bytes as text
        {0: cbor2.CBORTag(20_842, b"12345678")},
        cbor2.CBORTag(20_841, b"\x80"),  # cut off
        cbor2.CBORTag(20_841, b"\x81\x00" * 8),  # longer than needed
        cbor2.CBORTag(20_841, b"\xff" * 12 + b"\x01"),
        cbor2.CBORTag(20_841, b"\xfe" + b"\xff" * 8 + b"\x01" + b"\x02" * 8),  # beyond 64 bits
        cbor2.CBORTag(20_841, b"1234567"),  # too few
    ],
)
def test_values_have_one_form_on_the_wire(wire) -> None:
    with pytest.raises(PackingError):
        unpack_value(wire, ("child", "p"))
    assert unpack_value(pack_value([*range(8)]), ()) == [*range(8)]


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_and_nothing_else_raised(payload) -> None:
    try:
        message = CODEC.decode(payload, A, B)
    except DecodeError:
        return
    assert CODEC.encode(message, A, B)


@given(requests | notifies, st.data())
def test_bit_flips_and_cuts_never_raise_anything_else(message, data) -> None:
    payload = bytearray(CODEC.encode(message, A, B))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(payload)))
    for broken in (bytes(payload), bytes(payload[:cut])):
        try:
            CODEC.decode(broken, A, B)
        except DecodeError:
            continue


GOOD = {0: 2, 1: 7, 2: 3, 4: 0, 5: "operator"}


def test_the_good_message_of_the_next_tests_is_good() -> None:
    assert CODEC.decode(cbor2.dumps(GOOD, canonical=True), A, B).variable == "voltage"


@pytest.mark.parametrize(
    "change",
    [{0: 9}, {0: None}, {0: True}, {1: -1}, {1: "7"}, {1: 2**64}, {2: 1.5}, {4: 1 << 16}, {4: None},
     {5: 3}, {5: "x" * 2000}, {6: float("nan")}, {6: float("inf")}, {6: b"x"}, {6: {-1: 2}},
     {6: 2**64}, {7: 4}, {8: []}, {9: -5}, {15: "a"}, {"x": 1}],
)  # fmt: skip
def test_wrong_types_are_refused(change) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(cbor2.dumps(GOOD | change, canonical=True), A, B)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        cbor2.dumps(GOOD, canonical=True) + b"\x00",
        bytes.fromhex("a200020002"),
        bytes.fromhex("a20103000" + "2"),
        bytes.fromhex("a1001802"),
        bytes.fromhex("bf0002ff"),
        bytes.fromhex("9b7fffffffffffffff"),
        b"\xa1\x00" + b"\x81" * 5000 + b"\x00",
        cbor2.dumps([1]),
        cbor2.dumps({0: 2, 6: cbor2.CBORTag(1000, 1)}),
    ],
)
def test_forms_that_are_not_the_one_are_refused(payload) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(payload, A, B)


@pytest.mark.requirement("CP-10")
def test_fields_and_variables_of_a_newer_version_are_skipped() -> None:
    newer = GOOD | {2: 4000, 40: {"priority": "new"}, 41: 1}
    message = CODEC.decode(cbor2.dumps(newer, canonical=True), A, B)
    assert message.variable == "code 4000"
    assert CATALOGUE.get(message.variable) is None
    named = CODEC.decode(cbor2.dumps(GOOD | {2: "weather.wind"}, canonical=True), A, B)
    assert named.variable == "weather.wind"


def test_messages_are_small() -> None:
    reading = Notify(f"{B}#4", Result.OK, "energy.import", A, "", 1234.567, 900_000, 3)
    assert len(CODEC.encode(reading, A, B)) <= 32
    four = Notify(f"{B}#4", Result.OK, "weather.four", A, "", [1.1, 2.2, 3.3, 4.4], 900_000, 3)
    keys, known = Keys(A, bytes(32)), PublicKeys()
    known.trust_agreement(B, Keys(B, bytes(32)).public_agreement())
    sealed = {
        level: len(
            make_envelope(level, "run", keys, known).seal(CODEC.encode(four, A, B), B, 900_000)
        )
        for level in LEVELS
    }
    assert sealed["none"] < sealed["integrity"] < 200
    assert sealed["integrity+secrecy"] < 250


@pytest.mark.parametrize(
    "value", [float("nan"), [float("inf")], 2**63, {1: 2}, object(), b"x", {"a": {1, 2}}]
)
def test_a_value_that_is_not_json_is_refused(value) -> None:
    if value == {1: 2}:
        assert clean_value(value) == {"1": 2}  # as JSON itself does
        return
    with pytest.raises(ValueRefusedError):
        clean_value(value)


def test_a_value_is_a_copy() -> None:
    inner = [1, 2]
    copy = clean_value({"a": inner})
    inner.append(3)
    assert copy == {"a": [1, 2]}


def test_nesting_has_an_end() -> None:
    deep = value = []
    for _ in range(50):
        value.append([])
        value = value[0]
    with pytest.raises(ValueRefusedError):
        clean_value(deep)


@pytest.mark.requirement("CP-06")
def test_four_values_of_a_meter_signed_take_less_than_200_bytes_of_the_network() -> None:
    """From the unit's request to the network's books: what is encoded is what is carried."""
    day = {"start_ms": 0, "step_ms": 900_000, "import_wh": [251.4, 250.1, 249.9, 612.7],
           "export_wh": [0.0, 0.0, 0.0, 0.0]}  # fmt: skip
    services = {"metering": {}}
    spec = {
        "units": [
            {"id": "meter/a/1", "owner": "operator", "services": services, "parent": "lvgmu/a"},
            {"id": "lvgmu/a", "owner": "operator", "children": ["meter/a/1"]},
        ],
        "security": "integrity",
    }

    class Writer:
        name = "metering"

        def start(self, context):
            context.data.write("load_profile", "lvgmu/a", day)

        def notify(self, notification): ...

        def timer(self, name): ...

    core = UnitsCore(spec, 1, factories={"metering": lambda *_: Writer()})
    (frame,) = core.step(0).frames
    assert 92 < len(frame.payload) <= 200
    medium = {"id": "m", "technology": "plc-g3", "members": ["lvgmu/a", "meter/a/1"],
              "root": "lvgmu/a"}  # fmt: skip
    nodes = [{"id": node} for node in medium["members"]]
    network = NetworkCore({"nodes": nodes, "media": [medium], "links": []}, 1)
    network.advance(0)
    network.inject(0, [frame])
    while (due_ms := network.next_ms()) is not None and due_ms < 10_000:
        network.advance(due_ms)
    network.close(10_000)
    (row,) = [dict(rows) for name, rows in network.rows() if name == "message"]
    assert row["fate"] == ["delivered"]
    assert row["bytes"] == [len(frame.payload)]
    # IPv6 and UDP, adaptation, MAC and PHY headers of G3, once if nothing was repeated
    assert row["attempts"] == [row["hops"][0]]
    assert 20 < row["wire_bytes"][0] - len(frame.payload) < 80
