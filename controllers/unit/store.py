"""Instances of variables: a time series per variable, owner and location.

``Store`` is the interface; ``MemoryStore`` keeps columns instead of objects, since ten thousand
meters hold millions of instances.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from controllers.unit.policy import Policy

__all__ = ["Instance", "MemoryStore", "Store"]

_MAX_INSTANCES = 20_000
_SLACK = 64


@dataclass(frozen=True, slots=True)
class Instance:
    """One written value with what it needs to be used elsewhere: stamp, owner, policy."""

    id: str
    variable: str
    value: Any
    t_ms: int
    location: str
    owner: str
    policy: Policy


class Store(Protocol):
    """Where a unit keeps its instances; the order is that of writing."""

    def append(self, instance: Instance, retention_ms: int) -> None:
        """Keep ``instance``; what is older than the newest by more than the retention may go."""

    def newest(self, variable: str, owner: str, location: str) -> Instance | None:
        """Return the instance with the latest stamp (of equal ones that written later), or None."""

    def series(self, variable: str, owner: str, location: str) -> Iterator[Instance]:
        """Return the instances kept, oldest first."""


class _Series:
    __slots__ = ("ids", "policies", "times", "top", "top_ms", "values")

    def __init__(self) -> None:
        self.times = array("q")
        self.values: list[Any] = []
        self.ids: list[str] = []
        self.policies: list[Policy] = []
        self.top, self.top_ms = -1, -(1 << 62)

    def add(self, instance: Instance) -> None:
        """Append one row; remember which has the latest stamp."""
        self.times.append(instance.t_ms)
        self.values.append(instance.value)
        self.ids.append(instance.id)
        self.policies.append(instance.policy)
        if instance.t_ms >= self.top_ms:
            self.top, self.top_ms = len(self.ids) - 1, instance.t_ms

    def trim(self, retention_ms: int) -> None:
        """Forget the oldest, in batches so that appending stays cheap."""
        floor = self.top_ms - retention_ms
        drop = max(0, len(self.times) - _MAX_INSTANCES)
        while drop < len(self.times) - 1 and self.times[drop] < floor:
            drop += 1
        drop = min(drop, self.top)
        if drop >= _SLACK:
            del self.times[:drop], self.values[:drop], self.ids[:drop], self.policies[:drop]
            self.top -= drop


class MemoryStore:
    """In memory; ends with the process."""

    __slots__ = ("_retention", "_series")

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._retention: dict[str, int] = {}

    def append(self, instance: Instance, retention_ms: int) -> None:
        """Keep ``instance``."""
        key = (instance.variable, instance.owner, instance.location)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
            self._retention[instance.variable] = retention_ms
        series.add(instance)
        if len(series.times) % _SLACK == 0:
            series.trim(retention_ms)

    def newest(self, variable: str, owner: str, location: str) -> Instance | None:
        """Return the instance with the latest stamp."""
        key = (variable, owner, location)
        series = self._series.get(key)
        return None if series is None else _instance(key, series, series.top)

    def series(self, variable: str, owner: str, location: str) -> Iterator[Instance]:
        """Return the instances within the retention, in the order of writing."""
        key = (variable, owner, location)
        series = self._series.get(key)
        if series is None:
            return
        floor = series.top_ms - self._retention[variable]
        for i in range(len(series.ids)):
            if series.times[i] >= floor:
                yield _instance(key, series, i)


def _instance(key: tuple[str, str, str], series: _Series, i: int) -> Instance:
    variable, owner, location = key
    return Instance(
        series.ids[i],
        variable,
        series.values[i],
        series.times[i],
        location,
        owner,
        series.policies[i],
    )
