"""A broker without input or output: packets of clients in, packets for clients out.

Retained messages, last wills, sessions that outlive a connection, quality of service 0 and 1. What
is not acknowledged is sent again when its client connects again, as the standard has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from controllers.mqtt.credentials import ANYTHING, Rights
from controllers.mqtt.packets import (
    BAD_CREDENTIALS,
    BAD_NAME,
    NOT_AUTHORISED,
    Connack,
    Connect,
    Disconnect,
    MqttError,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from controllers.mqtt.topics import matches

__all__ = ["Broker", "Out"]

Out = list[tuple[str, Packet]]
"""Packets with the connections that they go to."""
_MAX_QUEUED = 1000
_REFUSED = 128


@dataclass(slots=True)
class _Session:
    """What a broker knows of a client; ``connection`` is "" while it is away.

    ``unacknowledged`` are sent, by number; ``queue`` waits until one of those is acknowledged.
    """

    client: str
    clean: bool
    rule: Rights
    connection: str = ""
    will: Publish | None = None
    filters: dict[str, int] = field(default_factory=dict)
    unacknowledged: dict[int, Publish] = field(default_factory=dict)
    queue: deque[Publish] = field(default_factory=deque)
    last: int = 0


class Broker:
    """``allows(user, password)`` decides who may connect. Connections are named by the caller.

    ``rules`` say by user what may be published and heard; who is not in them may do nothing,
    without ``rules`` all may do everything. At most ``window`` messages to one client wait for
    their acknowledgement, further ones for their turn; ``denied`` counts what was not allowed.
    """

    __slots__ = (
        "_allows",
        "_by_connection",
        "_retained",
        "_rules",
        "_sessions",
        "_window",
        "denied",
        "dropped",
    )

    def __init__(
        self,
        allows: Callable[[str | None, bytes | None], bool],
        rules: Mapping[str, Rights] | None = None,
        window: int = 100,
    ) -> None:
        self._allows, self._rules, self._window = allows, rules, window
        self.denied = self.dropped = 0
        self._sessions: dict[str, _Session] = {}
        self._by_connection: dict[str, _Session] = {}
        self._retained: dict[str, Publish] = {}

    def take(self, connection: str, packet: Packet) -> Out:
        """Take a packet; raises MqttError where the connection has to be closed."""
        session = self._by_connection.get(connection)
        if isinstance(packet, Connect):
            if session is not None:
                raise MqttError("connected already")
            return self._connect(connection, packet)
        if session is None:
            raise MqttError("not connected")
        if isinstance(packet, Publish):
            out: Out = [(connection, Puback(packet.number))] if packet.qos else []
            if not session.rule.may_publish(session.client, packet.topic):
                self.denied += 1  # acknowledged all the same: 3.1.1 has no other answer
                return out
            return out + self._publish(packet)
        if isinstance(packet, Puback):
            session.unacknowledged.pop(packet.number, None)
            return self._next(session)
        if isinstance(packet, Subscribe):
            return self._subscribe(session, packet)
        return self._other(session, packet)

    def _other(self, session: _Session, packet: Packet) -> Out:
        connection = session.connection
        if isinstance(packet, Unsubscribe):
            for name in packet.filters:
                session.filters.pop(name, None)
            return [(connection, Unsuback(packet.number))]
        if isinstance(packet, Pingreq):
            return [(connection, Pingresp())]
        if isinstance(packet, Disconnect):
            session.will = None
            self.lost(connection)
            return []
        raise MqttError("no packet of a client")

    def lost(self, connection: str) -> Out:
        """Take note that a connection is gone; return what its client's last will causes."""
        session = self._by_connection.pop(connection, None)
        if session is None:
            return []
        session.connection, will = "", session.will
        session.will = None
        if session.clean:
            del self._sessions[session.client]
        return [] if will is None else self._publish(will)

    def client(self, connection: str) -> str:
        """Return who is behind a connection, "" for nobody."""
        session = self._by_connection.get(connection)
        return "" if session is None else session.client

    def waits(self, connection: str) -> int:
        """Return the number of the first message that waits for its acknowledgement, 0: none."""
        session = self._by_connection.get(connection)
        return next(iter(session.unacknowledged), 0) if session is not None else 0

    def _connect(self, connection: str, packet: Connect) -> Out:
        if not packet.client and not packet.clean:
            return [(connection, Connack(BAD_NAME))]
        if not self._allows(packet.user, packet.password):
            return [(connection, Connack(BAD_CREDENTIALS))]
        rule = ANYTHING if self._rules is None else self._rules[packet.user or ""]
        if packet.will is not None and not rule.may_publish(packet.client, packet.will.topic):
            self.denied += 1
            return [(connection, Connack(NOT_AUTHORISED))]
        out: Out = []
        old = self._sessions.get(packet.client)
        if old is not None and old.connection:  # it takes its own place
            out += self.lost(old.connection)
            old = self._sessions.get(packet.client)
        present = old is not None and not packet.clean
        session = (
            old if old is not None and present else _Session(packet.client, packet.clean, rule)
        )
        session.rule = rule
        session.connection, session.clean, session.will = connection, packet.clean, packet.will
        self._sessions[packet.client] = self._by_connection[connection] = session
        out.append((connection, Connack(present=present)))
        for number, waiting in session.unacknowledged.items():
            out.append((connection, replace(waiting, duplicate=True, number=number)))
        return out + self._next(session)

    def _subscribe(self, session: _Session, packet: Subscribe) -> Out:
        granted = [
            min(qos, 1) if session.rule.may_subscribe(session.client, name) else _REFUSED
            for name, qos in packet.filters
        ]
        self.denied += granted.count(_REFUSED)
        out: Out = [(session.connection, Suback(packet.number, tuple(granted)))]
        for (name, _), qos in zip(packet.filters, granted, strict=True):
            if qos == _REFUSED:
                continue
            session.filters[name] = qos
            for topic, kept in sorted(self._retained.items()):
                if matches(name, topic):
                    out += self._deliver(session, replace(kept, retain=True), qos)
        return out

    def _publish(self, packet: Publish) -> Out:
        if packet.retain:
            if packet.payload:
                self._retained[packet.topic] = packet
            else:
                self._retained.pop(packet.topic, None)
        out: Out = []
        for client in sorted(self._sessions):
            session = self._sessions[client]
            wished = [qos for name, qos in session.filters.items() if matches(name, packet.topic)]
            if wished:
                out += self._deliver(session, replace(packet, retain=False), max(wished))
        return out

    def _deliver(self, session: _Session, packet: Publish, granted: int) -> Out:
        qos = min(packet.qos, granted)
        if not qos:
            gone = replace(packet, qos=0, number=0, duplicate=False)
            return [(session.connection, gone)] if session.connection else []
        if len(session.unacknowledged) + len(session.queue) >= _MAX_QUEUED:
            self.dropped += 1
            return []
        session.queue.append(packet)
        return self._next(session)

    def _next(self, session: _Session) -> Out:
        """Send what waits, as far as the window is open."""
        out: Out = []
        while session.connection and session.queue and len(session.unacknowledged) < self._window:
            while not session.last or session.last in session.unacknowledged:
                session.last = session.last % 0xFFFF + 1
            first = session.queue.popleft()
            packet = replace(first, qos=1, number=session.last, duplicate=False)
            session.unacknowledged[session.last] = packet
            session.last = session.last % 0xFFFF + 1
            out.append((session.connection, packet))
        return out
