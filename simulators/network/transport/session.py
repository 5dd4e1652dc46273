"""Sessions: what two nodes agree on, with bytes and round trips, before messages go.

A TCP connection (with TLS, with MQTT) belongs to two nodes and a flow class, a DTLS session to two
nodes. The flights of a handshake go by turns; the one that is on its way is sent again as a
whole after a time-out, doubled each time up to 60 s. It begins with 1 s, follows the round trips
of the flights, and stays doubled until one passes without loss (RFC 6298, RFC 6347 section
4.2.4.1).
"""

from __future__ import annotations

from collections.abc import Callable

from simulators.network.message import Message, book
from simulators.network.transport import stacks
from simulators.network.transport.carried import Host, Sender, Timer, count, ship
from simulators.network.transport.congestion import RoundTrip
from simulators.network.transport.settings import FlowTransport

__all__ = ["Session", "Sessions", "Take"]

Take = Callable[[Message, "Session"], None]
_PIECE_BYTES = 1024  # a flight's parts, so that they fit the least MTU of IPv6


class Session(Sender):
    """One handshake and what it leads to; ``ready`` when messages may go.

    Attributes: ``rtt`` is what it knows of the round trip, ``repeated`` whether its first flight
    or the answer to it was sent again, ``gone`` whether a node has forgotten it.
    """

    __slots__ = (
        "_got",
        "_host",
        "_on_end",
        "_place",
        "_priority",
        "_sent",
        "_spent",
        "_timer",
        "began_us",
        "ends",
        "flights",
        "gone",
        "ready",
        "ready_us",
        "repeated",
        "rtt",
        "settings",
        "waiting",
    )

    def __init__(
        self,
        host: Host,
        ends: tuple[str, str],
        settings: FlowTransport,
        priority: int,
        on_end: Callable[[Session, bool], None],
    ) -> None:
        self._host, self.ends, self.settings, self._on_end = host, ends, settings, on_end
        self._priority = priority
        self.flights = stacks.handshake(settings)
        self.waiting: list[tuple[Message, Take]] = []
        self.ready = self.gone = self.repeated = False
        self.began_us = host.clock.now
        self.ready_us = -1
        self.rtt = RoundTrip()
        self._place = 0
        self._sent: list[tuple[int, int]] = []  # of each flight: when first, how often
        self._got: set[int] = set()
        self._spent = Message(0, *ends, 0, priority, host.clock.now)
        self._timer = Timer(host, self._repeat)

    def begin(self) -> None:
        """Send the first flight."""
        self._send()

    def forget(self) -> None:
        """End it: one of its ends has lost it."""
        self.gone, self.ready = True, False
        self._timer.stop()

    def _send(self) -> None:
        """Send the flight at ``_place``, all of it."""
        host, flight = self._host, self.flights[self._place]
        pieces = _pieces(flight.size)
        if len(self._sent) == self._place:
            self._sent.append((host.clock.now, 0))
        self._sent[-1] = (self._sent[-1][0], self._sent[-1][1] + 1)
        tcp = self.settings.kind == "reliable"
        src, dst = self.ends if flight.up else self.ends[::-1]
        extra = host.header_bytes(src, dst, "tcp" if tcp else "udp")
        if flight.size:  # a bare acknowledgement goes once
            self._timer.set(self._due_us())
        place = self._place
        for number, size in enumerate(pieces):
            more = 0 if tcp or not number else stacks.fragment_bytes()
            ship(host, self, src, dst, size + extra + more, self._priority, (place, number))

    def _due_us(self) -> int:
        due_us = self._host.clock.now + self.rtt.rto_us
        if self.ready:
            return due_us
        return min(due_us, self.began_us + _us(self.settings.timeout_s))

    def _repeat(self) -> None:
        now = self._host.clock.now
        if now - self.began_us >= _us(self.settings.timeout_s):
            if not self.ready:
                self.forget()
                self._on_end(self, False)
            return
        self.repeated = self.repeated or self._place < 2
        self.rtt.expired()
        self._send()

    def arrived(self, message: Message) -> None:
        """Take a part of a flight; answer when it is whole."""
        count(self._spent, message)
        place, number = message.what  # type: ignore[attr-defined]
        if self.gone or place != self._place:
            return
        self._got.add(number)
        flight = self.flights[place]
        if len(self._got) < len(_pieces(flight.size)):
            return
        now = self._host.clock.now
        self._got.clear()
        self._timer.stop()
        before = self._sent[-2:]
        if place and all(often == 1 for _, often in before):
            self.rtt.sample(now - before[0][0])
        self._place += 1
        if flight.gate:
            self.ready, self.ready_us = True, now
        if self._place < len(self.flights):
            self._send()
        if flight.gate:
            self._on_end(self, True)

    def lost(self, message: Message, cause: str) -> None:  # noqa: ARG002 - the timer knows
        """Take note of what a lost part cost."""
        count(self._spent, message)

    def release(self) -> None:
        """Let the waiting go; the first one bears what the handshake cost."""
        waiting, self.waiting = self.waiting, []
        book([message for message, _ in waiting], "access_us", self._host.clock.now)
        self.charge(waiting)
        for message, take in waiting:
            take(message, self)

    def charge(self, waiting: list[tuple[Message, Take]]) -> None:
        """Book the bytes and transmissions of the handshake under the first who waited for it."""
        if waiting:
            count(waiting[0][0], self._spent)


