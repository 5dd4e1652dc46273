"""A shared medium with unslotted CSMA/CA, half duplex.

A station with something to send draws its whole backoff at once, senses the air at the end of
it, and when it is free is heard ``turnaround_us`` later. Whoever senses in between finds the air
free too: that is how frames collide. An acknowledgement shares the fate of its frame and keeps
the air busy. A broadcast goes once, without acknowledgement, to all who hear it.
"""

from __future__ import annotations

from typing import Any, Protocol

from simpy.events import Timeout

from simulators.network.adaptation import Adaptation, whole
from simulators.network.air import (
    BURST,
    COLLISION,
    JAMMING,
    NOISE,
    Air,
    Everywhere,
    Transmission,
)
from simulators.network.carrier import Fabric, Usage
from simulators.network.draws import Draws, noise
from simulators.network.message import Message, Node, book
from simulators.network.phy import PacketErrors
from simulators.network.queueing import ClassQueue
from simulators.network.spread import Spread
from simulators.network.stack import Coster
from simulators.network.technologies import MediumTechnology

__all__ = ["Medium", "Observer", "Station"]

_CAUSES = {JAMMING: "jamming", BURST: "noise"}
"""Losses whose cause lies outside the medium."""


class Observer(Protocol):
    """Who is told of what a link layer tries: a routing protocol that rates links by it."""

    def tried(self, sender: int, receiver: int) -> None:
        """Take note that a frame to a neighbour was on the air, whatever became of it."""


class Medium:
    """What all stations share: the air, and the books of its use.

    Without ``air`` all hear all, with the technology's own noise.
    """

    __slots__ = (
        "_counted_us",
        "_nodes",
        "_on_end",
        "adaptation",
        "air",
        "by_node",
        "costs",
        "env",
        "fabric",
        "gap_us",
        "id",
        "least_us",
        "observer",
        "stations",
        "technology",
        "usage",
        "works",
    )

    knows_ways = False

    def __init__(
        self,
        fabric: Fabric,
        identifier: str,
        technology: MediumTechnology,
        members: list[Node],
        air: Air | None = None,
    ) -> None:
        self.fabric, self.env, self.id = fabric, fabric.clock, identifier
        self.technology, self.works = technology, True
        self.observer: Observer | None = None
        self.usage = Usage()
        air_us = technology.air_us()
        self.costs = Coster(whole(technology) if technology.adaptive else technology, air_us)
        self.air: Air = air or Everywhere(
            len(members), technology.cca_us, noise(technology, fabric.seed, identifier)
        )
        self.adaptation: Adaptation | None = None
        if technology.adaptive and isinstance(air, Spread):
            self.adaptation = Adaptation(technology, air)
        self.gap_us = technology.cca_us + technology.turnaround_us
        self.least_us = self.gap_us + self.least_air_us()
        self._counted_us = -(10**18)
        self._on_end = self._end
        self._nodes = tuple(sorted(members, key=lambda node: node.id))
        self.stations = tuple(self._station(it, node) for it, node in enumerate(self._nodes))
        self.by_node = {station.node.id: station for station in self.stations}

    def _station(self, number: int, node: Node) -> Station:
        return Station(self, number, node)

    def least_air_us(self) -> int:
        """Return the least time that any frame is on the air [µs]."""
        least = self.technology.frame_header_bytes
        if self.adaptation is None:
            return self.technology.air_us()(least)
        return min(it.costs.air_us(least) for it in self.adaptation.schemes)

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes by identifier."""
        return self._nodes

    def port(self, node: Node) -> Station:
        """Return the station of a node."""
        return self.by_node[node.id]

    def ports(self) -> tuple[Station, ...]:
        """Return all stations."""
        return self.stations

    def reaches(self, here: Node, there: Node) -> bool:
        """Tell whether one node hears another."""
        return self.air.hears(self.by_node[there.id].number, self.by_node[here.id].number)

    def way(self, here: Node, there: Node) -> tuple[Node, ...]:  # noqa: ARG002 - the protocol's
        """Return the other node: there are no hops within a medium."""
        return (there,)

    def in_transit(self) -> int:
        """Return 0: a message on the medium is in its station's service."""
        return 0

    def longest_queue(self) -> int:
        """Return how many messages wait at the longest queue now."""
        return max((station.queue.waiting for station in self.stations), default=0)

    def transmit(
        self, station: Station, start_us: int, air_us: int, size: int, channel: int = 0
    ) -> Transmission:
        """Put a frame on the air from ``start_us``."""
        new = self.air.begin(station.number, start_us, air_us, size, channel)
        self.usage.transmissions += 1
        self.count(start_us, new.end_us)
        timer = Timeout(self.env, new.end_us - self.env.now, (station, new))
        timer.callbacks.append(self._on_end)
        return new

    def count(self, start_us: int, end_us: int) -> None:
        """Book time on the air, what overlaps once."""
        self.usage.airtime_us += max(0, end_us - max(start_us, self._counted_us))
        self._counted_us = max(end_us, self._counted_us)

    def _end(self, event: Any) -> None:
        station, sent = event.value
        if station.sending is not sent:  # its sender died
            self.usage.collisions += sent.collided
            return
        message = station.message
        receiver = station.receiver
        if receiver is None:
            self._broadcast(station, sent, message)
            return
        fate = self.air.fate(sent, receiver.number)
        self.usage.collisions += fate == COLLISION
        self.usage.errors += bool(fate) and fate != COLLISION
        if self.observer is not None:
            self.observer.tried(station.number, receiver.number)
        if fate or not receiver.node.up:
            station.failed(sent, fate)
            return
        if self.technology.ack_us and not self.answer(sent, receiver):
            self.usage.errors += 1
            station.failed(sent, NOISE)
            return
        station.succeeded(sent)

    def answer(self, sent: Transmission, receiver: Station) -> bool:
        """Put the acknowledgement of a frame on the air; return whether it arrives."""
        technology = self.technology
        until_us = sent.end_us + technology.ack_gap_us + technology.ack_us
        self.usage.airtime_us += technology.ack_us
        return self.air.answered(sent, receiver.number, until_us, technology.ack_bytes)

    def _broadcast(self, station: Station, sent: Transmission, message: Message) -> None:
        """Let all who are up and hear a broadcast have it."""
        fates = [
            (self.air.fate(sent, number), self.stations[number].node)
            for number in self.air.hearers(station.number)
        ]
        missed = station.missed
        missed.update(node.id for fate, node in fates if fate)
        if fates and all(fate for fate, _ in fates):  # at the fringe some never get it
            collided = any(fate == COLLISION for fate, _ in fates)
            self.usage.collisions += collided
            self.usage.errors += not collided
        if station.succeeded(sent) and message.owner is not None:
            for _, node in fates:
                if node.up and node.id not in missed:  # it has all fragments
                    message.owner.heard(message, node)
            ended = getattr(message.owner, "ended", None)
            if ended is not None:  # who wants to know that nobody else will hear it
                ended(message)


