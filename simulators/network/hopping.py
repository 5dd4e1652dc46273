"""CSMA/CA in a band with rules: channels taken in turn, and a share of time to transmit.

**Hopping** (Wi-SUN FAN). Every station listens on a channel of its own choice, another for each
dwell; who sends to it senses and transmits there. At the begin of each broadcast interval all
listen to one channel for the broadcast dwell: broadcasts go then, all else waits until it is
over. Schedules are known: how stations find each other's is not modelled, nor that they drift.

**Duty cycle** (EN 300 220). A station that has transmitted for its share of the last window waits
until enough of that is past; the time is booked as access. Acknowledgements count, but do not
wait.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from simpy.events import Timeout

from simulators.network.air import Air, Transmission
from simulators.network.carrier import Fabric
from simulators.network.csma import Medium, Station
from simulators.network.levels import mark
from simulators.network.message import Message, Node
from simulators.network.technologies import MediumTechnology

__all__ = ["BandMedium", "BandStation"]

_WORD = 0xFFFFFFFFFFFFFFFF


class BandMedium(Medium):
    """A medium whose stations hop, or may not transmit for long, as its technology says."""

    __slots__ = ("_marks", "_own")

    def __init__(
        self,
        fabric: Fabric,
        identifier: str,
        technology: MediumTechnology,
        members: list[Node],
        air: Air,
    ) -> None:
        names = sorted(node.id for node in members)
        self._marks = [mark(fabric.seed, "channels", name) for name in names]
        self._own = mark(fabric.seed, "channels", identifier)
        super().__init__(fabric, identifier, technology, members, air)

    def _station(self, number: int, node: Node) -> BandStation:
        return BandStation(self, number, node)

    def channel(self, receiver: Station | None, at_us: int) -> int:
        """Return the channel to send to a station, or None for all, on at an instant."""
        it = self.technology
        if not it.dwell_us:
            return 0
        if receiver is None:
            return _drawn(self._own, at_us // it.broadcast_us) % it.channels
        own = self._marks[receiver.number]
        return _drawn(own, (at_us + own % it.dwell_us) // it.dwell_us) % it.channels

    def fits_us(self, at_us: int, wait_us: int, need_us: int, *, broadcast: bool) -> int:
        """Return when to sense at the earliest, ``wait_us`` after ``at_us`` if its part allows.

        From then on ``need_us`` lie within one part of the broadcast interval. The wait is spent
        within it too: else all who wait for a part would begin with it.
        """
        it = self.technology
        if not it.broadcast_us:
            return at_us + wait_us
        first, length = 0, it.broadcast_dwell_us
        if not broadcast:
            first, length = length, it.broadcast_us - length
        slack_us = max(0, length - need_us)
        phase_us = (at_us - first) % it.broadcast_us
        if phase_us + wait_us <= slack_us:
            return at_us + wait_us
        return at_us - phase_us + it.broadcast_us + min(wait_us, slack_us)

    def answer(self, sent: Transmission, receiver: Station) -> bool:
        """Put an acknowledgement on the air, and on the receiver's account."""
        assert isinstance(receiver, BandStation)
        receiver.spend(sent.end_us, self.technology.ack_us)
        return super().answer(sent, receiver)


def _drawn(own: int, slot: int) -> int:
    """Return a number that looks random over the slots of one who hops (splitmix64)."""
    mixed = (own + (slot + 1) * 0x9E3779B97F4A7C15) & _WORD
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _WORD
    return mixed ^ (mixed >> 31)


class BandStation(Station):
    """A station that keeps to the rules of its band."""

    __slots__ = ("_account", "_spent_us")

    _medium: BandMedium

    def __init__(self, medium: BandMedium, number: int, node: Node) -> None:
        super().__init__(medium, number, node)
        self._account: deque[tuple[int, int]] = deque()  # (when it began, how long)
        self._spent_us = 0

    def spend(self, at_us: int, air_us: int) -> None:
        """Book time on the air."""
        if self._medium.technology.duty_share:
            self._account.append((at_us, air_us))
            self._spent_us += air_us

    def _allowed_us(self, now_us: int, air_us: int) -> int:
        """Return when ``air_us`` may be transmitted at the earliest."""
        it, account = self._medium.technology, self._account
        if not it.duty_share:
            return now_us
        window_us = 1000 * it.duty_window_ms
        while account and account[0][0] + account[0][1] <= now_us - window_us:
            self._spent_us -= account.popleft()[1]
        over_us = self._spent_us + air_us - int(it.duty_share * window_us)
        if over_us <= 0:
            return now_us
        for at_us, spent_us in account:
            over_us -= spent_us
            if over_us <= 0:
                return max(now_us, at_us + spent_us + window_us)
        return now_us  # one frame is more than the share: it goes when nothing else has gone

    def _contend(self) -> None:
        medium, message = self._medium, self._serving
        assert message is not None
        it, now = medium.technology, medium.env.now
        air_us = medium.costs[message.size].airs_us[self._frame]
        ready_us = self._allowed_us(max(now, self._free_us), air_us)
        wait_us = int(self._draws.uniform() * (1 << self._be)) * it.unit_backoff_us + it.cca_us
        need_us = it.turnaround_us + air_us
        if self.receiver is not None:
            need_us += it.ack_gap_us + it.ack_us
        broadcast = self.receiver is None
        self.sending = None
        self._senses_us = medium.fits_us(ready_us, wait_us, need_us, broadcast=broadcast)
        self._timer = timer = Timeout(medium.env, self._senses_us - now)
        timer.callbacks.append(self._on_sensed)

    def _contention_us(self, message: Message) -> tuple[int, int]:
        """Return bounds that hold on whichever channel the frame in service will be sent."""
        medium = self._medium
        air_us = medium.costs[message.size].airs_us[self._frame]
        return self._senses_us + medium.technology.turnaround_us + air_us, self._senses_us

    def _sensed(self, event: Any) -> None:
        message = self._serving
        if event is not self._timer or message is None:
            return  # cleared meanwhile
        medium = self._medium
        now = medium.env.now
        channel = medium.channel(self.receiver, now)
        if medium.air.busy(self.number, now, channel):
            self._found_busy(message)
            return
        self._send(message, channel)
        assert self.sending is not None
        self.spend(self.sending.start_us, self.sending.end_us - self.sending.start_us)
