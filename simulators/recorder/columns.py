"""Blocks of columns, checked against the tables' declaration, as Arrow batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fernwatt.tables import Column, Table

__all__ = ["RowError", "arrow_schema", "block_length", "to_batch"]

_TYPES = {"i": pa.int64(), "f": pa.float64(), "s": pa.string(), "b": pa.bool_()}
_WORDS = {"i": "an integer", "f": "a number", "s": "text", "b": "true or false"}
_FOREIGN: dict[str, tuple[type, ...]] = {
    "i": (bool, float),  # Arrow would cut the fraction off
    "f": (bool,),
    "s": (bytes,),
    "b": (),
}
_LISTS = (list, tuple, np.ndarray)


class RowError(ValueError):
    """Rows that do not fit their table: says table, column, and what is wrong."""


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table, columns in the order of their declaration."""
    return pa.schema([pa.field(c.name, _TYPES[c.kind], nullable=c.nullable) for c in table.columns])


def block_length(table: Table, columns: Mapping[str, Any]) -> int:
    """Return the number of rows of a block; scalars repeat, and alone make one row.

    Raises RowError where names are missing or unknown, or lengths differ.
    """
    names = [column.name for column in table.columns]
    if columns.keys() != set(names):
        missing = [name for name in names if name not in columns]
        unknown = sorted(columns.keys() - set(names))
        faults = [
            f"{word} {', '.join(some)}"
            for word, some in (("missing", missing), ("unknown", unknown))
            if some
        ]
        raise RowError(f"table {table.name}: columns {'; '.join(faults)}")
    lengths = {name: len(columns[name]) for name in names if isinstance(columns[name], _LISTS)}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise RowError(f"table {table.name}: columns differ in length: {text}")
    return next(iter(lengths.values()), 1)


def to_batch(table: Table, columns: Mapping[str, Any], length: int) -> pa.RecordBatch:
    """Return a block as an Arrow batch of ``length`` rows.

    Raises RowError where a value has the wrong type, is NaN or infinite, or is null in a
    column that may not hold null.
    """
    schema = arrow_schema(table)
    arrays = [_to_array(table, column, columns[column.name], length) for column in table.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _to_array(table: Table, column: Column, values: Any, length: int) -> pa.Array:
    if not isinstance(values, _LISTS):
        values = [values] * length
    array = _convert(table, column, values)
    if array.null_count and not column.nullable:
        raise RowError(f"table {table.name}, column {column.name}: null is not allowed")
    if column.kind == "f" and not pc.all(pc.is_finite(array), min_count=0).as_py():
        raise RowError(f"table {table.name}, column {column.name}: NaN or infinite value")
    return array


def _convert(table: Table, column: Column, values: Any) -> pa.Array:
    kind = _TYPES[column.kind]
    try:
        _refuse_foreign(column, values)
        return pa.array(values, type=kind, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        culprit = _culprit(values, column)
        raise RowError(
            f"table {table.name}, column {column.name}: expected {_WORDS[column.kind]}"
            f"{' or null' if column.nullable else ''}, got {culprit}"
        ) from error


def _refuse_foreign(column: Column, values: Any) -> None:
    """Refuse what Arrow would convert without a word: fractions, truth values, bytes."""
    if isinstance(values, np.ndarray):
        foreign = (
            values.dtype.kind not in {"i": "iuO", "f": "fiuO", "s": "UO", "b": "bO"}[column.kind]
        )
    else:
        foreign = any(isinstance(value, _FOREIGN[column.kind]) for value in values)
    if foreign:
        raise pa.ArrowInvalid("a value that Arrow would convert without a word")


def _culprit(values: Any, column: Column) -> str:
    """Return the first value that does not fit, for the error message."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return f"an array of {values.dtype}"
    for value in values:
        try:
            fits = not isinstance(value, _FOREIGN[column.kind])
            pa.array([value], type=_TYPES[column.kind], from_pandas=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            fits = False
        if not fits:
            return f"{value!r:.60} ({type(value).__name__})"
    return "values of mixed types"
