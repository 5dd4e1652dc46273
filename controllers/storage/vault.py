"""One SQLite file for the data of many units, each with keys of its own.

The file shows how many items a series has, how long they are and when they were written, and
nothing else: names are keyed hashes, contents encrypted. What was committed survives the end of
the process at any instant (write-ahead log); ``commit`` comes before an acknowledgement leaves.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import cbor2

from controllers.storage import sealing
from controllers.storage.sealing import Box, TamperedError
from controllers.unit.policy import Policy
from controllers.unit.store import Instance

__all__ = ["UnitVault", "Vault"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    unit BLOB, name BLOB, wrapped BLOB, PRIMARY KEY (unit, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS item (
    unit BLOB, series BLOB, number INTEGER, sealed BLOB,
    PRIMARY KEY (unit, series, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    unit BLOB, collection BLOB, name BLOB, sealed BLOB,
    PRIMARY KEY (unit, collection, name)) WITHOUT ROWID;
"""
_COLLECTION, _SLACK = "collection", 64
Key = tuple[str, str, str]


class Vault:
    """A file; ``unit`` opens the part of one unit."""

    __slots__ = ("_db",)

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")

    def unit(self, identifier: str, key: bytes, names: bytes | None = None) -> UnitVault:
        """Return the store of one unit, whose key at rest is ``key`` (32 bytes).

        ``names`` is the key that names are hashed with, which never changes; without, ``key``.
        """
        return UnitVault(self._db, identifier, key, names or key)

    def commit(self) -> None:
        """Make all that was written so far survive the process."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Commit and close the file."""
        self._db.execute("COMMIT")
        self._db.close()


class _Series:
    """What is remembered of one series: its data key, its numbers and times, its newest item."""

    __slots__ = ("box", "name", "newest", "numbers", "times", "top_ms")

    def __init__(self, name: bytes, box: Box) -> None:
        self.name, self.box = name, box
        self.numbers, self.times = array("q"), array("q")
        self.newest: Instance | None = None
        self.top_ms = -(1 << 62)

    def add(self, number: int, instance: Instance) -> None:
        """Remember one more item."""
        self.numbers.append(number)
        self.times.append(instance.t_ms)
        if instance.t_ms >= self.top_ms:
            self.newest, self.top_ms = instance, instance.t_ms


