"""Links of a unit to peers that speak a foreign protocol: bytes in order, none: it is closed.

A unit's specification names them, ``links: {peer: protocol}``; ``"*"`` stands for all peers that
are not named. What a peer sends goes to the service of that ``protocol``, whose ``receive`` raises
DecodeError for garbage, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from controllers.unit.codec import DecodeError
from controllers.unit.inbox import Inbox
from controllers.unit.service import Service, UnitContext
from fernwatt.errors import SimulationError
from fernwatt.messages import Delivery

if TYPE_CHECKING:
    from controllers.unit.post import Post

__all__ = ["LinkContext", "LinkedService", "Links", "linked"]

_ANYBODY = "*"


@runtime_checkable
class LinkedService(Service, Protocol):
    """A service that speaks a protocol of its own.

    Where that is not ``sealed``, its bytes go as they are: a device that knows nothing of the
    platform has none of its keys. Where it is, the seal stands for what protects such a connection
    in the field (TLS).
    """

    protocol: str
    sealed: bool

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
    """One unit's links."""

    __slots__ = ("_peers", "_post", "_services")

    def __init__(self, peers: Mapping[str, str], post: Post) -> None:
        self._peers, self._post = peers, post
        self._services: dict[str, LinkedService] = {}

    def add(self, service: Service) -> None:
        """Take note of a service, if it speaks a protocol of its own."""
        if isinstance(service, LinkedService):
            self._services[service.protocol] = service

    def service(self, peer: str) -> LinkedService | None:
        """Return who speaks with a peer, None for the unit itself, in the platform's protocol."""
        if not self._peers:
            return None
        protocol = self._peers.get(peer) or self._peers.get(_ANYBODY, "")
        return self._services.get(protocol)

    def take(self, service: LinkedService, delivery: Delivery, inbox: Inbox) -> None:
        """Hand what came to its service; count what is no packet, tell what is not authentic."""
        payload = self._post.open(delivery, sealed=service.sealed)
        if payload is None:
            return

        def hand(content: bytes) -> None:
            try:
                service.receive(delivery.src, content, delivery.id)
            except DecodeError as error:
                self._post.unread(error, delivery)

        inbox.guard(service.name, hand, payload)

    def transmit(self, peer: str, payload: bytes, flow: str, cause: str) -> str:
        """Send bytes to a peer in a frame; return its name."""
        service = self.service(peer)
        sealed = service is None or service.sealed
        return self._post.pass_on(payload, cause=cause, dst=peer, flow=flow, sealed=sealed)
