"""Five vehicles: when they come home, how far they have been, when they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from fernwatt.streams import stream
from scenarios.ten_houses.calendar import DAYS, START, ZONE, is_free

__all__ = ["CARS", "Car", "Session", "sessions"]

_WH_PER_KM = 210.0  # at the socket, winter
_TOTAL_WH = (408_000.0, 442_000.0)
_LEAST_WH, _MOST_WH = 1_500.0, 32_000.0
_LEAST_STAY_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle: whose, how far to work and back, on how many working days in five, when back.

    Without work it is out on errands; ``back_h`` is local time.
    """

    house: str
    work_km: float
    work_days: float
    back_h: float


CARS = (
    Car("house-03", 46.0, 5.0, 17.2),
    Car("house-04", 34.0, 5.0, 17.7),
    Car("house-06", 0.0, 0.0, 16.5),
    Car("house-07", 52.0, 4.0, 18.2),
    Car("house-09", 40.0, 5.0, 17.5),
)


@dataclass(frozen=True, slots=True)
class Session:
    """A vehicle at home: from, until, and what it needs by then [Wh at the socket]."""

    car: str
    arrival: datetime
    departure: datetime
    energy_wh: int


def sessions(seed: int, p_max_w: float) -> list[Session]:
    """Return the sessions of the run by arrival; what they ask for is scaled to a drawn total.

    All vehicles together drive what draws 408 to 442 kWh in the ten days; who drives how much,
    and when, is drawn.
    """
    visits = [visit for car in CARS for visit in _visits(car, seed)]
    wanted = float(stream(seed, "ten_houses", "mileage").uniform(*_TOTAL_WH))
    energy_wh = _scaled(visits, wanted, p_max_w)
    made = [
        Session(car, arrival, departure, round(wh / 10) * 10)
        for (car, arrival, departure, _), wh in zip(visits, energy_wh, strict=True)
    ]
    return sorted(made, key=lambda one: (one.arrival, one.car))


Visit = tuple[str, datetime, datetime, float]


def _scaled(visits: list[Visit], wanted_wh: float, p_max_w: float) -> list[float]:
    """Scale distances until what can be charged in the stays adds up to ``wanted_wh``."""
    limits = [
        min(_MOST_WH, _LEAST_STAY_SHARE * p_max_w * (leaves - comes) / timedelta(hours=1))
        for _, comes, leaves, _ in visits
    ]
    factor, energy_wh = 1.0, list[float]()
    for _ in range(20):
        energy_wh = [
            float(np.clip(factor * km * _WH_PER_KM, _LEAST_WH, limit))
            for (_, _, _, km), limit in zip(visits, limits, strict=True)
        ]
        factor *= wanted_wh / sum(energy_wh)
    return energy_wh


def _visits(car: Car, seed: int) -> list[Visit]:
    """Return a vehicle's stays at home: from a day's return to the next departure."""
    rng = stream(seed, "ten_houses", f"car of {car.house}")
    first = START.astimezone(ZONE).date()
    drives = {day: _drive(car, day, rng) for day in (first + timedelta(n) for n in range(DAYS + 1))}
    made, waiting_km = [], 0.0
    for day, drive in drives.items():
        if drive is None:
            continue
        _, back, km = drive
        if back.date() != day or back < START:
            continue
        leaves = _next_departure(drives, day)
        if rng.random() < 0.06:  # nobody plugs it in
            waiting_km += km
            continue
        end = START + timedelta(days=DAYS)
        if back < end:
            made.append((car.house, back, leaves, km + waiting_km))
            waiting_km = 0.0
    return made


Drive = tuple[datetime, datetime, float] | None


def _next_departure(drives: Mapping[date, Drive], day: date) -> datetime:
    """Return when the vehicle leaves next; at noon of the last day at the latest."""
    for later, drive in drives.items():
        if later > day and drive is not None:
            return drive[0]
    last = max(drives)
    return max(_at(last, 12.0), _at(day, 0.0) + timedelta(days=1, hours=8))


def _drive(car: Car, day: date, rng: np.random.Generator) -> Drive:
    """Return departure, return and distance of a day; None where the vehicle stays at home."""
    works = not is_free(day) and rng.random() < car.work_days / 5.0
    noise = rng.standard_normal(2)
    errand_km, errand_h = float(rng.gamma(2.0, 9.0)), float(rng.uniform(10.0, 14.5))
    goes, long = rng.random() < (0.7 if is_free(day) else 0.75), float(rng.uniform(1.5, 5.0))
    if works:
        leaves_h, back_h = 7.3 + 0.4 * float(noise[0]), car.back_h + 0.75 * float(noise[1])
        detour = errand_km / 2 if goes else 0.0
        return _at(day, leaves_h), _at(day, back_h), car.work_km + detour
    if not goes:
        return None
    back_h = min(errand_h + long, 21.5)
    return _at(day, errand_h), _at(day, back_h), 8.0 + errand_km * (1.5 if is_free(day) else 1.0)


def _at(day: date, hour: float) -> datetime:
    """Return a local time of day, to the minute."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    return (midnight + timedelta(minutes=round(60 * hour))).astimezone(UTC)
