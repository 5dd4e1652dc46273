"""Charging sessions: drawn from a distribution, or read from a user's file.

Home charging: a vehicle comes in the evening and leaves in the morning. The defaults follow the
marginals of home sessions that ElaadNL publishes; see ``docs/models/devices.md`` for the figures.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import Clock

__all__ = ["SessionStatistics", "read_sessions", "sample_sessions"]

_WMS_PER_WH = 3.6e6
_COLUMNS = ("device", "arrival", "departure", "energy_wh")
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
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
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
) -> list[Session]:
    """Return the sessions of one charging point that touch the run, by time.

    A vehicle that is parked when the run starts has charged at full power since it came, and
    asks for the rest. A longer run begins with the same sessions.
    """
    what = statistics or SessionStatistics()
    zone = ZoneInfo(what.timezone)
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
        arrival_h = _within(what.arrival_h, what.arrival_limits_h, draw[1])
        departure_h = 24.0 + _within(what.departure_h, what.departure_limits_h, draw[2])
        arrival_ms, departure_ms = (_t_ms(clock, midnight, h) for h in (arrival_h, departure_h))
        most_wh = what.margin * p_max_w * (departure_ms - arrival_ms) / _WMS_PER_WH
        energy_wh = min(draw[3] * what.energy_wh[1] ** 2 / what.energy_wh[0], most_wh)
        energy_wh = min(energy_wh, what.energy_max_wh)
        if arrival_ms < 0:
            energy_wh += p_max_w * arrival_ms / _WMS_PER_WH
            arrival_ms = 0
        if departure_ms > 0 and energy_wh > 1.0 and arrival_ms < end_ms:
            sessions.append(_session(device, len(sessions), arrival_ms, departure_ms, energy_wh))
    return sessions


def read_sessions(
    path: Path, *, clock: Clock, end_ms: int, p_max_w: Mapping[str, float]
) -> dict[str, list[Session]]:
    """Return the sessions of a CSV file by charging point, sorted by arrival.

    Columns: ``device, arrival, departure, energy_wh`` and, if wanted, ``session`` (a name);
    times ISO 8601, in UTC where no zone is given; ``p_max_w`` holds every charging point.
    Sessions that end before the run or begin after it are checked and left out. Raises
    ScenarioError with every faulty row: unknown device, a time or energy that is none, departure
    not after arrival, arrival before the start of the run and departure after it, more energy
    than the point can give, a doubled name, two vehicles at one point.
    """
    faults: list[Fault] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                message = f"has no column {', '.join(missing)}"
                raise ScenarioError([Fault("sessions", message, where=f"{path.name}:1")])
            rows = [(f"{path.name}:{reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError([Fault("sessions", f"cannot be read: {error}")]) from error
    found: dict[str, list[tuple[str, Session]]] = {}
    names: dict[str, str] = {}
    for where, row in rows:
        session = _from_row(row, where, clock, p_max_w, faults)
        if session is None:
            continue
        device = row["device"].strip()
        name = (row.get("session") or "").strip()
        if name:
            session["id"] = f"session/{device.partition('/')[2]}/{name}"
            first = names.setdefault(session["id"], where)
            if first != where:
                faults.append(Fault("session", f"{name} is at {first} already", where=where))
        found.setdefault(device, []).append((where, session))
    by_device = {device: _in_order(found[device], device, faults) for device in sorted(found)}
    if faults:
        raise ScenarioError(faults)
    return {
        device: [s for s in sessions if s["departure_ms"] > 0 and s["arrival_ms"] < end_ms]
        for device, sessions in by_device.items()
    }


def _from_row(
    row: Mapping[str, str],
    where: str,
    clock: Clock,
    p_max_w: Mapping[str, float],
    faults: list[Fault],
) -> Session | None:
    before = len(faults)
    device = (row["device"] or "").strip()
    if device not in p_max_w:
        faults.append(Fault("device", f"there is no charging point {device!r}", where=where))
    times = [_instant(row, name, where, clock, faults) for name in ("arrival", "departure")]
    energy_wh = _energy(row, where, faults)
    if len(faults) > before:
        return None
    arrival_ms, departure_ms = times
    most_wh = p_max_w[device] * (departure_ms - arrival_ms) / _WMS_PER_WH
    if departure_ms <= arrival_ms:
        faults.append(Fault("departure", "is not after the arrival", where=where))
    elif arrival_ms < 0 < departure_ms:
        message = "is before the start of the run, the departure after it"
        faults.append(Fault("arrival", message, "let it begin with the run", where))
    elif energy_wh > most_wh:
        message = f"{energy_wh:g} Wh is more than the session can take: {most_wh:g} Wh"
        faults.append(Fault("energy_wh", message, where=where))
    return {"arrival_ms": arrival_ms, "departure_ms": departure_ms, "energy_wh": energy_wh}


def _instant(
    row: Mapping[str, str], name: str, where: str, clock: Clock, faults: list[Fault]
) -> int:
    text = (row[name] or "").strip()
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        hint = "write 2016-04-20T18:30:00Z"
        faults.append(Fault(name, f"{text!r} is no instant", hint, where))
        return 0
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round((instant - clock.start) / timedelta(milliseconds=1))


def _energy(row: Mapping[str, str], where: str, faults: list[Fault]) -> float:
    text = (row["energy_wh"] or "").strip()
    try:
        energy_wh = float(text)
    except ValueError:
        energy_wh = math.nan
    if not math.isfinite(energy_wh) or energy_wh <= 0.0:
        faults.append(Fault("energy_wh", f"must be a positive number, not {text!r}", where=where))
        return 0.0
    return energy_wh


def _in_order(
    sessions: list[tuple[str, Session]], device: str, faults: list[Fault]
) -> list[Session]:
    ordered = sorted(sessions, key=lambda item: (item[1]["arrival_ms"], item[1]["departure_ms"]))
    for (at, before), (where, after) in pairwise(ordered):
        if after["arrival_ms"] < before["departure_ms"]:
            message = f"the vehicle of {at} is still at {device}"
            faults.append(Fault("arrival", message, where=where))
    for number, (_, session) in enumerate(ordered):
        session.setdefault("id", f"session/{device.partition('/')[2]}/{number}")
    return [session for _, session in ordered]


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
