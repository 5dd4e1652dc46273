"""Asking many children: a few at a time, none longer than the medium gives reason to wait."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Exchange", "Patience"]


class Patience:
    """How long to wait for an answer: mean and mean deviation of the times that answers took.

    The estimator of TCP's retransmission timer (RFC 6298): mean + 4 deviations, doubled with
    every answer that did not come until the next one that does. Before the first answer, and at
    most, it is ``longest_ms``.
    """

    def __init__(self, longest_ms: int, least_ms: int = 3000) -> None:
        self._longest_ms, self._least_ms = longest_ms, min(least_ms, longest_ms)
        self._mean_ms: float | None = None
        self._deviation_ms = 0.0
        self._factor = 1

    @property
    def wait_ms(self) -> int:
        """How long to wait for what is asked now."""
        if self._mean_ms is None:
            return self._longest_ms
        wait_ms = max(self._mean_ms + 4.0 * self._deviation_ms, self._least_ms) * self._factor
        return min(round(wait_ms), self._longest_ms)

    def answered(self, took_ms: int) -> None:
        """Learn from an answer, late ones too."""
        if self._mean_ms is None:
            self._mean_ms, self._deviation_ms = float(took_ms), took_ms / 2.0
        else:
            off_ms = abs(took_ms - self._mean_ms)
            self._deviation_ms += (off_ms - self._deviation_ms) / 4.0
            self._mean_ms += (took_ms - self._mean_ms) / 8.0
        self._factor = 1

    def missed(self) -> None:
        """Learn that no answer came in time."""
        self._factor = min(2 * self._factor, 1 << 16)


class Exchange:
    """One question to some children, ``parallel`` of them at a time.

    On a shared medium, questions to all at once bring the answers of all at once, which wait for
    and collide with each other. A child that does not answer in time makes way for the next; its
    answer counts as long as the exchange lasts.
    """

    def __init__(self, children: Iterable[str], parallel: int, patience: Patience) -> None:
        self._queue = list(reversed(list(children)))
        self._parallel, self._patience = max(1, parallel), patience
        self._flying: dict[str, int] = {}  # child: until when it is waited for
        self._asked: dict[str, int] = {}
        self._answered: set[str] = set()
        self.size = len(self._queue)

    def due(self, now_ms: int) -> list[str]:
        """Return who is to be asked now; who is late is not waited for any more."""
        for child in [child for child, until_ms in self._flying.items() if until_ms <= now_ms]:
            del self._flying[child]
            self._patience.missed()
        ask: list[str] = []
        while self._queue and len(self._flying) < self._parallel:
            child = self._queue.pop()
            self._flying[child] = now_ms + self._patience.wait_ms
            self._asked[child] = now_ms
            ask.append(child)
        return ask

    def answer(self, child: str, now_ms: int) -> bool:
        """Take note of an answer; return False if it is not, or no more, waited for."""
        if child not in self._asked or child in self._answered:
            return False
        self._answered.add(child)
        self._flying.pop(child, None)
        self._patience.answered(now_ms - self._asked[child])
        return True

    @property
    def next_ms(self) -> int | None:
        """When the next child is late; None when nobody is waited for."""
        return min(self._flying.values(), default=None)

    @property
    def over(self) -> bool:
        """Tell whether all were asked and nobody is waited for."""
        return not self._queue and not self._flying
