"""The transmitter of a link without noise, grants or a core network: a cable between two ends.

When a message begins to be sent, its arrival is known, so one event carries it over: it is at
the other end after its air time and the propagation. A second event, at the end of the air time,
is needed only while others wait. ``link.Direction`` does what this cannot.
"""

from __future__ import annotations

from typing import Any

from simpy.events import Timeout

from simulators.network.carrier import Fabric, Usage
from simulators.network.message import Message, book
from simulators.network.queueing import ClassQueue
from simulators.network.stack import Coster
from simulators.network.technologies import LinkTechnology

__all__ = ["Wire", "is_wire"]


def is_wire(technology: LinkTechnology) -> bool:
    """Tell whether nothing is drawn on a link, and nothing waited for but the transmitter."""
    return not (
        technology.error or technology.ber or technology.bad_ms or technology.core_median_us
    )


class Wire:
    """One transmitter of such a link: a queue, what it sends, and what is on its way.

    The air time of a message is booked when it begins (``mark_us`` then lies ahead), and taken
    back where the message is stopped before its end.
    """

    __slots__ = (
        "_alone",
        "_arrival",
        "_clock",
        "_costs",
        "_delay_us",
        "_end_us",
        "_fabric",
        "_flying",
        "_horizon",
        "_least_us",
        "_on_arrival",
        "_on_free",
        "_passed",
        "_sent",
        "_turn",
        "name",
        "queue",
        "usage",
        "watch",
    )

    def __init__(
        self, fabric: Fabric, technology: LinkTechnology, name: str, up: bool, usage: Usage
    ) -> None:
        self._clock, self._fabric, self._passed = fabric.clock, fabric, fabric.passed
        self._horizon, self.watch, self._alone = fabric.horizon, 0, True
        self.name, self.usage = name, usage
        air_us = technology.air_us(up)
        self._costs = Coster(technology, air_us)
        self._delay_us = technology.propagation_us
        self._least_us = air_us(technology.frame_header_bytes) + self._delay_us
        self.queue = ClassQueue(technology.queue_frames)
        self._sent: Message | None = None  # the last one that was begun; on air until _end_us
        self._arrival: Timeout | None = None  # of the last one
        self._turn: Timeout | None = None  # at _end_us, only while others wait
        self._end_us = self._flying = 0
        self._on_arrival, self._on_free = self._arrive, self._free

    def offer(self, message: Message) -> None:
        """Take a message for the other end: send it, queue it, or lose it."""
        now = self._clock.now
        if self._turn is None:
            if now >= self._end_us:
                self._begin(message, now)
                return
            self._turn = Timeout(self._clock, self._end_us - now)
            self._turn.callbacks.append(self._on_free)
        if not self.queue.put(message):
            self._fabric.lost(message, "queue-full")
            return
        self.usage.queue_max = max(self.usage.queue_max, self.queue.waiting)
        if self._alone:
            self._alone = False
            self._horizon.taken.append(self)

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what is being sent."""
        return list(self.queue), [self._sent] if self._sending() and self._sent else []

    def clear(self) -> list[Message]:
        """Forget what waits and what is being sent, its time booked; return it."""
        now, waited = self._clock.now, self.queue.clear()
        book(waited, "queue_us", now)
        self._turn, self._alone = None, True
        sent = self._sent
        if sent is None or not self._sending():
            return waited
        assert self._arrival is not None
        self._arrival.callbacks.remove(self._on_arrival)
        self._flying -= sent.frame is not None
        sent.air_us -= self._end_us - now
        sent.mark_us = self._end_us = now
        self._sent = None
        return [sent, *waited]

    def bound_us(self) -> int | None:
        """Return a lower bound of the next arrival of what waits; see ``horizon``.

        What has been begun is on the horizon with the instant of its arrival.
        """
        if self.queue.waiting:
            return self._end_us + self._least_us
        self._alone = True
        return None

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the other end for ``size`` bytes of payload."""
        return self._costs[size].air_us + self._delay_us

    def in_transit(self) -> int:
        """Return how many applications' messages are on the way and no longer being sent."""
        sending = self._sent if self._sending() else None
        return self._flying - (sending is not None and sending.frame is not None)

    def _sending(self) -> bool:
        return self._clock.now < self._end_us

    def _begin(self, message: Message, now: int) -> None:
        sizes, _, wire_bytes, air_us = self._costs[message.size]
        frames = len(sizes)
        message.queue_us += now - message.mark_us
        message.air_us += air_us
        message.attempts += frames
        message.wire_bytes += wire_bytes
        usage = self.usage
        usage.transmissions += frames
        usage.airtime_us += air_us
        self._end_us = message.mark_us = now + air_us
        self._sent = message
        self._flying += message.frame is not None
        passage_us = air_us + self._delay_us
        if now + passage_us > self._horizon.until_us:
            self._horizon.passes.append((now + passage_us, message))
        self._arrival = timer = Timeout(self._clock, passage_us, message)
        timer.callbacks.append(self._on_arrival)

    def _free(self, event: Any) -> None:
        """Send what waits: the transmitter is free."""
        if event is not self._turn:
            return  # cleared meanwhile
        self._turn = None
        following = self.queue.get()
        if following is None:
            return
        now = self._clock.now
        self._begin(following, now)
        if self.queue.waiting:
            self._turn = Timeout(self._clock, self._end_us - now)
            self._turn.callbacks.append(self._on_free)

    def _arrive(self, event: Any) -> None:
        message: Message = event.value
        self._flying -= message.frame is not None
        delay_us = self._delay_us
        message.core_us += delay_us
        message.mark_us += delay_us
        self._passed(message)
