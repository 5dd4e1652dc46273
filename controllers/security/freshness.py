"""Numbers that make a message fresh, and the memory that tells a replayed one.

A number is the sender's time [ms] and a count within it, so it grows with every message, even over
a restart, and tells a receiver whose clock is not too far off how old the message is.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from controllers.security.errors import Refusal, RefusedError

__all__ = ["Numbers", "Replays", "read_number"]

_COUNT_BITS = 10
_OFFSET_MS = 1 << 41  # times before the run's begin are negative
_BYTES = 7
_AHEAD_MS = 1000


class Numbers:
    """Gives the numbers of one sender, none twice.

    ``reserve(n)`` is called before a number beyond the last reserved one is given out; who begins
    again with ``last`` = n gives none that was given before.
    """

    __slots__ = ("_last", "_reserve", "_reserved")

    def __init__(self, last: int = 0, reserve: Callable[[int], None] | None = None) -> None:
        self._last = self._reserved = last
        self._reserve = reserve

    def next(self, t_ms: int) -> bytes:
        """Return the number of a message sent at the sender's time ``t_ms``."""
        self._last = max(self._last + 1, (t_ms + _OFFSET_MS) << _COUNT_BITS)
        if self._reserve is not None and self._last > self._reserved:
            self._reserved = self._last + (_AHEAD_MS << _COUNT_BITS)
            self._reserve(self._reserved)
        return self._last.to_bytes(_BYTES, "big")


def read_number(number: bytes) -> tuple[int, int]:
    """Return a number as an integer, and the time [ms] in it; raises RefusedError."""
    if len(number) != _BYTES:
        raise RefusedError(Refusal.MALFORMED, "number")
    value = int.from_bytes(number, "big")
    return value, (value >> _COUNT_BITS) - _OFFSET_MS


class Replays:
    """Takes each number of a sender once, within ``window_ms`` of the receiver's clock.

    Messages may overtake each other. Remembered is what lies within the window. Who begins anew at
    ``since_ms`` has forgotten what it took before, so what was sent before is refused, be it new
    or not.
    """

    __slots__ = ("_order", "_since_ms", "_taken", "_window_ms")

    def __init__(self, window_ms: int, since_ms: int | None = None) -> None:
        self._window_ms, self._since_ms = window_ms, since_ms
        self._taken: set[tuple[bytes, int]] = set()
        self._order: list[tuple[int, bytes, int]] = []

    def take(self, sender: bytes, number: bytes, t_ms: int) -> None:
        """Take the number of an authentic message at the receiver's time; raises RefusedError."""
        value, sent_ms = read_number(number)
        if abs(t_ms - sent_ms) > self._window_ms:
            raise RefusedError(Refusal.STALE, f"{t_ms - sent_ms} ms")
        forgotten = self._since_ms is not None and sent_ms < self._since_ms
        if forgotten or (sender, value) in self._taken:
            raise RefusedError(Refusal.REPLAYED, sender.hex())
        self._forget(t_ms)
        self._taken.add((sender, value))
        heappush(self._order, (sent_ms, sender, value))

    def _forget(self, t_ms: int) -> None:
        """Forget what is stale anyway."""
        while self._order and self._order[0][0] < t_ms - self._window_ms:
            _, sender, value = heappop(self._order)
            self._taken.discard((sender, value))
