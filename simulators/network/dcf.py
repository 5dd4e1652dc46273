"""Wi-Fi's distributed coordination: backoff counted down in idle slots and frozen while busy.

All stations of one collision domain see the same slots, so one counter of slots stands for the
countdown of each: a station transmits when the counter has reached where its backoff ends, and
those who end in the same slot collide. One timer serves all, and a silent medium has none.

The slot in which somebody transmits counts too, as in Bianchi's model and in IEEE 802.11e. After
each frame its sender draws a backoff, whether another waits or not; who comes later than that
and finds the medium idle for longer than ``cca_us`` (DIFS) transmits at once.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from simpy.events import Timeout

from simulators.network.air import Air, Transmission
from simulators.network.carrier import Fabric
from simulators.network.csma import Medium, Station
from simulators.network.message import Message, Node
from simulators.network.technologies import MediumTechnology

__all__ = ["DcfMedium", "DcfStation"]


class DcfMedium(Medium):
    """One collision domain with DCF; the air must let all stations hear all."""

    __slots__ = ("_active", "_ends", "_fire", "_idle_us", "_last_us", "_slots", "_timer")

    def __init__(
        self,
        fabric: Fabric,
        identifier: str,
        technology: MediumTechnology,
        members: list[Node],
        air: Air | None = None,
    ) -> None:
        super().__init__(fabric, identifier, technology, members, air)
        self.gap_us = technology.cca_us
        self.least_us = self.gap_us + technology.air_us()(technology.frame_header_bytes)
        self._slots = 0  # counted before _idle_us
        self._idle_us = technology.cca_us  # slots are counted from here on
        self._last_us = self._active = 0  # end of the last transmission, how many are on the air
        self._ends: list[tuple[int, int]] = []  # where backoffs end, whose
        self._timer: Timeout | None = None
        self._fire = self._due

    def _station(self, number: int, node: Node) -> DcfStation:
        return DcfStation(self, number, node)

    @property
    def idle(self) -> bool:
        """Tell whether the medium has been idle for DIFS."""
        return not self._active and self.env.now >= self._idle_us

    @property
    def slots(self) -> int:
        """Return the number of slots up to now."""
        if not self.idle:
            return self._slots
        return self._slots + (self.env.now - self._idle_us) // self.technology.unit_backoff_us

    def reaches_us(self, slot: int) -> int:
        """Return when the counter reaches a slot, if the medium stays idle from now on."""
        from_us = max(self._last_us, self.env.now) if self._active else self._idle_us
        return from_us + max(0, slot - self._slots) * self.technology.unit_backoff_us

    def enter(self, station: DcfStation) -> None:
        """Count down for a station."""
        heappush(self._ends, (station.ends, station.number))
        if not self._active:
            self._set_timer()

    def _set_timer(self) -> None:
        """Set the timer to where the first of the backoffs ends."""
        self._timer = None
        ends, stations = self._ends, self.stations
        while ends and not _waits(stations[ends[0][1]], ends[0][0]):
            heappop(ends)
        if ends:
            due_us = max(self.reaches_us(ends[0][0]), self.env.now)
            self._timer = timer = Timeout(self.env, due_us - self.env.now)
            timer.callbacks.append(self._fire)

    def _due(self, event: Any) -> None:
        if event is not self._timer:
            return
        slot, ends = self.slots, self._ends
        first = []
        while ends and ends[0][0] <= slot:
            at, number = heappop(ends)
            station = self.stations[number]
            if _waits(station, at):
                first.append(station)
        for station in first:
            station._send(station.message)

    def transmit(
        self, station: Station, start_us: int, air_us: int, size: int, channel: int = 0
    ) -> Transmission:
        """Put a frame on the air; the slot in which the first begins is counted."""
        if not self._active:
            self._slots = self.slots + 1
            self._timer = None
        self._active += 1
        new = super().transmit(station, start_us, air_us, size, channel)
        self._last_us = max(self._last_us, new.end_us)
        return new

    def busy_until(self, end_us: int) -> None:
        """Keep the medium busy; after it, slots are counted from DIFS on."""
        self._idle_us = max(self._idle_us, end_us + self.technology.cca_us)

    def _end(self, event: Any) -> None:
        self.busy_until(event.value[1].end_us)
        self._active -= 1
        super()._end(event)
        if not self._active:
            self._set_timer()


class DcfStation(Station):
    """A node's interface to the medium; ``ends`` is the slot in which its backoff ends."""

    __slots__ = ("_domain", "ends", "waits")

    def __init__(self, medium: DcfMedium, number: int, node: Node) -> None:
        super().__init__(medium, number, node)
        self._domain = medium
        self.ends, self.waits = 0, False

    def clear(self) -> list[Message]:
        """Forget what waits and what is in service (its time is booked); return it."""
        self.waits = False
        return super().clear()

    def _contention_us(self, message: Message) -> tuple[int, int]:
        """Return when the frame in service gets through, and another message is taken up."""
        medium = self._domain
        end_us = medium.reaches_us(self.ends) + medium.costs[message.size].airs_us[self._frame]
        return end_us, end_us

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the next node for ``size`` bytes of payload."""
        cost = self._domain.costs[size]
        return cost.air_us + (len(cost.airs_us) - 1) * self._domain.gap_us

    def succeeded(self, sent: Transmission) -> bool:
        """Go on after a frame got through; see ``Station``."""
        technology = self._domain.technology
        if self.receiver is not None and technology.ack_us:
            answer_us = technology.ack_gap_us + technology.ack_us
            self._domain.busy_until(sent.end_us + answer_us)
        self._draw(self._least_be(self.message))
        return super().succeeded(sent)

    def failed(self, sent: Transmission, fate: str) -> None:
        """Go on after a frame did not get through: once more, or give up."""
        self._domain.busy_until(sent.end_us + self._domain.technology.ack_timeout_us)
        super().failed(sent, fate)

    def _give_up(self, message: Message, cause: str) -> None:
        self._draw(self._least_be(message))
        super()._give_up(message, cause)

    def _draw(self, be: int) -> None:
        window = 1 << min(be, self._domain.technology.max_be)
        self.ends = self._domain.slots + int(self._draws.uniform() * window)

    def _contend(self) -> None:
        medium = self._domain
        self.sending = None
        if self._tried:
            self._draw(self._be)
        elif self.ends < medium.slots or (self.ends == medium.slots and medium.idle):
            if medium.idle:
                self._send(self.message)
                return
            self._draw(self._be)
        self.waits = True
        medium.enter(self)

    def _send(self, message: Message, channel: int = 0) -> None:
        self.waits = False
        medium, now = self._domain, self._domain.env.now
        self._book_wait(message, now)
        cost = medium.costs[message.size]
        message.attempts += 1
        message.wire_bytes += cost.sizes[self._frame]
        size, air_us = cost.sizes[self._frame], cost.airs_us[self._frame]
        self.sending = medium.transmit(self, now, air_us, size, channel)


def _waits(station: Station, at: int) -> bool:
    return isinstance(station, DcfStation) and station.waits and station.ends == at
