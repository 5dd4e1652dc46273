"""What the feeder draws beyond what its houses say: losses, and predictions that fail."""

from __future__ import annotations

import numpy as np

from controllers.balancing.devices import Ints
from controllers.balancing.house import MeteredLoad
from controllers.balancing.predictors import LoadPredictor
from controllers.balancing.subscriptions import Subscriptions
from controllers.unit.service import Notification
from fernwatt.timebase import Clock

__all__ = ["Feedback"]

_REGISTERS = ("energy.import", "energy.export")


class Feedback:
    """Holds the parent's own meter against the sum that was agreed, and carries on the difference.

    The difference of the slots measured so far is predicted like a load whose usual value is
    not known yet: zero, with the newest deviation dying away. A parent without a meter of its
    own never measures anything, and its correction stays zero.
    """

    def __init__(self, start: Clock) -> None:
        self._metered = MeteredLoad(start, {})
        self._predictor = LoadPredictor(start, cold_start_w=0.0)
        self._unit = ""
        self._next_slot: int | None = None

    def start(self, unit: str, subscriptions: Subscriptions) -> None:
        """Follow the registers of the unit's own meter."""
        self._unit = unit
        for register in _REGISTERS:
            subscriptions.want(register, unit)

    def take(self, notification: Notification) -> bool:
        """Take a reading; return False if it is none of the unit's own registers."""
        own = notification.location == self._unit and notification.variable in _REGISTERS
        if own:
            self._metered.take(notification)
        return own

    def learn(self, first_slot: int, agreed_w: Ints) -> None:
        """Compare what was agreed from ``first_slot`` on with what has been measured of it."""
        slot = first_slot if self._next_slot is None else max(self._next_slot, first_slot)
        while slot < first_slot + len(agreed_w):
            net_w = self._metered.net_w(slot)
            if net_w is None:
                break
            self._predictor.observe(slot, net_w - float(agreed_w[slot - first_slot]))
            slot += 1
        self._next_slot = slot

    def correction_w(self, first_slot: int, slots: int, unit_w: int) -> Ints:
        """Return what to expect beyond the houses' sum [W], in whole ``unit_w``."""
        expected_w = self._predictor.predict(first_slot, slots)
        return unit_w * np.rint(expected_w / unit_w).astype(np.int64)
