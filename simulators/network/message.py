"""What moves and between whom: nodes, messages, and the ports that they pass.

Every microsecond between a message's sending and its arrival is booked under one cause;
``Message.mark_us`` is up to where it has been booked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from fernwatt.messages import Frame

if TYPE_CHECKING:
    from simulators.network.queueing import ClassQueue

__all__ = ["PARTS", "PRIORITIES", "Message", "Node", "Owner", "Path", "Port", "book"]

PRIORITIES = 4
PARTS = ("processing_us", "queue_us", "access_us", "air_us", "retry_us", "core_us")
"""The parts of a delay that are booked while a message is under way."""


class Node:
    """A node of the network; ``up`` is whether it works: supplied and not at fault."""

    __slots__ = ("id", "sound", "supplied", "up")

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.up = self.sound = self.supplied = True


class Port(Protocol):
    """A node's interface to a carrier."""

    name: str
    watch: int

    @property
    def queue(self) -> ClassQueue:
        """Return what waits here."""

    def offer(self, message: Message) -> None:
        """Take a message for the node that its path names next."""

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what is in service."""

    def clear(self) -> list[Message]:
        """Forget what waits and what is in service, its time booked; return it."""

    def bound_us(self) -> int | None:
        """Return when what is here arrives at its receiver at the earliest; see ``horizon``."""

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the next node for ``size`` bytes of payload."""


Path = tuple[tuple[Port, Node], ...]
"""Hops: the interface to send by, and the node that is then reached."""


class Owner(Protocol):
    """Who sent a message that is no application's: a routing protocol, a transport, a session.

    Such messages use queues and air like any other, but have no row in the table of messages.
    """

    def arrived(self, message: Message) -> None:
        """Take a message that reached its receiver."""

    def lost(self, message: Message, cause: str) -> None:
        """Take note of a message that died on the way."""

    def heard(self, message: Message, node: Node) -> None:
        """Take a broadcast as one of those who heard it (``message.dst`` is empty)."""


class Message:
    """Bytes on their way, with the delay and the bytes on the wire that they have cost so far.

    With a ``frame`` it is an application's, with an ``owner`` the network's own. When a
    ``quiet`` one arrives, nothing is seen from outside (a routing protocol's, for example).
    """

    __slots__ = (
        "access_us",
        "air_us",
        "arrival_us",
        "attempts",
        "core_us",
        "dst",
        "epoch",
        "frame",
        "hops",
        "mark_us",
        "owner",
        "path",
        "position",
        "priority",
        "processing_us",
        "queue_us",
        "quiet",
        "retry_us",
        "serial",
        "size",
        "src",
        "t_send_us",
        "wire_bytes",
    )

    def __init__(  # noqa: PLR0917 - of a message
        self,
        serial: int,
        src: str,
        dst: str,
        size: int,
        priority: int,
        t_send_us: int,
        frame: Frame | None = None,
        owner: Owner | None = None,
    ) -> None:
        self.serial, self.src, self.dst, self.frame, self.owner = serial, src, dst, frame, owner
        self.size, self.priority = size, priority
        self.t_send_us = self.mark_us = t_send_us
        self.path: Path = ()
        self.position = self.epoch = 0
        self.processing_us = self.queue_us = self.access_us = self.air_us = 0
        self.retry_us = self.core_us = self.wire_bytes = self.hops = self.attempts = 0
        self.arrival_us = -1
        self.quiet = False

    @classmethod
    def of(cls, serial: int, frame: Frame, t_send_us: int) -> Message:
        """Return the message of an application's frame."""
        size = len(frame.payload)
        return cls(serial, frame.src, frame.dst, size, frame.priority, t_send_us, frame)

    @property
    def receiver(self) -> Node:
        """Return the node that its path names next."""
        return self.path[self.position][1]


def book(messages: Sequence[Message], part: str, now_us: int) -> None:
    """Book the time since the mark of each under ``part``, one of ``PARTS``."""
    for message in messages:
        setattr(message, part, getattr(message, part) + now_us - message.mark_us)
        message.mark_us = now_us
