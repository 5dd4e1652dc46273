"""Demand and supply over a ladder of prices, and where they meet; whole units of power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEPS", "UNIT_W", "Curve", "Supply", "cleared", "falling", "flat"]

STEPS = 100
"""The highest price of the ladder; the lowest is 0. Prices are relative: what money they stand
for is the root's business."""
UNIT_W = 10
Curve = NDArray[np.int64]
"""Demand by price, ``STEPS + 1`` values in ``UNIT_W``, never rising."""


def flat(p_w: float) -> Curve:
    """Return the curve of a load that has no choice."""
    return np.full(STEPS + 1, round(p_w / UNIT_W), dtype=np.int64)


def falling(points: Sequence[tuple[float, float]]) -> Curve:
    """Return the curve through points (price, power [W]), straight between them, level beyond.

    Prices must rise and powers must not; ValueError if they do not.
    """
    prices, powers = zip(*points, strict=True)
    if any(a >= b for a, b in pairwise(prices)):
        raise ValueError(f"prices do not rise: {prices}")
    if any(a < b for a, b in pairwise(powers)):
        raise ValueError(f"demand rises with the price: {powers}")
    p_w = np.interp(np.arange(STEPS + 1), prices, powers)
    # rounded down in size, and never rising: no device is asked for more than it can
    units: Curve = np.trunc(np.round(p_w / UNIT_W, 6)).astype(np.int64)
    return units


@dataclass(frozen=True, slots=True)
class Supply:
    """What is supplied by price: ``low_w`` at price 0, ``high_w`` at the highest."""

    low_w: float
    high_w: float

    def curve(self) -> Curve:
        """Return it, rising."""
        p_w = np.linspace(self.low_w, self.high_w, STEPS + 1)
        units: Curve = np.floor(p_w / UNIT_W).astype(np.int64)
        return units


def cleared(demand: Curve, supply: Curve) -> int:
    """Return the lowest price at which no more is demanded than supplied; the highest if none."""
    enough = np.flatnonzero(demand <= supply)
    return int(enough[0]) if enough.size else STEPS
