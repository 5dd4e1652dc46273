"""Gauges in devices: temperatures, power, and what appliances ask for.

``thermometer``: the device's temperature, and its tank's where it has one; ``wattmeter``: the
power of the instant; ``panel``: the jobs that an appliance's owner put in, null when one begins;
``inverter``: voltage, current and powers of the instant at its terminals, and the energy so far.
All read at slot boundaries, panels also when something happens; without supply they
read nothing, and a panel tells later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event, Reading
from fernwatt.streams import stream
from fernwatt.timebase import SLOT_MS
from simulators.field.accuracy import FloatArray

__all__ = ["GaugeSpec", "Gauges", "parse_gauges"]

BoolArray = NDArray[np.bool_]
_KINDS = ("thermometer", "wattmeter", "panel", "inverter")
_STEP_C, _STEP_W, _STEP_V, _STEP_A = 0.1, 1.0, 0.1, 0.1
_MS_PER_H = 3.6e6
_JOBS = {"job_requested": True, "job_started": False}


@dataclass(frozen=True, slots=True)
class GaugeSpec:
    """One gauge in the device ``target``, which gets its supply at ``terminal``.

    A thermometer is off by a fixed value within ``± error_c`` (rectangular), a wattmeter and all
    channels of an inverter by a fixed share within ``± error_percent``. ``conductors`` is how many
    an inverter feeds.
    """

    id: str
    kind: str
    target: str
    terminal: str
    period_ms: int = SLOT_MS
    error_c: float = 0.3
    error_percent: float = 1.0
    conductors: int = 3


def parse_gauges(
    items: Sequence[Mapping[str, Any]], devices: Mapping[str, int], terminals: Mapping[str, int]
) -> list[GaugeSpec]:
    """Return the gauges sorted by identifier; ScenarioError for faulty ones."""
    faults: list[Fault] = []
    specs = []
    known = {field.name for field in fields(GaugeSpec)}
    for number, item in enumerate(items):
        path = f"gauges[{number}]"
        wrong = sorted(set(item) - known)
        if wrong:
            faults += [Fault(f"{path}.{name}", "unknown field") for name in wrong]
            continue
        spec = GaugeSpec(**item)
        if spec.kind not in _KINDS:
            faults.append(Fault(f"{path}.kind", f"must be one of {', '.join(_KINDS)}"))
        if spec.target not in devices:
            faults.append(Fault(f"{path}.target", f"there is no device {spec.target!r}"))
        if spec.terminal not in terminals:
            faults.append(Fault(f"{path}.terminal", f"there is no terminal {spec.terminal!r}"))
        if spec.period_ms <= 0 or min(spec.error_c, spec.error_percent) < 0:
            faults.append(Fault(path, "period and errors must not be negative, the period not 0"))
        specs.append(spec)
    if len({spec.id for spec in specs}) < len(specs):
        faults.append(Fault("gauges", "two have the same id", "give each its own"))
    if faults:
        raise ScenarioError(faults)
    return sorted(specs, key=lambda spec: spec.id.encode())


class Gauges:
    """All gauges of a run; ``devices`` and ``terminals`` give the rows of each identifier."""

    def __init__(
        self,
        specs: Sequence[GaugeSpec],
        devices: Mapping[str, int],
        terminals: Mapping[str, int],
        seed: int,
    ) -> None:
        self._specs = list(specs)
        self._device = [devices[spec.target] for spec in specs]
        self._terminal = [terminals[spec.terminal] for spec in specs]
        self._ids = [Sequencer(spec.id) for spec in specs]
        draws = [float(stream(seed, "field", f"{spec.id}/error").uniform(-1, 1)) for spec in specs]
        self._off_c = [spec.error_c * x for spec, x in zip(specs, draws, strict=True)]
        self._gain = [
            1 + spec.error_percent / 100 * x for spec, x in zip(specs, draws, strict=True)
        ]
        self._next_ms = np.zeros(len(self._specs), dtype=np.int64)
        self._period_ms = np.array([spec.period_ms for spec in specs], dtype=np.int64)
        self._panels = {s.target: row for row, s in enumerate(specs) if s.kind == "panel"}
        # what a panel has not told yet; at the start, that there is no job
        self._jobs: dict[int, list[tuple[str, Any]]] = {
            row: [("", None)] for row in self._panels.values()
        }
        self._inverters = any(spec.kind == "inverter" for spec in specs)
        self._p_w: Sequence[float] | FloatArray = ()
        self._q_var: Sequence[float] | FloatArray = ()
        self._energy_wh: Sequence[float] | FloatArray = ()
        self._t_ms = 0
        self._thermal: Mapping[str, Any] = {}
        self._place: dict[str, int] = {}  # of each device in it

    @property
    def due_ms(self) -> int | None:
        """When the next gauge reads."""
        return int(self._next_ms.min()) if len(self._next_ms) else None

    def take(self, device: Mapping[str, Any]) -> None:
        """Take the devices' state."""
        if not self._specs:
            return
        self._p_w = device["p_w"]
        if self._inverters:
            self._q_var = device["q_var"]
            self._energy_wh, self._t_ms = device["energy_wh"], device["t_ms"]
        self._thermal = device.get("thermal") or {}
        if self._thermal and not self._place:
            self._place = {name: place for place, name in enumerate(self._thermal["ids"])}

    def sample(
        self,
        t_ms: int,
        events: Iterable[Event],
        live: BoolArray,
        voltage_v: FloatArray | None = None,
    ) -> list[Reading]:
        """Return the readings of ``t_ms``.

        ``live[n]`` tells which terminals have supply, ``voltage_v[n]`` their voltages, which only
        inverters need.
        """
        if not self._specs:
            return []
        told = self._hear(events)
        due = np.flatnonzero(self._next_ms <= t_ms)
        self._next_ms[due] = (t_ms // self._period_ms[due] + 1) * self._period_ms[due]
        readings: list[Reading] = []
        for row in sorted(told.union(due.tolist())):
            if live[self._terminal[row]]:
                v_v = 0.0 if voltage_v is None else float(voltage_v[self._terminal[row]])
                readings += self._read(row, t_ms, v_v)
        return readings

    def _hear(self, events: Iterable[Event]) -> set[int]:
        """Keep what events say of jobs; return the panels that have to tell of it."""
        told = set()
        for event in events:
            row = self._panels.get(event.element)
            asks = _JOBS.get(event.kind)
            if row is None or asks is None:
                continue
            kept = self._jobs.setdefault(row, [])
            if kept == [("", None)]:
                kept.clear()
            kept.append((event.id, event.value if asks else None))
            told.add(row)
        return told

    def _read(self, row: int, t_ms: int, v_v: float) -> list[Reading]:
        spec = self._specs[row]
        if spec.kind == "panel":
            items = [(cause, "appliance.request", value, "1")
                     for cause, value in self._jobs.pop(row, [])]  # fmt: skip
        elif spec.kind == "wattmeter":
            p_w = float(self._p_w[self._device[row]]) * self._gain[row]
            items = [("", "device.power", _stepped(p_w, _STEP_W), "W")]
        elif spec.kind == "inverter":
            items = [("", "der.measurements", self._inverter(row, t_ms, v_v), "1")]
        else:
            items = [
                ("", variable, _stepped(t_c + self._off_c[row], _STEP_C), "degC")
                for variable, t_c in self._temperatures(spec.target)
            ]
        return [
            Reading(self._ids[row](), cause, spec.id, variable, t_ms, t_ms, value, measure)
            for cause, variable, value, measure in items
        ]

    def _inverter(self, row: int, t_ms: int, v_v: float) -> dict[str, float]:
        """Return what an inverter shows; ``p_w``, ``q_var`` and ``energy_wh`` as it draws them."""
        device, gain = self._device[row], self._gain[row]
        p_w, q_var = float(self._p_w[device]), float(self._q_var[device])
        energy_wh = float(self._energy_wh[device]) + p_w * ((t_ms - self._t_ms) / _MS_PER_H)
        i_a = math.hypot(p_w, q_var) / (v_v * self._specs[row].conductors) if v_v else 0.0
        return {
            "v_v": _stepped(v_v * gain, _STEP_V),
            "i_a": _stepped(i_a * gain, _STEP_A),
            "p_w": _stepped(p_w * gain, _STEP_W),
            "q_var": _stepped(q_var * gain, _STEP_W),
            "energy_wh": _stepped(energy_wh * gain, _STEP_W),
        }

    def _temperatures(self, device: str) -> list[tuple[str, float]]:
        place = self._place.get(device)
        if place is None or not self._thermal:
            return []
        seen = [("thermal.temperature", float(self._thermal["temperature_c"][place]))]
        if place < len(self._thermal["tank_c"]):
            seen.append(("tank.temperature", float(self._thermal["tank_c"][place])))
        return seen


def _stepped(value: float, step: float) -> float:
    """Return a value in whole steps, as short as it can be written."""
    return round(round(value / step) * step, 1)
