"""A network as a folder: a file for each table, as pandas writes the tables of pandapower's.

``net.bus.to_csv("bus.csv")`` or ``net.bus.to_json("bus.json", orient="split")``, and so on.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import pandas as pd

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import safejson
from fernwatt.gridmodel.checks import UNSUPPORTED
from fernwatt.gridmodel.raw import SOURCE_COLUMNS

__all__ = ["read_folder"]

_SUFFIXES = (".csv", ".json")
_KNOWN = sorted({*SOURCE_COLUMNS, *UNSUPPORTED})


def read_folder(folder: Path, place: str) -> tuple[dict[str, pd.DataFrame], float]:
    """Return the tables in ``folder``, and its frequency, which is 50 Hz.

    ScenarioError for a file that is no table of a network, cannot be read, or lies elsewhere.
    """
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    faults = [fault for path in paths for fault in _misplaced(path, folder, place)]
    stems = [path.stem for path in paths]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    faults += [Fault(place, f"table {stem} is there twice", "leave one file") for stem in twice]
    if not paths:
        faults.append(Fault(place, f"{folder.name} is empty", "a file for each table: bus.csv, …"))
    elif not faults and sum(path.stat().st_size for path in paths) > safejson.MAX_BYTES:
        message = f"{folder.name} is larger than {safejson.MAX_BYTES // 2**20} MiB"
        faults.append(Fault(place, message, "leave out profiles and results"))
    if faults:
        raise ScenarioError(faults)
    return {path.stem: _table(path, f"{place}.{path.stem}") for path in paths}, 50.0


def _misplaced(path: Path, folder: Path, place: str) -> list[Fault]:
    real = path.resolve()
    if not real.is_relative_to(folder.resolve()) or not real.is_file():
        return [Fault(place, f"{path.name} is no file of the folder")]
    if path.suffix not in _SUFFIXES:
        hint = "tables are .csv or .json; pickles and spreadsheets are not read"
        return [Fault(place, f"{path.name} is no table", hint)]
    if path.stem not in _KNOWN:
        near = difflib.get_close_matches(path.stem, _KNOWN, 1)
        hint = f"did you mean {near[0]}?" if near else f"tables are {', '.join(SOURCE_COLUMNS)}"
        return [Fault(place, f"{path.name} is no table of a network", hint)]
    return []


def _table(path: Path, place: str) -> pd.DataFrame:
    if path.suffix == ".json":
        return safejson.read_table(path, place)
    try:
        table: pd.DataFrame = pd.read_csv(path, index_col=0, encoding="utf-8", low_memory=False)
    except ValueError as error:  # of the parser, of the encoding, of an empty file
        hint = "comma-separated, the first column numbers the rows, the first row names the columns"
        raise ScenarioError([Fault(place, f"cannot be read as a table: {error}", hint)]) from error
    return table
