"""CSMA/CA in a band with rules: channels taken in turn, and a share of time to transmit.

**Hopping** (Wi-SUN FAN). Every station listens on a channel of its own choice, another for each
dwell; who sends to it senses and transmits there. At the begin of each broadcast interval all
listen to one channel for the broadcast dwell: broadcasts go then, all else waits until it is
over. Schedules are known: how stations find each other's is not modelled, nor that they drift.

**Duty cycle** (EN 300 220). A station may be on the air for a share of every window, in each
sub-band for itself. If it has been, it waits until enough of that is past, or until the next
dwell brings a channel elsewhere; the time is booked as access. Acknowledgements count, but do
not wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from simpy.events import Timeout

from simulators.network.air import Air, Transmission
from simulators.network.carrier import Fabric
from simulators.network.csma import Medium, Station
from simulators.network.levels import mark
from simulators.network.message import Message, Node
from simulators.network.technologies import MediumTechnology

__all__ = ["Account", "BandMedium", "BandStation", "Plan", "plan_of"]

_WORD = 0xFFFFFFFFFFFFFFFF
_BANDS: Mapping[str, tuple[tuple[float, float, float], ...]] = MappingProxyType(
    {
        "eu868": (
            (863.0e6, 865.0e6, 0.001),
            (865.0e6, 868.0e6, 0.01),
            (868.0e6, 868.6e6, 0.01),
            (868.7e6, 869.2e6, 0.001),
            (869.4e6, 869.65e6, 0.1),
            (869.7e6, 870.0e6, 0.01),
        )
    }
)
"""Sub-bands from, to [Hz], and the share of time of each: EN 300 220-2 V3.2.1, annex B, bands K,
L, M, N, P, Q (as implementations of LoRaWAN and others have them). Between them are alarms."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Channels in turn, the sub-band of each, and the share of time in each sub-band."""

    bands: tuple[int, ...]
    shares: tuple[float, ...]


def plan_of(technology: MediumTechnology) -> Plan:
    """Return the channels that lie in a sub-band whole; all, in one, without a ``duty_plan``."""
    it = technology
    if not it.duty_plan:
        return Plan((0,) * max(1, it.channels), (it.duty_share,))
    half_hz, bands = it.bandwidth_hz / 2.0, _BANDS[it.duty_plan]
    found = []
    for channel in range(it.channels):
        at_hz = it.channel_hz + channel * it.bandwidth_hz
        for number, (low_hz, high_hz, _) in enumerate(bands):
            if low_hz <= at_hz - half_hz + 1.0 and at_hz + half_hz - 1.0 <= high_hz:
                found.append(number)
    return Plan(tuple(found), tuple(share for *_, share in bands))


class Account:
    """What a station has transmitted in one sub-band within the last window."""

    __slots__ = ("_most_us", "_sent", "_window_us", "spent_us")

    def __init__(self, share: float, window_us: int) -> None:
        self._most_us, self._window_us = int(share * window_us), window_us
        self._sent: deque[tuple[int, int]] = deque()  # (when it ended, how long it was)
        self.spent_us = 0

    def spend(self, end_us: int, air_us: int) -> None:
        """Book time on the air."""
        self._sent.append((end_us, air_us))
        self.spent_us += air_us

    def when_us(self, now_us: int, air_us: int) -> int:
        """Return when ``air_us`` may be transmitted at the earliest.

        One frame that is more than the share goes when nothing else has gone.
        """
        sent, since_us = self._sent, now_us - self._window_us
        while sent and sent[0][0] <= since_us:
            self.spent_us -= sent.popleft()[1]
        over_us, at_us = self.spent_us + air_us - self._most_us, now_us
        for end_us, spent_us in sent:
            if over_us <= 0:
                break
            over_us -= spent_us
            at_us = end_us + self._window_us
        return at_us


