"""What the root believes of the tree: whose child each node said to be (RFC 6550, non-storing)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Downward"]

_MOST_HOPS = 64


class _Entry(NamedTuple):
    parent: int
    sequence: int
    until_us: int


class Downward:
    """The root's table of parents; it may be out of date, and a route from it then fails."""

    __slots__ = ("_entries", "_root")

    def __init__(self, root: int) -> None:
        self._root = root
        self._entries: dict[int, _Entry] = {}

    def __contains__(self, number: int) -> bool:
        """Tell whether a node has registered."""
        return number in self._entries

    def __len__(self) -> int:
        """Return how many nodes have registered."""
        return len(self._entries)

    def clear(self) -> None:
        """Forget all: the root has been off."""
        self._entries.clear()

    def register(self, number: int, parent: int, sequence: int, until_us: int) -> bool:
        """Take a registration; return whether the node was not known."""
        known = self._entries.get(number)
        if known is None or sequence >= known.sequence:
            self._entries[number] = _Entry(parent, sequence, until_us)
        return known is None

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
