"""Set-points of a fleet's devices: a power that holds until a given instant.

It is the device's own, or, for what has a clamp, that of the connection point (``at:
connection``): then the device draws what is missing to it. With ``beyond: true`` the owner's unit
says that comfort may be given up for it: vehicles may leave with less, rooms go below their band
as far as a hard limit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER_MS", "SetPoints", "read_set_point"]

NEVER_MS = 2**62


def read_set_point(value: Any, t_ms: int) -> tuple[float, int, bool, bool] | str:
    """Return power [W], last instant, whether it is the connection point's, and beyond comfort.

    ``value`` is ``{p_w, until_ms}``, with ``at: connection`` and ``beyond: true`` for the last;
    ``until_ms`` null means for good. Returns what is wrong with it, if anything is.
    """
    if not isinstance(value, dict) or not {"p_w", "until_ms"} <= value.keys():
        return "a set-point is {p_w, until_ms}"
    at, beyond = value.get("at", "device"), value.get("beyond", False)
    if at not in ("device", "connection") or not isinstance(beyond, bool):
        return "at is device or connection, beyond true or false"
    p_w, until_ms = value["p_w"], value["until_ms"]
    if isinstance(p_w, bool) or not isinstance(p_w, int | float) or not math.isfinite(p_w):
        return "p_w is no number"
    if until_ms is None:
        until_ms = NEVER_MS
    if isinstance(until_ms, bool) or not isinstance(until_ms, int):
        return "until_ms is no integer"
    if until_ms <= t_ms:
        return "until_ms is over"
    return float(p_w), until_ms, at == "connection", beyond


class SetPoints:
    """Set-points of ``n`` devices; NaN where there is none. NaN never leaves the fleet."""

    __slots__ = ("at_connection", "beyond", "p_w", "until_ms")

    def __init__(self, n: int) -> None:
        self.p_w = np.full(n, np.nan)
        self.until_ms = np.full(n, NEVER_MS, dtype=np.int64)
        self.at_connection, self.beyond = np.zeros((2, n), dtype=bool)

    def set(
        self,
        row: int,
        p_w: float,
        until_ms: int,
        at_connection: bool = False,
        beyond: bool = False,
    ) -> None:
        """Replace the set-point of one device."""
        self.p_w[row], self.until_ms[row] = p_w, until_ms
        self.at_connection[row], self.beyond[row] = at_connection, beyond

    def clear(self, rows: NDArray[np.int64] | int) -> None:
        """Forget the set-points of these devices."""
        self.p_w[rows], self.until_ms[rows] = np.nan, NEVER_MS
        self.beyond[rows] = False

    def expired(self, t_ms: int) -> NDArray[np.int64]:
        """Return the devices whose set-point ends now, and forget it."""
        rows = np.flatnonzero(self.until_ms <= t_ms)
        self.clear(rows)
        return rows

    def asked_w(self, surplus_w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what devices with a clamp are to draw [W]; without a set-point, the surplus."""
        held_w = np.where(self.at_connection, self.p_w + surplus_w, self.p_w)
        asked: NDArray[np.float64] = np.where(self.present, held_w, surplus_w)
        return asked

    @property
    def present(self) -> NDArray[np.bool_]:
        """Tell which devices have one."""
        there: NDArray[np.bool_] = ~np.isnan(self.p_w)
        return there

    @property
    def due_ms(self) -> int:
        """When the next one ends."""
        return int(self.until_ms.min(initial=NEVER_MS))
