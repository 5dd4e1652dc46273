"""Instruments: what they read, when, and with which errors; all of them in arrays.

A register counts increments: each with the device's gain and fresh noise, plus the offset while
something flows, never backwards; what is shown is cut to the register's resolution. An instrument
without supply reads nothing and catches up when it is back: registers count on in the plant's own
measuring element, records of sessions are handed out late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event, Reading
from simulators.field.accuracy import Accuracy, Clocks, FloatArray, Gaps, IntArray, rounded
from simulators.field.losses import Change, Losses
from simulators.field.phases import Conductors, Windows
from simulators.field.plantview import PlantView
from simulators.field.specs import KINDS, Drop, InstrumentSpec

__all__ = ["Instruments"]

_MS_PER_H = 3.6e6
BoolArray = NDArray[np.bool_]
_SESSION = {"session_started": True, "session_ended": False}


class Instruments:
    """All instruments of a run, sorted by identifier.

    ``targets`` gives the row of each terminal, transformer and device in ``view``, with
    transformers after the terminals. ``drop`` names readings that get lost inside the instrument:
    they keep their number, and nobody ever sees them. ``losses`` is what meters do not see or tell.
    """

    def __init__(  # noqa: PLR0917 - what the world consists of
        self,
        specs: Sequence[InstrumentSpec],
        view: PlantView,
        targets: Mapping[str, Mapping[str, int]],
        seed: int,
        drop: Iterable[Drop] = (),
        losses: Losses | None = None,
    ) -> None:
        self._specs, self._view, self._drop = list(specs), view, frozenset(drop)
        self._accuracy, self._clocks = Accuracy(specs, seed), Clocks(specs, seed)
        self._gaps, self._losses = Gaps(specs, seed), losses
        n = len(specs)
        places = [KINDS[spec.kind] for spec in specs]
        self._target = np.array(
            [targets[place][spec.target] for place, spec in zip(places, specs, strict=True)],
            dtype=np.int64,
        )
        self._in_device = np.array([place == "device" for place in places], dtype=bool)
        # what supplies the instrument: its place, its terminal, or (-1) nothing that can fail
        own = [targets["terminal"].get(spec.terminal, -1) for spec in specs]
        self._supply = np.where(self._in_device, own, self._target).astype(np.int64)
        self._of_device: dict[str, list[int]] = {}
        for row, spec in enumerate(specs):
            if self._in_device[row]:
                self._of_device.setdefault(spec.target, []).append(row)
        self._resolution_wh = np.array([spec.resolution_wh for spec in specs], dtype=float)
        self._rollover_wh = np.array([spec.rollover_wh for spec in specs], dtype=float)
        self._resolution_v = np.array([spec.resolution_v for spec in specs], dtype=float)
        self._last_ms = np.zeros(n, dtype=np.int64)
        self._true_wh, self._counted_wh = np.zeros((2, n)), np.zeros((2, n))
        self._next_ms = self._clocks.first()
        self._ids = [Sequencer(spec.id) for spec in specs]
        self._channels = Conductors(self._specs, self._target, view, seed)
        self._windows = Windows(self._channels, view, seed)
        # meters that have not handed out yet what they remember
        self._memories = {row for row, spec in enumerate(specs) if spec.history is not None}
        chargers = [row for row, spec in enumerate(specs) if spec.kind == "charger"]
        # what a charger has to tell of its sessions; at the start, that there is none
        self._sessions: dict[int, list[tuple[str, Any]]] = {row: [("", None)] for row in chargers}

    @property
    def due_ms(self) -> int | None:
        """When the next instrument samples, or a loss begins or ends."""
        due = [int(self._next_ms.min())] if len(self._next_ms) else []
        if self._windows.due_ms is not None:
            due.append(self._windows.due_ms)
        if self._losses and self._losses.due_ms is not None:
            due.append(self._losses.due_ms)
        return min(due) if due else None

    def change_losses(self, t_ms: int) -> list[Change]:
        """Let losses begin and end; return those that did. Comes before the samples of ``t_ms``."""
        if not self._losses or self._losses.due_ms is None or t_ms < self._losses.due_ms:
            return []
        rows = np.arange(len(self._specs))
        shown_wh = _cut(self._counted_wh, self._resolution_wh)
        return self._losses.advance(t_ms, self._truth(rows, t_ms), shown_wh)

    def lossy(self, t_ms: int) -> dict[str, list[float]]:
        """Return of meters with losses that are due at ``t_ms`` the true import and export [Wh]."""
        if not self._losses:
            return {}
        rows = self._losses.rows[self._next_ms[self._losses.rows] <= t_ms]
        true_wh = self._truth(rows, t_ms)
        return {self._specs[r].id: true_wh[:, k].tolist() for k, r in enumerate(rows.tolist())}

    def sample(self, t_ms: int, events: Iterable[Event] = ()) -> list[Reading]:
        """Return the readings of ``t_ms``: of all that are due, and of devices with events."""
        told = self._hear(events)
        due = self._next_ms <= t_ms
        rows = np.flatnonzero(due | told)
        scheduled = due[rows]
        live = self._live(rows) & ~self._gaps.missed(rows)
        if self._losses:
            live &= ~self._losses.muted[rows]
        stamps = np.where(
            scheduled, self._clocks.stamps(rows, t_ms), self._clocks.shown(rows, t_ms)
        )
        self._next_ms[rows[scheduled]] = self._clocks.next(rows[scheduled], t_ms)
        columns = self._measure(rows[live], t_ms)
        phases = self._by_phase(rows[live], columns)
        readings: list[Reading] = []
        marks = zip(
            rows[live].tolist(), stamps[live].tolist(), scheduled[live].tolist(), strict=True
        )
        for (row, stamp, on_time), values in zip(marks, columns, strict=True):
            readings += self._read(row, (t_ms, stamp), on_time, values, phases.get(row))
        return readings + self._windows.sample(t_ms, lambda row: self._ids[row](), self._muted)

    # -- what is measured --------------------------------------------------------------------

    def _hear(self, events: Iterable[Event]) -> BoolArray:
        """Keep what events say of sessions; return the instruments that have to tell of it."""
        told = np.zeros(len(self._specs), dtype=bool)
        for event in events:
            begins = _SESSION.get(event.kind)
            for row in self._of_device.get(event.element, ()):
                told[row] = True
                if begins is not None and self._specs[row].kind == "charger":
                    value = event.value if begins else None
                    kept = self._sessions.setdefault(row, [])
                    if kept == [("", None)]:
                        kept.clear()
                    kept.append((event.id, value))
        return told

    def _live(self, rows: IntArray) -> BoolArray:
        supply = self._supply[rows]
        live: BoolArray = (supply < 0) | self._view.energised[np.maximum(supply, 0)]
        return live

    def _muted(self, rows: IntArray) -> BoolArray:
        none: BoolArray = np.zeros(len(rows), dtype=bool)
        return self._losses.muted[rows] if self._losses else none

    def _by_phase(self, rows: IntArray, columns: list[list[float]]) -> dict[int, dict[str, Any]]:
        """Return records of the single conductors by row; ``voltage`` is then their mean."""
        channels = self._channels
        places = [k for k, row in enumerate(rows.tolist()) if row in channels.row_of]
        if not places:
            return {}
        numbers = np.array([channels.row_of[int(rows[k])] for k in places], dtype=np.int64)
        told = self._losses.told(channels.rows[numbers]) if self._losses else None
        seen = channels.read(numbers, told)
        live = np.isfinite(seen[:, 0])
        mean = np.where(live, seen[:, 0], 0.0).sum(axis=1) / np.maximum(live.sum(axis=1), 1)
        volts = rounded(mean, channels.resolution_v[numbers]).tolist()
        records = {}
        for k, number, shown, record in zip(
            places, numbers.tolist(), volts, channels.records(numbers, seen), strict=True
        ):
            columns[k][2] = shown
            if channels.specs[number].by_phase:
                records[int(rows[k])] = record
        return records

    def _measure(self, rows: IntArray, t_ms: int) -> list[list[float]]:
        """Count up to ``t_ms``; return for each row first and second register and voltage."""
        if not len(rows):
            return []
        noise = self._accuracy.noise(rows)
        true_wh = self._truth(rows, t_ms)
        if self._losses:
            true_wh = self._losses.seen(rows, true_wh)
        step_wh = true_wh - self._true_wh[:, rows]
        hours = (t_ms - self._last_ms[rows]) / _MS_PER_H
        counted = step_wh * (self._accuracy.gain[rows] + noise[:, :2].T)
        metered = ~self._in_device[rows]
        offset_wh = np.where(step_wh > 0, self._accuracy.offset_w[rows] * hours, 0.0)
        counted = np.where(metered, np.maximum(counted + offset_wh, 0.0), counted)
        self._true_wh[:, rows], self._last_ms[rows] = true_wh, t_ms
        self._counted_wh[:, rows] += counted
        shown_wh = _cut(self._counted_wh[:, rows], self._resolution_wh[rows])
        if self._losses:
            shown_wh = self._losses.sent(rows, shown_wh, self._resolution_wh[rows])
        shown_wh = _rolled(shown_wh, self._rollover_wh[rows])
        second_gain = self._accuracy.voltage_gain[rows] + noise[:, 2]
        place = np.where(metered, self._target[rows], 0)
        voltage_v = rounded(self._view.voltage_v[place] * second_gain, self._resolution_v[rows])
        content_wh = _cut(self._contents(rows) * second_gain, self._resolution_wh[rows])
        third = np.where(metered, voltage_v, content_wh)
        values: list[list[float]] = np.stack((*shown_wh, third), axis=1).tolist()
        return values

    def _truth(self, rows: IntArray, t_ms: int) -> FloatArray:
        imports, exports = self._view.registers(t_ms)
        drawn = self._view.energies(t_ms)
        inside, target = self._in_device[rows], self._target[rows]
        place, device = np.where(inside, 0, target), np.where(inside, target, 0)
        first = np.where(inside, _at(drawn, device), _at(imports, place))
        second = np.where(inside, 0.0, _at(exports, place))
        return np.stack((first, second))

    def _contents(self, rows: IntArray) -> FloatArray:
        contents = [
            (self._view.stored_wh[self._target[row]] or 0.0)
            if self._specs[row].kind == "battery"
            else 0.0
            for row in rows.tolist()
        ]
        return np.array(contents, dtype=float)

    # -- what is told ------------------------------------------------------------------------

    def _read(
        self, row: int, times: tuple[int, int], on_time: bool, values: list[float],
        phases: dict[str, Any] | None,
    ) -> Iterator[Reading]:  # fmt: skip
        """Yield the readings of one instrument; ``times`` are the true one and the stamp."""
        t_ms, stamp = times
        spec, told = self._specs[row], self._sessions.pop(row, [])
        items: list[tuple[str, str, Any, str]] = []
        if row in self._memories:
            self._memories.discard(row)
            items.append(("", "load_profile", self._profile(row), "1"))
        if spec.kind in ("meter", "substation"):
            items += [
                ("", "energy.import", values[0], "Wh"),
                ("", "energy.export", values[1], "Wh"),
                ("", "voltage", values[2], "V"),
            ]
            if phases is not None:
                items.append(("", "meter.phases", phases, "1"))
            if spec.outages:
                items.append(("", "supply.outage", self._outage_s(row, t_ms), "s"))
        else:
            items += [(cause, "ev.session", value, "1") for cause, value in told]
            cause = "" if on_time or not told else told[-1][0]
            items.append((cause, "device.energy", values[0], "Wh"))
            if spec.kind == "battery":
                items.append((cause, "battery.soc", values[2], "Wh"))
        give = self._ids[row]
        for cause, variable, value, measure in items:
            ident = give()
            if (spec.id, variable, t_ms) not in self._drop:
                yield Reading(ident, cause, spec.id, variable, t_ms, stamp, value, measure)

    def _outage_s(self, row: int, t_ms: int) -> float:
        """Return the time without supply since the start [s], in whole seconds."""
        live_h = float(self._view.squares(t_ms)[self._target[row], 3])
        return float(round(max(t_ms / 1000.0 - live_h * 3600.0, 0.0)))

    def _profile(self, row: int) -> dict[str, Any]:
        """Return a meter's memory of earlier days, as its register saw them."""
        history = self._specs[row].history or {}
        resolution = self._resolution_wh[[row]]
        out: dict[str, Any] = {
            "start_ms": int(history["start_ms"]),
            "step_ms": int(history["step_ms"]),
        }
        for name in ("import_wh", "export_wh"):
            true_wh = np.asarray(history[name], dtype=float)
            shown = _cut(np.cumsum(true_wh) * self._accuracy.gain[row], resolution)
            steps = np.diff(shown, prepend=0.0)
            # whole numbers where the register has no others: they are shorter on the wire
            whole = bool(resolution[0]) and not (steps % 1.0).any()
            out[name] = (steps.astype(np.int64) if whole else steps).tolist()
        return out


def _at(values: FloatArray, rows: IntArray) -> FloatArray:
    """Return ``values[rows]``, zeros where there are no values at all."""
    return values[rows] if len(values) else np.zeros(len(rows))


def _cut(values: FloatArray, resolution: FloatArray) -> FloatArray:
    """Return what a register shows: whole steps of its resolution (0: all of it)."""
    step = np.where(resolution > 0, resolution, 1.0)
    cut: FloatArray = np.where(resolution > 0, np.floor(values / step + 1e-9) * step, values)
    return cut


def _rolled(values: FloatArray, rollover: FloatArray) -> FloatArray:
    """Return registers that begin anew at ``rollover`` (0: never)."""
    end = np.where(rollover > 0, rollover, 1.0)
    rolled: FloatArray = np.where(rollover > 0, np.mod(values, end), values)
    return rolled