class Station:
    """A node's interface to a medium: its queue, and the message it tries to get through."""

    __slots__ = (
        "_alone",
        "_backoffs",
        "_be",
        "_draws",
        "_error",
        "_frame",
        "_free_us",
        "_medium",
        "_on_sensed",
        "_retries",
        "_senses_us",
        "_serving",
        "_timer",
        "_tried",
        "costs",
        "missed",
        "name",
        "node",
        "number",
        "queue",
        "receiver",
        "sending",
        "watch",
    )

    def __init__(self, medium: Medium, number: int, node: Node) -> None:
        self._medium, self.number, self.node = medium, number, node
        self.name = f"{medium.id}|{node.id}"
        self.queue = ClassQueue(medium.technology.queue_frames)
        self._draws = Draws(medium.fabric.seed, f"backoff/{self.name}")
        self._serving: Message | None = None
        self.receiver: Station | None = None
        self._timer: Timeout | None = None
        self.sending: Transmission | None = None
        self._frame = self._backoffs = self._retries = self._be = self._free_us = 0
        self._senses_us = 0
        self.missed: set[str] = set()  # who lacks a fragment of the broadcast in service
        self._tried, self._alone, self.watch = False, True, 0
        self.costs = medium.costs  # of the mode in which the message in service goes
        self._error: PacketErrors | None = None
        self._on_sensed = self._sensed

    def offer(self, message: Message) -> None:
        """Take a message for another station or, without receiver, for all who hear it.

        It is contended for, queued, or lost.
        """
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
        book(waited, "queue_us", now)
        self._serving = self._timer = self.sending = None
        self._alone = True
        if served is None:
            return waited
        self._book_wait(served, now)
        return [served, *waited]

    def bound_us(self) -> int | None:
        """Return when what is here arrives at its receiver at the earliest; see ``horizon``."""
        message, sent, medium = self._serving, self.sending, self._medium
        if message is None or (message.quiet and not self.queue.waiting):
            self._alone = True
            return None
        if sent is None:
            end_us, following_us = self._contention_us(message)
        else:
            end_us = following_us = sent.end_us
            if sent.collided:
                return end_us + medium.least_us
        if self.receiver is None:  # who hears a broadcast may be handed it, if it is not quiet
            return following_us + (medium.least_us if message.quiet else 0)
        airs_us = self.costs[message.size].airs_us[self._frame + 1 :]
        ahead_us = medium.fabric.horizon.ahead_us(message)
        arrival_us = end_us + sum(airs_us) + len(airs_us) * medium.gap_us + ahead_us
        self._alone = not self.queue.waiting
        return arrival_us if self._alone else min(arrival_us, following_us + medium.least_us)

    def _contention_us(self, message: Message) -> tuple[int, int]:
        """Return when the frame in service gets through, and another message is taken up."""
        medium = self._medium
        technology, senses_us = medium.technology, self._senses_us
        free_us = medium.air.clear_us(self.number, senses_us) + technology.cca_us
        air_us = self.costs[message.size].airs_us[self._frame]
        end_us = max(senses_us, free_us) + technology.turnaround_us + air_us
        again = max(0, technology.max_backoffs - self._backoffs)  # it may find the medium busy
        up_us = max(senses_us + again * technology.cca_us, free_us - technology.cca_us)
        return end_us, min(end_us, up_us)

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the next node for ``size`` bytes of payload."""
        medium = self._medium
        if medium.adaptation is not None:
            return medium.adaptation.passage_us(size, medium.gap_us)
        cost = medium.costs[size]
        return cost.air_us + len(cost.airs_us) * medium.gap_us

    @property
    def message(self) -> Message:
        """Return the message in service; there must be one."""
        assert self._serving is not None
        return self._serving

    def succeeded(self, sent: Transmission) -> bool:
        """Go on after a frame got through: its message's next frame, or the next message.

        Return whether the whole message is through.
        """
        message, medium = self._serving, self._medium
        assert message is not None
        technology = medium.technology
        message.air_us += sent.end_us - sent.start_us
        message.mark_us = sent.end_us
        answered = technology.ack_us and self.receiver is not None
        answer_us = technology.ack_gap_us + technology.ack_us if answered else 0
        self._free_us = sent.end_us + answer_us + technology.ifs_us
        self._frame += 1
        if self._frame < len(self.costs[message.size].sizes):
            self._attempt(message)
            return False
        passes = self.receiver is not None
        self._next()
        if passes:
            medium.fabric.passed(message)
        return True

    def failed(self, sent: Transmission, fate: str) -> None:
        """Go on after a frame did not get through: once more, or give up."""
        message, technology = self._serving, self._medium.technology
        assert message is not None
        message.retry_us += sent.end_us - sent.start_us
        message.mark_us = sent.end_us
        self._tried = True
        self._free_us = sent.end_us + max(technology.ack_timeout_us, technology.ifs_us)
        self._retries += 1
        if self._retries > technology.retries:
            repeated = fate == COLLISION or technology.retries > 0
            self._give_up(message, _CAUSES.get(fate) or ("retries" if repeated else "noise"))
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
        self._serving, self._frame = message, 0
        if message.dst:
            self.receiver = self._medium.by_node[message.receiver.id]
        else:
            self.receiver, self.missed = None, set()
        if self._medium.adaptation is not None:
            self._adapt(self._medium.adaptation)
        self._attempt(message)

    def _adapt(self, adaptation: Adaptation) -> None:
        """Choose the mode for the message in service."""
        if self.receiver is None:
            self.costs, self._error = self._medium.costs, None
        else:
            scheme = adaptation.of(self.number, self.receiver.number)
            self.costs, self._error = scheme.costs, scheme.error

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
        if self._medium.air.busy(self.number, self._medium.env.now):
            self._found_busy(message)
        else:
            self._send(message)

    def _found_busy(self, message: Message) -> None:
        """Draw another backoff, or give up."""
        medium = self._medium
        technology = medium.technology
        self._backoffs += 1
        if self._backoffs > technology.max_backoffs:
            self._book_wait(message, medium.env.now)
            cause = medium.air.blame(self.number, medium.env.now)
            self._give_up(message, _CAUSES.get(cause, "access"))
            return
        if technology.be_growth != "retry":
            self._be = min(self._be + 1, technology.max_be)
        self._contend()

    def _send(self, message: Message, channel: int = 0) -> None:
        """Put the frame in service on the air after the turnaround."""
        medium = self._medium
        start_us = medium.env.now + medium.technology.turnaround_us
        self._book_wait(message, start_us)
        cost = self.costs[message.size]
        message.attempts += 1
        message.wire_bytes += cost.sizes[self._frame]
        size, air_us = cost.sizes[self._frame], cost.airs_us[self._frame]
        self.sending = medium.transmit(self, start_us, air_us, size, channel)
        if self._error is not None:
            self.sending.error = self._error

    def _book_wait(self, message: Message, until_us: int) -> None:
        """Book a wait for the medium: access, or retry when the frame was tried before."""
        waited_us = until_us - message.mark_us
        if self._tried:
            message.retry_us += waited_us
        else:
            message.access_us += waited_us
        message.mark_us = until_us

    def _give_up(self, message: Message, cause: str) -> None:
        dead = self.receiver is not None and not self.receiver.node.up
        self._next()
        self._medium.fabric.lost(message, "node-down" if dead else cause)

    def _next(self) -> None:
        self._serving = self._timer = self.sending = None
        following = self.queue.get()
        if following is not None:
            self._begin(following)
