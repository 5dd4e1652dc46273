"""Versions of one description, and the differences between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Book", "Key"]

_KEPT = 8


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a description is of: ``target`` is a unit, or empty where it is everybody's."""

    data: str
    target: str

    @property
    def text(self) -> str:
        """The key as it stands in records."""
        return f"{self.data} {self.target}".rstrip()


class Book:
    """The newest version of a description, and some older ones to tell differences from."""

    __slots__ = ("_older", "items", "version")

    def __init__(self) -> None:
        self.version = 0
        self.items: dict[str, Any] = {}
        self._older: dict[int, dict[str, Any]] = {0: {}}

    def replace(self, version: int, items: Mapping[str, Any]) -> None:
        """Take a whole version."""
        self.version, self.items = version, dict(items)
        self._keep()

    def change(self, version: int, added: Mapping[str, Any], dropped: Iterable[str]) -> None:
        """Take what a version changes of the one before."""
        items = {**self.items, **added}
        for name in dropped:
            items.pop(name, None)
        self.replace(version, items)

    def since(self, version: int) -> dict[str, Any]:
        """Return the difference to ``version``; all of it, ``base`` 0, where that is forgotten."""
        base = version if version in self._older else 0
        old = self._older[base]
        return {
            "version": self.version,
            "base": base,
            "set": {
                name: value
                for name, value in self.items.items()
                if name not in old or old[name] != value
            },
            "drop": [name for name in old if name not in self.items],
        }

    def _keep(self) -> None:
        self._older[self.version] = self.items
        for old in sorted(self._older)[1:-_KEPT]:
            del self._older[old]
