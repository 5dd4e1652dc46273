"""Service ``concentrator``: what all below a unit measure, summed up for the unit above."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.concentrator.ders import DerBook
from controllers.concentrator.diagram import Diagram
from controllers.concentrator.service import Below, Concentrator, Times

__all__ = ["Concentrator", "DerBook", "Diagram", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Concentrator:
    """Return the service.

    ``params``: ``meters``, ``houses`` (customers' units), ``ders``, ``areas`` (units below that
    concentrate themselves), ``period_s``, ``deadline_s`` (after a period's end), ``join_s``,
    ``quality_s``, ``diagram_s``, ``day_ms`` (local time of day at 0).
    """
    del unit_spec, directory
    below = Below(*(tuple(params.get(key, ())) for key in ("meters", "houses", "ders", "areas")))
    names = ("period_s", "deadline_s", "join_s", "quality_s", "diagram_s")
    usual = (900, 180, 300, 3600, 21_600)
    times = Times(*(round(params.get(n, s) * 1000) for n, s in zip(names, usual, strict=True)))
    return Concentrator(below, times, int(params.get("day_ms", 0)))
