"""The point-to-point link: two transmitters, each with its queue."""

from __future__ import annotations

from typing import Any

from simpy.events import Timeout

from simulators.network.carrier import Fabric, Usage
from simulators.network.draws import Clean, Draws, noise
from simulators.network.message import Message, Node, book
from simulators.network.queueing import ClassQueue
from simulators.network.stack import Coster
from simulators.network.technologies import LinkTechnology
from simulators.network.wire import Wire, is_wire

__all__ = ["Direction", "Link"]


class Direction:
    """One transmitter of a link: a queue, the message it serves, and the way to the other end.

    All that happens to a message in service (the transmissions of each frame until one gets
    through, the pauses between) is drawn when its service begins: one event ends it.
    """

    __slots__ = (
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
        "_flying",
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
        self._plain = isinstance(self._noise, Clean)
        self.queue = ClassQueue(technology.queue_frames)
        self._serving: Message | None = None
        self._timer: Timeout | None = None
        self._air_us = self._retry_us = self._end_us = self._flying = 0
        self._through = True
        self._on_end, self._on_arrival = self._end, self._arrive

    def offer(self, message: Message) -> None:
        """Take a message for the other end: serve it, queue it, or lose it."""
        if self._serving is None:
            self._begin(message)
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
        book(waited, "queue_us", self._env.now)
        self._serving = self._timer = None
        self._alone = True
        if served is None:
            return waited
        book([served], "air_us", self._env.now)
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

    def in_transit(self) -> int:
        """Return how many applications' messages are on the way and no longer in service."""
        return self._flying

    def _begin(self, message: Message) -> None:
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
            service = self._draw(message, now)
        self._end_us = now + service
        self._timer = timer = Timeout(self._env, service)
        timer.callbacks.append(self._on_end)

    def _draw(self, message: Message, now: int) -> int:
        """Draw the whole service of a message; return how long it takes [µs]."""
        technology, usage = self._technology, self.usage
        cost = self._costs[message.size]
        at, air, through = now, 0, True
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
        self._air_us, self._through = air, through
        self._retry_us = at - now - air
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
            message.retry_us += self._retry_us
            through = self._through
        following = self.queue.get()
        if following is None:
            self._serving = None
        else:
            self._begin(following)
        if not through:
            self._fabric.lost(message, "retries" if self._technology.retries else "noise")
            return
        delay = self._delay_us
        if self._core:
            delay += self._drawn_core_us()
            self._core_us = -1
        if delay:
            self._flying += message.frame is not None
            if now + delay > self._horizon.until_us:
                self._horizon.passes.append((now + delay, message))
            timer = Timeout(self._env, delay, message)
            timer.callbacks.append(self._on_arrival)
        else:
            self._fabric.passed(message)

    def _arrive(self, event: Any) -> None:
        message: Message = event.value
        self._flying -= message.frame is not None
        now = self._env.now
        message.core_us += now - message.mark_us
        message.mark_us = now
        self._fabric.passed(message)


class Link:
    """Two ends, each with a transmitter of its own (full duplex); ``up`` goes from a to b."""

    __slots__ = ("a", "b", "down", "id", "technology", "up", "usage", "works")

    knows_ways = False

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
        transmitter = Wire if is_wire(technology) else Direction
        up, down = (
            transmitter(fabric, technology, f"{identifier}|{end.id}", is_up, self.usage)
            for end, is_up in ((self.a, True), (self.b, False))
        )
        self.up, self.down = up, down

    def port(self, node: Node) -> Direction | Wire:
        """Return the transmitter of one end."""
        return self.up if node is self.a else self.down

    def nodes(self) -> tuple[Node, ...]:
        """Return both ends."""
        return (self.a, self.b) if self.a.id < self.b.id else (self.b, self.a)

    def reaches(self, here: Node, there: Node) -> bool:
        """Return True: one end reaches the other."""
        return here is not there

    def way(self, here: Node, there: Node) -> tuple[Node, ...]:  # noqa: ARG002 - the protocol's
        """Return the other end."""
        return (there,)

    def ports(self) -> tuple[Direction | Wire, ...]:
        """Return both transmitters."""
        return (self.up, self.down)

    def in_transit(self) -> int:
        """Return how many applications' messages are between the ends, off both transmitters."""
        return self.up.in_transit() + self.down.in_transit()

    def longest_queue(self) -> int:
        """Return how many messages wait at the longer queue now."""
        return max(self.up.queue.waiting, self.down.queue.waiting)
