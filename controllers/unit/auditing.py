"""The audit log of one unit: what it granted and denied, chained, kept, and given out in blocks.

Each decision is noted with the hash that chains it to the one before; the newest hash, and what
stands for entries that are forgotten, carry a tag that only the unit's keys can make. So what was
changed, dropped or added in its memory is found when the unit begins anew, and at any time by
``broken``. Kept are between half of ``_KEPT`` entries and all; of older ones stays how many of
each result there were, when, and the hash that the first kept one follows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from controllers.security.audit import GENESIS, Entry, first_break
from controllers.unit.notes import Notebook
from controllers.unit.service import Result
from controllers.unit.store import Instance

__all__ = ["AUDITS", "AuditLog"]

AUDITS = ("off", "denied", "all")
_DENIALS = {Result.DENIED, Result.RATE}
_COLLECTION, _HEAD, _SUMMARY = "audit", "head", "summary"
_KEPT = 1024
_BLOCK = 32
Tag = Callable[[bytes], bytes]


class AuditLog:
    """Keeps, in ``notes``, the decisions that ``level`` asks for; ``tag`` is by the unit's keys.

    ``broken`` is the number of the first entry that is not as it was written when the unit
    began: -1 where that is the head or the summary, None where all is as it was.
    """

    __slots__ = (
        "_first",
        "_head",
        "_keys",
        "_last",
        "_notes",
        "_summary",
        "_tag",
        "broken",
        "level",
    )

    def __init__(self, notes: Notebook, tag: Tag, level: str = "off") -> None:
        self.level, self._notes, self._tag = level, notes, tag
        self._first, self._last, self._head = 1, 0, GENESIS
        self._summary: dict[str, Any] = {}
        self.broken = self._resume()

    def __len__(self) -> int:
        return self._last - self._first + 1

    def wants(self, result: Result) -> bool:
        """Tell whether a decision is to be noted."""
        return self.level == "all" or (self.level == "denied" and result in _DENIALS)

    def add(self, entry: Entry) -> None:
        """Note a decision."""
        self._head = entry.chained(self._head)
        self._last += 1
        self._notes.put(_COLLECTION, str(self._last), [entry.text(), self._head])
        self._seal_head()
        if len(self) > _KEPT:
            self._forget(self._last - _KEPT // 2)

    def entries(self) -> list[tuple[int, Entry, bytes]]:
        """Return the entries kept: number, entry, hash."""
        return [(number, _entry(value), _hash(value)) for number, value in self._noted()]

    def check(self) -> int | None:
        """Return what ``broken`` would be if the unit began anew now."""
        return AuditLog(self._notes, self._tag).broken

    def instances(self, like: Callable[[dict[str, Any], int], Instance]) -> Iterator[Instance]:
        """Return the log as instances that ``like(value, t_ms)`` makes, a block each."""
        block: list[tuple[int, Entry, bytes]] = []
        before = self._before
        for one in self.entries():
            block.append(one)
            if one[0] % _BLOCK == 0 or one[0] == self._last:
                yield like(self._value(block, before), block[-1][1].t_ms)
                before, block = one[2], []

    def _value(self, block: list[tuple[int, Entry, bytes]], before: bytes) -> dict[str, Any]:
        return {
            "first": block[0][0],
            "before": before.hex(),
            "entries": [list(entry.fields()) for _, entry, _ in block],
            "head": block[-1][2].hex(),
            "forgotten": dict(self._summary.get("results", ())),
        }

    # -- keeping -----------------------------------------------------------------------------

    @property
    def _before(self) -> bytes:
        return bytes.fromhex(self._summary["before"]) if self._summary else GENESIS

    def _forget(self, upto: int) -> None:
        """Put a summary in the place of the oldest entries."""
        gone = [one for one in self.entries() if one[0] <= upto]
        results = Counter(dict(self._summary.get("results", ())))
        results.update(entry.result for _, entry, _ in gone)
        since_ms = self._summary.get("since_ms", gone[0][1].t_ms)
        self._summary = {
            "upto": upto,
            "before": gone[-1][2].hex(),
            "results": [list(pair) for pair in sorted(results.items())],
            "since_ms": since_ms,
            "until_ms": gone[-1][1].t_ms,
        }
        tag = self._tag(_bytes(self._summary))
        self._notes.put(_COLLECTION, _SUMMARY, [self._summary, tag])
        for number, _, _ in gone:
            self._notes.drop(_COLLECTION, str(number))
        self._first = upto + 1

    def _seal_head(self) -> None:
        tag = self._tag(self._last.to_bytes(8, "big") + self._head)
        self._notes.put(_COLLECTION, _HEAD, [self._last, self._head, tag])

    # -- beginning anew ----------------------------------------------------------------------

    def _noted(self) -> list[tuple[int, list[Any]]]:
        items = self._notes.items(_COLLECTION)
        return sorted((int(key), value) for key, value in items.items() if key.isdecimal())

    def _resume(self) -> int | None:
        """Go on after the newest entry; return where what was noted is not as it was written."""
        items = self._notes.items(_COLLECTION)
        if not items:
            return None
        noted = self._noted()
        try:
            if _SUMMARY in items:
                summary, tag = items[_SUMMARY]
                if self._tag(_bytes(summary)) != tag:
                    return self._begin_again(noted)
                self._summary, self._first = summary, summary["upto"] + 1
            last, head, tag = items[_HEAD]
            self._last, self._head = last, head
            if self._tag(last.to_bytes(8, "big") + head) != tag:
                return self._begin_again(noted)
            return self._verify(noted)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return self._begin_again(noted)

    def _verify(self, noted: list[tuple[int, list[Any]]]) -> int | None:
        for expected, (number, _) in enumerate(noted, self._first):
            if number != expected:
                return expected
        hashes = [_hash(value) for _, value in noted]
        entries = [_entry(value) for _, value in noted]
        wrong = first_break(entries, hashes, self._before)
        if wrong is not None:
            return self._first + wrong
        if (hashes[-1] if hashes else self._before) != self._head or len(noted) != len(self):
            return self._last
        return None

    def _begin_again(self, noted: list[tuple[int, list[Any]]]) -> int:
        """Chain what comes to nothing before: neither head nor summary is to be trusted."""
        self._last = max([number for number, _ in noted] or [self._last])
        self._first, self._head, self._summary = self._last + 1, GENESIS, {}
        return -1


def _entry(value: Any) -> Entry:
    """Return a noted entry; what is none any more reads so, and breaks the chain."""
    try:
        return Entry.of_text(value[0])
    except (ValueError, TypeError, LookupError, AttributeError):
        return Entry(0, "", "", "", "", "", "", "unreadable")


def _hash(value: Any) -> bytes:
    stored = value[1] if isinstance(value, list) and len(value) == 2 else b""
    return stored if isinstance(stored, bytes) else b""


def _bytes(summary: dict[str, Any]) -> bytes:
    return repr(sorted(summary.items())).encode()
