"""Polled access: a master asks its slaves in cyclic order, and nobody speaks without being asked.

A turn is a request, a turnaround, a response, a turnaround. Request and response carry what
waits, one frame each way, or nothing (``poll_bytes``, ``response_bytes``; no frame is shorter).
Without a response within ``ack_timeout_us`` the request is repeated, ``retries`` times at most; a
dead slave costs that in every cycle. With ``hops`` each frame is sent so many times, one repeater
after the other, on the same channel. Where nothing is to be carried the turns go on without
events (``turns``); those requests are never lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from simpy.events import Timeout

from simulators.network.air import COLLISION, Air, Everywhere, Transmission
from simulators.network.carrier import Fabric, Usage
from simulators.network.draws import noise
from simulators.network.message import Message, Node, book
from simulators.network.queueing import ClassQueue
from simulators.network.stack import Coster
from simulators.network.technologies import MediumTechnology
from simulators.network.turns import Ring, Turn

__all__ = ["PolledMedium", "PolledPort"]


class Line:
    """What waits for one slave's turn, up or down: a queue, and the message that is carried."""

    __slots__ = ("frame", "queue", "serving", "tried")

    def __init__(self, room: int) -> None:
        self.queue = ClassQueue(room)
        self.serving: Message | None = None
        self.frame, self.tried = 0, False

    def put(self, message: Message, now_us: int) -> bool:
        """Take a message; return False where its class is full."""
        if self.serving is not None:
            return self.queue.put(message)
        self._serve(message, now_us)
        return True

    def _serve(self, message: Message, now_us: int) -> None:
        book([message], "queue_us", now_us)
        self.serving, self.frame, self.tried = message, 0, False

    def wait(self, until_us: int) -> None:
        """Book a wait of the message that is carried."""
        if self.serving is not None:
            book([self.serving], "retry_us" if self.tried else "access_us", until_us)

    def next(self, now_us: int) -> None:
        """Go on to the next message."""
        self.serving = None
        following = self.queue.get()
        if following is not None:
            self._serve(following, now_us)

    def clear(self, now_us: int) -> list[Message]:
        """Forget all messages, their time booked; return them."""
        waited = self.queue.clear()
        book(waited, "queue_us", now_us)
        self.wait(now_us)
        served, self.serving = self.serving, None
        return waited if served is None else [served, *waited]


