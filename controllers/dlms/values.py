"""Values of variables that no COSEM class describes, in A-XDR without loss.

Numbers, texts, booleans and null are what they are; a list is a structure, a record an array of
structures of key and value, the keys that the catalogue names as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from controllers.dlms.axdr import Data, DlmsError, Tag

__all__ = ["from_data", "is_number", "to_data"]

_SIMPLE: dict[type, Tag] = {
    type(None): Tag.NULL,
    bool: Tag.BOOLEAN,
    float: Tag.FLOAT64,
    str: Tag.UTF8_STRING,
    bytes: Tag.OCTET_STRING,
}


def to_data(value: Any, fields: Sequence[str] = ()) -> Data:
    """Return a value (JSON types, and bytes) in A-XDR; raises DlmsError for another."""
    kind = type(value)
    if kind in _SIMPLE:
        return Data(_SIMPLE[kind], value)
    if kind is int:
        return _integer(value)
    if kind is list:
        return Data(Tag.STRUCTURE, tuple(to_data(item) for item in value))
    if kind is not dict:
        raise DlmsError(f"{kind.__name__} has no form in A-XDR")
    codes = {name: code for code, name in enumerate(fields)}
    return Data(Tag.ARRAY, tuple(_item(codes, key, item) for key, item in value.items()))


def _item(codes: dict[str, int], key: str, item: Any) -> Data:
    code = codes.get(key)
    named = Data(Tag.UTF8_STRING, key) if code is None else Data(Tag.UNSIGNED, code)
    return Data(Tag.STRUCTURE, (named, to_data(item)))


def _integer(value: int) -> Data:
    for tag, bits in ((Tag.INTEGER, 7), (Tag.LONG, 15), (Tag.DOUBLE_LONG, 31), (Tag.LONG64, 63)):
        if -(1 << bits) <= value < 1 << bits:
            return Data(tag, value)
    raise DlmsError("an integer beyond 64 bits")


def is_number(data: Data) -> bool:
    """Tell whether a value is an integer or a finite float."""
    return type(data.value) in (int, float) and math.isfinite(data.value)


def from_data(data: Data, fields: Sequence[str] = ()) -> Any:
    """Return the value of its A-XDR; raises DlmsError where it is none."""
    if data.tag is Tag.STRUCTURE:
        return [from_data(item) for item in data.value]
    if data.tag is Tag.ARRAY:
        return _record(data.value, fields)
    if type(data.value) is float and not math.isfinite(data.value):
        raise DlmsError("not a finite number")
    if type(data.value) is int and not -(1 << 63) <= data.value < 1 << 63:
        raise DlmsError("an integer beyond 64 bits")
    return data.value


def _record(items: tuple[Data, ...], fields: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for item in items:
        if item.tag is not Tag.STRUCTURE or len(item.value) != 2:
            raise DlmsError("no pair of key and value")
        named, value = item.value
        if named.tag is Tag.UNSIGNED and named.value < len(fields):
            key = fields[named.value]
        elif named.tag is Tag.UTF8_STRING:
            key = named.value
        else:
            raise DlmsError("no key of a record")
        if key in record:
            raise DlmsError("a key twice")
        record[key] = from_data(value)
    return record
