"""Messages of the routing protocol, and their sizes.

Sizes are those of RFC 6550 and RFC 4861 above the ICMPv6 header; that one (4 B) takes the place
of the UDP header (4 B compressed) that the technology's ``message_header_bytes`` contain.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from simulators.network.message import Message, Owner

__all__ = [
    "BYTES",
    "INFINITE_RANK",
    "PRIORITY",
    "Ack",
    "Alive",
    "AliveReply",
    "Content",
    "Control",
    "Dao",
    "Demotion",
    "Dio",
    "Dis",
    "Join",
    "JoinReply",
    "Orphan",
    "Probe",
    "Promotion",
    "PromotionReply",
    "Renew",
]

PRIORITY = 1
INFINITE_RANK = 0xFFFF
"""RFC 6550, section 17."""

_DIO_BYTES = 24 + 16 + 8
"""DIO base object, DODAG configuration option, ETX metric container."""
_DIS_BYTES = 2 + 4
"""DIS base object; version and rank of who asks, beyond which it needs an answer."""
_DAO_BYTES = 4 + 20 + 22
"""DAO base object, target option, transit information option with the parent's address."""
_ACK_BYTES = 4
_PROBE_BYTES = 20
"""Neighbour solicitation without options (RFC 4861)."""
_RENEW_BYTES = 4


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


class Orphan(NamedTuple):
    """Who hears no beacon and needs a switch (PRIME: promotion needed, PNPDU)."""

    number: int


class Join(NamedTuple):
    """A node asks the base node to register it below a switch (PRIME: REG)."""

    number: int
    parent: int
    sequence: int


class JoinReply(NamedTuple):
    """The base node has registered a node."""

    sequence: int


class Promotion(NamedTuple):
    """A node offers to become the switch of an orphan (PRIME: PRO)."""

    number: int
    orphan: int


class PromotionReply(NamedTuple):
    """The base node makes a node a switch."""


class Demotion(NamedTuple):
    """The base node makes a switch a terminal again."""


class Alive(NamedTuple):
    """The base node asks a node whether it is still there (PRIME: ALV)."""


class AliveReply(NamedTuple):
    """It is."""

    number: int


Content = (
    Dio
    | Dis
    | Dao
    | Ack
    | Probe
    | Renew
    | Orphan
    | Join
    | JoinReply
    | Promotion
    | PromotionReply
    | Demotion
    | Alive
    | AliveReply
)

BYTES: Mapping[type[Content], int] = MappingProxyType(
    {
        Dio: _DIO_BYTES,
        Dis: _DIS_BYTES,
        Dao: _DAO_BYTES,
        Ack: _ACK_BYTES,
        Probe: _PROBE_BYTES,
        Renew: _RENEW_BYTES,
        Orphan: 6,
        Join: 8,
        JoinReply: 8,
        Promotion: 12,
        PromotionReply: 12,
        Demotion: 4,
        Alive: 5,
        AliveReply: 5,
    }
)
"""Sizes; those of PRIME are the control packets of ITU-T G.9904 behind the packet header."""


class Control(Message):
    """A message of the protocol with what it says."""

    __slots__ = ("content",)

    def __init__(  # noqa: PLR0917 - of a message
        self, src: str, dst: str, size: int, now_us: int, owner: Owner, content: Content
    ) -> None:
        super().__init__(0, src, dst, size, PRIORITY, now_us, None, owner)
        self.content = content
        self.quiet = True
