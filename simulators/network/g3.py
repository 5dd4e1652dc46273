"""The access of G3-PLC (ITU-T G.9903): contention periods with two priorities, and fairness.

After each frame and its acknowledgement all wait for CIFS; then follow a slot for who has more
segments of the same MAC frame, the window of high priority, and that of normal priority::

    frame | RIFS | ACK | CIFS | free slot | high, 7 slots | normal, 2^BE slots ...

A station draws where in its window it senses; who then finds the channel busy waits for the next
contention period. The window is the station's own, doubled when busy, less ``window_decrease``
least windows after a success. Who found the channel busy ``fairness_limit`` times halves it at
each ``fairness_step``; who had the least window ``least_window_attempts`` times takes the largest.

References: US 9,276,764 and US 9,198,198, which describe the windows of the standard; Kabalci and
Kabalci, From Smart Grid to Internet of Energy, section 4.3 (free slot and contention windows).
"""

from __future__ import annotations

from typing import Any

from simpy.events import Timeout

from simulators.network.air import Air, Transmission
from simulators.network.carrier import Fabric
from simulators.network.csma import Medium, Station
from simulators.network.message import Message, Node
from simulators.network.technologies import MediumTechnology

__all__ = ["G3Medium", "G3Station"]


class G3Medium(Medium):
    """A G3-PLC network on one air; ``answers_us`` is when the last acknowledgement ends."""

    __slots__ = ("answers_us",)

    def __init__(
        self,
        fabric: Fabric,
        identifier: str,
        technology: MediumTechnology,
        members: list[Node],
        air: Air | None = None,
    ) -> None:
        super().__init__(fabric, identifier, technology, members, air)
        self.answers_us = -(10**18)
        self.gap_us = technology.turnaround_us
        self.least_us = self.gap_us + self.least_air_us()

    def _station(self, number: int, node: Node) -> G3Station:
        return G3Station(self, number, node)

    def answer(self, sent: Transmission, receiver: Station) -> bool:
        """Put the acknowledgement of a frame on the air; return whether it arrives."""
        technology = self.technology
        until_us = sent.end_us + technology.ack_gap_us + technology.ack_us
        self.answers_us = max(self.answers_us, until_us)
        return super().answer(sent, receiver)

    def opens_us(self, station: int) -> int:
        """Return when the contention period of a station begins or began, its free slot past."""
        technology, now = self.technology, self.env.now
        busy_us = self.air.clear_us(station, now)
        if busy_us > now and busy_us > self.answers_us:  # the header tells of what is to follow
            busy_us += technology.ack_gap_us + technology.ack_us
        return busy_us + technology.ifs_us + technology.unit_backoff_us


class G3Station(Station):
    """A node's interface to a G3-PLC network; ``window`` is its contention window in slots."""

    __slots__ = ("_busy", "_free", "_least", "_network", "_segments", "window")

    def __init__(self, medium: G3Medium, number: int, node: Node) -> None:
        super().__init__(medium, number, node)
        self._network = medium
        self.window = 1 << medium.technology.min_be
        self._busy = self._least = self._segments = 0
        self._free = False

    def _contention_us(self, message: Message) -> tuple[int, int]:
        """Return when the frame in service gets through, and another message is taken up."""
        if not self._free:
            return super()._contention_us(message)
        medium = self._network
        air_us = self.costs[message.size].airs_us[self._frame]
        end_us = self._senses_us + medium.technology.turnaround_us + air_us
        return end_us, end_us

    def succeeded(self, sent: Transmission) -> bool:
        """Go on after a frame got through; see ``Station``."""
        technology = self._network.technology
        least = 1 << technology.min_be
        if not self._free:
            self.window = max(self.window - technology.window_decrease * least, least)
            self._segments = 0
        self._segments += 1
        return super().succeeded(sent)

    def failed(self, sent: Transmission, fate: str) -> None:
        """Go on after a frame did not get through: once more, or give up."""
        self._busy, self._free = 0, False
        self._widen()
        super().failed(sent, fate)

    def _attempt(self, message: Message) -> None:
        technology = self._network.technology
        self._free = self._frame > 0 and self._segments < technology.segments
        if not self._free:
            self._busy = 0
            self._least = self._least + 1 if self.window == 1 << technology.min_be else 0
            if self._least > technology.least_window_attempts:
                self.window, self._least = 1 << technology.max_be, 0
        super()._attempt(message)

    def _found_busy(self, message: Message) -> None:
        self._widen()
        super()._found_busy(message)

    def _widen(self) -> None:
        """Take the window for another try: wider, or narrower for who has waited for long."""
        technology = self._network.technology
        self._busy += 1
        if self._busy < technology.fairness_limit:
            self.window = min(2 * self.window, 1 << technology.max_be)
        elif self._busy % technology.fairness_step == 0:
            least = 1 << technology.min_be
            self.window = max(self.window // 2, least)
            if self.window == least:
                self._busy = 0

    def _contend(self) -> None:
        medium = self._network
        technology, now = medium.technology, medium.env.now
        if self._free:
            at_us = max(now, self._free_us)
        else:
            at_us, slots = max(now, self._free_us), self.window
            opens_us = medium.opens_us(self.number)
            high = self.message.priority < technology.high_classes
            if high:
                slots = technology.high_slots
            else:
                opens_us += technology.high_slots * technology.unit_backoff_us
            at_us = max(at_us, opens_us)
            at_us += int(self._draws.uniform() * slots) * technology.unit_backoff_us
            at_us += technology.cca_us
        self.sending = None
        self._senses_us = at_us
        self._timer = timer = Timeout(medium.env, at_us - now)
        timer.callbacks.append(self._on_sensed)

    def _sensed(self, event: Any) -> None:
        if self._free and event is self._timer and self._serving is not None:
            self._send(self._serving)  # the slot is kept free
        else:
            super()._sensed(event)
