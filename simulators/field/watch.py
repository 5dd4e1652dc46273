"""What hangs on the lines: fault passage indicators and line sensors, fed with what they see.

The grid tells of watched places ``element@end`` whenever something changed there; in between that
holds. Readings are the units', what is true of them is the recorder's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError, SimulationError
from fernwatt.messages import Reading
from fernwatt.phasors import ComplexArray
from simulators.field.accuracy import Clocks, Gaps
from simulators.field.indicators import Indication, Indicators, IndicatorSpec, PassageTruth
from simulators.field.sensors import Sensors, SensorSpec
from simulators.field.specs import at_place

__all__ = ["Air", "Watch"]

_US = 1000


class Air:
    """Temperature outside [°C]: ``values[k]`` holds for ``step_ms`` from k ``step_ms`` on."""

    def __init__(self, values: Sequence[float], step_ms: int) -> None:
        self._values, self._step_ms = [float(value) for value in values], step_ms

    def at(self, t_ms: int) -> float:
        """Return the temperature at ``t_ms``; beyond the last value, that one."""
        return self._values[min(t_ms // self._step_ms, len(self._values) - 1)]


class Watch:
    """All indicators and sensors of a run. ``places`` are those that the grid tells of, in order.

    Raises ScenarioError for what hangs where the grid does not look.
    """

    def __init__(
        self,
        places: Sequence[str],
        indicators: Sequence[IndicatorSpec],
        sensors: Sequence[SensorSpec],
        seed: int,
        air: Air,
    ) -> None:
        row = {place: number for number, place in enumerate(places)}
        wanted = [(f"indicators[{n}]", spec.place) for n, spec in enumerate(indicators)]
        wanted += [(f"sensors[{n}]", spec.place) for n, spec in enumerate(sensors)]
        lost = [
            Fault(f"{path}.place", f"the grid does not tell of {place!r}")
            for path, place in wanted
            if place not in row
        ]
        if lost:
            raise ScenarioError(lost)
        self._count, self._air = len(places), air
        self._at_indicators = np.array([row[spec.place] for spec in indicators], dtype=int)
        self._at_sensors = np.array([row[spec.place] for spec in sensors], dtype=int)
        self._indicators, self._sensors = Indicators(indicators, seed), Sensors(sensors, seed)
        clocked: Any = indicators  # what clocks and gaps need, an indicator has as well
        self._clocks, self._gaps = Clocks(clocked, seed), Gaps(clocked, seed)
        self._row = {spec.id: number for number, spec in enumerate(indicators)}
        self._news: list[Indication] = []
        self._truth: list[PassageTruth] = []
        straight = (1, 2, 3)
        # sensors whose channels are not where the records have them
        self.crossed = {
            spec.id: {"voltage": list(spec.voltage_wiring), "current": list(spec.current_wiring)}
            for spec in sensors
            if (spec.voltage_wiring, spec.current_wiring) != (straight, straight)
        }

    @property
    def due_ms(self) -> int | None:
        """When an instrument next does something if nothing changes; None for never."""
        due = [] if self._indicators.due_us is None else [-(-self._indicators.due_us // _US)]
        if self._at_sensors.size and self._sensors.due_ms is not None:
            due.append(self._sensors.due_ms)
        return min(due) if due else None

    def see(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Take what was seen at the places: ``{t_us, cause, i_re[m][3], i_im, v_re, v_im}`` each.

        Voltages are to earth, and ``n_re[m]``, ``n_im`` (or not given) the neutral's: sensors
        measure against it. SimulationError for another number of places.
        """
        for item in items:
            i_a, v_v = (_phasors(item, name) for name in ("i", "v"))
            if i_a.shape != (self._count, 3) or v_v.shape != i_a.shape:
                raise SimulationError(f"the grid shows {len(i_a)} places, not {self._count}")
            t_us = int(item["t_us"])
            self._pass(t_us)
            rows = self._at_indicators
            self._indicators.observe(t_us, i_a[rows], v_v[rows], str(item["cause"]))
            rows, t_ms = self._at_sensors, -(-t_us // _US)
            star_v = v_v[rows] - _neutral(item, self._count)[rows, None]
            self._sensors.observe(t_ms, star_v, i_a[rows], self._air.at(t_ms))

    def sample(self, t_ms: int) -> tuple[list[Reading], list[PassageTruth]]:
        """Go on to ``t_ms``; return what is told, and what is true of it."""
        self._pass(t_ms * _US)
        news, truth = self._news, self._truth
        self._news, self._truth = [], []
        readings = [told for item in news if (told := self._tell(t_ms, item)) is not None]
        if self._at_sensors.size:
            self._sensors.breathe(self._air.at(t_ms))
            readings += self._sensors.sample(t_ms)
        return readings, truth

    def _pass(self, t_us: int) -> None:
        news, truth = self._indicators.advance(t_us)
        self._news += news
        self._truth += truth

    def _tell(self, t_ms: int, item: Indication) -> Reading | None:
        """Return what an indicator reports, by its own clock; None where the report is lost."""
        row = np.array([self._row[item.indicator]])
        if self._gaps.missed(row)[0]:
            return None
        shown_ms = [int(self._clocks.shown(row, t)[0]) for t in (t_ms, item.t_us // _US)]
        value = {
            **at_place(self._indicators.specs[row[0]].place),
            "on": item.on, "earth": item.quantity == "earth", "direction": item.direction,
            "t_ms": shown_ms[1],
        }  # fmt: skip
        return Reading(
            item.id, item.cause, item.indicator, "fault.passage", t_ms, shown_ms[0], value, "1"
        )


def _phasors(item: Mapping[str, Any], name: str) -> ComplexArray:
    real, imaginary = (np.asarray(item[f"{name}_{part}"], dtype=float) for part in ("re", "im"))
    phasors: NDArray[np.complex128] = real.reshape(-1, 3) + 1j * imaginary.reshape(-1, 3)
    return phasors


def _neutral(item: Mapping[str, Any], count: int) -> ComplexArray:
    if "n_re" not in item:
        return np.zeros(count, dtype=complex)
    real, imaginary = (np.asarray(item[name], dtype=float) for name in ("n_re", "n_im"))
    neutral: ComplexArray = real + 1j * imaginary
    return neutral
