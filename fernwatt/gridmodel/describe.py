"""The grid as JSON: what a single-line diagram, a radio planner, or a reader needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fernwatt.gridmodel.model import GridModel

__all__ = ["describe"]


def describe(model: GridModel) -> dict[str, Any]:
    """Return the static description of ``model`` as JSON values, in the model's order."""
    return {
        "source_hash": model.source_hash,
        "buses": _rows(model.buses),
        "lines": _rows(model.lines),
        "transformers": _rows(model.transformers),
        "switches": _rows(model.switches),
        "terminals": _rows(model.terminals),
        "areas": _rows(model.areas),
        "record_devices": _rows(model.record_devices),
        "notes": list(model.notes),
    }


def _rows(items: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {key: list(value) if isinstance(value, tuple) else value for key, value in row.items()}
        for row in (asdict(item) for item in items)
    ]
