"""Refuse a pandapower file that is more than data, before anybody parses it as a network.

pandapower's JSON names the Python module and class of every object in it, and its reader
imports them. So that reader is never called: the document is read as plain JSON, every
``_module``/``_class`` pair in it, nested documents included, has to be one that a network
needs, and the tables are taken from it as numbers and texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fernwatt.errors import Fault, ScenarioError

__all__ = ["MAX_BYTES", "path_below", "read_network", "read_table"]

MAX_BYTES = 64 * 2**20
_MAX_DEPTH = 40
_ALLOWED = frozenset(
    {
        ("pandapower.auxiliary", "pandapowerNet"),
        ("pandas.core.frame", "DataFrame"),
        ("pandas.core.series", "Series"),
        ("numpy", "array"),
        ("numpy", "float64"),
        ("numpy", "int64"),
        ("numpy", "bool_"),
        ("builtins", "tuple"),
        ("builtins", "set"),
        ("networkx.classes.multigraph", "MultiGraph"),
        ("networkx", "MultiGraph"),
    }
)
_SUFFIXES = frozenset({".json"})


def path_below(base_dir: Path, name: str, place: str) -> Path:
    """Return file or folder ``name`` below ``base_dir``; ScenarioError where it is elsewhere."""
    base = base_dir.resolve()
    path = (base / name).resolve()
    if not path.is_relative_to(base):
        raise ScenarioError([Fault(place, f"{name} leads out of the scenario's folder")])
    if path.is_dir():
        return path
    if path.suffix.lower() not in _SUFFIXES:
        hint = "write it with pandapower.to_json; pickles and spreadsheets are not read"
        raise ScenarioError([Fault(place, f"{name} is not a .json file", hint)])
    if not path.is_file():
        raise ScenarioError([Fault(place, f"there is no file {path}")])
    return path


def read_network(path: Path, place: str) -> tuple[dict[str, pd.DataFrame], float]:
    """Return the tables of a pandapower file and its frequency [Hz].

    ScenarioError unless the file is plain data of a network in pandapower 3's format.
    """
    document = _document(path, place)
    faults: list[Fault] = []
    _walk(document, place, faults, 0)
    if faults:
        raise ScenarioError(faults)
    content = document.get("_object") if isinstance(document, dict) else None
    if not isinstance(content, dict) or document.get("_class") != "pandapowerNet":
        hint = "write it with pandapower.to_json"
        raise ScenarioError([Fault(place, f"{path.name} is not a pandapower network", hint)])
    tables = {
        name: _table(value, f"{place}.{name}")
        for name, value in content.items()
        if isinstance(value, Mapping) and value.get("_class") == "DataFrame"
    }
    f_hz = content.get("f_hz", 50.0)
    if type(f_hz) not in (int, float) or not 10 <= f_hz <= 400:
        raise ScenarioError([Fault(f"{place}.f_hz", f"{f_hz!r} is no mains frequency")])
    return tables, float(f_hz)


def read_table(path: Path, place: str) -> pd.DataFrame:
    """Return the table in a JSON file of its own; ScenarioError unless it is plain data."""
    document = _document(path, place)
    faults: list[Fault] = []
    _walk(document, place, faults, 0)
    if faults:
        raise ScenarioError(faults)
    return _table({"_object": document}, place)


def _document(path: Path, place: str) -> Any:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        message = f"{path.name} is larger than {MAX_BYTES // 2**20} MiB"
        raise ScenarioError([Fault(place, message, "leave out profiles and results")])
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ScenarioError([Fault(place, f"{path.name} is not JSON: {error}")]) from error


def _table(value: Mapping[str, Any], place: str) -> pd.DataFrame:
    inner = value.get("_object")
    try:
        split: Any = json.loads(inner) if isinstance(inner, str) else inner
        return pd.DataFrame(split["data"], index=split["index"], columns=split["columns"])
    except (ValueError, TypeError, KeyError) as error:
        hint = "write the file with pandapower 3"
        raise ScenarioError([Fault(place, f"cannot be read as a table: {error}", hint)]) from error


def _walk(value: Any, place: str, faults: list[Fault], depth: int) -> None:
    if depth > _MAX_DEPTH:
        faults.append(Fault(place, "nested too deeply"))
    elif isinstance(value, dict):
        if "_module" in value or "_class" in value:
            pair = (value.get("_module"), value.get("_class"))
            if not all(isinstance(part, str) for part in pair) or pair not in _ALLOWED:
                message = f"an object of {pair[0]}.{pair[1]} is not plain data and is refused"
                faults.append(Fault(place, message, "remove controllers and other objects"))
        for key, item in value.items():
            _walk(item, f"{place}.{key}", faults, depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, dict | list | str):
                _walk(item, f"{place}[{number}]", faults, depth + 1)
    elif isinstance(value, str) and ("_module" in value or "_class" in value or "\\u" in value):
        _walk_text(value, place, faults, depth)


def _walk_text(text: str, place: str, faults: list[Fault], depth: int) -> None:
    """Check a string that pandapower's reader may parse as JSON again (a table, a cell)."""
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        if "_module" in text and "_class" in text:
            faults.append(Fault(place, "a text that names a Python class is refused"))
        return
    _walk(inner, place, faults, depth + 1)
