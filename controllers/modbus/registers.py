"""Where a device's values are in its registers, and in which steps.

    input registers (function 4)            holding registers (functions 3, 6, 16)
      0  which values are there (bits)        100  set-point [W], 32 bits, signed
     10  energy [mWh], 64 bits, signed        102  valid for [s], 32 bits
     14  state of charge [0.1 Wh], 32 bits    104  of the device (0) or of the connection (1)
     16  power [W], 32 bits, signed           110  reactive set-point [var], 32 bits, signed
     18  temperature [0.01 degC], 16 bits     112  valid for [s], 32 bits
     19  tank temperature [0.01 degC]         114  0

A device has no common clock with anybody: an order says how long it holds, not until when. It is
taken when its last register is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "FIRST",
    "ORDERS",
    "ORDER_SIZE",
    "PLACES",
    "SIZE",
    "VALUES",
    "Order",
    "Place",
    "pack",
    "unpack",
]

FIRST, SIZE = 0, 20
"""The block of input registers that is read in one request."""


@dataclass(frozen=True, slots=True)
class Place:
    """Address, number of registers, value of one step; ``bit`` of register 0 tells of it."""

    address: int
    count: int
    step: float
    bit: int

    def encode(self, value: float) -> list[int]:
        """Return the registers of a value, cut to what they can hold."""
        return pack(round(value / self.step), self.count)

    def decode(self, registers: Sequence[int]) -> float:
        """Return the value in registers."""
        return unpack(registers) * self.step


@dataclass(frozen=True, slots=True)
class Order:
    """An order: where it is, and the field that is its value."""

    address: int
    field: str


VALUES: Mapping[str, Place] = {
    "device.energy": Place(10, 4, 0.001, 0),
    "battery.soc": Place(14, 2, 0.1, 1),
    "device.power": Place(16, 2, 1.0, 2),
    "thermal.temperature": Place(18, 1, 0.01, 3),
    "tank.temperature": Place(19, 1, 0.01, 4),
}
ORDERS: Mapping[str, Order] = {
    "set_point": Order(100, "p_w"),
    "reactive_set_point": Order(110, "q_var"),
}
ORDER_SIZE = 5
PLACES = ("device", "connection")
"""What a set-point is for, as register 104 has it: ``at`` of the variable."""


def pack(value: int, count: int) -> list[int]:
    """Return a signed integer as registers, the nearest that fits."""
    top = 1 << 16 * count - 1
    value = max(-top, min(value, top - 1)) & (1 << 16 * count) - 1
    return [value >> 16 * (count - 1 - place) & 0xFFFF for place in range(count)]


def unpack(registers: Sequence[int]) -> int:
    """Return the signed integer in registers."""
    value = 0
    for register in registers:
        value = value << 16 | register
    return value - (1 << 16 * len(registers)) if registers[0] & 0x8000 else value
