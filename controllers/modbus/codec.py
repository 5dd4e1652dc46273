"""Modbus frames: application protocol 1.1b3, over TCP and over a serial line (RTU).

What is here: reading input and holding registers (functions 4 and 3), writing one and several
(6 and 16), exceptions. Registers are 16 bits, most significant byte first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "FRAMINGS",
    "Adu",
    "Failure",
    "Framing",
    "ModbusError",
    "Pdu",
    "Read",
    "Values",
    "Write",
    "WriteOne",
    "Written",
    "crc16",
    "decode_reply",
    "decode_request",
    "encode_pdu",
]

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4
_MOST_READ, _MOST_WRITTEN, _MOST_PDU = 125, 123, 253
_EXCEPTION = 0x80


class ModbusError(ValueError):
    """Bytes that are no Modbus; ``code`` is the exception that a device answers with, 0: none."""

    def __init__(self, why: str, code: int = 0, function: int = 0) -> None:
        super().__init__(why)
        self.code, self.function = code, function


@dataclass(frozen=True, slots=True)
class Read:
    """Read ``count`` registers from ``address`` on; function 3 or 4."""

    function: int
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class WriteOne:
    """Write one register; the answer is the same."""

    address: int
    value: int


@dataclass(frozen=True, slots=True)
class Write:
    """Write registers from ``address`` on."""

    address: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """What was read."""

    function: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """How many registers were written from ``address`` on."""

    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a device does not do what function it was asked for."""

    function: int
    code: int


Pdu = Read | WriteOne | Write | Values | Written | Failure


def encode_pdu(pdu: Pdu) -> bytes:
    """Return the bytes of a request or reply; raises ModbusError for what has none."""
    try:
        return _encode(pdu)
    except struct.error as error:
        raise ModbusError(f"{pdu} is out of range") from error


def _encode(pdu: Pdu) -> bytes:
    if isinstance(pdu, Read):
        return struct.pack(">BHH", pdu.function, pdu.address, pdu.count)
    if isinstance(pdu, WriteOne):
        return struct.pack(">BHH", WRITE_ONE, pdu.address, pdu.value)
    if isinstance(pdu, Written):
        return struct.pack(">BHH", WRITE_MANY, pdu.address, pdu.count)
    if isinstance(pdu, Failure):
        return struct.pack(">BB", pdu.function | _EXCEPTION, pdu.code)
    body = struct.pack(f">B{len(pdu.values)}H", 2 * len(pdu.values), *pdu.values)
    if isinstance(pdu, Values):
        return bytes([pdu.function]) + body
    return struct.pack(">BHH", WRITE_MANY, pdu.address, len(pdu.values)) + body


def decode_request(content: bytes) -> Read | WriteOne | Write:
    """Return a master's request; raises ModbusError, and nothing else."""
    function = _function(content)
    if function in {READ_HOLDING, READ_INPUT}:
        address, count = _two(content)
        if not 1 <= count <= _MOST_READ:
            raise ModbusError("so many registers", ILLEGAL_VALUE, function)
        if address + count > 1 << 16:
            raise ModbusError("beyond the last register", ILLEGAL_ADDRESS, function)
        return Read(function, address, count)
    if function == WRITE_ONE:
        return WriteOne(*_two(content))
    if function == WRITE_MANY:
        return _several(content)
    raise ModbusError(f"function {function}", ILLEGAL_FUNCTION, function)


def decode_reply(content: bytes) -> WriteOne | Values | Written | Failure:
    """Return a device's reply; raises ModbusError, and nothing else."""
    function = _function(content)
    if function & _EXCEPTION:
        if len(content) != 2:
            raise ModbusError("an exception has one code")
        return Failure(function & ~_EXCEPTION, content[1])
    if function in {READ_HOLDING, READ_INPUT}:
        size = content[1] if len(content) > 1 else -1
        if size < 2 or size % 2 or len(content) != 2 + size:
            raise ModbusError("size")
        return Values(function, struct.unpack(f">{size // 2}H", content[2:]))
    if function == WRITE_ONE:
        return WriteOne(*_two(content))
    if function == WRITE_MANY:
        return Written(*_two(content))
    raise ModbusError(f"function {function}")


def _several(content: bytes) -> Write:
    if len(content) < 8:
        raise ModbusError("cut short", ILLEGAL_VALUE, WRITE_MANY)
    address, count, size = struct.unpack(">HHB", content[1:6])
    if not 1 <= count <= _MOST_WRITTEN or size != 2 * count or len(content) != 6 + size:
        raise ModbusError("so many registers", ILLEGAL_VALUE, WRITE_MANY)
    if address + count > 1 << 16:
        raise ModbusError("beyond the last register", ILLEGAL_ADDRESS, WRITE_MANY)
    return Write(address, struct.unpack(f">{count}H", content[6:]))


def _function(content: bytes) -> int:
    if not content or len(content) > _MOST_PDU:
        raise ModbusError("size")
    return content[0]


def _two(content: bytes) -> tuple[int, int]:
    if len(content) != 5:
        raise ModbusError("size", ILLEGAL_VALUE, content[0])
    first, second = struct.unpack(">HH", content[1:])
    return first, second


@dataclass(frozen=True, slots=True)
class Adu:
    """A frame: the device's address, and what is in it; ``transaction`` over TCP alone."""

    transaction: int
    unit: int
    pdu: bytes


@dataclass(frozen=True, slots=True)
class Framing:
    """How a PDU becomes a frame, and back; ``decode`` raises ModbusError, and nothing else."""

    encode: Callable[[Adu], bytes]
    decode: Callable[[bytes], Adu]


def _encode_tcp(adu: Adu) -> bytes:
    head = struct.pack(">HHHB", adu.transaction & 0xFFFF, 0, len(adu.pdu) + 1, adu.unit)
    return head + adu.pdu


def _decode_tcp(content: bytes) -> Adu:
    if len(content) < 8:
        raise ModbusError("cut short")
    transaction, protocol, size, unit = struct.unpack(">HHHB", content[:7])
    if protocol or size != len(content) - 6 or size > _MOST_PDU + 1:
        raise ModbusError("no Modbus over TCP")
    return Adu(transaction, unit, content[7:])


def _encode_rtu(adu: Adu) -> bytes:
    content = bytes([adu.unit]) + adu.pdu
    return content + crc16(content).to_bytes(2, "little")


def _decode_rtu(content: bytes) -> Adu:
    if not 4 <= len(content) <= _MOST_PDU + 3:
        raise ModbusError("size")
    if crc16(content[:-2]) != int.from_bytes(content[-2:], "little"):
        raise ModbusError("check sum")
    return Adu(0, content[0], content[1:-2])


def crc16(content: bytes) -> int:
    """Return the check sum of a serial frame: polynomial 0xA001 reflected, begun with 0xFFFF."""
    crc = 0xFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


FRAMINGS = {"tcp": Framing(_encode_tcp, _decode_tcp), "rtu": Framing(_encode_rtu, _decode_rtu)}
