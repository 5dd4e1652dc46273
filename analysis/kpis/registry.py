"""The register of KPIs: one function each, with its unit, definition, source and direction."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["KPIS", "Kpi", "Outcome", "Up", "kpi", "nothing"]


class Up(StrEnum):
    """What a larger value means."""

    GOOD = "good"
    BAD = "bad"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a KPI came to.

    ``value`` is None where it is not defined, and ``reason`` says why; ``by`` breaks it down;
    ``t_ms`` and ``element`` say when and where, for an extreme.
    """

    value: float | None
    by: Mapping[str, float] = field(default_factory=dict)
    t_ms: int | None = None
    element: str = ""
    reason: str = ""

    def entry(self, unit: str) -> dict[str, Any]:
        """Return the outcome as it stands in ``kpis.json``, floats to 12 digits."""
        entry: dict[str, Any] = {"value": _rounded(self.value), "unit": unit}
        if self.by:
            entry["by"] = {key: _rounded(value) for key, value in sorted(self.by.items())}
        if self.t_ms is not None:
            entry["t_ms"] = int(self.t_ms)
        if self.element:
            entry["element"] = self.element
        if self.value is None:
            entry["reason"] = self.reason
        return entry


def nothing(reason: str) -> Outcome:
    """Return the outcome of a KPI that is not defined for a run."""
    return Outcome(None, reason=reason)


def _rounded(value: float | None) -> float | int | None:
    if value is None or isinstance(value, int):
        return value
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"a KPI came to {value}")
    return float(f"{value:.12g}") + 0.0  # no minus zero


@dataclass(frozen=True, slots=True)
class Kpi:
    """One KPI; ``definition`` is its function's docstring."""

    name: str
    unit: str
    family: str
    definition: str
    source: str
    up: Up
    compute: Callable[[Run], Outcome]


KPIS: dict[str, Kpi] = {}


def kpi(
    unit: str, family: str, up: Up = Up.NEITHER, *, source: str = "own definition"
) -> Callable[[Callable[[Run], Outcome]], Callable[[Run], Outcome]]:
    """Register a function as the KPI of its name."""

    def register(function: Callable[[Run], Outcome]) -> Callable[[Run], Outcome]:
        name = function.__name__
        if name in KPIS:
            raise ValueError(f"two KPIs are named {name}")
        definition = " ".join(inspect.cleandoc(function.__doc__ or "").split())
        KPIS[name] = Kpi(name, unit, family, definition, source, up, function)
        return function

    return register
