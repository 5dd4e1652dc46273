"""What became of a package at a unit and all units below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["OPEN", "Tally", "read_counts"]

OPEN = "waiting"
_PHASES = (OPEN, "trial", "confirmed", "rolled-back", "reset", "refused")


class Tally:
    """Units that a package means, by phase: this one (``own``), and below each child.

    ``below`` says how many are meant below each child; until a child tells, they are waiting.
    """

    __slots__ = ("_below", "_own", "_told_ms")

    def __init__(self, own: bool, below: Mapping[str, int]) -> None:
        self._own = OPEN if own else ""
        self._below = {child: {OPEN: count} for child, count in below.items() if count}
        self._told_ms: dict[str, int] = {}

    @property
    def own(self) -> str:
        """This unit's phase, "" where it is not meant."""
        return self._own

    @property
    def children(self) -> list[str]:
        """The children that are meant or have somebody below them that is."""
        return sorted(self._below, key=str.encode)

    @property
    def counts(self) -> dict[str, int]:
        """How many units are in each phase; phases without any are left out."""
        total = Counter([self._own] if self._own else [])
        for counts in self._below.values():
            total.update(counts)
        return {phase: total[phase] for phase in _PHASES if total[phase]}

    def is_now(self, phase: str) -> None:
        """Note this unit's own phase, if it is meant."""
        if self._own:
            self._own = phase

    def told(self, child: str, counts: Mapping[str, int], t_ms: int) -> bool:
        """Note what a child told at its ``t_ms``; False where it told later things already.

        Nothing is noted where it is not meant or tells of too many.
        """
        if child not in self._below or t_ms < self._told_ms.get(child, -1):
            return False
        self._told_ms[child] = t_ms
        if sum(counts.values()) == sum(self._below[child].values()):
            self._below[child] = dict(counts)
        return True


def read_counts(value: Any) -> dict[str, int]:
    """Return counts by phase as they came over the network; {} where they are none."""
    if type(value) is not dict or not value.keys() <= set(_PHASES):
        return {}
    if not all(type(count) is int and count > 0 for count in value.values()):
        return {}
    return dict(value)
