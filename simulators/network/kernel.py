"""The kernel: messages, queues by class, and the point-to-point link.

SimPy's clock counts integer microseconds. Nothing here is a SimPy process: a transmitter is a
queue, what it serves and one timeout with a callback, so a message costs two events per hop at
most. Every microsecond between a message's sending and its arrival is booked under one cause;
``Message.mark_us`` is up to where it has been booked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from simpy import Environment
from simpy.events import Timeout

from fernwatt.messages import Frame
from simulators.network.draws import Clean, Draws, noise
from simulators.network.horizon import Horizon
from simulators.network.stack import Coster
from simulators.network.technologies import LinkTechnology

__all__ = [
    "PRIORITIES",
    "ClassQueue",
    "Clock",
    "Direction",
    "Fabric",
    "Link",
    "Message",
    "Node",
    "Path",
    "Port",
    "Usage",
]

PRIORITIES = 4


class Node:
    """A node of the network; ``up`` is whether it works: supplied and not at fault."""

    __slots__ = ("id", "sound", "supplied", "up")

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.up = self.sound = self.supplied = True


class Port(Protocol):
    """A node's interface to a carrier."""

    name: str
    queue: ClassQueue
    watch: int

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


class Message:
    """A frame on its way, with the delay and the bytes it has cost so far."""

    __slots__ = (
        "access_us",
        "air_us",
        "arrival_us",
        "attempts",
        "core_us",
        "epoch",
        "frame",
        "hops",
        "mark_us",
        "path",
        "position",
        "priority",
        "processing_us",
        "queue_us",
        "retry_us",
        "serial",
        "size",
        "t_send_us",
        "wire_bytes",
    )

    def __init__(self, serial: int, frame: Frame, t_send_us: int) -> None:
        self.serial, self.frame, self.t_send_us = serial, frame, t_send_us
        self.size, self.priority = len(frame.payload), frame.priority
        self.mark_us = t_send_us
        self.path: Path = ()
        self.position = self.epoch = 0
        self.processing_us = self.queue_us = self.access_us = self.air_us = 0
        self.retry_us = self.core_us = self.wire_bytes = self.hops = self.attempts = 0
        self.arrival_us = -1


class Clock(Environment):
    """SimPy's environment; its time is integer microseconds, because every delay is."""

    if TYPE_CHECKING:

        @property
        def now(self) -> int:
            """Return the time [µs]."""


@dataclass(frozen=True, slots=True)
class Fabric:
    """What all carriers share: the clock, the seed, where messages go, and the horizon.

    ``passed`` takes a message that is at the next node now; ``lost`` one that died, and why.
    """

    clock: Clock
    seed: int
    passed: Callable[[Message], None]
    lost: Callable[[Message, str], None]
    horizon: Horizon = field(default_factory=Horizon)


class Usage:
    """What a carrier has done since the last reset."""

    __slots__ = ("airtime_us", "collisions", "errors", "queue_max", "transmissions")

    def __init__(self) -> None:
        self.transmissions = self.collisions = self.errors = 0
        self.airtime_us = self.queue_max = 0


