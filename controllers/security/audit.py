"""The audit log: every access that was granted or denied, chained by hashes.

An entry's hash covers the one before, so nothing can be changed, dropped from the middle or
inserted without the head telling. Whoever keeps a head from time to time can also tell that the
end was cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from hashlib import sha256

import cbor2

__all__ = ["GENESIS", "Audit", "Entry", "first_break"]

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision: when, which request, by whom, on what, and how it went."""

    t_ms: int
    request: str
    stakeholder: str
    service: str
    operation: str
    variable: str
    owner: str
    result: str

    def chained(self, before: bytes) -> bytes:
        """Return the hash of this entry after the one whose hash is ``before``."""
        return sha256(before + cbor2.dumps(list(astuple(self)), canonical=True)).digest()


class Audit:
    """A log that only grows; ``head`` stands for all of it."""

    __slots__ = ("entries", "head")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: list[Entry] = []
        self.head = GENESIS
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> bytes:
        """Append an entry; return the new head."""
        self.entries.append(entry)
        self.head = entry.chained(self.head)
        return self.head


def first_break(entries: Sequence[Entry], hashes: Sequence[bytes]) -> int | None:
    """Return the number of the first entry that does not fit its stored hash, None if all do.

    Raises ValueError where there are more hashes than entries, or fewer.
    """
    before = GENESIS
    for number, (entry, stored) in enumerate(zip(entries, hashes, strict=True)):
        before = entry.chained(before)
        if before != stored:
            return number
    return None
