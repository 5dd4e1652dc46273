"""Values in A-XDR (IEC 62056-5-3, 6-2): a type's tag, then the value, lengths where they vary.

A value is ``Data(tag, value)``: integers, floats, bool, bytes (octet-string), str
(visible-string, utf8-string), None (null), or a tuple of Data (array, structure).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

__all__ = ["Data", "DlmsError", "Reader", "Tag", "encode", "length"]

_MAX_DEPTH = 40  # a value of 16 levels, each two of ours


class DlmsError(ValueError):
    """Bytes that are no DLMS, or not what was expected there."""


class Tag(IntEnum):
    """Types of data and their tags."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24


_INTEGERS: dict[Tag, tuple[int, bool]] = {
    Tag.DOUBLE_LONG: (4, True),
    Tag.DOUBLE_LONG_UNSIGNED: (4, False),
    Tag.INTEGER: (1, True),
    Tag.LONG: (2, True),
    Tag.UNSIGNED: (1, False),
    Tag.LONG_UNSIGNED: (2, False),
    Tag.LONG64: (8, True),
    Tag.LONG64_UNSIGNED: (8, False),
    Tag.ENUM: (1, False),
}
_TEXTS = {Tag.VISIBLE_STRING: "ascii", Tag.UTF8_STRING: "utf-8"}
_TAGS = {int(tag): tag for tag in Tag}
_FLOATS = {Tag.FLOAT32: ">f", Tag.FLOAT64: ">d"}


@dataclass(frozen=True, slots=True)
class Data:
    """One value with its type."""

    tag: Tag
    value: Any = None

    @property
    def parts(self) -> tuple[Data, ...]:
        """The values of a structure; none for what is no structure."""
        return tuple(self.value) if self.tag is Tag.STRUCTURE else ()


def length(size: int) -> bytes:
    """Return a length: one byte below 128, else how many bytes follow, and these."""
    if size < 0x80:
        return bytes([size])
    body = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(body)]) + body


def encode(data: Data) -> bytes:
    """Return the encoding; raises DlmsError for a value that its type cannot hold."""
    tag, value = data.tag, data.value
    try:
        return bytes([tag]) + _body(tag, value)
    except (struct.error, OverflowError, UnicodeEncodeError, TypeError, AttributeError) as error:
        raise DlmsError(f"{value!r} is no {tag.name.lower()}") from error


def _body(tag: Tag, value: Any) -> bytes:  # noqa: PLR0911 - one for each kind
    if tag is Tag.NULL:
        return b""
    if tag in _INTEGERS:
        size, signed = _INTEGERS[tag]
        return int(value).to_bytes(size, "big", signed=signed)
    if tag in _FLOATS:
        return struct.pack(_FLOATS[tag], value)
    if tag is Tag.BOOLEAN:
        return b"\x01" if value else b"\x00"
    if tag is Tag.OCTET_STRING:
        return length(len(value)) + bytes(value)
    if tag in _TEXTS:
        text = value.encode(_TEXTS[tag])
        return length(len(text)) + bytes(text)
    return length(len(value)) + b"".join(encode(item) for item in value)


class Reader:
    """Takes bytes from the front; every method raises DlmsError where they do not fit."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, content: bytes) -> None:
        self._bytes, self._at = content, 0

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        end = self._at + size
        if size < 0 or end > len(self._bytes):
            raise DlmsError("cut short")
        taken, self._at = self._bytes[self._at : end], end
        return taken

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def expect(self, *wanted: int) -> None:
        """Take these bytes and no others."""
        if self.take(len(wanted)) != bytes(wanted):
            raise DlmsError(f"{bytes(wanted).hex()} expected")

    def length(self) -> int:
        """Take a length."""
        first = self.byte()
        if first < 0x80:
            return first
        size = int.from_bytes(self.take(first & 0x7F), "big")
        if size < 0x80 or size > len(self._bytes):
            raise DlmsError("length")
        return size

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._bytes) - self._at)

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._bytes):
            raise DlmsError("bytes after the end")

    def data(self, depth: int = 0) -> Data:
        """Take one value with its type."""
        code = self.byte()
        tag = _TAGS.get(code)
        if tag is None or depth > _MAX_DEPTH:
            raise DlmsError(f"type {code}")
        if tag in (Tag.ARRAY, Tag.STRUCTURE):
            return Data(tag, tuple(self.data(depth + 1) for _ in range(self.length())))
        return Data(tag, self._simple(tag))

    def _simple(self, tag: Tag) -> Any:
        if tag is Tag.NULL:
            return None
        if tag in _INTEGERS:
            size, signed = _INTEGERS[tag]
            return int.from_bytes(self.take(size), "big", signed=signed)
        if tag in _FLOATS:
            return struct.unpack(_FLOATS[tag], self.take(4 if tag is Tag.FLOAT32 else 8))[0]
        if tag is Tag.BOOLEAN:
            return self.byte() != 0
        content = self.take(self.length())
        if tag is Tag.OCTET_STRING:
            return content
        try:
            return content.decode(_TEXTS[tag])
        except UnicodeDecodeError as error:
            raise DlmsError(tag.name) from error