class PolledMedium:
    """A master (``root``) and its slaves on one air.

    Slaves are numbered by identifier; ``downs[n]`` waits for the request to slave n, ``ups[n]``
    for its response, ``shouts`` for a request to nobody. Without ``air`` all hear all.
    """

    __slots__ = (
        "_air_us",
        "_booked_us",
        "_by_node",
        "_carried",
        "_dead",
        "_least_us",
        "_missed",
        "_nodes",
        "_numbers",
        "_patient",
        "_ports",
        "_ring",
        "_running",
        "_sent",
        "_slave",
        "_timer",
        "_told",
        "_tries",
        "_turns",
        "_usage",
        "_waiting_down",
        "_waiting_up",
        "air",
        "costs",
        "downs",
        "env",
        "fabric",
        "id",
        "next_us",
        "places",
        "root",
        "shouts",
        "slaves",
        "technology",
        "ups",
        "works",
    )

    knows_ways = False

    def __init__(  # noqa: PLR0917 - of a medium with a root
        self,
        fabric: Fabric,
        identifier: str,
        technology: MediumTechnology,
        members: list[Node],
        root: Node,
        air: Air | None = None,
    ) -> None:
        self.fabric, self.env, self.id = fabric, fabric.clock, identifier
        self.technology, self.works, self.root = technology, True, root
        self._usage = Usage()
        self._air_us = lru_cache(maxsize=None)(technology.air_us())
        self.costs = Coster(technology, self._air_us)
        self._nodes = tuple(sorted(members, key=lambda node: node.id))
        self._numbers = {node.id: number for number, node in enumerate(self._nodes)}
        self.slaves = tuple(node for node in self._nodes if node is not root)
        self.places = {node.id: place for place, node in enumerate(self.slaves)}
        self.air: Air = air or Everywhere(
            len(members), technology.cca_us, noise(technology, fabric.seed, identifier)
        )
        room = technology.queue_frames
        self.downs = tuple(Line(room) for _ in self.slaves)
        self.ups = tuple(Line(room) for _ in self.slaves)
        self.shouts = Line(room)
        self._ports = tuple(PolledPort(self, node) for node in self._nodes)
        self._by_node = {port.node.id: port for port in self._ports}
        self._waiting_down: list[int] = []  # places of slaves for whom something waits
        self._waiting_up: list[int] = []
        self._turns = [self._turn(place) for place in range(len(self.slaves))]
        self._ring = Ring(self._turns)
        self._booked_us = self.next_us = 0
        alive_us, dead_us = self._lengths_us()
        self._least_us, self._patient = min(alive_us, dead_us), dead_us >= alive_us
        self._dead = sum(turn.length_us != alive_us for turn in self._turns)
        self._running = True
        self._slave = -1  # whose turn is no idle one, or -1
        self._tries, self._told = 0, False
        self._timer: Timeout | None = None
        self._sent: Transmission | None = None
        self._carried: Message | None = None
        self._missed: set[str] = set()  # who lacks a frame of the shout that is under way
        fabric.woken.append(self._woken)

    # -- a carrier ---------------------------------------------------------------------------

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes by identifier."""
        return self._nodes

    def port(self, node: Node) -> PolledPort:
        """Return the interface of a node."""
        return self._by_node[node.id]

    def ports(self) -> tuple[PolledPort, ...]:
        """Return all interfaces."""
        return self._ports

    def reaches(self, here: Node, there: Node) -> bool:
        """Tell whether the master and both (of them the slaves) hear each other."""
        return all(self._heard(node) for node in (here, there) if node is not self.root)

    def _heard(self, slave: Node) -> bool:
        master, number = self._numbers[self.root.id], self._numbers[slave.id]
        return self.air.hears(number, master) and self.air.hears(master, number)

    def way(self, here: Node, there: Node) -> tuple[Node, ...]:
        """Return the other node, after the master if both are slaves."""
        return (there,) if self.root in (here, there) else (self.root, there)

    def in_transit(self) -> int:
        """Return 0: a message on the medium is in a line."""
        return 0

    def longest_queue(self) -> int:
        """Return how many messages wait at the longest queue now."""
        lines = (*self.ups, *self.downs, self.shouts)
        return max(line.queue.waiting for line in lines)

    @property
    def usage(self) -> Usage:
        """Return what the medium has done since the last reset, idle turns included."""
        self._settle(max(self.env.now, self.fabric.horizon.until_us))
        return self._usage

    @usage.setter
    def usage(self, usage: Usage) -> None:
        self._usage = usage

    # -- turns with nothing to carry ---------------------------------------------------------

    def air_us(self, size: int) -> int:
        """Return the air time of a frame over all its hops [µs]."""
        return self._air_us(size) * self.technology.hops

    @property
    def ask_us(self) -> int:
        """Return the air time of a request with nothing to carry [µs]."""
        return self.air_us(self.technology.poll_bytes)

    @property
    def timeout_us(self) -> int:
        """Return how long after a request the master waits in vain [µs]."""
        return max(self.technology.ack_timeout_us, self.technology.turnaround_us)

    def _lengths_us(self) -> tuple[int, int]:
        """Return how long turns take in which nothing is carried: with an answer, and in vain."""
        technology = self.technology
        answer_us = self.air_us(technology.response_bytes)
        in_vain_us = (technology.retries + 1) * (self.ask_us + self.timeout_us)
        return self.ask_us + answer_us + 2 * technology.turnaround_us, in_vain_us

    def _turn(self, place: int) -> Turn:
        """Return what the turn of a slave takes as long as nothing is carried."""
        technology, slave = self.technology, self.slaves[place]
        alive_us, dead_us = self._lengths_us()
        if slave.up and self._heard(slave):
            air_us = self.ask_us + self.air_us(technology.response_bytes)
            return Turn(alive_us, air_us, 2 * technology.hops)
        times = technology.retries + 1
        return Turn(dead_us, times * self.ask_us, times * technology.hops)

    def _settle(self, until_us: int) -> None:
        """Book the idle turns that began before an instant."""
        if self._slave == -1 and self._running and self.slaves and until_us > self._booked_us:
            air_us, frames = self._ring.spent(self._booked_us, until_us)
            self._usage.airtime_us += air_us
            self._usage.transmissions += frames
            self._booked_us = until_us

    def _woken(self, node: Node) -> None:
        if node is self.root:
            self._start()
        elif node.id in self.places:
            self._changed(self.places[node.id])

    def _start(self) -> None:
        """Begin with the first slave, now."""
        if self._running or not (self.works and self.root.up):
            return
        for place in range(len(self.slaves)):
            self._renew(place)
        self._ring = Ring(self._turns, self.env.now)
        self._running, self._booked_us = True, self.env.now
        self._plan()

    def _stop(self) -> None:
        self._settle(self.env.now + 1)
        self._running, self._slave = False, -1
        self._timer = self._sent = self._carried = None

    def cleared(self, node: Node) -> list[Message]:
        """Forget what waits at a node, its time booked; return it."""
        now = self.env.now
        if node is self.root:
            messages = self.shouts.clear(now)
            for place in self._waiting_down:
                messages += self.downs[place].clear(now)
            self._waiting_down.clear()
            self._stop()
            return messages
        place = self.places[node.id]
        messages = self.ups[place].clear(now)
        _drop(self._waiting_up, place)
        self._changed(place)
        return messages

    def _renew(self, place: int) -> bool:
        """Find what the turn of a slave takes now; return whether that is something else."""
        turn, before = self._turn(place), self._turns[place]
        alive_us = self._lengths_us()[0]
        self._turns[place] = turn
        self._dead += (turn.length_us != alive_us) - (before.length_us != alive_us)
        return turn != before

    def _changed(self, place: int) -> None:
        """Take note that a slave may answer now, or no longer; the turn that goes on stays."""
        if not self._renew(place):
            return
        if self._slave == -1 and self._running:
            self._settle(self.env.now + 1)
            self._ring = self._ring.goes_on(self._turns, self.env.now)
            self._plan()
        else:
            self._ring = Ring(self._turns, self._ring.at_us, self._ring.place)

    # -- what comes next ---------------------------------------------------------------------

    def offered(self, port: PolledPort, message: Message) -> None:
        """Take a message for its turn, or lose it."""
        line, waiting, place = self._line(port, message)
        if not line.put(message, self.env.now):
            self.fabric.lost(message, "queue-full")
            return
        self._usage.queue_max = max(self._usage.queue_max, line.queue.waiting)
        if line is not self.shouts:
            _add(waiting, place)
        self.fabric.horizon.taken.append(port)
        if not self._running:
            self._start()
        elif self._slave == -1:
            self._plan()

    def _line(self, port: PolledPort, message: Message) -> tuple[Line, list[int], int]:
        if port.node is not self.root:
            place = self.places[port.node.id]
            return self.ups[place], self._waiting_up, place
        if not message.dst:
            return self.shouts, [], 0
        place = self.places[message.receiver.id]
        return self.downs[place], self._waiting_down, place

    def _plan(self) -> None:
        """Set the timer to the next instant at which something is to be carried."""
        self._timer = None
        now, ring = self.env.now, self._ring
        here, began_us = ring.now(now)
        due = [
            (ring.begins_us(place, now), 1, place, self._ask)
            for waiting in (self._waiting_up, self._waiting_down)
            for place in _nexts(waiting, here)
        ]
        late_us = self._answers_us(here, began_us)
        if late_us is not None:
            due.append((late_us, 1, here, self._answer_late))
        if self.shouts.serving is not None:
            place = here if began_us >= now else (here + 1) % len(ring)
            due.append((ring.begins_us(place, now), 0, place, self._shout))
        if due:
            at_us, _, place, what = min(due, key=lambda it: it[:3])
            self._wait(at_us, lambda: self._enter(place, what))

    def _answers_us(self, here: int, began_us: int) -> int | None:
        """Return when the slave whose idle turn goes on answers, if it has something to say."""
        now = self.env.now
        if self.ups[here].serving is None or began_us >= now:
            return None
        at_us = began_us + self.ask_us + self.technology.turnaround_us
        return at_us if at_us >= now else None

    def _wait(self, until_us: int, then: Callable[[], None]) -> None:
        def fire(event: Any) -> None:
            if event is self._timer:
                then()

        self.next_us = until_us
        self._timer = timer = Timeout(self.env, until_us - self.env.now)
        timer.callbacks.append(fire)

    # -- a turn that carries something -------------------------------------------------------

    def _enter(self, place: int, what: Callable[[], None]) -> None:
        self._settle(self._ring.now(self.env.now)[1])
        self._slave, self._tries, self._told, self._carried = place, 0, False, None
        what()

    def _put(self, sender: Node, line: Line | None, least_bytes: int) -> None:
        """Put a frame on the air, of what a line carries or of nothing."""
        now, hops = self.env.now, self.technology.hops
        message, size = None, least_bytes
        if line is not None and line.serving is not None:
            message = line.serving
            size = max(size, self.costs[message.size].sizes[line.frame])
            line.wait(now)
            message.attempts += hops
            message.wire_bytes += size * hops
        self._carried = message
        air_us = self.air_us(size)
        self._sent = self.air.begin(self._numbers[sender.id], now, air_us, size)
        self._usage.transmissions += hops
        self._usage.airtime_us += air_us

    def _through(self, receiver: Node, line: Line) -> bool:
        """Book what has become of the frame on the air; tell whether it got through."""
        sent, message = self._sent, self._carried
        assert sent is not None
        fate = self.air.fate(sent, self._numbers[receiver.id])
        self._usage.collisions += fate == COLLISION
        self._usage.errors += bool(fate) and fate != COLLISION
        through = not fate and receiver.up and self._heard(self.slaves[self._slave])
        if message is not None and message is line.serving:
            book([message], "air_us" if through else "retry_us", sent.end_us)
            line.tried = not through
            line.frame += through
        return through

    def _taken(self, line: Line) -> Message | None:
        """Return the message on the air, off its line, if that was its last frame."""
        message, self._carried = self._carried, None
        if message is None or message is not line.serving:
            return None
        if line.frame < len(self.costs[message.size].sizes):
            return None
        self._go_on(line)
        return message

    def _go_on(self, line: Line) -> None:
        """Take the next message of a line, if any."""
        line.next(self.env.now)
        if line.serving is None:
            if line is self.ups[self._slave]:
                _drop(self._waiting_up, self._slave)
            elif line is self.downs[self._slave]:
                _drop(self._waiting_down, self._slave)

    def _hand(self, message: Message | None, node: Node) -> None:
        """Hand on a message that got through."""
        if message is None:
            return
        if message.dst:
            self.fabric.passed(message)
        elif message.owner is not None:
            message.owner.heard(message, node)

    def _ask(self) -> None:
        line = None if self._told else self.downs[self._slave]
        self._put(self.root, line, self.technology.poll_bytes)
        assert self._sent is not None
        idle_us = 0 if self._carried is not None else self.technology.turnaround_us
        self._wait(self._sent.end_us + idle_us, self._asked)

    def _asked(self) -> None:
        slave, line, sent = self.slaves[self._slave], self.downs[self._slave], self._sent
        assert sent is not None
        if not self._through(slave, line):
            self._again(line, sent.end_us + self.timeout_us)
            return
        self._told = self._told or self._carried is not None
        message = self._taken(line)
        answers_us = sent.end_us + self.technology.turnaround_us
        if answers_us > self.env.now:
            self._wait(answers_us, self._answer)
            self._hand(message, slave)
        else:
            self._hand(message, slave)
            self._answer()

    def _answer_late(self) -> None:
        """Answer a request that was sent while nothing waited."""
        usage, hops = self._usage, self.technology.hops
        if self._booked_us > self._ring.now(self.env.now)[1]:  # with a response of nothing
            usage.airtime_us -= self._turns[self._slave].air_us - self.ask_us
            usage.transmissions -= hops
        else:
            usage.airtime_us += self.ask_us
            usage.transmissions += hops
        self._answer()

    def _answer(self) -> None:
        slave, technology = self.slaves[self._slave], self.technology
        if not slave.up:
            rest_us = self.timeout_us - technology.turnaround_us
            self._again(self.ups[self._slave], self.env.now + rest_us)
            return
        self._put(slave, self.ups[self._slave], technology.response_bytes)
        assert self._sent is not None
        self._wait(self._sent.end_us, self._answered)

    def _answered(self) -> None:
        slave, line, sent = self.slaves[self._slave], self.ups[self._slave], self._sent
        assert sent is not None
        next_us = sent.end_us + self.technology.turnaround_us
        if slave.up and self._through(self.root, line):
            message = self._taken(line)
            self._next_turn(next_us, self._slave + 1)
            self._hand(message, self.root)
        else:
            self._again(line, next_us)

    def _again(self, line: Line, at_us: int) -> None:
        """Ask once more from an instant on, or give up what was on the air."""
        self._tries += 1
        if self._tries <= self.technology.retries:
            self._wait(at_us, self._ask)
            return
        up = self.slaves[self._slave].up
        message, self._carried = self._carried, None
        if message is not None and message is not line.serving:
            message = None
        if message is not None:
            self._go_on(line)
        self._next_turn(at_us, self._slave + 1)
        if message is not None:
            cause = "retries" if self.technology.retries else "noise"
            self.fabric.lost(message, cause if up else "node-down")

    def _shout(self) -> None:
        """Send a request to nobody, before the turn of the slave that comes next."""
        self._put(self.root, self.shouts, self.technology.poll_bytes)
        assert self._sent is not None
        self._wait(self._sent.end_us, self._shouted)

    def _shouted(self) -> None:
        line, sent = self.shouts, self._sent
        assert sent is not None
        missed = [it for it in self.slaves if self.air.fate(sent, self._numbers[it.id])]
        self._missed.update(node.id for node in missed)
        message = self._carried
        if message is not None and message is line.serving:
            book([message], "air_us", sent.end_us)
            line.frame += 1
            message = self._taken(line)
        self._next_turn(sent.end_us + self.technology.turnaround_us, self._slave)
        if message is None:
            return
        heard = [node for node in self.slaves if node.up and node.id not in self._missed]
        self._missed = set()
        for node in heard:  # they have all frames
            self._hand(message, node)
        ended = getattr(message.owner, "ended", None)
        if ended is not None:
            ended(message)

    def _next_turn(self, at_us: int, place: int) -> None:
        if self._renew(self._slave):
            self._ring = Ring(self._turns, at_us, place % len(self.slaves))
        else:
            self._ring.move(at_us, place % len(self.slaves))
        self._slave, self._booked_us = -1, at_us
        self._timer = None
        self._plan()

    # -- the horizon -------------------------------------------------------------------------

    def begins_us(self, place: int) -> int:
        """Return when the turn of a slave begins at the earliest."""
        count, now = len(self.slaves), self.env.now
        if self._slave != -1:
            return self.next_us + (place - self._slave - 1) % count * self._least_us
        if self._patient and not self._dead:  # one who is heard again would answer sooner
            return self._ring.begins_us(place, now)
        here, began_us = self._ring.now(now)
        ahead = (place - here) % count
        return began_us + (ahead if began_us >= now or ahead else count) * self._least_us

    def answer_us(self, place: int) -> int:
        """Return when the first frame that a slave has to say is over at the earliest."""
        line, technology = self.ups[place], self.technology
        message = line.serving
        assert message is not None
        size = max(self.costs[message.size].sizes[line.frame], technology.response_bytes)
        if self._slave == place:
            if self._carried is message and self._sent is not None:
                return self._sent.end_us
            return self.next_us
        late_us = None
        if self._slave == -1:
            late_us = self._answers_us(*self._ring.now(self.env.now))
            if self._ring.now(self.env.now)[0] != place:
                late_us = None
        if late_us is None:
            late_us = self.begins_us(place) + self.ask_us + technology.turnaround_us
        return late_us + self.air_us(size)

    def up_us(self, place: int) -> int | None:
        """Return when something arrives at the master from a slave at the earliest."""
        line = self.ups[place]
        message = line.serving
        if message is None:
            return None
        if not self._running:
            return _NEVER
        first_us = self.answer_us(place)
        left = len(self.costs[message.size].sizes) - line.frame - 1
        arrival_us = first_us + left * self.ask_us + self.fabric.horizon.ahead_us(message)
        return min(arrival_us, first_us + self.ask_us) if line.queue.waiting else arrival_us

    def down_us(self) -> int | None:
        """Return when something arrives at any slave from the master at the earliest."""
        if not self._waiting_down and self.shouts.serving is None:
            return None
        if not self._running:
            return _NEVER
        if self._slave != -1:
            carried, sent = self._carried, self._sent
            if carried is not None and sent is not None:
                return sent.end_us
            return self.next_us
        here = self._ring.now(self.env.now)[0]
        due = [self.begins_us(place) for place in _nexts(self._waiting_down, here)]
        if self.shouts.serving is not None:
            due.append(self.next_us)
        return min(due) + self.ask_us


_NEVER = 1 << 61


def _nexts(waiting: list[int], here: int) -> list[int]:
    """Return the first two of sorted places from ``here`` on, around the ring."""
    if not waiting:
        return []
    at = bisect_left(waiting, here)
    return [waiting[at % len(waiting)], waiting[(at + 1) % len(waiting)]]


def _add(places: list[int], place: int) -> None:
    at = bisect_left(places, place)
    if at == len(places) or places[at] != place:
        places.insert(at, place)


def _drop(places: list[int], place: int) -> None:
    at = bisect_left(places, place)
    if at < len(places) and places[at] == place:
        del places[at]


class PolledPort:
    """A node's interface to a polled medium."""

    __slots__ = ("_medium", "_place", "name", "node", "watch")

    def __init__(self, medium: PolledMedium, node: Node) -> None:
        self._medium, self.node = medium, node
        self._place = medium.places.get(node.id, -1)
        self.name, self.watch = f"{medium.id}|{node.id}", 0

    def _lines(self) -> list[Line]:
        medium = self._medium
        if self._place < 0:
            return [medium.shouts, *medium.downs]
        return [medium.ups[self._place]]

    @property
    def queue(self) -> ClassQueue:
        """Return what waits here; the master's is put together from the lines of its slaves."""
        if self._place >= 0:
            return self._medium.ups[self._place].queue
        together = ClassQueue(1 << 30)
        for line in self._lines():
            for message in line.queue:
                together.put(message)
        return together

    def offer(self, message: Message) -> None:
        """Take a message for the turn of its sender, or of its receiver if the master sends."""
        self._medium.offered(self, message)

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what is in service."""
        lines = self._lines()
        waiting = [message for line in lines for message in line.queue]
        return waiting, [line.serving for line in lines if line.serving is not None]

    def clear(self) -> list[Message]:
        """Forget what waits and what is in service (its time is booked); return it."""
        return self._medium.cleared(self.node)

    def bound_us(self) -> int | None:
        """Return when what is here arrives at its receiver at the earliest; see ``horizon``."""
        medium = self._medium
        return medium.down_us() if self._place < 0 else medium.up_us(self._place)

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the next node for ``size`` bytes of payload."""
        medium = self._medium
        return sum(medium.air_us(frame) for frame in medium.costs[size].sizes)
