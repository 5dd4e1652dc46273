"""Set-points of a fleet's devices: a power that holds until a given instant."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER_MS", "SetPoints", "read_set_point"]

NEVER_MS = 2**62


def read_set_point(value: Any, t_ms: int) -> tuple[float, int] | str:
    """Return power [W] and last instant of a ``{p_w, until_ms}``, or what is wrong with it.

    ``until_ms`` null means for good.
    """
    if not isinstance(value, dict) or not {"p_w", "until_ms"} <= value.keys():
        return "a set-point is {p_w, until_ms}"
    p_w, until_ms = value["p_w"], value["until_ms"]
    if isinstance(p_w, bool) or not isinstance(p_w, int | float) or not math.isfinite(p_w):
        return "p_w is no number"
    if until_ms is None:
        return float(p_w), NEVER_MS
    if isinstance(until_ms, bool) or not isinstance(until_ms, int):
        return "until_ms is no integer"
    if until_ms <= t_ms:
        return "until_ms is over"
    return float(p_w), until_ms


class SetPoints:
    """Set-points of ``n`` devices; NaN where there is none. NaN never leaves the fleet."""

    __slots__ = ("p_w", "until_ms")

    def __init__(self, n: int) -> None:
        self.p_w = np.full(n, np.nan)
        self.until_ms = np.full(n, NEVER_MS, dtype=np.int64)

    def set(self, row: int, p_w: float, until_ms: int) -> None:
        """Replace the set-point of one device."""
        self.p_w[row], self.until_ms[row] = p_w, until_ms

    def clear(self, rows: NDArray[np.int64] | int) -> None:
        """Forget the set-points of these devices."""
        self.p_w[rows], self.until_ms[rows] = np.nan, NEVER_MS

    def expired(self, t_ms: int) -> NDArray[np.int64]:
        """Return the devices whose set-point ends now, and forget it."""
        rows = np.flatnonzero(self.until_ms <= t_ms)
        self.clear(rows)
        return rows

    @property
    def present(self) -> NDArray[np.bool_]:
        """Tell which devices have one."""
        there: NDArray[np.bool_] = ~np.isnan(self.p_w)
        return there

    @property
    def due_ms(self) -> int:
        """When the next one ends."""
        return int(self.until_ms.min(initial=NEVER_MS))
