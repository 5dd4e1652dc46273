"""Identifiers: ``kind/area/name[/part]``, ASCII, lower case, sorted as bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

__all__ = ["Sequencer", "index_hash", "is_identifier", "slug"]

_PART = r"[a-z0-9][a-z0-9._-]*"
_IDENTIFIER = re.compile(rf"{_PART}(/{_PART})+")


def slug(text: str) -> str:
    """Return ``text`` as one part of an identifier.

    >>> slug("LV4.101 Bus 12")
    'lv4.101-bus-12'
    """
    part = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")
    return part or "x"


def is_identifier(text: str) -> bool:
    """Tell whether ``text`` has the form ``kind/area/name[/part]``."""
    return _IDENTIFIER.fullmatch(text) is not None


def index_hash(identifiers: Iterable[str]) -> str:
    """Return a short hash of an ordered index, so that two sides can tell they agree on it."""
    return hashlib.sha256("\n".join(identifiers).encode()).hexdigest()[:16]


class Sequencer:
    """Hands out ``owner#1``, ``owner#2``, … to everything one owner makes.

    It begins after ``last``; ``reserve(n)`` is called before the first number of each block is
    given out, n being the last number of that block.
    """

    __slots__ = ("_block", "_last", "_owner", "_reserve", "_reserved")

    def __init__(
        self,
        owner: str,
        last: int = 0,
        reserve: Callable[[int], None] | None = None,
        block: int = 1,
    ) -> None:
        self._owner, self._last = owner, last
        self._reserve, self._block, self._reserved = reserve, block, last

    def __call__(self) -> str:
        """Return the next identifier."""
        self._last += 1
        if self._reserve is not None and self._last > self._reserved:
            self._reserved = self._last - 1 + self._block
            self._reserve(self._reserved)
        return f"{self._owner}#{self._last}"
