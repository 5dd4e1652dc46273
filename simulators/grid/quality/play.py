"""Quality of supply over a run: ten-minute values, dips and swells, frequency, transients.

All of it is the truth of the plant; instruments get to see what ``state`` gives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.faults import Upstream
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import FourWireSolver, GridState, Solver
from fernwatt.quality import Thresholds, VoltageWatch, long_term_flicker
from simulators.grid.intervals import Rows
from simulators.grid.news import News
from simulators.grid.plant import Plant
from simulators.grid.quality.collect import Collector, TenMinutes
from simulators.grid.quality.distortion import Distorted, Distortion, KindsDrawn
from simulators.grid.quality.frequency import Frequency
from simulators.grid.quality.places import Places, find_places
from simulators.grid.quality.rows import (
    Interval,
    current_rows,
    event_rows,
    harmonic_rows,
    nullable,
    quality_rows,
    transient_rows,
)

__all__ = ["Quality", "Recorder", "make_quality"]

TEN_MINUTES_MS = 600_000
_IN_TWO_HOURS = 12
_LOW_V = 1000.0


class Recorder:
    """Records ten-minute values and voltage events at places.

    ``see`` each new state, ``advance`` to where the time has come; both return rows.
    """

    def __init__(
        self,
        model: GridModel,
        places: Places,
        frequency: Frequency,
        *,
        thresholds: Thresholds | None = None,
        distortion: Distortion | None = None,
    ) -> None:
        self._model, self._places, self._frequency = model, places, frequency
        self._distortion = distortion
        self._collector = Collector(model)
        self._watch = VoltageWatch(places.present, thresholds)
        self._nominal_v = np.array([bus.vn_v for bus in model.buses]) / np.sqrt(3.0)
        self._branches = [*(x.id for x in model.lines), *(x.id for x in model.transformers)]
        row = {bus.id: number for number, bus in enumerate(model.buses)}
        ends = [*(x.from_bus for x in model.lines), *(x.lv_bus for x in model.transformers)]
        vn_v = np.array([model.buses[row[end]].vn_v for end in ends], dtype=float)
        self._low = vn_v <= _LOW_V
        self._pst: deque[FloatArray] = deque(maxlen=_IN_TWO_HOURS)
        self._begin_ms = 0
        self.last: tuple[TenMinutes, FloatArray] | None = None

    @property
    def due_ms(self) -> int:
        """When the current interval ends."""
        return self._begin_ms + TEN_MINUTES_MS

    def see(self, t_us: int, state: GridState, cause: str) -> list[Rows]:
        """Let a state hold from ``t_us`` on; return rows of events that end with it."""
        u_pu = self._collector.hold(t_us, state)
        events = self._watch.see(t_us, u_pu[self._places.bus], cause)
        return event_rows(events, self._places)

    def end(self, state: GridState, drawn: KindsDrawn | None) -> list[Rows]:
        """End the interval that is due, in ``state`` with what is ``drawn``; return its rows."""
        begin_ms, end_ms = self._begin_ms, self.due_ms
        self._begin_ms = end_ms
        found = self._collector.end(end_ms * 1000)
        self._pst.append(np.where(found.flagged[:, None], np.nan, found.pst))
        plt = np.full_like(found.pst, np.nan)
        if len(self._pst) == _IN_TWO_HOURS:
            plt = long_term_flicker(np.array(self._pst))
        distorted = self._distort(state, drawn)
        thd = np.full_like(plt, np.nan) if distorted is None else distorted.thd_percent
        self.last = (found, thd)
        hz = self._frequency.ten_seconds(begin_ms, end_ms)
        interval = Interval(begin_ms, found, plt, thd, hz)
        rows = [quality_rows(interval, self._places, self._nominal_v)]
        if distorted is not None:
            rows.append(harmonic_rows(begin_ms, self._places, distorted))
            rows.append(current_rows(begin_ms, self._branches, self._low, distorted))
        return rows

    def close(self, t_us: int) -> list[Rows]:
        """Return rows of events that are still under way."""
        return event_rows(self._watch.close(t_us), self._places)

    def _distort(self, state: GridState, drawn: KindsDrawn | None) -> Distorted | None:
        if self._distortion is None or drawn is None:
            return None
        return self._distortion.solve(state, drawn)


class Quality:
    """What the Grid has of quality: a recorder where it is asked for, frequency, transients.

    ``transients`` are (t_us, bus, peak_pu), in order of time; ``wires`` knows the terminals'
    wiring.
    """

    def __init__(
        self,
        plant: Plant,
        news: News,
        frequency: Frequency | None,
        recorder: Recorder | None,
        *,
        transients: Sequence[tuple[int, str, float]] = (),
        wires: FourWireSolver | None = None,
    ) -> None:
        self._plant, self._news, self._wires = plant, news, wires
        self._frequency, self._recorder = frequency, recorder
        self._transients = deque(transients)
        self._kinds: Mapping[str, Any] = {}
        self._rows: list[Rows] = []
        self._sampled: dict[str, Any] | None = None
        row = {bus.id: number for number, bus in enumerate(plant.model.buses)}
        model = plant.model
        self._terminal_bus = np.array([row[t.bus] for t in model.terminals], dtype=int)
        self._lv_bus = np.array([row[t.lv_bus] for t in model.transformers], dtype=int)

    def power(self, payloads: Mapping[str, Mapping[str, Any]] | None) -> None:
        """Take what the devices tell of their kinds, in the input ``power``."""
        if payloads:
            self._kinds = next(iter(payloads.values()))

    def see(self, t_us: int, cause: str) -> None:
        """Take over the plant's new state, which holds from ``t_us`` on."""
        if self._recorder is not None:
            self._rows += self._recorder.see(t_us, self._plant.state, cause)

    def due_ms(self, t_ms: int) -> int | None:
        """Return when something is next due after ``t_ms``."""
        dues = [] if self._recorder is None else [self._recorder.due_ms]
        if self._transients:
            dues.append(-(-self._transients[0][0] // 1000))
        change = None if self._frequency is None else self._frequency.next_ms(t_ms)
        return min([*dues, *(() if change is None else (change,))], default=None)

    def until(self, t_us: int) -> None:
        """End the intervals that end up to ``t_us``, before anything happens then."""
        while self._recorder is not None and self._recorder.due_ms * 1000 <= t_us:
            self._rows += self._recorder.end(self._plant.state, self._drawn())
            if self._recorder.last is not None:
                self._sampled = self._sample(*self._recorder.last)

    def advance(self, t_ms: int) -> list[Rows]:
        """Return all rows up to ``t_ms``."""
        self.until(t_ms * 1000)
        while self._transients and self._transients[0][0] <= t_ms * 1000:
            t_us, bus, peak_pu = self._transients.popleft()
            value = {"peak_pu": peak_pu}
            event = self._news.tell(t_us, "", "voltage_transient", bus, value)
            self._rows.append(transient_rows(t_us, bus, peak_pu, event))
        rows, self._rows = self._rows, []
        return rows

    def close(self, t_ms: int) -> list[Rows]:
        """Return the last rows; an interval that is not over has none."""
        rows = self.advance(t_ms)
        return rows if self._recorder is None else rows + self._recorder.close(t_ms * 1000)

    def state(self, t_ms: int) -> dict[str, Any]:
        """Return what instruments may sample: ``frequency_hz``, ``quality``, each if asked for.

        ``quality`` is of the last interval: ``{thd_percent[n][3], u2_percent[n], u0_percent[n],
        pst[n][3], transformers: {...[k]}}`` by terminals (their own conductors) and transformers'
        low-voltage sides; None where there is nothing to measure.
        """
        told: dict[str, Any] = {}
        if self._frequency is not None:
            told["frequency_hz"] = self._frequency.at(t_ms)
        if self._sampled is not None:
            told["quality"] = self._sampled
        return told

    def _sample(self, found: TenMinutes, thd: FloatArray) -> dict[str, Any]:
        wiring = None if self._wires is None else self._wires.wiring
        return {
            **_sampled(found, thd, self._terminal_bus, wiring),
            "transformers": _sampled(found, thd, self._lv_bus, None),
        }

    def _drawn(self) -> KindsDrawn:
        n = len(self._terminal_bus)
        p_w, q_var = self._plant.asked, self._plant.asked_var
        drawn = KindsDrawn.of(self._kinds, n).with_rest(p_w, q_var)
        lights = self._plant.lights
        return drawn if lights is None else drawn.with_lamps(lights)


def _sampled(found: TenMinutes, thd: FloatArray, bus: Any, wiring: Any) -> dict[str, Any]:
    pst = np.where(found.flagged[:, None], np.nan, found.pst)[bus]
    at = thd[bus]
    if wiring is not None:
        at, pst = (np.take_along_axis(values, wiring, axis=1) for values in (at, pst))
    return {
        "thd_percent": nullable(at),
        "pst": nullable(pst),
        "u2_percent": nullable(found.u2_percent[bus]),
        "u0_percent": nullable(found.u0_percent[bus]),
    }


def make_quality(
    plant: Plant, news: News, solver: Solver, params: Mapping[str, Any]
) -> Quality | None:
    """Return the quality of a Grid's parameters ``quality``, ``frequency``, ``transients``.

    None where there is none of them. Raises ScenarioError for what the grid has not.
    """
    wanted, course = params.get("quality"), params.get("frequency")
    transients = params.get("transients") or ()
    if not (wanted or course or transients):
        return None
    model = plant.model
    frequency = Frequency(course) if course else None
    recorder = None
    if wanted:
        recorder = Recorder(
            model,
            find_places(model, wanted.get("places") or "lv", solver),
            frequency or Frequency(()),
            thresholds=Thresholds(interruption_pu=wanted.get("interruption_percent", 5.0) / 100.0),
            distortion=_distortion(model, solver, wanted, params),
        )
    known = {bus.id for bus in model.buses}
    faults = [
        Fault(f"grid.transients[{number}].bus", f"{item['bus']!r} is no bus of this grid")
        for number, item in enumerate(transients)
        if item["bus"] not in known
    ]
    if faults:
        raise ScenarioError(faults)
    ordered = sorted((int(t["t_us"]), str(t["bus"]), float(t["peak_pu"])) for t in transients)
    wires = solver if isinstance(solver, FourWireSolver) else None
    return Quality(plant, news, frequency, recorder, transients=ordered, wires=wires)


def _distortion(
    model: GridModel, solver: Solver, wanted: Mapping[str, Any], params: Mapping[str, Any]
) -> Distortion | None:
    if not wanted.get("harmonics"):
        return None
    if not isinstance(solver, FourWireSolver):
        hint = "write solver: four-wire, or harmonics: false"
        raise ScenarioError([Fault("grid.quality.harmonics", "need a solver by phases", hint)])
    background = {
        int(item["order"]): float(item["percent"]) for item in wanted.get("background") or ()
    }
    return Distortion(
        solver,
        Upstream.of(params.get("upstream"), model),
        int(params.get("seed") or 0),
        spectra=wanted.get("spectra"),
        background_percent=background,
    )
