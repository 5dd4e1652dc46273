"""The access of PRIME (ITU-T G.9904): frames with beacons, a contention and a contention-free part.

One MAC frame after the other, all of the same length::

    | beacons: base node, switches | shared contention (CSMA/CA) | contention-free |

A station draws a backoff that grows with its priority level and its attempts, then senses the
channel several times; what would not end within the contention period waits for the next one.
What the base node has granted of the contention-free part is sent there without contention.
Beacons are not events: they lie where nobody else sends, and their number is reckoned.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simpy.events import Timeout

from simulators.network.air import Air
from simulators.network.carrier import Fabric, Usage
from simulators.network.csma import Medium, Station
from simulators.network.message import Message, Node
from simulators.network.technologies import MediumTechnology

__all__ = ["PrimeMedium", "PrimeStation"]

_MOST_BEACONS = 5  # slots of one frame; the first is the base node's
_LEAST_OFTEN = 32  # frames between two beacons of a switch, at most
_BEACON_BYTES = 11  # what of a beacon's 142 bits does not go with the physical header


class PrimeMedium(Medium):
    """A PRIME subnetwork on one air; ``root`` is its base node.

    Who is a switch is told by ``set_switches``; without that only the base node beacons.
    """

    __slots__ = (
        "_ahead",
        "_beacon_air_us",
        "_counted_frames",
        "_grants",
        "_on",
        "_per_frame",
        "_period",
        "_shares",
        "_usage",
        "begin_us",
        "end_us",
        "frame_us",
        "root",
    )

    def __init__(  # noqa: PLR0917 - of a medium with a root
        self,
        fabric: Fabric,
        identifier: str,
        technology: MediumTechnology,
        members: list[Node],
        root: Node,
        air: Air | None = None,
    ) -> None:
        self.root = root
        self.frame_us = technology.frame_symbols * technology.unit_backoff_us
        self._beacon_air_us = min(technology.air_us()(_BEACON_BYTES), technology.beacon_us)
        self._usage = Usage()
        self._counted_frames = 0
        self._on = self._ahead = True
        self._grants: dict[str, tuple[int, int]] = {}
        self._shares: dict[str, int] = {}
        self._per_frame, self._period = [0], 1
        super().__init__(fabric, identifier, technology, members, air)
        self.begin_us = self.end_us = 0
        if technology.cfp_us:
            self._shares[root.id] = technology.cfp_us
        self._lay_out()

    def _station(self, number: int, node: Node) -> PrimeStation:
        return PrimeStation(self, number, node)

    @property
    def usage(self) -> Usage:
        """Return what the medium has done since the last reset, beacons included."""
        self._count_beacons()
        return self._usage

    @usage.setter
    def usage(self, usage: Usage) -> None:
        self._usage = usage

    def set_switches(self, nodes: Iterable[Node]) -> None:
        """Take note of which nodes are switches now: each has its beacon every few frames.

        The slots of a frame are shared out over as few frames as hold a beacon of each.
        """
        self._count_beacons(works=self.works and self._on, exactly=True)
        self._on = self.root.up
        count, room = len({node.id for node in nodes} - {self.root.id}), _MOST_BEACONS - 1
        self._period = 1
        while self._period < _LEAST_OFTEN and count > room * self._period:
            self._period *= 2
        whole, rest = divmod(count, self._period)
        self._per_frame = [whole + (place < rest) for place in range(self._period)]
        self._lay_out()

    def grant(self, node: Node, length_us: int) -> None:
        """Give a node a share of each frame's contention-free part; 0 takes it back.

        Raises ValueError when that leaves no contention period for a frame of full size.
        """
        shares = {**self._shares, node.id: length_us}
        technology = self.technology
        need_us = (
            technology.air_us()(technology.mtu_bytes)
            + (_MOST_BEACONS + technology.senses) * technology.cca_us
            + technology.ack_gap_us
            + technology.ack_us
        )
        room_us = self.frame_us - _MOST_BEACONS * technology.beacon_us - sum(shares.values())
        if length_us < 0 or room_us < need_us:
            raise ValueError(
                f"{self.id}: {length_us} µs for {node.id} leave {room_us} µs of contention "
                f"period, and a frame needs {need_us}; grant less"
            )
        self._shares = {key: share_us for key, share_us in shares.items() if share_us}
        self._lay_out()
        self.fabric.horizon.changed()
        self.fabric.rerouted(self.id)

    def _lay_out(self) -> None:
        """Place the contention period and the granted shares within a frame."""
        slots = 1 + min(max(self._per_frame), _MOST_BEACONS - 1)
        self.begin_us = slots * self.technology.beacon_us
        at_us = self.frame_us - sum(self._shares.values())
        self.end_us = at_us
        self._grants = {}
        for key in sorted(self._shares):
            self._grants[key] = (at_us, at_us + self._shares[key])
            at_us += self._shares[key]
        technology = self.technology
        sensed_us = 0 if self._shares else technology.senses * technology.cca_us
        self.gap_us = sensed_us + technology.turnaround_us
        self.least_us = self.gap_us + self.least_air_us()

    def has_share(self, node: Node) -> bool:
        """Tell whether a node has been granted some of the contention-free part."""
        return node.id in self._grants

    def granted_us(self, node: Node, from_us: int, need_us: int) -> int | None:
        """Return when a node's share next has room for ``need_us``, or None if never."""
        share = self._grants.get(node.id)
        if share is None or share[1] - share[0] < need_us:
            return None
        frame_us = from_us - from_us % self.frame_us
        at_us = max(from_us, frame_us + share[0])
        late = at_us + need_us > frame_us + share[1]
        return frame_us + self.frame_us + share[0] if late else at_us

    def contention_us(self, from_us: int, need_us: int) -> int:
        """Return the first instant from which ``need_us`` fit into a contention period."""
        frame_us = from_us - from_us % self.frame_us
        at_us = max(from_us, frame_us + self.begin_us)
        late = at_us + need_us > frame_us + self.end_us
        return frame_us + self.frame_us + self.begin_us if late else at_us

    def _count_beacons(self, works: bool | None = None, exactly: bool = False) -> None:
        """Book the beacons sent up to where the kernel is being run to.

        ``exactly``: up to now, because they will be others from now on; what has been booked of
        later ones is taken back.
        """
        now_us = self.env.now if exactly else max(self.env.now, self.fabric.horizon.until_us)
        frames, before = -(-now_us // self.frame_us), self._counted_frames
        if frames == before or (frames < before and not exactly):
            return
        self._counted_frames = frames
        if frames > before:
            self._ahead = self.works and self.root.up if works is None else works
        if self._ahead:
            first, last = min(frames, before), max(frames, before)
            rounds, rest = divmod(last - first, self._period)
            beacons = last - first + rounds * sum(self._per_frame)
            beacons += sum(self._per_frame[(first + it) % self._period] for it in range(rest))
            beacons = beacons if frames > before else -beacons
            self._usage.transmissions += beacons
            self._usage.airtime_us += beacons * self._beacon_air_us

    def silenced(self) -> None:
        """Take note that the base node falls silent now."""
        self._count_beacons(works=True, exactly=True)
        self._on = False


class PrimeStation(Station):
    """A node's interface to a PRIME subnetwork."""

    __slots__ = ("_free", "_left", "_subnet")

    def __init__(self, medium: PrimeMedium, number: int, node: Node) -> None:
        super().__init__(medium, number, node)
        self._subnet = medium
        self._left, self._free = 0, False

    def clear(self) -> list[Message]:
        """Forget what waits and what is in service (its time is booked); return it."""
        if self.node is self._subnet.root:
            self._subnet.silenced()
        return super().clear()

    def _senses(self, message: Message) -> int:
        return self._subnet.technology.senses + message.priority

    def _contention_us(self, message: Message) -> tuple[int, int]:
        """Return when the frame in service gets through, and another message is taken up."""
        medium, senses_us = self._subnet, self._senses_us
        technology = medium.technology
        after_us = technology.turnaround_us + self._frame_us(message)
        if self._free:
            return senses_us + after_us, senses_us + after_us
        if medium.has_share(self.node):  # it may be sent there if the channel is found busy
            return senses_us + after_us, senses_us
        cca_us = technology.cca_us
        ready_us = senses_us + (self._left - 1) * cca_us
        busy_us = medium.air.clear_us(self.number, senses_us)
        if busy_us > senses_us - cca_us:
            ready_us = max(ready_us, busy_us + self._senses(message) * cca_us)
        again = max(0, technology.max_backoffs - self._backoffs)
        return ready_us + after_us, min(ready_us + after_us, senses_us + again * cca_us)

    def _frame_us(self, message: Message) -> int:
        return self.costs[message.size].airs_us[self._frame]

    def _contend(self) -> None:
        """Choose when to sense, or a granted share free of contention if that is sooner."""
        medium, message = self._subnet, self.message
        technology, now = medium.technology, medium.env.now
        whole_us = self._frame_us(message) + technology.ack_gap_us + technology.ack_us
        before_us = self._senses(message) * technology.cca_us + technology.turnaround_us
        unit_us = technology.unit_backoff_us
        room = (medium.end_us - medium.begin_us - before_us - whole_us) // unit_us
        window = min(1 << self._be, (medium.end_us - medium.begin_us) // (2 * unit_us), room)
        backoff_us = int(self._draws.uniform() * max(1, window)) * unit_us
        from_us = max(now, self._free_us)
        at_us = medium.contention_us(from_us, backoff_us + before_us + whole_us)
        sensed_us = at_us + backoff_us + technology.cca_us
        granted_us = medium.granted_us(self.node, from_us + technology.turnaround_us, whole_us)
        self._free = granted_us is not None and granted_us <= sensed_us
        if self._free and granted_us is not None:
            sensed_us = granted_us - technology.turnaround_us
        self._left = self._senses(message)
        self._wait(sensed_us)

    def _wait(self, until_us: int) -> None:
        medium = self._subnet
        self.sending = None
        self._senses_us = until_us
        self._timer = timer = Timeout(medium.env, until_us - medium.env.now)
        timer.callbacks.append(self._on_sensed)

    def _sensed(self, event: Any) -> None:
        message = self._serving
        if event is not self._timer or message is None:
            return  # cleared meanwhile
        medium = self._subnet
        now, cca_us = medium.env.now, medium.technology.cca_us
        if self._free:
            self._send(message)
        elif medium.air.busy(self.number, now):
            self._found_busy(message)
        elif self._left > 1:
            self._left -= 1
            self._wait(now + cca_us)
        elif self._fits(message):
            self._send(message)
        else:
            self._contend()  # more switches beacon than when it was planned

    def _fits(self, message: Message) -> bool:
        medium = self._subnet
        technology = medium.technology
        need_us = self._frame_us(message) + technology.ack_gap_us + technology.ack_us
        start_us = medium.env.now + technology.turnaround_us
        return medium.contention_us(start_us, need_us) == start_us
