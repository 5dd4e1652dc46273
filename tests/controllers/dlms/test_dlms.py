"""APDUs of DLMS/COSEM, byte for byte as other implementations have them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.dlms.apdu import (
    ActionRequest,
    ActionResponse,
    Attribute,
    DataNotification,
    ExceptionResponse,
    GetBlock,
    GetListRequest,
    GetListResponse,
    GetNext,
    GetRequest,
    GetResponse,
    SetRequest,
    SetResponse,
    decode_apdu,
    decode_outcomes,
    encode_apdu,
    encode_outcomes,
)
from controllers.dlms.association import Aare, Aarq, read_aare, read_aarq
from controllers.dlms.axdr import Data, DlmsError, Reader, Tag, encode
from controllers.dlms.ciphering import Ciphering, ReplayedError, SuiteKeys, UntrueError
from controllers.dlms.clock import from_clock, to_clock
from controllers.dlms.history import selection
from controllers.dlms.objects import HISTORY, CosemObject, objects_of
from controllers.dlms.pushes import Wanted, mark_of, read_wanted, wanted
from controllers.dlms.values import from_data, to_data
from controllers.dlms.wrapper import Wrapped
from controllers.unit.catalogue import CATALOGUE

# APDUs as gurux_dlms 1.0.203 makes them (its client; the push is its server's)
GOLDEN = {
    "aarq": "601da109060760857405080101be10040e01000000065f1f0400401e5dffff",
    "aarq with password": (
        "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10"
        "040e01000000065f1f0400401e5dffff"
    ),
    "aarq ciphered": (
        "6049a109060760857405080103a60a04084d4d4d0000bc614e8a0207808b0760857405080200be23"
        "0421211f3001234567801212ff9d0558536867253843e146830127db113047b05492b9"
    ),
    "aarq with challenge": (
        "6059a109060760857405080103a60a04084d4d4d0000bc614e8a0207808b0760857405080205ac0e"
        "800c0102030405060708090a0b0cbe230421211f3001234567801212ff9d0558536867253843e146"
        "830127db113047b05492b9"
    ),
    "proof": (
        "cb3130012345688b7f56f92cbdfb683823bb5aff034d6c88f3cc6c749f73a096e2b599c7124266bf"
        "3ca2833f3193fea7b5fcc7"
    ),
    "get": "c001c100030100010800ff0200",
    "get ciphered": "c81e3001234568887f56f920bcfb413023bb59fecf9c1dd99ded28626b3ebf95",
    "get authenticated": "c81e1001234567c001c100040100010800ff020091088fe0e635418faca3a951",
    "get of suite 1": "c81e31012345674113d3ff9f5b47566027c467bcd8bb6d70ef2b5d7d604c12f0",
    "get of a list": "c003c10200040100010800ff020000040100010800ff0500",
    "set": "c101c100030100010800ff020006000004d2",
    "set of a push set-up": (
        "c101c100280001190900ff02000103020412002809060001190900ff0f0112000002041200040906"
        "0100010800ff0f02120000020412000409060100010800ff0f05120000"
    ),
    "push": "0fc000000100020309060001190900ff06000004d2090c07d00101ff000f0000000000",
    "action": "c301c100010000810000ff01010903010203",
    "get by range": (
        "c001c100070100630100ff0201010204020412000809060000010000ff0f02120000090c07ea0101"
        "ff00000000000000090c07ea0102ff000000000000000100"
    ),
}
FRAMES = {name: bytes.fromhex(text) for name, text in GOLDEN.items()}
TITLE = bytes.fromhex("4D4D4D0000BC614E")
KEYS = SuiteKeys(
    bytes.fromhex("000102030405060708090A0B0C0D0E0F"),
    bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"),
)
SUITE_1 = SuiteKeys(KEYS.encryption, KEYS.authentication, 1)
ENERGY = Attribute(3, "1.0.1.8.0.255")
OBJECTS = objects_of(CATALOGUE)
PROFILE = Attribute(7, "1.0.99.1.0.255")
OTHERS = 0x401E5D


def u32(value: int) -> Data:
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def octets(text: str) -> Data:
    return Data(Tag.OCTET_STRING, bytes.fromhex(text))


def register(name: str) -> CosemObject:
    found = OBJECTS.of(name)
    assert found is not None
    return found


def test_requests_are_those_of_another_client() -> None:
    assert encode_apdu(GetRequest(1, ENERGY)) == FRAMES["get"]
    assert encode_apdu(SetRequest(1, ENERGY, u32(1234))) == FRAMES["set"]
    column = Data(
        Tag.STRUCTURE,
        (
            Data(Tag.LONG_UNSIGNED, 8),
            octets("0000010000ff"),
            Data(Tag.INTEGER, 2),
            Data(Tag.LONG_UNSIGNED, 0),
        ),
    )
    times = octets("07ea0101ff00000000000000"), octets("07ea0102ff00000000000000")
    parameters = Data(Tag.STRUCTURE, (column, *times, Data(Tag.ARRAY, ())))
    request = GetRequest(1, PROFILE, (1, parameters))
    assert encode_apdu(request) == FRAMES["get by range"]
    assert decode_apdu(FRAMES["get by range"]) == request


def test_the_objects_of_a_meter_are_asked_for_as_another_client_does() -> None:
    energy = register("energy.import")
    assert energy.reads == (Attribute(4, ENERGY.name), Attribute(4, ENERGY.name, 5))
    asked = GetListRequest(1, tuple((one, None) for one in energy.reads))
    assert encode_apdu(asked) == FRAMES["get of a list"]
    attribute, data = wanted(1, Wanted(energy))
    assert encode_apdu(SetRequest(1, attribute, data)) == FRAMES["set of a push set-up"]
    assert read_wanted(attribute, data, OBJECTS) == Wanted(energy)
    method = Attribute(1, "0.0.129.0.0.255", 1)
    action = ActionRequest(1, method, Data(Tag.OCTET_STRING, b"\1\2\3"))
    assert encode_apdu(action) == FRAMES["action"]
    for name in ("get of a list", "set of a push set-up", "action"):
        assert encode_apdu(decode_apdu(FRAMES[name])) == FRAMES[name]


def test_what_another_server_pushes_is_understood() -> None:
    pushed = decode_apdu(FRAMES["push"])
    assert isinstance(pushed, DataNotification)
    name, content = mark_of(pushed.data)
    assert (name, pushed.number) == ("0.1.25.9.0.255", 1)
    assert register("energy.import").decode(content) == (1234.0, 900_000)


def test_associations_are_those_of_another_client() -> None:
    assert Aarq(OTHERS).encoded() == FRAMES["aarq"]
    assert Aarq(OTHERS, password=b"12345678").encoded() == FRAMES["aarq with password"]
    assert read_aarq(FRAMES["aarq with password"]) == Aarq(OTHERS, password=b"12345678")
    server = Ciphering(KEYS, bytes(8), TITLE)
    assert read_aarq(FRAMES["aarq ciphered"], server) == Aarq(OTHERS, title=TITLE)
    challenge = bytes(range(1, 13))
    aarq = Aarq(OTHERS, title=TITLE, challenge=challenge)
    client = Ciphering(KEYS, TITLE, bytes(8), counter=0x01234567)
    assert aarq.encoded(client) == FRAMES["aarq with challenge"]
    assert read_aarq(FRAMES["aarq with challenge"], Ciphering(KEYS, bytes(8), TITLE)) == aarq


def test_the_answer_to_a_challenge_is_that_of_another_client() -> None:
    server = Ciphering(KEYS, bytes(8), TITLE)
    proof = decode_apdu(server.unprotect(FRAMES["proof"]))
    assert isinstance(proof, ActionRequest)
    assert proof.method == Attribute(15, "0.0.40.0.0.255", 1)
    assert proof.data is not None
    theirs = bytes(range(33, 45))
    assert not Ciphering(KEYS, bytes(8), TITLE).is_mac(proof.data.value, theirs[::-1])
    assert Ciphering(KEYS, bytes(8), TITLE).is_mac(proof.data.value, theirs)


def test_ciphered_apdus_are_those_of_another_client() -> None:
    client = Ciphering(KEYS, TITLE, bytes(8), counter=0x01234568)
    assert client.protect(FRAMES["get"]) == FRAMES["get ciphered"]
    server = Ciphering(KEYS, bytes(8), TITLE)
    assert server.unprotect(FRAMES["get ciphered"]) == FRAMES["get"]
    with pytest.raises(ReplayedError):
        server.unprotect(FRAMES["get ciphered"])
    plain = encode_apdu(GetRequest(1, Attribute(4, ENERGY.name)))
    only = Ciphering(KEYS, TITLE, bytes(8), counter=0x01234567, encrypted=False)
    assert only.protect(plain) == FRAMES["get authenticated"]
    checking = Ciphering(KEYS, bytes(8), TITLE, encrypted=False)
    assert checking.unprotect(FRAMES["get authenticated"]) == plain
    first = Ciphering(SUITE_1, TITLE, bytes(8), counter=0x01234567)
    assert first.protect(plain) == FRAMES["get of suite 1"]
    assert Ciphering(SUITE_1, bytes(8), TITLE).unprotect(FRAMES["get of suite 1"]) == plain


def test_answers_are_understood_by_another_library() -> None:
    xdlms = pytest.importorskip("dlms_cosem.protocol.xdlms")
    acse = pytest.importorskip("dlms_cosem.protocol.acse")
    from dlms_cosem.utils import parse_as_dlms_data

    answer = encode_apdu(GetResponse(1, u32(1234)))
    parsed = xdlms.GetResponseFactory.from_bytes(answer)
    assert parse_as_dlms_data(parsed.data) == 1234
    refused = xdlms.GetResponseFactory.from_bytes(encode_apdu(GetResponse(1, 4)))
    assert int(refused.error) == 4
    block = xdlms.GetResponseFactory.from_bytes(encode_apdu(GetBlock(3, False, 1, b"abc")))
    assert (bytes(block.data), block.block_number) == (b"abc", 1)
    accepted = acse.ApplicationAssociationResponse.from_bytes(Aare().encoded())
    assert int(accepted.result) == 0
    assert accepted.user_information.content.negotiated_conformance.get is True
    assert int(acse.ApplicationAssociationResponse.from_bytes(Aare(1).encoded()).result) == 1


leaves = st.one_of(
    st.just(Data(Tag.NULL)),
    st.builds(Data, st.just(Tag.DOUBLE_LONG), st.integers(-(2**31), 2**31 - 1)),
    st.builds(u32, st.integers(0, 2**32 - 1)),
    st.builds(Data, st.just(Tag.LONG64_UNSIGNED), st.integers(0, 2**64 - 1)),
    st.builds(Data, st.just(Tag.BOOLEAN), st.booleans()),
    st.builds(Data, st.just(Tag.OCTET_STRING), st.binary(max_size=200)),
    st.builds(Data, st.just(Tag.VISIBLE_STRING), st.text("abc 123", max_size=20)),
    st.builds(Data, st.just(Tag.FLOAT64), st.floats(allow_nan=False)),
)
values = st.recursive(
    leaves,
    lambda inner: st.builds(
        Data, st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]), st.lists(inner, max_size=5).map(tuple)
    ),
    max_leaves=20,
)


@given(values)
def test_every_value_comes_back(data: Data) -> None:
    reader = Reader(encode(data))
    assert reader.data() == data
    reader.end()


def test_invocation_counters_may_overtake_but_come_once() -> None:
    sender = Ciphering(KEYS, TITLE, bytes(8))
    sent = [sender.protect(encode_apdu(GetNext(1, number))) for number in range(100)]
    receiver = Ciphering(KEYS, bytes(8), TITLE)
    for one in (sent[1], sent[0], sent[70], sent[69], sent[8]):
        receiver.unprotect(one)
    for old in (sent[0], sent[70], sent[6]):  # the last was never taken, but is too far behind
        with pytest.raises(ReplayedError):
            receiver.unprotect(old)
    begun_anew = Ciphering(KEYS, bytes(8), TITLE, last=receiver.last)
    with pytest.raises(ReplayedError):
        begun_anew.unprotect(sent[68])
    begun_anew.unprotect(sent[71])


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("name", ["get", "push"])
def test_no_changed_bit_passes(encrypted: bool, name: str) -> None:
    sender = Ciphering(KEYS, TITLE, bytes(8), encrypted=encrypted)
    ciphered = sender.protect(FRAMES[name])
    for bit in range(8 * len(ciphered)):
        bad = bytearray(ciphered)
        bad[bit // 8] ^= 1 << bit % 8
        receiver = Ciphering(KEYS, bytes(8), TITLE, encrypted=encrypted)
        with pytest.raises(DlmsError):
            receiver.unprotect(bytes(bad))
        assert receiver.last == -1
    receiver = Ciphering(KEYS, bytes(8), TITLE, encrypted=encrypted)
    assert receiver.unprotect(ciphered) == FRAMES[name]
    for wrong in (
        Ciphering(SuiteKeys(bytes(16), bytes(16)), bytes(8), TITLE, encrypted=encrypted),
        Ciphering(KEYS, bytes(8), b"SOMEBODY", encrypted=encrypted),
        Ciphering(KEYS, bytes(8), TITLE, encrypted=not encrypted),
        Ciphering(SUITE_1, bytes(8), TITLE, encrypted=encrypted),
    ):
        with pytest.raises(UntrueError):
            wrong.unprotect(ciphered)


DECODERS: dict[str, Callable[[bytes], object]] = {
    "apdu": decode_apdu,
    "aarq": read_aarq,
    "aare": read_aare,
    "ciphered": lambda content: Ciphering(KEYS, TITLE, bytes(8)).unprotect(content),
    "data": lambda content: Reader(content).data(),
}


@given(st.sampled_from(sorted(DECODERS)), st.sampled_from(sorted(GOLDEN)), st.data())
def test_decoders_raise_nothing_but_their_own_error(
    name: str, frame: str, data: st.DataObject
) -> None:
    content = bytearray(FRAMES[frame])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for bad in (bytes(content[:cut]), data.draw(st.binary(max_size=60))):
        try:
            DECODERS[name](bad)
        except DlmsError:
            continue


def test_all_requests_and_answers_come_back() -> None:
    for apdu in (
        GetNext(3, 7),
        GetBlock(3, True, 7, b"x" * 300),
        GetBlock(3, True, 7, b"", 250),
        SetResponse(2, 3),
        GetResponse(1, 4),
        GetListResponse(1, (u32(3), 3, Data(Tag.NULL))),
        GetListRequest(5, ((ENERGY, None), (PROFILE, (2, u32(1))))),
        ActionRequest(4, ENERGY),
        ActionResponse(4, 3),
        ActionResponse(4, 0, u32(8)),
        DataNotification(0xABCDEF, u32(1)),
        ExceptionResponse(1, 1),
    ):
        assert decode_apdu(encode_apdu(apdu)) == apdu
    outcomes = (u32(3), 3)
    assert decode_outcomes(encode_outcomes(outcomes)) == outcomes
    for wrong in (
        GetNext(16, 0),
        GetRequest(1, Attribute(3, "1.0.1")),
        DataNotification(1 << 24, u32(1)),
    ):
        with pytest.raises(DlmsError):
            encode_apdu(wrong)


def test_associations_come_back() -> None:
    aarq = Aarq(client="operator\x1fmetering", max_pdu=1024)
    assert read_aarq(aarq.encoded()) == aarq
    for aare in (Aare(max_pdu=512), Aare(1, 0, 0), Aare(title=TITLE, challenge=bytes(12))):
        client, server = Ciphering(KEYS, TITLE, TITLE), Ciphering(KEYS, TITLE, TITLE)
        assert read_aare(aare.encoded(server), client) == aare
    with pytest.raises(UntrueError):
        read_aare(Aare(title=TITLE).encoded(Ciphering(KEYS, TITLE, TITLE)))


@given(st.integers(-(10**12), 10**12))
def test_instants_come_back_to_the_hundredth_of_a_second(t_ms: int) -> None:
    assert abs(from_clock(to_clock(t_ms)) - t_ms) <= 5


def test_instants_are_those_of_another_implementation() -> None:
    dlms_time = pytest.importorskip("dlms_cosem.time")
    at, _ = dlms_time.datetime_from_bytes(to_clock(90_061_230))
    assert at.isoformat() == "2000-01-02T01:01:01.230000"
    assert from_clock(dlms_time.datetime_to_bytes(at)) == 90_061_230
    unspecified = bytes.fromhex("07d00102ff010101ff800000")
    assert from_clock(unspecified) == 90_061_000
    for wrong in ("07d00102ff011e3d01", "07d00d02ff010101ff800000", "07d0010201010101ff800000"):
        with pytest.raises(DlmsError):
            from_clock(bytes.fromhex(wrong))


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=10),
        st.binary(max_size=10),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["p_w", "until_ms", "at", "x"]), inner, max_size=4),
    ),
    max_leaves=15,
)


@given(json_values)
def test_every_value_of_a_variable_comes_back(value: object) -> None:
    fields = ("p_w", "until_ms")
    content = encode(to_data(value, fields))
    reader = Reader(content)
    assert from_data(reader.data(), fields) == value


def test_the_wrapper_is_that_of_another_implementation() -> None:
    wrappers = pytest.importorskip("dlms_cosem.protocol.wrappers")
    wrapped = Wrapped(0x11, 1, FRAMES["get"])
    theirs = wrappers.WrapperProtocolDataUnit.from_bytes(wrapped.encoded())
    header = theirs.wrapper_header
    assert (header.source_wport, header.destination_wport, theirs.data) == (0x11, 1, FRAMES["get"])
    assert Wrapped.read(theirs.to_bytes()) == wrapped
    for wrong in (b"", wrapped.encoded()[:-1], b"\1" + wrapped.encoded()[1:]):
        with pytest.raises(DlmsError):
            Wrapped.read(wrong)


def test_the_past_is_asked_for_as_another_client_does() -> None:
    begin_ms, end_ms = 820_540_800_000, 820_627_200_000  # 2026-01-01 and the day after
    _, ours = selection(begin_ms, end_ms, register("energy.import"))
    theirs = decode_apdu(FRAMES["get by range"])
    assert isinstance(theirs, GetRequest)
    assert theirs.selection is not None
    assert ours.parts[0] == theirs.selection[1].parts[0]
    times = [[from_clock(part.value) for part in one.parts[1:3]]
             for one in (ours, theirs.selection[1])]  # fmt: skip
    assert times == [[begin_ms, end_ms]] * 2
    assert HISTORY.name == "1.0.99.2.0.255"
