"""Service ``derflows``: aggregated view, availability and problems of generators and stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.derflows.problems import Limits, availability, find_problems
from controllers.derflows.service import SUMMARY, DerFlows

__all__ = ["SUMMARY", "DerFlows", "Limits", "availability", "find_problems", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> DerFlows:
    """Return the service; ``params``: ``areas`` (units below that sum up too) and ``limits``."""
    del unit_spec, directory
    limits = {str(key): float(value) for key, value in params.get("limits", {}).items()}
    return DerFlows(tuple(params.get("areas", ())), Limits(**limits))
