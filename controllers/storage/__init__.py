"""Data of units on disk, encrypted, behind the interface of a unit's store."""

from __future__ import annotations

from controllers.storage.disk import DiskMemory
from controllers.storage.vault import UnitVault, Vault

__all__ = ["DiskMemory", "UnitVault", "Vault"]
