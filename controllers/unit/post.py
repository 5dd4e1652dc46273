"""The communication manager of one unit: messages to frames and back."""

from __future__ import annotations

from controllers.security.envelope import Envelope
from controllers.security.errors import RefusedError
from controllers.unit.codec import DecodeError
from controllers.unit.host import Host
from controllers.unit.security import is_by
from controllers.unit.surroundings import Surroundings
from controllers.unit.wire import Message, Notify, Request
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Delivery, Event, Frame

__all__ = ["Post"]


class Post:
    """Encodes, seals and sends; takes frames in. ``name`` gives the unit's identifiers."""

    __slots__ = ("_around", "_envelope", "_host", "_unit", "name")

    def __init__(
        self,
        unit: str,
        around: Surroundings,
        *,
        host: Host,
        envelope: Envelope,
        name: Sequencer,
    ) -> None:
        self._unit, self._around, self._host = unit, around, host
        self._envelope, self.name = envelope, name

    def take_in(self, delivery: Delivery) -> Message | None:
        """Return the message of a frame; None, counted, where it cannot be understood.

        What is not authentic and fresh is refused: told as an event, but to nobody outside, since
        nobody knows who sent it.
        """
        around = self._around
        self._host.parse(around.now_ms * 1000, len(delivery.payload))
        try:
            sealed = self._envelope.open(delivery.payload, delivery.src, around.now_ms)
            message = around.codec.decode(sealed.payload, delivery.src, self._unit)
        except DecodeError:
            around.counters["malformed"] += 1
            return None
        except RefusedError as error:
            self._refuse(delivery, str(error.why))
            return None
        if not is_by(message, sealed):
            self._refuse(delivery, "identity")
            return None
        return message

    def _refuse(self, delivery: Delivery, why: str) -> None:
        around = self._around
        around.counters[f"refused-{why}"] += 1
        told = {"src": delivery.src, "why": why}
        around.event(
            Event(self.name(), delivery.id, around.now_ms * 1000, "refused", self._unit, told)
        )

    def payload(self, message: Message, dst: str) -> bytes:
        """Return the encoded message."""
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
        by: Request | None = None,
        cause: str,
        dst: str,
        flow: str,
        deadline_us: int = -1,
    ) -> None:
        """Hand a frame out, sealed by the unit or ``by`` a request's service, when it is ready.

        A frame that is sent again is sealed again: it is another one.
        """
        around = self._around
        speaker = ("", "") if by is None else (by.stakeholder, by.service)
        payload = self._envelope.seal(payload, dst, around.now_ms, *speaker)
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
