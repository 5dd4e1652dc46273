"""Protocols on the wire, each translated from and to the one format; ``CODECS`` is the registry.

The platform's own protocol is a CBOR map (RFC 8949 §4.2.1, deterministic) with integer keys.
Addresses are the frame's: a request's number is its caller's, which is the frame's source, and
the location is the frame's destination unless said otherwise. Decoding is strict in form
(trailing bytes, double keys, longer encodings than needed, wrong types) and lenient in content:
keys it does not know are skipped, so that newer units may say more.
"""

from __future__ import annotations

from typing import Any, Protocol

import cbor2

from controllers.security.deterministic import dumps
from controllers.unit.catalogue import Catalogue
from controllers.unit.packing import PackingError, pack_value, unpack_value
from controllers.unit.service import Result
from controllers.unit.wire import (
    Message,
    Notify,
    Operation,
    Request,
    ValueRefusedError,
    strict_value,
)

__all__ = ["CODECS", "CborCodec", "Codec", "DecodeError", "UnknownOperationError"]

_OP, _NUMBER, _VARIABLE, _LOCATION, _SERVICE, _STAKEHOLDER, _VALUE = range(7)
_CONDITION, _FUNCTION, _PERIOD, _RESULT, _T, _OWNER, _POLICY = range(7, 14)
_SUBSCRIPTION, _SERIAL, _HOP, _AFTER, _RELIABLE = 15, 16, 17, 18, 19
# services that occur in every frame have a code; others go by name
_SERVICES = (
    "metering", "aggregation", "balancing", "forecast", "signals", "control", "flexibility",
)  # fmt: skip
_SERVICE_CODES = {name: code for code, name in enumerate(_SERVICES)}
_FUNCTIONS = ("last", "first", "min", "max", "mean", "sum", "count", "integral", "values")
_FUNCTION_CODES = {name: code for code, name in enumerate(_FUNCTIONS)}
_RESULTS = {int(result): result for result in Result}
_REQUESTS = {int(operation): operation for operation in Operation if operation}
_MAX_BYTES = 1 << 20
_MOST_CODES = 1 << 16
_MAX_TEXT = 1000


class DecodeError(ValueError):
    """Bytes that are no message of the protocol."""


class UnknownOperationError(DecodeError):
    """A request, by its identifier, for an operation that only newer units have."""

    def __init__(self, request: str) -> None:
        super().__init__("unknown operation")
        self.request = request


class Codec(Protocol):
    """One protocol; ``src`` and ``dst`` are the frame's addresses."""

    def encode(self, message: Message, src: str, dst: str) -> bytes:
        """Return the payload of ``message``."""

    def decode(self, payload: bytes, src: str, dst: str) -> Message:
        """Return the message of ``payload``; raises DecodeError, and nothing else."""


