"""A device that knows nothing but Modbus: registers, and who asks for them.

Its firmware fills the registers with what its own instruments read, and moves its own actuator
when an order is written. ``Bank`` is that device without its unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from controllers.modbus.codec import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    READ_HOLDING,
    READ_INPUT,
    Failure,
    ModbusError,
    Pdu,
    Read,
    Values,
    Write,
    WriteOne,
    Written,
    decode_request,
    encode_pdu,
)
from controllers.modbus.registers import FIRST, ORDER_SIZE, ORDERS, PLACES, SIZE, VALUES, unpack

__all__ = ["Bank"]

_HOLDING = {order.address + place for order in ORDERS.values() for place in range(ORDER_SIZE)}

Ordered = Callable[[str, float, int, str], None]
"""Variable, value, how long it holds [s], and where: one of ``PLACES``."""


class Bank:
    """The registers; ``ordered`` is called when an order has been written."""

    def __init__(self, ordered: Ordered) -> None:
        self._ordered = ordered
        self._input = [0] * SIZE
        self._holding = dict.fromkeys(sorted(_HOLDING), 0)

    def put(self, variable: str, value: float) -> None:
        """Keep what an instrument read, where there is a register for it."""
        place = VALUES.get(variable)
        if place is None or not math.isfinite(value):
            return
        self._input[place.address : place.address + place.count] = place.encode(value)
        self._input[0] |= 1 << place.bit

    def answer(self, content: bytes) -> bytes:
        """Return the reply to a request, be it an exception; raises ModbusError without one."""
        try:
            return encode_pdu(self._do(decode_request(content)))
        except ModbusError as error:
            if not error.code:
                raise
            return encode_pdu(Failure(error.function, error.code))

    def _do(self, request: Read | WriteOne | Write) -> Pdu:
        if isinstance(request, Read):
            return Values(request.function, tuple(self._read(request)))
        if isinstance(request, WriteOne):
            self._write(request.address, [request.value], 6)
            return request
        self._write(request.address, request.values, 16)
        return Written(request.address, len(request.values))

    def _read(self, request: Read) -> list[int]:
        wanted = range(request.address, request.address + request.count)
        if request.function == READ_INPUT and wanted.stop <= FIRST + SIZE:
            return [self._input[place] for place in wanted]
        if request.function == READ_HOLDING and all(place in self._holding for place in wanted):
            return [self._holding[place] for place in wanted]
        raise ModbusError("no such register", ILLEGAL_ADDRESS, request.function)

    def _write(self, address: int, values: Sequence[int], function: int) -> None:
        places = range(address, address + len(values))
        if not all(place in self._holding for place in places):
            raise ModbusError("no such register", ILLEGAL_ADDRESS, function)
        self._holding.update(zip(places, values, strict=True))
        for variable, order in ORDERS.items():
            if order.address + ORDER_SIZE - 1 in places:
                five = [self._holding[order.address + place] for place in range(ORDER_SIZE)]
                if five[4] >= len(PLACES):
                    raise ModbusError("no such place", ILLEGAL_VALUE, function)
                holds_s = five[2] << 16 | five[3]
                self._ordered(variable, float(unpack(five[:2])), holds_s, PLACES[five[4]])
