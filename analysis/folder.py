"""Reading the files of a run folder: final tables, or the parts of a run that was cut off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fernwatt.errors import RunFolderError
from fernwatt.tables import TABLES, Table

__all__ = ["Values", "arrow_table", "read_json", "read_yaml", "table_columns", "to_numpy"]

Values = npt.NDArray[Any]

_PARTS = ".parts"
_TYPES = {"i": pa.int64(), "f": pa.float64(), "s": pa.string(), "b": pa.bool_()}


def read_json(path: Path, *, needed: bool = True) -> Any:
    """Return the content of a JSON file; None where it is not there and not needed."""
    if not path.is_file() and not needed:
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{path.parent} is no run folder of fernwatt: it has no {path.name}"
        ) from error
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} is damaged: {error}") from error


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; an empty mapping where it is not there."""
    if not path.is_file():
        return {}
    try:
        return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except (OSError, YAMLError) as error:
        raise RunFolderError(f"{path} is damaged: {error}") from error


def table_columns(name: str) -> Table:
    """Return the declaration of a table; RunFolderError names the tables there are."""
    if name not in TABLES:
        raise RunFolderError(f"there is no table {name!r}: there are {', '.join(sorted(TABLES))}")
    return TABLES[name]


def arrow_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Return columns of a table: of its final file, else of the parts written so far.

    A table of which nothing was written is empty. Raises RunFolderError where a file cannot be
    read or lacks a column.
    """
    table = table_columns(name)
    names = list(columns or (column.name for column in table.columns))
    path = folder / table.path
    parts = sorted((folder / _PARTS / name).glob("*.parquet"), key=lambda part: int(part.stem))
    files = [path] if path.is_file() else parts
    kinds = {column.name: _TYPES[column.kind] for column in table.columns}
    if not files:
        return pa.schema([(column, kinds[column]) for column in names]).empty_table()
    # Parts are in the order of writing; every column has to be put into the same order.
    keys = () if path.is_file() else table.sort
    read = [*names, *(key for key in keys if key not in names)]
    try:
        rows = pa.concat_tables([pq.ParquetFile(file).read(read) for file in files])
        if keys:
            rows = rows.sort_by([(key, "ascending") for key in keys])
        return rows.select(names)
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise RunFolderError(
            f"table {name} of {folder} cannot be read: {error}; "
            "run the scenario again, or restore the file"
        ) from error


def to_numpy(column: pa.ChunkedArray) -> Values:
    """Return a column as an array: null of numbers is NaN, text is of objects."""
    if pa.types.is_floating(column.type) or (
        pa.types.is_integer(column.type) and column.null_count
    ):
        values: Values = column.cast(pa.float64()).to_numpy()
        return values
    if pa.types.is_string(column.type):
        texts: Values = column.to_pandas().to_numpy(dtype=object)
        return texts
    return np.asarray(column.to_numpy())
