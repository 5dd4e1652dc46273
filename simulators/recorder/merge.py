"""Part files of a table merged into its final file, in bounded memory and always the same bytes.

Bytes depend on the rows alone: row groups are cut by row count, each is written from one
contiguous chunk, and nothing of the host or the time of day goes in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["merge_parts", "part_files", "write_parquet"]

_COMPRESSION = "zstd"


def part_files(folder: Path) -> list[Path]:
    """Return the part files of a table in the order in which they were written."""
    return sorted(folder.glob("*.parquet"), key=lambda path: int(path.stem))


def write_parquet(path: Path, schema: pa.Schema, groups: Iterable[pa.Table]) -> None:
    """Write one row group per table of ``groups``; the file appears only when it is whole."""
    draft = path.with_name(path.name + ".draft")
    try:
        with pq.ParquetWriter(draft, schema, compression=_COMPRESSION) as writer:
            for group in groups:
                writer.write_table(group.combine_chunks(), row_group_size=max(1, group.num_rows))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def merge_parts(
    parts: Sequence[Path], path: Path, schema: pa.Schema, sort: Sequence[str], group_rows: int
) -> None:
    """Write the rows of ``parts`` to ``path``, ordered by ``sort`` where it names columns."""
    tables = _in_order(parts, sort) if sort else (pq.read_table(part) for part in parts)
    write_parquet(path, schema, _regroup(tables, schema, group_rows))


def _regroup(tables: Iterable[pa.Table], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    pending = schema.empty_table()
    for table in tables:
        pending = pa.concat_tables([pending, table.cast(schema)])
        while pending.num_rows >= rows:
            yield pending.slice(0, rows)
            pending = pending.slice(rows)
    if pending.num_rows:
        yield pending


def _in_order(parts: Sequence[Path], sort: Sequence[str]) -> Iterator[pa.Table]:
    """Yield sorted tables whose concatenation is sorted.

    Rows come nearly in order of time, so what has to be held is only what lies after the
    earliest row of the parts not read yet.
    """
    first = sort[0]
    lows = [_lowest(part, first) for part in parts]
    for number in reversed(range(len(lows) - 1)):
        lows[number] = min(lows[number], lows[number + 1])
    held: pa.Table | None = None
    for number, part in enumerate(parts):
        table = pq.read_table(part)
        held = table if held is None else pa.concat_tables([held, table])
        held = held.sort_by([(name, "ascending") for name in sort])
        if number + 1 == len(parts):
            yield held
            return
        safe = _count_below(held[first], lows[number + 1])
        yield held.slice(0, safe)
        held = held.slice(safe).combine_chunks()


def _lowest(part: Path, column: str) -> int:
    group = pq.read_metadata(part).row_group(0)
    for number in range(group.num_columns):
        if group.column(number).path_in_schema == column:
            return int(group.column(number).statistics.min)
    raise KeyError(column)


def _count_below(sorted_column: pa.ChunkedArray, limit: int) -> int:
    return int(sorted_column.to_numpy().searchsorted(limit, side="left"))
