"""How much a sender may have under way, and how long it waits: without time or messages in it.

RFC 5681 (slow start, congestion avoidance, fast retransmit, restart after idleness), RFC 6582
(NewReno: partial acknowledgements), RFC 6298 (retransmission time-out).
"""

from __future__ import annotations

__all__ = ["Congestion", "RoundTrip"]

_DUPLICATES = 3
_GRANULE_US = 1000  # clock granularity G of RFC 6298
_FIRST_US, _LONGEST_US = 1_000_000, 60_000_000


class RoundTrip:
    """The estimate of the round trip and the retransmission time-out from it [µs]."""

    __slots__ = ("_least_us", "rto_us", "srtt_us", "var_us")

    def __init__(self, least_us: int = 1_000_000) -> None:
        self._least_us = least_us
        self.srtt_us = self.var_us = -1.0
        self.rto_us = max(_FIRST_US, least_us)

    def follow(self, other: RoundTrip) -> None:
        """Begin with what another one knows, if it does."""
        if other.srtt_us >= 0:
            self.srtt_us, self.var_us = other.srtt_us, other.var_us
            self._renew()

    def sample(self, rtt_us: int) -> None:
        """Take a round trip of a segment that was sent once (RFC 6298 section 2)."""
        if self.srtt_us < 0:
            self.srtt_us, self.var_us = float(rtt_us), rtt_us / 2
        else:
            self.var_us = 0.75 * self.var_us + 0.25 * abs(self.srtt_us - rtt_us)
            self.srtt_us = 0.875 * self.srtt_us + 0.125 * rtt_us
        self._renew()

    def _renew(self) -> None:
        rto_us = round(self.srtt_us + max(_GRANULE_US, 4 * self.var_us))
        self.rto_us = min(max(rto_us, self._least_us), _LONGEST_US)

    def expired(self) -> None:
        """Double the time-out (section 5.5)."""
        self.rto_us = min(2 * self.rto_us, _LONGEST_US)


class Congestion:
    """The congestion window [bytes]; segments are numbered, ``una`` is the oldest one open."""

    __slots__ = ("_duplicates", "_first", "_mss", "recover", "recovering", "threshold", "window")

    def __init__(self, mss: int, first_segments: int) -> None:
        self._mss = mss
        self._first = first_segments * mss
        self.window = float(self._first)
        self.threshold = float("inf")
        self.recovering, self.recover = False, -1
        self._duplicates = 0

    def acknowledged(self, una: int, size: int) -> bool:
        """Take an acknowledgement of ``size`` new bytes; return whether to send ``una`` again."""
        self._duplicates = 0
        if not self.recovering:
            if self.window < self.threshold:
                self.window += min(size, self._mss)
            else:
                self.window += self._mss * self._mss / self.window
            return False
        if una > self.recover:
            self.recovering = False
            self.window = self.threshold
            return False
        self.window = max(self.window - size, 0.0) + self._mss  # RFC 6582 section 3.2 step 3
        return True

    def duplicate(self, una: int, last: int, flight: int) -> bool:
        """Take a duplicate acknowledgement; return whether to send ``una`` again.

        ``last`` is the highest segment sent, ``flight`` the bytes under way.
        """
        if self.recovering:
            self.window += self._mss
            return False
        self._duplicates += 1
        if self._duplicates != _DUPLICATES or una <= self.recover:
            return False
        self.threshold = max(flight / 2, 2.0 * self._mss)
        self.window = self.threshold + _DUPLICATES * self._mss
        self.recovering, self.recover = True, last
        return True

    def expired(self, last: int, flight: int, again: bool) -> None:
        """Take a retransmission time-out; ``again`` when the same segment had expired before."""
        if not again:
            self.threshold = max(flight / 2, 2.0 * self._mss)
        self.window = float(self._mss)
        self.recovering, self.recover = False, last
        self._duplicates = 0

    def idle(self) -> None:
        """Begin slowly again after idleness of a time-out (RFC 5681 section 4.1)."""
        self.window = min(self.window, float(self._first))
