"""Who asks a Modbus device, and tells it orders: one request at a time, each repeated once.

A plain state machine: what goes out is taken, what came and what time it is are handed in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from controllers.modbus.codec import (
    READ_INPUT,
    Adu,
    Failure,
    Framing,
    Read,
    Values,
    Write,
    Written,
    decode_reply,
    encode_pdu,
)
from controllers.modbus.registers import FIRST, ORDERS, PLACES, SIZE, VALUES, pack

__all__ = ["Done", "Master"]

_TRIES = 2
_MAX_WAITING = 16


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a request: values that were read, or the order that was written.

    ``why`` is empty where it succeeded, else ``silent`` or the exception's number.
    """

    why: str
    values: dict[str, float]
    order: str = ""


@dataclass(slots=True)
class _Asked:
    pdu: Read | Write
    order: str = ""
    tries: int = 0
    until_ms: int = -1


class Master:
    """Speaks with one device, ``unit`` on its line."""

    def __init__(self, framing: Framing, unit: int = 1, patience_ms: int = 3_000) -> None:
        self._framing, self._unit, self._patience_ms = framing, unit, patience_ms
        self._waiting: deque[_Asked] = deque()
        self._transaction = 0
        self._out: list[bytes] = []

    @property
    def idle(self) -> bool:
        """Whether nothing is asked."""
        return not self._waiting

    def tells(self, variable: str) -> bool:
        """Return whether an order is on its way, or waits for its turn."""
        return any(one.order == variable for one in self._waiting)

    def next_ms(self) -> int:
        """Return when ``due`` wants to be called, -1: not before something comes."""
        return self._waiting[0].until_ms if self._waiting else -1

    def take(self) -> list[bytes]:
        """Return the frames that go out now."""
        out, self._out = self._out, []
        return out

    def ask(self, t_ms: int) -> None:
        """Read all values, unless that is being done."""
        if not any(isinstance(one.pdu, Read) for one in self._waiting):
            self._add(_Asked(Read(READ_INPUT, FIRST, SIZE)), t_ms)

    def order(
        self, variable: str, value: float, holds_s: int, t_ms: int, at: str = PLACES[0]
    ) -> None:
        """Write an order that holds so long; it takes the place of one that has not gone out."""
        order = ORDERS[variable]
        holds_s = max(0, min(holds_s, 0xFFFFFFFF))
        place = PLACES.index(at)
        registers = (*pack(round(value), 2), holds_s >> 16, holds_s & 0xFFFF, place)
        asked = _Asked(Write(order.address, registers), variable)
        for number, one in enumerate(self._waiting):
            if number and one.order == variable:
                self._waiting[number] = asked
                return
        self._add(asked, t_ms)

    def receive(self, content: bytes, t_ms: int) -> Done | None:
        """Take a frame of the device; raises ModbusError for what is none."""
        adu = self._framing.decode(content)
        reply = decode_reply(adu.pdu)
        late = adu.transaction and adu.transaction != self._transaction  # of one that was given up
        if not self._waiting or adu.unit != self._unit or late:
            return None
        asked = self._waiting[0].pdu
        if isinstance(reply, Failure):
            return self._finish(f"exception {reply.code}", {}, t_ms)
        if isinstance(asked, Write):
            fits = reply == Written(asked.address, len(asked.values))
            return self._finish("", {}, t_ms) if fits else None
        if isinstance(reply, Values) and len(reply.values) == asked.count:
            return self._finish("", _values(reply.values), t_ms)
        return None

    def due(self, t_ms: int) -> Done | None:
        """Repeat what is not answered, or give it up."""
        if not self._waiting or t_ms < self._waiting[0].until_ms:
            return None
        if self._waiting[0].tries < _TRIES:
            self._say(t_ms)
            return None
        return self._finish("silent", {}, t_ms)

    def _add(self, asked: _Asked, t_ms: int) -> None:
        if len(self._waiting) >= _MAX_WAITING:
            return
        self._waiting.append(asked)
        if len(self._waiting) == 1:
            self._say(t_ms)

    def _say(self, t_ms: int) -> None:
        asked = self._waiting[0]
        asked.tries, asked.until_ms = asked.tries + 1, t_ms + self._patience_ms
        self._transaction = self._transaction % 0xFFFF + 1
        adu = Adu(self._transaction, self._unit, encode_pdu(asked.pdu))
        self._out.append(self._framing.encode(adu))

    def _finish(self, why: str, values: dict[str, float], t_ms: int) -> Done:
        order = self._waiting.popleft().order
        if self._waiting:
            self._say(t_ms)
        return Done(why, values, order)


def _values(registers: tuple[int, ...]) -> dict[str, float]:
    """Return the values that are there."""
    return {
        variable: place.decode(registers[place.address : place.address + place.count])
        for variable, place in VALUES.items()
        if registers[0] >> place.bit & 1
    }
