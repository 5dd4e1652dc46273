"""How far devices were from what was planned of them, slot by slot, as their registers tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controllers.balancing.controller import DeviceController
from controllers.balancing.devices import STEP_H, ordered_wh
from controllers.balancing.house import House
from fernwatt.timebase import SLOT_MS

__all__ = ["Deviation", "deviations"]


@dataclass(frozen=True, slots=True)
class Deviation:
    """Mean powers of one device in one slot [W]: planned, ordered at last, measured.

    ``why`` is what the slot's last order was changed by: ``override``, ``sure``, ``grid``,
    ``reserve`` or ``limit``; ``hold``: the device held the house by its clamp; empty: none of it.
    """

    device: str
    slot: int
    planned_w: float
    ordered_w: float
    measured_w: float
    why: str

    @property
    def far_w(self) -> float:
        """How far it was from the plan."""
        return abs(self.measured_w - self.planned_w)


def deviations(house: House, controller: DeviceController, slot: int) -> Iterator[Deviation]:
    """Yield the deviations of a slot that is over, of devices that had a plan and were heard of."""
    begin_ms, end_ms = slot * SLOT_MS, (slot + 1) * SLOT_MS
    for device, known in sorted(house.flexible.items()):
        planned, measured_w = controller.planned(device), known.energy.mean_w(slot)
        if measured_w is None or not planned or planned[0][0] >= end_ms:
            continue
        planned_w = ordered_wh(planned, begin_ms, end_ms, 0.0) / STEP_H
        ordered_w = ordered_wh(controller.power(device, begin_ms), begin_ms, end_ms, 0.0) / STEP_H
        yield Deviation(
            device, slot, planned_w, ordered_w, measured_w, controller.why(device, end_ms)
        )
