"""Requests, responses and notifications for COSEM objects (IEC 62056-5-3, 7).

GET of one attribute or a list of them, with selective access to a profile by range, long answers
in blocks; SET of one attribute; ACTION; DataNotification; the exception of a server that does not
understand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from controllers.dlms.axdr import Data, DlmsError, Reader, encode, length

__all__ = [
    "ActionRequest",
    "ActionResponse",
    "Apdu",
    "Attribute",
    "DataNotification",
    "ExceptionResponse",
    "GetBlock",
    "GetListRequest",
    "GetListResponse",
    "GetNext",
    "GetRequest",
    "GetResponse",
    "Outcome",
    "Selection",
    "SetRequest",
    "SetResponse",
    "decode_apdu",
    "decode_outcomes",
    "encode_apdu",
    "encode_outcomes",
    "logical_name",
    "obis",
]

GET_REQUEST, SET_REQUEST, ACTION_REQUEST = 0xC0, 0xC1, 0xC3
GET_RESPONSE, SET_RESPONSE, ACTION_RESPONSE = 0xC4, 0xC5, 0xC7
NOTIFICATION, EXCEPTION = 0x0F, 0xD8
_NORMAL, _NEXT, _WITH_BLOCK, _WITH_LIST = 1, 2, 2, 3
_CONFIRMED_HIGH = 0xC0  # confirmed service, high priority; the low four bits are the number
SUCCESS, TEMPORARY, DENIED, UNDEFINED = 0, 2, 3, 4
UNAVAILABLE, UNMATCHED, NO_BLOCK, OTHER = 11, 12, 19, 250
"""Results of data access: success, temporary failure, read-write denied, object undefined, object
unavailable, type unmatched, data-block number invalid, other reason."""
Selection = tuple[int, Data]
"""Selective access: selector and parameters."""
Outcome = Data | int
"""What became of one attribute of a list: its value, or the result that says why there is none."""


@lru_cache(maxsize=4096)
def obis(name: str) -> bytes:
    """Return a logical name of its six numbers; raises DlmsError."""
    try:
        code = bytes(int(part) for part in name.split("."))
    except ValueError as error:
        raise DlmsError(f"{name} is no logical name") from error
    if len(code) != 6:
        raise DlmsError(f"{name} is no logical name")
    return code


@lru_cache(maxsize=4096)
def logical_name(code: bytes) -> str:
    """Return the six numbers of a logical name; raises DlmsError."""
    if len(code) != 6:
        raise DlmsError("a logical name has six bytes")
    return ".".join(str(part) for part in code)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute (or method) of an object: class, logical name (``1.0.1.8.0.255``), number.

    Negative numbers are the manufacturer's.
    """

    class_id: int
    name: str
    number: int = 2

    def encoded(self) -> bytes:
        """Return class, logical name and number."""
        number = self.number.to_bytes(1, "big", signed=True)
        return self.class_id.to_bytes(2, "big") + obis(self.name) + number

    @classmethod
    def read(cls, reader: Reader) -> Attribute:
        """Take one."""
        class_id = int.from_bytes(reader.take(2), "big")
        name = logical_name(reader.take(6))
        return cls(class_id, name, int.from_bytes(reader.take(1), "big", signed=True))


@dataclass(frozen=True, slots=True)
class GetRequest:
    """Read an attribute; ``selection`` restricts what of it."""

    number: int
    attribute: Attribute
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class GetListRequest:
    """Read several attributes at once."""

    number: int
    attributes: tuple[tuple[Attribute, Selection | None], ...]


@dataclass(frozen=True, slots=True)
class GetNext:
    """Ask for the next block after ``block``."""

    number: int
    block: int


@dataclass(frozen=True, slots=True)
class GetResponse:
    """The value, or why there is none."""

    number: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class GetListResponse:
    """The outcomes of a list."""

    number: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class GetBlock:
    """A part of what is too long for one answer: of an encoded value, or of encoded outcomes."""

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
class ActionRequest:
    """Call a method."""

    number: int
    method: Attribute
    data: Data | None = None


