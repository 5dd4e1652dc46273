"""Service ``inspection``: after an event, details at the customers concerned, by their policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.inspection.service import Inspection

__all__ = ["Inspection", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Inspection:
    """Return the service; ``params``: ``areas`` (unit below → meters), ``at_once``."""
    del unit_spec, directory
    areas = {area: tuple(meters) for area, meters in params.get("areas", {}).items()}
    return Inspection(areas, int(params.get("at_once", 4)))
