"""A broker without input or output: packets of clients in, packets for clients out.

Retained messages, last wills, sessions that outlive a connection, quality of service 0 and 1. What
is not acknowledged is sent again when its client connects again, as the standard has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from controllers.mqtt.packets import (
    BAD_CREDENTIALS,
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

__all__ = ["Broker"]

Out = list[tuple[str, Packet]]
"""Packets with the connections that they go to."""
_MAX_QUEUED = 1000


@dataclass(slots=True)
class _Session:
    """What a broker knows of a client; ``connection`` is "" while it is away."""

    client: str
    clean: bool
    connection: str = ""
    will: Publish | None = None
    filters: dict[str, int] = field(default_factory=dict)
    unacknowledged: dict[int, Publish] = field(default_factory=dict)
    last: int = 0


class Broker:
    """``allows(user, password)`` decides who may connect. Connections are named by the caller."""

    __slots__ = ("_allows", "_by_connection", "_retained", "_sessions")

    def __init__(self, allows: Callable[[str | None, bytes | None], bool]) -> None:
        self._allows = allows
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
            return out + self._publish(packet)
        if isinstance(packet, Puback):
            session.unacknowledged.pop(packet.number, None)
            return []
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

    def _connect(self, connection: str, packet: Connect) -> Out:
        if not self._allows(packet.user, packet.password):
            return [(connection, Connack(BAD_CREDENTIALS))]
        out: Out = []
        old = self._sessions.get(packet.client)
        if old is not None and old.connection:  # it takes its own place
            out += self.lost(old.connection)
            old = self._sessions.get(packet.client)
        present = old is not None and not packet.clean
        session = old if old is not None and present else _Session(packet.client, packet.clean)
        session.connection, session.clean, session.will = connection, packet.clean, packet.will
        self._sessions[packet.client] = self._by_connection[connection] = session
        out.append((connection, Connack(present=present)))
        for number, waiting in session.unacknowledged.items():
            out.append((connection, replace(waiting, duplicate=True, number=number)))
        return out

    def _subscribe(self, session: _Session, packet: Subscribe) -> Out:
        granted = [min(qos, 1) for _, qos in packet.filters]
        out: Out = [(session.connection, Suback(packet.number, tuple(granted)))]
        for (name, _), qos in zip(packet.filters, granted, strict=True):
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

    @staticmethod
    def _deliver(session: _Session, packet: Publish, granted: int) -> Out:
        qos = min(packet.qos, granted)
        if not qos:
            gone = replace(packet, qos=0, number=0, duplicate=False)
            return [(session.connection, gone)] if session.connection else []
        if len(session.unacknowledged) >= _MAX_QUEUED:
            return []
        while not session.last or session.last in session.unacknowledged:
            session.last = session.last % 0xFFFF + 1
        out = replace(packet, qos=1, number=session.last, duplicate=False)
        session.unacknowledged[session.last] = out
        session.last = session.last % 0xFFFF + 1
        return [(session.connection, out)] if session.connection else []
