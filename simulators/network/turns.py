"""Turns of a master that asks its slaves one after the other, where nothing is to be carried.

A turn takes what its slave takes: one that answers, or one that does not and is asked again. As
long as nothing is carried, where the master is at any instant follows from where it was, so no
turn needs an event.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

__all__ = ["Ring", "Turn"]


class Turn(NamedTuple):
    """What one turn takes: its length and its air time [µs], and its transmissions."""

    length_us: int
    air_us: int
    frames: int


class Ring:
    """Turns in cyclic order, from the turn ``place`` on, which begins at ``at_us``."""

    __slots__ = ("_airs", "_ends", "_frames", "at_us", "place")

    def __init__(self, turns: Sequence[Turn], at_us: int = 0, place: int = 0) -> None:
        self._ends = list(accumulate((turn.length_us for turn in turns), initial=0))
        self._airs = list(accumulate((turn.air_us for turn in turns), initial=0))
        self._frames = list(accumulate((turn.frames for turn in turns), initial=0))
        self.at_us, self.place = at_us, place

    def move(self, at_us: int, place: int) -> None:
        """Go on with the turn ``place`` at an instant."""
        self.at_us, self.place = at_us, place

    def __len__(self) -> int:
        """Return the number of turns of a cycle."""
        return len(self._ends) - 1

    @property
    def cycle_us(self) -> int:
        """Return the length of a whole cycle."""
        return self._ends[-1]

    def begins_us(self, place: int, not_before_us: int) -> int:
        """Return when a turn next begins, not before an instant."""
        ahead_us = (self._ends[place] - self._ends[self.place]) % self.cycle_us
        if place == self.place:
            ahead_us = 0
        at_us = self.at_us + ahead_us
        late_us = not_before_us - at_us
        return at_us if late_us <= 0 else at_us + -(-late_us // self.cycle_us) * self.cycle_us

    def now(self, now_us: int) -> tuple[int, int]:
        """Return the turn that goes on, and when it began; the first one if it is yet to come."""
        if now_us <= self.at_us:
            return self.place, self.at_us
        since_us = now_us - self.at_us + self._ends[self.place]
        cycles, within_us = divmod(since_us, self.cycle_us)
        place = bisect_right(self._ends, within_us) - 1
        return place, self.at_us + cycles * self.cycle_us + self._ends[place] - self._ends[
            self.place
        ]

    def goes_on(self, turns: Sequence[Turn], now_us: int) -> Ring:
        """Return the ring of other turns, from after the turn that goes on now."""
        if now_us < self.at_us:
            return Ring(turns, self.at_us, self.place)
        place, began_us = self.now(now_us)
        length_us = self._ends[place + 1] - self._ends[place]
        return Ring(turns, began_us + length_us, (place + 1) % len(self))

    def spent(self, since_us: int, until_us: int) -> tuple[int, int]:
        """Return the air time and the transmissions of turns that begin in [since, until)."""
        air_us, frames = self._before(until_us)
        air_before_us, frames_before = self._before(since_us)
        return air_us - air_before_us, frames - frames_before

    def _before(self, until_us: int) -> tuple[int, int]:
        """Return what turns take that begin before an instant, from ``at_us`` on."""
        if until_us <= self.at_us:
            return 0, 0
        place, began_us = self.now(until_us - 1)
        cycles = (began_us - self.at_us + self._ends[self.place]) // self.cycle_us
        air_us = cycles * self._airs[-1] + self._airs[place + 1] - self._airs[self.place]
        return air_us, cycles * self._frames[-1] + self._frames[place + 1] - self._frames[
            self.place
        ]
