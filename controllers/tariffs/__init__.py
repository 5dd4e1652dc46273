"""Service ``tariffs`` of a meter: which register counts now, and what each has counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.tariffs.service import Tariffs

__all__ = ["Tariffs", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Tariffs:
    """Return the service; ``params``: ``day_ms``, the local time of day at 0."""
    del unit_spec, directory
    return Tariffs(int(params.get("day_ms", 0)))
