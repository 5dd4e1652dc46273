"""Where units keep what survives their restart: in memory, or (``controllers.storage``) on disk."""

from __future__ import annotations

from typing import Protocol

from controllers.unit.notes import MemoryNotebook, Notebook
from controllers.unit.store import MemoryStore, Store

__all__ = ["Memory", "VolatileMemory"]


class Memory(Protocol):
    """Where all units of a process keep what survives their restart."""

    def of(self, unit: str) -> tuple[Store, Notebook]:
        """Return one unit's instances and notes, as they are now."""

    def commit(self) -> None:
        """Make what was kept so far survive the process, before anything else is told of it."""


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

    def commit(self) -> None:
        """Do nothing: there is nothing that lasts longer."""
