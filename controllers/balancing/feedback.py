"""What the feeder draws beyond what its houses say: losses, and predictions that fail."""

from __future__ import annotations

import numpy as np

from controllers.balancing.devices import Ints
from controllers.balancing.ownmeter import OwnMeter
from fernwatt.timebase import Clock

__all__ = ["Feedback"]


class Feedback(OwnMeter):
    """Holds the parent's own meter against the sum that was agreed, and carries on the difference.

    The newest difference dies away as an AR(1) process around zero whose coefficient is
    estimated from all differences so far. A parent without a meter of its own never measures
    anything, and its correction stays zero.
    """

    def __init__(self, start: Clock) -> None:
        super().__init__(start)
        self._next_slot = 0
        self._beyond_w = 0.0
        # prior: a coefficient of 0.6 with the weight of eight hours of differences of 2 kW
        self._squares = 32 * 2000.0**2
        self._products = 0.6 * self._squares

    def learn(self, first_slot: int, agreed_w: Ints) -> None:
        """Compare what was agreed from ``first_slot`` on with what has been measured of it."""
        measured = self.first_slot
        if measured is None:
            return
        slot = max(first_slot, measured, self._next_slot)
        while slot < first_slot + len(agreed_w):
            net_w = self.net_w(slot)
            if net_w is None:
                break
            beyond_w = net_w - float(agreed_w[slot - first_slot])
            if slot == self._next_slot:
                self._products += beyond_w * self._beyond_w
                self._squares += self._beyond_w**2
            slot += 1
            self._beyond_w, self._next_slot = beyond_w, slot

    def correction_w(self, first_slot: int, slots: int, unit_w: int) -> Ints:
        """Return what to expect beyond the houses' sum [W], in whole ``unit_w``."""
        coefficient = min(max(self._products / self._squares, 0.0), 0.98)
        ahead = np.arange(first_slot, first_slot + slots) - self._next_slot + 1
        expected_w = self._beyond_w * coefficient ** np.maximum(ahead, 0)
        return unit_w * np.rint(expected_w / unit_w).astype(np.int64)
