"""Control packets and their bytes.

What is here: connecting with name, password and last will; publishing with quality of service 0
and 1, retained or not; subscribing; pings. A stream of bytes is cut into packets by ``Stream``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "Connack",
    "Connect",
    "Disconnect",
    "MqttError",
    "Packet",
    "Pingreq",
    "Pingresp",
    "Puback",
    "Publish",
    "Stream",
    "Suback",
    "Subscribe",
    "Unsuback",
    "Unsubscribe",
    "decode",
    "encode",
]

_PROTOCOL, _LEVEL = "MQTT", 4
_MAX_BYTES = 1 << 20
ACCEPTED, BAD_NAME, BAD_CREDENTIALS, NOT_AUTHORISED = 0, 2, 4, 5
"""Return codes of a connection."""


class MqttError(ValueError):
    """Bytes that are no MQTT, or a packet that must not come there."""


@dataclass(frozen=True, slots=True)
class Publish:
    """A message of a topic; ``number`` 0 with quality of service 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    duplicate: bool = False
    number: int = 0


@dataclass(frozen=True, slots=True)
class Connect:
    """Who connects; ``will`` is published for it when it is lost."""

    client: str
    user: str | None = None
    password: bytes | None = None
    clean: bool = True
    keep_alive_s: int = 60
    will: Publish | None = None


@dataclass(frozen=True, slots=True)
class Connack:
    """Whether it may; ``present``: the broker still has its session."""

    code: int = ACCEPTED
    present: bool = False


@dataclass(frozen=True, slots=True)
class Puback:
    """A message of quality of service 1 has arrived."""

    number: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Topic filters, each with the quality of service wished for."""

    number: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Suback:
    """Quality of service granted for each filter; 128: refused."""

    number: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Topic filters that end."""

    number: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsuback:
    """They have ended."""

    number: int


@dataclass(frozen=True, slots=True)
class Pingreq:
    """Are you there?"""


@dataclass(frozen=True, slots=True)
class Pingresp:
    """Yes."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The client leaves; its will is not published."""


Packet = (
    Connect | Connack | Publish | Puback | Subscribe | Suback | Unsubscribe | Unsuback
    | Pingreq | Pingresp | Disconnect
)  # fmt: skip
_CODES: dict[type, int] = {
    Connect: 1, Connack: 2, Publish: 3, Puback: 4, Subscribe: 8, Suback: 9,
    Unsubscribe: 10, Unsuback: 11, Pingreq: 12, Pingresp: 13, Disconnect: 14,
}  # fmt: skip
_FLAGS = {8: 2, 10: 2}


def encode(packet: Packet) -> bytes:
    """Return the bytes of a packet; raises MqttError for what has none."""
    code, flags = _CODES[type(packet)], _FLAGS.get(_CODES[type(packet)], 0)
    if isinstance(packet, Publish):
        flags = packet.duplicate << 3 | packet.qos << 1 | packet.retain
    body = _body(packet)
    return bytes([code << 4 | flags]) + _length(len(body)) + body


def _body(packet: Packet) -> bytes:  # noqa: PLR0911 - one for each kind
    if isinstance(packet, Connect):
        return _connect(packet)
    if isinstance(packet, Connack):
        return bytes([packet.present, packet.code])
    if isinstance(packet, Publish):
        _check_publish(packet)
        number = _number(packet.number) if packet.qos else b""
        return _text(packet.topic) + number + packet.payload
    if isinstance(packet, Puback | Unsuback):
        return _number(packet.number)
    if isinstance(packet, Subscribe):
        filters = b"".join(_text(_filter(name)) + bytes([qos]) for name, qos in packet.filters)
        return _number(packet.number) + _some(filters)
    if isinstance(packet, Unsubscribe):
        names = b"".join(_text(_filter(name)) for name in packet.filters)
        return _number(packet.number) + _some(names)
    if isinstance(packet, Suback):
        return _number(packet.number) + _some(bytes(packet.codes))
    return b""


def _connect(packet: Connect) -> bytes:
    if packet.password is not None and packet.user is None:
        raise MqttError("a password needs a user")
    flags = packet.clean << 1 | (packet.user is not None) << 7 | (packet.password is not None) << 6
    fields = _text(packet.client)
    if packet.will is not None:
        _check_publish(packet.will, number=False)
        flags |= 1 << 2 | packet.will.qos << 3 | packet.will.retain << 5
        fields += _text(packet.will.topic) + _binary(packet.will.payload)
    if packet.user is not None:
        fields += _text(packet.user)
    if packet.password is not None:
        fields += _binary(packet.password)
    head = _text(_PROTOCOL) + bytes([_LEVEL, flags]) + packet.keep_alive_s.to_bytes(2, "big")
    return head + fields


def _check_publish(packet: Publish, *, number: bool = True) -> None:
    if packet.qos not in (0, 1):
        raise MqttError("quality of service is 0 or 1 here")
    if not packet.topic or "#" in packet.topic or "+" in packet.topic:
        raise MqttError(f"{packet.topic!r} is no topic")
    if number and packet.qos == 0 and (packet.number or packet.duplicate):
        raise MqttError("with quality of service 0 there are no numbers and no duplicates")


def _filter(name: str) -> str:
    levels = name.split("/")
    wild = any(len(level) > 1 and ("#" in level or "+" in level) for level in levels)
    if not name or wild or "#" in levels[:-1]:
        raise MqttError(f"{name!r} is no topic filter")
    return name


def _some(body: bytes) -> bytes:
    if not body:
        raise MqttError("nothing in it")
    return body


