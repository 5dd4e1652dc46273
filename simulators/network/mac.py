"""A shared medium with unslotted CSMA/CA: one collision domain, half duplex.

A station with something to send draws its whole backoff at once, senses the medium at the end
of it, and when it is free is heard ``turnaround_us`` later. Whoever senses in between finds the
medium free too: that is how frames collide. Overlapping transmissions destroy each other. An
acknowledgement shares the fate of its frame and keeps the medium busy.

Sensing costs the same with two stations and with a thousand: because the turnaround is one
constant, transmissions begin in the order in which they were decided, and the medium need only
remember the end of the last one that has begun.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from simpy.events import Timeout

from simulators.network.draws import Draws, noise
from simulators.network.kernel import ClassQueue, Fabric, Message, Node, Usage
from simulators.network.stack import Coster
from simulators.network.technologies import MediumTechnology

__all__ = ["Medium", "Station", "Transmission"]


class Transmission:
    """One frame on the medium."""

    __slots__ = ("collided", "end_us", "start_us", "station")

    def __init__(self, station: Station, start_us: int, end_us: int) -> None:
        self.station, self.start_us, self.end_us = station, start_us, end_us
        self.collided = False


class Medium:
    """What all stations share: who transmits, and since when."""

    __slots__ = (
        "_active",
        "_busy_us",
        "_counted_us",
        "_on_end",
        "_pending",
        "by_node",
        "costs",
        "env",
        "fabric",
        "gap_us",
        "id",
        "least_us",
        "noise",
        "technology",
        "usage",
        "works",
    )

    def __init__(
        self,
        fabric: Fabric,
        identifier: str,
        technology: MediumTechnology,
        members: list[Node],
    ) -> None:
        self.fabric, self.env, self.id = fabric, fabric.clock, identifier
        self.technology, self.works = technology, True
        self.usage = Usage()
        air_us = technology.air_us()
        self.costs = Coster(technology, air_us)
        self.gap_us = technology.cca_us + technology.turnaround_us
        self.least_us = self.gap_us + air_us(technology.frame_header_bytes)
        self.noise = noise(technology, fabric.seed, identifier)
        self._pending: deque[Transmission] = deque()  # decided, not yet seen to have begun
        self._active: list[Transmission] = []
        self._busy_us = self._counted_us = -(10**18)
        self._on_end = self._end
        self.by_node = {node.id: Station(self, node) for node in members}

    def port(self, node: Node) -> Station:
        """Return the station of a node."""
        return self.by_node[node.id]

    def ports(self) -> tuple[Station, ...]:
        """Return all stations."""
        return tuple(self.by_node.values())

    def in_transit(self) -> int:
        """Return 0: a message on the medium is in its station's service."""
        return 0

    def longest_queue(self) -> int:
        """Return how many messages wait at the longest queue now."""
        return max((station.queue.waiting for station in self.by_node.values()), default=0)

    def is_busy(self, now: int) -> bool:
        """Tell whether anything was on the medium during the sensing that ends now."""
        pending = self._pending
        while pending and pending[0].start_us < now:
            self._busy_us = max(self._busy_us, pending.popleft().end_us)
        return self._busy_us > now - self.technology.cca_us

    def clear_us(self, since_us: int) -> int:
        """Return until when the medium is known to be busy for who senses from ``since_us`` on."""
        ends = [sent.end_us for sent in self._active if sent.start_us < since_us]
        return max(self._busy_us, *ends) if ends else self._busy_us

    def transmit(self, station: Station, start_us: int, air_us: int) -> Transmission:
        """Put a frame on the medium from ``start_us``; it destroys what it overlaps."""
        new = Transmission(station, start_us, start_us + air_us)
        self._active = [other for other in self._active if other.end_us > start_us]
        for other in self._active:
            other.collided = new.collided = True
        self._active.append(new)
        self._pending.append(new)
        self.usage.transmissions += 1
        self.usage.airtime_us += max(0, new.end_us - max(start_us, self._counted_us))
        self._counted_us = max(new.end_us, self._counted_us)
        timer = Timeout(self.env, new.end_us - self.env.now, new)
        timer.callbacks.append(self._on_end)
        return new

    def _end(self, event: Any) -> None:
        sent: Transmission = event.value
        station, usage = sent.station, self.usage
        if sent.collided:
            usage.collisions += 1
        if station.sending is not sent:
            return  # its sender died
        damaged = not sent.collided and self.noise.destroys(sent.start_us, station.size())
        usage.errors += damaged
        if sent.collided or damaged or not station.hears():
            station.failed(sent)
            return
        technology = self.technology
        if technology.ack_us:
            answer_us = technology.ack_gap_us + technology.ack_us
            self._busy_us = max(self._busy_us, sent.end_us + answer_us)
            usage.airtime_us += technology.ack_us
        station.succeeded(sent)


