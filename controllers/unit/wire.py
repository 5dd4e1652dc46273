"""The one format of requests and notifications inside a unit, whatever protocol brought them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from controllers.unit.service import Result
from fernwatt.adapter import plain_value

__all__ = [
    "Message",
    "Notify",
    "Operation",
    "Request",
    "ValueRefusedError",
    "clean_value",
    "strict_value",
]

_MAX_DEPTH = 16
_INT_LIMIT = 1 << 63
_INT, _FLOAT = {int}, {float}


class Operation(IntEnum):
    """What a message asks for."""

    NOTIFY = 0
    WRITE = 1
    QUERY = 2
    EVENT = 3
    PERIODIC = 4
    UNSUBSCRIBE = 5
    ACKNOWLEDGE = 6

    @property
    def label(self) -> str:
        """The operation as it stands in tables."""
        return self.name.lower()


@dataclass(slots=True)
class Request:
    """One request; ``id`` is ``unit#n`` of the calling unit. Its signature is in its envelope.

    ``owner`` is empty where the variable's default owner at ``location`` is meant.
    ``policy`` is the plain form of a policy that a write brings, None without. ``at`` is the unit
    that is asked for a copy, empty where the one at ``location`` is asked. A ``reliable``
    subscription's notifications are acknowledged, all up to ``number`` of ``subscription`` by a
    request that nobody answers.
    """

    operation: Operation
    id: str
    source: str
    service: str
    stakeholder: str
    variable: str
    location: str
    value: Any = None
    condition: str = ""
    function: str = "last"
    period_ms: int = 0
    subscription: str = ""
    policy: list[list[Any]] | None = None
    at: str = ""
    reliable: bool = False
    number: int = 0

    @property
    def to(self) -> str:
        """The unit that is asked: where the data are, or where a copy of them is."""
        return self.at or self.location


@dataclass(slots=True)
class Notify:
    """An outcome (``number`` 0), or the ``number``-th notification of a subscription.

    ``owner`` is empty where it is the variable's default owner at ``location``. ``hop`` names the
    unit on the way that a request did not pass. ``policy`` is that of the instance where it is not
    the variable's usual one: its plain form, or what stands for it on the wire (``copies.py``).
    ``after`` is the number of the one that it follows in a reliable subscription, 0 where none
    before it is kept, -1 where nobody acknowledges.
    """

    request: str
    result: Result
    variable: str
    location: str
    owner: str
    value: Any
    t_ms: int
    number: int = 0
    hop: str = ""
    policy: list[list[Any]] | str | None = None
    after: int = -1


Message = Request | Notify


class ValueRefusedError(ValueError):
    """A value that is not JSON: NaN, infinity, too deep, too large an integer, an object."""


def clean_value(value: Any) -> Any:
    """Return a copy of ``value`` in JSON types, arrays as lists.

    Raises ValueRefusedError. The copy keeps what is stored safe from its writer.
    """
    try:
        return strict_value(value)
    except ValueRefusedError:
        return strict_value(plain_value(value))


def strict_value(value: Any) -> Any:
    """Return a copy of ``value``, which has JSON types; raises ValueRefusedError."""
    return _copy(value, 0)


def _copy(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is float:
        if math.isfinite(value):
            return value
        raise ValueRefusedError("not a finite number")
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if -_INT_LIMIT <= value < _INT_LIMIT:
            return value
        raise ValueRefusedError("an integer beyond 64 bits")
    if depth >= _MAX_DEPTH:
        raise ValueRefusedError("nested too deep")
    if kind is list:
        return value.copy() if _is_row(value) else [_copy(item, depth + 1) for item in value]
    if kind is dict:
        if not all(type(key) is str for key in value):
            raise ValueRefusedError("a key that is no text")
        return {key: _copy(item, depth + 1) for key, item in value.items()}
    raise ValueRefusedError(f"{kind.__name__} is not JSON")


def _is_row(values: list[Any]) -> bool:
    """Tell whether these are integers alone, or numbers alone, that may pass as they are."""
    kinds = set(map(type, values))
    if kinds == _INT:
        return bool(min(values) >= -_INT_LIMIT and max(values) < _INT_LIMIT)
    return kinds == _FLOAT and all(map(math.isfinite, values))
