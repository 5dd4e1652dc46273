"""The communication manager of one unit: messages to frames and back."""

from __future__ import annotations

from controllers.unit.codec import DecodeError
from controllers.unit.host import Host
from controllers.unit.surroundings import Surroundings
from controllers.unit.wire import Message, Notify
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Delivery, Frame

__all__ = ["Post"]


class Post:
    """Signs, encodes and sends; takes frames in. ``name`` gives the unit's identifiers."""

    __slots__ = ("_around", "_host", "_unit", "name")

    def __init__(self, unit: str, around: Surroundings, host: Host) -> None:
        self._unit, self._around, self._host = unit, around, host
        self.name = Sequencer(unit)

    def take_in(self, delivery: Delivery) -> Message | None:
        """Return the message of a frame; None, counted, where it cannot be understood."""
        self._host.parse(self._around.now_ms * 1000, len(delivery.payload))
        try:
            return self._around.codec.decode(delivery.payload, delivery.src, self._unit)
        except DecodeError:
            self._around.counters["malformed"] += 1
            return None

    def payload(self, message: Message, dst: str) -> bytes:
        """Return the signed and encoded message."""
        message.signature = self._around.security.sign(message)
        return self._around.codec.encode(message, self._unit, dst)

    def notify(self, notify: Notify, *, cause: str, dst: str, flow: str) -> str:
        """Send a notification in a frame of its own; return the frame's name."""
        if notify.owner == self._around.directory.owner(notify.location, notify.variable):
            notify.owner = ""  # the receiver knows as much
        payload = self.payload(notify, dst)
        frame = self.name()
        self.send(frame, payload, cause=cause, dst=dst, flow=flow)
        return frame

    def send(
        self,
        identifier: str,
        payload: bytes,
        *,
        cause: str,
        dst: str,
        flow: str,
        deadline_us: int = -1,
    ) -> None:
        """Hand a frame out, ready when the host has made it."""
        around = self._around
        settings = around.flows.get(flow) or around.flows["management"]
        ready_us = self._host.build(around.now_ms * 1000, len(payload))
        around.frames.append(
            Frame(
                identifier,
                cause,
                self._unit,
                dst,
                flow,
                settings.priority,
                ready_us,
                deadline_us,
                payload,
            )
        )
