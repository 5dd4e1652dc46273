"""How units negotiate, and within which limits: what the scenario's balancing says of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from scenarios.faults import nearest
from scenarios.schema.ict import Balancing
from scenarios.schema.limits import GridLimit

__all__ = ["check_limits", "negotiating", "predicting"]

_ALWAYS_MS = 1 << 50


def negotiating(wanted: Balancing, unit: str) -> dict[str, Any]:
    """Return the settings of a negotiating unit that differ from the usual."""
    out = predicting(wanted)
    if wanted.exchange != "profile":
        out["exchange"] = wanted.exchange
    limits = [_plain(limit) for limit in wanted.limits if _is_at(limit, unit)]
    if limits:
        out["limits"] = limits
    if wanted.limited:
        out["limited"] = True
    return out


def predicting(wanted: Balancing) -> dict[str, Any]:
    """Return how loads are predicted, if not as usual."""
    usual = wanted.predictor == "regression"
    return {} if usual else {"predictor": {"method": wanted.predictor}}


def check_limits(wanted: Balancing, units: Iterable[str]) -> None:
    """Raise ScenarioError where a limit is of a unit that does not negotiate."""
    known = list(units)
    names = [*known, *sorted({unit.partition("/")[0] for unit in known})]
    faults = [
        Fault(
            f"services.balancing.limits[{place}].at",
            f"{limit.at!r} does not negotiate",
            nearest(limit.at, names) or f"one of {', '.join(names[:8])}",
        )
        for place, limit in enumerate(wanted.limits)
        if limit.at not in names
    ]
    if faults:
        raise ScenarioError(faults)


def _is_at(limit: GridLimit, unit: str) -> bool:
    return limit.at in (unit, unit.partition("/")[0])


def _plain(limit: GridLimit) -> dict[str, Any]:
    until_ms = _ALWAYS_MS if limit.until_h is None else round(limit.until_h * HOUR_MS)
    return {
        "from_ms": round(limit.from_h * HOUR_MS),
        "until_ms": until_ms,
        "upper_w": limit.upper_w,
        "lower_w": limit.lower_w,
    }
