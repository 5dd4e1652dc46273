"""A broker with its connections: bytes in, bytes out, and who has been silent for too long.

Without input or output: who carries the bytes (a link of a run, a socket) names connections, hands
in what they bring and sends what ``take`` returns. Empty bytes close a connection, in both
directions. A client that says nothing for one and a half times its keep-alive is lost (MQTT 3.1.1,
3.1.2.10); so is one that does not acknowledge within ``patience_ms``, as its transport would find.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from controllers.mqtt.broker import Broker, Out
from controllers.mqtt.packets import (
    ACCEPTED,
    Connack,
    Connect,
    Disconnect,
    MqttError,
    Stream,
    encode,
)

__all__ = ["BrokerHost", "Told"]

_HELLO_MS = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """What a broker's keeper wants to know: connected, refused, left, lost, malformed."""

    what: str
    connection: str
    client: str


@dataclass(slots=True)
class _Connection:
    """``silent_ms`` is when silence has lasted too long, -1: never."""

    silent_ms: int
    client: str = ""
    keep_alive_ms: int = 0
    waits: int = 0
    unanswered_ms: int = -1
    stream: Stream = field(default_factory=Stream)

    def next_ms(self) -> int:
        return min((at for at in (self.silent_ms, self.unanswered_ms) if at >= 0), default=-1)


class BrokerHost:
    """Carries a broker's connections; ``counters`` says what was seen."""

    def __init__(self, broker: Broker, patience_ms: int = 20_000) -> None:
        self._broker, self._patience_ms = broker, patience_ms
        self._connections: dict[str, _Connection] = {}
        self._out: list[tuple[str, bytes]] = []
        self._told: list[Told] = []
        self.counters: Counter[str] = Counter()

    def take(self) -> list[tuple[str, bytes]]:
        """Return what goes out now, in order: connection and bytes."""
        out, self._out = self._out, []
        return out

    def told(self) -> list[Told]:
        """Return what happened since the last call."""
        told, self._told = self._told, []
        return told

    def next_ms(self) -> int:
        """Return when ``due`` wants to be called, -1: not before something comes."""
        times = (one.next_ms() for one in self._connections.values())
        return min((at for at in times if at >= 0), default=-1)

    def receive(self, connection: str, content: bytes, t_ms: int) -> None:
        """Take bytes of a connection, which begins with its first ones; none: it is closed."""
        if not content:
            if connection in self._connections:
                self._lose(connection, t_ms, "lost")
            return
        it = self._connections.get(connection)
        if it is None:
            it = self._connections[connection] = _Connection(t_ms + _HELLO_MS)
        try:
            for packet in it.stream.feed(content):
                if connection not in self._connections:
                    return  # refused, or left
                if isinstance(packet, Disconnect):
                    self._tell("left", connection, it.client)
                self._handle(connection, self._broker.take(connection, packet), t_ms)
                if isinstance(packet, Disconnect):
                    self._forget(connection, shut=True)
                elif isinstance(packet, Connect):
                    it.client, it.keep_alive_ms = packet.client, packet.keep_alive_s * 1500
        except MqttError:
            self._lose(connection, t_ms, "malformed", shut=True)
            return
        if connection in self._connections:
            self._heard(connection, it, t_ms)

    def due(self, t_ms: int) -> None:
        """Give up connections whose time is over."""
        for connection, it in sorted(self._connections.items()):
            at_ms = it.next_ms()
            if 0 <= at_ms <= t_ms and connection in self._connections:
                self._lose(connection, t_ms, "lost", shut=True)

    # -- connections ---------------------------------------------------------------------------

    def _handle(self, connection: str, out: Out, t_ms: int) -> None:
        """Send packets; one that refuses a connection closes it."""
        self._send(out, t_ms)
        for to, packet in out:
            if to != connection or not isinstance(packet, Connack):
                continue
            if packet.code == ACCEPTED:
                self._tell("connected", connection, self._broker.client(connection))
                self._drop_replaced(t_ms)
            else:
                self._tell("refused", connection, "")
                self._forget(connection, shut=True)

    def _send(self, out: Out, t_ms: int) -> None:
        by_connection: dict[str, bytearray] = {}
        for to, packet in out:
            by_connection.setdefault(to, bytearray()).extend(encode(packet))
        for to, content in by_connection.items():
            self._out.append((to, bytes(content)))
            self._watch(to, t_ms)

    def _heard(self, connection: str, it: _Connection, t_ms: int) -> None:
        if it.client:
            it.silent_ms = t_ms + it.keep_alive_ms if it.keep_alive_ms else -1
        self._watch(connection, t_ms)

    def _watch(self, connection: str, t_ms: int) -> None:
        """Wait for the acknowledgement of the oldest message, from when it became the oldest."""
        it, waits = self._connections.get(connection), self._broker.waits(connection)
        if it is not None and waits != it.waits:
            it.waits = waits
            it.unanswered_ms = t_ms + self._patience_ms if waits else -1

    def _drop_replaced(self, t_ms: int) -> None:
        """Close connections whose client has come back by another one."""
        for connection, it in sorted(self._connections.items()):
            if it.client and self._broker.client(connection) != it.client:
                self._lose(connection, t_ms, "lost", shut=True)

    def _lose(self, connection: str, t_ms: int, why: str, *, shut: bool = False) -> None:
        self._tell(why, connection, self._broker.client(connection))
        self._forget(connection, shut=shut)
        self._send(self._broker.lost(connection), t_ms)

    def _forget(self, connection: str, *, shut: bool) -> None:
        self._connections.pop(connection, None)
        if shut:
            self._out.append((connection, b""))

    def _tell(self, what: str, connection: str, client: str) -> None:
        self.counters[what] += 1
        self._told.append(Told(what, connection, client))
