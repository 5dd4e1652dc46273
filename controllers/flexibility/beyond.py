"""What a transformer carries beyond what was expected: losses, newcomers, predictions that fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from controllers.balancing.ownmeter import OwnMeter
from controllers.flexibility.scheduling import Ints
from fernwatt.timebase import HOUR_MS, SLOT_MS, Clock

__all__ = ["Beyond"]

_KEPT, _HALF_SLOTS = 4, 8.0


class Beyond(OwnMeter):
    """Holds the operator's own meter against what was expected, and carries the difference on.

    The mean of the last hour's differences is expected to go on, half as much two hours later: who
    plugs a vehicle in, and is in no prognosis yet, is followed by others.
    """

    def __init__(self, start: Clock) -> None:
        super().__init__(start)
        self._next_slot = 0
        self._last: deque[float] = deque(maxlen=_KEPT)

    def learn(self, expected_wh: Mapping[int, int]) -> None:
        """Compare what was expected of slots with what has been measured of them since."""
        measured = self.first_slot
        if measured is None:
            return
        for slot in sorted(expected_wh):
            if slot < max(measured, self._next_slot):
                continue
            net_w = self.net_w(slot)
            if net_w is None:
                return
            self._last.append(net_w * SLOT_MS / HOUR_MS - expected_wh[slot])
            self._next_slot = slot + 1

    def expect_wh(self, slot: int, slots: int) -> Ints:
        """Return what to expect beyond the forecast in each slot [Wh]."""
        if not self._last:
            return np.zeros(slots, dtype=np.int64)
        ahead = np.maximum(np.arange(slot, slot + slots) - self._next_slot, 0)
        mean_wh = sum(self._last) / len(self._last)
        expected: Ints = np.rint(mean_wh * 0.5 ** (ahead / _HALF_SLOTS)).astype(np.int64)
        return expected
