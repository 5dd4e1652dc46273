"""ZigBee application frames: APS data and acknowledgement (R22, 2.2.5), ZCL report (ZCL 8, 2.5.11).

    APS   control  endpoint  cluster  profile  endpoint  counter
    ZCL   control  sequence  command  (attribute  type  value)…

All numbers least significant byte first.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

__all__ = [
    "HOME_AUTOMATION",
    "REPORT",
    "Ack",
    "Attribute",
    "Data",
    "Report",
    "ZigbeeError",
    "decode_aps",
    "decode_report",
    "encode_aps",
    "encode_report",
]

HOME_AUTOMATION = 0x0104
REPORT = 0x0A
_DATA, _ACK_FRAME = 0, 2
_ACK_WANTED = 0x40
_TO_CLIENT_NO_DEFAULT = 0x18
_MOST = 127

_INTEGERS = {
    0x10: (1, False), 0x18: (1, False), 0x30: (1, False),
    **{0x20 + size - 1: (size, False) for size in range(1, 9)},
    **{0x28 + size - 1: (size, True) for size in range(1, 9)},
}  # fmt: skip
_FLOATS = {0x39: "<f", 0x3A: "<d"}


class ZigbeeError(ValueError):
    """Bytes that are no such frame."""


@dataclass(frozen=True, slots=True)
class Data:
    """What goes from endpoint to endpoint."""

    source: int
    target: int
    cluster: int
    counter: int
    payload: bytes
    profile: int = HOME_AUTOMATION


@dataclass(frozen=True, slots=True)
class Ack:
    """That it arrived."""

    source: int
    target: int
    cluster: int
    counter: int
    profile: int = HOME_AUTOMATION


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute's value; None where the device says that it is not valid."""

    number: int
    kind: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Attributes that a device tells of by itself."""

    sequence: int
    attributes: tuple[Attribute, ...]


def encode_aps(frame: Data | Ack) -> bytes:
    """Return the bytes of a frame; a data frame asks for its acknowledgement."""
    control = _DATA | _ACK_WANTED if isinstance(frame, Data) else _ACK_FRAME
    try:
        head = struct.pack(
            "<BBHHBB",
            control,
            frame.target,
            frame.cluster,
            frame.profile,
            frame.source,
            frame.counter,
        )
    except struct.error as error:
        raise ZigbeeError(f"{frame} is out of range") from error
    return head + (frame.payload if isinstance(frame, Data) else b"")


def decode_aps(content: bytes) -> Data | Ack:
    """Return the frame of its bytes; raises ZigbeeError, and nothing else."""
    if not 8 <= len(content) <= _MOST:
        raise ZigbeeError("size")
    control, target, cluster, profile, source, counter = struct.unpack("<BBHHBB", content[:8])
    if control == _ACK_FRAME and len(content) == 8:
        return Ack(source, target, cluster, counter, profile)
    if control & ~_ACK_WANTED == _DATA:
        return Data(source, target, cluster, counter, content[8:], profile)
    raise ZigbeeError("neither data nor an acknowledgement")


def encode_report(report: Report) -> bytes:
    """Return the bytes of a report; raises ZigbeeError for values that have none."""
    out = bytes([_TO_CLIENT_NO_DEFAULT, report.sequence & 0xFF, REPORT])
    for it in report.attributes:
        out += struct.pack("<HB", it.number, it.kind) + _value(it)
    return out


def decode_report(content: bytes) -> Report:
    """Return the report of its bytes; raises ZigbeeError, and nothing else."""
    if len(content) < 3 or content[0] & 0x07 or content[2] != REPORT:
        raise ZigbeeError("no report of attributes")
    at, attributes = 3, list[Attribute]()
    while at < len(content):
        if at + 3 > len(content):
            raise ZigbeeError("cut short")
        number, kind = struct.unpack("<HB", content[at : at + 3])
        size = _size(kind)
        raw = content[at + 3 : at + 3 + size]
        if len(raw) < size:
            raise ZigbeeError("cut short")
        attributes.append(Attribute(number, kind, _read(kind, raw)))
        at += 3 + size
    if not attributes:
        raise ZigbeeError("nothing in it")
    return Report(content[1], tuple(attributes))


def _size(kind: int) -> int:
    if kind in _INTEGERS:
        return _INTEGERS[kind][0]
    if kind in _FLOATS:
        return struct.calcsize(_FLOATS[kind])
    raise ZigbeeError(f"type {kind:#x}")


def _invalid(kind: int) -> int | None:
    """Return the integer that stands for no value, None for types without one."""
    size, signed = _INTEGERS[kind]
    if kind in {0x10, 0x18}:
        return None
    return -(1 << 8 * size - 1) if signed else (1 << 8 * size) - 1


def _value(it: Attribute) -> bytes:
    if it.kind in _FLOATS:
        return struct.pack(_FLOATS[it.kind], math.nan if it.value is None else it.value)
    size, signed = _INTEGERS.get(it.kind, (0, False))
    number = _invalid(it.kind) if size and it.value is None else it.value
    if not size or number is None or number != int(number):
        raise ZigbeeError(f"no value of type {it.kind:#x}")
    try:
        return int(number).to_bytes(size, "little", signed=signed)
    except OverflowError as error:
        raise ZigbeeError(f"{number} is out of range") from error


def _read(kind: int, raw: bytes) -> float | None:
    if kind in _FLOATS:
        (number,) = struct.unpack(_FLOATS[kind], raw)
        return float(number) if math.isfinite(number) else None
    value = int.from_bytes(raw, "little", signed=_INTEGERS[kind][1])
    return None if value == _invalid(kind) else value