class BandMedium(Medium):
    """A medium whose stations hop, or may not transmit for long, as its technology says."""

    __slots__ = ("_marks", "_own", "plan")

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
        self.plan = plan_of(technology)
        super().__init__(fabric, identifier, technology, members, air)

    def _station(self, number: int, node: Node) -> BandStation:
        return BandStation(self, number, node)

    def channel(self, receiver: Station | None, at_us: int) -> int:
        """Return the channel to send to a station, or None for all, on at an instant."""
        it, count = self.technology, len(self.plan.bands)
        if not it.dwell_us:
            return 0
        if receiver is None:
            return _drawn(self._own, at_us // it.broadcast_us) % count
        own = self._marks[receiver.number]
        return _drawn(own, (at_us + own % it.dwell_us) // it.dwell_us) % count

    def next_us(self, receiver: Station | None, at_us: int) -> int | None:
        """Return when the channel to a station, or to all, is another; None for never."""
        it = self.technology
        if not it.dwell_us:
            return None
        if receiver is None:
            return at_us - at_us % it.broadcast_us + it.broadcast_us
        return at_us + it.dwell_us - (at_us + self._marks[receiver.number]) % it.dwell_us

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
        air_us = self.technology.ack_us
        receiver.spend(sent.channel, sent.end_us + self.technology.ack_gap_us + air_us, air_us)
        return super().answer(sent, receiver)


def _drawn(own: int, slot: int) -> int:
    """Return a number that looks random over the slots of one who hops (splitmix64)."""
    mixed = (own + (slot + 1) * 0x9E3779B97F4A7C15) & _WORD
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _WORD
    return mixed ^ (mixed >> 31)


class BandStation(Station):
    """A station that keeps to the rules of its band."""

    __slots__ = ("_accounts",)

    _medium: BandMedium

    def __init__(self, medium: BandMedium, number: int, node: Node) -> None:
        super().__init__(medium, number, node)
        window_us = 1000 * medium.technology.duty_window_ms
        shares = medium.plan.shares if window_us else ()
        self._accounts = tuple(Account(share, window_us) for share in shares if share)

    def spend(self, channel: int, end_us: int, air_us: int) -> None:
        """Book time on the air."""
        if self._accounts:
            self._accounts[self._medium.plan.bands[channel]].spend(end_us, air_us)

    def spent_us(self) -> int:
        """Return the time on the air within the last window, as of the last frame."""
        return sum(account.spent_us for account in self._accounts)

    def _contend(self) -> None:
        self.sending = None
        self._sense_after(max(self._medium.env.now, self._free_us))

    def _sense_after(self, ready_us: int) -> None:
        """Draw a backoff from an instant on, and sense when the schedule lets the frame go."""
        medium, message = self._medium, self._serving
        assert message is not None
        it = medium.technology
        wait_us = int(self._draws.uniform() * (1 << self._be)) * it.unit_backoff_us + it.cca_us
        need_us = it.turnaround_us + medium.costs[message.size].airs_us[self._frame]
        if self.receiver is not None:
            need_us += it.ack_gap_us + it.ack_us
        broadcast = self.receiver is None
        self._senses_us = medium.fits_us(ready_us, wait_us, need_us, broadcast=broadcast)
        self._timer = timer = Timeout(medium.env, self._senses_us - medium.env.now)
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
        until_us = self._barred_us(message, channel, now)
        if until_us > now:
            self._sense_after(until_us)
        elif medium.air.busy(self.number, now, channel) or self._receives(now):
            self._found_busy(message)
        else:
            self._send(message, channel)
            sent = self.sending
            assert sent is not None
            self.spend(channel, sent.end_us, sent.end_us - sent.start_us)

    def _receives(self, now_us: int) -> bool:
        """Tell whether a frame is coming in where this station listens: it stays until its end.

        Else two that send to each other, each on the other's channel, would both be deaf, again
        and again, since neither hears the other begin.
        """
        medium = self._medium
        if self.receiver is None or not medium.technology.dwell_us:
            return False
        return medium.air.busy(self.number, now_us, medium.channel(self, now_us))

    def _barred_us(self, message: Message, channel: int, now_us: int) -> int:
        """Return until when the frame may not go for what has gone in the sub-band before."""
        if not self._accounts:
            return now_us
        medium = self._medium
        account = self._accounts[medium.plan.bands[channel]]
        air_us = medium.costs[message.size].airs_us[self._frame]
        free_us, next_us = account.when_us(now_us, air_us), medium.next_us(self.receiver, now_us)
        return free_us if next_us is None or free_us <= now_us else min(free_us, next_us)
