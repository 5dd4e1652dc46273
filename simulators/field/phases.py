"""What meters see of each conductor: the instant, and r.m.s. means of the voltage over windows.

Voltage, current and power are channels of their own, each within the meter's class: gain 0.6 c,
noise 0.2 c, and in current and power an offset of 0.2 c of a tenth of the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.messages import Reading
from fernwatt.streams import stream
from simulators.field.accuracy import (
    GAIN_SHARE,
    NOISE_SHARE,
    OFFSET_SHARE,
    REFERENCE_A,
    REFERENCE_W,
    Clocks,
    Draws,
    FloatArray,
    Gaps,
    IntArray,
    rounded,
)
from simulators.field.plantview import PlantView
from simulators.field.quality import QualityMeters
from simulators.field.specs import InstrumentSpec

__all__ = ["Conductors", "Windows"]

_V, _I, _P, _Q = range(4)
_MS_PER_H = 3.6e6
_NAMES = ("v_v", "i_a", "p_w", "q_var")
_STEPS = np.array([0.0, 0.001, 0.1, 0.1])
_SUPPLIED = 1.0 - 1e-9


class Conductors:
    """The channels of meters: of ``specs`` those that tell single conductors.

    ``row_of`` gives for a row of ``specs`` that of its channels. ``target`` are their terminals.
    """

    def __init__(
        self, specs: Sequence[InstrumentSpec], target: IntArray, view: PlantView, seed: int
    ) -> None:
        rows = [n for n, spec in enumerate(specs) if spec.by_phase or spec.window_ms > 0]
        self.specs = [specs[row] for row in rows]
        self.rows = np.array(rows, dtype=np.int64)
        self.row_of = {row: number for number, row in enumerate(rows)}
        self.target, self._view = target[self.rows], view
        n = len(rows)
        c = np.array([spec.accuracy_class for spec in self.specs]).reshape(-1, 1, 1) / 100
        fixed = np.array(
            [stream(seed, "field", f"{s.id}/phases").uniform(-1, 1, (6, 3)) for s in self.specs]
        ).reshape(n, 6, 3)
        self._gain = 1.0 + GAIN_SHARE * c * fixed[:, [_V, _I, _P, _P]]
        # no offset of voltage; reactive power has the one of active power
        tenth = 0.1 * np.array([[0.0], [REFERENCE_A], *[[REFERENCE_W["meter"] / 3]] * 2])
        self._offset = OFFSET_SHARE * c * fixed[:, [3, 4, 5, 5]] * tenth
        self._noise = NOISE_SHARE * c
        self._draws = Draws([stream(seed, "field", f"{s.id}/phases-noise") for s in self.specs], 12)
        self.resolution_v = np.array([spec.resolution_v for spec in self.specs])

    def read(self, numbers: IntArray, told: FloatArray | None = None) -> FloatArray:
        """Return V, I, P, Q of each conductor of ``numbers``, ``[k, 4, 3]``; NaN without voltage.

        ``told`` is the part of the power that each of them sees.
        """
        v, p, q = self._view.conductors[:, self.target[numbers]]
        if told is not None:
            p, q = p * told[:, None], q * told[:, None]
        live = v > 0
        i = np.hypot(p, q) / np.where(live, v, 1.0)
        true = np.stack((v, i, p, q), axis=1)
        noise = self._noise[numbers] * self._draws.take(numbers).reshape(-1, 4, 3)
        offset = np.where(i[:, None] > 0, self._offset[numbers], 0.0)
        offset[:, _P:] *= np.sign(true[:, _P:])
        seen = true * (self._gain[numbers] + noise) + offset
        seen[:, _I] = np.maximum(seen[:, _I], 0.0)
        return np.where(live[:, None], seen, np.nan)

    def mean(self, numbers: IntArray, v_v: FloatArray) -> FloatArray:
        """Return what voltmeters of ``numbers`` show for r.m.s. means ``[k, 3]``."""
        noise = self._noise[numbers, 0] * self._draws.take(numbers)[:, :3]
        shown: FloatArray = v_v * (self._gain[numbers, _V] + noise)
        return shown

    def records(self, numbers: IntArray, seen: FloatArray) -> list[dict[str, Any]]:
        """Return ``[k, 4, 3]`` as records, in whole steps; null where there is no voltage."""
        steps = np.broadcast_to(_STEPS, (len(seen), 4)).copy()
        steps[:, _V] = self.resolution_v[numbers]
        shown = _shown(rounded(seen, steps[:, :, None]))
        return [dict(zip(_NAMES, values, strict=True)) for values in shown]


class Windows:
    """R.m.s. means of the voltages over windows, each told at its end: EN 50160's ten minutes.

    A window in which the supply failed is not told, nor is the first that is not whole.
    """

    def __init__(self, channels: Conductors, view: PlantView, seed: int) -> None:
        self._channels, self._view = channels, view
        numbers = [n for n, spec in enumerate(channels.specs) if spec.window_ms > 0]
        self._numbers = np.array(numbers, dtype=np.int64)
        specs = [channels.specs[n] for n in numbers]
        self._clocks = Clocks([replace(s, period_ms=s.window_ms) for s in specs], seed)
        self._gaps = Gaps([replace(s, id=f"{s.id}/window") for s in specs], seed)
        self._next_ms = self._clocks.first()
        self._begun_ms = np.full(len(specs), -1, dtype=np.int64)
        self._begun = np.zeros((len(specs), 4))
        ideal = [spec.accuracy_class == 0.0 for spec in specs]
        places = channels.target[self._numbers]
        self._quality = QualityMeters([s.id for s in specs], ideal, places, view, seed)

    @property
    def due_ms(self) -> int | None:
        """When the next window ends."""
        return int(self._next_ms.min()) if len(self._next_ms) else None

    def sample(
        self, t_ms: int, give: Callable[[int], str], muted: Callable[[IntArray], Any]
    ) -> list[Reading]:
        """Return the readings of windows that end at ``t_ms``.

        ``give`` names what the instrument in a row makes, ``muted`` says which rows are silent.
        """
        due = np.flatnonzero(self._next_ms <= t_ms)
        if not len(due):
            return []
        channels, numbers = self._channels, self._numbers[due]
        stamps = self._clocks.stamps(due, t_ms)
        self._next_ms[due] = self._clocks.next(due, t_ms)
        now = self._view.squares(t_ms)[channels.target[numbers]]
        held, begun_ms = now - self._begun[due], self._begun_ms[due]
        self._begun[due], self._begun_ms[due] = now, t_ms
        hours = np.maximum(t_ms - begun_ms, 1) / _MS_PER_H
        whole = (begun_ms >= 0) & (held[:, 3] >= hours * _SUPPLIED)
        whole &= ~self._gaps.missed(due) & ~muted(channels.rows[numbers])
        shown = channels.mean(numbers, np.sqrt(held[:, :3] / hours[:, None]))
        steps = channels.resolution_v[numbers][:, None]
        values = _shown(rounded(np.where(held[:, :3] > 0, shown, np.nan), steps))
        readings = []
        for k in np.flatnonzero(whole).tolist():
            spec, record = channels.specs[numbers[k]], {"v_v": values[k]}
            name, stamp = give(int(channels.rows[numbers[k]])), int(stamps[k])
            readings.append(Reading(name, "", spec.id, "voltage.mean", t_ms, stamp, record, "1"))
        for k, record in zip(due[whole].tolist(), self._quality.records(due[whole]), strict=False):
            row = int(self._numbers[k])
            name, stamp = give(int(channels.rows[row])), int(stamps[due == k][0])
            ident = channels.specs[row].id
            readings.append(Reading(name, "", ident, "voltage.quality", t_ms, stamp, record, "1"))
        return readings


def _shown(values: FloatArray) -> list[Any]:
    """Return nested lists of values, null for what is no number."""
    finite = np.isfinite(values).reshape(len(values), -1)
    whole: NDArray[np.bool_] = np.asarray(finite.all(axis=1))
    lists: list[Any] = (values + 0.0).tolist()
    for k in np.flatnonzero(~whole).tolist():
        lists[k] = _without_nan(lists[k])
    return lists


def _without_nan(item: Any) -> Any:
    if isinstance(item, list):
        return [_without_nan(part) for part in item]
    return item if item == item else None  # noqa: PLR0124 - NaN is not equal to itself