class Sessions:
    """All sessions by their ends; made when first needed, renewed when old."""

    __slots__ = ("_host", "_known", "_of")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[tuple[str, ...], Session] = {}
        self._of: dict[str, dict[tuple[str, ...], None]] = {}  # keys by node, in order

    def pass_by(self, message: Message, settings: FlowTransport, flow: str, take: Take) -> None:
        """Let a message go by the session of its ends: at once, or when there is one."""
        key = _key(message, settings, flow)
        session = self._known.get(key)
        if session is None or session.gone or self._old(session, settings):
            session = self._open(key, (message.src, message.dst), settings, message.priority)
        if session.ready:
            take(message, session)
        elif len(session.waiting) >= settings.waiting_messages:
            self._lose(message, "queue-full")
        else:
            session.waiting.append((message, take))
            if len(session.waiting) == 1:
                session.begin()

    def _old(self, session: Session, settings: FlowTransport) -> bool:
        life_us = _us(settings.session_s)
        return session.ready and 0 < life_us <= self._host.clock.now - session.ready_us

    def _open(
        self, key: tuple[str, ...], ends: tuple[str, str], settings: FlowTransport, priority: int
    ) -> Session:
        session = Session(self._host, ends, settings, priority, self._ended)
        self._known[key] = session
        for end in ends:
            self._of.setdefault(end, {})[key] = None
        return session

    def _ended(self, session: Session, good: bool) -> None:
        if good:
            session.release()
            return
        waiting, session.waiting = session.waiting, []
        session.charge(waiting)
        for message, _ in waiting:
            self._lose(message, "handshake")

    def down(self, node: str) -> None:
        """Forget the sessions of a node; what waits at the other end begins anew."""
        for key in self._of.pop(node, ()):
            session = self._known.pop(key, None)
            if session is None:
                continue
            session.forget()
            waiting, session.waiting = session.waiting, []
            fresh: Session | None = None
            for message, take in waiting:
                if message.src == node:
                    self._lose(message, "node-down")
                    continue
                if fresh is None:
                    ends = (message.src, message.dst)
                    fresh = self._open(key, ends, session.settings, message.priority)
                fresh.waiting.append((message, take))
            if fresh is not None:
                fresh.begin()

    def leave(self) -> int:
        """Book what waits; return how many messages that is."""
        now, found = self._host.clock.now, 0
        for session in self._known.values():
            messages = [message for message, _ in session.waiting]
            book(messages, "access_us", now)
            found += len(messages)
        return found

    def _lose(self, message: Message, cause: str) -> None:
        book([message], "access_us", self._host.clock.now)
        self._host.lose(message, cause)


def _key(message: Message, settings: FlowTransport, flow: str) -> tuple[str, ...]:
    low, high = sorted((message.src, message.dst))
    if settings.kind == "reliable":
        return (low, high, "tcp", flow)
    return (low, high, "dtls", settings.security, settings.version)


def _pieces(size: int) -> tuple[int, ...]:
    full, last = divmod(size, _PIECE_BYTES)
    return (_PIECE_BYTES,) * full + ((last,) if last or not full else ())


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
