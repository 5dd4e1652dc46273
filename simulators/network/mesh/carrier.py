"""A mesh: a carrier whose nodes have found their ways by telling each other.

It wraps the carrier that gives access to the air (CSMA/CA, PRIME). What one node sends another
goes up from parent to parent, each node's own choice when the message is there, and from the
root down along the route that the root writes into its header. From node to node it goes over
the root. What nodes and root believe may be out of date; then the message is lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from simulators.network.air import Air
from simulators.network.carrier import Carrier, Fabric, Usage
from simulators.network.horizon import Bounded, Horizon
from simulators.network.mesh.control import BYTES, Ack, Content, Control, Dao
from simulators.network.mesh.downward import Downward
from simulators.network.mesh.flood import Flood
from simulators.network.mesh.formed import form, form_subnet
from simulators.network.mesh.quality import Quality
from simulators.network.mesh.router import Router
from simulators.network.mesh.subnet import Subnet, Terminal
from simulators.network.mesh.transit import Transit
from simulators.network.message import Message, Node, Port
from simulators.network.stack import Coster
from simulators.network.technologies import MediumTechnology

__all__ = ["Access", "Counts", "Mesh", "Report"]


class Access(Carrier, Protocol):
    """A carrier on an air that tells of every transmission to a neighbour."""

    air: Air
    costs: Coster
    observer: Any

    @property
    def technology(self) -> MediumTechnology:
        """Return its parameters."""


class Counts:
    """What the protocol has done since the last report."""

    __slots__ = ("control_bytes", "control_transmissions", "parent_changes")

    def __init__(self) -> None:
        self.control_bytes = self.control_transmissions = self.parent_changes = 0


class Report(NamedTuple):
    """One row of the table ``mesh``; see there."""

    nodes: int
    joined: int
    parent_changes: int
    hops_mean: float | None
    control_transmissions: int
    control_bytes: int


class _Ahead:
    """The horizon as ports within the mesh see it: what lies ahead is known to the mesh."""

    __slots__ = ("_horizon", "ahead_us", "passes", "taken")

    def __init__(self, horizon: Horizon, ahead_us: Callable[[Message], int]) -> None:
        self._horizon, self.ahead_us = horizon, ahead_us
        self.taken: list[Bounded] = horizon.taken
        self.passes: list[tuple[int, Message | None]] = horizon.passes

    @property
    def until_us(self) -> int:
        """Return how far the kernel is being run."""
        return self._horizon.until_us


class MeshPort:
    """A node's interface to the mesh: takes messages for any node of it."""

    __slots__ = ("_mesh", "_node", "inner", "name", "queue", "watch")

    def __init__(self, mesh: Mesh, node: Node, inner: Port) -> None:
        self._mesh, self._node, self.inner = mesh, node, inner
        self.name, self.queue = inner.name, inner.queue
        self.watch = 0  # the interface to the air is what the horizon watches

    def offer(self, message: Message) -> None:
        """Take a message for the node that its path names or, without receiver, for all."""
        if message.dst:
            self._mesh.enter(message, self._node)
        else:
            Flood(self._mesh, message, self._node).begin(self._node)

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what is in service."""
        return self.inner.held()

    def clear(self) -> list[Message]:
        """Forget what waits and what is in service, its time booked; return it."""
        return self._mesh.cleared(self._node, self.inner.clear())

    def bound_us(self) -> int | None:
        """Return when what is here arrives at its receiver at the earliest; see ``horizon``."""
        return self.inner.bound_us()

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the next node for ``size`` bytes of payload."""
        return self.inner.passage_us(size)


