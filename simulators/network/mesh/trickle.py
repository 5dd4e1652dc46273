"""Trickle timers (RFC 6206): advertise seldom while all agree, often when something changes.

An interval I doubles from Imin up to Imax; in each, one instant t is drawn from [I/2, I). At t
the node speaks, unless it has heard ``k`` consistent messages since the interval began (k = 0:
it always speaks). One timeout per interval: what is heard after t would count for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simpy.events import Timeout

from simulators.network.carrier import Clock
from simulators.network.draws import Draws

__all__ = ["Trickle"]


class Trickle:
    """The timer of one node; ``send`` is called whenever it may speak."""

    __slots__ = (
        "_clock",
        "_draws",
        "_k",
        "_most_us",
        "_on_due",
        "_send",
        "_start_us",
        "_timer",
        "count",
        "interval_us",
        "least_us",
    )

    def __init__(  # noqa: PLR0917 - of RFC 6206
        self,
        clock: Clock,
        draws: Draws,
        least_us: int,
        doublings: int,
        k: int,
        send: Callable[[], None],
    ) -> None:
        self._clock, self._draws, self._send = clock, draws, send
        self.least_us, self._most_us, self._k = least_us, least_us << doublings, k
        self.interval_us = self._start_us = self.count = 0
        self._timer: Timeout | None = None
        self._on_due = self._due

    def start(self, settled: bool = False) -> None:
        """Begin with the shortest interval, or somewhere within one of the longest."""
        now = self._clock.now
        if settled:
            self._begin(now - int(self._draws.uniform() * self._most_us), self._most_us)
            return
        self._begin(now, self.least_us)

    def stop(self) -> None:
        """Say no more."""
        self._timer = None

    def reset(self) -> None:
        """Take note of an inconsistency: begin anew, unless the interval is the shortest."""
        if self._timer is None or self.interval_us > self.least_us:
            self._begin(self._clock.now, self.least_us)

    def heard(self) -> None:
        """Count a consistent message."""
        if self._clock.now >= self._start_us:
            self.count += 1

    def _begin(self, start_us: int, interval_us: int) -> None:
        now = self._clock.now
        due_us = now - 1
        while due_us < now:  # of an interval that began in the past, the next instant to come
            half_us = interval_us // 2
            due_us = start_us + half_us + int(self._draws.uniform() * half_us)
            self._start_us, self.interval_us, self.count = start_us, interval_us, 0
            start_us, interval_us = start_us + interval_us, min(2 * interval_us, self._most_us)
        self._timer = timer = Timeout(self._clock, due_us - now)
        timer.callbacks.append(self._on_due)

    def _due(self, event: Any) -> None:
        if event is not self._timer:
            return  # stopped or reset meanwhile
        speaks = not self._k or self.count < self._k
        following_us = min(2 * self.interval_us, self._most_us)
        self._begin(self._start_us + self.interval_us, following_us)
        if speaks:
            self._send()
