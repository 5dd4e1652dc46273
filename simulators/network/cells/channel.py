"""The resources of a cell in one direction, and who gets them when.

Time is cut into intervals of ``tti_us``, each lane of channels into as many units per interval.
Units are given away in order: a message takes the next free ones of a lane, so several small
ones share an interval and a large one takes several. Nothing happens per interval: a message
costs one event when it is through, and one more where it has to wait for units.

Higher classes go first, without preemption; within a class bearers take turns, message by
message.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from simpy.events import Timeout

from simulators.network.carrier import Fabric, Usage
from simulators.network.cell_technology import CellTechnology
from simulators.network.draws import Draws
from simulators.network.message import PRIORITIES, Message, book
from simulators.network.noises import Sources
from simulators.network.queueing import ClassQueue
from simulators.network.stack import frame_sizes

__all__ = ["Bearer", "Channel", "Flight"]

_NOT_READY = -1


class Demand(NamedTuple):
    """What a message needs: bytes on the air, units, and the least time on the air [µs]."""

    wire_bytes: int
    units: int
    air_us: int


class Flight:
    """A message that has been given resources: what of it is under way, since and until when.

    ``cause`` is what from outside destroyed a block of it last.
    """

    __slots__ = (
        "bearer",
        "began_us",
        "blocks",
        "cause",
        "end_us",
        "failed",
        "first_us",
        "message",
        "rounds",
        "start_us",
        "units",
    )

    def __init__(self, bearer: Bearer, message: Message, start_us: int, end_us: int) -> None:
        self.bearer, self.message = bearer, message
        self.start_us, self.end_us, self.first_us = start_us, end_us, end_us
        self.began_us, self.cause = start_us, ""
        self.units = self.blocks = self.failed = self.rounds = 0


class Bearer:
    """What goes one way between the base station and one subscriber.

    ``granted`` is whether the scheduler knows what waits, ``level`` the class under which it is
    on the scheduler's list. ``free_us`` is when it may have resources again, ``sent_us`` the end
    of what it has sent, ``flights`` what is given resources and not yet through.
    """

    __slots__ = (
        "channel",
        "draws",
        "flights",
        "free_us",
        "granted",
        "level",
        "queue",
        "repetitions",
        "resumes",
        "sent_us",
        "unit_bits",
    )

    def __init__(self, channel: Channel, name: str, reception: tuple[int, int]) -> None:
        self.channel = channel
        self.unit_bits, self.repetitions = reception
        self.draws = Draws(channel.fabric.seed, f"noise/{name}")
        self.queue = ClassQueue(channel.technology.queue_frames)
        self.flights: list[Flight] = []
        self.granted = self.resumes = False
        self.level, self.free_us, self.sent_us = _NOT_READY, 0, -1

    def want(self) -> None:
        """Let the scheduler know what waits; there must be something."""
        self.granted = True
        channel = self.channel
        now = channel.fabric.clock.now
        if now >= self.free_us:
            channel.enter(self)
        elif not self.resumes:
            self.resumes = True
            timer = Timeout(channel.fabric.clock, self.free_us - now, self)
            timer.callbacks.append(channel.on_resume)

    def ready_us(self) -> int:
        """Return when what waits gets resources at the earliest; it must be granted."""
        if self.level == _NOT_READY:
            return self.free_us
        return self.channel.next_us()

    def least_us(self, message: Message) -> int:
        """Return the least time from resources to the receiver."""
        return self.demand(message.size).air_us + self.channel.decode_us

    def demand(self, size: int) -> Demand:
        """Return what ``size`` bytes of payload need."""
        return self.channel.demand(size, self.unit_bits, self.repetitions)

    def access_over(self, now_us: int) -> None:
        """Book the time that was spent getting access."""
        book(list(self.queue), "access_us", now_us)

    def stop(self, part: str = "queue_us") -> list[Message]:
        """Forget what waits, its time booked; return it."""
        waited = self.queue.clear()
        book(waited, part, self.channel.fabric.clock.now)
        self.forget()
        return waited

    def forget(self) -> None:
        """Be unknown to the scheduler again."""
        self.granted, self.level = False, _NOT_READY

    def ground(self) -> list[Message]:
        """Forget what is under way, its time booked; return it."""
        flown = [flight.message for flight in self.flights]
        self.flights.clear()
        self.free_us = self.sent_us = 0
        book(flown, "air_us", self.channel.fabric.clock.now)
        return flown


class Channel:
    """The units of one direction; ``usage`` is that of the cell."""

    __slots__ = (
        "_demands",
        "_due_us",
        "_free",
        "_noises",
        "_on_arrival",
        "_on_due",
        "_on_repeat",
        "_packs",
        "_ready",
        "_timer",
        "_tti_us",
        "_up",
        "_width",
        "decode_us",
        "fabric",
        "on_resume",
        "technology",
        "usage",
    )

    def __init__(
        self,
        fabric: Fabric,
        technology: CellTechnology,
        up: bool,
        usage: Usage,
        noises: Sources | None = None,
    ) -> None:
        self.fabric, self.technology, self.usage, self._up = fabric, technology, usage, up
        self._noises = noises
        self._width, self._tti_us = technology.width(up), technology.tti_us
        self._free = [0] * technology.lanes(up)  # the first free unit of each lane
        self._packs = len(self._free) == 1  # a bearer may have more units of the same interval
        self._ready: tuple[deque[Bearer], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._demands: dict[tuple[int, int, int], Demand] = {}
        self._timer: Timeout | None = None
        self._due_us = 0
        self.decode_us = technology.decode_us
        self._on_due, self._on_repeat = self._due, self._repeat
        self._on_arrival, self.on_resume = self._arrive, self._resume

    def demand(self, size: int, unit_bits: int, repetitions: int = 1) -> Demand:
        """Return what ``size`` bytes of payload need at ``unit_bits`` per unit."""
        found = self._demands.get((size, unit_bits, repetitions))
        if found is None:
            technology, up = self.technology, self._up
            wire_bytes = sum(frame_sizes(technology, size))
            units = -(-8 * wire_bytes // unit_bits) * repetitions
            intervals = -(-units // self._width)
            limit = technology.limit_bits(up)
            if limit:
                intervals = max(intervals, -(-8 * wire_bytes * repetitions // limit))
            found = Demand(wire_bytes, units, intervals * self._tti_us)
            self._demands[size, unit_bits, repetitions] = found
        return found

    def enter(self, bearer: Bearer) -> None:
        """Put a bearer on the list, under the class of its first message; serve who can be."""
        level = next(iter(bearer.queue)).priority
        if bearer.level != level:
            bearer.level = level
            self._ready[level].append(bearer)
        self._serve()

    def next_us(self) -> int:
        """Return when resources are given away next to those on the list, at the earliest."""
        now = self.fabric.clock.now
        return max(now, self._due_us) if self._timer is not None else now

    def _first(self) -> Bearer | None:
        """Return who is next; entries of who left or changed class are dropped."""
        for level, line in enumerate(self._ready):
            while line:
                if line[0].level == level:
                    return line[0]
                line.popleft()
        return None

    def _serve(self) -> None:
        """Give units of the next interval away, as far as there are any."""
        now, tti_us, free = self.fabric.clock.now, self._tti_us, self._free
        first = -(-now // tti_us)
        limit = (first + 1) * self._width
        while (bearer := self._first()) is not None:
            unit = min(free)
            if unit >= limit:
                self._wait(unit // self._width * tti_us - now)
                return
            self._ready[bearer.level].popleft()
            bearer.level = _NOT_READY
            self._give(bearer, free.index(unit), max(unit, first * self._width))

    def _wait(self, wait_us: int) -> None:
        if self._timer is None:
            self._due_us = self.fabric.clock.now + wait_us
            self._timer = timer = Timeout(self.fabric.clock, wait_us)
            timer.callbacks.append(self._on_due)

    def _due(self, event: Any) -> None:  # noqa: ARG002 - SimPy's
        self._timer = None
        self._serve()

    def _give(self, bearer: Bearer, lane: int, unit: int) -> None:
        """Give a bearer's first message units from ``unit`` on."""
        message = bearer.queue.get()
        assert message is not None
        now = self.fabric.clock.now
        message.queue_us += now - message.mark_us
        message.mark_us = now
        demand = bearer.demand(message.size)
        start_us = unit // self._width * self._tti_us
        end_us = self._take(lane, unit, demand.units)
        if self._packs and end_us >= start_us + demand.air_us:
            bearer.free_us = now
        else:
            end_us = max(end_us, start_us + demand.air_us)
            bearer.free_us = end_us
        bearer.sent_us = end_us
        flight = Flight(bearer, message, start_us, end_us)
        flight.units, flight.blocks = (
            demand.units,
            self._blocks(bearer, demand.units, start_us, end_us),
        )
        bearer.flights.append(flight)
        if bearer.queue.waiting:
            self._again(bearer)
        else:
            bearer.granted = False
        self._fly(flight, demand.wire_bytes, self.technology.error)

    def _again(self, bearer: Bearer) -> None:
        """Let a bearer with more to send wait for its next turn."""
        if bearer.free_us > self.fabric.clock.now:
            bearer.want()
        else:
            bearer.level = next(iter(bearer.queue)).priority
            self._ready[bearer.level].append(bearer)

    def _take(self, lane: int, unit: int, units: int) -> int:
        """Take units of a lane; return when the last of them is over [µs]."""
        self._free[lane] = unit + units
        channels = self._width * len(self._free)
        self.usage.airtime_us += units * self._tti_us // channels
        return -(-(unit + units) // self._width) * self._tti_us

    def _blocks(self, bearer: Bearer, units: int, start_us: int, end_us: int) -> int:
        """Return how many blocks may be lost one by one."""
        if self.technology.phy == "gprs":
            return -(-units // bearer.repetitions)
        intervals = (end_us - start_us) // self._tti_us
        return -(-intervals // bearer.repetitions)

    def _fly(self, flight: Flight, wire_bytes: int, error: float) -> None:
        """Send: draw which blocks are lost, and with that what comes next."""
        technology, message, usage = self.technology, flight.message, self.usage
        message.attempts += 1
        message.wire_bytes += wire_bytes
        usage.transmissions += flight.blocks
        flight.failed = 0
        if error:
            draw = flight.bearer.draws.uniform
            flight.failed = sum(draw() < error for _ in range(flight.blocks))
        if self._noises is not None:
            self._disturb(flight, self._noises)
        usage.errors += flight.failed
        now, horizon = self.fabric.clock.now, self.fabric.horizon
        at_us = seen_us = flight.end_us + self.decode_us
        callback = self._on_arrival
        if flight.failed and flight.rounds < technology.retries:
            at_us = flight.end_us + technology.harq_us
            seen_us = at_us + self._tti_us + self.decode_us
            callback = self._on_repeat
        if seen_us > horizon.until_us:
            horizon.passes.append((seen_us, message))
        timer = Timeout(self.fabric.clock, at_us - now, flight)
        timer.callbacks.append(callback)

    @staticmethod
    def _disturb(flight: Flight, noises: Sources) -> None:
        """Draw which of the blocks that got through noise from outside destroys."""
        for _ in range(flight.blocks - flight.failed):
            fate = noises.strike(flight.began_us, flight.end_us)
            if fate:
                flight.failed, flight.cause = flight.failed + 1, fate

    def _repeat(self, event: Any) -> None:
        """Send what was lost once more, before everything that waits."""
        flight: Flight = event.value
        if flight not in flight.bearer.flights:
            return  # cleared meanwhile
        units = -(-flight.units * flight.failed // flight.blocks)
        first = -(-self.fabric.clock.now // self._tti_us) * self._width
        unit = min(self._free)
        lane = self._free.index(unit)
        start = max(unit, first)
        flight.began_us = start // self._width * self._tti_us
        flight.end_us = self._take(lane, start, units)
        demand = flight.bearer.demand(flight.message.size)
        wire_bytes = -(-demand.wire_bytes * units // demand.units)
        flight.units, flight.blocks = units, flight.failed
        flight.rounds += 1
        self._fly(flight, wire_bytes, self.technology.error_again)

    def _arrive(self, event: Any) -> None:
        """Book the way of a message that is through, or lost, and let go of it."""
        flight: Flight = event.value
        flights = flight.bearer.flights
        if flight not in flights:
            return  # cleared meanwhile
        flights.remove(flight)
        message = flight.message
        message.access_us += flight.start_us - message.mark_us
        message.air_us += flight.first_us - flight.start_us + self.decode_us
        message.retry_us += flight.end_us - flight.first_us
        message.mark_us = self.fabric.clock.now
        if not flight.failed:
            self.fabric.passed(message)
        elif message.receiver.up:
            repeated = "retries" if self.technology.retries else "noise"
            self.fabric.lost(message, flight.cause or repeated)
        else:
            self.fabric.lost(message, "node-down")

    def _resume(self, event: Any) -> None:
        bearer: Bearer = event.value
        bearer.resumes = False
        if bearer.granted and bearer.queue.waiting:
            bearer.want()
