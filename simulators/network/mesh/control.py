"""Messages of the routing protocol, and their sizes.

Sizes are those of RFC 6550 and RFC 4861 above the ICMPv6 header; that one (4 B) takes the place
of the UDP header (4 B compressed) that the technology's ``message_header_bytes`` contain.
"""

from __future__ import annotations

from simulators.network.message import Message, Owner

__all__ = [
    "ACK_BYTES",
    "DAO_BYTES",
    "DIO_BYTES",
    "DIS_BYTES",
    "INFINITE_RANK",
    "PRIORITY",
    "PROBE_BYTES",
    "RENEW_BYTES",
    "Ack",
    "Content",
    "Control",
    "Dao",
    "Dio",
    "Dis",
    "Probe",
    "Renew",
]

from typing import NamedTuple

PRIORITY = 1
INFINITE_RANK = 0xFFFF
"""RFC 6550, section 17."""

DIO_BYTES = 24 + 16 + 8
"""DIO base object, DODAG configuration option, ETX metric container."""
DIS_BYTES = 2 + 4
"""DIS base object; version and rank of who asks, beyond which it needs an answer."""
DAO_BYTES = 4 + 20 + 22
"""DAO base object, target option, transit information option with the parent's address."""
ACK_BYTES = 4
PROBE_BYTES = 20
"""Neighbour solicitation without options (RFC 4861)."""
RENEW_BYTES = 4


class Dio(NamedTuple):
    """Where a node stands: its version of the tree, its rank there, its path cost [ETX/128].

    ``epoch`` tells when all must register anew (DTSN): the root has forgotten them.
    """

    version: int
    rank: int
    cost: int
    epoch: int


class Dis(NamedTuple):
    """Who asks for a tree; ``urgent`` when the neighbours known so far are of no use to it."""

    version: int
    rank: int
    urgent: bool


class Dao(NamedTuple):
    """A node tells the root whose child it is."""

    number: int
    parent: int
    sequence: int


class Ack(NamedTuple):
    """The root has taken a DAO."""

    sequence: int


class Probe(NamedTuple):
    """Is a neighbour still there? The link layer's acknowledgement is the answer."""


class Renew(NamedTuple):
    """Somebody cannot rejoin ``version`` without the danger of a loop: the root must begin anew."""

    version: int


Content = Dio | Dis | Dao | Ack | Probe | Renew


class Control(Message):
    """A message of the protocol with what it says."""

    __slots__ = ("content",)

    def __init__(  # noqa: PLR0917 - of a message
        self, src: str, dst: str, size: int, now_us: int, owner: Owner, content: Content
    ) -> None:
        super().__init__(0, src, dst, size, PRIORITY, now_us, None, owner)
        self.content = content
        self.quiet = True
