"""The manifest of a run: what it was made of, by hashes, and how it ended."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fernwatt
from fernwatt.tables import TABLES

__all__ = ["code_hash", "file_hash", "read", "table_hashes", "versions", "write"]

PACKAGES = ("fernwatt", "simulators", "controllers", "analysis", "scenarios")
_LIBRARIES = (
    "mosaik",
    "mosaik-api-v3",
    "pandapower",
    "simbench",
    "power-grid-model",
    "power-grid-model-io",
    "simpy",
    "numpy",
    "pandas",
    "scipy",
    "networkx",
    "pvlib",
    "pyarrow",
    "cbor2",
)
_CODE = frozenset({".py", ".yaml", ".j2", ".css", ".js"})


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_hash(files: Iterable[tuple[str, Path]]) -> str:
    """Return the SHA-256 of named files, independent of where they lie."""
    digest = hashlib.sha256()
    for name, path in sorted(files):
        digest.update(f"{name}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()


@cache
def code_hash() -> str:
    """Return the hash of fernwatt's own code and data, reports and notebooks left out."""
    files = []
    for package in PACKAGES:
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            files += [
                (f"{package}/{path.relative_to(root).as_posix()}", path)
                for path in Path(root).rglob("*")
                if path.suffix in _CODE and path.is_file() and "notebooks" not in path.parts
            ]
    return tree_hash(files)


@cache
def versions() -> dict[str, str]:
    """Return the versions of everything that may reach a result."""
    found = {"fernwatt": fernwatt.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def table_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every table of a run folder, by path."""
    return {
        table.path: file_hash(folder / table.path)
        for _, table in sorted(TABLES.items())
        if (folder / table.path).is_file()
    }


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run folder."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return manifest


def write(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest so that a reader never sees half of it."""
    scratch = folder / ".manifest.json"
    scratch.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", "utf-8")
    os.replace(scratch, folder / "manifest.json")  # noqa: PTH105 - atomic on every system
