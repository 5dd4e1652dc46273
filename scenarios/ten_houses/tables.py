"""The input files: the grid, loads and sessions of each seed, prices, and statistics of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.ten_houses.calendar import DAYS, HISTORY_DAYS, SEEDS, START, ZONE, days
from scenarios.ten_houses.drives import Session, sessions
from scenarios.ten_houses.grid import AREA, tables
from scenarios.ten_houses.homes import HOUSES, house_course

__all__ = ["P_MAX_W", "uncontrolled", "write_all"]

P_MAX_W = 7360.0
"""Largest charging power: 32 A on one phase."""
_SLOT = 15
_PRICE_EUR, _SWING_EUR, _CHEAPEST_H = 300.0, 150.0, 3.0
Watts = NDArray[np.float64]


def write_all(folder: Path) -> None:
    """Write all files below ``folder``."""
    (folder / "grid").mkdir(parents=True, exist_ok=True)
    for name, table in tables().items():
        table.to_csv(folder / "grid" / f"{name}.csv")
    _write_prices(folder / "prices.csv")
    told = {}
    for seed in SEEDS:
        courses = {house.name: _quarters(house_course(house, seed)) for house in HOUSES}
        visits = sessions(seed, P_MAX_W)
        _write_loads(folder / f"loads-{seed}.csv", courses)
        _write_sessions(folder / f"sessions-{seed}.csv", visits)
        told[str(seed)] = _statistics(courses, visits)
    text = json.dumps(told, indent=1, sort_keys=True)
    (folder / "statistics.json").write_text(text + "\n", encoding="utf-8")


def _quarters(p_w: Watts) -> Watts:
    """Return the means of quarter-hours, whole watts, from the history's beginning to the end."""
    first = round((START - timedelta(days=HISTORY_DAYS) - _midnight()) / timedelta(minutes=_SLOT))
    count = (HISTORY_DAYS + DAYS) * 24 * 60 // _SLOT
    means: Watts = np.rint(p_w.reshape(-1, _SLOT).mean(axis=1))[first : first + count]
    return means


def _midnight() -> datetime:
    """Return where the courses begin."""
    first = days()[0]
    return datetime(first.year, first.month, first.day, tzinfo=ZONE)


def _iso(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%MZ")


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]], first: str = "") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(first)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def _write_loads(path: Path, courses: dict[str, Watts]) -> None:
    begin = START - timedelta(days=HISTORY_DAYS)
    head = ["time", *(f"terminal/{AREA}/{name}" for name in courses)]
    values = np.array(list(courses.values())).T.astype(int).tolist()
    step = timedelta(minutes=_SLOT)
    _write(path, head, ([_iso(begin + n * step), *row] for n, row in enumerate(values)))


def _write_sessions(path: Path, visits: Sequence[Session]) -> None:
    rows = [
        [f"ev/{AREA}/{one.car}", _iso(one.arrival), _iso(one.departure), one.energy_wh]
        for one in visits
    ]
    _write(path, ["device", "arrival", "departure", "energy_wh"], rows)


def _write_prices(path: Path) -> None:
    """Write prices by a sine of the day, cheapest at three in the morning."""
    rows = []
    for n in range((DAYS + 2) * 24 * 60 // _SLOT):
        instant = START + n * timedelta(minutes=_SLOT)
        local = instant.astimezone(ZONE)
        hour = local.hour + local.minute / 60.0
        swing = np.cos(2.0 * np.pi * (hour + _SLOT / 120.0 - _CHEAPEST_H) / 24.0)
        rows.append([_iso(instant), f"{_PRICE_EUR - _SWING_EUR * swing:.2f}"])
    source = "# source: made by python -m scenarios.ten_houses, a sine and nobody's tariff\n"
    _write(path, ["time", "per_mwh"], rows, source)


# -- statistics --------------------------------------------------------------------------------


def uncontrolled(visits: Sequence[Session]) -> Watts:
    """Return what vehicles draw [W] that charge from when they come, by quarter-hours of the run.

    Vehicles that come before the end and leave after it count with what they get until the end.
    """
    minutes = np.zeros(DAYS * 24 * 60)
    for one in visits:
        begin = (one.arrival - START) // timedelta(minutes=1)
        left_wh = float(one.energy_wh)
        for minute in range(begin, len(minutes)):
            p_w = min(P_MAX_W, left_wh * 60.0)
            if p_w <= 0.0:
                break
            minutes[minute] += p_w
            left_wh -= p_w / 60.0
    means: Watts = minutes.reshape(-1, _SLOT).mean(axis=1)
    return means


def _statistics(courses: dict[str, Watts], visits: Sequence[Session]) -> dict[str, Any]:
    """Return what a seed's inputs add up to, without panels and batteries."""
    base_w: Watts = np.sum(list(courses.values()), axis=0)[-DAYS * 24 * 60 // _SLOT :]
    all_w = base_w + uncontrolled(visits)
    stays_h = [(one.departure - one.arrival) / timedelta(hours=1) for one in visits]
    return {
        "household_kwh_per_day": round(float(base_w.mean()) * 0.024, 2),
        "household_peak_w": round(float(base_w.max())),
        "household_kwh_per_day_by_house": {
            name: round(float(p_w.mean()) * 0.024, 2) for name, p_w in courses.items()
        },
        "ev_sessions": len(visits),
        "ev_kwh": round(sum(one.energy_wh for one in visits) / 1e3, 2),
        "ev_mean_kwh": round(float(np.mean([one.energy_wh for one in visits])) / 1e3, 2),
        "ev_stay_h_median": round(float(np.median(stays_h)), 2),
        "peak_w": round(float(all_w.max())),
        "daily_peak_w": round(float(all_w.reshape(DAYS, -1).max(axis=1).mean())),
        "std_w": round(float(all_w.std())),
        "norm_w": round(float(np.linalg.norm(all_w))),
        "load_factor": round(float(all_w.mean() / all_w.max()), 4),
    }
