"""The communication manager of one unit: messages to frames and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from controllers.security.envelope import Envelope
from controllers.security.errors import Refusal, RefusedError
from controllers.security.introduced import Introduced
from controllers.unit.carriage import Carriage
from controllers.unit.channels import Attentive, Channel, Protecting, Reply, UnauthenticError
from controllers.unit.codec import DecodeError, UnknownOperationError
from controllers.unit.copies import Policies
from controllers.unit.door import Door
from controllers.unit.host import Host
from controllers.unit.security import is_by
from controllers.unit.service import Result
from controllers.unit.surroundings import Surroundings
from controllers.unit.transit import MARK, Transit, decode_transit, encode_transit
from controllers.unit.wire import Message, Notify, Request
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Delivery, Event, Frame

__all__ = ["Post"]

_LOG = logging.getLogger("fernwatt.units")


class Post:
    """Encodes, seals and sends; takes frames in. ``name`` gives the unit's identifiers.

    ``channels`` are those to peers that speak another protocol than the platform's;
    ``protected`` those of them that protect themselves. ``door`` introduces the unit to others.
    """

    __slots__ = (
        "_around",
        "_carriage",
        "_channels",
        "_door",
        "_envelope",
        "_host",
        "_protected",
        "_unit",
        "name",
        "policies",
    )

    def __init__(
        self,
        unit: str,
        around: Surroundings,
        *,
        host: Host,
        envelope: Envelope,
        name: Sequencer,
        policies: Policies,
        channels: Mapping[str, Channel] | None = None,
        protected: Mapping[str, Protecting] | None = None,
        door: Introduced | None = None,
    ) -> None:
        self._unit, self._around, self._host = unit, around, host
        self._door = None if door is None else Door(door, around, self._put, self._hand, name)
        self._envelope, self.name, self.policies = envelope, name, policies
        self._carriage = Carriage(unit, around, host, envelope)
        self._channels, self._protected = channels or {}, protected or {}

    def take_in(self, delivery: Delivery) -> Sequence[Message | Transit]:
        """Return the messages of a frame; none, counted, where it cannot be understood.

        What is not authentic and fresh is refused: told as an event, but to nobody outside, since
        nobody knows who sent it. What the protocol itself has to answer is sent.
        """
        around, src = self._around, delivery.src
        own = src in self._protected and self._protected[src].is_own(delivery.payload)
        self._host.parse(around.now_ms * 1000, len(delivery.payload), own=own)
        try:
            if own:
                return self._take_own(delivery)
            sealed = self._envelope.open(delivery.payload, src, around.now_ms)
            if self._door is not None:
                self._door.met(src)
            if sealed.payload.startswith(MARK):
                return (decode_transit(sealed.payload, src, self._unit),)
            messages = (
                self._receive(delivery, sealed.payload)
                if src in self._channels and not self._is_plain(sealed.payload, src)
                else (around.codec.decode(sealed.payload, src, self._unit),)
            )
        except UnauthenticError as error:
            self.refuse(delivery, error.why)
            return ()
        except DecodeError as error:
            self._unread(error, delivery)
            return ()
        except RefusedError as error:
            if self._door is None or not self._door.answered(delivery, error):
                self.refuse(delivery, str(error.why))
            return ()
        if not all(is_by(message, sealed) for message in messages):
            self.refuse(delivery, "identity")
            messages = ()
        return messages

    def _take_own(self, delivery: Delivery) -> Sequence[Message]:
        """Take what protects itself; raises RefusedError where a peer has not introduced itself."""
        src = delivery.src
        if self._door is not None and not self._door.knows(src):
            raise RefusedError(Refusal.UNKNOWN_KEY, src)
        messages = self._receive(delivery, delivery.payload)
        if isinstance(self._envelope, Attentive):
            self._envelope.around(src, self._around.now_ms, said=False)
        return messages

    def _is_plain(self, payload: bytes, src: str) -> bool:
        """Tell whether a payload is in the platform's own protocol, though ``src`` has another."""
        channel = self._channels[src]
        return isinstance(channel, Protecting) and not channel.is_own(payload)

    def _receive(self, delivery: Delivery, payload: bytes) -> Sequence[Message]:
        """Hand a payload to the peer's channel, and send what its protocol answers."""
        channel = self._channels[delivery.src]
        received = channel.receive(payload, delivery.id, self._around.now_ms)
        for reply in received.replies:
            self._reply(delivery, reply)
        return received.messages

    def _reply(self, delivery: Delivery, reply: Reply) -> None:
        frame, about = self.name(), reply.about
        who = ("", "")
        if isinstance(about, Request):  # one that had to wait for what came
            who = (about.stakeholder, about.service)
            self._around.books.add("cause", frame, about.id)
        self._put(frame, reply.payload, delivery.id, delivery.src, delivery.flow, -1, *who)

    def _unread(self, error: DecodeError, delivery: Delivery) -> None:
        """Count a frame that cannot be read, or answer what only newer units ask for."""
        if isinstance(error, UnknownOperationError):
            self._not_understood(error.request, delivery.src, delivery)
            return
        self._around.counters["malformed"] += 1
        self._around.noted("malformed", self._unit, delivery.src, delivery.id)
        _LOG.info("%s: malformed frame %s of %s: %s", self._unit, delivery.id, delivery.src, error)

    def _not_understood(self, request: str, source: str, delivery: Delivery) -> None:
        """Tell a newer unit that what it asks for is nothing that is known here."""
        self._around.counters["unknown-operation"] += 1
        notify = Notify(request, Result.MALFORMED, "", self._unit, "", None, -1)
        self.notify(notify, cause=delivery.id, dst=source, flow=delivery.flow)

    def open(self, delivery: Delivery, *, sealed: bool) -> bytes | None:
        """Return the bytes of a foreign protocol in a frame; None where they are refused."""
        around, src = self._around, delivery.src
        self._host.parse(around.now_ms * 1000, len(delivery.payload), own=not sealed)
        if not sealed:
            return delivery.payload
        try:
            payload = self._envelope.open(delivery.payload, src, around.now_ms).payload
        except DecodeError as error:
            self._unread(error, delivery)
        except RefusedError as error:
            if self._door is None or not self._door.answered(delivery, error):
                self.refuse(delivery, str(error.why))
        else:
            if self._door is not None:
                self._door.met(src)
            return payload
        return None

    def pass_on(self, payload: bytes, *, cause: str, dst: str, flow: str, sealed: bool) -> str:
        """Send bytes of a foreign protocol; return the frame's name."""
        frame = self.name()
        if sealed:
            self._put(frame, payload, cause, dst, flow, -1)
        else:
            self._hand(frame, payload, cause, dst, flow, own=True)
        return frame

    def unread(self, error: DecodeError, delivery: Delivery) -> None:
        """Count what is no packet of a foreign protocol."""
        self._unread(error, delivery)

    def unload(self, transit: Transit, delivery: Delivery) -> Message | None:
        """Return the message of a transit for this unit; None, counted or told, where refused."""
        found = self._carriage.unload(transit)
        if not isinstance(found, str):
            return found
        if found == "unknown operation":
            self._not_understood(transit.request, transit.source, delivery)
        elif found == "malformed":
            self._around.counters["malformed"] += 1
            self._around.noted("malformed", self._unit, delivery.src, delivery.id)
        else:
            self.refuse(delivery, found)
        return None

    def refuse(self, delivery: Delivery, why: str) -> None:
        """Count what is not to be trusted, and tell the run of it."""
        self._around.counters[f"refused-{why}"] += 1
        self.tell("refused", delivery.id, {"src": delivery.src, "why": why})
        self._around.noted("refused", self._unit, delivery.src, delivery.id, why)

    def tell(self, kind: str, cause: str, value: object) -> None:
        """Note something that happened at this unit."""
        t_us = self._around.now_ms * 1000
        self._around.event(Event(self.name(), cause, t_us, kind, self._unit, value))

    def work(self, kind: str, count: int) -> None:
        """Have the processor do a service's work, before all that is sent after."""
        self._host.work(self._around.now_ms * 1000, kind, count)

    def foreign(self, dst: str) -> bool:
        """Tell whether a peer speaks another protocol than the platform's own."""
        return dst in self._channels

    def payload(self, message: Message, dst: str) -> bytes:
        """Return a message in the platform's own protocol."""
        return self._around.codec.encode(message, self._unit, dst)

    def payloads(self, message: Message, dst: str) -> Sequence[bytes]:
        """Return what goes out of a message now; nothing where its protocol has to wait."""
        channel = self._channels.get(dst)
        if channel is None:
            return (self.payload(message, dst),)
        return channel.send(message, self._around.now_ms)

    def notify(self, notify: Notify, *, cause: str, dst: str, flow: str) -> str:
        """Send a notification in a frame of its own; return that frame's name."""
        if notify.owner == self._around.directory.owner(notify.location, notify.variable):
            notify.owner = ""  # the receiver knows as much
        payloads = self.payloads(self._with_policy(notify, dst), dst)
        frame = self.name()
        self.send_all(frame, payloads, notify, cause=cause, dst=dst, flow=flow)
        return frame

    def _with_policy(self, notify: Notify, dst: str) -> Notify:
        """Return a notification with what stands for its policy, where that is known."""
        if not isinstance(notify.policy, list):
            return notify
        return replace(notify, policy=self.policies.outgoing(dst, notify.policy))

    def content(self, notify: Notify, dst: str) -> bytes:
        """Return a notification as only the unit that it is for will open it."""
        return self._envelope.seal(self.payload(notify, dst), dst, self._around.now_ms)

    def carry(
        self, transit: Transit, *, cause: str, dst: str, flow: str, deadline_us: int = -1
    ) -> None:
        """Send a transit to a neighbour."""
        payload = encode_transit(transit, self._unit, dst)
        self._put(self.name(), payload, cause, dst, flow, deadline_us)

    def send_all(
        self,
        identifier: str,
        payloads: Sequence[bytes],
        message: Message,
        *,
        cause: str,
        dst: str,
        flow: str,
        deadline_us: int = -1,
    ) -> None:
        """Hand out the frames of one message; the first has the name ``identifier``."""
        for number, payload in enumerate(payloads):
            self.send(
                self.name() if number else identifier,
                payload,
                message,
                cause=cause,
                dst=dst,
                flow=flow,
                deadline_us=deadline_us,
            )

    def send(
        self,
        identifier: str,
        payload: bytes,
        message: Message,
        *,
        cause: str,
        dst: str,
        flow: str,
        deadline_us: int = -1,
    ) -> None:
        """Hand a frame with an encoded message out, when it is ready.

        A request is sealed by its service, all else by the unit; where it has to pass others, for
        its reader, and then by the unit for the next one. A frame that is sent again is sealed
        again: it is another one.
        """
        if (hop := self._around.routes.next(self._unit, dst)) != dst:
            payload = self._carriage.load(message, payload, dst, hop, flow, deadline_us)
            self._put(identifier, payload, cause, hop, flow, deadline_us)
        elif isinstance(message, Request):
            who = (message.stakeholder, message.service)
            self._put(identifier, payload, cause, dst, flow, deadline_us, *who)
        else:
            self._put(identifier, payload, cause, dst, flow, deadline_us)

    def _put(  # noqa: PLR0917 - a frame has that many parts
        self,
        identifier: str,
        payload: bytes,
        cause: str,
        dst: str,
        flow: str,
        deadline_us: int,
        stakeholder: str = "",
        service: str = "",
    ) -> None:
        around = self._around
        own = dst in self._protected and self._protected[dst].is_own(payload)
        if self._door is not None and not self._door.ready(dst):
            parcel = identifier, payload, cause, dst, flow, deadline_us, stakeholder, service
            self._door.hold(parcel)
            return
        if own and isinstance(self._envelope, Attentive):
            self._envelope.around(dst, around.now_ms, said=True)
        if not own:
            payload = self._envelope.seal(payload, dst, around.now_ms, stakeholder, service)
        self._hand(identifier, payload, cause, dst, flow, deadline_us, own=own)

    def _hand(  # noqa: PLR0917
        self,
        identifier: str,
        payload: bytes,
        cause: str,
        dst: str,
        flow: str,
        deadline_us: int = -1,
        *,
        own: bool = False,
    ) -> None:
        """Hand out a frame as it is, when it is ready."""
        around = self._around
        settings = around.flows.get(flow) or around.flows["management"]
        ready_us = self._host.build(around.now_ms * 1000, len(payload), own=own)
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
