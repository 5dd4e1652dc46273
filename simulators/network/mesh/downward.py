"""What the root believes of the tree: whose child each node said to be (RFC 6550, non-storing)."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

__all__ = ["Downward"]

_MOST_HOPS = 64


class _Entry(NamedTuple):
    parent: int
    sequence: int
    until_us: int


class Downward:
    """The root's table of parents; it may be out of date, and a route from it then fails."""

    __slots__ = ("_entries", "_root", "_turn")

    def __init__(self, root: int) -> None:
        self._root = root
        self._entries: dict[int, _Entry] = {}
        self._turn: deque[int] = deque()

    def __contains__(self, number: int) -> bool:
        """Tell whether a node has registered."""
        return number in self._entries

    def __len__(self) -> int:
        """Return how many nodes have registered."""
        return len(self._entries)

    def clear(self) -> None:
        """Forget all: the root has been off."""
        self._entries.clear()
        self._turn.clear()

    def register(self, number: int, parent: int, sequence: int, until_us: int) -> bool:
        """Take a registration; return whether the node was not known."""
        known = self._entries.get(number)
        if known is None or sequence >= known.sequence:
            self._entries[number] = _Entry(parent, sequence, until_us)
        if known is None:
            self._turn.append(number)
        return known is None

    def prolong(self, number: int, until_us: int) -> None:
        """Let a registration be good for longer."""
        known = self._entries.get(number)
        if known is not None:
            self._entries[number] = known._replace(until_us=until_us)

    def has_children(self, number: int) -> bool:
        """Tell whether any node is registered below another."""
        return any(entry.parent == number for entry in self._entries.values())

    def next_in_turn(self) -> int | None:
        """Return the registered nodes one after the other, for ever; None when there is none."""
        while self._turn:
            number = self._turn.popleft()
            if number in self._entries:
                self._turn.append(number)
                return number
        return None

    def route(self, target: int, now_us: int) -> tuple[int, ...] | None:
        """Return the nodes from the root's child down to ``target``, or None.

        Entries that have run out are forgotten when a route needs them.
        """
        way, at = list[int](), target
        while at != self._root:
            entry = self._entries.get(at)
            if entry is None or len(way) >= _MOST_HOPS:
                return None
            if entry.until_us < now_us:
                del self._entries[at]
                return None
            way.append(at)
            at = entry.parent
        way.reverse()
        return tuple(way)
