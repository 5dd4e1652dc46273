"""Rerun a run from its folder alone, and say where it differs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fernwatt.errors import RunFolderError
from scenarios import manifest as manifests
from scenarios.loader import load
from scenarios.runner import run

__all__ = ["verify"]


def verify(folder: Path | str) -> list[str]:
    """Return what differs: recorded bytes against their hashes, then against a rerun.

    Empty when all is identical. Raises RunFolderError for a run that is not complete.
    """
    folder = Path(folder)
    try:
        recorded = manifests.read(folder)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{folder}: the manifest cannot be read: {error}") from error
    if recorded["status"] != "complete":
        raise RunFolderError(f"{folder}: the run is {recorded['status']}, not complete")
    expected = _hashes(recorded)
    found = {
        path: manifests.file_hash(folder / path) if (folder / path).is_file() else "missing"
        for path in expected
    }
    differences = [f"{path}: not as recorded" for path in expected if found[path] != expected[path]]
    scenario = load(folder / "scenario.yaml", base_dir=folder / "inputs")
    with tempfile.TemporaryDirectory() as scratch:
        rerun = run(scenario, folder=Path(scratch) / "rerun", with_report=False).check()
        again = _hashes(manifests.read(rerun.folder))
    differences += [
        f"{path}: the rerun gives other bytes"
        for path in expected
        if again.get(path) != expected[path]
    ]
    return differences


def _hashes(manifest: dict[str, object]) -> dict[str, str]:
    hashes = manifest["hashes"]
    assert isinstance(hashes, dict)
    return {**hashes["tables"], "kpis.json": hashes["kpis"], "scenario.yaml": hashes["scenario"]}
