"""An air with a signal level for every pair of stations: hidden nodes, capture, errors by level.

A station senses what it hears above ``sense_db``. A receiver gets a frame when its level stands
``capture_db`` above the strongest of what overlapped it there, and the errors at what is left of
the signal over noise, overlap and disturbance spare it. Who transmits does not receive. Levels
are ratios to the receiver's noise [dB].

Frames on different channels do not meet, except at a station that is itself on the air.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log10
from typing import Protocol

from simulators.network.air import (
    BURST,
    COLLISION,
    JAMMING,
    NOISE,
    THROUGH,
    Noises,
    Transmission,
)
from simulators.network.draws import Draws
from simulators.network.levels import Levels

__all__ = ["Spells", "Spread"]

_NEVER = -(10**18)
_AHEAD_US = 100_000
"""More than any turnaround: nothing begins earlier than the latest known start less this."""


class Spells(Protocol):
    """Bad spells of the channel at each receiver."""

    def rise(self, receiver: int, since_us: int, until_us: int) -> float:
        """Return by which multiple of itself a receiver's noise rises within a time."""


class Spread:
    """Transmissions by place; ``error(snr_db, size)`` is the probability that a frame is lost.

    ``noises`` are sources outside the medium, ``spells`` its own bursts.
    """

    __slots__ = (
        "_active",
        "_capture_db",
        "_cca_us",
        "_draws",
        "_error",
        "_noises",
        "_now_us",
        "_sense_db",
        "_spells",
        "levels",
    )

    def __init__(  # noqa: PLR0917 - of an air
        self,
        levels: Levels,
        cca_us: int,
        error: Callable[[float, int], float],
        draws: Draws,
        sense_db: float = 0.0,
        capture_db: float = 10.0,
        noises: Noises | None = None,
        spells: Spells | None = None,
    ) -> None:
        self.levels, self._cca_us, self._error, self._draws = levels, cca_us, error, draws
        self._sense_db, self._capture_db = sense_db, capture_db
        self._noises, self._spells = noises, spells
        self._active: list[Transmission] = []
        self._now_us = _NEVER  # nothing begins before this any more

    def busy(self, station: int, now_us: int, channel: int = 0) -> bool:
        """Tell whether a station heard anything during the sensing that ends now."""
        self._now_us = now_us
        since_us = now_us - self._cca_us
        for sent in self._active:
            if (
                sent.start_us < now_us
                and sent.end_us > since_us
                and self._senses(station, sent, channel)
            ):
                return True
        noises = self._noises
        return noises is not None and bool(noises.sensed(station, since_us, now_us, self._sense_db))

    def clear_us(self, station: int, since_us: int, channel: int = 0) -> int:
        """Return until when the air is known to be busy for who senses from ``since_us`` on."""
        until_us = _NEVER
        for sent in self._active:
            if (
                sent.start_us < since_us
                and sent.end_us > until_us
                and self._senses(station, sent, channel)
            ):
                until_us = sent.end_us
        return until_us

    def blame(self, station: int, now_us: int) -> str:
        """Return what kind of disturbance, if any, a station senses now."""
        noises = self._noises
        if noises is None:
            return THROUGH
        return noises.sensed(station, now_us - self._cca_us, now_us, self._sense_db)

    def _senses(self, station: int, sent: Transmission, channel: int) -> bool:
        if sent.sender == station:
            return True
        if sent.channel != channel:
            return False
        return self.levels.rows[sent.sender][station] >= self._sense_db

    def begin(
        self, sender: int, start_us: int, air_us: int, size: int, channel: int = 0
    ) -> Transmission:
        """Put a frame on the air; what it overlaps is remembered on both sides."""
        new = Transmission(sender, start_us, start_us + air_us, size, channel)
        self._put(new)
        return new

    def answered(self, sent: Transmission, receiver: int, until_us: int, size: int = 0) -> bool:
        """Put the acknowledgement on the air, around its sender; return whether it arrives.

        What overlaps it is known as far as it has been decided by now; what is decided later,
        by stations that cannot hear the receiver, does not harm it.
        """
        self._now_us = max(self._now_us, sent.end_us)
        answer = Transmission(receiver, sent.end_us, until_us, size, sent.channel)
        self._put(answer)
        return not size or not self.fate(answer, sent.sender)

    def _put(self, new: Transmission) -> None:
        since_us = max(self._now_us, new.start_us - _AHEAD_US) - self._cca_us
        self._active = [sent for sent in self._active if sent.end_us > since_us]
        start_us, end_us = new.start_us, new.end_us
        for other in self._active:
            if other.end_us > start_us and other.start_us < end_us:
                other.overlaps.append((new.sender, new.channel))
                new.overlaps.append((other.sender, other.channel))
        self._active.append(new)

    def fate(self, sent: Transmission, receiver: int) -> str:
        """Return what became of a transmission at one receiver."""
        signal_db = self.levels.rows[sent.sender][receiver]
        if sent.overlaps:
            strongest_db = self._strongest_db(sent, receiver)
            if strongest_db > signal_db - self._capture_db:
                sent.collided = True
                return COLLISION
            overlap = 10.0 ** (strongest_db / 10.0)
        else:
            overlap = 0.0
        since_us, until_us, jam, burst = sent.start_us, sent.end_us, 0.0, 0.0
        if self._spells is not None:
            burst = self._spells.rise(receiver, since_us, until_us)
        if self._noises is not None:
            struck = self._noises.strike(since_us, until_us)
            if struck:
                return struck
            jam, other = self._noises.rise(receiver, since_us, until_us)
            burst += other
        drawn = self._draws.uniform()
        if overlap or burst or jam:
            lost = self._lost(signal_db, sent, overlap, burst, jam)
        else:
            lost = ((NOISE, (sent.error or self._error)(signal_db, sent.size)),)
        for cause, probability in lost:
            if drawn < probability:
                return cause
        return THROUGH

    def _strongest_db(self, sent: Transmission, receiver: int) -> float:
        """Return the level of the strongest overlap; one's own transmission deafens."""
        strongest_db, rows = -300.0, self.levels.rows
        for sender, channel in sent.overlaps:
            if sender == receiver:
                return 1e9
            if channel == sent.channel:
                strongest_db = max(strongest_db, rows[sender][receiver])
        return strongest_db

    def _lost(
        self, signal_db: float, sent: Transmission, overlap: float, burst: float, jam: float
    ) -> Sequence[tuple[str, float]]:
        """Return the probability of a loss as one disturbance after the other is added."""
        lost, total, error = [], 1.0, sent.error or self._error
        for cause, rise in ((NOISE, 0.0), (BURST, burst), (COLLISION, overlap), (JAMMING, jam)):
            if cause == NOISE or rise:
                total += rise
                lost.append((cause, error(signal_db - 10.0 * log10(total), sent.size)))
        return lost

    def chance(self, sender: int, receiver: int, size: int) -> float:
        """Return the probability that a frame gets through when nothing disturbs it."""
        if not self.levels.hears(receiver, sender):
            return 0.0
        return 1.0 - self._error(self.levels.rows[sender][receiver], size)

    def hearers(self, sender: int) -> Sequence[int]:
        """Return the stations that may receive a sender."""
        return self.levels.hearers[sender]

    def hears(self, receiver: int, sender: int) -> bool:
        """Tell whether a station can tell a sender from noise."""
        return self.levels.hears(receiver, sender)
