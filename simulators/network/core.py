"""The network without mosaik: frames in, deliveries out, by the tick rule.

A frame sent at tick s that arrives at a µs is handed out at tick max(s + 1, ceil(a / 1000)).
Within a tick the caller does, in this order: ``advance``, ``supply``, ``inject`` (any number of
times). The same calls in the same order give the same rows, whoever makes them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from simpy.events import Timeout

from fernwatt.errors import SimulationError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Delivery, Frame, NodeUp, Supply
from simulators.network.airs import Airs
from simulators.network.books import Books
from simulators.network.build import anchors, build_carriers
from simulators.network.carrier import Clock, Fabric
from simulators.network.draws import Draws
from simulators.network.horizon import Horizon
from simulators.network.message import PRIORITIES, Message, Node, Port
from simulators.network.outages import Outages
from simulators.network.power import Power
from simulators.network.routing import Routes
from simulators.network.sleep import Sleepers
from simulators.network.taps import Hook, Inside, Taps
from simulators.network.topology import Topology
from simulators.network.transport import Transports, make_host
from simulators.network.ways import Ways

__all__ = ["NetworkCore"]

Row = tuple[str, dict[str, list[Any]]]
_MOST_HOPS = 64  # the usual hop limit of IPv6 (RFC 4861 leaves it to routers; Linux takes 64)


class NetworkCore:
    """Nodes, media and links as ``spec`` has them; see ``Topology.from_spec``.

    ``{nodes: [{id, terminal, battery_ms}], media: [{id, technology, members}],
    links: [{id, technology, a, b}], cells: [{id, technology, station, members, core}], loss,
    overrides: {technology: {parameter: value}},
    interval_ms}``. Raises ScenarioError where the specification cannot be run. ``hooks`` are
    further taps, by node or carrier.
    """

    def __init__(
        self, spec: Mapping[str, Any], seed: int, hooks: Mapping[str, Hook] | None = None
    ) -> None:
        topology = Topology.from_spec(spec)
        self._env, self._horizon = Clock(), Horizon(self._ahead_us)
        self._now_us = 0  # all events up to here have been processed
        self._nodes = {node.id: Node(node.id) for node in topology.nodes}
        self._books = Books()
        self._taps = self._tapped() if topology.taps or hooks else None
        taps = self._taps
        passed = self._passed if taps is None else taps.passed
        survives = self._survives if taps is None else taps.survives
        fabric = Fabric(
            self._env, seed, passed, self._lose, self._horizon, self._rerouted, survives
        )
        self._woken = fabric.woken
        self._airs = Airs(topology, seed)
        self._carriers = build_carriers(topology, self._nodes, fabric, self._airs)
        self._by_id = {carrier.id: carrier for carrier in self._carriers}
        self._routes = Routes(self._nodes, self._carriers, anchors(topology, self._nodes))
        self._ways = Ways(self._routes, topology, self._nodes, self._carriers)
        self._power = Power(self._env, self._horizon, topology.nodes, self._set_supply)
        switches = (self.set_node, self.set_carrier)
        self._outages = Outages(self._env, self._horizon, topology.outages, self._nodes, switches)
        if self._taps is not None:
            self._taps.place(topology.taps, hooks or {}, self._carriers, seed)
        self._path = self._routes.path
        self._sleepers = self._sleeping(topology, seed) if topology.sleepers else None
        self._transports = None if topology.plain else self._transporting(topology, seed)
        self._loss, self._loss_draws = topology.loss, _LossDraws(seed)
        self._interval_ms, self._interval_began_ms = topology.interval_ms, 0
        self._open: dict[int, Message] = {}
        self._entering = self._last_serial = 0
        self._due: list[tuple[int, int, str, int, Message]] = []
        self._node_ups: list[NodeUp] = []
        self._name = Sequencer("network")
        self._closed = False
        self._on_ready = self._ready
        self._airs.announce(self._env, self._note)

    # -- the tick ----------------------------------------------------------------------------

    def advance(self, t_ms: int) -> list[Delivery]:
        """Process everything up to tick ``t_ms``; return what is due, by arrival, then id."""
        while self._interval_began_ms + self._interval_ms <= t_ms:
            self._run((self._interval_began_ms + self._interval_ms) * 1000)
            self._measure(self._interval_began_ms + self._interval_ms)
        self._run(t_ms * 1000)
        if not self._due or self._due[0][0] > t_ms:
            return []
        due: list[tuple[int, str, int, Message]] = []
        while self._due and self._due[0][0] <= t_ms:
            due.append(heapq.heappop(self._due)[1:])
        if len(due) > 1:
            due.sort(key=lambda item: item[:3])
        return [self._hand_out(message, t_ms * 1000) for _, _, _, message in due]

    def supply(self, t_ms: int, changes: Iterable[Supply]) -> None:
        """Take changes of the grid's supply at tick ``t_ms``."""
        self._run(t_ms * 1000)
        self._set_clock()
        changes = list(changes)
        for carrier in self._airs.take(changes):
            self._rerouted(carrier)
        self._power.take(changes)

    def inject(self, t_ms: int, frames: Sequence[Frame]) -> None:
        """Take frames sent at tick ``t_ms``, in any order; each starts at its ``ready_us``.

        Raises SimulationError for a frame of an unknown node or priority.
        """
        now_us = t_ms * 1000
        self._run(now_us)
        transports = self._transports
        if len(frames) > 1:
            frames = sorted(frames, key=_order)
        for frame in frames if transports is None else transports.frames(frames):
            if frame.src not in self._nodes or not 0 <= frame.priority < PRIORITIES:
                raise SimulationError(
                    f"frame {frame.id} has no known sender or priority: {frame.src}, "
                    f"{frame.priority}; nodes are declared in the network's specification"
                )
            self._last_serial += 1
            message = Message.of(self._last_serial, frame, now_us)
            self._books.sent += 1
            if self._closed:
                self._books.leave(message)
                continue
            self._open[message.serial] = message
            if frame.ready_us > now_us:
                self._entering += 1
                whole = message if transports is None else None  # its segments may be faster
                self._horizon.passes.append((frame.ready_us, whole))
                timer = Timeout(self._env, frame.ready_us - self._env.now, message)
                timer.callbacks.append(self._on_ready)
            else:
                self._set_clock()
                self._enter(message)

    def node_up(self) -> list[NodeUp]:
        """Return the nodes that went down or came up since the last call."""
        changes, self._node_ups = self._node_ups, []
        return changes

    def next_ms(self) -> int | None:
        """Return the next tick at which something may be seen from outside, or None.

        A delivery, or a node that goes down by itself. What happens within until then is made
        up for by the next ``advance``, in the same order.
        """
        now_us = self._now_us
        bound_us = self._horizon.next_us(now_us)
        bound_ms = None if bound_us is None else max(-(-bound_us // 1000), now_us // 1000 + 1)
        if not self._due:
            return bound_ms
        return self._due[0][0] if bound_ms is None else min(bound_ms, self._due[0][0])

    def close(self, end_ms: int) -> None:
        """Close the books at ``end_ms``: the last interval, and what is still under way.

        Raises SimulationError when the messages do not add up. Frames that come later are
        booked as in flight.
        """
        if self._closed:
            return
        self._run(end_ms * 1000)
        self._set_clock()
        if end_ms > self._interval_began_ms:
            self._measure(end_ms)
        self._closed = True
        self._leave()

    def rows(self) -> list[Row]:
        """Return the rows made since the last call, as (table, columns)."""
        rows = self._books.take()
        if self._closed and self._sleepers is not None:
            rows += self._sleepers.rows()
        return rows

    @property
    def pending_rows(self) -> int:
        """Return how many rows of messages wait to be taken."""
        return self._books.pending

    # -- what works --------------------------------------------------------------------------

    def is_up(self, node: str) -> bool:
        """Tell whether a node works."""
        return self._nodes[node].up

    def set_node(self, node: str, works: bool, cause: str) -> None:
        """Break a node (what it holds is lost) or repair it, now; it is up if supplied too."""
        self._nodes[node].sound = works
        self._switch(node, cause)

    def _set_supply(self, node: str, supplied: bool, cause: str) -> None:
        self._nodes[node].supplied = supplied
        self._switch(node, cause)

    def _switch(self, node: str, cause: str) -> None:
        it = self._nodes[node]
        up = it.sound and it.supplied
        if it.up == up:
            return
        it.up = up
        self._set_clock()
        self._ways.changed()
        self._horizon.changed()
        identifier = self._name()
        self._node_ups.append(NodeUp(identifier, cause, node, up))
        kind = "node_up" if up else "node_down"
        self._books.note((self._env.now, identifier, cause, kind, node))
        if up:
            for tell in self._woken:
                tell(it)
        else:
            for carrier in self._routes.of(node):
                for message in carrier.port(it).clear():
                    self._lose(message, "node-down")
            if self._sleepers is not None:
                self._sleepers.down(node)
            if self._transports is not None:
                self._transports.down(node)

    def set_carrier(self, carrier: str, works: bool, cause: str) -> None:
        """Turn a link or medium off (what it holds is lost) or on, now."""
        it = self._by_id[carrier]
        if it.works == works:
            return
        it.works = works
        self._set_clock()
        self._ways.changed()
        self._horizon.changed()
        kind = "carrier_up" if works else "carrier_down"
        self._books.note((self._env.now, self._name(), cause, kind, carrier))
        if not works:
            for port in it.ports():
                for message in port.clear():
                    self._lose(message, "no-route")

    # -- a message's way ---------------------------------------------------------------------

    def _ready(self, event: Any) -> None:
        self._entering -= 1
        self._enter(event.value)

    def _enter(self, message: Message) -> None:
        now = self._env.now
        message.processing_us = now - message.t_send_us
        message.mark_us = now
        if self._taps is not None and self._nodes[message.src].up:
            self._taps.entered(message)
        else:
            self._depart(message)

    def _depart(self, message: Message) -> None:
        if not self._nodes[message.src].up:
            self._lose(message, "node-down")
        elif self._transports is None or not self._transports.takes(message):
            self._route(message, message.src)

    def launch(self, message: Message) -> None:
        """Send a message of the network's own, now; its owner hears of its fate."""
        self._last_serial += 1
        message.serial = self._last_serial
        self._enter(message)

    def _route(self, message: Message, here: str) -> None:
        """Find the way from ``here`` and take its first hop."""
        target = message.dst
        inner = self._ways.inner
        path = (self._path if inner is None else self._ways.of(message).path)(here, target)
        if path is None:
            node = self._nodes.get(target)
            self._lose(message, "no-route" if node is None or node.up else "node-down")
        elif not path:
            self._arrived(message)
        else:
            message.path, message.position, message.epoch = path, 0, self._routes.epoch
            (path[0][0] if self._sleepers is None else self._sleepers).offer(message)

    def _passed(self, message: Message) -> None:
        """Take a message that is at the next node: forward it, or keep it for handing out."""
        path, position = message.path, message.position
        port, node = path[position]
        message.hops += 1
        if self._sleepers is not None:
            self._sleepers.over(message, True)
        doubtful = not node.up or message.hops >= _MOST_HOPS or self._loss
        if doubtful and not self._survives(message, port, node):
            return
        if message.epoch != self._routes.epoch:
            self._route(message, node.id)
            return
        message.position = position = position + 1
        if position == len(path):
            self._arrived(message)
        else:
            (path[position][0] if self._sleepers is None else self._sleepers).offer(message)

    def _survives(self, message: Message, port: Port, node: Node) -> bool:
        """Tell whether a message that came by ``port`` may go on from ``node``; if not, lose it."""
        if not node.up:
            self._lose(message, "node-down")
        elif message.hops >= _MOST_HOPS:
            self._lose(message, "ttl")
        elif self._loss and self._loss_draws.hit(port, self._loss):
            self._lose(message, "noise")
        else:
            return True
        return False

    def _arrived(self, message: Message, after_us: int = 0) -> None:
        at_us = message.arrival_us = self._env.now + after_us
        frame = message.frame
        if frame is None:
            assert message.owner is not None
            message.owner.arrived(message)
            return
        due_ms = max(message.t_send_us // 1000 + 1, -(-at_us // 1000))
        heapq.heappush(self._due, (due_ms, at_us, frame.id, message.serial, message))

    def _lose(self, message: Message, cause: str) -> None:
        if self._sleepers is not None:
            self._sleepers.over(message, False)
        if message.owner is not None:
            message.owner.lost(message, cause)
            return
        del self._open[message.serial]
        self._books.lose(message, cause)

    def _hand_out(self, message: Message, tick_us: int) -> Delivery:
        del self._open[message.serial]
        self._books.deliver(message, tick_us)
        frame = message.frame
        assert frame is not None
        return Delivery(
            frame.id,
            frame.cause,
            frame.src,
            frame.dst,
            frame.flow,
            message.arrival_us,
            frame.payload,
        )

    def _ahead_us(self, message: Message) -> int:
        """Return the least time from the node that ``message`` reaches next to its receiver."""
        path = message.path
        routes = self._ways.of(message)
        if not path:
            return routes.least_us(message.src, message.dst, message.size)
        if message.position + 1 == len(path):
            return 0
        return routes.least_us(path[message.position][1].id, message.dst, message.size)

    def _rerouted(self, carrier: str) -> None:
        self._ways.rerouted(carrier)
        self._horizon.changed()

    def _note(self, kind: str, element: str) -> None:
        self._books.note((self._env.now, self._name(), "", kind, element))

    def _tapped(self) -> Taps:
        inside = Inside(
            self._admit,
            self._route,
            self._lose,
            self._survives,
            self._passed,
            self._depart,
            self._books.tell,
        )
        return Taps(self._env, self._horizon, inside)

    def _sleeping(self, topology: Topology, seed: int) -> Sleepers:
        calls = (self._routes.path, lambda: self._routes.epoch, self._route, self._lose)
        places = (self._carriers, self._env, self._horizon)
        sleepers = Sleepers(topology.sleepers, *places, seed, calls)
        self._path = sleepers.path
        return sleepers

    def _transporting(self, topology: Topology, seed: int) -> Transports:
        host = make_host(
            self._env,
            self._horizon,
            seed,
            self._nodes,
            self._carriers,
            self._path,
            (self.launch, self._arrived, self._lose),
            self._sleepers.awake if self._sleepers is not None else lambda _: True,
        )
        return Transports(host, topology.transport, topology.groups)

    def _admit(self, frame: Frame) -> Message:
        """Return the message of a frame that no unit sent, now."""
        self._last_serial += 1
        message = Message.of(self._last_serial, frame, self._env.now)
        self._books.sent += 1
        self._open[message.serial] = message
        return message

    # -- within ------------------------------------------------------------------------------

    def _run(self, until_us: int) -> None:
        """Process what happens up to and including ``until_us``."""
        if until_us < self._now_us:
            raise SimulationError(
                f"the network is at {self._now_us} µs, it cannot go to {until_us}"
            )
        self._horizon.until_us = until_us
        peek, step = self._env.peek, self._env.step
        while peek() <= until_us:
            step()
        self._now_us = until_us

    def _set_clock(self) -> None:
        """Set the kernel's clock, which stands at its last event, to where it has been run to.

        For what happens from outside; most ticks need it not. An event without callbacks sets
        it; ``run(until=...)`` would leave its own stop event in the queue.
        """
        env = self._env
        if env.now < self._now_us:
            Timeout(env, self._now_us - env.now)
            env.step()

    def _measure(self, end_ms: int) -> None:
        self._books.measure(self._interval_began_ms, self._carriers)
        self._interval_began_ms = end_ms

    def _leave(self) -> None:
        """Book everything that is under way as in flight, and check that nothing is missing."""
        now, found = self._env.now, self._entering + len(self._due)
        if self._taps is not None:
            found += len(self._taps.clear())
        if self._transports is not None:
            found += self._transports.leave()
        if self._sleepers is not None:
            found += self._sleepers.close()
        for carrier in self._carriers:
            found += carrier.in_transit()
            for port in carrier.ports():
                found += sum(message.frame is not None for message in port.clear())
        for message in self._open.values():
            if message.arrival_us < 0:
                self._book_rest(message, now)
            self._books.leave(message)
        self._open.clear()
        self._books.check(found)

    def _book_rest(self, message: Message, now_us: int) -> None:
        """Book the time since the mark of a message that is on no carrier."""
        rest_us = now_us - message.mark_us
        if message.path:
            message.core_us += rest_us
        else:
            message.processing_us += rest_us
        message.mark_us = now_us


class _LossDraws:
    """The scenario's extra loss: one stream per sending interface."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._draws: dict[str, Draws] = {}

    def hit(self, port: Port, loss: float) -> bool:
        """Draw whether a message that passed by ``port`` is lost."""
        draws = self._draws.get(port.name)
        if draws is None:
            draws = self._draws[port.name] = Draws(self._seed, f"loss/{port.name}")
        return draws.uniform() < loss


def _order(frame: Frame) -> tuple[int, str, int, str]:
    number = frame.id.rpartition("#")[2]
    return (frame.ready_us, frame.src, int(number) if number.isdigit() else 0, frame.id)
