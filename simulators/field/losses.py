"""Energy that is drawn and not billed: theft, and what is no theft.

==============  =========  =====================================================================
kind            theft      what happens
==============  =========  =====================================================================
``bypass``      yes        a share of the energy goes round the meter
``scaled``      yes        the meter's register counts only a share (a brake, a wrong constant)
``message``     yes        the register is right; of what is sent, a share is missing
``unmetered``   no         a connection without a meter
``empty``       no         a building without a customer is still connected; nobody reads it
``billing``     no         the reading is booked with a wrong factor, above or below 1
==============  =========  =====================================================================

``bypass`` and ``scaled`` can be limited to hours of the day. What is true is for the recorder
alone: nothing of it goes to a unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import DAY_MS, HOUR_MS

__all__ = ["Change", "LossSpec", "Losses", "parse_losses"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_AT_THE_METER = ("bypass", "scaled")
_IN_THE_MESSAGE = ("message", "billing")
_UNREAD = ("unmetered", "empty")
KINDS = (*_AT_THE_METER, *_IN_THE_MESSAGE, *_UNREAD)
THEFT = ("bypass", "scaled", "message")
_ALWAYS = (0.0, 24.0)


@dataclass(frozen=True, slots=True)
class LossSpec:
    """One loss at one meter (``meter``: the instrument's identifier).

    ``share`` is the part of the energy that is missing (0.3: three tenths); that of a billing
    error may be negative (too much is booked). It acts from ``from_ms`` until ``until_ms`` (-1: to
    the end), at the meter only between two ``hours`` of the day (UTC; 22 to 6 is the night).
    """

    id: str
    kind: str
    meter: str
    share: float = 1.0
    hours: tuple[float, float] = _ALWAYS
    from_ms: int = 0
    until_ms: int = -1

    @property
    def truth(self) -> dict[str, Any]:
        """What the recorder keeps of it."""
        return {"loss": self.kind, "theft": self.kind in THEFT, "share": self.share}


@dataclass(frozen=True, slots=True)
class Change:
    """A loss that begins or ends to act: a row of the truth."""

    loss: LossSpec
    acts: bool


def parse_losses(items: Sequence[Mapping[str, Any]], meters: Mapping[str, int]) -> list[LossSpec]:
    """Return the losses sorted by identifier; ScenarioError with all that is wrong with them.

    ``meters`` holds the known meters. A meter has one loss.
    """
    faults: list[Fault] = []
    specs: list[LossSpec] = []
    known = [field.name for field in fields(LossSpec)]
    for number, item in enumerate(items):
        path = f"losses[{number}]"
        unknown = sorted(set(item) - set(known))
        faults += [Fault(f"{path}.{name}", "unknown field") for name in unknown]
        given = {name: item[name] for name in known if name in item}
        if "hours" in given:
            given["hours"] = tuple(given["hours"])
        try:
            spec = LossSpec(**given)
        except TypeError as error:
            faults.append(Fault(path, str(error).partition(") ")[2] or str(error)))
            continue
        faults += [Fault(f"{path}.{name}", text) for name, text in _wrong(spec, meters)]
        specs.append(spec)
    for name, key in (("id", "id"), ("meter", "meter")):
        seen: set[str] = set()
        for spec in specs:
            value = getattr(spec, key)
            if value in seen:
                faults.append(Fault("losses", f"{name} {value} is there twice"))
            seen.add(value)
    if faults:
        raise ScenarioError(faults)
    return sorted(specs, key=lambda spec: spec.id.encode())


def _wrong(spec: LossSpec, meters: Mapping[str, int]) -> list[tuple[str, str]]:
    found = []
    if spec.kind not in KINDS:
        found.append(("kind", f"must be one of {', '.join(KINDS)}, not {spec.kind!r}"))
    if spec.meter not in meters:
        found.append(("meter", f"there is no meter {spec.meter!r}"))
    low = -1.0 if spec.kind == "billing" else 0.0
    if not (math.isfinite(spec.share) and low <= spec.share <= 1.0):
        found.append(("share", f"must be from {low:g} to 1, not {spec.share}"))
    hours = spec.hours
    if len(hours) != 2 or not all(0 <= hour <= 24 for hour in hours) or hours[0] == hours[1]:
        found.append(("hours", f"must be two different hours from 0 to 24, not {hours}"))
    if hours != _ALWAYS and spec.kind not in _AT_THE_METER:
        found.append(("hours", f"a loss of kind {spec.kind} knows no hours of the day"))
    if spec.from_ms < 0:
        found.append(("from_ms", f"must not be negative: {spec.from_ms}"))
    if spec.until_ms != -1 and spec.until_ms <= spec.from_ms:
        found.append(("until_ms", f"must be after from_ms, or -1, not {spec.until_ms}"))
    return found


class Losses:
    """All losses of a run, over the rows of the instruments.

    ``advance`` to an instant with the true registers of it, then ask: between its changes a share
    is constant, so what a meter sees follows exactly from the truth.
    """

    def __init__(
        self, specs: Sequence[LossSpec], rows: Mapping[str, int], count: int, start: datetime
    ) -> None:
        self._specs = list(specs)
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        self._midnight_ms = round((midnight - start) / timedelta(milliseconds=1))
        self._row = [rows[spec.meter] for spec in specs]
        self._acts = [False] * len(specs)
        self._hidden = np.zeros(count)  # share that the meter does not see, now
        self._sent = np.zeros(count)  # share that is missing of what is sent, now
        self._base_wh, self._hidden_wh = np.zeros((2, count)), np.zeros((2, count))
        self._lost_wh, self._from_wh = np.zeros((2, count)), np.zeros((2, count))
        self.muted = np.zeros(count, dtype=bool)
        self.due_ms: int | None = 0 if specs else None
        self.rows = np.array(sorted(self._row), dtype=np.int64)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._specs)

    def advance(self, t_ms: int, true_wh: FloatArray, shown_wh: FloatArray) -> list[Change]:
        """Let losses begin and end at ``t_ms``; registers ``[2, count]`` are those of then.

        ``shown_wh`` is what the meters' registers show.
        """
        if self.due_ms is None or t_ms < self.due_ms:
            return []
        changes = []
        for number, (spec, row) in enumerate(zip(self._specs, self._row, strict=True)):
            acts = self._is_on(spec, t_ms)
            if acts == self._acts[number]:
                continue
            self._acts[number] = acts
            share = spec.share if acts else 0.0
            changes.append(Change(spec, acts))
            if spec.kind in _AT_THE_METER:
                self._hidden_wh[:, row] = self._unseen(row, true_wh[:, row])
                self._base_wh[:, row], self._hidden[row] = true_wh[:, row], share
            elif spec.kind in _IN_THE_MESSAGE:
                self._lost_wh[:, row] = self._missing(row, shown_wh[:, row])
                self._from_wh[:, row], self._sent[row] = shown_wh[:, row], share
            else:
                self.muted[row] = acts
        following = (self._next(spec, t_ms) for spec in self._specs)
        self.due_ms = min((t for t in following if t is not None), default=None)
        return changes

    def seen(self, rows: IntArray, true_wh: FloatArray) -> FloatArray:
        """Return the registers ``[2, len(rows)]`` of energy that passes the meters."""
        return true_wh - self._unseen(rows, true_wh)

    def told(self, rows: IntArray) -> FloatArray:
        """Return which part of the power at meters is told at this instant."""
        part: FloatArray = (1.0 - self._hidden[rows]) * (1.0 - self._sent[rows])
        return part

    def sent(self, rows: IntArray, shown_wh: FloatArray, resolution_wh: FloatArray) -> FloatArray:
        """Return what is sent (or booked) of registers that show ``shown_wh``, in whole steps."""
        missing = self._missing(rows, shown_wh)
        step = np.where(resolution_wh > 0, resolution_wh, 1.0)
        whole = np.where(resolution_wh > 0, np.floor((shown_wh - missing) / step + 1e-9) * step,
                         shown_wh - missing)  # fmt: skip
        untouched = (self._sent[rows] == 0.0) & (self._lost_wh[:, rows] == 0.0)
        return np.where(untouched, shown_wh, whole)

    def _unseen(self, rows: Any, true_wh: FloatArray) -> FloatArray:
        gone: FloatArray = self._hidden_wh[:, rows] + self._hidden[rows] * (
            true_wh - self._base_wh[:, rows]
        )
        return gone

    def _missing(self, rows: Any, shown_wh: FloatArray) -> FloatArray:
        gone: FloatArray = self._lost_wh[:, rows] + self._sent[rows] * (
            shown_wh - self._from_wh[:, rows]
        )
        return gone

    def _is_on(self, spec: LossSpec, t_ms: int) -> bool:
        if t_ms < spec.from_ms or (spec.until_ms >= 0 and t_ms >= spec.until_ms):
            return False
        hour = (t_ms - self._midnight_ms) % DAY_MS / HOUR_MS
        first, last = spec.hours
        return first <= hour < last if first < last else hour >= first or hour < last

    def _next(self, spec: LossSpec, t_ms: int) -> int | None:
        """Return the next instant at which a loss may begin or end."""
        instants = [spec.from_ms] if spec.until_ms < 0 else [spec.from_ms, spec.until_ms]
        if spec.hours != _ALWAYS and (spec.until_ms < 0 or t_ms < spec.until_ms):
            day = (t_ms - self._midnight_ms) // DAY_MS * DAY_MS + self._midnight_ms
            instants += [
                day + ahead * DAY_MS + round(hour * HOUR_MS)
                for ahead in (0, 1)
                for hour in spec.hours
            ]
        return min((t for t in instants if t > t_ms), default=None)
