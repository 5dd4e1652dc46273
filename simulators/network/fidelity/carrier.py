"""The carrier of the cheaper fidelities: what it is told of a message's way, it lets happen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from simpy.events import Timeout

from simulators.network.carrier import Fabric, Usage
from simulators.network.message import Message, Node
from simulators.network.queueing import ClassQueue
from simulators.network.stack import Coster
from simulators.network.technology import Technology

__all__ = ["Fluid", "FluidPort", "Model", "Outcome"]

PARTS = ("queue_us", "access_us", "air_us", "retry_us", "core_us")


class Outcome(NamedTuple):
    """What becomes of a message: its time by parts, why it dies ("": it does not), its cost."""

    queue_us: int
    access_us: int
    air_us: int
    retry_us: int
    core_us: int
    cause: str
    attempts: int
    errors: int
    wire_bytes: int


class Model(Protocol):
    """The formula or the table; one for each carrier, so it may remember the load."""

    def outcome(self, port: FluidPort, message: Message, now_us: int) -> Outcome:
        """Return what becomes of a message that is offered now, and take note of it."""

    def passage_us(self, port: FluidPort, size: int) -> int:
        """Return the least time over the carrier for ``size`` bytes of payload."""


class Fluid:
    """A link, a medium or a cell without contention; ``hub`` is the node that all pass, if any.

    ``joined`` tells whether one node reaches another at all.
    """

    __slots__ = (
        "_by_node",
        "_hub",
        "_joined",
        "_nodes",
        "_ports",
        "fabric",
        "id",
        "model",
        "technology",
        "usage",
        "works",
    )

    knows_ways = False

    def __init__(  # noqa: PLR0917 - of a carrier
        self,
        fabric: Fabric,
        identifier: str,
        technology: Technology,
        members: Sequence[Node],
        model: Model,
        costs: Callable[[Node], Coster],
        hub: Node | None = None,
        joined: Callable[[Node, Node], bool] = lambda here, there: here is not there,
    ) -> None:
        self.fabric, self.id, self.technology, self.works = fabric, identifier, technology, True
        self.usage, self.model = Usage(), model
        self._hub, self._joined = hub, joined
        self._nodes = tuple(sorted(members, key=lambda node: node.id))
        self._ports = tuple(FluidPort(self, node, costs(node)) for node in self._nodes)
        self._by_node = {port.node.id: port for port in self._ports}

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes by identifier."""
        return self._nodes

    def port(self, node: Node) -> FluidPort:
        """Return the interface of a node."""
        return self._by_node[node.id]

    def ports(self) -> tuple[FluidPort, ...]:
        """Return all interfaces."""
        return self._ports

    def reaches(self, here: Node, there: Node) -> bool:
        """Tell whether there is a way; over the hub only while it works."""
        direct = self._hub is None or self._hub in (here, there) or self._hub.up
        return direct and self._joined(here, there)

    def way(self, here: Node, there: Node) -> tuple[Node, ...]:
        """Return the other node, after the hub where it is neither."""
        hub = self._hub
        return (there,) if hub is None or hub in (here, there) else (hub, there)

    def room(self, node: Node) -> int:
        """Return how many messages may wait at a node: a hub has a queue for each of the others."""
        others = len(self._nodes) - 1 if node is self._hub else 1
        return others * self.technology.queue_frames

    def in_transit(self) -> int:
        """Return 0: an interface holds what it sent until it has arrived."""
        return 0

    def longest_queue(self) -> int:
        """Return how many messages are behind another one at the longest queue now."""
        return max((max(0, len(port.pending) - 1) for port in self._ports), default=0)


class FluidPort:
    """A node's interface: what it has sent that has not arrived.

    ``free_us`` is when all of that will have left, where a model keeps it.
    """

    __slots__ = (
        "_carrier",
        "_leaving",
        "_on_end",
        "_room",
        "costs",
        "free_us",
        "name",
        "node",
        "pending",
        "queue",
        "watch",
    )

    def __init__(self, carrier: Fluid, node: Node, costs: Coster) -> None:
        self._carrier, self.node, self.costs = carrier, node, costs
        self.name = f"{carrier.id}|{node.id}"
        self.queue = ClassQueue(0)
        self.pending: dict[Message, tuple[Timeout, Outcome]] = {}
        self._leaving: deque[int] = deque()  # when what was offered will have left, in order
        self.free_us = self.watch = 0
        self._on_end = self._end
        self._room = carrier.room(node)

    def offer(self, message: Message) -> None:
        """Take a message: its fate is known now, and comes to pass later."""
        carrier, fabric = self._carrier, self._carrier.fabric
        now = fabric.clock.now
        leaving = self._leaving
        while leaving and leaving[0] <= now:
            leaving.popleft()
        behind = len(leaving)
        if behind > self._room:
            fabric.lost(message, "queue-full")
            return
        outcome = carrier.model.outcome(self, message, now)
        left_us = outcome.queue_us + outcome.access_us + outcome.air_us + outcome.retry_us
        took_us = left_us + outcome.core_us
        leaving.append(now + left_us)
        usage = carrier.usage
        usage.queue_max = max(usage.queue_max, behind)
        usage.transmissions += outcome.attempts
        usage.errors += outcome.errors
        usage.airtime_us += outcome.air_us
        message.attempts += outcome.attempts
        message.wire_bytes += outcome.wire_bytes
        if now + took_us > fabric.horizon.until_us:
            seen = message if message.dst and not outcome.cause else None
            fabric.horizon.passes.append((now + took_us, seen))
        timer = Timeout(fabric.clock, took_us, message)
        timer.callbacks.append(self._on_end)
        self.pending[message] = (timer, outcome)

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return nothing that waits, and all that is under way."""
        return [], list(self.pending)

    def clear(self) -> list[Message]:
        """Forget what is under way, its time booked in the order of the parts; return it."""
        now = self._carrier.fabric.clock.now
        gone = list(self.pending)
        for message, (timer, outcome) in self.pending.items():
            timer.callbacks.remove(self._on_end)
            left_us = now - message.mark_us
            for part in PARTS:
                spent_us = min(left_us, getattr(outcome, part))
                setattr(message, part, getattr(message, part) + spent_us)
                left_us -= spent_us
            message.mark_us = now
        self.pending.clear()
        self._leaving.clear()
        self.free_us = now
        return gone

    def bound_us(self) -> int | None:
        """Return None: all is on the horizon with the instant of its arrival."""
        return None

    def passage_us(self, size: int) -> int:
        """Return the least time over the carrier for ``size`` bytes of payload."""
        return self._carrier.model.passage_us(self, size)

    def _end(self, event: Any) -> None:
        message: Message = event.value
        _, outcome = self.pending.pop(message)
        message.queue_us += outcome.queue_us
        message.access_us += outcome.access_us
        message.air_us += outcome.air_us
        message.retry_us += outcome.retry_us
        message.core_us += outcome.core_us
        fabric = self._carrier.fabric
        message.mark_us = fabric.clock.now
        if outcome.cause:
            fabric.lost(message, outcome.cause)
        elif message.dst:
            fabric.passed(message)
        else:
            self._spread(message)

    def _spread(self, message: Message) -> None:
        """Let all who are up and reached have a broadcast."""
        owner = message.owner
        if owner is None:
            return
        for node in self._carrier.nodes():
            if node.up and self._carrier.reaches(self.node, node):
                owner.heard(message, node)
        ended = getattr(owner, "ended", None)
        if ended is not None:
            ended(message)
