"""Measuring elements of relays and poles of fuses: all of them in arrays, integrating.

Each element has travelled a share of its way from 0 to 1; it operates at 1. While its quantity
lies above the setting it travels 1 / t(M) per second; below the drop-out it goes back: at
once, after a hold time, as a disc does, or as a fuse cools. Quantities hold from one observation
to the next, so instants of operation follow exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulators.grid.protection.curves import CURVES, SATURATION, FloatArray
from simulators.grid.protection.fuses import FuseCurve

__all__ = ["Element", "Elements", "Reset"]

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
_US = 1e6
NEVER = np.iinfo(np.int64).max
_ROUNDING_US = 1e-3  # what adding up shares may be off, at most


class Reset(IntEnum):
    """How an element goes back once its quantity has dropped."""

    INSTANT = 0
    HOLD = 1  # keeps its travel for a time, then loses it
    INVERSE = 2  # like a disc: t_r of the curve
    COOLING = 3  # exponentially, with a time constant


@dataclass(frozen=True, slots=True)
class Element:
    """One measuring element: the ``column`` of quantities at ``place``, and what it does.

    A fuse's pole has a ``fuse`` and no curve. ``reset_s`` is a hold time or a time constant.
    """

    place: int
    column: int
    pickup_a: float
    curve: str = "definite"
    tms: float = 1.0
    delay_s: float = 0.0
    minimum_s: float = 0.0
    dropout: float = 0.95
    reset: Reset = Reset.INSTANT
    reset_s: float = 0.0
    fuse: FuseCurve | None = None


class Elements:
    """n elements. ``observe``, then ``advance`` to an instant not after ``due_us``."""

    def __init__(self, items: Sequence[Element]) -> None:
        def column(name: str) -> FloatArray:
            return np.array([getattr(item, name) for item in items], dtype=float)

        self.place = np.array([item.place for item in items], dtype=np.int64)
        self._column = np.array([item.column for item in items], dtype=np.int64)
        self._pickup_a, self._dropout_a = column("pickup_a"), column("pickup_a") * column("dropout")
        curves = [CURVES[item.curve] for item in items]
        self._k_s = np.array([c.k_s for c in curves], dtype=float)
        self._c_s = np.array([c.c_s for c in curves], dtype=float)
        self._alpha = np.array([c.alpha for c in curves], dtype=float)
        self._tms, self._delay_s = column("tms"), column("delay_s")
        self._minimum_s = column("minimum_s")
        self._reset = np.array([int(item.reset) for item in items], dtype=np.int64)
        self._reset_us = column("reset_s") * _US
        self._disc_us = np.array([c.reset_s for c in curves], dtype=float) * self._tms * _US
        by_curve: dict[FuseCurve, list[int]] = {}
        for row, item in enumerate(items):
            if item.fuse is not None:
                by_curve.setdefault(item.fuse, []).append(row)
        self._fuses = [(curve, np.array(rows)) for curve, rows in by_curve.items()]
        n = len(items)
        self.travel, self.quantity_a = np.zeros(n), np.zeros(n)
        self.started = np.zeros(n, dtype=bool)
        self.enabled = np.ones(n, dtype=bool)
        self._latched = np.zeros(n, dtype=bool)
        self._operate_us = np.full(n, np.inf)
        self._back_us = np.full(n, np.inf)
        self._dropped_us = np.zeros(n, dtype=np.int64)
        self._t_us = 0

    def times_s(self, quantity_a: FloatArray) -> FloatArray:
        """Return the operate times [s] of all at constant quantities ``[n]``; inf for never."""
        over = quantity_a > self._pickup_a
        multiple = np.minimum(quantity_a / self._pickup_a, SATURATION)
        travel = np.where(over, multiple, 2.0) ** self._alpha - 1.0
        t_s = self._tms * (self._k_s / travel + self._c_s) + self._delay_s
        t_s = np.where(over, np.maximum(t_s, self._minimum_s), np.inf)
        for curve, rows in self._fuses:
            t_s[rows] = curve.melt_s(quantity_a[rows])
        return t_s

    def observe(self, t_us: int, table: FloatArray) -> tuple[IntArray, IntArray]:
        """Let the quantities of ``table`` hold from ``t_us`` on; return who started and reset."""
        self.integrate(t_us)
        self.quantity_a = table[self.place, self._column]
        return self._settle()

    def enable(self, rows: IntArray, enabled: BoolArray) -> tuple[IntArray, IntArray]:
        """Switch elements on or off, now; return who started and reset."""
        self.enabled[rows] = enabled
        return self._settle()

    @property
    def due_us(self) -> int:
        """When the next element operates, if nothing changes."""
        return int(self._due().min(initial=NEVER))

    def operated(self) -> IntArray:
        """Return the elements that have travelled all their way by now."""
        return np.flatnonzero(self._due() <= self._t_us)

    def latch(self, rows: IntArray) -> None:
        """Take note that elements operated: they do so again only after they have reset."""
        self._latched[rows] = True

    def renew(self, rows: IntArray) -> None:
        """Put new elements in the place of old ones, as a fuse link that has melted."""
        self.travel[rows], self._latched[rows] = 0.0, False

    def integrate(self, t_us: int) -> None:
        """Let all travel until ``t_us``."""
        dt_us = t_us - self._t_us
        if dt_us <= 0:
            return
        self._t_us = t_us
        on = self.started & self.enabled
        with np.errstate(divide="ignore"):
            ahead = np.where(on, dt_us / self._operate_us, 0.0)
        held = (self._reset == Reset.HOLD) & (t_us - self._dropped_us < self._reset_us)
        back = np.where(self._reset == Reset.INVERSE, dt_us / self._back_us, 1.0)
        back = np.where(held, 0.0, back)
        kept = np.maximum(self.travel - back, 0.0)
        cooling = self._reset == Reset.COOLING
        tau_us = np.where(cooling & (self._reset_us > 0), self._reset_us, 1e-9)
        kept = np.where(cooling, self.travel * np.exp(-np.minimum(dt_us / tau_us, 700.0)), kept)
        self.travel = np.minimum(np.where(self.started, self.travel + ahead, kept), 1.0)

    def _settle(self) -> tuple[IntArray, IntArray]:
        """Work out who travels and how fast; return who started and who reset."""
        operate_us = self.times_s(self.quantity_a) * _US
        over = np.isfinite(operate_us) & self.enabled
        hold = (self.quantity_a >= self._dropout_a) & self.enabled
        now = over | (self.started & hold)
        # between drop-out and setting a relay keeps its travel; a fuse cools at once
        cooling = self._reset == Reset.COOLING
        now = np.where(cooling, over, now)
        started, reset = np.flatnonzero(now & ~self.started), np.flatnonzero(~now & self.started)
        self.started = now
        self._dropped_us[reset] = self._t_us
        self._latched &= now
        self._operate_us = np.where(over, operate_us, np.inf)
        below = np.clip(self.quantity_a / self._pickup_a, 0.0, 0.999999)
        self._back_us = np.maximum(self._disc_us, 1e-9) / (1.0 - below**2)
        self.travel[reset[self._reset[reset] == Reset.INSTANT]] = 0.0
        return started, reset

    def _due(self) -> IntArray:
        on = self.started & self.enabled & ~self._latched & np.isfinite(self._operate_us)
        left_us = (1.0 - self.travel) * np.where(on, self._operate_us, 0.0)
        # beyond 2^62 us is never; keep the arithmetic in range
        left = np.ceil(np.minimum(left_us - _ROUNDING_US, 2.0**61)).astype(np.int64)
        return np.where(on, self._t_us + np.maximum(left, 0), NEVER)
