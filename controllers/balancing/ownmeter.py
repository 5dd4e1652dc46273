"""The meter of a unit's own place in the grid, slot by slot."""

from __future__ import annotations

from controllers.balancing.house import MeteredLoad
from controllers.balancing.subscriptions import Subscriptions
from controllers.unit.service import Notification
from fernwatt.timebase import Clock

__all__ = ["OwnMeter"]

_REGISTERS = ("energy.import", "energy.export")


class OwnMeter:
    """Follows the registers of the unit that it serves; one without a meter never hears of any."""

    def __init__(self, start: Clock) -> None:
        self._metered = MeteredLoad(start, {})
        self._unit = ""

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

    @property
    def first_slot(self) -> int | None:
        """The first slot that is measured, None while there is none."""
        return self._metered.first_slot

    def net_w(self, slot: int) -> float | None:
        """Return the mean power of a slot [W]; None while not measured."""
        return self._metered.net_w(slot)
