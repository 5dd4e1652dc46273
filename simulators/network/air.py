"""What is on the air of a shared medium: who transmits, who hears it, what destroys it.

``Everywhere`` is one collision domain: all hear all, any overlap destroys. ``Spread`` (in
``spread.py``) has a signal level for every pair of stations. Both remember no more than what
still matters, so sensing costs the same with two stations and with a thousand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from simulators.network.draws import Noise

__all__ = ["COLLISION", "NOISE", "THROUGH", "Air", "Everywhere", "Transmission"]

THROUGH, COLLISION, NOISE = "", "collision", "noise"
"""Fates of a transmission at a receiver; an air may know more ("jamming")."""


class Transmission:
    """One frame on the air, of station number ``sender``; ``overlaps`` are what met it."""

    __slots__ = ("collided", "end_us", "overlaps", "sender", "size", "start_us")

    def __init__(self, sender: int, start_us: int, end_us: int, size: int) -> None:
        self.sender, self.start_us, self.end_us, self.size = sender, start_us, end_us, size
        self.collided = False
        self.overlaps: list[Transmission] = []


class Air(Protocol):
    """The physical side of a medium; stations are numbered in the order of their nodes' ids.

    Calls come in the order of time, but for ``begin``, whose ``start_us`` may lie ahead by the
    turnaround, in the order in which transmissions were decided.
    """

    def busy(self, station: int, now_us: int) -> bool:
        """Tell whether a station heard anything during the sensing that ends now."""

    def clear_us(self, station: int, since_us: int) -> int:
        """Return until when the air is known to be busy for who senses from ``since_us`` on."""

    def begin(self, sender: int, start_us: int, air_us: int, size: int) -> Transmission:
        """Put a frame of ``size`` bytes on the air from ``start_us`` on."""

    def answered(self, sent: Transmission, receiver: int, until_us: int) -> None:
        """Keep the air busy with the acknowledgement of ``sent``."""

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

    __slots__ = ("_active", "_busy_us", "_cca_us", "_hearers", "_noise", "_pending", "_struck")

    def __init__(self, stations: int, cca_us: int, noise: Noise) -> None:
        self._cca_us, self._noise = cca_us, noise
        self._pending: deque[Transmission] = deque()  # decided, not yet seen to have begun
        self._active: list[Transmission] = []
        self._busy_us = -(10**18)
        self._hearers = range(stations)
        self._struck: tuple[Transmission | None, str] = (None, THROUGH)

    def busy(self, station: int, now_us: int) -> bool:  # noqa: ARG002 - the protocol's
        """Tell whether anything was on the air during the sensing that ends now."""
        pending = self._pending
        while pending and pending[0].start_us < now_us:
            self._busy_us = max(self._busy_us, pending.popleft().end_us)
        return self._busy_us > now_us - self._cca_us

    def clear_us(self, station: int, since_us: int) -> int:  # noqa: ARG002 - the protocol's
        """Return until when the air is known to be busy for who senses from ``since_us`` on."""
        ends = [sent.end_us for sent in self._active if sent.start_us < since_us]
        return max(self._busy_us, *ends) if ends else self._busy_us

    def begin(self, sender: int, start_us: int, air_us: int, size: int) -> Transmission:
        """Put a frame on the air; it destroys what it overlaps."""
        new = Transmission(sender, start_us, start_us + air_us, size)
        self._active = [other for other in self._active if other.end_us > start_us]
        for other in self._active:
            other.collided = new.collided = True
        self._active.append(new)
        self._pending.append(new)
        return new

    def answered(self, sent: Transmission, receiver: int, until_us: int) -> None:  # noqa: ARG002
        """Keep the air busy until the acknowledgement is over."""
        self._busy_us = max(self._busy_us, until_us)

    def fate(self, sent: Transmission, receiver: int) -> str:  # noqa: ARG002 - the protocol's
        """Return what became of a transmission, the same for all receivers."""
        if sent.collided:
            return COLLISION
        if self._struck[0] is not sent:
            struck = self._noise.destroys(sent.start_us, sent.size)
            self._struck = (sent, NOISE if struck else THROUGH)
        return self._struck[1]

    def hearers(self, sender: int) -> Sequence[int]:
        """Return all stations but the sender."""
        return [station for station in self._hearers if station != sender]

    def hears(self, receiver: int, sender: int) -> bool:
        """Return True for all others."""
        return receiver != sender
