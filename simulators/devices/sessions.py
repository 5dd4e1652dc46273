"""Charging sessions, drawn from a distribution.

Home charging: a vehicle comes in the evening and leaves in the morning. The defaults follow the
marginals of home sessions that ElaadNL publishes; see ``docs/models/devices.md`` for the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import Clock
from simulators.devices.instants import zone_of
from simulators.devices.vehicles import Car

__all__ = ["Session", "SessionStatistics", "sample_sessions"]

_WMS_PER_WH = 3.6e6
Session = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """Marginals of home charging, each (mean, standard deviation); hours are local time.

    ``per_day`` is the probability of a session beginning on a day. Arrival is normal, within
    ``arrival_limits_h`` (an hour of 24 or more is after midnight); departure normal on the next
    day, within ``departure_limits_h``; energy gamma, cut at ``energy_max_wh`` and at ``margin``
    of what the point can give until departure.
    """

    per_day: float = 0.63
    arrival_h: tuple[float, float] = (19.6, 2.2)
    arrival_limits_h: tuple[float, float] = (14.0, 25.0)
    departure_h: tuple[float, float] = (8.2, 1.3)
    departure_limits_h: tuple[float, float] = (5.0, 12.0)
    energy_wh: tuple[float, float] = (15_000.0, 12_000.0)
    energy_max_wh: float = 80_000.0
    margin: float = 0.9
    timezone: str = "Europe/Berlin"

    def check(self, path: str) -> None:
        """Raise ScenarioError for figures that cannot be."""
        faults = []
        if not 0.0 <= self.per_day <= 1.0:
            faults.append(Fault(f"{path}.per_day", f"must be from 0 to 1, not {self.per_day}"))
        if not 0.0 < self.margin <= 1.0:
            faults.append(Fault(f"{path}.margin", f"must be more than 0, at most 1: {self.margin}"))
        if min(self.energy_wh) <= 0.0 or self.energy_max_wh <= 0.0:
            faults.append(Fault(f"{path}.energy_wh", "must be positive"))
        if self.arrival_limits_h[1] >= 24.0 + self.departure_limits_h[0]:
            message = "departures can lie before arrivals"
            faults.append(Fault(f"{path}.departure_limits_h", message, "keep the limits apart"))
        try:
            zone_of(self.timezone)
        except ValueError:
            faults.append(Fault(f"{path}.timezone", f"there is no time zone {self.timezone!r}"))
        if faults:
            raise ScenarioError(faults)


def sample_sessions(
    device: str,
    p_max_w: float,
    *,
    clock: Clock,
    end_ms: int,
    seed: int,
    statistics: SessionStatistics | None = None,
    car: Car | None = None,
) -> list[Session]:
    """Return the sessions of one charging point that touch the run, by time.

    A vehicle that is parked when the run starts has charged at full power since it came, and
    asks for the rest. A longer run begins with the same sessions. ``car`` is the vehicle that
    comes; it asks for no more than makes it full.
    """
    what = statistics or SessionStatistics()
    zone = zone_of(what.timezone)
    first = clock.start.astimezone(zone).date() - timedelta(days=1)
    days = (clock.at(end_ms).astimezone(zone).date() - first).days + 1
    rng = stream(seed, "devices", f"{device}/sessions")
    # a fixed number of draws for each day keeps the days apart from each other
    draws = [(rng.random(), *rng.standard_normal(2), rng.standard_gamma(_shape(what)))
             for _ in range(days)]  # fmt: skip
    sessions: list[Session] = []
    for day, draw in enumerate(draws):
        if draw[0] >= what.per_day:
            continue
        midnight = datetime.combine(first + timedelta(days=day), datetime.min.time(), tzinfo=zone)
        arrival_ms, departure_ms, energy_wh = _visit(what, clock, midnight, draw, p_max_w)
        if car is not None:
            energy_wh = min(energy_wh, car.most_wh(what.margin * (departure_ms - arrival_ms)))
        if arrival_ms < 0:
            energy_wh = _at_start(energy_wh, -arrival_ms, p_max_w, car)
            arrival_ms = 0
        if departure_ms > 0 and energy_wh > 1.0 and arrival_ms < end_ms:
            session = _session(device, len(sessions), arrival_ms, departure_ms, energy_wh)
            if car is not None:
                session["vehicle"] = car.plate(car.soc(energy_wh))
            sessions.append(session)
    return sessions


def _visit(
    what: SessionStatistics,
    clock: Clock,
    midnight: datetime,
    draw: Sequence[float],
    p_max_w: float,
) -> tuple[int, int, float]:
    """Return arrival, departure and energy asked for of one day's draws."""
    arrival_h = _within(what.arrival_h, what.arrival_limits_h, draw[1])
    departure_h = 24.0 + _within(what.departure_h, what.departure_limits_h, draw[2])
    arrival_ms, departure_ms = (_t_ms(clock, midnight, h) for h in (arrival_h, departure_h))
    most_wh = what.margin * p_max_w * (departure_ms - arrival_ms) / _WMS_PER_WH
    energy_wh = min(draw[3] * what.energy_wh[1] ** 2 / what.energy_wh[0], most_wh)
    return arrival_ms, departure_ms, min(energy_wh, what.energy_max_wh)


def _at_start(energy_wh: float, since_ms: int, p_max_w: float, car: Car | None) -> float:
    """Return what is missing when the run starts, ``since_ms`` after the arrival."""
    if car is not None:
        return car.after(energy_wh, since_ms) if energy_wh > 1.0 else 0.0
    return energy_wh - p_max_w * since_ms / _WMS_PER_WH


def _session(
    device: str, number: int, arrival_ms: int, departure_ms: int, energy_wh: float
) -> Session:
    name = f"session/{device.partition('/')[2]}/{number}"
    return {"id": name, "arrival_ms": arrival_ms, "departure_ms": departure_ms,
            "energy_wh": energy_wh}  # fmt: skip


def _shape(what: SessionStatistics) -> float:
    return (what.energy_wh[0] / what.energy_wh[1]) ** 2


def _within(spread: tuple[float, float], limits: tuple[float, float], normal: float) -> float:
    return float(np.clip(spread[0] + spread[1] * normal, *limits))


def _t_ms(clock: Clock, midnight: datetime, hours: float) -> int:
    """Return the tick of a local wall-clock time, to the second."""
    local = midnight + timedelta(seconds=round(hours * 3600))
    return round((local - clock.start) / timedelta(milliseconds=1))
