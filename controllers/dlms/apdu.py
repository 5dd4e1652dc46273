"""Requests and responses for attributes of COSEM objects (IEC 62056-5-3, 7).

GET and SET of one attribute, with selective access to a profile by range; long answers in
blocks; the exception of a server that does not understand.
"""

from __future__ import annotations

from dataclasses import dataclass

from controllers.dlms.axdr import Data, DlmsError, Reader, encode, length

__all__ = [
    "Apdu",
    "Attribute",
    "ExceptionResponse",
    "GetBlock",
    "GetNext",
    "GetRequest",
    "GetResponse",
    "SetRequest",
    "SetResponse",
    "decode_apdu",
    "encode_apdu",
    "obis",
]

GET_REQUEST, SET_REQUEST, GET_RESPONSE, SET_RESPONSE, EXCEPTION = 0xC0, 0xC1, 0xC4, 0xC5, 0xD8
_NORMAL, _NEXT, _WITH_BLOCK = 1, 2, 2
_CONFIRMED_HIGH = 0xC0  # confirmed service, high priority; the low four bits are the number
SUCCESS, UNDEFINED, DENIED, OTHER = 0, 4, 3, 250
"""Results of data access: success, object undefined, read-write denied, other reason."""


def obis(name: str) -> bytes:
    """Return a logical name of its six numbers; raises DlmsError."""
    try:
        code = bytes(int(part) for part in name.split("."))
    except ValueError as error:
        raise DlmsError(f"{name} is no logical name") from error
    if len(code) != 6:
        raise DlmsError(f"{name} is no logical name")
    return code


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an object: its class, its logical name (``1.0.1.8.0.255``), its number."""

    class_id: int
    name: str
    number: int = 2

    def encoded(self) -> bytes:
        """Return class, logical name and number."""
        return self.class_id.to_bytes(2, "big") + obis(self.name) + bytes([self.number])

    @classmethod
    def read(cls, reader: Reader) -> Attribute:
        """Take one."""
        class_id = int.from_bytes(reader.take(2), "big")
        name = ".".join(str(part) for part in reader.take(6))
        return cls(class_id, name, reader.byte())


@dataclass(frozen=True, slots=True)
class GetRequest:
    """Read an attribute; ``selector`` and ``parameters`` restrict what of it."""

    number: int
    attribute: Attribute
    selector: int = 0
    parameters: Data | None = None


@dataclass(frozen=True, slots=True)
class GetNext:
    """Ask for the next block after ``block``."""

    number: int
    block: int


@dataclass(frozen=True, slots=True)
class GetResponse:
    """The value, or why there is none (``error``)."""

    number: int
    data: Data | None = None
    error: int = SUCCESS


@dataclass(frozen=True, slots=True)
class GetBlock:
    """A part of an encoded value that is too long for one answer."""

    number: int
    last: bool
    block: int
    content: bytes = b""
    error: int = SUCCESS


@dataclass(frozen=True, slots=True)
class SetRequest:
    """Write an attribute."""

    number: int
    attribute: Attribute
    data: Data


@dataclass(frozen=True, slots=True)
class SetResponse:
    """How writing went."""

    number: int
    result: int = SUCCESS


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """The server did not understand, or may not: state and service error."""

    state: int = 1
    service: int = 2


Apdu = GetRequest | GetNext | GetResponse | GetBlock | SetRequest | SetResponse | ExceptionResponse


def encode_apdu(apdu: Apdu) -> bytes:  # noqa: PLR0911 - one for each kind
    """Return the bytes of a request or response; raises DlmsError."""
    if isinstance(apdu, ExceptionResponse):
        return bytes([EXCEPTION, apdu.state, apdu.service])
    if not 0 <= apdu.number < 16:
        raise DlmsError("requests are numbered 0 to 15")
    number = bytes([_CONFIRMED_HIGH | apdu.number])
    if isinstance(apdu, GetRequest):
        access = b"\x00"
        if apdu.selector and apdu.parameters is not None:
            access = bytes([1, apdu.selector]) + encode(apdu.parameters)
        return bytes([GET_REQUEST, _NORMAL]) + number + apdu.attribute.encoded() + access
    if isinstance(apdu, GetNext):
        return bytes([GET_REQUEST, _NEXT]) + number + apdu.block.to_bytes(4, "big")
    if isinstance(apdu, SetRequest):
        head = bytes([SET_REQUEST, _NORMAL]) + number + apdu.attribute.encoded()
        return head + b"\x00" + encode(apdu.data)
    if isinstance(apdu, SetResponse):
        return bytes([SET_RESPONSE, _NORMAL]) + number + bytes([apdu.result])
    if isinstance(apdu, GetResponse):
        if apdu.data is None:
            return bytes([GET_RESPONSE, _NORMAL]) + number + bytes([1, apdu.error])
        return bytes([GET_RESPONSE, _NORMAL]) + number + b"\x00" + encode(apdu.data)
    head = bytes([GET_RESPONSE, _WITH_BLOCK]) + number + bytes([apdu.last])
    head += apdu.block.to_bytes(4, "big")
    if apdu.error:
        return head + bytes([1, apdu.error])
    return head + b"\x00" + length(len(apdu.content)) + apdu.content


def decode_apdu(content: bytes) -> Apdu:
    """Return the request or response of its bytes; raises DlmsError, and nothing else."""
    reader = Reader(content)
    kind = reader.byte()
    if kind == EXCEPTION:
        apdu: Apdu = ExceptionResponse(reader.byte(), reader.byte())
    else:
        variant, number = reader.byte(), reader.byte() & 0x0F
        apdu = _read(reader, kind, variant, number)
    reader.end()
    return apdu


def _read(  # noqa: PLR0911 - one for each kind
    reader: Reader, kind: int, variant: int, number: int
) -> Apdu:
    if kind == GET_REQUEST and variant == _NEXT:
        return GetNext(number, int.from_bytes(reader.take(4), "big"))
    if kind == GET_RESPONSE and variant == _WITH_BLOCK:
        return _read_block(reader, number)
    if variant != _NORMAL:
        raise DlmsError(f"variant {variant}")
    if kind == GET_REQUEST:
        attribute = Attribute.read(reader)
        if not reader.byte():
            return GetRequest(number, attribute)
        return GetRequest(number, attribute, reader.byte(), reader.data())
    if kind == GET_RESPONSE:
        if reader.byte():
            return GetResponse(number, None, reader.byte())
        return GetResponse(number, reader.data())
    if kind == SET_REQUEST:
        attribute = Attribute.read(reader)
        if reader.byte():
            raise DlmsError("selective access to what is written")
        return SetRequest(number, attribute, reader.data())
    if kind == SET_RESPONSE:
        return SetResponse(number, reader.byte())
    raise DlmsError(f"APDU {kind:#04x}")


def _read_block(reader: Reader, number: int) -> GetBlock:
    last, block = reader.byte() != 0, int.from_bytes(reader.take(4), "big")
    if reader.byte():
        return GetBlock(number, last, block, b"", reader.byte())
    return GetBlock(number, last, block, reader.take(reader.length()))
