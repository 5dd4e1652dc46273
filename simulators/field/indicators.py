"""Fault passage indicators: they tell that a fault current has passed, mostly when one has.

An indicator operates when its phase or residual current stays above its threshold for
``minimum_ms``. It misses a passage with ``miss_probability``, and operates by mistake
``false_per_year`` times in a year (a Poisson process). What it shows goes out after ``hold_ms``, or
when the voltage is back where ``reset_by_voltage``. Which operations are true, and which passages
were missed, is for the recorder alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError, SimulationError
from fernwatt.identifiers import Sequencer
from fernwatt.phasors import COLUMNS, ComplexArray, Phasors
from fernwatt.streams import stream

__all__ = ["Indication", "IndicatorSpec", "Indicators", "PassageTruth", "parse_indicators"]

_YEAR_US = 365.25 * 86_400e6
_NEVER = np.iinfo(np.int64).max
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IndicatorSpec:
    """One indicator at ``place`` (a line's end); a threshold of 0 is none.

    ``directional`` ones tell the direction too; for their angles see the relays. Clock as that
    of other instruments; with ``gap_probability`` a report begins a gap of ``gap_length`` reports.
    """

    id: str
    place: str
    phase_a: float = 400.0
    earth_a: float = 0.0
    minimum_ms: float = 40.0
    hold_ms: int = 4 * 3_600_000
    reset_by_voltage: bool = False
    live_v: float = 1_000.0
    directional: bool = False
    phase_deg: float = 45.0
    earth_deg: float = 0.0
    polarising_v: float = 10.0
    miss_probability: float = 0.0
    false_per_year: float = 0.0
    clock_sd_ms: float = 0.0
    drift_sd_ppm: float = 0.0
    gap_probability: float = 0.0
    gap_length: float = 1.0

    @property
    def period_ms(self) -> int:
        """Its clock's step: it reports at any time."""
        return 1

    @property
    def sampling(self) -> str:
        """It follows no schedule of its own."""
        return "slot"


@dataclass(frozen=True, slots=True)
class Indication:
    """An indicator begins (``on``) or ends to show a passage.

    ``direction`` is 1 into the line, -1 out of it, 0 unknown; ``quantity`` is ``phase`` or
    ``earth``. ``cause`` is the event that the plant named, "" for a false operation.
    """

    id: str
    cause: str
    t_us: int
    indicator: str
    on: bool
    quantity: str
    direction: int


@dataclass(frozen=True, slots=True)
class PassageTruth:
    """What the recorder keeps of an operation, or of one that was missed.

    ``kind`` is ``passage_shown``, ``passage_missed`` or ``false_passage``; ``cause`` is the
    indication, or for a missed one the plant's event.
    """

    cause: str
    t_us: int
    indicator: str
    kind: str


def parse_indicators(items: Sequence[Mapping[str, Any]]) -> list[IndicatorSpec]:
    """Return the indicators sorted by identifier; ScenarioError with all that is wrong."""
    faults: list[Fault] = []
    specs: list[IndicatorSpec] = []
    known = [field.name for field in fields(IndicatorSpec)]
    for number, item in enumerate(items):
        path = f"indicators[{number}]"
        faults += [Fault(f"{path}.{n}", "unknown field") for n in sorted(set(item) - set(known))]
        try:
            spec = IndicatorSpec(**{name: item[name] for name in known if name in item})
        except TypeError as error:
            faults.append(Fault(path, str(error).partition(") ")[2] or str(error)))
            continue
        faults += _wrong(spec, path)
        specs.append(spec)
    specs.sort(key=lambda spec: spec.id.encode())
    faults += [
        Fault("indicators", f"{after.id} is there twice", "give each its own id")
        for before, after in pairwise(specs)
        if before.id == after.id
    ]
    if faults:
        raise ScenarioError(faults)
    return specs


def _wrong(spec: IndicatorSpec, path: str) -> Iterator[Fault]:
    for name in ("phase_a", "earth_a", "minimum_ms", "hold_ms", "live_v", "polarising_v",
                 "false_per_year", "clock_sd_ms", "drift_sd_ppm"):  # fmt: skip
        value = getattr(spec, name)
        if not (math.isfinite(value) and value >= 0):
            yield Fault(f"{path}.{name}", f"must not be negative: {value}")
    for name in ("miss_probability", "gap_probability"):
        if not 0 <= getattr(spec, name) <= 1:
            yield Fault(f"{path}.{name}", f"must be from 0 to 1, not {getattr(spec, name)}")
    if not spec.gap_length >= 1:
        yield Fault(f"{path}.gap_length", f"must be at least 1, not {spec.gap_length}")
    if spec.phase_a == spec.earth_a == 0:
        yield Fault(path, "without a threshold it never operates")


class Indicators:
    """All indicators, sorted by identifier; row i of every input is indicator i."""

    def __init__(self, specs: Sequence[IndicatorSpec], seed: int) -> None:
        def column(name: str) -> NDArray[np.float64]:
            return np.array([getattr(spec, name) for spec in specs], dtype=float)

        self.specs = tuple(specs)
        self._phasors = Phasors(column("phase_deg"), column("earth_deg"), column("polarising_v"))
        phase_a, earth_a = column("phase_a"), column("earth_a")
        self._phase_a = np.where(phase_a > 0, phase_a, np.inf)
        self._earth_a = np.where(earth_a > 0, earth_a, np.inf)
        self._minimum_us = np.rint(column("minimum_ms") * 1000).astype(np.int64)
        self._hold_us = np.rint(column("hold_ms") * 1000).astype(np.int64)
        self._live_v = column("live_v")
        self._by_voltage = np.array([spec.reset_by_voltage for spec in specs], dtype=bool)
        n = len(specs)
        self._table = np.zeros((n, len(COLUMNS)))
        self._since_us = np.full(n, -1, dtype=np.int64)  # above threshold since (-1: not)
        self._judged = np.zeros(n, dtype=bool)
        self._until_us = np.full(n, _NEVER, dtype=np.int64)  # shows a passage until
        self._shown: dict[int, Indication] = {}
        self._causes = [""] * n
        self._ids = [Sequencer(spec.id) for spec in specs]
        self._rngs = [stream(seed, "field", f"{spec.id}/passage") for spec in specs]
        self._false = [stream(seed, "field", f"{spec.id}/false") for spec in specs]
        self._false_us = np.array([self._gap_us(row) for row in range(n)], dtype=np.int64)
        self._live = np.zeros(n, dtype=bool)
        self._t_us = 0
        self._truth: list[PassageTruth] = []
        self._news: list[Indication] = []

    @property
    def due_us(self) -> int | None:
        """When an indicator next does something if nothing changes; None for never."""
        due = int(self._due().min(initial=_NEVER))
        return None if due == _NEVER else due

    def observe(self, t_us: int, i_a: ComplexArray, v_v: ComplexArray, cause: str = "") -> None:
        """Let currents into the line [A] and voltages [V], ``[m, 3]``, hold from ``t_us`` on.

        SimulationError for another shape, or before it was advanced to ``t_us``.
        """
        shape = (len(self.specs), 3)
        if i_a.shape != shape or v_v.shape != shape:
            raise SimulationError(f"indicators see {i_a.shape}, {v_v.shape}, they are {shape}")
        if t_us < self._t_us or int(self._due().min(initial=_NEVER)) < t_us:
            raise SimulationError(f"indicators were not advanced to {t_us} us")
        self._t_us = t_us
        self._table = self._phasors.table(i_a, v_v)
        above = self._above()
        began = above & (self._since_us < 0)
        self._since_us = np.where(above, np.where(began, t_us, self._since_us), -1)
        self._judged &= above
        for row in np.flatnonzero(began).tolist():
            self._causes[row] = cause
        live = np.abs(v_v).max(axis=1, initial=0.0) >= self._live_v
        back = live & ~self._live & self._by_voltage & (self._until_us != _NEVER) & ~above
        self._live = live
        for row in np.flatnonzero(back).tolist():
            self._end(t_us, row, cause)

    def advance(self, t_us: int) -> tuple[list[Indication], list[PassageTruth]]:
        """Go on to ``t_us``; return what was shown since, and what is true of it."""
        while (due := self.due_us) is not None and due <= t_us:
            self._t_us = due
            for row in np.flatnonzero(self._due() <= due).tolist():
                self._act(due, row)
        self._t_us = max(self._t_us, t_us)
        news, truth = self._news, self._truth
        self._news, self._truth = [], []
        return news, truth

    # -- inside --------------------------------------------------------------------------------

    def _above(self) -> NDArray[np.bool_]:
        phase = self._table[:, COLUMNS["phase", "any"]] > self._phase_a
        earth = self._table[:, COLUMNS["earth", "any"]] > self._earth_a
        return np.asarray(phase | earth)

    def _due(self) -> IntArray:
        pending = (self._since_us >= 0) & ~self._judged
        passage = np.where(pending, self._since_us + self._minimum_us, _NEVER)
        return np.minimum(np.minimum(passage, self._until_us), self._false_us)

    def _act(self, t_us: int, row: int) -> None:
        if self._until_us[row] <= t_us:
            self._end(t_us, row, self._shown[row].id)
        pending = self._since_us[row] >= 0 and not self._judged[row]
        if pending and self._since_us[row] + self._minimum_us[row] <= t_us:
            self._judge(t_us, row)
        if self._false_us[row] <= t_us:
            self._false_us[row] = t_us + self._gap_us(row)
            if row not in self._shown:
                direction = int(self._false[row].integers(2)) * 2 - 1
                shown = self._show(t_us, row, "", "phase", direction)
                self._tell(shown.id, t_us, row, "false_passage")

    def _judge(self, t_us: int, row: int) -> None:
        self._judged[row] = True
        cause, spec = self._causes[row], self.specs[row]
        if self._rngs[row].random() < spec.miss_probability:
            self._tell(cause, t_us, row, "passage_missed")
            return
        seen = self._table[row]
        quantity, limit = ("phase", self._phase_a[row])
        if not seen[COLUMNS["phase", "any"]] > limit:
            quantity, limit = ("earth", self._earth_a[row])
        ahead = seen[COLUMNS[quantity, "forward"]] > limit
        back = seen[COLUMNS[quantity, "reverse"]] > limit
        shown = self._shown.get(row)
        if shown is None:
            shown = self._show(t_us, row, cause, quantity, int(ahead) - int(back))
        self._until_us[row] = t_us + self._hold_us[row]
        self._tell(shown.id, t_us, row, "passage_shown")

    def _show(self, t_us: int, row: int, cause: str, quantity: str, way: int) -> Indication:
        spec = self.specs[row]
        told = way if spec.directional else 0
        shown = Indication(self._ids[row](), cause, t_us, spec.id, True, quantity, told)
        self._shown[row] = shown
        self._until_us[row] = t_us + self._hold_us[row]
        self._news.append(shown)
        return shown

    def _end(self, t_us: int, row: int, cause: str) -> None:
        shown = self._shown.pop(row)
        self._until_us[row] = _NEVER
        end = Indication(
            self._ids[row](), cause, t_us, shown.indicator, False, shown.quantity, shown.direction
        )
        self._news.append(end)

    def _tell(self, cause: str, t_us: int, row: int, kind: str) -> None:
        self._truth.append(PassageTruth(cause, t_us, self.specs[row].id, kind))

    def _gap_us(self, row: int) -> int:
        rate = self.specs[row].false_per_year
        if rate <= 0:
            return int(_NEVER)
        return 1 + int(min(self._false[row].exponential(_YEAR_US / rate), 2.0**60))
