"""What a worker does: one point of a study, run into a folder of its own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["PointResult", "read_result", "run_point"]


@dataclass(frozen=True, slots=True)
class PointResult:
    """How a point ended: ``complete``, ``failed``, ``refused`` or ``open``; its KPIs, its error.

    ``by`` breaks the KPIs down, as in ``kpis.json``: by flow, by technology and so on.
    """

    status: str
    kpis: Mapping[str, float | None] = field(default_factory=dict)
    error: str = ""
    by: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def run_point(text: str, base_dir: str, folder: str) -> PointResult:
    """Run the effective scenario ``text`` into ``folder``; input files lie in ``base_dir``.

    Errors of the run are in the result. Both folders have to be there for the worker, so workers
    on several hosts share them.
    """
    from scenarios.loader import load
    from scenarios.runner import run

    with tempfile.TemporaryDirectory(prefix="fernwatt-") as scratch:
        file = Path(scratch) / "scenario.yaml"
        file.write_text(text, "utf-8")
        scenario = load(file, base_dir=Path(base_dir))
        result = run(scenario, folder=Path(folder), with_report=False)
    if result.error is not None:
        error = str(result.error) or type(result.error).__name__
        return PointResult("failed", error=error)
    return read_result(Path(folder))


def read_result(folder: Path) -> PointResult:
    """Return the KPIs of a complete run."""
    entries: dict[str, dict[str, Any]] = json.loads((folder / "kpis.json").read_text("utf-8"))
    return PointResult(
        "complete",
        {name: entry["value"] for name, entry in entries.items()},
        by={name: entry["by"] for name, entry in entries.items() if "by" in entry},
    )
