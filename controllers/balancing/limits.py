"""Hard limits of what a unit's area may draw, slot by slot, and how far a sum is beyond them.

A limit is set by who looks after the grid: the operator by the scenario, or whoever may write
``balancing.limit`` at the unit (resilience services, a congestion point's owner). It is a power at
the unit's own place, positive drawn, so an upper one limits what is drawn and a lower one what is
fed in. All that are in force count together: the narrowest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from controllers.balancing.devices import Ints
from fernwatt.timebase import SLOT_MS

__all__ = ["LIMIT", "Bounds", "Limits"]

LIMIT = "balancing.limit"
_NONE_W = 1 << 50  # no limit: beyond any grid, far from any overflow
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and largest power of each slot of a horizon [W], in whole units of the negotiation."""

    lower_w: Ints
    upper_w: Ints

    def nearest(self, sum_w: Ints) -> Ints:
        """Return what comes nearest to ``sum_w`` within the limits."""
        near: Ints = np.minimum(np.maximum(sum_w, self.lower_w), self.upper_w)
        return near

    def well_within(self, sum_w: Ints, margin_w: int) -> Ints:
        """Return the same with ``margin_w`` to the limits, less where they are closer together."""
        room = np.minimum(margin_w, (self.upper_w - self.lower_w) // 2)
        near: Ints = np.minimum(np.maximum(sum_w, self.lower_w + room), self.upper_w - room)
        return near

    def excess_w(self, sum_w: Ints) -> float:
        """Return the 2-norm of what lies beyond the limits; 0 where nothing does."""
        return float(np.linalg.norm(sum_w - self.nearest(sum_w)))

    def largest_w(self, sum_w: Ints) -> float:
        """Return the largest power beyond the limits, of any slot."""
        return float(np.abs(sum_w - self.nearest(sum_w)).max(initial=0))

    def within(self, desired_w: Ints, unit_w: int) -> Ints:
        """Return a profile within the limits of the same energy, as level as they allow.

        Where they do not allow the energy it is as near to it as it can be.
        """
        total = int(desired_w.sum())
        low, high = -2.0 * _NONE_W, 2.0 * _NONE_W
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            moved = np.clip(desired_w + middle, self.lower_w, self.upper_w)
            low, high = (middle, high) if moved.sum() < total else (low, middle)
        moved = np.clip(desired_w + high, self.lower_w, self.upper_w)
        nearest = self.nearest(unit_w * np.rint(moved / unit_w).astype(np.int64))
        return self.nearest(desired_w) if abs(high) >= _NONE_W else nearest


class Limits:
    """The limits in force at one unit.

    ``fixed`` are those of the scenario: ``{from_ms, until_ms, upper_w, lower_w}``, the powers
    None where there is none. What is written later replaces what was written before.
    """

    __slots__ = ("_fixed", "_told")

    def __init__(self, fixed: Iterable[Mapping[str, Any]] = ()) -> None:
        self._fixed = [
            (int(one["from_ms"]), int(one["until_ms"]), one.get("lower_w"), one.get("upper_w"))
            for one in fixed
        ]
        self._told: Mapping[str, Any] | None = None

    def take(self, value: Mapping[str, Any]) -> bool:
        """Take a written limit ``{slot, upper_w: [...], lower_w: [...]}``; tell whether it is new.

        A slot's None, or a list that ends before it, says that there is no limit.
        """
        new = value != self._told
        self._told = dict(value)
        return new

    def over(self, first_slot: int, slots: int, unit_w: int) -> Bounds | None:
        """Return the limits of a horizon; None where there is none in it.

        They are rounded inwards; where a lower one is above an upper one, the upper one counts.
        """
        lower, upper = np.full(slots, -_NONE_W), np.full(slots, _NONE_W)
        at_ms = np.arange(first_slot, first_slot + slots) * SLOT_MS
        for from_ms, until_ms, low, high in self._fixed:
            inside = (at_ms < until_ms) & (at_ms + SLOT_MS > from_ms)
            if low is not None:
                lower[inside] = np.maximum(lower[inside], _inwards(low, unit_w, up=True))
            if high is not None:
                upper[inside] = np.minimum(upper[inside], _inwards(high, unit_w, up=False))
        if self._told is not None:
            begin = int(self._told["slot"]) - first_slot
            for at, low in _placed(self._told.get("lower_w") or (), begin, slots):
                lower[at] = max(lower[at], _inwards(low, unit_w, up=True))
            for at, high in _placed(self._told.get("upper_w") or (), begin, slots):
                upper[at] = min(upper[at], _inwards(high, unit_w, up=False))
        if (lower == -_NONE_W).all() and (upper == _NONE_W).all():
            return None
        return Bounds(np.minimum(lower, upper), upper)


def _inwards(p_w: float, unit_w: int, *, up: bool) -> int:
    return unit_w * int(np.ceil(p_w / unit_w) if up else np.floor(p_w / unit_w))


def _placed(values: Sequence[float | None], begin: int, slots: int) -> Iterable[tuple[int, float]]:
    for at, value in enumerate(values, begin):
        if value is not None and 0 <= at < slots:
            yield at, value