@dataclass(frozen=True, slots=True)
class ActionResponse:
    """How that went, and what it returned."""

    number: int
    result: int = SUCCESS
    data: Data | None = None


@dataclass(frozen=True, slots=True)
class DataNotification:
    """What a server sends unasked; ``number`` has 24 bits."""

    number: int
    data: Data


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """The server did not understand, or may not: state and service error.

    State 1 is ``service-not-allowed``: there is no association.
    """

    state: int = 1
    service: int = 2


Apdu = (
    GetRequest
    | GetListRequest
    | GetNext
    | GetResponse
    | GetListResponse
    | GetBlock
    | SetRequest
    | SetResponse
    | ActionRequest
    | ActionResponse
    | DataNotification
    | ExceptionResponse
)


def encode_apdu(apdu: Apdu) -> bytes:
    """Return the bytes of a request, response or notification; raises DlmsError."""
    if isinstance(apdu, ExceptionResponse):
        return bytes([EXCEPTION, apdu.state, apdu.service])
    if isinstance(apdu, DataNotification):
        if not 0 <= apdu.number < 1 << 24:
            raise DlmsError("notifications are numbered with 24 bits")
        return bytes([NOTIFICATION]) + apdu.number.to_bytes(4, "big") + b"\x00" + encode(apdu.data)
    if not 0 <= apdu.number < 16:
        raise DlmsError("requests are numbered 0 to 15")
    kind, variant, body = _parts(apdu)
    return bytes([kind, variant, _CONFIRMED_HIGH | apdu.number]) + body


def _parts(apdu: Apdu) -> tuple[int, int, bytes]:  # noqa: PLR0911 - one for each kind
    if isinstance(apdu, GetRequest):
        return GET_REQUEST, _NORMAL, _selected(apdu.attribute, apdu.selection)
    if isinstance(apdu, GetListRequest):
        wanted = b"".join(_selected(*one) for one in apdu.attributes)
        return GET_REQUEST, _WITH_LIST, length(len(apdu.attributes)) + wanted
    if isinstance(apdu, GetNext):
        return GET_REQUEST, _NEXT, apdu.block.to_bytes(4, "big")
    if isinstance(apdu, SetRequest):
        return SET_REQUEST, _NORMAL, apdu.attribute.encoded() + b"\x00" + encode(apdu.data)
    if isinstance(apdu, SetResponse):
        return SET_RESPONSE, _NORMAL, bytes([apdu.result])
    if isinstance(apdu, GetResponse):
        return GET_RESPONSE, _NORMAL, _outcome(apdu.outcome)
    if isinstance(apdu, GetListResponse):
        return GET_RESPONSE, _WITH_LIST, encode_outcomes(apdu.outcomes)
    if isinstance(apdu, ActionRequest):
        given = b"\x00" if apdu.data is None else b"\x01" + encode(apdu.data)
        return ACTION_REQUEST, _NORMAL, apdu.method.encoded() + given
    if isinstance(apdu, ActionResponse):
        given = b"\x00" if apdu.data is None else b"\x01\x00" + encode(apdu.data)
        return ACTION_RESPONSE, _NORMAL, bytes([apdu.result]) + given
    assert isinstance(apdu, GetBlock)
    head = bytes([apdu.last]) + apdu.block.to_bytes(4, "big")
    if apdu.error:
        return GET_RESPONSE, _WITH_BLOCK, head + bytes([1, apdu.error])
    return GET_RESPONSE, _WITH_BLOCK, head + b"\x00" + length(len(apdu.content)) + apdu.content


def _selected(attribute: Attribute, selection: Selection | None) -> bytes:
    if selection is None:
        return attribute.encoded() + b"\x00"
    selector, parameters = selection
    return attribute.encoded() + bytes([1, selector]) + encode(parameters)


def _outcome(outcome: Outcome) -> bytes:
    if isinstance(outcome, Data):
        return b"\x00" + encode(outcome)
    return bytes([1, outcome])


