"""Name plates of charging points, their sessions, and the vehicles that come."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from simulators.devices.charging import Stairs, VehicleSpec, flat, stairs
from simulators.devices.checks import Checker
from simulators.devices.specbase import DeviceSpec, Head

__all__ = ["LEVEL", "EvSpec", "SessionSpec", "parse_ev", "parse_session"]

_ROUNDING = 1 + 1e-9
LEVEL = ((0.0, 1.0),)
"""The curve of a battery that takes full power up to the end."""


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """One visit of a vehicle at a charging point; ``energy_wh`` is asked for at the socket.

    ``vehicle`` is None where nothing is known of it; ``stairs`` tell how fast it can be charged.
    """

    id: str
    arrival_ms: int
    departure_ms: int
    energy_wh: float
    stairs: Stairs
    vehicle: VehicleSpec | None = None

    def missing_wh(self, soc: float) -> float:
        """Return what is missing at the socket at a state of charge of a known vehicle."""
        if self.vehicle is None:
            return 0.0
        up = self.vehicle.target_soc(self.energy_wh) - soc
        return up * self.vehicle.capacity_wh / self.vehicle.charge_efficiency


@dataclass(frozen=True, slots=True)
class EvSpec(DeviceSpec):
    """A charging point; it charges with 0 or with ``p_min_w`` to ``p_max_w``.

    It takes up to ``p_discharge_w`` from vehicles that are known.
    """

    p_max_w: float
    p_min_w: float
    p_discharge_w: float
    sessions: tuple[SessionSpec, ...]


def parse_ev(check: Checker, head: Head, slots: int) -> DeviceSpec:  # noqa: ARG001 - one signature
    """Return a charging point; its sessions must be feasible, and come one after the other."""
    p_max_w = check.number("p_max_w", above=0.0)
    p_min_w = check.number("p_min_w", 0.0, least=0.0, most=p_max_w)
    p_discharge_w = check.number("p_discharge_w", 0.0, least=0.0)
    sessions = [
        parse_session(child, head[0], number, p_max_w)
        for number, child in enumerate(check.children("sessions"))
    ]
    order = sorted(sessions, key=lambda session: session.arrival_ms)
    for before, after in pairwise(order):
        if after.arrival_ms < before.departure_ms:
            number = sessions.index(after)
            check.fault(f"sessions[{number}].arrival_ms", f"{before.id} is still plugged in then")
    return EvSpec(*head, p_max_w, p_min_w, p_discharge_w, tuple(order))


def parse_session(check: Checker, device: str, number: int, p_max_w: float) -> SessionSpec:
    """Return the session ``number`` of a device; it must be feasible at full power."""
    name = check.text("id", f"session/{device.partition('/')[2]}/{number}")
    arrival_ms = check.integer("arrival_ms", least=0)
    departure_ms = check.integer("departure_ms")
    energy_wh = check.number("energy_wh", above=0.0)
    child, before = check.child("vehicle"), len(check.faults)
    vehicle = None if child is None else _vehicle(child, p_max_w)
    check.no_others()
    way = flat(energy_wh, p_max_w)
    if len(check.faults) > before:
        vehicle = None  # harmless values would bring further faults
    if vehicle is not None and vehicle.target_soc(energy_wh) > _ROUNDING:
        most_wh = (1 - vehicle.arrival_soc) * vehicle.capacity_wh / vehicle.charge_efficiency
        message = f"{energy_wh:g} Wh is more than the battery can take: {most_wh:g} Wh"
        check.fault("energy_wh", message)
    elif vehicle is not None:
        least_soc = min(vehicle.arrival_soc, vehicle.reserve_soc)
        way = stairs(vehicle, energy_wh, p_max_w, least_soc)
    if departure_ms <= arrival_ms:
        check.fault("departure_ms", f"{departure_ms} is not after the arrival at {arrival_ms}")
    elif way.least_ms(energy_wh / _ROUNDING) > (stay_ms := departure_ms - arrival_ms):
        most = f"more than the session can take: {way.most_wh(stay_ms):g} Wh"
        check.fault("energy_wh", f"{energy_wh:g} Wh is {most}")
    return SessionSpec(name, arrival_ms, departure_ms, energy_wh, way, vehicle)


def _vehicle(check: Checker, point_w: float) -> VehicleSpec:
    """Return a vehicle at a point of ``point_w``."""
    made = VehicleSpec(
        check.number("capacity_wh", above=0.0),
        check.number("arrival_soc", least=0.0, most=1.0),
        check.number("p_max_w", point_w, above=0.0),
        _curve(check, check.other("curve", LEVEL)),
        check.number("charge_efficiency", 1.0, above=0.0, most=1.0),
        check.number("discharge_efficiency", 1.0, above=0.0, most=1.0),
        check.number("reserve_soc", 0.0, least=0.0, most=1.0),
    )
    check.no_others()
    return made


def _curve(check: Checker, given: Any) -> tuple[tuple[float, float], ...]:
    """Return points that rise in the state of charge; shares more than 0, at most 1."""
    points = given if isinstance(given, list | tuple) else []
    numbers = [
        tuple(point)
        for point in points
        if isinstance(point, list | tuple)
        and len(point) == 2
        and all(isinstance(v, int | float) and math.isfinite(v) for v in point)
    ]
    if not points or len(numbers) != len(points):
        check.fault("curve", "must be a list of [state of charge, share of the power]")
        return LEVEL
    if any(not 0 <= soc <= 1 or not 0 < share <= 1 for soc, share in numbers):
        check.fault("curve", "states of charge are from 0 to 1, shares more than 0, at most 1")
        return LEVEL
    if any(a[0] >= b[0] for a, b in pairwise(numbers)):
        check.fault("curve", "states of charge must rise from one point to the next")
        return LEVEL
    return tuple((float(soc), float(share)) for soc, share in numbers)
