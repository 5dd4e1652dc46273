"""Datagrams that bear more than the carriers count: a protocol's header, a session's record."""

from __future__ import annotations

from simulators.network.message import Message, book
from simulators.network.transport import stacks
from simulators.network.transport.carried import Carried, Host, Sender, absorb, count, ship
from simulators.network.transport.session import Session
from simulators.network.transport.settings import FlowTransport

__all__ = ["Datagrams"]


class Datagrams(Sender):
    """Sends each message once; it arrives or is lost as what carries it."""

    __slots__ = ("_host", "_open")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._open: dict[int, tuple[Message, Session | None]] = {}

    def take(self, message: Message, settings: FlowTransport, session: Session | None) -> None:
        """Send a message, now."""
        host = self._host
        book([message], "queue_us", host.clock.now)
        self._open[message.serial] = (message, session)
        size = stacks.wrapped_bytes(settings, message.size)
        size += host.header_bytes(message.src, message.dst, "udp")
        src, dst, frame = message.src, message.dst, message.frame
        ship(host, self, src, dst, size, message.priority, message.serial, frame)

    def arrived(self, message: Message) -> None:
        """Hand out what was carried, unless its receiver has lost the session since."""
        self._end(message, "")

    def lost(self, message: Message, cause: str) -> None:
        """Lose what was carried."""
        self._end(message, cause)

    def _end(self, carried: Message, cause: str) -> None:
        assert isinstance(carried, Carried)
        message, session = self._open.pop(carried.what, (None, None))
        if message is None:
            return  # a second copy
        now = self._host.clock.now
        count(message, carried)
        absorb(message, carried, now)
        if not cause and session is not None and session.gone:
            cause = "reset"
        if cause:
            self._host.lose(message, cause)
        else:
            self._host.deliver(message, 0)

    def leave(self) -> int:
        """Book what is under way; return how many messages that is."""
        book([message for message, _ in self._open.values()], "air_us", self._host.clock.now)
        return len(self._open)
