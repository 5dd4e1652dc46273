"""Ten households: who is at home and awake, and what that draws, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from fernwatt.streams import stream
from scenarios.ten_houses.calendar import days, is_free

__all__ = ["HOUSES", "House", "house_course"]

Watts = NDArray[np.float64]
_DAY = 1440  # minutes
_SUNRISE_H, _SUNSET_H = 8.1, 17.1  # end of January, 52° N, local time


@dataclass(frozen=True, slots=True)
class House:
    """A household: its people, how many of them go out to work, and what stands in the house."""

    name: str
    people: int
    workers: int
    freezer: bool = False
    dishwasher: bool = True
    dryer: bool = False

    @property
    def at_home(self) -> bool:
        """Tell whether somebody is there on working days."""
        return self.workers < min(self.people, 2)


HOUSES = (
    House("house-01", 1, 1, dishwasher=False),
    House("house-02", 1, 0),
    House("house-03", 2, 2),
    House("house-04", 2, 2, freezer=True),
    House("house-05", 2, 0, freezer=True),
    House("house-06", 3, 1, dryer=True),
    House("house-07", 4, 2, freezer=True, dryer=True),
    House("house-08", 4, 1, freezer=True, dryer=True),
    House("house-09", 5, 2, freezer=True, dryer=True),
    House("house-10", 2, 1),
)


def house_course(house: House, seed: int) -> Watts:
    """Return a house's power [W] without vehicle, panels and battery, by minutes.

    From midnight of the first of ``calendar.days()`` on, local time (winter time throughout).
    """
    rng = stream(seed, "ten_houses", house.name)
    maker = _Maker(house, rng)
    return np.concatenate([maker.day(day) for day in days()])


class _Maker:
    """Makes the days of one house; what differs from house to house is drawn first."""

    def __init__(self, house: House, rng: np.random.Generator) -> None:
        self._house, self._rng = house, rng
        self._standby_w = float(rng.uniform(45.0, 75.0) + 10.0 * house.people)
        self._pump_w = float(rng.uniform(25.0, 45.0))
        self._lamps_w = float(rng.uniform(25.0, 60.0) + 15.0 * house.people)
        self._screen_w = float(rng.uniform(90.0, 160.0))
        self._fridges = [(85.0, 55.0)] + ([(95.0, 70.0)] if house.freezer else [])
        self._phases = rng.uniform(0.0, 1.0, len(self._fridges))
        early, late = (6.0, 22.6) if house.workers else (7.2, 22.4)
        self._wakes_h = early + float(rng.uniform(0.0, 0.9))
        self._sleeps_h = late + float(rng.uniform(0.0, 1.0))
        self._dinner_h = float(rng.uniform(17.4, 19.4))

    def day(self, day: date) -> Watts:
        """Return one day, 1440 minutes."""
        rng, free = self._rng, is_free(day)
        wakes = self._minute(self._wakes_h + (1.4 if free else 0.0), 0.4)
        sleeps = self._minute(self._sleeps_h + (0.5 if free else 0.0), 0.5, most=_DAY - 1)
        awake = np.zeros(_DAY, dtype=bool)
        awake[wakes:sleeps] = True
        out = self._away(wakes, free)
        home = awake & ~out
        p_w = np.full(_DAY, self._standby_w) + self._cold() + self._heating()
        p_w += self._light(home) + self._screens(home)
        self._cook(p_w, home, wakes, free)
        self._chores(p_w, home, free)
        return p_w * float(rng.normal(1.0, 0.02))

    def _minute(self, hour: float, spread_h: float, most: int = _DAY - 1) -> int:
        return int(np.clip(60.0 * (hour + spread_h * self._rng.standard_normal()), 0, most))

    def _away(self, wakes: int, free: bool) -> NDArray[np.bool_]:
        """Return when nobody is in: at work, or out on an errand."""
        out, rng, house = np.zeros(_DAY, dtype=bool), self._rng, self._house
        if not free and house.workers and not house.at_home:
            leaves = wakes + int(rng.uniform(45, 80))
            out[leaves : self._minute(16.9, 0.9)] = True
        elif rng.random() < (0.6 if free else 0.5):
            leaves = self._minute(13.0, 2.2)
            out[leaves : leaves + int(rng.uniform(60, 210))] = True
        if rng.random() < 0.15:  # an evening out
            out[self._minute(19.4, 0.4) : self._minute(22.2, 0.5)] = True
        return out

    def _cold(self) -> Watts:
        """Return what refrigerators draw: a third of the time, in cycles that drift."""
        total, minutes = np.zeros(_DAY), np.arange(_DAY)
        for number, (p_w, period) in enumerate(self._fridges):
            at = self._phases[number] + minutes / (period * self._rng.uniform(0.92, 1.08))
            total += np.where(at % 1.0 < 0.36, p_w, 0.0)
            self._phases[number] = at[-1] % 1.0
        return total

    def _heating(self) -> Watts:
        """Return what the heating's pump draws in winter; at night it runs low."""
        minutes = np.arange(_DAY)
        return np.where((minutes > 330) & (minutes < 1350), self._pump_w, 0.3 * self._pump_w)

    def _light(self, home: NDArray[np.bool_]) -> Watts:
        hour = np.arange(_DAY) / 60.0
        dark = (hour < _SUNRISE_H) | (hour > _SUNSET_H)
        share = np.repeat(self._rng.uniform(0.5, 1.3, _DAY // 30), 30)
        return np.where(home, self._lamps_w * share * np.where(dark, 1.0, 0.25), 0.0)

    def _screens(self, home: NDArray[np.bool_]) -> Watts:
        """Return television and computers: in the evening, some during the day."""
        hour, rng = np.arange(_DAY) / 60.0, self._rng
        share = np.interp(
            hour, [0, 6, 9, 16, 19, 21, 23, 24], [0.2, 0.1, 0.3, 0.4, 0.9, 1, 0.8, 0.2]
        )
        many = 1.0 + 0.3 * (self._house.people - 1)
        on = np.repeat(rng.random(_DAY // 30), 30) < share
        return np.where(home & on, self._screen_w * many, 0.0)

    def _cook(self, p_w: Watts, home: NDArray[np.bool_], wakes: int, free: bool) -> None:
        people = self._house.people
        for at in (wakes + 15, wakes + 30):
            self._run(p_w, home, at, 4, 1900.0)  # kettle, toaster
        if (free or self._house.at_home) and self._rng.random() < 0.6:
            self._heat(p_w, home, self._minute(12.6, 0.5), 20 + 3 * people, 1500.0)
        if self._rng.random() < 0.85:
            length = 22 + 4 * people
            self._heat(
                p_w, home, self._minute(self._dinner_h, 0.5), length, 1500.0 + 120.0 * people
            )
        for _ in range(self._rng.poisson(0.9 + 0.3 * people)):
            self._run(p_w, home, self._minute(15.5, 4.0), 4, 1900.0)

    def _heat(
        self, p_w: Watts, home: NDArray[np.bool_], at: int, minutes: int, top_w: float
    ) -> None:
        """Add a stove: full at first, then on and off."""
        on = self._rng.random(minutes) < 0.55
        on[:8] = True
        self._add(p_w, home, at, np.where(on, top_w, 0.0))

    def _chores(self, p_w: Watts, home: NDArray[np.bool_], free: bool) -> None:
        house, rng = self._house, self._rng
        if rng.random() < (0.16 + 0.10 * house.people) * (1.3 if free else 0.9):
            at = self._minute(10.5 if house.at_home or free else 18.0, 2.0)
            self._add(p_w, home, at, _WASH)
            if house.dryer and rng.random() < 0.6:
                self._add(p_w, home, at + 110 + int(rng.uniform(0, 60)), _DRY)
        if house.dishwasher and rng.random() < min(0.25 + 0.15 * house.people, 0.95):
            at = int(60 * self._dinner_h) + int(rng.uniform(45, 150))
            self._add(p_w, home, at, _DISHES)
        if rng.random() < (0.4 if free else 0.12):
            self._run(p_w, home, self._minute(11.0, 1.5), 20, 1100.0)  # vacuum cleaner
        if rng.random() < 0.1 * house.people:
            self._run(p_w, home, self._minute(7.3, 0.3), 6, 1400.0)  # hair dryer

    def _run(self, p_w: Watts, home: NDArray[np.bool_], at: int, length: int, w: float) -> None:
        self._add(p_w, home, at, np.full(length, w))

    def _add(
        self, p_w: Watts, home: NDArray[np.bool_], at: int, course: Watts | Sequence[float]
    ) -> None:
        """Begin something as soon as somebody is at home from minute ``at`` on, else not at all."""
        at = max(at, 0)
        if at >= _DAY or not home[at:].any():
            return
        at += int(np.argmax(home[at:]))
        end = min(at + len(course), _DAY)
        p_w[at:end] += np.asarray(course, dtype=float)[: end - at]


_WASH = [150.0] * 5 + [2050.0] * 18 + [180.0] * 50 + [350.0] * 12
_DISHES = [60.0] * 10 + [1950.0] * 14 + [70.0] * 40 + [1950.0] * 12 + [40.0] * 20
_DRY = [2300.0 if minute % 10 < 8 else 250.0 for minute in range(65)]
