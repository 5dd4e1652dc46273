"""A meter's load profile read at its optical port: DLMS/COSEM in HDLC frames over 9600 baud.

The published times are 4, 12 and 29 s for 1, 3 and 7 days of four channels at 15 minutes (DLMS
User Association, newsletter 05-1). Everything on the line is made by encoders: the APDUs by
``controllers.dlms``, the frames by the library dlms-cosem; no size is written down here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from controllers.dlms.apdu import (
    Attribute,
    GetBlock,
    GetNext,
    GetRequest,
    GetResponse,
    decode_apdu,
    encode_apdu,
)
from controllers.dlms.axdr import Data, Reader, Tag, encode
from fernwatt.messages import Frame
from simulators.network.core import NetworkCore

frames = pytest.importorskip("dlms_cosem.hdlc.frames")
address = pytest.importorskip("dlms_cosem.hdlc.address")

PROFILE = Attribute(7, "1.0.99.1.0.255", 2)
BLOCK_HEAD = 32  # of a block's APDU
INFORMATION = 128  # bytes of an information field, HDLC's default
CHARACTER_US = 10_000_000 / 9600
PRINTED_S = {1: 4, 3: 12, 7: 29}


def profile(days: int) -> Data:
    """Return rows of a time, a status and four registers, one each quarter of an hour."""
    rows = []
    for number in range(96 * days):
        day, quarter = divmod(number, 96)
        time = bytes(
            [7, 0xD5, 5, 1 + day, 0xFF, quarter // 4, 15 * (quarter % 4), 0, 0, 0x80, 0, 0]
        )
        rows.append(
            Data(
                Tag.STRUCTURE,
                (
                    Data(Tag.OCTET_STRING, time),
                    Data(Tag.UNSIGNED, 0),
                    *(
                        Data(Tag.DOUBLE_LONG_UNSIGNED, 1000 * channel + number)
                        for channel in range(4)
                    ),
                ),
            )
        )
    return Data(Tag.ARRAY, tuple(rows))


class Side:
    """One end of an HDLC connection; ``take`` gives the frames that answer a frame.

    APDUs longer than an information field go in segments, at most ``window`` of them before the
    other side says that it is ready for more.
    """

    def __init__(self, client: bool, window: int, handle: Callable[[bytes], bytes | None]) -> None:
        ends = (
            address.HdlcAddress(1, None, "server"),
            address.HdlcAddress(16, None, "client"),
        )
        self._to, self._from = ends if client else ends[::-1]
        self._llc = b"\xe6\xe6\x00" if client else b"\xe6\xe7\x00"
        self._window, self._handle = window, handle
        self._sent = self._got = 0
        self._in = bytearray()
        self._out: list[bytes] = []

    def send(self, apdu: bytes) -> list[bytes]:
        """Return the first frames of an APDU."""
        content = self._llc + apdu
        self._out = [content[at : at + INFORMATION] for at in range(0, len(content), INFORMATION)]
        return list(self._burst())

    def _burst(self) -> Iterator[bytes]:
        burst, self._out = self._out[: self._window], self._out[self._window :]
        for place, part in enumerate(burst):
            final = place == len(burst) - 1
            segmented = bool(self._out) or not final
            yield frames.InformationFrame(
                self._to, self._from, part, segmented, final,
                send_sequence_number=self._sent, receive_sequence_number=self._got,
            ).to_bytes()  # fmt: skip
            self._sent = (self._sent + 1) % 8

    def take(self, content: bytes) -> list[bytes]:
        """Take a frame; return what is to be sent."""
        control = content[1 + 2 + self._from.length + self._to.length]
        if control & 1:  # ready for more
            return list(self._burst())
        head = 1 + 2 + self._from.length + self._to.length + 1 + 2
        assert content[0] == content[-1] == 0x7E
        self._in += content[head:-3]
        self._got = (self._got + 1) % 8
        if content[1] & 0x08:  # a segment, more are to follow
            if not control & 0x10:
                return []
            ready = frames.ReceiveReadyFrame(
                self._to, self._from, receive_sequence_number=self._got
            )
            return [ready.to_bytes()]
        apdu, self._in = bytes(self._in)[3:], bytearray()
        answer = self._handle(apdu)
        return [] if answer is None else self.send(answer)


class Meter:
    """Answers a reading of the profile, in blocks where an APDU has no room for it."""

    def __init__(self, days: int, max_pdu: int) -> None:
        self._content, self._room = encode(profile(days)), max_pdu - BLOCK_HEAD
        self._value = profile(days)

    def handle(self, apdu: bytes) -> bytes:
        """Return the answer to a request, or to one for the next block."""
        request = decode_apdu(apdu)
        assert isinstance(request, GetRequest | GetNext)
        block = 1
        if isinstance(request, GetNext):
            block = request.block + 1
        elif len(self._content) <= self._room:
            return encode_apdu(GetResponse(request.number, self._value))
        end = block * self._room
        part = self._content[end - self._room : end]
        return encode_apdu(GetBlock(request.number, end >= len(self._content), block, part))


class Head:
    """Reads the profile; ``values`` are those that came whole."""

    def __init__(self) -> None:
        self._content = b""
        self.values: list[Data] = []

    def take(self, apdu: bytes) -> bytes | None:
        """Take an answer; return the request for the next block."""
        answer = decode_apdu(apdu)
        if isinstance(answer, GetResponse):
            assert isinstance(answer.outcome, Data)
            self.values.append(answer.outcome)
            return None
        assert isinstance(answer, GetBlock)
        self._content += answer.content
        if not answer.last:
            return encode_apdu(GetNext(answer.number, answer.block))
        reader = Reader(self._content)
        self.values.append(reader.data())
        reader.end()
        return None


@dataclass
class Reading:
    """What a read-out came to."""

    seconds: float
    characters: int
    turns: int
    frames: int
    value: Data | None


def read(days: int, window: int, max_pdu: int = 0xFFFF) -> Reading:
    """Read ``days`` of profile through the network; the association is there already."""
    reader, meter = Head(), Meter(days, max_pdu)
    sides = {"head": Side(True, window, reader.take), "meter": Side(False, window, meter.handle)}
    other = {"head": "meter", "meter": "head"}
    core = NetworkCore(
        {
            "nodes": [{"id": "head"}, {"id": "meter"}],
            "links": [{"id": "port", "technology": "serial-9600", "a": "head", "b": "meter"}],
        },
        1,
    )
    sent = characters = turns = 0

    def put(t_ms: int, side: str, parts: list[bytes]) -> None:
        nonlocal sent, characters, turns
        batch = []
        for part in parts:
            sent, characters = sent + 1, characters + len(part)
            batch.append(
                Frame(f"{side}#{sent}", "", side, other[side], "dlms", 1, t_ms * 1000, -1, part)
            )
        turns += bool(parts)
        core.inject(t_ms, batch)

    core.advance(0)
    put(0, "head", sides["head"].send(encode_apdu(GetRequest(1, PROFILE))))
    last_us = 0
    while (t_ms := core.next_ms()) is not None:
        for delivery in core.advance(t_ms):
            last_us = delivery.t_arrival_us
            put(t_ms, delivery.dst, sides[delivery.dst].take(delivery.payload))
    core.close(last_us // 1000 + 1)
    (value,) = reader.values
    return Reading(last_us / 1e6, characters, turns, sent, value)


def test_a_row_of_four_channels_has_38_bytes_and_a_frame_11_of_its_own() -> None:
    assert len(encode(profile(2))) - len(encode(profile(1))) in (96 * 38, 96 * 38 + 1)
    side = Side(False, 1, lambda _: None)
    (first, *_) = side.send(bytes(1000))
    assert len(first) == INFORMATION + 11


@pytest.mark.parametrize("days", [1, 3, 7])
def test_the_published_times_are_met(days: int) -> None:
    """Segments of 128 B, seven to a window; the published seconds are whole ones."""
    got = read(days, window=7)
    assert got.value == profile(days)
    assert int(got.seconds) == PRINTED_S[days]
    assert got.seconds == pytest.approx(PRINTED_S[days], rel=0.06)


@pytest.mark.parametrize("days", [1, 3, 7])
@pytest.mark.parametrize(("window", "max_pdu"), [(7, 0xFFFF), (1, 0xFFFF), (1, 147), (1, 1024)])
def test_a_reading_takes_its_characters_and_less_than_a_tick_a_turn(
    days: int, window: int, max_pdu: int
) -> None:
    got = read(days, window, max_pdu)
    assert got.value == profile(days)
    line_s = got.characters * CHARACTER_US / 1e6
    assert line_s - 1e-6 * got.frames <= got.seconds <= line_s + 0.001 * got.turns


@pytest.mark.parametrize(("days", "seconds"), [(1, 4.16), (3, 12.45), (7, 29.06)])
def test_a_model_of_bytes_comes_close(days: int, seconds: float) -> None:
    """38 B a row, 119 B net and 11 B more a frame, and nothing from the client."""
    rows = 96 * days * 38
    model_s = (rows + 11 * -(-rows // 119)) * CHARACTER_US / 1e6
    assert round(model_s, 2) == seconds
    assert model_s == pytest.approx(read(days, window=7).seconds, rel=0.02)
