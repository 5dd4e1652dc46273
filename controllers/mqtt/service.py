"""A broker as the service of a unit: its clients' connections are the unit's links.

A link has no ports: a CONNECT begins a new connection, whatever there was before. What the broker
holds (sessions, retained messages) dies with its unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from controllers.mqtt.broker import Broker
from controllers.mqtt.credentials import Credentials, rights_of
from controllers.mqtt.host import BrokerHost
from controllers.unit.codec import DecodeError
from controllers.unit.links import LinkContext, linked
from controllers.unit.service import Notification, UnitContext

__all__ = ["BrokerService"]

_TIMER = "broker"
_CONNECT = 0x10


class BrokerService:
    """Users, rights and connections; ``host.counters`` says what was seen."""

    name = "mqtt"
    protocol = "mqtt"
    sealed = True

    _context: LinkContext

    def __init__(self, known: Credentials, window: int, patience_ms: int) -> None:
        def allows(user: str | None, password: bytes | None) -> bool:
            return known.accepts(user, password, self._context.now_ms)

        self.broker = Broker(allows, known.rights, window)
        self.host = BrokerHost(self.broker, patience_ms)

    @classmethod
    def make(cls, params: Mapping[str, Any]) -> BrokerService:
        """Return the broker of its parameters.

        ``users: {user: {password?, publish: [filter], subscribe: [filter]}}``; with a default:
        ``token_key``, ``window``, ``patience_s``.
        """
        users: Mapping[str, Mapping[str, Any]] = params.get("users", {})
        known = Credentials(rights_of(users), params.get("token_key", "").encode())
        for user, one in sorted(users.items()):
            if "password" in one:
                salt = sha256(f"mqtt/{user}".encode()).digest()[:16]
                known.add(user, one["password"].encode(), salt)
        patience_ms = round(float(params.get("patience_s", 20)) * 1000)
        return cls(known, params.get("window", 1), patience_ms)

    def start(self, context: UnitContext) -> None:
        """Wait for clients."""
        self._context = linked(context)

    def notify(self, notification: Notification) -> None:
        """Expect nothing."""

    def timer(self, name: str) -> None:
        """Give up who is silent."""
        del name
        self.host.due(self._context.now_ms)
        self._settle("")

    def receive(self, peer: str, payload: bytes, identifier: str) -> None:
        """Take bytes of a client; raises DecodeError, having closed its connection."""
        now_ms, malformed = self._context.now_ms, self.host.counters["malformed"]
        if payload and payload[0] == _CONNECT:
            self.host.receive(peer, b"", now_ms)
        self.host.receive(peer, payload, now_ms)
        self._settle(identifier)
        if self.host.counters["malformed"] > malformed:
            raise DecodeError("no MQTT, or at the wrong place")

    def _settle(self, cause: str) -> None:
        """Send what the broker says, in one frame for each connection, and wait for the next.

        Two frames of one instant may overtake each other. So a connection that is closed after it
        was told why is left to its client, who closes it, too.
        """
        context, said = self._context, dict[str, bytes]()
        for connection, content in self.host.take():
            said[connection] = said.get(connection, b"") + content
        for connection, content in said.items():
            context.transmit(connection, content, flow="session", cause=cause)
        for told in self.host.told():
            detail = {"client": told.client}
            context.decide(f"broker_{told.what}", told.connection, detail, (cause,) * bool(cause))
        at_ms = self.host.next_ms()
        if at_ms < 0:
            context.cancel_timer(_TIMER)
        else:
            context.set_timer(_TIMER, at_ms)
