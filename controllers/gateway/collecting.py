"""What a gateway's units read in a period, and who has not answered.

A reading belongs to the period that it ends or lies in: (begin, end], with a tolerance for the
clocks of instruments. The newest of a period counts. A period is complete when it is over and
every source has given every one of its variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fernwatt.errors import Fault, ScenarioError

__all__ = ["Collector", "Gathered", "Source", "read_sources"]

_TOLERANCE_MS = 60_000
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Source:
    """A unit's variables, or those of one element that the unit watches."""

    location: str
    variables: tuple[str, ...]
    element: str = ""

    @property
    def name(self) -> str:
        """What its events are called."""
        return self.element or self.location


@dataclass(slots=True)
class Gathered:
    """One period: by source and variable the value, its instant and what brought it."""

    number: int
    values: dict[str, dict[str, tuple[Any, int, str]]] = field(default_factory=dict)


class Collector:
    """Gathers periods of ``period_ms``; those up to ``closed`` have been published."""

    def __init__(self, sources: Sequence[Source], period_ms: int) -> None:
        self.sources = sorted(sources, key=lambda one: one.name.encode())
        self.period_ms = period_ms
        self._tolerance_ms = min(_TOLERANCE_MS, period_ms // 15)
        self._of: dict[tuple[str, str], list[Source]] = {}
        for source in self.sources:
            for variable in source.variables:
                self._of.setdefault((source.location, variable), []).append(source)
        self._periods: dict[int, Gathered] = {}
        self._answered: dict[int, set[str]] = {}
        self.closed = -(1 << 60)

    @property
    def wanted(self) -> list[tuple[str, str]]:
        """Locations and variables to follow."""
        return sorted(self._of)

    def period_of(self, t_ms: int) -> int:
        """Return the number of the period that an instant belongs to."""
        return -((self._tolerance_ms - t_ms) // self.period_ms) - 1

    def end_ms(self, number: int) -> int:
        """Return when a period ends."""
        return (number + 1) * self.period_ms

    def take(
        self, location: str, variable: str, value: Any, t_ms: int, brought: str
    ) -> tuple[int, str] | None:
        """Take a reading; return period and source of one that comes too late, and first.

        Such a one is the only news of its source in a period that is published already.
        """
        source = self._source(location, variable, value)
        if source is None:
            return None
        number = self.period_of(t_ms)
        if number <= self.closed:
            answered = self._answered.get(number)
            key = f"{source.name}\n{variable}"
            if answered is None or key in answered:
                return None
            answered.add(key)
            return number, source.name
        gathered = self._periods.setdefault(number, Gathered(number))
        gathered.values.setdefault(source.name, {})[variable] = (value, t_ms, brought)
        return None

    def complete(self, number: int) -> bool:
        """Tell whether every source has answered in a period."""
        return not self.missing(number)

    def missing(self, number: int) -> list[str]:
        """Return the sources that have not given all their variables in a period."""
        values = self._gathered(number).values
        return [
            one.name for one in self.sources if len(values.get(one.name, {})) < len(one.variables)
        ]

    def close(self, number: int) -> Gathered:
        """Return what was gathered in a period, which is over with it; older ones are forgotten."""
        gathered = self._gathered(number)
        self.closed = number
        self._answered[number] = {
            f"{name}\n{variable}" for name, of in gathered.values.items() for variable in of
        }
        for old in [one for one in self._periods if one <= number]:
            del self._periods[old]
        for old in [one for one in self._answered if one <= number - _KEPT]:
            del self._answered[old]
        return gathered

    def _gathered(self, number: int) -> Gathered:
        return self._periods.get(number) or Gathered(number)

    def _source(self, location: str, variable: str, value: Any) -> Source | None:
        for source in self._of.get((location, variable), ()):
            if not source.element:
                return source
            if isinstance(value, dict) and value.get("element") == source.element:
                return source
        return None


def read_sources(plain: Any, path: str) -> list[Source]:
    """Return the sources of ``[{location, variables, element?}]``; raises ScenarioError."""
    faults, sources = list[Fault](), list[Source]()
    if not isinstance(plain, list):
        raise ScenarioError([Fault(path, "a list of sources")])
    names: set[str] = set()
    for number, one in enumerate(plain):
        here = f"{path}[{number}]"
        if not isinstance(one, Mapping) or not {"location", "variables"} <= one.keys():
            faults.append(Fault(here, "a source has location and variables"))
            continue
        source = Source(one["location"], tuple(one["variables"]), one.get("element", ""))
        if not source.variables or len(set(source.variables)) < len(source.variables):
            faults.append(Fault(f"{here}.variables", "each once, and at least one"))
        if source.name in names:
            faults.append(Fault(here, f"{source.name} is named twice"))
        names.add(source.name)
        sources.append(source)
    if faults:
        raise ScenarioError(faults)
    return sources