class CborCodec:
    """The platform's own protocol."""

    __slots__ = ("_catalogue",)

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def encode(self, message: Message, src: str, dst: str) -> bytes:
        """Return the deterministic encoding; what has its usual value is left out."""
        declared = self._catalogue.get(message.variable)
        out: dict[int, Any] = {}
        if message.variable:
            out[_VARIABLE] = declared.code if declared is not None else message.variable
        if message.value is not None:
            out[_VALUE] = pack_value(message.value, declared.fields if declared else ())
        if isinstance(message, Notify):
            self._notify(out, message, src)
        else:
            self._request(out, message, dst)
        return dumps(out)

    @staticmethod
    def _notify(out: dict[int, Any], message: Notify, src: str) -> None:
        out[_OP] = 0
        out[_NUMBER] = _number(message.request)
        if message.result:
            out[_RESULT] = int(message.result)
        if message.location != src:
            out[_LOCATION] = message.location
        if message.owner:
            out[_OWNER] = message.owner
        if message.t_ms != -1:
            out[_T] = message.t_ms
        if message.number:
            out[_SERIAL] = message.number
        if message.hop:
            out[_HOP] = message.hop
        if message.after >= 0:  # how far back the one before is: nearly always 1
            out[_AFTER] = message.number - message.after if message.after else 0
        if message.policy is not None:
            short = message.policy
            out[_POLICY] = bytes.fromhex(short) if isinstance(short, str) else short

    @staticmethod
    def _request(out: dict[int, Any], message: Request, dst: str) -> None:
        out[_OP] = int(message.operation)
        out[_NUMBER] = _number(message.id)
        out[_SERVICE] = _SERVICE_CODES.get(message.service, message.service)
        out[_STAKEHOLDER] = message.stakeholder
        if message.location != dst:
            out[_LOCATION] = message.location
        if message.condition:
            out[_CONDITION] = message.condition
        if message.function != "last":
            out[_FUNCTION] = _FUNCTION_CODES.get(message.function, message.function)
        if message.period_ms:
            out[_PERIOD] = message.period_ms
        if message.reliable:
            out[_RELIABLE] = True
        if message.number:
            out[_SERIAL] = message.number
        if message.subscription:
            out[_SUBSCRIPTION] = _number(message.subscription)
        if message.policy is not None:
            out[_POLICY] = message.policy

    def decode(self, payload: bytes, src: str, dst: str) -> Message:
        """Return the message; raises DecodeError on anything that is not well formed."""
        data = _strict_map(payload)
        operation = _integer(data, _OP)
        if operation == 0:
            return self._read_notify(data, src, dst)
        if operation not in _REQUESTS:
            raise UnknownOperationError(f"{src}#{_natural(data, _NUMBER)}")
        return self._read_request(data, _REQUESTS[operation], src, dst)

    def _read_notify(self, data: dict[Any, Any], src: str, dst: str) -> Notify:
        # a newer unit may know more results: that it was refused is known all the same
        result = _RESULTS.get(_natural(data, _RESULT, 0), Result.MALFORMED)
        return Notify(
            f"{dst}#{_natural(data, _NUMBER)}",
            result,
            self._variable(data),
            _text(data, _LOCATION, src),
            _text(data, _OWNER, ""),
            self._value(data),
            _integer(data, _T, -1),
            _natural(data, _SERIAL, 0),
            _text(data, _HOP, ""),
            _policy(data),
            _after(data),
        )

    def _read_request(
        self, data: dict[Any, Any], operation: Operation, src: str, dst: str
    ) -> Request:
        subscription = ""
        if _SUBSCRIPTION in data:
            subscription = f"{src}#{_natural(data, _SUBSCRIPTION)}"
        return Request(
            operation,
            f"{src}#{_natural(data, _NUMBER)}",
            src,
            _coded(data, _SERVICE, _SERVICES),
            _text(data, _STAKEHOLDER),
            self._variable(data),
            _text(data, _LOCATION, dst),
            self._value(data),
            _text(data, _CONDITION, ""),
            _coded(data, _FUNCTION, _FUNCTIONS, "last"),
            _natural(data, _PERIOD, 0),
            subscription,
            data.get(_POLICY),
            reliable=data.get(_RELIABLE) is True,
            number=_natural(data, _SERIAL, 0),
        )

    def _variable(self, data: dict[Any, Any]) -> str:
        code = data.get(_VARIABLE, "")
        if type(code) is int:
            declared = self._catalogue.of_code(code)
            # a newer unit's variable: it has a name that nobody here declares, and is refused so
            return declared.name if declared is not None else f"code {code}"
        return _text(data, _VARIABLE, "")

    def _value(self, data: dict[Any, Any]) -> Any:
        wire = data.get(_VALUE)
        if wire is None or (type(wire) is float and wire - wire == 0):
            return wire
        code = data.get(_VARIABLE)
        declared = self._catalogue.of_code(code) if type(code) is int else None
        try:
            return strict_value(unpack_value(wire, declared.fields if declared else ()))
        except (ValueRefusedError, PackingError) as error:
            raise DecodeError("not a JSON value") from error


CODECS: dict[str, type[CborCodec]] = {"cbor": CborCodec}


def _number(identifier: str) -> int:
    return int(identifier[identifier.rindex("#") + 1 :])


def _strict_map(payload: bytes) -> dict[Any, Any]:
    if not 0 < len(payload) <= _MAX_BYTES or payload[0] >> 5 != 5:
        raise DecodeError("not a map")
    try:
        data = cbor2.loads(payload)
        # one encoding per message: this finds trailing bytes, double keys and long forms at once
        again = dumps(data)
    except Exception as error:
        raise DecodeError("not CBOR") from error
    if type(data) is not dict or again != payload:
        raise DecodeError("not deterministic")
    if not all(type(key) is int for key in data):
        raise DecodeError("a key that is no integer")
    return data


def _integer(data: dict[Any, Any], key: int, default: int | None = None) -> int:
    value = data.get(key, default)
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise DecodeError(f"field {key} is not an integer")
    return value


def _natural(data: dict[Any, Any], key: int, default: int | None = None) -> int:
    value = _integer(data, key, default)
    if value < 0:
        raise DecodeError(f"field {key} is negative")
    return value


def _text(data: dict[Any, Any], key: int, default: str | None = None) -> str:
    value = data.get(key, default)
    if type(value) is not str or len(value) > _MAX_TEXT:
        raise DecodeError(f"field {key} is not a text")
    return value


def _after(data: dict[Any, Any]) -> int:
    back, number = _integer(data, _AFTER, -1), _natural(data, _SERIAL, 0)
    if back < 0:
        return -1
    if back > number:
        raise DecodeError(f"field {_AFTER} is too large")
    return number - back if back else 0


def _policy(data: dict[Any, Any]) -> list[list[Any]] | str | None:
    """Return the policy of a notification, or what stands for it."""
    policy = data.get(_POLICY)
    if type(policy) is bytes:
        return policy.hex()
    if policy is None or type(policy) is list:
        return policy
    raise DecodeError(f"field {_POLICY} is no policy")


def _coded(
    data: dict[Any, Any], key: int, names: tuple[str, ...], default: str | None = None
) -> str:
    value = data.get(key, default)
    if type(value) is int and 0 <= value < _MOST_CODES:
        # what a newer unit has, and nobody here: it has no rights, and is no function
        return names[value] if value < len(names) else f"code {value}"
    return _text(data, key, default)
