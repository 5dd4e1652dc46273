"""Rows of the table ``device``: exact means of each recording interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulators.devices.specs import DeviceSpec, FloatArray

__all__ = ["Intervals", "Rows"]

Rows = tuple[str, Mapping[str, Any]]
_MS_PER_H = 3.6e6


class Intervals:
    """Turns registers into means; ``interval_ms`` 0 records nothing."""

    def __init__(self, specs: Sequence[DeviceSpec], interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self._columns = {
            "device": [spec.id for spec in specs],
            "kind": [spec.kind for spec in specs],
            "terminal": [spec.terminal for spec in specs],
        }
        self._start_ms = 0
        self._start = np.zeros((3, len(specs)))

    @property
    def due_ms(self) -> int | None:
        """When the current interval ends."""
        return self._start_ms + self.interval_ms if self.interval_ms else None

    def end(
        self, t_ms: int, registers: FloatArray, stored_wh: Sequence[float | None]
    ) -> tuple[int, Rows]:
        """End the interval at ``t_ms``; return when it began, and its rows.

        ``registers[3, n]`` are the energy drawn [Wh], the reactive one [varh] and the losses [Wh].
        """
        hours = (t_ms - self._start_ms) / _MS_PER_H
        means = (registers - self._start) / hours
        row = {
            "t_ms": self._start_ms,
            **self._columns,
            "p_w": means[0],
            "q_var": means[1],
            "energy_wh": list(stored_wh),
            "loss_w": means[2],
        }
        begin_ms = self._start_ms
        self._start_ms, self._start = t_ms, registers.copy()
        return begin_ms, ("device", row)

    def is_open(self, t_ms: int) -> bool:
        """Tell whether there is something to end at ``t_ms``."""
        return self.interval_ms > 0 and t_ms > self._start_ms
