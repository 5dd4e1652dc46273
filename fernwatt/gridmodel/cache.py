"""Sanitised grids on disk, outside run folders: SimBench takes seconds to read, this does not.

An entry is a folder of Parquet files and one array. It is made beside its place and moved
there in one step, so that a reader never sees half of it and two writers do no harm; where
nothing can be written, the grid is read anew each time.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from fernwatt.gridmodel.model import Profiles
from fernwatt.gridmodel.raw import COLUMNS, RawGrid

__all__ = ["GridCache"]

_PACKAGES = ("pandapower", "simbench", "pandas", "numpy")
_MAKERS = ("raw.py", "checks.py", "joints.py", "sanitise.py", "sources.py", "cache.py")


class GridCache:
    """Grids by source, in ``folder`` (default ``$XDG_CACHE_HOME/fernwatt/grids``)."""

    __slots__ = ("enabled", "folder")

    def __init__(self, *, enabled: bool = True, folder: Path | None = None) -> None:
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        self.folder = folder or Path(home).expanduser() / "fernwatt" / "grids"
        self.enabled = enabled

    def get(self, source: Mapping[str, str], make: Callable[[], RawGrid]) -> RawGrid:
        """Return the grid of ``source``, from the disk or by ``make``, which is then kept."""
        if not self.enabled:
            return make()
        entry = self.folder / _key(source)
        try:
            return _read(entry)
        except (OSError, ValueError, KeyError):
            raw = make()
        self._keep(entry, raw)
        return raw

    def _keep(self, entry: Path, raw: RawGrid) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        except OSError:
            return
        try:
            _write(scratch, raw)
            if entry.exists():  # damaged, or another process was quicker
                shutil.rmtree(entry, ignore_errors=True)
            scratch.rename(entry)
        except OSError:
            shutil.rmtree(scratch, ignore_errors=True)


@functools.cache
def _makers() -> str:
    """Return a hash of what makes an entry: our code and the versions of the packages."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        digest.update(f"{package}={version(package)}\n".encode())
    for name in _MAKERS:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


def _key(source: Mapping[str, str]) -> str:
    text = json.dumps([dict(source), _makers()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write(folder: Path, raw: RawGrid) -> None:
    for name in COLUMNS:
        frame = raw.tables[name]
        frame.reset_index(names="index").to_parquet(folder / f"{name}.parquet", index=False)
    np.save(folder / "profiles.npy", raw.profiles.values, allow_pickle=False)
    meta = {
        "f_hz": raw.f_hz,
        "notes": list(raw.notes),
        "year": raw.profiles.year,
        "names": list(raw.profiles.names),
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _read(folder: Path) -> RawGrid:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    tables = {}
    for name in COLUMNS:
        frame = pd.read_parquet(folder / f"{name}.parquet").set_index("index")
        frame.index.name = None
        texts = [column for column, kind in COLUMNS[name].items() if kind == "s"]
        tables[name] = frame.astype(dict.fromkeys(texts, object))
    values = np.load(folder / "profiles.npy", allow_pickle=False)
    profiles = Profiles(meta["year"], tuple(meta["names"]), values)
    return RawGrid(tables, meta["f_hz"], profiles, tuple(meta["notes"]))
