"""Weather files of the user's: EPW, TMY3, PVGIS and plain CSV, told apart by their content.

``read_weather`` gives a checked ``WeatherTable``. EPW and TMY3 rows are stamped at the end of
their hour, temperature and wind are those of that instant. Values of PVGIS are near the instant
of their stamp, which is taken as the middle of the hour. A plain CSV has the columns ``time,
ghi_w_m2, temperature_c`` and, where there are, ``dni_w_m2, dhi_w_m2, wind_m_s``, stamped at the
beginning of their interval; a zone must be said, by the times themselves or by the scenario.

References: pvlib's documentation of ``iotools.read_epw``, ``read_tmy3``, ``read_pvgis_tmy``.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pvlib

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from simulators.devices.weather_table import PATH, IntArray, WeatherTable, check_table

__all__ = ["STAMPS", "read_weather"]

STAMPS = {"begin": 0.0, "middle": 0.5, "end": 1.0}
_MAX_BYTES = 64_000_000
_EPW = {"ghi": "ghi", "dni": "dni", "dhi": "dhi", "temperature": "temp_air", "wind": "wind_speed"}
_MISSING = {"ghi": 9999, "dni": 9999, "dhi": 9999, "temp_air": 99.9, "wind_speed": 999}  # in EPW
_CSV = {
    "ghi": "ghi_w_m2",
    "dni": "dni_w_m2",
    "dhi": "dhi_w_m2",
    "temperature": "temperature_c",
    "wind": "wind_m_s",
}
_OPTIONAL = ("dni", "dhi", "wind")


def read_weather(path: Path, zone: str | None = None, stamps: str | None = None) -> WeatherTable:
    """Return the table of a file; ``zone`` (``Z``, ``+01:00``) and ``stamps`` are for a plain CSV.

    Raises ScenarioError for a file that is none, and for each faulty row.
    """
    text = _text(path)
    first, _, rest = text.partition("\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if first.upper().startswith("LOCATION"):
                table = _epw(path.name, text)
            elif rest.startswith("Date (MM/DD/YYYY)"):
                table = _tmy3(path.name, text)
            elif first.lower().startswith("latitude (decimal degrees)"):
                table = _pvgis(path.name, text)
            else:
                return _checked(_plain(path.name, text, zone, stamps))
    except ScenarioError:
        raise
    except Exception as error:
        # pvlib and pandas raise all kinds of errors for what is not as they expect it
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        message = f"{path.name} cannot be read: {reason}"
        raise ScenarioError([Fault(PATH, message, "EPW, TMY3, PVGIS or plain CSV")]) from error
    if zone is not None or stamps is not None:
        message = f"{path.name} says its zone and stamps itself"
        raise ScenarioError([Fault(PATH, message, "leave out weather.zone and weather.stamps")])
    return _checked(table)


def _checked(table: WeatherTable) -> WeatherTable:
    check_table(table)
    return table


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            message = f"{path.name} is larger than {_MAX_BYTES} bytes"
            raise ScenarioError([Fault(PATH, message, "give it a larger step")])
        data = path.read_bytes()
    except OSError as error:
        message = f"{path.name} cannot be read: {error}"
        raise ScenarioError([Fault(PATH, message, "EPW, TMY3, PVGIS or plain CSV")]) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # names of places in EPW files
    return text.replace("\r\n", "\n").replace("\r", "\n")


# -- formats with a place and a zone of their own ------------------------------------------------


def _epw(name: str, text: str) -> WeatherTable:
    data, meta = pvlib.iotools.read_epw(io.StringIO(text))
    for column, code in _MISSING.items():
        data[column] = data[column].mask(pd.to_numeric(data[column], errors="coerce") >= code)
    # pvlib's index is the beginning of the hour that the row's stamp ends
    return _typical(name, data, _EPW, meta, lines=9, shift=0.0, instant=1.0)


def _tmy3(name: str, text: str) -> WeatherTable:
    # in a year without 29 February an hour back from 1 March is 28 February
    data, meta = pvlib.iotools.read_tmy3(io.StringIO(text), coerce_year=2001)
    return _typical(name, data, _EPW, meta, lines=3, shift=1.0, instant=1.0)


def _pvgis(name: str, text: str) -> WeatherTable:
    data, meta = pvlib.iotools.read_pvgis_tmy(io.BytesIO(text.encode()), pvgis_format="csv")
    head = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith("time(UTC)"))
    place = meta.get("inputs", meta)
    if "location" in place:
        place = place["location"]
    place = {axis: float(place[axis]) for axis in ("latitude", "longitude")}
    return _typical(name, data, _EPW, place, lines=head + 1, shift=0.5, instant=0.5)


def _typical(
    name: str,
    data: pd.DataFrame,
    columns: Mapping[str, str],
    meta: Mapping[str, Any],
    *,
    lines: int,
    shift: float,
    instant: float,
) -> WeatherTable:
    """Return a typical year; a row begins the part ``shift`` of an hour before its index."""
    index = pd.DatetimeIndex(data.index)
    offset = index[0].utcoffset()
    starts_ms = index.tz_convert("UTC").as_unit("ms").asi8 - round(shift * HOUR_MS)
    values = {
        own: pd.to_numeric(data[theirs], errors="coerce").to_numpy(dtype=float)
        for own, theirs in columns.items()
        if theirs in data
    }
    return WeatherTable(
        name,
        starts_ms,
        HOUR_MS,
        typical=True,
        offset_ms=round(offset / timedelta(milliseconds=1)) if offset else 0,
        instant=instant,
        columns=values,
        lines=np.arange(len(data)) + lines,
        latitude_deg=float(meta["latitude"]),
        longitude_deg=float(meta["longitude"]),
    )


# -- plain CSV -----------------------------------------------------------------------------------


def _plain(name: str, text: str, zone: str | None, stamps: str | None) -> WeatherTable:
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise ScenarioError([Fault(PATH, f"{name} cannot be read: {error}")]) from error
    head = [cell.strip() for cell in rows[0]] if rows else []
    missing = [
        needed
        for needed in ("time", *(c for own, c in _CSV.items() if own not in _OPTIONAL))
        if needed not in head
    ]
    if missing:
        message = f"has no column {', '.join(missing)}"
        hint = f"known: time, {', '.join(_CSV.values())}"
        raise ScenarioError([Fault(PATH, message, hint, f"{name}:1")])
    body = [(line, cells) for line, cells in enumerate(rows[1:], 2) if any(cells)]
    times_ms, offset_ms = _stamps(name, body, head.index("time"), zone)
    columns = {
        own: np.array([_number(cells, head.index(theirs)) for _, cells in body], dtype=float)
        for own, theirs in _CSV.items()
        if theirs in head
    }
    steps, counts = np.unique(np.diff(times_ms), return_counts=True)
    step_ms = int(steps[counts.argmax()]) if len(steps) else HOUR_MS
    begin = round(STAMPS[stamps or "begin"] * step_ms)
    lines = np.array([line for line, _ in body], dtype=np.int64)
    return WeatherTable(
        name, times_ms - begin, step_ms, False, offset_ms, 0.5, columns, lines
    )  # fmt: skip


def _stamps(
    name: str, body: Sequence[tuple[int, list[str]]], column: int, zone: str | None
) -> tuple[IntArray, int]:
    """Return the times [ms] and the zone's offset; ScenarioError for what is no time."""
    given = None if zone is None else fixed_zone(zone)
    faults: list[Fault] = []
    times_ms, offset_ms = [], 0
    for line, cells in body:
        text = cells[column].strip() if column < len(cells) else ""
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            hint = "write 2016-04-20T18:30:00Z"
            faults.append(Fault(PATH, f"time {text!r} is none", hint, f"{name}:{line}"))
            continue
        if instant.tzinfo is None:
            if given is None:
                hint = "end each with Z or +01:00, or set weather.zone"
                message = f"time {text!r} has no time zone"
                raise ScenarioError([*faults, Fault(PATH, message, hint, f"{name}:{line}")])
            instant = instant.replace(tzinfo=given)
        offset = instant.utcoffset() or timedelta()
        offset_ms = round(offset / timedelta(milliseconds=1))
        times_ms.append(round(instant.astimezone(UTC).timestamp() * 1000))
    if faults:
        more = [Fault(PATH, f"time: {len(faults) - 5} more rows like these")] * (len(faults) > 5)
        raise ScenarioError([*faults[:5], *more])
    return np.array(times_ms, dtype=np.int64), offset_ms


def fixed_zone(text: str) -> timezone:
    """Return the zone of ``Z``, ``UTC`` or ``+01:00``; raises ValueError for others."""
    if text in ("Z", "UTC"):
        return UTC
    found = re.fullmatch(r"([+-])(\d\d):(\d\d)", text)
    if found is None or int(found[2]) > 14 or int(found[3]) not in (0, 15, 30, 45):
        raise ValueError(f"{text!r} is no zone; write Z or +01:00, the same all the year")
    minutes = 60 * int(found[2]) + int(found[3])
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))


def _number(cells: Sequence[str], column: int) -> float:
    try:
        return float(cells[column])
    except (ValueError, IndexError):
        return float("nan")