class Mesh:
    """A carrier with routing; ``access`` makes the carrier that it wraps, on a given fabric.

    ``start`` is ``formed`` (the tree that the protocol settles in, at no cost) or ``cold``.
    """

    knows_ways = True

    def __init__(
        self, fabric: Fabric, root: Node, access: Callable[[Fabric], Access], start: str = "formed"
    ) -> None:
        self.fabric, self._root = fabric, root
        inside: Any = _Ahead(fabric.horizon, self._ahead_us)
        self.inner = access(replace(fabric, passed=self._passed, lost=self._lost, horizon=inside))
        self.inner.observer = self
        self.id, self.technology = self.inner.id, self.inner.technology
        self.counts = Counts()
        self._quality = Quality(self.inner.air, self.technology)
        self._transits: dict[Message, Transit] = {}
        self._nodes = tuple(self.inner.nodes())
        self._ports = tuple(MeshPort(self, node, self.inner.port(node)) for node in self._nodes)
        self._by_node = {node.id: number for number, node in enumerate(self._nodes)}
        self.root = self._by_node[root.id]
        self.downward = Downward(self.root)
        self.routers: tuple[Router, ...] = ()
        self.terminals: tuple[Terminal, ...] = ()
        self.subnet: Subnet | None = None
        fabric.woken.append(self._woken)
        if self.technology.phy == "prime":
            self._begin_prime(start)
        else:
            self._begin_rpl(start)

    def _begin_rpl(self, start: str) -> None:
        self.routers = tuple(
            Router(self, number, node, number == self.root)
            for number, node in enumerate(self._nodes)
        )
        if start == "formed":
            form(self.routers, self.root, self.inner.air, self._quality)
            self._register_all()
        else:
            for router in self.routers:
                if router.node.up:
                    router.start()

    def _begin_prime(self, start: str) -> None:
        subnet = self.subnet = Subnet(self, self.root)
        self.terminals = tuple(
            Terminal(self, subnet, number, node) for number, node in enumerate(self._nodes)
        )
        if start == "formed":
            switches = form_subnet(self.terminals, self.root, self.inner.air, self._quality)
            self._register_all()
            subnet.form(switches)
        else:
            for terminal in self.terminals:
                if terminal.node.up:
                    terminal.start()

    @property
    def agents(self) -> Sequence[Router | Terminal]:
        """Return the protocol at each node, by number."""
        return self.routers or self.terminals

    def _register_all(self) -> None:
        lifetime_us = 1000 * self.technology.mesh_lifetime_ms
        for agent in self.agents:
            if agent.parent is not None:
                self.downward.register(agent.number, agent.parent.number, 0, lifetime_us)

    # -- a carrier -----------------------------------------------------------------------------

    @property
    def usage(self) -> Usage:
        """Return the use of the air; the access may reckon some of it when asked."""
        return self.inner.usage

    @usage.setter
    def usage(self, usage: Usage) -> None:
        self.inner.usage = usage

    @property
    def works(self) -> bool:
        """Tell whether there is any air to speak on."""
        return self.inner.works

    @works.setter
    def works(self, works: bool) -> None:
        self.inner.works = works
        if self.subnet is not None:
            self.subnet.air_changed()

    def nodes(self) -> tuple[Node, ...]:
        """Return its nodes by identifier."""
        return self._nodes

    def port(self, node: Node) -> MeshPort:
        """Return the interface of a node."""
        return self._ports[self._by_node[node.id]]

    def ports(self) -> tuple[MeshPort, ...]:
        """Return all interfaces."""
        return self._ports

    def reaches(self, here: Node, there: Node) -> bool:
        """Tell whether ``here`` knows a way: the root of who registered, others over the root."""
        if here is self._root:
            return self._by_node[there.id] in self.downward
        return self.agents[self._by_node[here.id]].joined

    def way(self, here: Node, there: Node) -> tuple[Node, ...]:  # noqa: ARG002 - the protocol's
        """Return the other node: the hops between are found under way."""
        return (there,)

    def in_transit(self) -> int:
        """Return how many applications' messages are off all ports."""
        return self.inner.in_transit()

    def longest_queue(self) -> int:
        """Return how many messages wait at the longest queue now."""
        return self.inner.longest_queue()

    # -- forwarding ----------------------------------------------------------------------------

    def enter(self, message: Message, node: Node) -> None:
        """Take a message that is to go to the node that its path names."""
        here = self._by_node[node.id]
        self._transits[message] = transit = Transit(message, here, message.receiver)
        self._forward(message, transit)

    def _forward(self, message: Message, transit: Transit) -> None:
        """Send a message one hop further, from where it is."""
        router = self.agents[transit.here]
        if transit.route is None and router.is_root:
            self._route_down(transit)
        if transit.route is not None:
            following = transit.route[transit.index]
            transit.index += 1
        else:
            up = router.uphill(message.src == router.node.id)
            if up is None:
                self._leave(message)
                self.fabric.lost(message, "no-route")
                return
            following = up
        inner = self._ports[transit.here].inner
        message.path, message.position = ((inner, self._nodes[following]),), 0
        message.size = transit.size + transit.extra
        inner.offer(message)

    def _route_down(self, transit: Transit) -> None:
        """Have the root write its route into the header, if it has one."""
        goal = self._by_node[transit.goal.id]
        known = goal in self.downward
        route = transit.route = self.downward.route(goal, self.fabric.clock.now)
        if route is None:
            if known and goal not in self.downward:
                self.reachability_changed()
        elif len(route) > 1:
            technology, more = self.technology, len(route) - 1
            transit.extra = technology.mesh_route_bytes + technology.mesh_hop_bytes * more

    def _passed(self, message: Message) -> None:
        """Take a message that has come one hop further."""
        transit = self._transits.get(message)
        port, node = message.path[0]
        number = self._by_node[node.id]
        here = self._by_node[message.src] if transit is None else transit.here
        self.agents[here].acknowledged(number)
        if transit is None:  # a probe
            self._count(message)
        elif node is transit.goal:
            self._leave(message)
            self._arrived(message, node, port)
        else:
            message.hops += 1
            transit.here = number
            self._leave(message)
            if self.fabric.survives(message, port, node):
                self._transits[message] = transit
                self._forward(message, transit)

    def _arrived(self, message: Message, node: Node, port: Port) -> None:
        if not isinstance(message, Control):
            self.fabric.passed(message)
            return
        self._count(message)
        message.hops += 1
        content = message.content
        if self.fabric.survives(message, port, node):
            self.agents[self._by_node[node.id]].take(content)

    def _lost(self, message: Message, cause: str) -> None:
        """Take a message that died between two nodes; the sender draws its conclusions."""
        transit = self._transits.get(message)
        here = self._by_node[message.src] if transit is None else transit.here
        port, node = message.path[0] if message.path else (None, None)
        if transit is not None:
            self._leave(message)
        self.fabric.lost(message, cause)
        if port is not None and node is not None and cause not in ("queue-full", "access"):
            self.agents[here].failed(self._by_node[node.id])

    def _leave(self, message: Message) -> None:
        self._transits.pop(message).leave(message)

    def cleared(self, node: Node, messages: list[Message]) -> list[Message]:
        """Let go of what was at a node; one that is down forgets what it believed."""
        for message in messages:
            if message in self._transits:
                self._leave(message)
        if not node.up:
            router = self.agents[self._by_node[node.id]]
            router.stop()
            if router.is_root:
                self.downward.clear()
        return messages

    def _woken(self, node: Node) -> None:
        number = self._by_node.get(node.id)
        if number is not None:
            self.agents[number].wake()

    def _ahead_us(self, message: Message) -> int:
        """Return the least time from the node that ``message`` reaches next to its receiver."""
        transit = self._transits.get(message)
        if transit is None:
            return 0
        inside = message.path, message.position, message.size
        transit.leave(message)
        ahead_us = self.fabric.horizon.ahead_us(message)
        message.path, message.position, message.size = inside
        port, node = message.path[0]
        if node is not transit.goal:
            ahead_us += port.passage_us(transit.size)
        return ahead_us

    # -- the protocol's messages ---------------------------------------------------------------

    def guess(self, here: int, there: int) -> float:
        """Return the transmissions expected from the level at which ``there`` is heard."""
        return self._quality.etx(there, here)

    def tried(self, sender: int, receiver: int) -> None:  # noqa: ARG002 - the observer's
        """Take note of a frame on the air to a neighbour."""
        self.agents[sender].tries += 1

    def broadcast(self, router: Router | Terminal, content: Content) -> None:
        """Send a message to all who hear it."""
        message = self._control(router, "", content)
        if message is not None:
            self._count(message, 1)
            self._ports[router.number].inner.offer(message)

    def send_to(self, router: Router, number: int, content: Content) -> None:
        """Send a message to a neighbour."""
        node = self._nodes[number]
        message = self._control(router, node.id, content)
        if message is None:
            router.failed(number)
            return
        message.path = ((self._ports[router.number].inner, node),)
        message.path[0][0].offer(message)

    def send_up(self, router: Router | Terminal, content: Content) -> None:
        """Send a message to the root."""
        self._send_far(router, self._root, content)

    def send_down(self, number: int, content: Content) -> None:
        """Send a message from the root."""
        self._send_far(self.agents[self.root], self._nodes[number], content)

    def _send_far(self, router: Router | Terminal, goal: Node, content: Content) -> None:
        message = self._control(router, goal.id, content)
        if message is not None:
            self._transits[message] = transit = Transit(message, router.number, goal)
            self._forward(message, transit)

    def _control(self, router: Router | Terminal, dst: str, content: Content) -> Control | None:
        """Return a new message, or None where there is no air to put it on."""
        if not self.works:
            return None
        now = self.fabric.clock.now
        return Control(router.node.id, dst, BYTES[type(content)], now, self, content)

    def registered(self, dao: Dao) -> None:
        """Let the root take and answer a registration."""
        until_us = self.fabric.clock.now + 1000 * self.technology.mesh_lifetime_ms
        if self.downward.register(dao.number, dao.parent, dao.sequence, until_us):
            self.reachability_changed()
        self.send_down(dao.number, Ack(dao.sequence))

    def reachability_changed(self) -> None:
        """Have paths found anew: a node has found or lost its way."""
        self.fabric.rerouted(self.id)

    def arrived(self, message: Message) -> None:
        """Take a message of the protocol; all are taken within."""
        raise AssertionError(message)

    def lost(self, message: Message, cause: str) -> None:  # noqa: ARG002 - the owner's
        """Take note of a message of the protocol that died."""
        if message.dst:
            self._count(message)
        elif not message.attempts:
            self._count(message, -1)

    def heard(self, message: Message, node: Node) -> None:
        """Let a node take a broadcast of a neighbour."""
        assert isinstance(message, Control)
        router = self.agents[self._by_node[node.id]]
        router.heard(self._by_node[message.src], message.content)

    # -- messages to all -----------------------------------------------------------------------

    def repeats(self, node: Node) -> bool:
        """Tell whether a node passes on what is for all: in PRIME only switches do."""
        agent = self.agents[self._by_node[node.id]]
        return agent.switch if isinstance(agent, Terminal) else agent.joined

    def flood_wait_us(self, node: Node) -> int:
        """Draw how long a node waits before it repeats what is for all."""
        half_us = 500 * self.technology.mesh_flood_ms
        return half_us + int(self.agents[self._by_node[node.id]].uniform() * half_us)

    def _count(self, message: Message, broadcasts: int = 0) -> None:
        """Count what a message has cost; a broadcast beforehand, as nobody may hear it."""
        counts = self.counts
        if broadcasts:
            cost = self.inner.costs[message.size]
            counts.control_transmissions += broadcasts * len(cost.sizes)
            counts.control_bytes += broadcasts * cost.wire_bytes
        else:
            counts.control_transmissions += message.attempts
            counts.control_bytes += message.wire_bytes

    # -- what is measured ----------------------------------------------------------------------

    def report(self) -> Report:
        """Return what has happened since the last report."""
        counts, self.counts = self.counts, Counts()
        up = [router for router in self.agents if router.node.up]
        hops = [self.hops(router.number) for router in up if router.parent is not None]
        known = [count for count in hops if count is not None]
        return Report(
            nodes=len(up),
            joined=sum(router.joined for router in up),
            parent_changes=counts.parent_changes,
            hops_mean=sum(known) / len(known) if known else None,
            control_transmissions=counts.control_transmissions,
            control_bytes=counts.control_bytes,
        )

    def hops(self, number: int) -> int | None:
        """Return how many hops a node is from the root by what all believe, None if cut off."""
        count, router = 0, self.agents[number]
        while not router.is_root:
            if router.parent is None or not router.joined:
                return None
            router = self.agents[router.parent.number]
            count += 1
        return count
