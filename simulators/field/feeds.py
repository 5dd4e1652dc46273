"""Feeds: what data providers outside the system hand to their own unit, such as forecasts.

A feed is an instrument without a place: it gives prepared values, each at its time, and knows
nothing of what is true afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Reading

__all__ = ["FeedSpec", "Feeds", "parse_feeds"]


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """One feed: ``values[k]`` is given at ``times_ms[k]``, which rise."""

    id: str
    variable: str
    times_ms: tuple[int, ...]
    values: tuple[Any, ...]
    measure: str = "1"


def parse_feeds(items: Sequence[Mapping[str, Any]]) -> list[FeedSpec]:
    """Return the feeds sorted by identifier; ScenarioError for times that do not rise."""
    faults: list[Fault] = []
    specs: list[FeedSpec] = []
    for number, item in enumerate(items):
        spec = FeedSpec(
            str(item["id"]),
            str(item["variable"]),
            tuple(item["times_ms"]),
            tuple(item["values"]),
            str(item.get("measure", "1")),
        )
        path = f"feeds[{number}]"
        if len(spec.times_ms) != len(spec.values):
            text = f"has {len(spec.times_ms)} times and {len(spec.values)} values"
            faults.append(Fault(path, text))
        if list(spec.times_ms) != sorted(set(spec.times_ms)) or min(spec.times_ms, default=0) < 0:
            faults.append(Fault(f"{path}.times_ms", "must rise, from 0 on"))
        if any(other.id == spec.id for other in specs):
            faults.append(Fault(f"{path}.id", f"{spec.id} is there twice"))
        specs.append(spec)
    if faults:
        raise ScenarioError(faults)
    return sorted(specs, key=lambda spec: spec.id.encode())


class Feeds:
    """All feeds of a run."""

    def __init__(self, specs: Sequence[FeedSpec]) -> None:
        self._specs = list(specs)
        self._next = [0] * len(self._specs)
        self._ids = [Sequencer(spec.id) for spec in self._specs]

    @property
    def due_ms(self) -> int | None:
        """When the next value is given."""
        return min(
            (
                spec.times_ms[at]
                for spec, at in zip(self._specs, self._next, strict=True)
                if at < len(spec.times_ms)
            ),
            default=None,
        )

    def sample(self, t_ms: int) -> list[Reading]:
        """Return the values that are due, by feed."""
        readings = []
        for row, spec in enumerate(self._specs):
            while self._next[row] < len(spec.times_ms) and spec.times_ms[self._next[row]] <= t_ms:
                at = self._next[row]
                self._next[row] += 1
                stamp, value = spec.times_ms[at], spec.values[at]
                readings.append(
                    Reading(self._ids[row](), "", spec.id, spec.variable, t_ms, stamp, value,
                            spec.measure)
                )  # fmt: skip
        return readings
