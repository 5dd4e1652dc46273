"""All lighting feeders of a grid: voltages at their heads in, power and sensors' values out.

The order at an instant: ``advance`` to it, then ``command`` and the like, then ``feed``::

    events = lighting.advance(t_ms)
    flow, events = lighting.feed(t_ms, head_v, cause)  # [f, 3], phase to neutral
    lighting.due_ms                                    # when to come again, at the latest

``draw`` tells what the lamps that burn would draw, and changes nothing. Between, warm-up and
burning hours run on exactly; chances (flicker, drift) are drawn on whole minutes of the scenario
while a feeder burns, so looking more often changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import SimulationError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event
from fernwatt.streams import stream
from simulators.grid.lighting.cables import make_ladder
from simulators.grid.lighting.ladder import ComplexArray, Flow
from simulators.grid.lighting.lamps import FloatArray, law, life_h
from simulators.grid.lighting.segments import Segments, SegmentValues, SensorValues
from simulators.grid.lighting.specs import FeederSpec
from simulators.grid.lighting.switching import switchings

__all__ = ["FAILED", "Lighting"]

BoolArray = NDArray[np.bool_]
_MINUTE_MS, _WARMING_MS = 60_000, 10_000
_MS_PER_H = 3.6e6
OFF, LIT, WAITING, BURNT = range(4)
FAILED = "lamp_failed"
"""Kind of the event that a lamp has failed: true, and told to nobody."""


class Lighting:
    """Feeders sorted by identifier, in arrays ``[f, j]`` over luminaires in a row."""

    def __init__(
        self,
        feeders: Sequence[FeederSpec],
        start: datetime,
        end_ms: int,
        position: tuple[float, float],
        seed: int,
    ) -> None:
        self.feeders = tuple(feeders)
        self._t_ms = 0
        self._ids, self._truth_ids = Sequencer("lighting"), Sequencer("lighting-truth")
        shape = (len(feeders), max((f.count for f in feeders), default=0))
        self._exists = np.arange(shape[1]) < np.array([f.count for f in feeders])[:, None]
        self._types = [[s.lamp for s in f.segments for _ in range(s.count)] for f in feeders]
        self._rngs = [stream(seed, "lighting", f.id) for f in feeders]
        self._ladder = make_ladder(feeders, shape)
        self._vn_v = np.array([f.vn_v for f in feeders], dtype=float)[:, None]
        self._gather(shape)
        self._draw_lamps(seed, shape)
        self._mode = np.where(self._exists, OFF, BURNT)
        self._warm, self._noise = np.zeros(shape), np.zeros(shape)
        self._drift, self._common = np.zeros(shape), np.zeros((shape[0], 1))
        self._ready_ms = np.zeros(shape, dtype=np.int64)
        self._out: dict[tuple[int, int], str] = {}
        self._cut_none = shape[1]
        self._cut = np.full(shape[0], shape[1])
        self._on, self._stuck, self._wanted = (np.zeros(shape[0], dtype=bool) for _ in range(3))
        self._segments = Segments(feeders, shape[1])
        self._why = [""] * shape[0]
        self._plan: list[tuple[int, int, bool]] = []
        self._news: list[Event] = []
        for row, feeder in enumerate(feeders):
            burns, later = switchings(feeder.switching, start, end_ms, *position)
            self._plan += [(t_ms, row, lit) for t_ms, lit in later]
            if burns:
                self._news += self._switch(0, row, True)
        self._plan.sort(reverse=True)
        self._flow: Flow | None = None

    # -- time ----------------------------------------------------------------------------------

    @property
    def due_ms(self) -> int | None:
        """When something next happens by itself; None for never."""
        due = [self._plan[-1][0]] if self._plan else []
        lit, waiting = self._mode == LIT, self._mode == WAITING
        if lit.any() or waiting.any():
            warming = (lit & (self._p0 < 1.0) & (self._warm < 0.999)).any()
            step_ms = _WARMING_MS if warming else _MINUTE_MS
            due.append((self._t_ms // step_ms + 1) * step_ms)
            later = self._ready_ms[waiting & (self._ready_ms > self._t_ms)]
            due += [int(later.min())] if len(later) else []
            left_h = (self._life_h - self._burnt_h)[lit]
            if len(left_h):
                left_ms = float(np.ceil(min(float(left_h.min()) * _MS_PER_H, 2.0**53)))
                due.append(self._t_ms + max(int(left_ms), 1))
        return min(due) if due else None

    def advance(self, t_ms: int) -> list[Event]:
        """Go on to ``t_ms``: lamps warm up, age, fail; feeders are switched by their plan."""
        events, self._news = self._news, []
        while (due := self.due_ms) is not None and due <= t_ms:
            self._run(due)
            events += self._burn_out(due)
            if due % _MINUTE_MS == 0:
                self._draw_minute()
            while self._plan and self._plan[-1][0] <= due:
                _, row, lit = self._plan.pop()
                events += self._switch(due, row, lit)
        self._run(t_ms)
        return events

    # -- what others do to it ------------------------------------------------------------------

    def command(self, t_ms: int, feeder: str, on: bool, cause: str) -> list[Event]:
        """Switch a feeder by hand; its plan goes on from its next instant."""
        return self._switch(t_ms, self._row(feeder), on, cause)

    def stick(self, feeder: str) -> None:
        """Let a feeder's contactor stay as it is, whatever it is told."""
        self._stuck[self._row(feeder)] = True

    def release(self, t_ms: int, feeder: str, cause: str) -> list[Event]:
        """Let a feeder's contactor move again; it then is as it was last told to be."""
        row = self._row(feeder)
        self._stuck[row] = False
        return self._switch(t_ms, row, bool(self._wanted[row]), cause)

    def cut(self, feeder: str, luminaire: int | None) -> None:
        """Break a feeder's cable before a luminaire (from 0), or mend it (None)."""
        self._cut[self._row(feeder)] = self._cut_none if luminaire is None else luminaire

    def mend(self, t_ms: int, feeder: str, cause: str) -> list[Event]:
        """Mend a feeder's contactor and cable."""
        self.cut(feeder, None)
        event = self._event(t_ms, "lighting_mended", feeder, cause, None)
        return [event, *self.release(t_ms, feeder, event.id)]

    def burn_out(self, t_ms: int, lamp: str, cause: str) -> list[Event]:
        """Let one lamp fail now."""
        row, place = self._place(lamp)
        if self._mode[row, place] == BURNT:
            return []
        self._mode[row, place] = BURNT
        value = self._age(row, place)
        return [Event(self._truth_ids(), cause, t_ms * 1000, FAILED, lamp, value)]

    def replace(self, t_ms: int, lamp: str, cause: str) -> list[Event]:
        """Put a new lamp in; it strikes if its feeder burns."""
        row, place = self._place(lamp)
        self._burnt_h[row, place] = self._drift[row, place] = 0.0
        uniform = 1.0 - self._rngs[row].random()
        self._life_h[row, place] = life_h(self._types[row][place], 0.0, uniform)
        self._mode[row, place] = WAITING if self._on[row] else OFF
        self._ready_ms[row, place], self._warm[row, place] = t_ms, 0.0
        self._out.pop((row, place), None)
        return [self._event(t_ms, "lamp_replaced", lamp, cause, None)]

    def draw(self, head_v: ComplexArray) -> ComplexArray:
        """Return the power ``[f, 3]`` [VA] that the lamps burning now take at ``head_v[f, 3]``."""
        return self._ladder.solve(self._switched(head_v), self._law()).s_va

    def feed(self, t_ms: int, head_v: ComplexArray, cause: str = "") -> tuple[Flow, list[Event]]:
        """Supply the feeders' heads with ``head_v[f, 3]`` [V] from ``t_ms`` on.

        Lamps strike that may, and go out that have too little. Raises SimulationError for
        another shape or voltages that are none.
        """
        events: list[Event] = []
        head_v = self._switched(head_v)
        flow = self._ladder.solve(head_v, self._law())
        share = self._share(flow)
        strikes = (self._mode == WAITING) & (self._ready_ms <= t_ms) & (share >= self._strike)
        if strikes.any():
            self._mode[strikes], self._warm[strikes] = LIT, 0.0
            events += self._tell_struck(t_ms, strikes)
            flow = self._ladder.solve(head_v, self._law())
        while (dark := (self._mode == LIT) & (self._share(flow) < self._extinction())).any():
            self._mode[dark], self._warm[dark] = WAITING, 0.0
            self._ready_ms[dark] = t_ms + self._restrike_ms[dark]
            events += self._tell_out(t_ms, dark, cause)
            flow = self._ladder.solve(head_v, self._law())
        self._flow = flow
        return flow, events

    # -- how it is -----------------------------------------------------------------------------

    def sensors(self) -> SensorValues:
        """Return voltage and current at the head of each segment, as last fed."""
        return self._segments.table(self._fed(), self._cut)

    def at_segments(self) -> tuple[ComplexArray, ComplexArray]:
        """Return current and voltage at the heads of all segments, ``[s, 3]``, as last fed.

        The order is that of ``segment_ids``.
        """
        return self._segments.heads(self._fed(), self._cut)

    def by_segment(self) -> SegmentValues:
        """Return what the recorder keeps of each segment, as last fed."""
        return self._segments.values(
            self._fed(), self._cut, self._on, self._wanted, np.asarray(self._mode == LIT)
        )

    @property
    def segment_ids(self) -> list[str]:
        """Identifiers of all segments, feeder by feeder, from its head on."""
        return self._segments.ids

    @property
    def segment_lamps(self) -> list[int]:
        """Number of luminaires of each segment."""
        counts: list[int] = self._segments.count.tolist()
        return counts

    def burnt(self) -> list[str]:
        """Return the lamps that are burnt: the truth, for the recorder alone."""
        return [_lamp(self.feeders[r], p) for r, p in np.argwhere(self._bad()).tolist()]

    def lit(self) -> BoolArray:
        """Return which luminaires burn, ``[f, j]``."""
        return np.asarray(self._mode == LIT)

    def power_w(self) -> FloatArray:
        """Return what each luminaire draws, ``[f, j]`` [W], as last fed."""
        return np.asarray(self._law()(np.abs(self._fed().v_v)).real)

    # -- inside --------------------------------------------------------------------------------

    def _fed(self) -> Flow:
        if self._flow is None:
            raise SimulationError("the lighting has not been fed yet")
        return self._flow

    def _switched(self, head_v: ComplexArray) -> ComplexArray:
        if head_v.shape != (len(self.feeders), 3) or not np.isfinite(head_v).all():
            raise SimulationError("lighting needs a voltage for each phase of each feeder")
        return np.where(self._on[:, None], head_v, 0.0)

    def _gather(self, shape: tuple[int, int]) -> None:
        def values(name: str, otherwise: float = 0.0) -> FloatArray:
            out = np.full(shape, otherwise)
            for row, kinds in enumerate(self._types):
                out[row, : len(kinds)] = [getattr(kind, name) for kind in kinds]
            return out

        self._p_w, self._q_var = values("p_w"), values("q_var")
        self._a, self._b = values("voltage_exponent"), values("reactive_exponent")
        self._p0, self._q0 = values("start_power"), values("start_reactive")
        self._tau_ms = values("warm_up_s", 1.0) * 1000
        restrike_ms = np.rint(values("restrike_s") * 1000).astype(np.int64)
        self._restrike_ms = np.maximum(restrike_ms, 1)  # nothing goes out and strikes at once
        self._cold, self._hot = values("extinction_cold", 0.5), values("extinction_hot", 0.5)
        self._rise, self._strike = values("extinction_rise"), values("strike", 1.0)
        self._rated_h, self._trend = values("life_h", 1.0), values("trend")
        self._flicker, self._unsteady = values("flicker"), values("unsteady")
        self._drift_sd, self._common_sd = values("drift"), values("common_drift")

    def _draw_lamps(self, seed: int, shape: tuple[int, int]) -> None:
        self._tolerance, self._burnt_h = np.ones(shape), np.zeros(shape)
        self._life_h = np.full(shape, np.inf)
        for row, feeder in enumerate(self.feeders):
            low_h, high_h = feeder.age_h
            for place, kind in enumerate(self._types[row]):
                rng = stream(seed, "lighting", _lamp(feeder, place))
                self._tolerance[row, place] = 1.0 + kind.tolerance * rng.standard_normal()
                age_h = low_h + (high_h - low_h) * rng.random()
                self._burnt_h[row, place] = age_h
                self._life_h[row, place] = life_h(kind, age_h, 1.0 - rng.random())

    def _law(self) -> Callable[[FloatArray], ComplexArray]:
        """Return what the lamps, as they are, draw [VA] at voltages ``[f, j]``."""
        lit = (self._mode == LIT) & (np.arange(self._mode.shape[1]) < self._cut[:, None])
        scale = np.where(lit, self._tolerance * (1.0 + self._noise), 0.0)
        aged = 1.0 + self._drift + self._common + self._trend * self._burnt_h / self._rated_h
        p_w = scale * self._p_w * aged * (self._p0 + (1.0 - self._p0) * self._warm)
        q_var = scale * self._q_var * (self._q0 + (1.0 - self._q0) * self._warm)
        return law(p_w, q_var, (self._a, self._b), self._extinction(), self._vn_v)

    def _share(self, flow: Flow) -> FloatArray:
        reached = np.arange(self._mode.shape[1]) < self._cut[:, None]
        share: FloatArray = np.where(reached, np.abs(flow.v_v) / self._vn_v, 0.0)
        return share

    def _extinction(self) -> FloatArray:
        old = np.minimum(self._burnt_h / np.maximum(self._life_h, 1e-9), 1.0) ** 2
        hot = self._hot + self._rise * old
        extinction: FloatArray = self._cold + (hot - self._cold) * self._warm
        return extinction

    def _run(self, t_ms: int) -> None:
        dt_ms = t_ms - self._t_ms
        if dt_ms < 0:
            raise SimulationError(f"lighting is at {self._t_ms} ms already, not at {t_ms} ms")
        self._t_ms = t_ms
        lit = self._mode == LIT
        cooler = (1.0 - self._warm) * np.exp(-dt_ms / self._tau_ms)
        self._warm = np.where(lit, 1.0 - cooler, self._warm)
        self._burnt_h = np.where(lit, self._burnt_h + dt_ms / _MS_PER_H, self._burnt_h)

    def _burn_out(self, t_ms: int) -> list[Event]:
        over = (self._mode == LIT) & (self._burnt_h >= self._life_h - 1e-9)
        events: list[Event] = []
        for row, place in np.argwhere(over).tolist():
            lamp = _lamp(self.feeders[row], place)
            events += self.burn_out(t_ms, lamp, self._why[row])
        return events

    def _draw_minute(self) -> None:
        """Draw flicker and drift of the feeders that burn, for the coming minute."""
        share = self._share(self._flow) if self._flow is not None else np.ones(self._mode.shape)
        near = np.clip(1.0 - (share - self._extinction()) / 0.05, 0.0, 1.0)
        spread = self._flicker + self._unsteady * near
        root = (_MINUTE_MS / _MS_PER_H / 1000.0) ** 0.5
        for row in np.flatnonzero(self._on).tolist():
            n = self.feeders[row].count
            drawn = self._rngs[row].standard_normal(2 * n + 1)
            self._noise[row, :n] = np.clip(spread[row, :n] * drawn[:n], -0.9, 0.9)
            self._drift[row, :n] += root * self._drift_sd[row, :n] * drawn[n : 2 * n]
            self._common[row] += root * self._common_sd[row, 0] * drawn[-1]

    def _switch(self, t_ms: int, row: int, on: bool, cause: str = "") -> list[Event]:
        feeder = self.feeders[row]
        self._wanted[row] = on
        if self._stuck[row]:
            value = {"on": bool(self._on[row]), "wanted": on}
            return [self._event(t_ms, "lighting_stuck", feeder.id, cause, value)]
        if self._on[row] == on:
            return []
        self._on[row] = on
        lit = self._mode[row] == LIT
        if on:
            self._mode[row][self._mode[row] == OFF] = WAITING
        else:
            self._ready_ms[row] = np.where(lit, t_ms + self._restrike_ms[row], self._ready_ms[row])
            self._mode[row][self._mode[row] != BURNT] = OFF
            self._warm[row] = 0.0
            for key in [key for key in self._out if key[0] == row]:
                del self._out[key]
        event = self._event(t_ms, "lighting_on" if on else "lighting_off", feeder.id, cause, None)
        self._why[row] = event.id
        return [event]

    def _tell_struck(self, t_ms: int, strikes: BoolArray) -> list[Event]:
        """Tell of lamps that had gone out; at dusk it is the feeder's event that tells of all."""
        events = []
        for row, place in np.argwhere(strikes).tolist():
            cause = self._out.pop((row, place), None)
            if cause is not None:
                lamp = _lamp(self.feeders[row], place)
                events.append(self._event(t_ms, "lamp_struck", lamp, cause, None))
        return events

    def _tell_out(self, t_ms: int, dark: BoolArray, cause: str) -> list[Event]:
        events = []
        for row, place in np.argwhere(dark).tolist():
            lamp = _lamp(self.feeders[row], place)
            why = cause or self._why[row]
            event = self._event(t_ms, "lamp_out", lamp, why, self._age(row, place))
            self._out[row, place] = event.id
            events.append(event)
        return events

    def _age(self, row: int, place: int) -> dict[str, Any]:
        return {"burnt_h": round(float(self._burnt_h[row, place]), 3)}

    def _event(self, t_ms: int, kind: str, element: str, cause: str, value: Any) -> Event:
        return Event(self._ids(), cause, t_ms * 1000, kind, element, value)

    def _bad(self) -> BoolArray:
        return np.asarray((self._mode == BURNT) & self._exists)

    def _row(self, feeder: str) -> int:
        for row, spec in enumerate(self.feeders):
            if spec.id == feeder:
                return row
        raise SimulationError(f"there is no lighting feeder {feeder}")

    def _place(self, lamp: str) -> tuple[int, int]:
        feeder, _, number = lamp.rpartition("/lamp-")
        row = self._row(feeder)
        if not number.isdigit() or int(number) >= self.feeders[row].count:
            raise SimulationError(f"there is no lamp {lamp}")
        return row, int(number)


def _lamp(feeder: FeederSpec, place: int) -> str:
    return f"{feeder.id}/lamp-{place:03}"
