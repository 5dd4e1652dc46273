"""Load profiles of a user's file: a column of times and one for each course, checked row by row."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import SLOT_MS
from simulators.devices.instants import read_instant, zone_of
from simulators.devices.specbase import FloatArray

__all__ = ["UNITS", "ProfileTable", "read_profiles"]

PATH = "devices.household.profiles"
UNITS = {"W": 1.0, "kW": 1e3, "Wh": 1.0, "kWh": 1e3}
_SLOT_S = SLOT_MS // 1000
_LEAST_STEP_S = 10
_SHOWN = 5  # faulty rows that are told one by one
_MAX_BYTES = 256_000_000
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """Courses ``p_w[column][rows]`` [W]; ``starts_ms[rows]`` are epoch milliseconds, every
    ``step_s``, and ``lines`` the rows' places in the file ``name``.
    """

    name: str
    starts_ms: IntArray
    step_s: int
    p_w: dict[str, FloatArray]
    lines: Sequence[int]

    def rows(self, start: datetime, before: int, slots: int) -> tuple[int, int]:
        """Return the first row and the last one's successor of a run with its history.

        ``before`` and ``slots`` are quarters of an hour before and after ``start``. Raises
        ScenarioError where the file does not reach that far.
        """
        start_ms = round(start.timestamp() * 1000)
        first_ms, end_ms = start_ms - before * SLOT_MS, start_ms + slots * SLOT_MS
        covered_ms = int(self.starts_ms[-1]) + self.step_s * 1000
        faults = []
        if self.starts_ms[0] > first_ms:
            need = "of the run and its history (units.history_days)" if before else "of the run"
            message = f"begins at {_iso(int(self.starts_ms[0]))}, the beginning {need} is "
            message += _iso(first_ms)
            where = f"{self.name}:{self.lines[0]}"
            hint = "lengthen it" + (", or set units.history_days: 0" if before else "")
            faults.append(Fault(PATH, message, hint, where))
        if covered_ms < end_ms:
            message = f"ends at {_iso(covered_ms)}, before the run at {_iso(end_ms)}"
            where = f"{self.name}:{self.lines[-1]}"
            faults.append(Fault(PATH, message, "lengthen it", where))
        if faults:
            raise ScenarioError(faults)
        row = (first_ms - int(self.starts_ms[0])) // (self.step_s * 1000)
        return row, row + (before + slots) * (_SLOT_S // self.step_s)


def read_profiles(path: Path, *, zone: str | None = None, unit: str = "W") -> ProfileTable:
    """Return the courses of a CSV file.

    Its first column is ``time``, the beginning of each step; ``zone`` is that of times without
    one. ``unit`` is one of ``UNITS``, mean power or energy of each step. Raises ScenarioError with
    each faulty row: what is no number or no instant, a time without a zone, gaps, rows twice or
    out of order, a step that no quarter of an hour is made of.
    """
    head, body = _read(path)
    times_ms, faults = _times(path.name, body, None if zone is None else zone_of(zone))
    if not faults:
        step_s, gaps = _steps(path.name, body, times_ms)
        faults = gaps
    columns = {
        name: np.array([_number(cells, column) for _, cells in body], dtype=float)
        for column, name in enumerate(head)
        if column
    }
    faults += [
        fault
        for column, (name, values) in enumerate(columns.items(), 1)
        for fault in _not_finite(path.name, body, column, name, values)
    ]
    if faults:
        raise ScenarioError(faults)
    factor = UNITS[unit] * (3600 / step_s if unit.endswith("h") else 1.0)
    p_w = {name: values * factor for name, values in columns.items()}
    lines = [line for line, _ in body]
    return ProfileTable(path.name, np.array(times_ms, dtype=np.int64), step_s, p_w, lines)


_Body = Sequence[tuple[int, list[str]]]


def _read(path: Path) -> tuple[list[str], _Body]:
    """Return the head, and the rows with their lines."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ScenarioError([Fault(PATH, f"{path.name} is larger than {_MAX_BYTES} bytes")])
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, cells) for cells in reader if any(cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError([Fault(PATH, f"{path.name} cannot be read: {error}")]) from error
    head = [cell.strip() for cell in rows[0][1]] if rows else []
    where, faults = f"{path.name}:1", []
    if head[:1] != ["time"] or len(head) < 2 or not all(head):
        hint = "the first column is time, then one for each course, each with a name"
        faults.append(Fault(PATH, "has no columns as they must be", hint, where))
    faults += [
        Fault(PATH, f"column {name} is there {count} times", "give each its own name", where)
        for name, count in Counter(head).items()
        if count > 1
    ]
    if not faults and len(rows) < 3:
        faults.append(Fault(PATH, "has fewer than two rows", "", where))
    if faults:
        raise ScenarioError(faults)
    return head, rows[1:]


def _times(name: str, body: _Body, zone: tzinfo | None) -> tuple[list[int], list[Fault]]:
    """Return the instants [ms], and a fault for each of the first rows without one."""
    times_ms: list[int] = []
    faults: list[Fault] = []
    for line, cells in body:
        try:
            instant = read_instant(cells[0], zone)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            faults.append(Fault(PATH, f"time {message}", hint, f"{name}:{line}"))
            if len(faults) == _SHOWN:
                break
            continue
        times_ms.append(round(instant.astimezone(UTC).timestamp() * 1000))
    return times_ms, faults


def _steps(name: str, body: _Body, times_ms: Sequence[int]) -> tuple[int, list[Fault]]:
    """Return the step [s], and what does not keep to it."""
    counts = Counter(b - a for a, b in pairwise(times_ms))
    step_ms = counts.most_common(1)[0][0]
    step_s, rest = divmod(step_ms, 1000)
    first = f"{name}:{body[0][0]}"
    if rest or step_s < _LEAST_STEP_S or _SLOT_S % step_s:
        hint = "take 15 min, or a part of it: 10, 15, 20, 30, 60, 90, 180 or 300 s"
        return _SLOT_S, [Fault(PATH, f"a step of {step_ms / 1000:g} s will not do", hint, first)]
    faults = []
    if times_ms[0] % step_ms:
        faults.append(Fault(PATH, "time: not on whole steps of the day", "", first))
    wrong = [row for row, (a, b) in enumerate(pairwise(times_ms), 1) if b - a != step_ms]
    for row in wrong[:_SHOWN]:
        message = f"time does not follow on the row before by {step_s} s"
        hint = "no gaps, no row twice, in order"
        faults.append(Fault(PATH, message, hint, f"{name}:{body[row][0]}"))
    return step_s, faults


def _not_finite(name: str, body: _Body, column: int, title: str, values: FloatArray) -> list[Fault]:
    wrong = np.flatnonzero(~np.isfinite(values)).tolist()
    faults = []
    for row in wrong[:_SHOWN]:
        line, cells = body[row]
        text = cells[column] if column < len(cells) else ""
        message = f"{title} must be a number, not {text!r}"
        faults.append(Fault(PATH, message, "fill it", f"{name}:{line}"))
    if len(wrong) > _SHOWN:
        message = f"{title}: {len(wrong) - _SHOWN} more rows like these"
        faults.append(Fault(PATH, message, "fill it", f"{name}:{body[wrong[_SHOWN]][0]}"))
    return faults


def _number(cells: Sequence[str], column: int) -> float:
    try:
        return float(cells[column])
    except (ValueError, IndexError):
        return math.nan


def _iso(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
