"""What is on the air of a shared medium: who transmits, who hears it, what destroys it.

``Everywhere`` is one collision domain: all hear all, any overlap destroys. ``Spread`` (in
``spread.py``) has a signal level for every pair of stations. Both remember no more than what
still matters, so sensing costs the same with two stations and with a thousand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from simulators.network.draws import Noise

__all__ = [
    "BURST",
    "COLLISION",
    "JAMMING",
    "NOISE",
    "THROUGH",
    "Air",
    "Everywhere",
    "Noises",
    "Transmission",
]

THROUGH, COLLISION, NOISE, BURST, JAMMING = "", "collision", "noise", "burst", "jamming"
"""Fates of a transmission at a receiver: ``noise`` is what is always there, ``burst`` a spell or
source of more of it, ``jamming`` a source that is there on purpose."""


class Transmission:
    """One frame on the air, of station number ``sender``, on a channel.

    ``overlaps`` has the sender and the channel of each that met it. ``error`` is how it fails
    where there are levels, if otherwise than the air's own frames.
    """

    __slots__ = (
        "channel",
        "collided",
        "end_us",
        "error",
        "overlaps",
        "sender",
        "size",
        "start_us",
    )

    def __init__(
        self, sender: int, start_us: int, end_us: int, size: int, channel: int = 0
    ) -> None:
        self.sender, self.start_us, self.end_us, self.size = sender, start_us, end_us, size
        self.channel, self.collided = channel, False
        self.error: Callable[[float, int], float] | None = None
        self.overlaps: list[tuple[int, int]] = []


class Noises(Protocol):
    """Sources of noise outside a medium, as its stations get them (see ``noises``)."""

    def sensed(self, station: int, since_us: int, until_us: int, sense_db: float) -> str:
        """Return the kind of a source that a station senses within a time, or nothing."""

    def rise(self, station: int, since_us: int, until_us: int) -> tuple[float, float]:
        """Return by which multiples of its noise jammers, and others, raise it within a time."""

    def strike(self, since_us: int, until_us: int) -> str:
        """Draw whether a source destroys a frame where there are no levels; return its fate."""


class Air(Protocol):
    """The physical side of a medium; stations are numbered in the order of their nodes' ids.

    Calls come in the order of time, but for ``begin``, whose ``start_us`` may lie ahead by the
    turnaround, in the order in which transmissions were decided.
    """

    def busy(self, station: int, now_us: int, channel: int = 0) -> bool:
        """Tell whether a station heard anything during the sensing that ends now."""

    def clear_us(self, station: int, since_us: int, channel: int = 0) -> int:
        """Return until when the air is known to be busy for who senses from ``since_us`` on."""

    def blame(self, station: int, now_us: int) -> str:
        """Return what from outside the medium, if anything, a station that senses now hears."""

    def begin(
        self, sender: int, start_us: int, air_us: int, size: int, channel: int = 0
    ) -> Transmission:
        """Put a frame of ``size`` bytes on the air from ``start_us`` on."""

    def answered(self, sent: Transmission, receiver: int, until_us: int, size: int = 0) -> bool:
        """Keep the air busy with the acknowledgement of ``sent``; return whether it arrives."""

    def fate(self, sent: Transmission, receiver: int) -> str:
        """Return what became of a transmission at a receiver; asked at its end, once for each."""

    def hearers(self, sender: int) -> Sequence[int]:
        """Return the stations that hear a sender, in order, itself not among them."""

    def hears(self, receiver: int, sender: int) -> bool:
        """Tell whether a station hears another one."""


class Everywhere:
    """One collision domain; noise strikes a frame at all its receivers alike.

    Because the turnaround is one constant, transmissions begin in the order in which they were
    decided, and only the end of the last one that has begun need be remembered.
    """

    __slots__ = (
        "_active",
        "_busy_us",
        "_cca_us",
        "_hearers",
        "_noise",
        "_noises",
        "_pending",
        "_struck",
    )

    def __init__(
        self, stations: int, cca_us: int, noise: Noise, noises: Noises | None = None
    ) -> None:
        self._cca_us, self._noise, self._noises = cca_us, noise, noises
        self._pending: deque[Transmission] = deque()  # decided, not yet seen to have begun
        self._active: list[Transmission] = []
        self._busy_us = -(10**18)
        self._hearers = range(stations)
        self._struck: tuple[Transmission | None, str] = (None, THROUGH)

    def busy(self, station: int, now_us: int, channel: int = 0) -> bool:  # noqa: ARG002 - the protocol's
        """Tell whether anything was on the air during the sensing that ends now."""
        pending = self._pending
        while pending and pending[0].start_us < now_us:
            self._busy_us = max(self._busy_us, pending.popleft().end_us)
        return self._busy_us > now_us - self._cca_us

    def clear_us(self, station: int, since_us: int, channel: int = 0) -> int:  # noqa: ARG002
        """Return until when the air is known to be busy for who senses from ``since_us`` on."""
        ends = [sent.end_us for sent in self._active if sent.start_us < since_us]
        return max(self._busy_us, *ends) if ends else self._busy_us

    def blame(self, station: int, now_us: int) -> str:  # noqa: ARG002
        """Return nothing: a source without a level is not sensed."""
        return THROUGH

    def begin(
        self, sender: int, start_us: int, air_us: int, size: int, channel: int = 0
    ) -> Transmission:
        """Put a frame on the air; it destroys what it overlaps, there is but one channel."""
        del channel
        new = Transmission(sender, start_us, start_us + air_us, size)
        self._active = [other for other in self._active if other.end_us > start_us]
        for other in self._active:
            other.collided = new.collided = True
        self._active.append(new)
        self._pending.append(new)
        return new

    def answered(self, sent: Transmission, receiver: int, until_us: int, size: int = 0) -> bool:  # noqa: ARG002
        """Keep the air busy until the acknowledgement is over; it shares its frame's fate."""
        self._busy_us = max(self._busy_us, until_us)
        return True

    def fate(self, sent: Transmission, receiver: int) -> str:  # noqa: ARG002 - the protocol's
        """Return what became of a transmission, the same for all receivers."""
        if sent.collided:
            return COLLISION
        if self._struck[0] is not sent:
            fate = NOISE if self._noise.destroys(sent.start_us, sent.size) else THROUGH
            if self._noises is not None and not fate:
                fate = self._noises.strike(sent.start_us, sent.end_us)
            self._struck = (sent, fate)
        return self._struck[1]

    def hearers(self, sender: int) -> Sequence[int]:
        """Return all stations but the sender."""
        return [station for station in self._hearers if station != sender]

    def hears(self, receiver: int, sender: int) -> bool:
        """Return True for all others."""
        return receiver != sender
