"""What of a unit survives its restart: its instances, and notes of all that it has promised.

Promised are the subscriptions that it has confirmed, its owner's policies, the delays between
accesses, and its answers, which a repeated request gets again. A unit is rebuilt from these
alone; what its services held in memory is gone, and they begin anew.
"""

from __future__ import annotations

from typing import Any, Protocol

from fernwatt.identifiers import Sequencer

__all__ = ["MemoryNotebook", "Notebook", "lasting_sequencer"]

_BLOCK = 1000


class Notebook(Protocol):
    """Values (JSON types and bytes) by collection and key; what is put is there after a restart."""

    def put(self, collection: str, key: str, value: Any) -> None:
        """Keep the value of a key in place of the one before."""

    def drop(self, collection: str, key: str) -> None:
        """Forget a key."""

    def items(self, collection: str) -> dict[str, Any]:
        """Return all keys of a collection with their values, by key."""


class MemoryNotebook:
    """In memory: survives a unit, not the process."""

    __slots__ = ("_collections",)

    def __init__(self) -> None:
        self._collections: dict[str, dict[str, Any]] = {}

    def put(self, collection: str, key: str, value: Any) -> None:
        """Keep the value of a key."""
        self._collections.setdefault(collection, {})[key] = value

    def drop(self, collection: str, key: str) -> None:
        """Forget a key."""
        self._collections.get(collection, {}).pop(key, None)

    def items(self, collection: str) -> dict[str, Any]:
        """Return all keys of a collection with their values, by key."""
        return dict(sorted(self._collections.get(collection, {}).items()))


def lasting_sequencer(owner: str, notes: Notebook) -> Sequencer:
    """Return a sequencer that never gives a number twice, over restarts too.

    It notes a block of numbers before it gives the first of them.
    """
    begin = notes.items("sequence").get("last", 0)
    return Sequencer(owner, begin, lambda last: notes.put("sequence", "last", last), _BLOCK)