class Station:
    """A node's interface to a medium: its queue, and the message it tries to get through."""

    __slots__ = (
        "_alone",
        "_backoffs",
        "_be",
        "_draws",
        "_frame",
        "_free_us",
        "_medium",
        "_on_sensed",
        "_receiver",
        "_retries",
        "_senses_us",
        "_serving",
        "_timer",
        "_tried",
        "name",
        "node",
        "queue",
        "sending",
        "watch",
    )

    def __init__(self, medium: Medium, node: Node) -> None:
        self._medium, self.node, self.name = medium, node, f"{medium.id}|{node.id}"
        self.queue = ClassQueue(medium.technology.queue_frames)
        self._draws = Draws(medium.fabric.seed, f"backoff/{self.name}")
        self._serving: Message | None = None
        self._receiver: Node | None = None
        self._timer: Timeout | None = None
        self.sending: Transmission | None = None
        self._frame = self._backoffs = self._retries = self._be = self._free_us = 0
        self._senses_us = 0
        self._tried, self._alone, self.watch = False, True, 0
        self._on_sensed = self._sensed

    def offer(self, message: Message) -> None:
        """Take a message for another station: contend for it, queue it, or lose it."""
        medium = self._medium
        if self._serving is None:
            self._begin(message)
        elif not self.queue.put(message):
            medium.fabric.lost(message, "queue-full")
            return
        elif self.queue.waiting > medium.usage.queue_max:
            medium.usage.queue_max = self.queue.waiting
        if self._alone:
            self._alone = False
            medium.fabric.horizon.taken.append(self)

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what is in service."""
        return list(self.queue), [] if self._serving is None else [self._serving]

    def clear(self) -> list[Message]:
        """Forget what waits and what is in service (its time is booked); return it."""
        now = self._medium.env.now
        waited, served = self.queue.clear(), self._serving
        for message in waited:
            message.queue_us += now - message.mark_us
            message.mark_us = now
        self._serving = self._timer = self.sending = None
        self._alone = True
        if served is None:
            return waited
        self._book_wait(served, now)
        return [served, *waited]

    def bound_us(self) -> int | None:
        """Return when what is here arrives at its receiver at the earliest; see ``horizon``."""
        message, sent, medium = self._serving, self.sending, self._medium
        if message is None:
            self._alone = True
            return None
        if sent is None:
            end_us, following_us = self._contention_us(message)
        else:
            end_us = following_us = sent.end_us
            if sent.collided:
                return end_us + medium.least_us
        airs_us = medium.costs[message.size].airs_us[self._frame + 1 :]
        ahead_us = medium.fabric.horizon.ahead_us(message)
        arrival_us = end_us + sum(airs_us) + len(airs_us) * medium.gap_us + ahead_us
        self._alone = not self.queue.waiting
        return arrival_us if self._alone else min(arrival_us, following_us + medium.least_us)

    def _contention_us(self, message: Message) -> tuple[int, int]:
        """Return when the frame in service gets through, and another message is taken up."""
        medium = self._medium
        technology, senses_us = medium.technology, self._senses_us
        free_us = medium.clear_us(senses_us) + technology.cca_us
        air_us = medium.costs[message.size].airs_us[self._frame]
        end_us = max(senses_us, free_us) + technology.turnaround_us + air_us
        again = max(0, technology.max_backoffs - self._backoffs)  # it may find the medium busy
        up_us = max(senses_us + again * technology.cca_us, free_us - technology.cca_us)
        return end_us, min(end_us, up_us)

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the next node for ``size`` bytes of payload."""
        cost = self._medium.costs[size]
        return cost.air_us + len(cost.airs_us) * self._medium.gap_us

    def size(self) -> int:
        """Return the bytes of the frame in service."""
        message = self._serving
        return self._medium.costs[message.size].sizes[self._frame] if message else 0

    def hears(self) -> bool:
        """Tell whether the receiver of the message in service is up."""
        return self._receiver is not None and self._receiver.up

    def succeeded(self, sent: Transmission) -> None:
        """Go on after a frame got through: its message's next frame, or the next message."""
        message, medium = self._serving, self._medium
        assert message is not None
        technology = medium.technology
        message.air_us += sent.end_us - sent.start_us
        message.mark_us = sent.end_us
        answer_us = technology.ack_gap_us + technology.ack_us if technology.ack_us else 0
        self._free_us = sent.end_us + answer_us + technology.ifs_us
        self._frame += 1
        if self._frame < len(medium.costs[message.size].sizes):
            self._attempt(message)
            return
        self._next()
        medium.fabric.passed(message)

    def failed(self, sent: Transmission) -> None:
        """Go on after a frame did not get through: once more, or give up."""
        message, technology = self._serving, self._medium.technology
        assert message is not None
        message.retry_us += sent.end_us - sent.start_us
        message.mark_us = sent.end_us
        self._tried = True
        self._free_us = sent.end_us + max(technology.ack_timeout_us, technology.ifs_us)
        self._retries += 1
        if self._retries > technology.retries:
            collided_or_repeated = sent.collided or technology.retries > 0
            self._give_up(message, "retries" if collided_or_repeated else "noise")
            return
        self._backoffs = 0
        least = self._least_be(message)
        grown = least + self._retries if technology.be_growth != "busy" else least
        self._be = min(grown, technology.max_be)
        self._contend()

    def _begin(self, message: Message) -> None:
        now = self._medium.env.now
        message.queue_us += now - message.mark_us
        message.mark_us = now
        self._serving, self._receiver = message, message.path[message.position][1]
        self._frame = 0
        self._attempt(message)

    def _attempt(self, message: Message) -> None:
        """Begin with a new frame."""
        self._retries = self._backoffs = 0
        self._tried = False
        self._be = min(self._least_be(message), self._medium.technology.max_be)
        self._contend()

    def _least_be(self, message: Message) -> int:
        technology = self._medium.technology
        return technology.min_be + technology.be_per_priority * message.priority

    def _contend(self) -> None:
        medium = self._medium
        technology, now = medium.technology, medium.env.now
        wait = int(self._draws.uniform() * (1 << self._be)) * technology.unit_backoff_us
        wait += technology.cca_us + max(0, self._free_us - now)
        self.sending = None
        self._senses_us = now + wait
        self._timer = timer = Timeout(medium.env, wait)
        timer.callbacks.append(self._on_sensed)

    def _sensed(self, event: Any) -> None:
        message = self._serving
        if event is not self._timer or message is None:
            return  # cleared meanwhile
        medium = self._medium
        technology, now = medium.technology, medium.env.now
        if medium.is_busy(now):
            self._backoffs += 1
            if self._backoffs > technology.max_backoffs:
                self._book_wait(message, now)
                self._give_up(message, "access")
                return
            if technology.be_growth != "retry":
                self._be = min(self._be + 1, technology.max_be)
            self._contend()
            return
        start_us = now + technology.turnaround_us
        self._book_wait(message, start_us)
        cost = medium.costs[message.size]
        message.attempts += 1
        message.wire_bytes += cost.sizes[self._frame]
        self.sending = medium.transmit(self, start_us, cost.airs_us[self._frame])

    def _book_wait(self, message: Message, until_us: int) -> None:
        """Book a wait for the medium: access, or retry when the frame was tried before."""
        waited_us = until_us - message.mark_us
        if self._tried:
            message.retry_us += waited_us
        else:
            message.access_us += waited_us
        message.mark_us = until_us

    def _give_up(self, message: Message, cause: str) -> None:
        dead = not self.hears()
        self._next()
        self._medium.fabric.lost(message, "node-down" if dead else cause)

    def _next(self) -> None:
        self._serving = self._timer = self.sending = None
        following = self.queue.get()
        if following is not None:
            self._begin(following)