class UnitVault:
    """One unit's instances (the interface ``Store``) and its notes (``Notebook``).

    Raises TamperedError where the file does not open with the unit's key.
    """

    __slots__ = ("__key", "_db", "_known", "_retention", "_unit")

    def __init__(self, db: sqlite3.Connection, identifier: str, key: bytes, names: bytes) -> None:
        self._db, self.__key = db, key
        self._unit = sealing.blind(names, "unit", identifier)
        self._known: dict[Key, _Series] = {}
        self._retention: dict[str, int] = {}

    # -- instances ---------------------------------------------------------------------------

    def append(self, instance: Instance, retention_ms: int) -> None:
        """Keep ``instance``; what is older than the newest by more than the retention may go."""
        key = (instance.variable, instance.owner, instance.location)
        series = self._series(key)
        number = series.numbers[-1] + 1 if series.numbers else 0
        plain = cbor2.dumps(
            [instance.id, instance.value, instance.t_ms, instance.policy.plain()], canonical=True
        )
        self._put(series, number, plain)
        series.add(number, instance)
        self._retention[instance.variable] = retention_ms
        if len(series.numbers) % _SLACK == 0:
            self._trim(series, retention_ms)

    def newest(self, variable: str, owner: str, location: str) -> Instance | None:
        """Return the instance with the latest stamp (of equal ones that written later), or None."""
        return self._series((variable, owner, location)).newest

    def series(self, variable: str, owner: str, location: str) -> Iterator[Instance]:
        """Return the instances within the retention, in the order of writing."""
        key = (variable, owner, location)
        series = self._series(key)
        floor_ms = series.top_ms - self._retention.get(variable, 1 << 61)
        for number, plain in self._items(series):
            instance = _instance(key, plain)
            if instance.t_ms >= floor_ms and number >= series.numbers[0]:
                yield instance

    def delete(self, variable: str, owner: str, location: str) -> None:
        """Destroy a series: its data key goes, so no copy of its items can be read again."""
        series = self._known.pop((variable, owner, location), None) or self._series(
            (variable, owner, location)
        )
        self._known.pop((variable, owner, location), None)
        for table, column in (("item", "series"), ("series", "name")):
            self._db.execute(
                f"DELETE FROM {table} WHERE unit = ? AND {column} = ?",  # noqa: S608 - constants
                (self._unit, series.name),
            )

    # -- notes -------------------------------------------------------------------------------

    def put(self, collection: str, key: str, value: Any) -> None:
        """Keep the value (JSON types and bytes) of a key in place of the one before."""
        series = self._series((_COLLECTION, collection, ""))
        name = sealing.blind(self._unit, collection, key)
        plain = cbor2.dumps([key, value], canonical=True)
        self._db.execute(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)",
            (self._unit, series.name, name, series.box.seal(plain, self._unit + name)),
        )

    def drop(self, collection: str, key: str) -> None:
        """Forget a key."""
        series = self._series((_COLLECTION, collection, ""))
        self._db.execute(
            "DELETE FROM entry WHERE unit = ? AND collection = ? AND name = ?",
            (self._unit, series.name, sealing.blind(self._unit, collection, key)),
        )

    def items(self, collection: str) -> dict[str, Any]:
        """Return all keys of a collection with their values, by key."""
        series = self._series((_COLLECTION, collection, ""))
        rows = self._db.execute(
            "SELECT name, sealed FROM entry WHERE unit = ? AND collection = ?",
            (self._unit, series.name),
        )
        found = [cbor2.loads(series.box.open(sealed, self._unit + name)) for name, sealed in rows]
        return dict(sorted(found))

    def wipe(self, keep: Collection[str]) -> None:
        """Destroy all instances and all notes but the collections ``keep``, data keys first."""
        kept = {collection: self.items(collection) for collection in keep}
        for table in ("series", "item", "entry"):
            self._db.execute(
                f"DELETE FROM {table} WHERE unit = ?",  # noqa: S608 - constants
                (self._unit,),
            )
        self._known.clear()
        for collection, entries in kept.items():
            for key, value in entries.items():
                self.put(collection, key, value)

    # -- keys --------------------------------------------------------------------------------

    def rotate(self, key: bytes) -> None:
        """Have the unit's data under another key from now on; the old one opens nothing more."""
        rows = self._db.execute(
            "SELECT name, wrapped FROM series WHERE unit = ?", (self._unit,)
        ).fetchall()
        for name, wrapped in rows:
            context = self._unit + name
            data_key = sealing.unwrap(self.__key, wrapped, context)
            self._db.execute(
                "UPDATE series SET wrapped = ? WHERE unit = ? AND name = ?",
                (sealing.wrap(key, data_key, context), self._unit, name),
            )
        self.__key = key

    # -- within ------------------------------------------------------------------------------

    def _series(self, key: Key) -> _Series:
        series = self._known.get(key)
        if series is None:
            series = self._known[key] = self._open(key)
        return series

    def _open(self, key: Key) -> _Series:
        name = sealing.blind(self._unit, *key)
        context = self._unit + name
        row = self._db.execute(
            "SELECT wrapped FROM series WHERE unit = ? AND name = ?", (self._unit, name)
        ).fetchone()
        if row is None:
            data_key = sealing.new_key()
            self._db.execute(
                "INSERT INTO series VALUES (?, ?, ?)",
                (self._unit, name, sealing.wrap(self.__key, data_key, context)),
            )
            return _Series(name, Box(data_key))
        series = _Series(name, Box(sealing.unwrap(self.__key, row[0], context)))
        for number, plain in self._items(series):
            series.add(number, _instance(key, plain))
        return series

    def _items(self, series: _Series) -> Iterator[tuple[int, bytes]]:
        rows = self._db.execute(
            "SELECT number, sealed FROM item WHERE unit = ? AND series = ? ORDER BY number",
            (self._unit, series.name),
        )
        for number, sealed in rows:
            yield number, series.box.open(sealed, self._context(series, number))

    def _put(self, series: _Series, number: int, plain: bytes) -> None:
        sealed = series.box.seal(plain, self._context(series, number))
        self._db.execute(
            "INSERT INTO item VALUES (?, ?, ?, ?)", (self._unit, series.name, number, sealed)
        )

    def _context(self, series: _Series, number: int) -> bytes:
        return self._unit + series.name + number.to_bytes(8, "big")

    def _trim(self, series: _Series, retention_ms: int) -> None:
        """Forget the oldest, in batches so that appending stays cheap."""
        floor_ms, drop = series.top_ms - retention_ms, 0
        while drop < len(series.times) - 1 and series.times[drop] < floor_ms:
            drop += 1
        if drop >= _SLACK // 2:
            del series.numbers[:drop], series.times[:drop]
            self._db.execute(
                "DELETE FROM item WHERE unit = ? AND series = ? AND number < ?",
                (self._unit, series.name, series.numbers[0]),
            )


def _instance(key: Key, plain: bytes) -> Instance:
    variable, owner, location = key
    try:
        identifier, value, t_ms, policy = cbor2.loads(plain)
    except (ValueError, TypeError) as error:
        raise TamperedError("an item of the store is no instance") from error
    return Instance(identifier, variable, value, t_ms, location, owner, Policy.from_plain(policy))
