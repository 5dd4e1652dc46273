"""Bands within which thermostats switch: the plate's, or another one for a while."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.devices.setpoints import NEVER_MS
from simulators.devices.specbase import FloatArray

__all__ = ["Bands"]

_LEAST_K = 0.2


class Bands:
    """Thermostats' set-points [°C] and half widths [K], ``[n]``.

    They are the plate's until ``set`` gives others, which hold until an instant. ``low_c`` and
    ``high_c`` are the limits that no band leaves.
    """

    __slots__ = ("_own", "high_c", "low_c", "set_c", "switch_k", "until_ms")

    def __init__(
        self, set_c: FloatArray, switch_k: FloatArray, low_c: FloatArray, high_c: FloatArray
    ) -> None:
        self._own = set_c, switch_k
        self.set_c, self.switch_k = set_c.copy(), switch_k.copy()
        self.low_c, self.high_c = low_c, high_c
        self.until_ms = np.full(len(set_c), NEVER_MS, dtype=np.int64)

    def refusal(self, row: int, low_c: float, high_c: float) -> str:
        """Return why a device cannot have this band; empty if it can."""
        least, most = float(self.low_c[row]), float(self.high_c[row])
        if not least <= low_c < high_c <= most:
            return f"{low_c:g} to {high_c:g} °C is not within {least:g} to {most:g} °C"
        if high_c - low_c < _LEAST_K:
            return f"{low_c:g} to {high_c:g} °C is narrower than {_LEAST_K:g} K"
        return ""

    def set(self, row: int, low_c: float, high_c: float, until_ms: int) -> None:
        """Have one thermostat switch at these temperatures."""
        self.set_c[row], self.switch_k[row] = (low_c + high_c) / 2, (high_c - low_c) / 2
        self.until_ms[row] = until_ms

    def expired(self, t_ms: int) -> NDArray[np.int64]:
        """Return the devices whose band ends now, and give them their own back."""
        rows = np.flatnonzero(self.until_ms <= t_ms)
        self.set_c[rows], self.switch_k[rows] = self._own[0][rows], self._own[1][rows]
        self.until_ms[rows] = NEVER_MS
        return rows

    @property
    def due_ms(self) -> int:
        """When the next one ends."""
        return int(self.until_ms.min(initial=NEVER_MS))
