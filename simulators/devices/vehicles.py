"""The vehicles that come to charging points: their batteries, drawn, and what they ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from simulators.devices.charging import VehicleSpec, stairs

__all__ = ["Car", "VehiclePlan", "cars"]

_LEAST_SOC = 0.05  # nobody comes with less
_ROUND_WH = 100.0


@dataclass(frozen=True, slots=True)
class VehiclePlan:
    """Vehicles of a scenario; ``capacity_wh`` is drawn evenly, ``full_soc`` is where owners stop.

    The rest is as in ``VehicleSpec``, ``curve`` a share of the charging point's power.
    """

    capacity_wh: tuple[float, float] = (40_000.0, 80_000.0)
    full_soc: float = 1.0
    curve: tuple[tuple[float, float], ...] = ((0.8, 1.0), (1.0, 0.1))
    charge_efficiency: float = 0.9
    discharge_efficiency: float = 0.9
    reserve_soc: float = 0.3


@dataclass(frozen=True, slots=True)
class Car:
    """The vehicle that belongs to a charging point of ``point_w``."""

    capacity_wh: float
    point_w: float
    plan: VehiclePlan

    def most_wh(self, span_ms: float) -> float:
        """Return what it can ask for at most, with ``span_ms`` of full power until it is full."""
        plan = self.plan
        room = max(plan.full_soc - _LEAST_SOC, 0.0) * self.capacity_wh / plan.charge_efficiency
        spec = self._spec(_LEAST_SOC)
        return min(room, stairs(spec, room, self.point_w, _LEAST_SOC).most_wh(span_ms))

    def after(self, energy_wh: float, span_ms: float) -> float:
        """Return what is missing of ``energy_wh`` until full, after ``span_ms`` of full power."""
        soc = self.soc(energy_wh)
        way = stairs(self._spec(soc), energy_wh, self.point_w, soc)
        return way.missing_after(energy_wh, span_ms)

    def soc(self, energy_wh: float) -> float:
        """Return the state of charge from which ``energy_wh`` makes it full."""
        return self.plan.full_soc - energy_wh * self.plan.charge_efficiency / self.capacity_wh

    def plate(self, arrival_soc: float, capacity_wh: float | None = None) -> dict[str, Any]:
        """Return its specification in a session."""
        plan = self.plan
        return {
            "capacity_wh": capacity_wh or self.capacity_wh,
            "arrival_soc": max(arrival_soc, 0.0),
            "curve": [list(point) for point in plan.curve],
            "charge_efficiency": plan.charge_efficiency,
            "discharge_efficiency": plan.discharge_efficiency,
            "reserve_soc": plan.reserve_soc,
        }

    def _spec(self, soc: float) -> VehicleSpec:
        plan = self.plan
        return VehicleSpec(
            self.capacity_wh, soc, self.point_w, plan.curve, plan.charge_efficiency,
            plan.discharge_efficiency, plan.reserve_soc,
        )  # fmt: skip


def cars(owners: Iterable[str], plan: VehiclePlan, point_w: float, seed: int) -> dict[str, Car]:
    """Return a vehicle for each charging point, drawn apart for each.

    Raises ScenarioError where even the smallest has no room between arrival and ``full_soc``.
    """
    low, high = plan.capacity_wh
    if plan.full_soc <= _LEAST_SOC:
        message = f"must be more than {_LEAST_SOC:g}, not {plan.full_soc:g}"
        raise ScenarioError([Fault("devices.ev.vehicle.full_soc", message)])
    drawn = {
        device: low + (high - low) * stream(seed, "devices", f"{device}/vehicle").random()
        for device in owners
    }
    return {
        device: Car(max(_ROUND_WH * round(wh / _ROUND_WH), low), point_w, plan)
        for device, wh in drawn.items()
    }
