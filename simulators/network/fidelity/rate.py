"""How often something happened of late."""

from __future__ import annotations

from math import exp

__all__ = ["Rate"]


class Rate:
    """A rate per microsecond, of late: each event weighs less the longer ago it was."""

    __slots__ = ("_at_us", "_value", "span_us")

    def __init__(self, span_us: float) -> None:
        self.span_us, self._value, self._at_us = span_us, 0.0, 0

    def at(self, now_us: int) -> float:
        """Return the rate now."""
        return self._value * exp((self._at_us - now_us) / self.span_us)

    def add(self, now_us: int, amount: float = 1.0) -> None:
        """Take note of an event; times do not fall."""
        self._value = self.at(now_us) + amount / self.span_us
        self._at_us = now_us
