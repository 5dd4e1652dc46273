"""The audit log: every access that was granted or denied, chained by hashes.

An entry's hash covers the one before, so nothing can be changed, dropped from the middle or
inserted without the head telling. Whoever keeps a head from time to time can also tell that the
end was cut off. The fields of an entry stand one after another, each with its length before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

__all__ = ["GENESIS", "Audit", "Entry", "first_break"]

GENESIS = bytes(32)
_FIELDS = 8


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
        return sha256(before + self.text().encode()).digest()

    def text(self) -> str:
        """Return the entry as it is hashed and kept: each field's length and the field."""
        return "".join(f"{len(field)}:{field}" for field in map(str, self.fields()))

    def fields(self) -> tuple[int | str, ...]:
        """Return the fields in their order."""
        return (
            self.t_ms, self.request, self.stakeholder, self.service, self.operation,
            self.variable, self.owner, self.result,
        )  # fmt: skip

    @classmethod
    def of_text(cls, text: str) -> Entry:
        """Return the entry of its text; raises ValueError."""
        fields, at = [], 0
        while at < len(text):
            colon = text.index(":", at)
            end = colon + 1 + int(text[at:colon])
            fields.append(text[colon + 1 : end])
            at = end
        if at != len(text) or len(fields) != _FIELDS:
            raise ValueError("no entry of an audit log")
        return cls(int(fields[0]), *fields[1:])


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


def first_break(
    entries: Sequence[Entry], hashes: Sequence[bytes], before: bytes = GENESIS
) -> int | None:
    """Return the number of the first entry that does not fit its stored hash, None if all do.

    ``before`` is the hash that the first one follows. Raises ValueError where there are more hashes
    than entries, or fewer.
    """
    for number, (entry, stored) in enumerate(zip(entries, hashes, strict=True)):
        before = entry.chained(before)
        if before != stored:
            return number
    return None
