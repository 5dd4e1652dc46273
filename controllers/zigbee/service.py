"""ZigBee in units: a plain sensor that reports, and the unit that hears it."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.unit.codec import DecodeError
from controllers.unit.links import LinkContext, linked
from controllers.unit.service import Notification, Result, UnitContext
from controllers.zigbee.clusters import MEASURED, attributes_of, value_of
from controllers.zigbee.codec import (
    Ack,
    Data,
    Report,
    ZigbeeError,
    decode_aps,
    decode_report,
    encode_aps,
    encode_report,
)

__all__ = ["CoordinatorService", "SensorService"]

_ACK_WAIT_MS, _RETRIES = 1_600, 3
"""apscAckWaitDuration and apscMaxFrameRetries."""
_REMEMBERED = 16
_AGAIN = "again/"


@dataclass(slots=True)
class _Sent:
    frame: bytes
    cause: str
    tries: int = 1


class SensorService:
    """Reports what its own instruments read, until it is acknowledged or told three times again."""

    name = "zigbee"
    protocol = "zigbee"
    sealed = False

    _context: LinkContext

    def __init__(self, to: str) -> None:
        self._to, self._counter = to, 0
        self._sent: dict[int, _Sent] = {}

    def start(self, context: UnitContext) -> None:
        """Follow its own instruments."""
        self._context = linked(context)
        for variable in MEASURED:
            context.data.event(variable, context.unit)

    def notify(self, notification: Notification) -> None:
        """Report a reading."""
        value, variable = notification.value, notification.variable
        if notification.result is not Result.OK or type(value) not in {int, float}:
            return
        where = MEASURED[variable]
        self._counter = (self._counter + 1) & 0xFF
        report = Report(self._counter, attributes_of(variable, float(value)))
        data = Data(where.endpoint, 1, where.cluster, self._counter, encode_report(report))
        self._sent[self._counter] = _Sent(encode_aps(data), notification.id)
        self._say(self._counter)

    def timer(self, name: str) -> None:
        """Report again what was not acknowledged."""
        counter = int(name.removeprefix(_AGAIN))
        sent = self._sent.get(counter)
        if sent is None:
            return
        if sent.tries > _RETRIES:
            del self._sent[counter]
            return
        sent.tries += 1
        self._say(counter)

    def receive(self, peer: str, payload: bytes, identifier: str) -> None:
        """Take an acknowledgement; raises DecodeError."""
        del identifier
        try:
            frame = decode_aps(payload)
        except ZigbeeError as error:
            raise DecodeError(str(error)) from error
        if peer == self._to and isinstance(frame, Ack):
            self._sent.pop(frame.counter, None)
            self._context.cancel_timer(f"{_AGAIN}{frame.counter}")

    def _say(self, counter: int) -> None:
        sent, context = self._sent[counter], self._context
        context.transmit(self._to, sent.frame, cause=sent.cause)
        context.set_timer(f"{_AGAIN}{counter}", context.now_ms + _ACK_WAIT_MS)


class CoordinatorService:
    """Writes what a sensor reports, each report once."""

    name = "zigbee"
    protocol = "zigbee"
    sealed = False

    _context: LinkContext

    def __init__(self, sensor: str) -> None:
        self._sensor = sensor
        self._counters: list[int] = []

    def start(self, context: UnitContext) -> None:
        """Wait for reports."""
        self._context = linked(context)

    def notify(self, notification: Notification) -> None:
        """Expect nothing: its own writes need no answer."""

    def timer(self, name: str) -> None:
        """Expect none."""

    def receive(self, peer: str, payload: bytes, identifier: str) -> None:
        """Take a report, and acknowledge it; raises DecodeError."""
        if peer != self._sensor:
            return
        try:
            frame = decode_aps(payload)
            report = decode_report(frame.payload) if isinstance(frame, Data) else None
        except ZigbeeError as error:
            raise DecodeError(str(error)) from error
        if report is None or not isinstance(frame, Data):
            return
        ack = Ack(frame.target, frame.source, frame.cluster, frame.counter, frame.profile)
        self._context.transmit(peer, encode_aps(ack), cause=identifier)
        if frame.counter in self._counters:
            return
        self._counters = [*self._counters[1 - _REMEMBERED :], frame.counter]
        self._write(frame, report, identifier)

    def _write(self, frame: Data, report: Report, identifier: str) -> None:
        context = self._context
        for variable, where in MEASURED.items():
            if (where.cluster, where.endpoint) == (frame.cluster, frame.source):
                value = value_of(variable, report.attributes)
                if value is not None:
                    context.data.write(variable, context.unit, value, cause=identifier)