class ClassQueue:
    """A finite queue per priority class; the highest class (0) is served first, FIFO within."""

    __slots__ = ("_classes", "_room", "waiting")

    def __init__(self, room: int) -> None:
        self._classes: tuple[deque[Message], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._room = room
        self.waiting = 0

    def put(self, message: Message) -> bool:
        """Queue a message; return False where its class is full."""
        line = self._classes[message.priority]
        if len(line) >= self._room:
            return False
        line.append(message)
        self.waiting += 1
        return True

    def get(self) -> Message | None:
        """Return the next message, or None."""
        if self.waiting:
            self.waiting -= 1
            for line in self._classes:
                if line:
                    return line.popleft()
        return None

    def __iter__(self) -> Iterator[Message]:
        """Iterate over what waits, in the order of service."""
        for line in self._classes:
            yield from line

    def clear(self) -> list[Message]:
        """Empty the queue; return what waited."""
        waited = list(self)
        for line in self._classes:
            line.clear()
        self.waiting = 0
        return waited


class Direction:
    """One transmitter of a link: a queue, the message it serves, and the way to the other end.

    All that happens to a message in service (access, the transmissions of each frame until one
    gets through, the pauses between) is drawn when its service begins: one event ends it.
    """

    __slots__ = (
        "_access_us",
        "_air_us",
        "_alone",
        "_core",
        "_core_us",
        "_costs",
        "_delay_us",
        "_draws",
        "_end_us",
        "_env",
        "_fabric",
        "_free_us",
        "_horizon",
        "_least_us",
        "_noise",
        "_on_arrival",
        "_on_end",
        "_plain",
        "_retry_us",
        "_serving",
        "_technology",
        "_through",
        "_timer",
        "in_transit",
        "name",
        "queue",
        "usage",
        "watch",
    )

    def __init__(
        self,
        fabric: Fabric,
        technology: LinkTechnology,
        name: str,
        up: bool,
        usage: Usage,
    ) -> None:
        self._env, self._technology, self._fabric = fabric.clock, technology, fabric
        self._horizon, self.watch, self._alone = fabric.horizon, 0, True
        self.usage = usage
        self.name = name
        air_us = technology.air_us(up)
        self._costs = Coster(technology, air_us)
        self._noise = noise(technology, fabric.seed, name)
        self._draws = Draws(fabric.seed, f"core/{name}")
        self._delay_us = technology.propagation_us
        self._least_us = air_us(technology.frame_header_bytes) + self._delay_us
        self._core, self._core_us = technology.core_median_us > 0, -1
        self._plain = isinstance(self._noise, Clean) and not (
            technology.grant_us or technology.setup_us
        )
        self.queue = ClassQueue(technology.queue_frames)
        self._serving: Message | None = None
        self._timer: Timeout | None = None
        self._free_us = -1 - technology.hold_us  # idle for longer than is held
        self._access_us = self._air_us = self._retry_us = self._end_us = self.in_transit = 0
        self._through = True
        self._on_end, self._on_arrival = self._end, self._arrive

    def offer(self, message: Message) -> None:
        """Take a message for the other end: serve it, queue it, or lose it."""
        if self._serving is None:
            self._begin(message, True)
        elif not self.queue.put(message):
            self._fabric.lost(message, "queue-full")
            return
        elif self.queue.waiting > self.usage.queue_max:
            self.usage.queue_max = self.queue.waiting
        if self._alone:
            self._alone = False
            self._horizon.taken.append(self)

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what is in service."""
        return list(self.queue), [] if self._serving is None else [self._serving]

    def clear(self) -> list[Message]:
        """Forget what waits and what is in service (the part of it is booked); return it."""
        waited, served = self.queue.clear(), self._serving
        for message in waited:
            _book(message, "queue_us", self._env.now)
        self._serving = self._timer = None
        self._alone = True
        if served is None:
            return waited
        _book(served, "air_us", self._env.now)
        return [served, *waited]

    def bound_us(self) -> int | None:
        """Return a lower bound of the next arrival by this transmitter; see ``horizon``."""
        message = self._serving
        if message is None:
            self._alone = True
            return None
        following_us = self._end_us + self._least_us
        if not self._through:
            return following_us
        ahead_us = self._horizon.ahead_us(message)
        arrival_us = self._end_us + self._delay_us + ahead_us
        if self._core:
            arrival_us += self._drawn_core_us()
        elif not ahead_us:
            return arrival_us
        self._alone = not self.queue.waiting
        return arrival_us if self._alone else min(arrival_us, following_us)

    def _drawn_core_us(self) -> int:
        """Return the core delay of the next message that gets through, drawn once."""
        if self._core_us < 0:
            technology = self._technology
            drawn = self._draws.lognormal(technology.core_median_us, technology.core_sigma)
            self._core_us = int(drawn + 0.5)
        return self._core_us

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the other end for ``size`` bytes of payload."""
        return self._costs[size].air_us + self._delay_us

    def _begin(self, message: Message, idle: bool) -> None:
        now = self._env.now
        message.queue_us += now - message.mark_us
        message.mark_us = now
        self._serving = message
        if self._plain:
            cost = self._costs[message.size]
            frames, wire, service = len(cost.sizes), cost.wire_bytes, cost.air_us
            self._air_us = service
            message.attempts += frames
            message.wire_bytes += wire
            usage = self.usage
            usage.transmissions += frames
            usage.airtime_us += service
        else:
            service = self._draw(message, now, idle)
        self._end_us = now + service
        self._timer = timer = Timeout(self._env, service)
        timer.callbacks.append(self._on_end)

    def _draw(self, message: Message, now: int, idle: bool) -> int:
        """Draw the whole service of a message; return how long it takes [µs]."""
        technology, usage = self._technology, self.usage
        access = 0
        if idle:
            access = technology.grant_us
            if technology.setup_us and now - self._free_us > technology.hold_us:
                access += technology.setup_us
        cost = self._costs[message.size]
        at, air, through = now + access, 0, True
        for size, air_us in zip(cost.sizes, cost.airs_us, strict=True):
            through = False
            for attempt in range(technology.retries + 1):
                if attempt:
                    at += technology.retry_us
                message.attempts += 1
                message.wire_bytes += size
                usage.transmissions += 1
                usage.airtime_us += air_us
                at += air_us
                if not self._noise.destroys(at - air_us, size):
                    through = True
                    break
                usage.errors += 1
            if not through:
                break
            air += air_us
        self._access_us, self._air_us, self._through = access, air, through
        self._retry_us = at - now - access - air
        return at - now

    def _end(self, event: Any) -> None:
        message = self._serving
        if event is not self._timer or message is None:
            return  # cleared meanwhile
        now = self._env.now
        message.air_us += self._air_us
        message.mark_us = now
        through = True
        if not self._plain:
            message.access_us += self._access_us
            message.retry_us += self._retry_us
            through, self._free_us = self._through, now
        following = self.queue.get()
        if following is None:
            self._serving = None
        else:
            self._begin(following, False)
        if not through:
            self._fabric.lost(message, "retries" if self._technology.retries else "noise")
            return
        delay = self._delay_us
        if self._core:
            delay += self._drawn_core_us()
            self._core_us = -1
        if delay:
            self.in_transit += 1
            if now + delay > self._horizon.until_us:
                self._horizon.passes.append((now + delay, message))
            timer = Timeout(self._env, delay, message)
            timer.callbacks.append(self._on_arrival)
        else:
            self._fabric.passed(message)

    def _arrive(self, event: Any) -> None:
        message: Message = event.value
        self.in_transit -= 1
        now = self._env.now
        message.core_us += now - message.mark_us
        message.mark_us = now
        self._fabric.passed(message)


class Link:
    """Two ends, each with a transmitter of its own (full duplex); ``up`` goes from a to b."""

    __slots__ = ("a", "b", "down", "id", "technology", "up", "usage", "works")

    def __init__(
        self,
        fabric: Fabric,
        identifier: str,
        technology: LinkTechnology,
        ends: tuple[Node, Node],
    ) -> None:
        self.id, self.technology, self.works = identifier, technology, True
        self.a, self.b = ends
        self.usage = Usage()
        up, down = (
            Direction(fabric, technology, f"{identifier}|{end.id}", is_up, self.usage)
            for end, is_up in ((self.a, True), (self.b, False))
        )
        self.up, self.down = up, down

    def port(self, node: Node) -> Direction:
        """Return the transmitter of one end."""
        return self.up if node is self.a else self.down

    def ports(self) -> tuple[Direction, ...]:
        """Return both transmitters."""
        return (self.up, self.down)

    def in_transit(self) -> int:
        """Return how many messages are between the ends, off both transmitters."""
        return self.up.in_transit + self.down.in_transit

    def longest_queue(self) -> int:
        """Return how many messages wait at the longer queue now."""
        return max(self.up.queue.waiting, self.down.queue.waiting)


def _book(message: Message, part: str, now_us: int) -> None:
    """Book the time since the mark under ``part``."""
    setattr(message, part, getattr(message, part) + now_us - message.mark_us)
    message.mark_us = now_us
