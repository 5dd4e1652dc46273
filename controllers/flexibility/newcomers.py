"""Who is still to come: what customers will tell more than they have told so far.

Vehicles are in no profile before they come. In the evening they come one after the other, and what
those of the last hour brought is expected of those of the next: tellings of each quarter-hour
raised the quarter-hours after it by so much, the first by so much, the second by so much, and so
on; fewer, as fewer are left who have not come yet. Who comes in a quarter-hour draws in it, too:
half of what he draws in the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from controllers.flexibility.scheduling import Ints
from fernwatt.timebase import SLOT_MS

__all__ = ["AHEAD", "Newcomers"]

AHEAD = 8
"""How many quarter-hours ahead it is kept how far tellings went beyond what was believed."""
_LAST, _GROWS, _HALF_SLOTS = 4, 4, 4.0


class Newcomers:
    """Of one area."""

    def __init__(self) -> None:
        self._by_slot: dict[int, np.ndarray] = {}
        self._absent: dict[int, int] = {}

    def add(self, now: int, change_wh: Sequence[int], absent: int) -> None:
        """Take by how much a telling in slot ``now`` changed what is believed of those after it.

        ``absent`` is how many customers had not come by then.
        """
        self._absent.setdefault(now, absent)
        total = self._by_slot.setdefault(now, np.zeros(AHEAD))
        total += np.asarray(change_wh[:AHEAD], dtype=float)
        for old in [slot for slot in self._by_slot if slot < now - 2 * _LAST]:
            del self._by_slot[old], self._absent[old]

    def expect_wh(self, now_ms: int, slots: int, absent: int) -> Ints:
        """Return what those to come, of ``absent``, will draw in each slot after the present [Wh].

        It grows for an hour, and then dies away: nobody knows how long they go on coming.
        """
        now = now_ms // SLOT_MS
        none = np.zeros(AHEAD)
        last = range(now - _LAST, now)
        were = max((self._absent[slot] for slot in last if slot in self._absent), default=0)
        share = min(absent / were, 1.0) if were else 0.0
        mean = sum((self._by_slot.get(slot, none) for slot in last), none) * (share / _LAST)
        left = 1.0 - now_ms % SLOT_MS / SLOT_MS
        grown = np.array([0.5 * mean[0] + mean[:i].sum() + left * mean[i] for i in range(_GROWS)])
        ahead = np.arange(slots)
        fading = 0.5 ** (np.maximum(ahead - _GROWS + 1, 0) / _HALF_SLOTS)
        expected = np.maximum(grown[np.minimum(ahead, _GROWS - 1)], 0.0) * fading
        whole: Ints = np.rint(expected).astype(np.int64)
        return whole
