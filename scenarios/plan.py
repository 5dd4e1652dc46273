"""What assembly makes of a scenario: everything static that a run needs, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["EntityGroup", "Link", "RunPlan", "ThirdParty"]


@dataclass(frozen=True, slots=True)
class EntityGroup:
    """``count`` entities of one model of somebody else's simulator."""

    name: str
    model: str
    count: int
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """One connection of somebody else's simulator; ``attrs`` is (from, to)."""

    source: str
    target: str
    attrs: tuple[str, str]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """Somebody else's mosaik simulator; ``starter`` is mosaik's own entry."""

    starter: Mapping[str, Any]
    params: Mapping[str, Any]
    entities: tuple[EntityGroup, ...]
    connections: tuple[Link, ...]
    initial_events: tuple[int, ...] = ()


@dataclass(frozen=True)
class RunPlan:
    """A run, ready to be started.

    ``params`` holds the create-parameters of each simulator, ``description`` what the run
    folder tells of the static system (``grid.json``, ``topology.json``).
    """

    name: str
    seed: int
    start: datetime
    end_ms: int
    interval_ms: int
    coupling: str
    rt_factor: float | None
    processes: frozenset[str]
    params: Mapping[str, Mapping[str, Any]]
    grid: Mapping[str, Any]
    topology: Mapping[str, Any]
    data_hash: str
    third_party: Mapping[str, ThirdParty] = field(default_factory=dict)
