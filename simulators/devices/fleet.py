"""Who has which device: seeded assignment, stable when other customers come or go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import Clock
from simulators.devices.pv import PvSystem, pv_power
from simulators.devices.sessions import SessionStatistics, sample_sessions
from simulators.devices.vehicles import Car
from simulators.devices.weather import Weather

__all__ = [
    "assign",
    "charging_points",
    "home_batteries",
    "households",
    "on_one_phase",
    "pv_systems",
    "roofs",
]

_AZIMUTH_STEP_DEG, _TILT_STEP_DEG = 15.0, 5.0
_AZIMUTHS_DEG, _TILTS_DEG = (90.0, 270.0), (20.0, 45.0)
_ROUND_W, _STANDARD_W_M2 = 100.0, 1000.0
Spec = dict[str, Any]


def assign(share: float, customers: Sequence[str], seed: int, kind: str) -> dict[str, str]:
    """Return which customers (terminals ``terminal/area/name``) have a device of a kind.

    The result maps device identifiers (``ev/area/name``) to terminals, in the order of
    ``customers``. Each customer is asked with probability ``share`` in its own stream, so the
    choice for one does not depend on the others, and a larger share keeps those of a smaller.
    Raises ScenarioError unless ``share`` is from 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ScenarioError([Fault(f"devices.{kind}.share", f"must be from 0 to 1, not {share}")])
    return {
        f"{kind}/{customer.partition('/')[2]}": customer
        for customer in customers
        if stream(seed, "devices", f"{kind}/{customer}/owner").random() < share
    }


def households(profiles: Mapping[str, tuple[Any, Any]]) -> list[Spec]:
    """Return the specifications of loads from ``{terminal: (p_w[slots], q_var[slots])}``."""
    return [
        {"id": f"load/{terminal.partition('/')[2]}", "kind": "load", "terminal": terminal,
         "p_w": p_w, "q_var": q_var}
        for terminal, (p_w, q_var) in profiles.items()
    ]  # fmt: skip


def roofs(
    owners: Mapping[str, str],
    seed: int,
    *,
    p_rated_w: tuple[float, float],
    area_m2: tuple[float, float] | None = None,
    module_efficiency: float = 0.2,
    **given: Any,
) -> dict[str, PvSystem]:
    """Return a PV system for each device of ``assign``: rating, azimuth and tilt are drawn.

    Uniform between the limits of ``p_rated_w``, between east and west by 15°, between 20° and
    45° of tilt by 5°. With ``area_m2`` the area is drawn instead, and the rating is what modules of
    ``module_efficiency`` give at standard conditions divided by ``dc_ratio``. ``given`` fixes
    fields of ``PvSystem`` for all.
    """
    drawn = {}
    for device in owners:
        low, high, turn = stream(seed, "devices", f"{device}/roof").random(3)
        system = PvSystem(
            p_rated_w=1.0,
            tilt_deg=_stepped(high, _TILTS_DEG, _TILT_STEP_DEG),
            azimuth_deg=_stepped(turn, _AZIMUTHS_DEG, _AZIMUTH_STEP_DEG),
        )
        system = replace(system, **given)
        if area_m2 is None:
            rated_w = p_rated_w[0] + low * (p_rated_w[1] - p_rated_w[0])
            rated_w = max(_ROUND_W * round(rated_w / _ROUND_W), p_rated_w[0])
        else:
            modules_m2 = area_m2[0] + low * (area_m2[1] - area_m2[0])
            rated_w = modules_m2 * module_efficiency * _STANDARD_W_M2 / system.dc_ratio
        drawn[device] = replace(system, p_rated_w=rated_w)
    return drawn


def pv_systems(
    owners: Mapping[str, str], systems: Mapping[str, PvSystem], weather: Weather
) -> list[Spec]:
    """Return the specifications of PV systems; ``p_w`` is for the slots from 0 on."""
    power_w = pv_power(weather, [systems[device] for device in owners])[:, -weather.first_slot :]
    return [
        {"id": device, "kind": "pv", "terminal": terminal, "p_w": power_w[number]}
        for number, (device, terminal) in enumerate(owners.items())
    ]


def charging_points(
    owners: Mapping[str, str],
    *,
    clock: Clock,
    end_ms: int,
    seed: int,
    p_max_w: float = 11_000.0,
    p_min_w: float = 0.0,
    statistics: SessionStatistics | None = None,
    sessions: Mapping[str, list[dict[str, Any]]] | None = None,
    vehicles: Mapping[str, Car] | None = None,
    p_discharge_w: float = 0.0,
) -> list[Spec]:
    """Return the specifications of charging points, with drawn sessions or the ``sessions`` given.

    ``vehicles`` come to draw sessions, of which nothing is known otherwise. Raises ScenarioError
    for statistics that cannot be.
    """
    what = statistics or SessionStatistics()
    what.check("devices.ev.sessions.statistics")
    gives = {"p_discharge_w": p_discharge_w} if p_discharge_w else {}
    return [
        {
            "id": device, "kind": "ev", "terminal": terminal,
            "p_max_w": p_max_w, "p_min_w": p_min_w, **gives,
            "sessions": list(sessions.get(device, ())) if sessions is not None else sample_sessions(
                device, p_max_w, clock=clock, end_ms=end_ms, seed=seed, statistics=what,
                car=vehicles[device] if vehicles else None,
            ),
        }
        for device, terminal in owners.items()
    ]  # fmt: skip


def on_one_phase(devices: Sequence[Spec], seed: int) -> list[Spec]:
    """Return devices connected to one phase each, drawn evenly and apart for each."""
    return [
        device | {"phase": "abc"[stream(seed, "devices", f"{device['id']}/phase").integers(3)]}
        for device in devices
    ]


def home_batteries(
    owners: Mapping[str, str],
    *,
    capacity_wh: float = 10_000.0,
    p_max_w: float = 5_000.0,
    efficiency: float = 0.95,
    **given: float,
) -> list[Spec]:
    """Return the specifications of batteries; ``efficiency`` is that of each way."""
    return [
        {"id": device, "kind": "battery", "terminal": terminal, "capacity_wh": capacity_wh,
         "p_max_w": p_max_w, "charge_efficiency": efficiency, "discharge_efficiency": efficiency,
         **given}
        for device, terminal in owners.items()
    ]  # fmt: skip


def _stepped(share: float, limits: tuple[float, float], step: float) -> float:
    count = round((limits[1] - limits[0]) / step) + 1
    return limits[0] + step * min(int(share * count), count - 1)
