"""Values on the wire, shorter than CBOR alone has them, without loss.

Lists of eight or more integers, such as profiles, go as differences to the number before: zigzag
(0, -1, 1, -2, … as 0, 1, 2, 3, …) in groups of seven bits, least first, the eighth bit saying
that more follow (LEB128), in a byte string with a CBOR tag of its own. A quarter-hour profile
of a house takes some 1.2 bytes per value instead of three. Keys of a record that the catalogue
names go as their place there. Bytes, which JSON cannot hold, are base64 text in records, under a
key that ends with ``_b64``, and go as the bytes that they are.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cbor2 import CBORTag

__all__ = ["PackingError", "pack_value", "unpack_value"]

_TAG = 20_841  # unassigned; three bytes
_SHORTEST = 8
_LIMIT = 1 << 63
_INT = {int}
_KEPT = 16  # of the profiles that were packed and unpacked last
_BYTES = "_b64"
_MOST_FIELDS = 1 << 16


class PackingError(ValueError):
    """What no sender of ours would have sent."""


def pack_value(value: Any, fields: Sequence[str] = ()) -> Any:
    """Return what stands for ``value`` in the CBOR; ``fields`` are the record's known keys."""
    if type(value) is list:
        return _pack_list(value)
    if type(value) is not dict:
        return value
    codes = {name: code for code, name in enumerate(fields)}
    return {codes.get(key, key): _pack_item(key, item) for key, item in value.items()}


def unpack_value(wire: Any, fields: Sequence[str] = ()) -> Any:
    """Return the value of its wire form; raises PackingError if ``pack_value`` gave another.

    Keys by a number that is not known here are skipped: a newer unit says more. Keys that have a
    number here may come by name: an older one does not know it.
    """
    if type(wire) is not dict:
        value = _unpack_list(wire)
        if type(value) is list and pack_value(value) != wire:
            raise PackingError("not the one form")
        return value
    record: dict[Any, Any] = {}
    for key, item in wire.items():
        if type(key) is int and len(fields) <= key < _MOST_FIELDS:
            continue
        name = _key(key, fields)
        if name in record:
            raise PackingError("a field twice")
        record[name] = unpacked = _unpack_item(name, item)
        if type(unpacked) in (list, str) and _pack_item(name, unpacked) != item:
            raise PackingError("not the one form")
    return record


def _key(key: Any, fields: Sequence[str]) -> Any:
    if type(key) is not int:
        return key
    if not 0 <= key < len(fields):
        raise PackingError("no field")
    return fields[key]


def _pack_item(key: str, item: Any) -> Any:
    if type(item) is list:
        return _pack_list(item)
    if type(item) is str and key.endswith(_BYTES):
        try:
            raw = b64decode(item, validate=True)
        except (binascii.Error, ValueError):
            return item
        return raw if b64encode(raw).decode() == item else item
    return item


def _unpack_item(key: Any, item: Any) -> Any:
    if type(item) is bytes and type(key) is str and key.endswith(_BYTES):
        return b64encode(item).decode()
    return _unpack_list(item)


def _pack_list(values: list[Any]) -> Any:
    if len(values) < _SHORTEST or set(map(type, values)) != _INT:
        return values
    return CBORTag(_TAG, _deltas(tuple(values)))


@lru_cache(maxsize=_KEPT)
def _deltas(values: tuple[int, ...]) -> bytes:
    """Return the bytes of integers; one and the same profile often goes to many."""
    out, last = bytearray(), 0
    for value in values:
        step, last = value - last, value
        code = step << 1 if step >= 0 else (-step << 1) - 1
        while code > 0x7F:
            out.append(code & 0x7F | 0x80)
            code >>= 7
        out.append(code)
    return bytes(out)


def _unpack_list(wire: Any) -> Any:
    if type(wire) is not CBORTag:
        return wire
    if wire.tag != _TAG or type(wire.value) is not bytes:
        raise PackingError("an unknown tag")
    return list(_integers(wire.value))


@lru_cache(maxsize=_KEPT)
def _integers(deltas: bytes) -> tuple[int, ...]:
    values: list[int] = []
    code = shift = last = 0
    for byte in deltas:
        code |= (byte & 0x7F) << shift
        shift += 7
        if byte & 0x80:
            if shift > 70:
                raise PackingError("a number too long")
            continue
        last += -(code + 1 >> 1) if code & 1 else code >> 1
        if not -_LIMIT <= last < _LIMIT:
            raise PackingError("a number beyond 64 bits")
        values.append(last)
        code = shift = 0
    if shift:
        raise PackingError("a number cut off")
    return tuple(values)
