"""Service ``registry``: keeps descriptions by version, passes on what changed, keeps the last.

A unit tells the one above which versions it has (``registry.have``): when it begins, and now and
then. The one above writes what it lacks (``registry.change``): only the difference, where it knows
the version; and whatever changes later, as soon as it is acknowledged what came before. So what is
lost is sent again, and a unit that was down comes up to date. What is a unit's own, or everybody's,
it keeps as the instance of its variable (``{version, items}``), and has it after a restart; what it
only passes on it asks for anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.registry.book import Book, Key
from controllers.unit.service import Notification, Result, UnitContext
from controllers.unit.shapes import fits

__all__ = ["DATA", "Registry", "Source"]

DATA = ("grid.model", "grid.phases", "loss.reference", "tariff.table", "der.configuration")
CHANGE, HAVE = "registry.change", "registry.have"
_SPREAD_MS = 120_000
_AGAIN_MS = 300_000


@dataclass(frozen=True, slots=True)
class Source:
    """What the top makes of a description at some instant."""

    at_ms: int
    key: Key
    added: Mapping[str, Any]
    dropped: tuple[str, ...]


class Registry:
    """One unit's descriptions; ``below`` are, by child, the units behind it."""

    name = "registry"

    __slots__ = (
        "_below",
        "_books",
        "_check_ms",
        "_context",
        "_has",
        "_open",
        "_parent",
        "_sources",
        "_unit",
        "_writes",
    )

    _context: UnitContext

    def __init__(
        self,
        unit: str,
        parent: str,
        below: Mapping[str, frozenset[str]],
        sources: Sequence[Source],
        check_ms: int,
    ) -> None:
        self._unit, self._parent, self._below = unit, parent, below
        self._sources = sorted(sources, key=lambda source: (source.at_ms, source.key))
        self._check_ms = check_ms
        self._books: dict[Key, Book] = {}
        # child -> what it said it has; and what has been sent to it and is not acknowledged
        self._has: dict[str, dict[Key, int]] = {}
        self._open: set[tuple[str, Key]] = set()
        self._writes: dict[str, tuple[str, Key, int]] = {}

    def book(self, data: str, target: str = "") -> Book | None:
        """Return a description that the unit holds or passes on."""
        return self._books.get(Key(data, target))

    # -- stimuli -----------------------------------------------------------------------------

    def start(self, context: UnitContext) -> None:
        """Take up what the unit kept, hear of changes, tell the unit above what there is."""
        self._context = context
        for variable in (CHANGE, HAVE):
            context.data.event(variable, context.unit)
        if self._parent:
            for data in DATA:
                context.data.query(data, context.unit)
            spread_ms = int(context.stream("registry").integers(_SPREAD_MS))
            context.set_timer("have", context.now_ms + spread_ms)
        else:
            context.set_timer("source", context.now_ms)

    def notify(self, notification: Notification) -> None:
        """Take a change, a child's versions, an own description, or the outcome of a write."""
        sent = self._writes.pop(notification.request, None)
        if sent is not None:
            self._acknowledged(*sent, notification)
        elif not self._is_own(notification):
            return
        elif notification.variable == CHANGE:
            self._change(notification.value, notification.id)
        elif notification.variable == HAVE:
            self._heard(notification.value, notification.id)
        elif notification.variable in DATA:
            self._kept(notification.variable, notification.value)

    def _is_own(self, notification: Notification) -> bool:
        """Tell whether a notification brings an instance of this unit."""
        value, here = notification.value, notification.location == self._unit
        there = here and notification.result is Result.OK and notification.t_ms != -1
        return there and isinstance(value, dict) and fits(notification.variable, value)

    def timer(self, name: str) -> None:
        """Make what is due at the top, tell what there is, or send again."""
        context = self._context
        if name == "source":
            self._make()
        elif name == "have":
            self._tell("")
            context.set_timer("have", context.now_ms + self._check_ms)
        else:
            for child in self._has:
                self._send(child, "")

    # -- the top -----------------------------------------------------------------------------

    def _make(self) -> None:
        """Make the versions that are due, after a restart all of the past again."""
        context = self._context
        while self._sources and self._sources[0].at_ms <= context.now_ms:
            source = self._sources.pop(0)
            book = self._books.setdefault(source.key, Book())
            book.change(book.version + 1, source.added, source.dropped)
            told = {"data": source.key.data, "version": book.version, "items": len(book.items)}
            element = source.key.target or self._unit
            cause = context.decide("version_made", element, told, ())
            self._keep(source.key, book, cause)
            self._pass_on(source.key, cause)
        if self._sources:
            context.set_timer("source", self._sources[0].at_ms)

    # -- from above --------------------------------------------------------------------------

    def _tell(self, cause: str) -> None:
        versions = {key.text: book.version for key, book in sorted(self._books.items())}
        record = {"unit": self._unit, "versions": versions}
        self._context.data.write(HAVE, self._parent, record, cause=cause)

    def _change(self, value: Mapping[str, Any], cause: str) -> None:
        """Apply a difference; one that does not fit is answered by what there is."""
        key = Key(value["data"], value["target"])
        if key.data not in DATA or not all(isinstance(name, str) for name in value["drop"]):
            return
        book = self._books.setdefault(key, Book())
        version, base = int(value["version"]), int(value["base"])
        if version <= book.version:
            return  # it came twice
        if base == 0:
            book.replace(version, value["set"])
        elif base == book.version:
            book.change(version, value["set"], value["drop"])
        else:
            self._tell(cause)
            return
        told = {"data": key.data, "version": version, "changed": len(value["set"])}
        decision = self._context.decide("version_taken", self._unit, told, (cause,))
        self._keep(key, book, decision)
        self._pass_on(key, decision)

    def _keep(self, key: Key, book: Book, cause: str) -> None:
        """Write what is the unit's own, or everybody's, as an instance."""
        if key.target in {"", self._unit}:
            record = {"version": book.version, "items": book.items}
            self._context.data.write(key.data, self._unit, record, cause=cause)

    def _kept(self, data: str, value: Mapping[str, Any]) -> None:
        """Go on after a restart with what the unit kept."""
        target = self._unit if data in {"grid.model", "grid.phases", "loss.reference",
                                        "der.configuration"} else ""  # fmt: skip
        book = self._books.setdefault(Key(data, target), Book())
        if value["version"] > book.version:
            book.replace(value["version"], value["items"])

    # -- downwards ---------------------------------------------------------------------------

    def _heard(self, value: Mapping[str, Any], cause: str) -> None:
        """Take what a child has; nobody speaks for another."""
        child = str(value.get("unit"))
        if child not in self._below or cause.rpartition("#")[0] != child:
            self._context.decide("versions_refused", child, None, (cause,))
            return
        has: dict[Key, int] = {}
        for text, version in value["versions"].items():
            data, _, target = text.partition(" ")
            has[Key(data, target)] = version if type(version) is int else 0
        self._has[child] = has
        self._send(child, cause)

    def _pass_on(self, key: Key, cause: str) -> None:
        for child in self._has:
            if key.target == "" or key.target in self._below[child]:
                self._offer(child, key, cause)

    def _send(self, child: str, cause: str) -> None:
        for key in sorted(self._books):
            if key.target == "" or key.target in self._below[child]:
                self._offer(child, key, cause)

    def _offer(self, child: str, key: Key, cause: str) -> None:
        """Write to a child what it lacks of one description, unless that is under way."""
        book, has = self._books[key], self._has[child].get(key, 0)
        if book.version <= has or (child, key) in self._open:
            return
        record = {"data": key.data, "target": key.target, **book.since(has)}
        issued = self._context.data.write(CHANGE, child, record, cause=cause)
        if issued.result is Result.ISSUED:
            self._open.add((child, key))
            self._writes[issued.id] = (child, key, book.version)

    def _acknowledged(self, child: str, key: Key, version: int, notification: Notification) -> None:
        self._open.discard((child, key))
        if notification.result is Result.OK:
            self._has[child][key] = version
            self._offer(child, key, notification.id)
        else:
            self._context.set_timer("again", self._context.now_ms + _AGAIN_MS)
