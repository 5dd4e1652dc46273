"""Energy of areas, summed at every level: in plain text, held back, or hidden from who adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.aggregation.service import Aggregation
from controllers.unit.directory import Directory

__all__ = ["Aggregation", "make_service"]


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Aggregation:
    """Return the service ``aggregation`` of a unit, as the units' hub asks for it."""
    return Aggregation.make(spec, params, directory)
