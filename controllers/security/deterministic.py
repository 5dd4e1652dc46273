"""Deterministic CBOR (RFC 8949, 4.2.1) of what every message has, without a general encoder.

What is not a small number, a text, bytes or a map of small numbers is left to ``cbor2``, whose
canonical encoding is the same, and slower.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cbor2

__all__ = ["blob", "dumps", "head"]

_SMALL = [bytes([number]) for number in range(24)]
_INTEGERS = {int}
_NAME = 64  # characters
_LITTLE_BLOBS = [bytes([0x40 | count]) for count in range(24)]
_LITTLE_MAPS = [bytes([0xA0 | count]) for count in range(24)]


def head(major: int, value: int) -> bytes:
    """Return the first bytes of an item: its major type and its number or length."""
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 1 << 8:
        return bytes((major << 5 | 24, value))
    if value < 1 << 16:
        return bytes((major << 5 | 25, value >> 8, value & 0xFF))
    if value < 1 << 32:
        return bytes((major << 5 | 26,)) + value.to_bytes(4, "big")
    return bytes((major << 5 | 27,)) + value.to_bytes(8, "big")


def blob(data: bytes) -> bytes:
    """Return a byte string."""
    size = len(data)
    return (_LITTLE_BLOBS[size] if size < 24 else head(2, size)) + data


def _text(text: str) -> bytes:
    return _name(text) if len(text) <= _NAME else _name.__wrapped__(text)


@lru_cache(maxsize=4096)
def _name(text: str) -> bytes:
    """Return a text; short ones are names of units and services, ever the same."""
    encoded = text.encode()
    return head(3, len(encoded)) + encoded


def dumps(value: Any) -> bytes:
    """Return the deterministic encoding of ``value``; raises what ``cbor2`` raises."""
    kind = type(value)
    if kind is int and 0 <= value < 1 << 64:
        return _SMALL[value] if value < 24 else head(0, value)
    if kind is str:
        return _text(value)
    if kind is bytes:
        return blob(value)
    if kind is dict and len(value) < 24 and _INTEGERS.issuperset(map(type, value)):
        keys = sorted(value)
        if not keys or (keys[0] >= 0 and keys[-1] < 24):
            parts = [_LITTLE_MAPS[len(keys)]]
            for key in keys:
                item = value[key]
                kind = type(item)
                parts.append(_SMALL[key])
                if kind is int and 0 <= item < 24:
                    parts.append(_SMALL[item])
                else:
                    parts.append(_text(item) if kind is str else dumps(item))
            return b"".join(parts)
    encoded: bytes = cbor2.dumps(value, canonical=True)
    return encoded
