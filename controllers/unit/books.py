"""Result rows in the making: tuples by table, handed out as columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fernwatt.tables import TABLES

__all__ = ["Books", "Row"]

Row = tuple[str, dict[str, list[Any]]]
_COLUMNS = {name: tuple(column.name for column in table.columns) for name, table in TABLES.items()}


class Books:
    """Collects the rows of one step."""

    __slots__ = ("_count", "_rows")

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, table: str, *values: Any) -> None:
        """Add a row, its values in the order of the table's columns."""
        self._rows.setdefault(table, []).append(values)
        self._count += 1

    def add_row(self, table: str, row: Mapping[str, Any]) -> None:
        """Add a row by column name; raises KeyError and ValueError where it does not fit."""
        columns = _COLUMNS[table]
        if len(row) != len(columns):
            raise ValueError(f"a row of {table} has the columns {', '.join(columns)}")
        self.add(table, *(row[column] for column in columns))

    def take(self) -> list[Row]:
        """Return what was added since the last time, a table at a time."""
        out = []
        for table, rows in self._rows.items():
            columns = zip(*rows, strict=True)
            out.append((table, dict(zip(_COLUMNS[table], map(list, columns), strict=True))))
        self._rows, self._count = {}, 0
        return out
