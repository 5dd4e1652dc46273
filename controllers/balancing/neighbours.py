"""Houses that do not speak for themselves: what their meters tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from controllers.balancing.devices import Ints
from controllers.balancing.house import MeteredLoad
from controllers.balancing.subscriptions import Subscriptions
from controllers.unit.service import Notification
from fernwatt.timebase import Clock

__all__ = ["Neighbours"]


class Neighbours:
    """Predicts houses from their meters, which it follows only once it has to."""

    def __init__(self, start: Clock, predictor: Mapping[str, Any]) -> None:
        self._start, self._settings = start, predictor
        self._loads: dict[str, MeteredLoad] = {}
        self._primed: set[str] = set()
        self._next_slot: dict[str, int] = {}

    def follow(self, meter: str, subscriptions: Subscriptions) -> None:
        """Subscribe to a meter's registers and ask for its memory of earlier days, once."""
        if meter in self._loads:
            return
        self._loads[meter] = MeteredLoad(self._start, self._settings)
        subscriptions.want("energy.import", meter)
        subscriptions.want("energy.export", meter)
        subscriptions.ask("load_profile", meter)

    def take(self, notification: Notification) -> bool:
        """Take a meter's reading; return False if it is none of theirs."""
        load = self._loads.get(notification.location)
        if load is not None:
            load.take(notification)
        return load is not None

    def predict(self, meter: str, first_slot: int, slots: int, unit_w: int) -> Ints:
        """Return a house's expected net profile [W], in whole ``unit_w``."""
        load = self._loads.get(meter)
        if load is None:
            return np.zeros(slots, dtype=np.int64)
        if load.history is not None and meter not in self._primed:
            self._primed.add(meter)
            load.predictor.load_history(load.history[0], load.history[1].tolist())
        slot = self._next_slot.get(meter, load.first_slot or 0)
        while (net_w := load.net_w(slot)) is not None:
            load.predictor.observe(slot, net_w)
            slot += 1
            self._next_slot[meter] = slot
        forecast = load.predictor.predict(first_slot, slots)
        return unit_w * np.rint(forecast / unit_w).astype(np.int64)
