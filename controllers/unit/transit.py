"""What travels over several units: a message sealed by one for another, and a header to carry it.

On the wire a transit is a tagged CBOR array, so it differs from every message in its first byte
and passes beside whatever protocol two neighbours speak. Origin and target are left out where
they are the frame's addresses. Elements that a newer unit adds at the end are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import cbor2

from controllers.unit.codec import DecodeError
from controllers.unit.wire import Operation

__all__ = ["MARK", "Kind", "Transit", "decode_transit", "encode_transit"]

_TAG = 20_843
MARK = bytes([0xD9, _TAG >> 8, _TAG & 0xFF])
_FIELDS = 9
_MAX_BYTES = 1 << 20
_MAX_TEXT = 1000
_MOST_OPERATIONS = 256
_OPERATIONS: dict[int, int] = {int(operation): operation for operation in Operation}


class Kind(IntEnum):
    """What is carried: a request, its answer, or a notification that nobody waits for."""

    REQUEST = 0
    ANSWER = 1
    NEWS = 2  # and acknowledgements


@dataclass(slots=True)
class Transit:
    """One message on its way from ``origin``, who sealed ``content``, to ``target``.

    ``request`` is the identifier of the request that it is, answers or belongs to; ``budget_ms``
    how long a request may still take from here, there and back. ``operation`` (an ``Operation``, or
    the number of one that only newer units have), ``stakeholder`` and
    ``service`` of a request are what units on the way decide by; the holder finds them signed in
    the content, and refuses what differs.
    """

    kind: Kind
    origin: str
    target: str
    request: str
    content: bytes
    operation: int = Operation.NOTIFY
    budget_ms: int = 0
    stakeholder: str = ""
    service: str = ""

    @property
    def source(self) -> str:
        """The unit that made the request."""
        return self.request[: self.request.rindex("#")]


def encode_transit(transit: Transit, src: str, dst: str) -> bytes:
    """Return the payload of a transit between two neighbours."""
    number = int(transit.request[transit.request.rindex("#") + 1 :])
    fields = [
        int(transit.kind),
        None if transit.origin == src else transit.origin,
        None if transit.target == dst else transit.target,
        number,
        int(transit.operation),
        transit.budget_ms,
        transit.stakeholder,
        transit.service,
        transit.content,
    ]
    return cbor2.dumps(cbor2.CBORTag(_TAG, fields), canonical=True)


def decode_transit(payload: bytes, src: str, dst: str) -> Transit:
    """Return the transit of a payload; raises DecodeError, and nothing else."""
    kind, origin, target, number, operation, budget_ms, stakeholder, service, content = _fields(
        payload
    )
    origin, target = (
        _text(src if origin is None else origin),
        _text(dst if target is None else target),
    )
    if type(kind) is not int or not 0 <= kind < len(Kind) or type(content) is not bytes:
        raise DecodeError("kind or content of a transit")
    if type(operation) is not int or not 0 <= operation < _MOST_OPERATIONS:
        raise DecodeError("an operation of a transit")
    # requests are numbered by who asks, subscriptions by who subscribed
    asker = origin if operation else target
    return Transit(
        Kind(kind),
        origin,
        target,
        f"{asker}#{_natural(number)}",
        content,
        _OPERATIONS.get(operation, operation),
        _natural(budget_ms),
        _text(stakeholder),
        _text(service),
    )


def _fields(payload: bytes) -> list[Any]:
    if not len(MARK) < len(payload) <= _MAX_BYTES:
        raise DecodeError("length of a transit")
    try:
        data = cbor2.loads(payload)
        again = cbor2.dumps(data, canonical=True)
    except Exception as error:
        raise DecodeError("not CBOR") from error
    if type(data) is not cbor2.CBORTag or data.tag != _TAG or again != payload:
        raise DecodeError("no transit")
    fields = data.value
    if not isinstance(fields, list | tuple) or len(fields) < _FIELDS:
        raise DecodeError("fields of a transit")
    return list(fields[:_FIELDS])


def _natural(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise DecodeError("a number of a transit")
    return value


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > _MAX_TEXT:
        raise DecodeError("a text of a transit")
    return value
