"""The memory of all units of a process, in one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from controllers.storage.vault import UnitVault, Vault

__all__ = ["DiskMemory", "temporary_memory"]


class DiskMemory:
    """Implements ``controllers.unit.memory.Memory``; ``key_of(unit)`` is a unit's key at rest."""

    __slots__ = ("_folder", "_key_of", "_vault")

    def __init__(
        self,
        path: Path,
        key_of: Callable[[str], bytes],
        folder: TemporaryDirectory[str] | None = None,
    ) -> None:
        self._vault, self._key_of = Vault(path), key_of
        self._folder = folder  # lives as long as this does

    def of(self, unit: str) -> tuple[UnitVault, UnitVault]:
        """Return one unit's instances and notes, read anew from the file."""
        opened = self._vault.unit(unit, self._key_of(unit))
        return opened, opened

    def commit(self) -> None:
        """Make what was kept so far survive the process."""
        self._vault.commit()

    def close(self) -> None:
        """Commit and close the file."""
        self._vault.close()


def temporary_memory(key_of: Callable[[str], bytes]) -> DiskMemory:
    """Return a memory in a folder of its own, which goes with it."""
    folder = TemporaryDirectory(prefix="fernwatt-units-")
    return DiskMemory(Path(folder.name) / "units.db", key_of, folder)
