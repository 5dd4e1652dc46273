"""A meter read by a concentrator, byte for byte as other implementations have it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.dlms.apdu import (
    Attribute,
    GetBlock,
    GetNext,
    GetRequest,
    GetResponse,
    SetRequest,
    SetResponse,
    decode_apdu,
    encode_apdu,
)
from controllers.dlms.association import Aare, Aarq, read_aare, read_aarq
from controllers.dlms.axdr import Data, DlmsError, Reader, Tag, encode
from controllers.dlms.ciphering import Ciphering, SuiteKeys
from controllers.dlms.client import CosemClient, Done
from controllers.dlms.server import CosemServer

# APDUs as the client of gurux_dlms 1.0.203 makes them (without the 8 bytes of its wrapper)
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
    "get": "c001c100030100010800ff0200",
    "get ciphered": "c81e3001234568887f56f920bcfb413023bb59fecf9c1dd99ded28626b3ebf95",
    "set": "c101c100030100010800ff020006000004d2",
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
ENERGY = Attribute(3, "1.0.1.8.0.255")
PROFILE = Attribute(7, "1.0.99.1.0.255")
OTHERS = 0x401E5D


def u32(value: int) -> Data:
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def octets(text: str) -> Data:
    return Data(Tag.OCTET_STRING, bytes.fromhex(text))


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
    request = GetRequest(1, PROFILE, 1, parameters)
    assert encode_apdu(request) == FRAMES["get by range"]
    assert decode_apdu(FRAMES["get by range"]) == request


def test_associations_are_those_of_another_client() -> None:
    assert Aarq(OTHERS).encoded() == FRAMES["aarq"]
    assert Aarq(OTHERS, password=b"12345678").encoded() == FRAMES["aarq with password"]
    assert read_aarq(FRAMES["aarq with password"]) == Aarq(OTHERS, password=b"12345678")
    server = Ciphering(KEYS, bytes(8), TITLE)
    assert read_aarq(FRAMES["aarq ciphered"], server) == Aarq(OTHERS, title=TITLE)


def test_ciphered_apdus_are_those_of_another_client() -> None:
    client = Ciphering(KEYS, TITLE, bytes(8), counter=0x01234568)
    assert client.protect(FRAMES["get"]) == FRAMES["get ciphered"]
    server = Ciphering(KEYS, bytes(8), TITLE)
    assert server.unprotect(FRAMES["get ciphered"]) == FRAMES["get"]
    with pytest.raises(DlmsError, match="before"):
        server.unprotect(FRAMES["get ciphered"])


def test_answers_are_understood_by_another_library() -> None:
    xdlms = pytest.importorskip("dlms_cosem.protocol.xdlms")
    acse = pytest.importorskip("dlms_cosem.protocol.acse")
    from dlms_cosem.utils import parse_as_dlms_data

    answer = encode_apdu(GetResponse(1, u32(1234)))
    parsed = xdlms.GetResponseFactory.from_bytes(answer)
    assert parse_as_dlms_data(parsed.data) == 1234
    refused = xdlms.GetResponseFactory.from_bytes(encode_apdu(GetResponse(1, None, 4)))
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


def converse(client: CosemClient, server: CosemServer, request: bytes) -> Done:
    answer: bytes | Done = request
    while isinstance(answer, bytes):
        answer = client.take(server.handle(answer))
    return answer


def pair(
    ciphered: bool, max_pdu: int = 0xFFFF, password: bytes | None = None
) -> tuple[CosemClient, CosemServer]:
    written: list[Data] = []

    def write(data: Data) -> bool:
        written.append(data)
        return data.tag is Tag.DOUBLE_LONG_UNSIGNED

    rows = Data(Tag.ARRAY, tuple(u32(number) for number in range(500)))
    limit = Attribute(3, "0.0.17.0.0.255")
    server = CosemServer(
        {
            ENERGY: lambda _: u32(1234),
            PROFILE: lambda request: None if request.selector == 9 else rows,
            limit: lambda _: written[-1] if written else u32(0),
        },
        {limit: write},
        password=password,
        ciphering=Ciphering(KEYS, b"METER001", TITLE) if ciphered else None,
        max_pdu=max_pdu,
    )
    client = CosemClient(
        password=password, ciphering=Ciphering(KEYS, TITLE, b"METER001") if ciphered else None
    )
    assert client.take_association(server.handle(client.associate()))
    return client, server


@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize("max_pdu", [0xFFFF, 200, 64])
def test_a_concentrator_reads_and_writes_a_meter(ciphered: bool, max_pdu: int) -> None:
    client, server = pair(ciphered, max_pdu)
    assert converse(client, server, client.get(ENERGY)) == Done(u32(1234))
    profile = converse(client, server, client.get(PROFILE)).data
    assert profile is not None
    assert [row.value for row in profile.value] == list(range(500))
    limit = Attribute(3, "0.0.17.0.0.255")
    assert converse(client, server, client.set(limit, u32(7))) == Done(None, 0)
    assert converse(client, server, client.get(limit)) == Done(u32(7))
    assert converse(client, server, client.set(limit, Data(Tag.NULL))).error == 250
    assert converse(client, server, client.set(ENERGY, u32(7))).error == 3
    assert converse(client, server, client.get(Attribute(3, "1.0.9.9.9.255"))).error == 4
    assert converse(client, server, client.get(PROFILE, 9, Data(Tag.NULL))).error == 250


def test_without_association_password_or_key_nothing_is_read() -> None:
    client, server = pair(False, password=b"secret")
    stranger = CosemClient(password=b"wrong")
    assert not stranger.take_association(server.handle(stranger.associate()))
    with pytest.raises(DlmsError):
        stranger.take(server.handle(stranger.get(ENERGY)))
    with pytest.raises(DlmsError):  # the failed attempt ended the other's association, too
        client.take(server.handle(client.get(ENERGY)))
    _, ciphered = pair(True)
    assert ciphered.handle(FRAMES["get"])[0] == 0xD8
    wrong = Ciphering(SuiteKeys(bytes(16), bytes(16)), TITLE, b"METER001", counter=99)
    assert ciphered.handle(wrong.protect(FRAMES["get"]))[0] == 0xD8


def test_replays_and_changed_bits_are_answered_by_an_exception() -> None:
    client, server = pair(True)
    request = client.get(ENERGY)
    assert server.handle(request)[0] == 0xCC
    assert server.handle(request)[0] == 0xD8
    fresh = client.get(ENERGY)
    for bit in range(8 * len(fresh)):
        bad = bytearray(fresh)
        bad[bit // 8] ^= 1 << bit % 8
        assert server.handle(bytes(bad))[0] == 0xD8
    assert server.handle(fresh)[0] == 0xCC


def test_an_answer_to_another_request_is_none() -> None:
    client, server = pair(False)
    first = server.handle(client.get(ENERGY))
    client.get(ENERGY)
    with pytest.raises(DlmsError, match="another request"):
        client.take(first)


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


@given(st.binary(max_size=80))
def test_a_server_answers_whatever_comes(garbage: bytes) -> None:
    _, server = pair(False)
    assert server.handle(garbage)


def test_all_requests_and_answers_come_back() -> None:
    for apdu in (
        GetNext(3, 7),
        GetBlock(3, True, 7, b"x" * 300),
        GetBlock(3, True, 7, b"", 250),
        SetResponse(2, 3),
        GetResponse(1, None, 4),
    ):
        assert decode_apdu(encode_apdu(apdu)) == apdu
    for wrong in (GetNext(16, 0), GetRequest(1, Attribute(3, "1.0.1"))):
        with pytest.raises(DlmsError):
            encode_apdu(wrong)
