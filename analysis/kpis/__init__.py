"""What a run came to, in figures: one function per KPI.

``compute(run)`` gives them all, ``write(folder, values)`` puts them into ``kpis.json``;
``KPIS`` holds their units, definitions, sources and directions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.kpis import (
    age,
    attacks,
    auctions,
    der,
    deviations,
    energy,
    flexibility,
    grid,
    lighting,
    maintenance,
    media,
    membership,
    mesh,
    messages,
    money,
    negotiation,
    predictions,
    privacy,
    profile,
    quality,
    reach,
    reliability,
    requirements,
    response,
    services,
    signals,
    sleepers,
    users,
    vehicles,
    warmth,
)
from analysis.kpis.registry import KPIS, Kpi, Outcome, Up

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["KPIS", "Kpi", "Outcome", "Up", "compute", "write"]

# in the order of the report
_FAMILIES = (
    energy,
    profile,
    grid,
    lighting,
    reliability,
    quality,
    vehicles,
    warmth,
    messages,
    requirements,
    age,
    media,
    mesh,
    sleepers,
    services,
    der,
    negotiation,
    deviations,
    reach,
    predictions,
    membership,
    signals,
    auctions,
    response,
    flexibility,
    money,
    maintenance,
    users,
    attacks,
    privacy,
)


def compute(run: Run) -> dict[str, dict[str, Any]]:
    """Return all KPIs of a run as they stand in ``kpis.json``."""
    return {name: item.compute(run).entry(item.unit) for name, item in KPIS.items()}


def write(folder: Path | str, values: dict[str, dict[str, Any]]) -> Path:
    """Write ``kpis.json``: always the same bytes for the same values."""
    path = Path(folder) / "kpis.json"
    text = json.dumps(values, indent=1, sort_keys=True, allow_nan=False)
    path.write_text(text + "\n", "utf-8", newline="\n")
    return path
