"""Units that are killed in the middle of a run, and built anew from what they remember."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

from fernwatt.errors import Fault, ScenarioError

__all__ = ["Failure", "parse_failures"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit's process dies at ``at_ms`` and begins again at ``until_ms``; None: never."""

    unit: str
    at_ms: int
    until_ms: int | None


def parse_failures(items: Iterable[Mapping[str, Any]], units: Collection[str]) -> list[Failure]:
    """Return failures by time; raises ScenarioError with all that are impossible.

    Failures of one unit must not overlap.
    """
    faults: list[Fault] = []
    failures = []
    for place, item in enumerate(items):
        path, unit = f"failures[{place}]", str(item.get("unit"))
        at_ms, until_ms = item.get("at_ms"), item.get("until_ms")
        if unit not in units:
            close = get_close_matches(unit, list(units), n=1)
            hint = f"did you mean {close[0]}?" if close else ""
            faults.append(Fault(f"{path}.unit", f"no unit {unit}", hint))
        elif type(at_ms) is not int or at_ms < 0:
            faults.append(Fault(f"{path}.at_ms", "an integer from 0 on"))
        elif until_ms is not None and (type(until_ms) is not int or until_ms <= at_ms):
            faults.append(Fault(f"{path}.until_ms", "an integer after at_ms, or null"))
        else:
            failures.append(Failure(unit, at_ms, until_ms))
    failures.sort(key=lambda failure: (failure.unit.encode(), failure.at_ms))
    for one, other in pairwise(failures):
        if one.unit == other.unit and (one.until_ms is None or other.at_ms <= one.until_ms):
            message = f"{one.unit} fails at {other.at_ms} ms while it is down"
            faults.append(Fault("failures", message, "let it begin again before"))
    if faults:
        raise ScenarioError(faults)
    return sorted(failures, key=lambda failure: (failure.at_ms, failure.unit.encode()))
