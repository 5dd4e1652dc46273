"""The cell: a base station and the subscribers who share its radio resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulators.network.carrier import Fabric, Usage
from simulators.network.cell_technology import CellTechnology
from simulators.network.cells.access import RandomAccess
from simulators.network.cells.channel import Channel
from simulators.network.cells.subscriber import Subscriber
from simulators.network.message import Message, Node
from simulators.network.noises import Sources
from simulators.network.queueing import ClassQueue

__all__ = ["BaseStation", "Cell"]


class Cell:
    """Subscribers reach their base station, and each other by way of it.

    ``snr_db`` are the signal-to-noise ratios up and down of those subscribers whose are known,
    ``noises`` what disturbs the cell from outside.
    """

    __slots__ = (
        "_by_node",
        "_nodes",
        "_noises",
        "_ports",
        "access",
        "down",
        "fabric",
        "id",
        "least_us",
        "station",
        "subscribers",
        "technology",
        "up",
        "usage",
        "works",
    )

    knows_ways = False

    def __init__(  # noqa: PLR0917 - of a cell
        self,
        fabric: Fabric,
        identifier: str,
        technology: CellTechnology,
        station: Node,
        members: Sequence[Node],
        snr_db: Mapping[str, tuple[float, float]] | None = None,
        noises: Sources | None = None,
    ) -> None:
        self.fabric, self.id, self.technology, self.works = fabric, identifier, technology, True
        self.usage = Usage()
        self.up = Channel(fabric, technology, True, self.usage, noises)
        self.down = Channel(fabric, technology, False, self.usage, noises)
        self.least_us = technology.tti_us + technology.decode_us
        self._noises = noises
        self.access = RandomAccess(fabric.clock, technology, self.usage, self._hears)
        usual = (technology.snr_up_db, technology.snr_down_db)
        known = snr_db or {}
        ordered = sorted(members, key=lambda node: node.id)
        self.subscribers = tuple(
            Subscriber(self, node, known.get(node.id, usual)) for node in ordered
        )
        self._by_node = {subscriber.node.id: subscriber for subscriber in self.subscribers}
        self.station = BaseStation(self, station)
        self._nodes = tuple(sorted([*ordered, station], key=lambda node: node.id))
        self._ports: tuple[Subscriber | BaseStation, ...] = (self.station, *self.subscribers)

    def _hears(self) -> bool:
        """Draw whether the base station hears a preamble now, if it is loud enough."""
        now = self.fabric.clock.now
        return self.station.node.up and not (self._noises and self._noises.strike(now, now + 1))

    def nodes(self) -> tuple[Node, ...]:
        """Return base station and subscribers by identifier."""
        return self._nodes

    def subscriber(self, node: Node) -> Subscriber:
        """Return the subscriber that a node is."""
        return self._by_node[node.id]

    def port(self, node: Node) -> Subscriber | BaseStation:
        """Return the interface of a node."""
        return self.station if node is self.station.node else self._by_node[node.id]

    def ports(self) -> Sequence[Subscriber | BaseStation]:
        """Return all interfaces."""
        return self._ports

    def reaches(self, here: Node, there: Node) -> bool:
        """Tell whether both are in reach of the base station, which must work for two of them."""
        station = self.station.node
        ends = [self._by_node[node.id] for node in (here, there) if node is not station]
        covered = all(end.up.unit_bits and end.down.unit_bits for end in ends)
        return here is not there and covered and (len(ends) < 2 or station.up)

    def way(self, here: Node, there: Node) -> tuple[Node, ...]:
        """Return the other end, after the base station where it is neither end."""
        station = self.station.node
        return (there,) if station in (here, there) else (station, there)

    def in_transit(self) -> int:
        """Return 0: what is on the air is held by the interface that sends it."""
        return 0

    def longest_queue(self) -> int:
        """Return how many messages wait at the longest queue now."""
        return max(
            (max(it.up.queue.waiting, it.down.queue.waiting) for it in self.subscribers), default=0
        )


class BaseStation:
    """The base station's interface: it holds what waits for each subscriber."""

    __slots__ = ("_best", "_cell", "name", "node", "queue", "watch")

    def __init__(self, cell: Cell, node: Node) -> None:
        self._cell, self.node, self.name = cell, node, f"{cell.id}|{node.id}"
        self.queue = ClassQueue(0)  # it has one for each subscriber
        self.watch = 0
        heard = [it.down for it in cell.subscribers if it.down.unit_bits]
        self._best = max(heard, key=lambda it: it.unit_bits / it.repetitions, default=None)

    def offer(self, message: Message) -> None:
        """Take a message for a subscriber."""
        self._cell.subscriber(message.receiver).take(message)

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what is under way to all subscribers."""
        bearers = [subscriber.down for subscriber in self._cell.subscribers]
        waits = [message for bearer in bearers for message in bearer.queue]
        return waits, [flight.message for bearer in bearers for flight in bearer.flights]

    def clear(self) -> list[Message]:
        """Forget what waits and what is under way to subscribers; return it.

        All connections are gone; who has something to send seeks a new one.
        """
        gone: list[Message] = []
        for subscriber in self._cell.subscribers:
            gone += [*subscriber.down.ground(), *subscriber.down.stop()]
        for subscriber in self._cell.subscribers:
            subscriber.disconnect()
        return gone

    def bound_us(self) -> int | None:
        """Return None: what waits here is watched with its subscriber."""
        return None

    def passage_us(self, size: int) -> int:
        """Return the least time from here to any subscriber for ``size`` bytes of payload."""
        return self._best.demand(size).air_us + self._cell.down.decode_us if self._best else 0
