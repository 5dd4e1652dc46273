"""Time-shiftable appliances: a program that may wait, and runs through once begun.

The owner's job is known from when it is put in. All starts at slot boundaries that keep its
deadline are tried; the chosen one is ordered at once, and anew where a later plan moves it. A
program that runs is a load to come that nobody can move any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from controllers.balancing.devices import (
    Flexible,
    Ints,
    Order,
    Power,
    Problem,
    Span,
    round_profile,
)
from controllers.balancing.planners import Watts, plan_time_shiftable
from fernwatt.timebase import SLOT_MS

__all__ = ["Appliance"]


@dataclass(frozen=True, slots=True)
class _Waiting(Problem):
    """A job that has not begun; ``starts_ms`` by slot of the span, ``cycles_w`` of each start.

    Of starts within a slot there is one at most: the job's earliest.
    """

    job: str
    starts_ms: Mapping[int, int]
    cycles_w: Mapping[int, Watts]
    slots: int
    unit_w: int

    exact: ClassVar[bool] = False

    def plan(self, target_w: Watts) -> Ints:
        return self._profile(self._best(target_w))

    def uncontrolled(self) -> Ints:
        return self._profile(min(self.starts_ms))

    def orders(self, profile_w: Ints) -> list[Order] | None:
        chosen = self._best(profile_w.astype(float))
        return [Order(0, "appliance.start", {"id": self.job, "at_ms": self.starts_ms[chosen]})]

    def _best(self, target_w: Watts) -> int:
        """Return the slot of the best start."""
        longest = max(cycle.size for cycle in self.cycles_w.values())
        target = np.concatenate((target_w, np.zeros(longest)))
        odd = min(self.starts_ms)
        regular = [slot for slot in self.starts_ms if slot != odd]
        found = odd
        if regular:
            found, _ = plan_time_shiftable(target, self.cycles_w[regular[0]], regular)
        if found != odd and self._gain(odd, target) >= self._gain(found, target):
            found = odd
        return found

    def _gain(self, slot: int, target_w: Watts) -> float:
        cycle = self.cycles_w[slot]
        return float(cycle @ (2.0 * target_w[slot : slot + cycle.size] - cycle))

    def _profile(self, slot: int) -> Ints:
        cycle = self.cycles_w[slot]
        whole = np.zeros(self.slots + cycle.size)
        whole[slot : slot + cycle.size] = cycle
        return round_profile(whole, self.unit_w)[: self.slots]


@dataclass(frozen=True, slots=True)
class _Underway(Problem):
    """A program that runs: what is left of it."""

    profile_w: Ints

    def plan(self, target_w: Watts) -> Ints:  # noqa: ARG002
        return self.profile_w

    def uncontrolled(self) -> Ints:
        return self.profile_w

    def orders(self, profile_w: Ints) -> list[Order] | None:  # noqa: ARG002
        return []


@dataclass(slots=True)
class Appliance(Flexible):
    """An appliance; ``job`` is what its owner asked for, ``began_ms`` -1 while that waits."""

    job: Mapping[str, Any] | None = None
    began_ms: int = -1
    newest_ms: int = -1

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Appliance:
        """Return the device of its configuration."""
        return cls(**cls._common(config))

    def present(self, now_ms: int) -> bool:
        """Tell whether a job waits or runs."""
        job = self.job
        return job is not None and (
            self.began_ms < 0 or now_ms < self.began_ms + int(job["duration_ms"])
        )

    def take(self, variable: str, value: Any, t_ms: int) -> bool:
        """Take a job (None: it has begun); a new one calls for a plan."""
        if variable != "appliance.request" or t_ms < self.newest_ms:
            return False
        self.newest_ms = t_ms
        if value is None:
            if self.job is not None and self.began_ms < 0:
                self.began_ms = t_ms
            return False
        if self.job is not None and value["id"] == self.job["id"]:
            return False
        self.job, self.began_ms = value, -1
        return True

    def problem(self, span: Span, power: Power) -> Problem | None:  # noqa: ARG002
        """Return the choice of starts, or the rest of what runs."""
        job = self.job
        if job is None:
            return None
        if self.began_ms >= 0:
            left_w = _slot_means(job, self.began_ms, span.first_slot, span.slots)
            return _Underway(round_profile(left_w, span.unit_w)) if left_w.any() else None
        first_ms = span.first_slot * SLOT_MS
        latest_ms = int(job["deadline_ms"]) - int(job["duration_ms"])
        earliest_ms = min(max(int(job["earliest_ms"]), span.from_ms, first_ms), latest_ms)
        odd = max(earliest_ms // SLOT_MS - span.first_slot, 0)
        starts_ms = {odd: earliest_ms}
        for slot in range(odd + 1, min((latest_ms - first_ms) // SLOT_MS + 1, span.slots)):
            starts_ms[slot] = first_ms + slot * SLOT_MS
        if odd >= span.slots or latest_ms < span.from_ms:
            return None  # not in this horizon; or it has begun by itself
        length = -(-int(job["duration_ms"]) // SLOT_MS) + 1
        regular = _slot_means(job, 0, 0, length)
        cycles_w = dict.fromkeys(starts_ms, regular)
        cycles_w[odd] = _slot_means(job, earliest_ms, span.first_slot + odd, length)
        return _Waiting(str(job["id"]), starts_ms, cycles_w, span.slots, span.unit_w)


def _slot_means(job: Mapping[str, Any], begin_ms: int, first_slot: int, slots: int) -> Watts:
    """Return the mean power of each slot of a job that begins at ``begin_ms``."""
    p_w, step_ms = np.asarray(job["p_w"], dtype=float), int(job["step_ms"])
    edges_ms = begin_ms + step_ms * np.arange(p_w.size + 1)
    bounds_ms = SLOT_MS * (first_slot + np.arange(slots + 1))
    energy = np.interp(bounds_ms, edges_ms, np.concatenate(([0.0], np.cumsum(p_w * step_ms))))
    means: Watts = np.diff(energy) / SLOT_MS
    return means
