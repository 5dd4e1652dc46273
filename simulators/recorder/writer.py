"""Streams the rows of a run into its folder.

While the run goes on, rows leave memory as part files ``.parts/<table>/00000.parquet``, each
whole and readable, cut by row count; a run that is killed is readable up to the last of them.
``close`` merges them into the tables of ``fernwatt.tables``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fernwatt.errors import ComponentError
from fernwatt.tables import TABLES, Table
from simulators.recorder.columns import RowError, arrow_schema, block_length, to_batch
from simulators.recorder.merge import merge_parts, part_files, write_parquet

__all__ = ["GROUP_ROWS", "PARTS", "PART_ROWS", "RunWriter", "TableWriter"]

PARTS = ".parts"
PART_ROWS = 4_096
GROUP_ROWS = 65_536
_SHORT = 64  # rows; shorter blocks are gathered as Python values before Arrow sees them


class TableWriter:
    """Writes one table: blocks of columns to part files, part files to the final one."""

    def __init__(
        self,
        table: Table,
        run_folder: Path,
        *,
        part_rows: int = PART_ROWS,
        group_rows: int = GROUP_ROWS,
    ) -> None:
        self.table, self.rows = table, 0
        self.path = run_folder / table.path
        self._folder = run_folder / PARTS / table.name
        self._part_rows, self._group_rows = part_rows, group_rows
        self._parts = self._pending = self._gathered_rows = 0
        self._batches: list[pa.RecordBatch] = []
        self._gathered: dict[str, list[Any]] = {column.name: [] for column in table.columns}

    def add(self, columns: Mapping[str, Any]) -> None:
        """Take equally long columns, or scalars to repeat; scalars alone make one row.

        Raises RowError where they do not fit the table; for short blocks a wrong type is
        found no later than when their part is written.
        """
        length = block_length(self.table, columns)
        if length < _SHORT:
            self._gather(columns, length)
        else:
            self._seal()
            self._batches.append(to_batch(self.table, columns, length))
        self._pending += length
        self.rows += length
        if self._pending >= self._part_rows:
            self._write_parts()

    def flush(self) -> None:
        """Write what is in memory to a part file."""
        self._write_parts()
        if self._pending:
            self._write_part(self._take())

    def merge(self) -> None:
        """Write the final file and remove the parts."""
        self.flush()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        schema = arrow_schema(self.table)
        parts = part_files(self._folder)
        merge_parts(parts, self.path, schema, self.table.sort, self._group_rows)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _gather(self, columns: Mapping[str, Any], length: int) -> None:
        for name, values in self._gathered.items():
            value = columns[name]
            if isinstance(value, np.ndarray):
                values.extend(value.tolist())
            elif isinstance(value, list | tuple):
                values.extend(value)
            else:
                values.extend([value] * length)
        self._gathered_rows += length

    def _seal(self) -> None:
        if not self._gathered_rows:
            return
        gathered, length = self._gathered, self._gathered_rows
        self._gathered = {name: [] for name in gathered}
        self._gathered_rows = 0
        self._batches.append(to_batch(self.table, gathered, length))

    def _take(self) -> pa.Table:
        self._seal()
        batches, self._batches, self._pending = self._batches, [], 0
        return pa.Table.from_batches(batches, schema=arrow_schema(self.table))

    def _write_parts(self) -> None:
        if self._pending < self._part_rows:
            return
        rows = self._take()
        whole = rows.num_rows - rows.num_rows % self._part_rows
        for begin in range(0, whole, self._part_rows):
            self._write_part(rows.slice(begin, self._part_rows))
        self._batches = rows.slice(whole).combine_chunks().to_batches()
        self._pending = rows.num_rows - whole

    def _write_part(self, rows: pa.Table) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._parts:05d}.parquet"
        write_parquet(path, rows.schema, [rows])
        self._parts += 1


class RunWriter:
    """Writes all tables of one run folder.

    ``t_ms`` is the simulated time that errors name; whoever feeds the writer keeps it.
    A full disk, and rows that do not fit, raise ComponentError; what was recorded before
    stays readable in ``.parts``.
    """

    def __init__(
        self, folder: Path | str, *, part_rows: int = PART_ROWS, group_rows: int = GROUP_ROWS
    ) -> None:
        self.folder, self.t_ms = Path(folder), -1
        self._broken = self._closed = False
        with self._guard("the run folder"):
            if (self.folder / PARTS).exists():
                raise ComponentError(
                    "recorder", -1, f"{self.folder} holds the rows of another run: name a new one"
                )
            (self.folder / PARTS).mkdir(parents=True)
        self._tables = {
            name: TableWriter(table, self.folder, part_rows=part_rows, group_rows=group_rows)
            for name, table in TABLES.items()
        }

    @property
    def rows(self) -> dict[str, int]:
        """Return how many rows each table has taken."""
        return {name: table.rows for name, table in self._tables.items()}

    def add(self, table: str, columns: Mapping[str, Any]) -> None:
        """Take a block of rows of a table (see ``TableWriter.add``)."""
        writer = self._tables.get(table)
        if writer is None:
            known = ", ".join(sorted(self._tables))
            raise ComponentError("recorder", self.t_ms, f"no table {table!r}; there are {known}")
        with self._guard(f"table {table}"):
            writer.add(columns)

    def flush(self) -> None:
        """Write all rows in memory to part files, so that a reader sees them."""
        for name, writer in self._tables.items():
            with self._guard(f"table {name}"):
                writer.flush()

    def close(self) -> None:
        """Merge the parts into the final tables; every table exists afterwards.

        After an error in writing it leaves the parts as they are. A second call does nothing.
        """
        if self._closed or self._broken:
            return
        for name, writer in self._tables.items():
            with self._guard(f"table {name}"):
                writer.merge()
        shutil.rmtree(self.folder / PARTS, ignore_errors=True)
        self._closed = True

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        try:
            yield
        except RowError as error:
            self._broken = True
            raise ComponentError("recorder", self.t_ms, str(error)) from error
        except OSError as error:
            self._broken = True
            reason = error.strerror or str(error)
            raise ComponentError(
                "recorder",
                self.t_ms,
                f"cannot write {what} in {self.folder}: {reason}; make room or choose another "
                "folder and run again (what was recorded so far stays readable)",
            ) from error