def _number(number: int) -> bytes:
    if not 0 < number < 1 << 16:
        raise MqttError("numbers of packets are 1 to 65535")
    return number.to_bytes(2, "big")


def _binary(content: bytes) -> bytes:
    if len(content) >= 1 << 16:
        raise MqttError("too long")
    return len(content).to_bytes(2, "big") + content


def _text(text: str) -> bytes:
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise MqttError("text") from error
    if "\0" in text:
        raise MqttError("text with a null character")
    return _binary(content)


def _length(size: int) -> bytes:
    if size > _MAX_BYTES:
        raise MqttError("too long")
    out = bytearray()
    while True:
        size, low = divmod(size, 128)
        out.append(low | 0x80 if size else low)
        if not size:
            return bytes(out)


class _Reader:
    __slots__ = ("at", "content")

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.content):
            raise MqttError("cut short")
        self.at += size
        return self.content[self.at - size : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        number = int.from_bytes(self.take(2), "big")
        if not number:
            raise MqttError("packet number 0")
        return number

    def binary(self) -> bytes:
        return self.take(int.from_bytes(self.take(2), "big"))

    def text(self) -> str:
        try:
            text = self.binary().decode()
        except UnicodeDecodeError as error:
            raise MqttError("text") from error
        if "\0" in text:
            raise MqttError("text with a null character")
        return text

    @property
    def left(self) -> int:
        return len(self.content) - self.at


def decode(content: bytes) -> Packet:
    """Return the one packet of its bytes; raises MqttError, and nothing else."""
    stream = Stream()
    packets = stream.feed(content)
    if len(packets) != 1 or stream.waiting:
        raise MqttError("not one packet")
    return packets[0]


@dataclass(slots=True)
class Stream:
    """Cuts a stream of bytes into packets."""

    _rest: bytes = field(default=b"")

    @property
    def waiting(self) -> int:
        """How many bytes wait for the rest of their packet."""
        return len(self._rest)

    def feed(self, content: bytes) -> list[Packet]:
        """Return the packets that are complete; raises MqttError for what can be none."""
        self._rest += content
        packets = []
        while (end := _end(self._rest)) is not None:
            whole, self._rest = self._rest[: end[1]], self._rest[end[1] :]
            packets.append(_decode(whole[0], whole[end[0] :]))
        return packets


def _end(content: bytes) -> tuple[int, int] | None:
    """Return where the body of the first packet begins and ends, None while it is incomplete."""
    size = 0
    for place in range(4):
        if place + 1 >= len(content):
            return None
        byte = content[place + 1]
        size |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            if size > _MAX_BYTES or (place and not byte):
                raise MqttError("length")
            end = place + 2 + size
            return (place + 2, end) if len(content) >= end else None
    raise MqttError("length")


def _decode(first: int, body: bytes) -> Packet:
    code, flags = first >> 4, first & 0x0F
    reader = _Reader(body)
    if code != _CODES[Publish] and flags != _FLAGS.get(code, 0):
        raise MqttError("flags")
    packet = _read_publish(reader, flags) if code == _CODES[Publish] else _read(reader, code)
    if reader.left:
        raise MqttError("bytes after the end")
    return packet


def _read_publish(reader: _Reader, flags: int) -> Publish:
    topic, qos = reader.text(), flags >> 1 & 3
    number = reader.number() if qos else 0
    payload = reader.take(reader.left)
    packet = Publish(topic, payload, qos, bool(flags & 1), bool(flags & 8), number)
    _check_publish(packet)
    return packet


def _read(reader: _Reader, code: int) -> Packet:
    if code == _CODES[Connect]:
        return _read_connect(reader)
    if code == _CODES[Connack]:
        present, result = reader.byte(), reader.byte()
        if present > 1:
            raise MqttError("flags")
        return Connack(result, bool(present))
    if code in (_CODES[Puback], _CODES[Unsuback]):
        number = reader.number()
        return Puback(number) if code == _CODES[Puback] else Unsuback(number)
    if code == _CODES[Suback]:
        number = reader.number()
        return Suback(number, tuple(_some(reader.take(reader.left))))
    if code in (_CODES[Subscribe], _CODES[Unsubscribe]):
        return _read_filters(reader, code)
    for kind in (Pingreq, Pingresp, Disconnect):
        if code == _CODES[kind]:
            return kind()
    raise MqttError(f"packet {code}")


def _read_filters(reader: _Reader, code: int) -> Subscribe | Unsubscribe:
    number, filters = reader.number(), list[tuple[str, int]]()
    while reader.left or not filters:
        name, qos = _filter(reader.text()), 0
        if code == _CODES[Subscribe]:
            qos = reader.byte()
            if qos > 2:
                raise MqttError("quality of service")
        filters.append((name, qos))
    if code == _CODES[Subscribe]:
        return Subscribe(number, tuple(filters))
    return Unsubscribe(number, tuple(name for name, _ in filters))


def _read_connect(reader: _Reader) -> Connect:
    if reader.text() != _PROTOCOL or reader.byte() != _LEVEL:
        raise MqttError("not MQTT 3.1.1")
    flags, keep_alive_s = reader.byte(), int.from_bytes(reader.take(2), "big")
    client, will = reader.text(), None
    if flags & 1 or (flags & 0x40 and not flags & 0x80) or (not flags & 4 and flags & 0x38):
        raise MqttError("flags")
    if flags & 4:
        topic, payload = reader.text(), reader.binary()
        will = Publish(topic, payload, flags >> 3 & 3, bool(flags & 0x20))
        _check_publish(will, number=False)
    user = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    return Connect(client, user, password, bool(flags & 2), keep_alive_s, will)
