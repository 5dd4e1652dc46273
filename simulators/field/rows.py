"""What the field records, as columns of its tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fernwatt.messages import Event, Reading

__all__ = ["Truth", "event_columns", "reading_columns", "truth_columns"]

Truth = tuple[str, str, str, Any]
"""Cause, kind, element and details of what is true."""


def reading_columns(readings: Sequence[Reading]) -> dict[str, list[Any]]:
    """Return readings as columns of the table ``reading``; records as JSON."""
    plain = [isinstance(r.value, int | float) for r in readings]
    return {
        "id": [r.id for r in readings],
        "cause": [r.cause for r in readings],
        "instrument": [r.instrument for r in readings],
        "variable": [r.variable for r in readings],
        "t_sample_ms": [r.t_sample_ms for r in readings],
        "t_clock_ms": [r.t_clock_ms for r in readings],
        "value": [
            float(r.value) if is_number else None
            for r, is_number in zip(readings, plain, strict=True)
        ],
        "record": [
            None if is_number else json.dumps(r.value, sort_keys=True)
            for r, is_number in zip(readings, plain, strict=True)
        ],
        "measure": [r.measure for r in readings],
        "quality": [r.quality for r in readings],
    }


def event_columns(events: Sequence[Event]) -> dict[str, list[Any]]:
    return {
        "t_us": [e.t_us for e in events],
        "id": [e.id for e in events],
        "cause": [e.cause for e in events],
        "source": ["field"] * len(events),
        "kind": [e.kind for e in events],
        "element": [e.element for e in events],
        "value": [json.dumps(e.value, sort_keys=True) for e in events],
    }


def truth_columns(t_ms: int, ids: Sequence[str], rows: Sequence[Truth]) -> dict[str, Any]:
    """Return what is true at ``t_ms`` as columns of the table ``truth``."""
    return {
        "t_ms": t_ms,
        "id": list(ids),
        "cause": [cause for cause, _, _, _ in rows],
        "kind": [kind for _, kind, _, _ in rows],
        "element": [element for _, _, element, _ in rows],
        "value": [json.dumps(value, sort_keys=True) for _, _, _, value in rows],
    }
