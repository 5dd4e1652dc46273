"""Exactly-once lists over mosaik.

mosaik keeps one value per connection and tick: what a simulator emits at the second sub-step
of a tick replaces what it emitted at the first, for every receiver outside the group. So a
sender repeats, within one tick, all it has emitted in that tick, numbered; the receiver skips
what it has seen, and a gap is an error instead of a silent loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Inbox", "MailGapError", "Outbox"]

Numbered = list[Any]  # [number, item]


class MailGapError(RuntimeError):
    """Items of a mailbox were lost on the way."""


class Outbox:
    """The sending side of one attribute.

    >>> box = Outbox()
    >>> box.put("a"); box.emit(5)
    [[1, 'a']]
    >>> box.put("b"); box.emit(5)       # same tick: all of the tick
    [[1, 'a'], [2, 'b']]
    >>> box.emit(6)
    []
    """

    __slots__ = ("_fresh", "_number", "_sent", "_t_ms")

    def __init__(self) -> None:
        self._number, self._t_ms = 0, -1
        self._fresh: list[Numbered] = []
        self._sent: list[Numbered] = []

    def put(self, item: Any) -> None:
        """Queue one item for the next emission."""
        self._number += 1
        self._fresh.append([self._number, item])

    def emit(self, t_ms: int) -> list[Numbered]:
        """Return what is to be handed to mosaik at ``t_ms``; empty when nothing is new."""
        if t_ms != self._t_ms:
            self._sent, self._t_ms = [], t_ms
        if not self._fresh:
            return []
        self._sent = self._sent + self._fresh
        self._fresh = []
        return self._sent


class Inbox:
    """The receiving side of one attribute: new items of all sources, in the sources' order."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def take(self, by_source: Mapping[str, Sequence[Numbered]] | None) -> list[Any]:
        """Return the items not seen before, sources sorted by name.

        Raises MailGapError when numbers are missing.
        """
        items: list[Any] = []
        for source in sorted(by_source or {}):
            seen = self._seen.get(source, 0)
            for number, item in by_source[source]:  # type: ignore[index]
                if number <= seen:
                    continue
                if number != seen + 1:
                    raise MailGapError(f"items {seen + 1} to {number - 1} from {source} were lost")
                seen = number
                items.append(item)
            self._seen[source] = seen
        return items
