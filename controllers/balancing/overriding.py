"""What a person does at a device, and what the grid sets for one: from when it is known to its end.

device.override  {device, action, until_ms}   action: start, stop, or release
device.limit     {device, p_w, until_ms}      the device draws so much at most
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from controllers.balancing.devices import Flexible, GivenUp, Ints, Order, Power, Problem, Span
from controllers.balancing.planners import Watts
from fernwatt.timebase import SLOT_MS

__all__ = ["LIMIT", "OVERRIDE", "Ceiling", "Overridden", "Override", "overridden"]

OVERRIDE, LIMIT = "device.override", "device.limit"
_FAR_MS, _MOST_W, _BIG_W = 8 * 86_400_000, 1e7, 1e6


@dataclass(frozen=True, slots=True)
class Override:
    """A device is on at full power, or off, until the slot is over in which ``until_ms`` lies.

    ``firm``: it is a limit of the customer's, which the grid's set-points do not lower.
    """

    action: Literal["start", "stop", "release"]
    until_ms: int
    cause: str
    firm: bool = False

    @classmethod
    def of(cls, value: Any, now_ms: int, cause: str) -> Override | None:
        """Return the override of a record, None where it is none."""
        if not isinstance(value, dict) or value.get("action") not in ("start", "stop", "release"):
            return None
        until_ms = value.get("until_ms")
        if type(until_ms) is not int or not now_ms < until_ms < now_ms + _FAR_MS:
            return None
        return cls(value["action"], -(-until_ms // SLOT_MS) * SLOT_MS, cause)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A device draws ``p_w`` at most until ``until_ms``: a set-point of the grid."""

    p_w: float
    until_ms: int
    cause: str

    @classmethod
    def of(cls, value: Any, now_ms: int, cause: str) -> Ceiling | None:
        """Return the set-point of a record, None where it is none."""
        if not isinstance(value, dict):
            return None
        p_w: Any = value.get("p_w")
        until_ms = value.get("until_ms")
        if type(p_w) not in (int, float) or type(until_ms) is not int:
            return None
        fits = abs(p_w) <= _MOST_W and now_ms < until_ms < now_ms + _FAR_MS
        return cls(float(p_w), until_ms, cause) if fits else None


@dataclass(frozen=True, slots=True)
class Overridden(Problem):
    """A device that a person has in hand for the first slots, and what is left to plan of it."""

    head_w: Ints
    head_points_w: tuple[float, ...]
    rest: Problem | None
    slots: int

    def plan(self, target_w: Watts) -> Ints:
        """Return the person's profile, and the feasible one nearest to the target after that."""
        return self._whole(None if self.rest is None else self.rest.plan(target_w[self._head :]))

    def uncontrolled(self) -> Ints:
        """Return the person's profile, and what the device does by itself after that."""
        return self._whole(None if self.rest is None else self.rest.uncontrolled())

    def set_points(self, profile_w: Ints) -> list[float]:
        """Return the power that gives each slot's mean."""
        head, tail = list(self.head_points_w), profile_w[self._head :]
        return head + ([0.0] * len(tail) if self.rest is None else self.rest.set_points(tail))

    def orders(self, profile_w: Ints) -> list[Order] | None:
        """Return what is ordered of a device that takes no power."""
        return None if self.rest is None else self.rest.orders(profile_w[self._head :])

    def given_up(self, profile_w: Ints) -> GivenUp | None:
        """Return what the plan after the person's takes of the comfort."""
        return None if self.rest is None else self.rest.given_up(profile_w[self._head :])

    @property
    def _head(self) -> int:
        return len(self.head_w)

    def _whole(self, tail_w: Ints | None) -> Ints:
        if tail_w is None:
            tail_w = np.zeros(self.slots - self._head, dtype=np.int64)
        return np.concatenate((self.head_w, tail_w))


def overridden(known: Flexible, span: Span, power: Power, override: Override) -> Problem | None:
    """Return a device's problem over ``span``, with what a person does to it put first.

    The profile of a device that is on is that of a target which is high, and the higher the sooner,
    for so long; what it then is at its end is as its orders would have left it.
    """
    whole = known.problem(span, power)
    end = min(max(override.until_ms // SLOT_MS - span.first_slot, 0), span.slots)
    if whole is None or end == 0:
        return whole
    head_w, points_w = np.zeros(end, dtype=np.int64), [0.0] * end
    if override.action == "start":
        soon = np.concatenate((_BIG_W * np.arange(end, 0, -1), np.zeros(span.slots - end)))
        profile_w = np.maximum(whole.plan(soon), 0)
        head_w, points_w = profile_w[:end], whole.set_points(profile_w)[:end]
    if end == span.slots:
        return Overridden(head_w, tuple(points_w), None, span.slots)
    first = span.first_slot + end
    starts = [max(slot * SLOT_MS, span.from_ms) for slot in range(span.first_slot, first)]
    done = [*power, *zip(starts, points_w, strict=True)]
    rest = known.problem(Span(first * SLOT_MS, first, span.slots - end, span.unit_w), done)
    return Overridden(head_w, tuple(points_w), rest, span.slots)
