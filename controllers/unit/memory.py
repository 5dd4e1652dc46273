"""Where units keep what survives their restart: in memory, or (``controllers.storage``) on disk."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from controllers.unit.notes import MemoryNotebook, Notebook
from controllers.unit.store import MemoryStore, Store

__all__ = ["MEMORIES", "Memory", "VolatileMemory", "make_memory"]

MEMORIES = ("volatile", "disk")


class Memory(Protocol):
    """Where all units of a process keep what survives their restart."""

    def of(self, unit: str) -> tuple[Store, Notebook]:
        """Return one unit's instances and notes, as they are now."""

    def wipe(self, unit: str, keep: Collection[str]) -> None:
        """Forget all of one unit but the collections ``keep`` of its notes."""

    def commit(self) -> None:
        """Make what was kept so far survive the process, before anything else is told of it."""

    def close(self) -> None:
        """Keep nothing more."""


class VolatileMemory:
    """Survives units, not the process."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, tuple[Store, Notebook]] = {}

    def of(self, unit: str) -> tuple[Store, Notebook]:
        """Return one unit's instances and notes."""
        if unit not in self._of:
            self._of[unit] = (MemoryStore(), MemoryNotebook())
        return self._of[unit]

    def wipe(self, unit: str, keep: Collection[str]) -> None:
        """Forget all of one unit but the collections ``keep`` of its notes."""
        _, notes = self.of(unit)
        kept = MemoryNotebook()
        for collection in keep:
            for key, value in notes.items(collection).items():
                kept.put(collection, key, value)
        self._of[unit] = (MemoryStore(), kept)

    def commit(self) -> None:
        """Do nothing: there is nothing that lasts longer."""

    def close(self) -> None:
        """Do nothing."""


def make_memory(kind: str, key_of: Callable[[str], bytes]) -> Memory:
    """Return a memory of a kind, one of ``MEMORIES``; ``key_of(unit)`` is a unit's key at rest.

    That on disk is in a folder of its own, which goes with it.
    """
    if kind == "volatile":
        return VolatileMemory()
    from controllers.storage.disk import temporary_memory

    return temporary_memory(key_of)
