"""A client without input or output: what to send, what came, when to look again.

    away ──due──> connecting ──Connack(0)──> up ──silence, no acknowledgement, closed──> away

It connects, with back-off, again and again; says under which topics it wants to hear; keeps what
is published until it is acknowledged (quality of service 1) or sent (0), in order, over lost
connections, and over its own restart where ``keeper`` remembers. Bytes go in by ``receive`` and
out by ``take``; time goes in with every call, in milliseconds of any clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from controllers.mqtt.packets import (
    ACCEPTED,
    Connack,
    Connect,
    MqttError,
    Packet,
    Pingreq,
    Puback,
    Publish,
    Stream,
    Suback,
    Subscribe,
    encode,
)

__all__ = ["Client", "Happening", "Keeper", "NoKeeper", "Settings", "What"]

_BACKLOG = 10_000
_NUMBERS = 0xFFFF


class What(StrEnum):
    """What happened to a client."""

    CONNECTED = "connected"
    REFUSED = "refused"
    LOST = "lost"
    MESSAGE = "message"
    ACKNOWLEDGED = "acknowledged"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Happening:
    """One of them; ``why`` for what was lost or refused, ``publish`` for a message.

    ``key`` is what ``Client.publish`` returned for what is acknowledged or dropped.
    """

    what: What
    why: str = ""
    publish: Publish | None = None
    key: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """Who connects and how patiently.

    ``window`` is how many messages may wait for their acknowledgement at a time: with one, they
    arrive in order whatever happens to the connection. Back-off doubles from ``retry_ms`` to
    ``retry_max_ms``, each time times 0.5 to 1 (drawn).
    """

    client: str
    user: str | None = None
    password: bytes | None = None
    clean: bool = False
    keep_alive_s: int = 60
    will: Publish | None = None
    filters: tuple[tuple[str, int], ...] = ()
    window: int = 1
    patience_ms: int = 20_000
    retry_ms: int = 1_000
    retry_max_ms: int = 300_000
    backlog: int = _BACKLOG


class Keeper(Protocol):
    """Remembers what is not acknowledged."""

    def keep(self, key: str, value: Any) -> None:
        """Remember a value; None: forget it."""

    def kept(self) -> Mapping[str, Any]:
        """Return what is remembered, by key."""


class NoKeeper:
    """Remembers nothing longer than the client lives."""

    def keep(self, key: str, value: Any) -> None:
        """Do nothing."""

    def kept(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}


@dataclass(slots=True)
class _Waiting:
    """A message on its way; ``number`` 0 until it is sent, ``sent`` on this connection."""

    key: int
    topic: str
    payload: bytes
    qos: int
    retain: bool
    number: int = 0
    sent: bool = False


@dataclass(slots=True)
class _Clock:
    """When which patience ends; -1: nothing is waited for."""

    retry_ms: int = 0
    answer_ms: int = -1
    idle_ms: int = -1
    tries: int = field(default=0)

    def next_ms(self, *, away: bool) -> int:
        if away:
            return self.retry_ms
        return min((at for at in (self.answer_ms, self.idle_ms) if at >= 0), default=-1)


class Client:
    """One session with a broker. ``jitter()`` draws from [0, 1)."""

    def __init__(
        self, settings: Settings, jitter: Callable[[], float], keeper: Keeper | None = None
    ) -> None:
        self.settings, self._jitter = settings, jitter
        self._keeper = keeper or NoKeeper()
        self._stream, self._out = Stream(), bytearray()
        self._clock = _Clock()
        self._state = "away"
        self._shut = False
        self._number = 0
        self._queue = [_revived(key, value) for key, value in sorted(self._keeper.kept().items())]
        self._key = self._queue[-1].key if self._queue else 0

    @property
    def up(self) -> bool:
        """Whether the broker has accepted us and nothing says that it is gone."""
        return self._state == "up"

    @property
    def waiting(self) -> int:
        """How many messages are not sent, or not acknowledged."""
        return len(self._queue)

    def next_ms(self) -> int:
        """Return when ``due`` wants to be called, -1: not before something comes."""
        return self._clock.next_ms(away=self._state == "away")

    def take(self) -> list[bytes]:
        """Return what goes out now, in order; empty bytes close the connection."""
        out = [b""] if self._shut else []
        if self._out:
            out.append(bytes(self._out))
        self._out, self._shut = bytearray(), False
        return out

    def publish(
        self, topic: str, payload: bytes, t_ms: int, *, qos: int = 1, retain: bool = False
    ) -> tuple[int, list[Happening]]:
        """Send a message as soon as may be; return its key, and what was dropped for it."""
        self._key += 1
        waiting = _Waiting(self._key, topic, payload, qos, retain)
        self._queue.append(waiting)
        self._keeper.keep(_name(self._key), [topic, payload.hex(), qos, int(retain)])
        dropped = []
        if len(self._queue) > self.settings.backlog:
            first = next((i for i, one in enumerate(self._queue) if not one.number), 0)
            gone = self._queue.pop(first)
            self._keeper.keep(_name(gone.key), None)
            dropped.append(Happening(What.DROPPED, "backlog", key=gone.key))
        return self._key, dropped + self._push(t_ms)

    def due(self, t_ms: int) -> list[Happening]:
        """Connect, ping, or give the connection up, as time has it."""
        clock = self._clock
        if self._state == "away":
            if t_ms >= clock.retry_ms:
                self._connect(t_ms)
            return []
        if 0 <= clock.answer_ms <= t_ms:
            return self._lose("no answer", t_ms)
        if 0 <= clock.idle_ms <= t_ms:
            self._say(Pingreq(), t_ms)
            self._expect(t_ms)
        return []

    def receive(self, content: bytes, t_ms: int) -> list[Happening]:
        """Take bytes of the broker; none: it has closed. Raises MqttError, having closed, too."""
        if self._state == "away":
            return []  # of a connection that was given up
        if not content:
            return self._lose("closed", t_ms)
        out = list[Happening]()
        try:
            for packet in self._stream.feed(content):
                out += self._packet(packet, t_ms)
        except MqttError:
            self._lose("malformed", t_ms)
            raise
        return out

    # -- state ---------------------------------------------------------------------------------

    def _connect(self, t_ms: int) -> None:
        it = self.settings
        self._state, self._stream = "connecting", Stream()
        self._say(
            Connect(it.client, it.user, it.password, it.clean, it.keep_alive_s, it.will), t_ms
        )
        self._clock.idle_ms = -1
        self._expect(t_ms)

    def _lose(self, why: str, t_ms: int, what: What = What.LOST) -> list[Happening]:
        it, clock = self.settings, self._clock
        self._state, self._shut, self._out = "away", why != "closed", bytearray()
        for waiting in self._queue:
            waiting.sent = False
        wait_ms = min(it.retry_ms << min(clock.tries, 30), it.retry_max_ms)
        clock.tries += 1
        clock.retry_ms = t_ms + max(1, round(wait_ms * (0.5 + self._jitter() / 2)))
        clock.answer_ms = clock.idle_ms = -1
        return [Happening(what, why)]

    def _packet(self, packet: Packet, t_ms: int) -> list[Happening]:
        if self._state == "connecting":
            if not isinstance(packet, Connack):
                raise MqttError("first comes the acknowledgement of the connection")
            return self._connected(packet, t_ms)
        if self._state == "away":
            return []  # lost by what came before in the same bytes
        if isinstance(packet, Publish):
            if packet.qos:
                self._say(Puback(packet.number), t_ms)
            return [Happening(What.MESSAGE, publish=packet)]
        if isinstance(packet, Puback):
            return self._acknowledged(packet.number, t_ms)
        if isinstance(packet, Suback) and any(code > 1 for code in packet.codes):
            return self._lose("subscription", t_ms, What.REFUSED)
        self._settle()
        return []

    def _connected(self, packet: Connack, t_ms: int) -> list[Happening]:
        if packet.code != ACCEPTED:
            return self._lose(f"code {packet.code}", t_ms, What.REFUSED)
        self._state, self._clock.tries = "up", 0
        self._settle()
        if self.settings.filters:
            self._say(Subscribe(self._next_number(), self.settings.filters), t_ms)
            self._expect(t_ms)
        return [Happening(What.CONNECTED, "present" if packet.present else ""), *self._push(t_ms)]

    def _acknowledged(self, number: int, t_ms: int) -> list[Happening]:
        for place, waiting in enumerate(self._queue):
            if waiting.number == number and waiting.qos:
                del self._queue[place]
                self._keeper.keep(_name(waiting.key), None)
                self._settle()
                done = [Happening(What.ACKNOWLEDGED, key=waiting.key), *self._push(t_ms)]
                if any(other.sent for other in self._queue):
                    self._expect(t_ms)
                return done
        return []  # acknowledged before, over another connection

    def _push(self, t_ms: int) -> list[Happening]:
        """Send what may be sent now, the oldest first."""
        if not self.up:
            return []
        flying, gone = 0, list[_Waiting]()
        for waiting in self._queue:
            if flying >= self.settings.window:
                break
            if waiting.qos:
                flying += 1
                if waiting.sent:
                    continue
                again, waiting.sent = waiting.number > 0, True
                waiting.number = waiting.number or self._next_number()
                self._say(_publish(waiting, duplicate=again), t_ms)
                self._expect(t_ms)
            else:
                self._say(_publish(waiting), t_ms)
                gone.append(waiting)
        for waiting in gone:
            self._queue.remove(waiting)
            self._keeper.keep(_name(waiting.key), None)
        return [Happening(What.ACKNOWLEDGED, key=waiting.key) for waiting in gone]

    def _say(self, packet: Packet, t_ms: int) -> None:
        self._out += encode(packet)
        if self.settings.keep_alive_s:
            self._clock.idle_ms = t_ms + self.settings.keep_alive_s * 1000

    def _expect(self, t_ms: int) -> None:
        """Wait for an answer, from now on where none was waited for."""
        if self._clock.answer_ms < 0:
            self._clock.answer_ms = t_ms + self.settings.patience_ms

    def _settle(self) -> None:
        """An answer came: the broker is there."""
        self._clock.answer_ms = -1

    def _next_number(self) -> int:
        taken = {waiting.number for waiting in self._queue}
        while True:
            self._number = self._number % _NUMBERS + 1
            if self._number not in taken:
                return self._number


def _publish(waiting: _Waiting, *, duplicate: bool = False) -> Publish:
    number = waiting.number if waiting.qos else 0
    return Publish(waiting.topic, waiting.payload, waiting.qos, waiting.retain, duplicate, number)


def _name(key: int) -> str:
    return f"{key:016d}"


def _revived(key: str, value: Any) -> _Waiting:
    topic, payload, qos, retain = value
    return _Waiting(int(key), topic, bytes.fromhex(payload), qos, bool(retain))
