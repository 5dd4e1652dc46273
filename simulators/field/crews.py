"""Crews: manual switching and repair take dispatch, travel and work, by a limited number of them.

A job waits until a crew is free. Urgent jobs go first, then older ones; a job gets the free crew
that is nearest. A crew that has been told to go does not turn round. Travel is the straight
line between two places times a detour factor, at constant speed; a crew stays where it worked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event
from fernwatt.streams import stream

__all__ = ["CrewSpec", "Crews", "Job", "parse_crews"]


@dataclass(frozen=True, slots=True)
class CrewSpec:
    """How many crews there are, where they start, and how long things take them.

    ``dispatch_ms`` passes between the order and the departure, ``spread`` is the relative
    standard deviation of work times (log-normal; 0: none).
    """

    count: int = 2
    depot_m: tuple[float, float] = (0.0, 0.0)
    speed_m_per_s: float = 11.0
    detour: float = 1.3
    dispatch_ms: int = 600_000
    spread: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do at ``place_m``; ``priority`` 0 is the most urgent."""

    id: str
    cause: str
    element: str
    place_m: tuple[float, float]
    work_ms: int
    priority: int = 1


@dataclass(slots=True)
class _Crew:
    name: str
    place_m: tuple[float, float]
    job: Job | None = None
    order: str = ""
    arrives_ms: int = 0
    done_ms: int = 0
    there: bool = False


def parse_crews(item: Mapping[str, Any]) -> CrewSpec:
    """Return the crews; ScenarioError with all that is wrong with them."""
    known = [field.name for field in fields(CrewSpec)]
    faults = [Fault(f"crews.{n}", "unknown field") for n in sorted(set(item) - set(known))]
    given = {name: item[name] for name in known if name in item}
    if "depot_m" in given:
        given["depot_m"] = tuple(given["depot_m"])
    spec = CrewSpec(**given)
    if not (isinstance(spec.count, int) and spec.count >= 1):
        faults.append(Fault("crews.count", f"must be at least 1, not {spec.count!r}"))
    for name, low in (("speed_m_per_s", 0.1), ("detour", 1.0), ("dispatch_ms", 0), ("spread", 0)):
        value = getattr(spec, name)
        if not (math.isfinite(value) and value >= low):
            faults.append(Fault(f"crews.{name}", f"must be at least {low}, not {value}"))
    if len(spec.depot_m) != 2 or not all(map(math.isfinite, spec.depot_m)):
        faults.append(Fault("crews.depot_m", f"must be two numbers, not {spec.depot_m}"))
    if faults:
        raise ScenarioError(faults)
    return spec


class Crews:
    """All crews of a run. ``step`` returns the jobs that are done at an instant, and events."""

    def __init__(self, spec: CrewSpec, seed: int) -> None:
        self._spec, self._seed = spec, seed
        self._crews = [_Crew(f"crew/{n + 1}", spec.depot_m) for n in range(spec.count)]
        self._waiting: list[tuple[int, int, Job]] = []
        self._number = 0
        self._ids = Sequencer("crews")

    @property
    def due_ms(self) -> int | None:
        """When a crew next arrives or is done."""
        return min((_next(c) for c in self._crews if c.job is not None), default=None)

    @property
    def waiting(self) -> int:
        """Number of jobs that no crew has yet."""
        return len(self._waiting)

    def order(self, job: Job) -> None:
        """Put a job on the list."""
        self._number += 1
        self._waiting.append((job.priority, self._number, job))
        self._waiting.sort(key=lambda item: item[:2])

    def step(self, t_ms: int) -> tuple[list[tuple[Job, str]], list[Event]]:
        """Go on to ``t_ms``, not past ``due_ms``: jobs done, each with its event's id, and events.

        Crews that have become free set out to what is waiting.
        """
        done: list[tuple[Job, str]] = []
        events: list[Event] = []
        for crew in self._crews:
            if crew.job is not None and not crew.there and crew.arrives_ms <= t_ms:
                crew.there, crew.place_m = True, crew.job.place_m
                crew.order = self._tell(events, t_ms, "crew_arrived", crew, crew.order)
            if crew.job is not None and crew.there and crew.done_ms <= t_ms:
                ident = self._tell(events, t_ms, "crew_done", crew, crew.order)
                done.append((crew.job, ident))
                crew.job = None
        while self._waiting and (free := [c for c in self._crews if c.job is None]):
            job = self._waiting.pop(0)[2]
            self._send(t_ms, min(free, key=lambda c: (_far(c, job), c.name)), job, events)
        return done, events

    def _send(self, t_ms: int, crew: _Crew, job: Job, events: list[Event]) -> None:
        spec = self._spec
        travel_ms = round(_far(crew, job) * spec.detour / spec.speed_m_per_s * 1000)
        crew.job, crew.there = job, False
        crew.arrives_ms = t_ms + spec.dispatch_ms + travel_ms
        crew.done_ms = crew.arrives_ms + self._work_ms(job)
        crew.order = self._tell(events, t_ms, "crew_sent", crew, job.id)

    def _work_ms(self, job: Job) -> int:
        if self._spec.spread == 0:
            return job.work_ms
        sigma = math.sqrt(math.log(1.0 + self._spec.spread**2))
        normal = stream(self._seed, "crews", job.id).standard_normal()
        return round(job.work_ms * math.exp(sigma * normal - sigma**2 / 2))

    def _tell(self, events: list[Event], t_ms: int, kind: str, crew: _Crew, cause: str) -> str:
        element = crew.job.element if crew.job else ""
        event = Event(self._ids(), cause, t_ms * 1000, kind, element, {"crew": crew.name})
        events.append(event)
        return event.id


def _far(crew: _Crew, job: Job) -> float:
    return math.dist(crew.place_m, job.place_m)


def _next(crew: _Crew) -> int:
    return crew.done_ms if crew.there else crew.arrives_ms
