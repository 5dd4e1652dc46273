"""The memory of all units of a process, in one file."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import mkdtemp

from controllers.storage.vault import UnitVault, Vault

__all__ = ["DiskMemory", "temporary_memory"]


class DiskMemory:
    """Implements ``controllers.unit.memory.Memory``; ``key_of(unit)`` is a unit's key at rest."""

    __slots__ = ("__weakref__", "_key_of", "_vault")

    def __init__(self, path: Path, key_of: Callable[[str], bytes]) -> None:
        self._vault, self._key_of = Vault(path), key_of

    def of(self, unit: str) -> tuple[UnitVault, UnitVault]:
        """Return one unit's instances and notes, read anew from the file."""
        opened = self._vault.unit(unit, self._key_of(unit))
        return opened, opened

    def wipe(self, unit: str, keep: Collection[str]) -> None:
        """Forget all of one unit but the collections ``keep`` of its notes."""
        self._vault.unit(unit, self._key_of(unit)).wipe(keep)

    def commit(self) -> None:
        """Make what was kept so far survive the process."""
        self._vault.commit()

    def close(self) -> None:
        """Commit and close the file."""
        self._vault.close()


def temporary_memory(key_of: Callable[[str], bytes]) -> DiskMemory:
    """Return a memory in a folder of its own, which goes with it."""
    folder = mkdtemp(prefix="fernwatt-units-")
    memory = DiskMemory(Path(folder) / "units.db", key_of)
    weakref.finalize(memory, shutil.rmtree, folder, ignore_errors=True)
    return memory
