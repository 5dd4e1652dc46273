"""An air with a signal level for every pair of stations: hidden nodes, capture, errors by level.

A station senses what it hears above ``sense_db``. A receiver gets a frame when its level stands
``capture_db`` above the sum of all that overlapped it there, and the errors at that ratio
spare it. Levels are ratios to the receiver's noise [dB].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, log10
from typing import Protocol

from simulators.network.air import COLLISION, NOISE, THROUGH, Transmission
from simulators.network.draws import Draws

__all__ = ["Levels", "Spread"]


_AHEAD_US = 100_000  # more than any turnaround: who begins later, begins no earlier than so


class Levels(Protocol):
    """Signal to noise of every pair of stations [dB]; ``-inf`` where nothing arrives."""

    def snr_db(self, sender: int, receiver: int) -> float:
        """Return how far above its noise a receiver hears a sender."""

    def hearers(self, sender: int) -> Sequence[int]:
        """Return the stations that can tell a sender from noise, in order, without itself."""


class Spread:
    """Transmissions by place; ``error(snr_db, size)`` is the probability that a frame is lost."""

    __slots__ = (
        "_active",
        "_capture_db",
        "_cca_us",
        "_draws",
        "_error",
        "_levels",
        "_sense_db",
    )

    def __init__(  # noqa: PLR0917 - of an air
        self,
        levels: Levels,
        cca_us: int,
        error: Callable[[float, int], float],
        draws: Draws,
        sense_db: float = 0.0,
        capture_db: float = 10.0,
    ) -> None:
        self._levels, self._cca_us, self._error, self._draws = levels, cca_us, error, draws
        self._sense_db, self._capture_db = sense_db, capture_db
        self._active: list[Transmission] = []

    def busy(self, station: int, now_us: int) -> bool:
        """Tell whether a station heard anything during the sensing that ends now."""
        since_us = now_us - self._cca_us
        return any(
            sent.start_us < now_us and sent.end_us > since_us and self._senses(station, sent)
            for sent in self._active
        )

    def clear_us(self, station: int, since_us: int) -> int:
        """Return until when the air is known to be busy for who senses from ``since_us`` on."""
        ends = [
            sent.end_us
            for sent in self._active
            if sent.start_us < since_us and self._senses(station, sent)
        ]
        return max(ends, default=-(10**18))

    def _senses(self, station: int, sent: Transmission) -> bool:
        return self._levels.snr_db(sent.sender, station) >= self._sense_db

    def begin(self, sender: int, start_us: int, air_us: int, size: int) -> Transmission:
        """Put a frame on the air; what it overlaps is remembered on both sides."""
        new = Transmission(sender, start_us, start_us + air_us, size)
        self._put(new)
        return new

    def answered(self, sent: Transmission, receiver: int, until_us: int) -> None:
        """Put the acknowledgement on the air, around its sender."""
        self._put(Transmission(receiver, sent.end_us, until_us, 0))

    def _put(self, new: Transmission) -> None:
        since_us = new.start_us - self._cca_us - _AHEAD_US
        self._active = [sent for sent in self._active if sent.end_us > since_us]
        for other in self._active:
            if other.end_us > new.start_us and other.start_us < new.end_us:
                other.overlaps.append(new)
                new.overlaps.append(other)
        self._active.append(new)

    def fate(self, sent: Transmission, receiver: int) -> str:
        """Return what became of a transmission at one receiver."""
        signal_db = self._levels.snr_db(sent.sender, receiver)
        disturbance = 0.0
        for other in sent.overlaps:
            level_db = (
                inf if other.sender == receiver else self._levels.snr_db(other.sender, receiver)
            )
            disturbance += 10.0 ** (level_db / 10.0) if level_db > -inf else 0.0
        if disturbance > 0.0:
            signal_db -= 10.0 * log10(1.0 + disturbance)
            if signal_db < self._capture_db:
                sent.collided = True
                return COLLISION
        lost = self._draws.uniform() < self._error(signal_db, sent.size)
        return NOISE if lost else THROUGH

    def hearers(self, sender: int) -> Sequence[int]:
        """Return the stations that may receive a sender."""
        return self._levels.hearers(sender)

    def hears(self, receiver: int, sender: int) -> bool:
        """Tell whether a station can tell a sender from noise."""
        return receiver in self._levels.hearers(sender)
