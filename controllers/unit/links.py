"""Links of a unit to peers that speak a foreign protocol: bytes in order, none: it is closed.

A unit's specification names them, ``links: {peer: protocol}``; ``"*"`` stands for all peers that
are not named. What a peer sends goes to the service of that ``protocol``, whose ``receive`` raises
DecodeError for garbage, and nothing else. On the way bytes are sealed as any message of units is,
which stands for what protects such a connection in the field (TLS).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from controllers.security.envelope import Envelope
from controllers.security.errors import RefusedError
from controllers.unit.codec import DecodeError
from controllers.unit.host import Host
from controllers.unit.inbox import Inbox
from controllers.unit.service import Service, UnitContext
from controllers.unit.surroundings import Surroundings
from fernwatt.errors import SimulationError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Delivery, Event, Frame

__all__ = ["LinkContext", "LinkedService", "Links", "linked"]

_ANYBODY = "*"


@runtime_checkable
class LinkedService(Service, Protocol):
    """A service that speaks a protocol of its own."""

    protocol: str

    def receive(self, peer: str, payload: bytes, identifier: str) -> None:
        """Take bytes of a peer, none: it has closed; ``identifier`` names the frame.

        Raises DecodeError for what is not of the protocol.
        """


@runtime_checkable
class LinkContext(UnitContext, Protocol):
    """What such a service sees of its unit."""

    def transmit(
        self, peer: str, payload: bytes, *, flow: str = "metering", cause: str = ""
    ) -> str:
        """Send bytes to a peer, none: close; return the frame's name."""

    def keep(self, key: str, value: Any) -> None:
        """Note what is to survive the unit's restart (JSON types); None: forget it."""

    def kept(self) -> dict[str, Any]:
        """Return what was noted, by key."""


def linked(context: UnitContext) -> LinkContext:
    """Return a service's context as one with links; raises SimulationError where it has none."""
    if not isinstance(context, LinkContext):
        raise SimulationError(f"{context.unit} has no links")
    return context


class Links:
    """One unit's links; they share its host, envelope and names with its other messages."""

    __slots__ = ("_around", "_envelope", "_host", "_name", "_peers", "_services", "_unit")

    def __init__(  # noqa: PLR0917 - as many as a unit's other ways out
        self,
        unit: str,
        peers: Mapping[str, str],
        around: Surroundings,
        host: Host,
        envelope: Envelope,
        name: Sequencer,
    ) -> None:
        self._unit, self._peers, self._around = unit, peers, around
        self._host, self._envelope, self._name = host, envelope, name
        self._services: dict[str, LinkedService] = {}

    def add(self, service: Service) -> None:
        """Take note of a service, if it speaks a protocol of its own."""
        if isinstance(service, LinkedService):
            self._services[service.protocol] = service

    def service(self, peer: str) -> LinkedService | None:
        """Return who speaks with a peer, None for the unit itself, in the platform's protocol."""
        protocol = self._peers.get(peer) or self._peers.get(_ANYBODY, "")
        return self._services.get(protocol)

    def take(self, service: LinkedService, delivery: Delivery, inbox: Inbox) -> None:
        """Hand what came to its service; count what is no packet, tell what is not authentic."""
        around, now_ms = self._around, self._around.now_ms
        self._host.parse(now_ms * 1000, len(delivery.payload))
        try:
            payload = self._envelope.open(delivery.payload, delivery.src, now_ms).payload
        except DecodeError:
            around.counters["malformed"] += 1
            return
        except RefusedError as error:
            around.counters[f"refused-{error.why}"] += 1
            told = {"src": delivery.src, "why": str(error.why)}
            refused = Event(self._name(), delivery.id, now_ms * 1000, "refused", self._unit, told)
            around.event(refused)
            return

        def hand(content: bytes) -> None:
            try:
                service.receive(delivery.src, content, delivery.id)
            except DecodeError:
                around.counters["malformed"] += 1

        inbox.guard(service.name, hand, payload)

    def transmit(self, peer: str, payload: bytes, flow: str, cause: str) -> str:
        """Send bytes to a peer in a frame; return its name."""
        around, name = self._around, self._name()
        sealed = self._envelope.seal(payload, peer, around.now_ms)
        ready_us = self._host.build(around.now_ms * 1000, len(sealed))
        priority = around.flows[flow].priority
        frame = Frame(name, cause, self._unit, peer, flow, priority, ready_us, -1, sealed)
        around.frames.append(frame)
        return name
