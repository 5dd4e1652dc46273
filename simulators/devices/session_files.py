"""Charging sessions of a user's file, checked row by row."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo
from itertools import pairwise
from pathlib import Path

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import Clock
from simulators.devices.checks import Checker
from simulators.devices.ev_specs import parse_session
from simulators.devices.instants import read_instant, zone_of
from simulators.devices.sessions import Session
from simulators.devices.vehicles import Car

__all__ = ["read_sessions"]

_COLUMNS = ("device", "arrival", "departure", "energy_wh")
_OPTIONAL = ("session", "capacity_wh", "arrival_soc")
_TIMES = ("arrival_ms", "departure_ms")
_MAX_BYTES = 64_000_000


def read_sessions(
    path: Path,
    *,
    clock: Clock,
    end_ms: int,
    p_max_w: Mapping[str, float],
    zone: str | None = None,
    cars: Mapping[str, Car] | None = None,
) -> dict[str, list[Session]]:
    """Return the sessions of a CSV file by charging point, sorted by arrival.

    Columns: ``device, arrival, departure, energy_wh`` and, if wanted, ``session`` (a name) and,
    with ``cars``, ``capacity_wh`` and ``arrival_soc`` (0 to 1; where empty, what is asked for
    makes the vehicle full). Times are ISO 8601; ``zone`` is that of times without one. ``p_max_w``
    holds every charging point. Sessions that end before the run or begin after it are checked
    and left out. Raises ScenarioError with every faulty row: unknown device, a time or energy that
    is none, a time without a zone, departure not after arrival, arrival before the start of the run
    and departure after it, more energy than vehicle or point can take, a doubled name, two vehicles
    at one point.
    """
    rows = _rows(path, cars is not None)
    reader = _Reader(path.name, clock, None if zone is None else zone_of(zone), p_max_w, cars)
    found: dict[str, list[tuple[str, Session]]] = {}
    for where, row in rows:
        session = reader.session(row, where)
        if session is not None:
            found.setdefault(row["device"].strip(), []).append((where, session))
    faults = reader.faults
    by_device = {device: _in_order(found[device], device, faults) for device in sorted(found)}
    if faults:
        raise ScenarioError(faults)
    return {
        device: [s for s in sessions if s["departure_ms"] > 0 and s["arrival_ms"] < end_ms]
        for device, sessions in by_device.items()
    }


def _rows(path: Path, with_cars: bool) -> list[tuple[str, dict[str, str]]]:
    """Return the rows with their places; ScenarioError where the table cannot be read."""
    known = (*_COLUMNS, *(_OPTIONAL if with_cars else _OPTIONAL[:1]))
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ScenarioError([Fault("sessions", f"is larger than {_MAX_BYTES} bytes")])
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            head = list(reader.fieldnames or ())
            faults = [
                Fault("sessions", f"has no column {name}", f"known: {', '.join(known)}",
                      f"{path.name}:1") for name in _COLUMNS if name not in head
            ]  # fmt: skip
            if len(set(head)) < len(head):
                faults.append(Fault("sessions", "has a column twice", "", f"{path.name}:1"))
            if not with_cars and set(head) & set(_OPTIONAL[1:]):
                message = "capacity_wh and arrival_soc belong to known vehicles"
                hint = "describe them in devices.ev.vehicle"
                faults.append(Fault("sessions", message, hint, f"{path.name}:1"))
            if faults:
                raise ScenarioError(faults)
            return [(f"{path.name}:{reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError([Fault("sessions", f"cannot be read: {error}")]) from error


@dataclass(slots=True)
class _Reader:
    """Turns rows into sessions and gathers what is wrong with them."""

    name: str
    clock: Clock
    zone: tzinfo | None
    p_max_w: Mapping[str, float]
    cars: Mapping[str, Car] | None
    faults: list[Fault] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def session(self, row: Mapping[str, str], where: str) -> Session | None:
        """Return the session of a row; None where it is faulty."""
        before = len(self.faults)
        device = (row["device"] or "").strip()
        if device not in self.p_max_w:
            self._fault("device", f"there is no charging point {device!r}", where)
        arrival_ms, departure_ms = (self._t_ms(row, name, where) for name in _COLUMNS[1:3])
        energy_wh = self._positive(row, "energy_wh", where)
        if len(self.faults) > before:
            return None
        session: Session = {
            "arrival_ms": arrival_ms, "departure_ms": departure_ms, "energy_wh": energy_wh,
        }  # fmt: skip
        if arrival_ms < 0 < departure_ms:
            message = "is before the start of the run, the departure after it"
            self._fault("arrival", message, where, "let it begin with the run")
        else:
            self._check(row, where, session)
        name = (row.get("session") or "").strip()
        if name:
            session["id"] = f"session/{device.partition('/')[2]}/{name}"
            first = self.names.setdefault(session["id"], where)
            if first != where:
                self._fault("session", f"{name} is at {first} already", where)
        return session

    def _check(self, row: Mapping[str, str], where: str, session: Session) -> None:
        """Add the vehicle, and check the session as the charging point will."""
        device = row["device"].strip()
        if self.cars is not None and session["departure_ms"] > session["arrival_ms"]:
            car, before = self.cars[device], len(self.faults)
            own_wh = self._optional(row, "capacity_wh", where)
            soc = self._optional(row, "arrival_soc", where)
            if len(self.faults) > before:
                return
            if soc is None:
                soc = replace(car, capacity_wh=own_wh or car.capacity_wh).soc(session["energy_wh"])
            if soc < 0:
                message = f"{session['energy_wh']:g} Wh is more than the empty battery can take"
                self._fault("energy_wh", message, where)
                return
            session["vehicle"] = car.plate(soc, own_wh)
        found: list[Fault] = []
        shifted = {name: session[name] - session["arrival_ms"] for name in _TIMES}
        parse_session(Checker(session | shifted, "", found), device, 0, self.p_max_w[device])
        for fault in found:
            place = fault.path.rpartition(".")[2].removesuffix("_ms")
            self._fault(place, fault.message, where, fault.hint)

    def _optional(self, row: Mapping[str, str], name: str, where: str) -> float | None:
        return self._positive(row, name, where) if (row.get(name) or "").strip() else None

    def _positive(self, row: Mapping[str, str], name: str, where: str) -> float:
        text = (row[name] or "").strip()
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        least = 0.0 if name == "arrival_soc" else math.ulp(0.0)
        if not math.isfinite(value) or value < least:
            self._fault(name, f"must be a positive number, not {text!r}", where)
            return 0.0
        return value

    def _t_ms(self, row: Mapping[str, str], name: str, where: str) -> int:
        try:
            instant = read_instant(row[name] or "", self.zone)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self._fault(name, message, where, hint)
            return 0
        return round((instant - self.clock.start) / timedelta(milliseconds=1))

    def _fault(self, path: str, message: str, where: str, hint: str = "") -> None:
        self.faults.append(Fault(path, message, hint, where))


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
