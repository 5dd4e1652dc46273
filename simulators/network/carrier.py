"""What all carriers share: the clock, the books of their use, and what routing asks of them.

SimPy's clock counts integer microseconds. Transmitters are no SimPy processes: each is a queue,
what it serves and one timeout with a callback, so a message costs few events per hop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from simpy import Environment

from simulators.network.horizon import Horizon
from simulators.network.message import Message, Node, Port
from simulators.network.technologies import Technology

__all__ = ["Carrier", "Clock", "Fabric", "Usage"]


class Clock(Environment):
    """SimPy's environment; its time is integer microseconds, because every delay is."""

    if TYPE_CHECKING:

        @property
        def now(self) -> int:
            """Return the time [µs]."""


def _nobody(carrier: str) -> None:
    """Take note that ways within a carrier have changed: nobody asks."""


def _always(message: Message, port: Port, node: Node) -> bool:  # noqa: ARG001 - the signature
    """Return True: nothing happens to messages at nodes."""
    return True


@dataclass(frozen=True, slots=True)
class Fabric:
    """What all carriers share: the clock, the seed, where messages go, and the horizon.

    ``passed`` takes a message that is at the next node now; ``lost`` one that died, and why;
    ``rerouted`` the identifier of a carrier within which ways have changed. A carrier that
    forwards by itself asks ``survives`` of each hop within, which loses the message if not, and
    is told by ``woken`` of a node that came up.
    """

    clock: Clock
    seed: int
    passed: Callable[[Message], None]
    lost: Callable[[Message, str], None]
    horizon: Horizon = field(default_factory=Horizon)
    rerouted: Callable[[str], None] = _nobody
    survives: Callable[[Message, Port, Node], bool] = _always
    woken: list[Callable[[Node], None]] = field(default_factory=list)


class Usage:
    """What a carrier has done since the last reset."""

    __slots__ = ("airtime_us", "collisions", "errors", "queue_max", "transmissions")

    def __init__(self) -> None:
        self.transmissions = self.collisions = self.errors = 0
        self.airtime_us = self.queue_max = 0


class Carrier(Protocol):
    """A link, a shared medium or a cell: what its nodes reach each other by.

    ``knows_ways`` tells that it routes for itself, by what its nodes have told each other: then
    a way may lead over a node that has died since.
    """

    id: str
    works: bool
    usage: Usage
    knows_ways: bool

    @property
    def technology(self) -> Technology:
        """Return its parameters."""

    def nodes(self) -> Sequence[Node]:
        """Return its nodes by identifier; never changes."""

    def port(self, node: Node) -> Port:
        """Return the interface of a node."""

    def ports(self) -> Sequence[Port]:
        """Return all interfaces."""

    def reaches(self, here: Node, there: Node) -> bool:
        """Tell whether there is a way between two of its nodes, as far as it knows."""

    def way(self, here: Node, there: Node) -> Sequence[Node]:
        """Return the nodes passed from ``here``, ``there`` last; only if ``reaches``."""

    def in_transit(self) -> int:
        """Return how many applications' messages are between its nodes, off all ports."""

    def longest_queue(self) -> int:
        """Return how many messages wait at the longest queue now."""
