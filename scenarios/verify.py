"""Rerun a run from its folder alone, and say where it differs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fernwatt.errors import RunFolderError, ScenarioError
from scenarios import manifest as manifests
from scenarios.loader import load
from scenarios.runner import run

__all__ = ["verify"]

_KEYS = 3  # columns that tell a row: time, element, kind
_SHOWN = 5


def verify(folder: Path | str) -> list[str]:
    """Return what differs: recorded bytes against their hashes, then against a rerun.

    Empty when all is identical. Of a table that differs, the first row and column that does is
    named. Raises RunFolderError for a run that is not complete, SimulationError where its rerun
    fails.
    """
    folder = Path(folder)
    recorded = _manifest(folder)
    expected = _hashes(recorded)
    altered = [path for path, digest in expected.items() if _hash(folder / path) != digest]
    try:
        scenario = load(folder / "scenario.yaml", base_dir=folder / "inputs")
    except ScenarioError as error:
        told = [f"{path}: not as recorded" for path in altered]
        return [*told, f"scenario.yaml: cannot be run again: {error}"]
    with tempfile.TemporaryDirectory() as scratch:
        rerun = run(scenario, folder=Path(scratch) / "rerun", with_report=False).check()
        again = manifests.read(rerun.folder)
        others = _others(expected, _hashes(again))
        differences = [
            f"{path}: not as recorded"
            + ("" if path in others else _place(rerun.folder / path, folder / path))
            for path in altered
        ]
        if again["hashes"]["data"] != recorded["hashes"]["data"]:
            differences.append("inputs: they, or SimBench's data, are others than in the run")
        differences += [
            f"{path}: the rerun gives other bytes"
            + ("" if path in altered else _place(folder / path, rerun.folder / path))
            for path in others
        ]
    return differences + (_reasons(recorded, again) if differences else [])


def _others(expected: Mapping[str, str], again: Mapping[str, str]) -> list[str]:
    """Return the results that came out otherwise; the scenario is no result."""
    return [
        path
        for path, digest in expected.items()
        if again.get(path) != digest and path != "scenario.yaml"
    ]


def _manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a complete run; raise RunFolderError for anything else."""
    try:
        recorded = manifests.read(folder)
        status = recorded["status"]
        if status == "complete":
            _hashes(recorded)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{folder}: the manifest cannot be read: {error!r}") from error
    if status != "complete":
        raise RunFolderError(f"{folder}: the run is {status}, not complete")
    return recorded


def _hashes(manifest: Mapping[str, Any]) -> dict[str, str]:
    hashes = manifest["hashes"]
    return {**hashes["tables"], "kpis.json": hashes["kpis"], "scenario.yaml": hashes["scenario"]}


def _hash(path: Path) -> str:
    return manifests.file_hash(path) if path.is_file() else "missing"


def _place(old: Path, new: Path) -> str:
    """Return where two results first differ, as far as both can be read."""
    try:
        if old.suffix == ".json":
            return _entries(json.loads(old.read_text("utf-8")), json.loads(new.read_text("utf-8")))
        return _rows(pq.read_table(old), pq.read_table(new)) if old.suffix == ".parquet" else ""
    except (OSError, ValueError, pa.ArrowException):
        return ""


def _entries(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f": {', '.join(names[:_SHOWN])}{more}" if names else ""


def _rows(before: pa.Table, after: pa.Table) -> str:
    if before.column_names != after.column_names:
        return ": it has other columns"
    common = min(len(before), len(after))
    rows = {
        name: row
        for name in before.column_names
        if (row := _first(before[name][:common], after[name][:common])) is not None
    }
    if not rows:
        return "" if len(before) == len(after) else f": {len(after)} rows, not {len(before)}"
    column = min(rows, key=lambda name: rows[name])
    row = rows[column]
    names = [name for name in before.column_names[:_KEYS] if name not in rows or rows[name] > row]
    keys = ", ".join(f"{name} {before[name][row].as_py()}" for name in names)
    values = f"{after[column][row].as_py()!r}, not {before[column][row].as_py()!r}"
    return f": first in row {row}{f' ({keys})' if keys else ''}, {column} is {values}"


def _first(old: pa.ChunkedArray, new: pa.ChunkedArray) -> int | None:
    """Return the first row in which two columns differ; None where none does."""
    if old.equals(new):
        return None
    there = [np.asarray(column.is_valid()) for column in (old, new)]
    values = [column.to_numpy() for column in (old, new)]
    differ = (there[0] != there[1]) | (there[0] & there[1] & (values[0] != values[1]))
    rows = np.flatnonzero(differ)
    return int(rows[0]) if len(rows) else None


def _reasons(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    """Return what the rerun was made of that the run was not: it may be why they differ."""
    reasons = []
    if recorded["hashes"].get("code") != again["hashes"]["code"]:
        reasons.append("(the run was made with other code of fernwatt)")
    old, new = recorded.get("versions", {}), again["versions"]
    reasons += [
        f"(the run was made with {name} {old.get(name, 'missing')}, not {new.get(name, 'missing')})"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    return reasons
