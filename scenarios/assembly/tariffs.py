"""Prices that a supplier issues during a run: flat, by time of use, or from a file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS, SLOT_MS, Clock
from scenarios.schema.signals import Band, Tariff
from simulators.devices.instants import read_instant, zone_of

__all__ = ["read_prices", "tariff_records"]

_MAX_BYTES = 8_000_000
_MAX_PRICE = 100_000.0
_SOURCE = "# source:"
_PATH = "services.signals.tariff.file"
Series = tuple[int, int, list[int]]
"""Begin and step [ms], and prices [cent/MWh]."""


def tariff_records(
    tariff: Tariff, clock: Clock, end_ms: int, file: Path | None
) -> list[dict[str, Any]]:
    """Return the records of ``signal.price`` that are issued from the start until ``end_ms``.

    Raises ScenarioError for a file that is none, or does not cover the run.
    """
    if tariff.kind == "dynamic" and file is not None:
        series = read_prices(file, clock, zone_of(tariff.zone))
        begin_ms, step_ms, cents = series
        if begin_ms > 0 or begin_ms + step_ms * len(cents) < end_ms:
            text = "does not cover the run"
            raise ScenarioError([Fault(_PATH, text, "from the start to the end, in its step")])
    else:
        series = _of_bands(tariff, clock, end_ms + tariff.horizon_h * HOUR_MS)
    every_ms, horizon_ms = tariff.every_h * HOUR_MS, tariff.horizon_h * HOUR_MS
    fed_in = _cents(tariff.feed_in_per_mwh)
    return [_issue(series, t_ms, t_ms + horizon_ms, fed_in) for t_ms in range(0, end_ms, every_ms)]


def _issue(series: Series, t_ms: int, until_ms: int, fed_in: int) -> dict[str, Any]:
    """Return what is issued at ``t_ms``: the whole steps from there until ``until_ms``."""
    begin_ms, step_ms, cents = series
    first = (t_ms - begin_ms) // step_ms
    last = min(-(-(until_ms - begin_ms) // step_ms), len(cents))
    return {
        "issued_ms": t_ms,
        "start_ms": begin_ms + first * step_ms,
        "step_ms": step_ms,
        "cent_per_mwh": cents[first:last],
        "feed_in_cent_per_mwh": [fed_in] * (last - first),
    }


def _cents(per_mwh: float) -> int:
    return round(per_mwh * 100)


def _of_bands(tariff: Tariff, clock: Clock, until_ms: int) -> Series:
    """Return prices by quarter-hour, in the zone's local time."""
    zone = zone_of(tariff.zone)
    flat = [Band(begin="00:00", per_mwh=tariff.per_mwh)] if tariff.per_mwh is not None else []
    week = [_minutes(tariff.bands or flat), _minutes(tariff.weekend or tariff.bands or flat)]
    cents = []
    for t_ms in range(0, until_ms, SLOT_MS):
        local = clock.at(t_ms).astimezone(zone)
        minute = local.hour * 60 + local.minute
        cents.append(next(c for begin, c in week[local.weekday() >= 5] if begin <= minute))
    return 0, SLOT_MS, cents


def _minutes(bands: Sequence[Band]) -> list[tuple[int, int]]:
    """Return (begin of a band [minute of the day], price), the latest first."""
    parts = [(band.begin.split(":"), band.per_mwh) for band in bands]
    return [(int(h) * 60 + int(m), _cents(price)) for (h, m), price in reversed(parts)]


def read_prices(path: Path, clock: Clock, zone: tzinfo) -> Series:
    """Return the prices of a CSV file with columns ``time`` and ``per_mwh`` [EUR/MWh].

    Its first line says where they are from: ``# source: …``. Times are ISO 8601, of ``zone`` where
    they have none, in one step of at least a minute. Raises ScenarioError with every faulty row.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise ScenarioError([Fault(_PATH, f"{path.name} has more than {_MAX_BYTES} bytes")])
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ScenarioError([Fault(_PATH, f"{path.name} is no text in UTF-8")]) from None
    head, _, body = text.partition("\n")
    if not head.startswith(_SOURCE) or not head.removeprefix(_SOURCE).strip():
        hint = f"begin the file with `{_SOURCE} who published it, where, under which licence`"
        raise ScenarioError([Fault(_PATH, f"{path.name} does not say its source", hint)])
    reader = csv.DictReader(io.StringIO(body))
    if reader.fieldnames is None or not {"time", "per_mwh"} <= set(reader.fieldnames):
        raise ScenarioError([Fault(_PATH, f"{path.name} needs the columns time and per_mwh")])
    faults, times, cents = list[Fault](), list[datetime](), list[int]()
    for number, row in enumerate(reader, 3):
        try:
            times.append(read_instant(row["time"] or "", zone))
            price = float(row["per_mwh"] or "nan")
        except ValueError as error:
            faults.append(Fault(_PATH, str(error), where=f"{path.name}:{number}"))
            continue
        if not math.isfinite(price) or abs(price) > _MAX_PRICE:
            text = f"{row['per_mwh']!r} is no price in EUR/MWh"
            faults.append(Fault(_PATH, text, where=f"{path.name}:{number}"))
        else:
            cents.append(_cents(price))
    if not faults:
        faults += _step_faults(times, path.name)
    if faults:
        raise ScenarioError(faults)
    return _milliseconds(times[0], clock), _span(times), cents


def _milliseconds(instant: datetime, clock: Clock) -> int:
    return (instant - clock.at(0)) // timedelta(milliseconds=1)


def _span(times: Sequence[datetime]) -> int:
    return (times[1] - times[0]) // timedelta(milliseconds=1)


def _step_faults(times: Sequence[datetime], name: str) -> list[Fault]:
    if len(times) < 2:
        return [Fault(_PATH, f"{name} has less than two prices")]
    step = times[1] - times[0]
    if step < timedelta(minutes=1):
        return [Fault(_PATH, "times must rise, by a minute at least", where=f"{name}:4")]
    for number, instant in enumerate(times):
        if instant - times[0] != number * step:
            text = f"is not {step} after the row before"
            return [Fault(_PATH, text, "one step throughout", f"{name}:{number + 3}")]
    return []