def encode_outcomes(outcomes: tuple[Outcome, ...]) -> bytes:
    """Return the bytes of a list of outcomes, as they are split into blocks if they are long."""
    return length(len(outcomes)) + b"".join(_outcome(one) for one in outcomes)


def decode_outcomes(content: bytes) -> tuple[Outcome, ...]:
    """Return the outcomes of their bytes; raises DlmsError."""
    reader = Reader(content)
    outcomes = _read_outcomes(reader)
    reader.end()
    return outcomes


def decode_apdu(content: bytes) -> Apdu:
    """Return the request, response or notification of its bytes; raises DlmsError alone."""
    reader = Reader(content)
    kind = reader.byte()
    if kind == EXCEPTION:
        apdu: Apdu = ExceptionResponse(reader.byte(), reader.byte())
    elif kind == NOTIFICATION:
        number = int.from_bytes(reader.take(4)[1:], "big")
        reader.take(reader.length())  # its date and time, where it has one
        apdu = DataNotification(number, reader.data())
    else:
        variant, number = reader.byte(), reader.byte() & 0x0F
        read = _READERS.get((kind, variant))
        if read is None:
            raise DlmsError(f"APDU {kind:#04x}, variant {variant}")
        apdu = read(reader, number)
    reader.end()
    return apdu


def _read_selected(reader: Reader) -> tuple[Attribute, Selection | None]:
    attribute = Attribute.read(reader)
    return attribute, (reader.byte(), reader.data()) if _flag(reader) else None


def _flag(reader: Reader) -> bool:
    flag = reader.byte()
    if flag > 1:
        raise DlmsError("neither there nor not")
    return flag == 1


def _read_outcome(reader: Reader) -> Outcome:
    return reader.byte() if _flag(reader) else reader.data()


def _read_outcomes(reader: Reader) -> tuple[Outcome, ...]:
    return tuple(_read_outcome(reader) for _ in range(reader.length()))


def _read_list(reader: Reader, number: int) -> GetListRequest:
    return GetListRequest(number, tuple(_read_selected(reader) for _ in range(reader.length())))


def _read_block(reader: Reader, number: int) -> GetBlock:
    last, block = _flag(reader), int.from_bytes(reader.take(4), "big")
    if _flag(reader):
        return GetBlock(number, last, block, b"", reader.byte())
    return GetBlock(number, last, block, reader.take(reader.length()))


def _read_set(reader: Reader, number: int) -> SetRequest:
    attribute, selection = _read_selected(reader)
    if selection is not None:
        raise DlmsError("selective access to what is written")
    return SetRequest(number, attribute, reader.data())


def _read_action(reader: Reader, number: int) -> ActionRequest:
    method = Attribute.read(reader)
    return ActionRequest(number, method, reader.data() if _flag(reader) else None)


def _read_action_response(reader: Reader, number: int) -> ActionResponse:
    result = reader.byte()
    if not _flag(reader):
        return ActionResponse(number, result)
    outcome = _read_outcome(reader)
    if isinstance(outcome, int):
        return ActionResponse(number, outcome or OTHER)
    return ActionResponse(number, result, outcome)


_READERS: dict[tuple[int, int], Callable[[Reader, int], Apdu]] = {
    (GET_REQUEST, _NORMAL): lambda reader, number: GetRequest(number, *_read_selected(reader)),
    (GET_REQUEST, _WITH_LIST): _read_list,
    (GET_REQUEST, _NEXT): lambda reader, number: GetNext(
        number, int.from_bytes(reader.take(4), "big")
    ),
    (GET_RESPONSE, _NORMAL): lambda reader, number: GetResponse(number, _read_outcome(reader)),
    (GET_RESPONSE, _WITH_BLOCK): _read_block,
    (GET_RESPONSE, _WITH_LIST): lambda reader, number: GetListResponse(
        number, _read_outcomes(reader)
    ),
    (SET_REQUEST, _NORMAL): _read_set,
    (SET_RESPONSE, _NORMAL): lambda reader, number: SetResponse(number, reader.byte()),
    (ACTION_REQUEST, _NORMAL): _read_action,
    (ACTION_RESPONSE, _NORMAL): _read_action_response,
}
