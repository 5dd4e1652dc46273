"""The key of a group: generations that its head draws, and steps that everybody can take.

When somebody joins, the key is hashed on: members can follow, who joined cannot go back, and
nobody has to be told. When somebody leaves, a new generation begins, which each who remains is
given. A tag of eight bytes less one bit shows who has the key.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

__all__ = ["Keyring", "tag_of"]

_STEP = b"fernwatt/group/step/v1"
_MOST_STEPS = 1 << 16
_TAG_BITS = 63  # an integer on the wire is signed


class Keyring:
    """One generation's key, from the step on at which it was got."""

    __slots__ = ("_first", "_keys", "generation")

    def __init__(self, generation: int, step: int, key: bytes) -> None:
        self.generation, self._first, self._keys = generation, step, [key]

    @property
    def step(self) -> int:
        """The newest step that was taken."""
        return self._first + len(self._keys) - 1

    @property
    def number(self) -> int:
        """A number that stands for generation and step."""
        return self.generation * _MOST_STEPS + self.step

    def key(self, step: int) -> bytes | None:
        """Return the key of a step, which is taken if need be; None for one that is before."""
        if not self._first <= step < self._first + _MOST_STEPS:
            return None
        while self.step < step:
            self.advance()
        return self._keys[step - self._first]

    def advance(self) -> None:
        """Take one step."""
        self._keys.append(hmac.digest(self._keys[-1], _STEP, sha256))


def tag_of(key: bytes, unit: str, parent: str) -> int:
    """Return what shows ``parent`` that ``unit`` has the key."""
    text = "\x1f".join(("beat", unit, parent)).encode()
    return int.from_bytes(hmac.digest(key, text, sha256)[:8], "big") >> (64 - _TAG_BITS)
