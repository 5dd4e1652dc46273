"""Line sensors: voltage, current and power of three phases, and temperature, where they hang.

For the heads of lighting segments, cabinets and busbars of low-voltage grids. A sensor shows
the mean over its averaging window, or the instant's value. Its channels are wired to phases: as
they really are, which records may have otherwise. The plant says what holds from when on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError, SimulationError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Reading
from fernwatt.streams import stream
from simulators.field.accuracy import (
    GAIN_SHARE,
    NOISE_SHARE,
    OFFSET_SHARE,
    Clocks,
    FloatArray,
    Gaps,
    IntArray,
)
from simulators.field.specs import at_place

__all__ = ["SensorSpec", "Sensors", "parse_sensors"]

ComplexArray = NDArray[np.complex128]
_CLASSES = (0.0, 0.2, 0.5, 1.0, 2.0, 3.0)
_NEVER = np.iinfo(np.int64).max
_V, _I, _P, _Q = range(4)


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """One sensor at ``place``.

    ``accuracy_class`` in percent (0: ideal) holds for voltage and current; ``rated_a`` is what
    its offset and its heating refer to. ``window_ms`` is the averaging window before each sample
    (0: the instant). ``voltage_wiring`` and ``current_wiring`` give the phase (1 to 3) of each
    channel, negative for a transformer put on backwards. Temperature: that of the air, plus
    ``rise_c`` at rated current, reached with ``tau_s``; its error is fixed (``temperature_sd_c``).
    Clock and gaps as those of other instruments.
    """

    id: str
    place: str
    accuracy_class: float = 1.0
    rated_a: float = 100.0
    period_ms: int = 60_000
    window_ms: int = 0
    resolution_v: float = 0.1
    resolution_a: float = 0.01
    voltage_wiring: tuple[int, int, int] = (1, 2, 3)
    current_wiring: tuple[int, int, int] = (1, 2, 3)
    rise_c: float = 20.0
    tau_s: float = 900.0
    temperature_sd_c: float = 0.5
    sampling: str = "slot"
    clock_sd_ms: float = 0.0
    drift_sd_ppm: float = 0.0
    gap_probability: float = 0.0
    gap_length: float = 1.0


def parse_sensors(items: Sequence[Mapping[str, Any]]) -> list[SensorSpec]:
    """Return the sensors sorted by identifier; ScenarioError with all that is wrong with them."""
    faults: list[Fault] = []
    specs: list[SensorSpec] = []
    known = [field.name for field in fields(SensorSpec)]
    for number, item in enumerate(items):
        path = f"sensors[{number}]"
        faults += [Fault(f"{path}.{n}", "unknown field") for n in sorted(set(item) - set(known))]
        given = {name: item[name] for name in known if name in item}
        for name in ("voltage_wiring", "current_wiring"):
            if name in given:
                given[name] = tuple(given[name])
        try:
            spec = SensorSpec(**given)
        except TypeError as error:
            faults.append(Fault(path, str(error).partition(") ")[2] or str(error)))
            continue
        faults += [Fault(f"{path}.{name}", text) for name, text in _wrong(spec)]
        specs.append(spec)
    specs.sort(key=lambda spec: spec.id.encode())
    faults += [
        Fault("sensors", f"{after.id} is there twice", "give each its own id")
        for before, after in pairwise(specs)
        if before.id == after.id
    ]
    if faults:
        raise ScenarioError(faults)
    return specs


def _wrong(spec: SensorSpec) -> list[tuple[str, str]]:
    found = []
    if spec.accuracy_class not in _CLASSES:
        found.append(("accuracy_class", f"must be one of {_CLASSES}, not {spec.accuracy_class}"))
    found += [
        (name, f"must be above 0, not {getattr(spec, name)}")
        for name in ("rated_a", "period_ms", "tau_s")
        if not getattr(spec, name) > 0
    ]
    if not 0 <= spec.window_ms <= spec.period_ms:
        found.append(("window_ms", f"must be from 0 to the period, not {spec.window_ms}"))
    for name in ("voltage_wiring", "current_wiring"):
        wiring = getattr(spec, name)
        if len(wiring) != 3 or not {abs(phase) for phase in wiring} <= {1, 2, 3}:
            found.append((name, f"must be three phases of 1, 2, 3, not {wiring}"))
    if spec.sampling not in ("slot", "clock"):
        found.append(("sampling", f"must be slot or clock, not {spec.sampling!r}"))
    if not (0 <= spec.gap_probability <= 1 and spec.gap_length >= 1):
        found.append(("gap_probability", "must be from 0 to 1, and gap_length at least 1"))
    limits = ("resolution_v", "resolution_a", "rise_c", "temperature_sd_c", "clock_sd_ms",
              "drift_sd_ppm")  # fmt: skip
    for name in limits:
        value = getattr(spec, name)
        if not (math.isfinite(value) and value >= 0):
            found.append((name, f"must not be negative: {value}"))
    return found


class Sensors:
    """All sensors, sorted by identifier; row i of every input is sensor i.

    ``observe`` what holds from now on; ``sample`` at ``due_ms`` and whenever else one likes.
    """

    def __init__(self, specs: Sequence[SensorSpec], seed: int) -> None:
        self.specs = tuple(specs)
        n = len(specs)
        clocked: Any = specs  # what clocks and gaps need, a sensor has as well
        self._clocks, self._gaps = Clocks(clocked, seed), Gaps(clocked, seed)
        c = np.array([spec.accuracy_class for spec in specs], dtype=float) / 100
        fixed = np.array(
            [stream(seed, "field", f"{spec.id}/accuracy").uniform(-1, 1, (3, 3)) for spec in specs]
        ).reshape(n, 3, 3)
        self._gain = 1.0 + GAIN_SHARE * c[:, None, None] * fixed[:, :2]  # [n, 2, 3]
        rated_a = np.array([spec.rated_a for spec in specs], dtype=float)
        self._offset_a = OFFSET_SHARE * c[:, None] * fixed[:, 2] * 0.1 * rated_a[:, None]
        self._noise = NOISE_SHARE * c
        self._rngs = [stream(seed, "field", f"{spec.id}/noise") for spec in specs]
        self._warm_c = np.array(
            [
                spec.temperature_sd_c
                * stream(seed, "field", f"{spec.id}/temperature").standard_normal()
                for spec in specs
            ],
            dtype=float,
        )
        self._rated_a, self._rise_c = rated_a, np.array([s.rise_c for s in specs], dtype=float)
        self._tau_ms = np.array([s.tau_s * 1000 for s in specs], dtype=float)
        self._wires = [_wires([s.voltage_wiring for s in specs]),
                       _wires([s.current_wiring for s in specs])]  # fmt: skip
        self._window_ms = np.array([spec.window_ms for spec in specs], dtype=np.int64)
        self._ids = [Sequencer(spec.id) for spec in specs]
        self._now, self._sums = np.zeros((n, 4, 3)), np.zeros((n, 4, 3))
        self._opened, self._opened_ms = np.zeros((n, 4, 3)), np.zeros(n, dtype=np.int64)
        self._air_c, self._over_c = np.full(n, 20.0), np.zeros(n)
        self._t_ms = 0
        self._next_ms = self._clocks.first() if n else np.zeros(0, dtype=np.int64)
        self._open_ms = self._opening()

    @property
    def due_ms(self) -> int | None:
        """When the next sensor samples, or opens its averaging window."""
        if not self.specs:
            return None
        return int(min(self._next_ms.min(), self._open_ms.min()))

    def observe(
        self, t_ms: int, v_v: ComplexArray, i_a: ComplexArray, air_c: FloatArray | float = 20.0
    ) -> None:
        """Let voltages [V] and currents [A], ``[n, 3]``, and the air's temperature hold on.

        SimulationError for another shape, or where something was due before.
        """
        shape = (len(self.specs), 3)
        if v_v.shape != shape or i_a.shape != shape:
            raise SimulationError(f"sensors see {v_v.shape}, {i_a.shape}, they are {shape}")
        due_ms = self.due_ms
        if due_ms is not None and due_ms < t_ms:
            raise SimulationError(f"sensors were due at {due_ms} ms, before {t_ms} ms")
        self._run(t_ms)
        (v_phase, v_sign), (i_phase, i_sign) = self._wires
        v_wired = np.take_along_axis(v_v, v_phase, axis=1) * v_sign
        i_wired = np.take_along_axis(i_a, i_phase, axis=1) * i_sign
        s_va = v_wired * np.conj(i_wired)
        self._now = np.stack((np.abs(v_wired), np.abs(i_wired), s_va.real, s_va.imag), axis=1)
        self._air_c = np.broadcast_to(np.asarray(air_c, dtype=float), (shape[0],)).copy()

    def breathe(self, air_c: float) -> None:
        """Let the air have ``air_c`` [°C] at all sensors."""
        self._air_c = np.full(len(self.specs), air_c)

    def sample(self, t_ms: int) -> list[Reading]:
        """Return the readings that are due at ``t_ms``: a record of each sensor."""
        self._run(t_ms)
        opening = self._open_ms <= t_ms
        self._opened[opening], self._opened_ms[opening] = self._sums[opening], t_ms
        self._open_ms[opening] = _NEVER
        rows = np.flatnonzero(self._next_ms <= t_ms)
        if not len(rows):
            return []
        stamps = self._clocks.stamps(rows, t_ms)
        self._next_ms[rows] = self._clocks.next(rows, t_ms)
        there = ~self._gaps.missed(rows)
        values = self._measure(rows, t_ms)
        self._open_ms[rows] = self._opening()[rows]
        late = rows[self._open_ms[rows] <= t_ms]
        self._opened[late], self._opened_ms[late] = self._sums[late], t_ms
        self._open_ms[late] = _NEVER
        return [
            self._reading(row, (t_ms, stamp), shown)
            for row, stamp, shown, kept in zip(
                rows.tolist(), stamps.tolist(), values, there.tolist(), strict=True
            )
            if kept
        ]

    # -- inside --------------------------------------------------------------------------------

    def _run(self, t_ms: int) -> None:
        dt_ms = t_ms - self._t_ms
        if dt_ms < 0:
            raise SimulationError(f"sensors are at {self._t_ms} ms already, not at {t_ms} ms")
        self._t_ms = t_ms
        self._sums = self._sums + self._now * dt_ms
        largest_a = self._now[:, _I].max(axis=1, initial=0.0)
        target_c = self._rise_c * (largest_a / self._rated_a) ** 2
        self._over_c = target_c + (self._over_c - target_c) * np.exp(-dt_ms / self._tau_ms)

    def _opening(self) -> IntArray:
        """Return when each window has to be opened; never for those that have none."""
        opens_ms = np.maximum(self._next_ms - self._window_ms, 0)
        return np.where(self._window_ms > 0, opens_ms, _NEVER)

    def _measure(self, rows: IntArray, t_ms: int) -> list[dict[str, Any]]:
        span_ms = np.maximum(t_ms - self._opened_ms[rows], 1)[:, None, None]
        mean = (self._sums[rows] - self._opened[rows]) / span_ms
        windowed = (self._window_ms[rows] > 0) & (t_ms > self._opened_ms[rows])
        true = np.where(windowed[:, None, None], mean, self._now[rows])
        noise = np.array([self._rngs[row].uniform(-1, 1, (2, 3)) for row in rows.tolist()])
        gain = self._gain[rows] * (1.0 + self._noise[rows][:, None, None] * noise)
        flows = true[:, _I] > 0
        size_a = true[:, _I] * gain[:, 1] + np.where(flows, self._offset_a[rows], 0.0)
        v_v = true[:, _V] * gain[:, 0]
        # power is that of what the channels show, at the angle that is between them
        scale = np.where(flows, gain[:, 0] * size_a / np.where(flows, true[:, _I], 1.0), 0.0)
        p_w, q_var = true[:, _P] * scale, true[:, _Q] * scale
        warm_c = self._air_c[rows] + self._over_c[rows] + self._warm_c[rows]
        shown = []
        for k, row in enumerate(rows.tolist()):
            spec = self.specs[row]
            shown.append({
                "v_v": _round(v_v[k], spec.resolution_v),
                "i_a": _round(np.maximum(size_a[k], 0.0), spec.resolution_a),
                "p_w": _round(p_w[k], 0.1), "q_var": _round(q_var[k], 0.1),
                "temperature_c": _round(warm_c[[k]], 0.1)[0],
            })  # fmt: skip
        return shown

    def _reading(self, row: int, times: tuple[int, int], value: dict[str, Any]) -> Reading:
        t_ms, stamp = times
        spec, told = self.specs[row], {**at_place(self.specs[row].place), **value}
        return Reading(self._ids[row](), "", spec.id, "line.phases", t_ms, stamp, told, "1")


def _wires(wirings: Sequence[tuple[int, ...]]) -> tuple[IntArray, FloatArray]:
    """Return of each channel its phase (0 to 2) and its sense."""
    wiring = np.array(wirings, dtype=np.int64).reshape(-1, 3)
    return np.abs(wiring) - 1, np.sign(wiring).astype(float)


def _round(values: FloatArray, step: float) -> list[float]:
    """Return values in whole steps (0: as they are), with no more digits than a step has."""
    if step <= 0:
        return [float(value) for value in values]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [round(round(float(value) / step) * step, digits + 3) + 0.0 for value in values]
