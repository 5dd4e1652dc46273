"""Inverse-time curves of overcurrent relays.

Operate time for the multiple M = G / G_s of the setting (IEC 60255-151:2009, 4.3 and annex A)::

    t(M) = T (k / (M^alpha - 1) + c)                1 < M, constant above M = 20
    t_r(M) = T t_r / (1 - M^2)                      M < 1, the way back from the full travel

With a current that changes, the relay operates when the integral of dt / t(M) reaches 1.
The standard leaves t_r of the curves A to C to makers; those here are a maker's (GE F650 manual,
GEK-106310, table 5-32). "Long inverse" is of BS 142 and not in the standard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CURVES", "SATURATION", "Curve", "FloatArray", "operate_s", "reset_s"]

FloatArray = NDArray[np.float64]
SATURATION = 20.0  # times the setting, above which the time does not fall further


@dataclass(frozen=True, slots=True)
class Curve:
    """Constants of one curve; ``reset_s`` is t_r."""

    k_s: float
    c_s: float
    alpha: float
    reset_s: float


CURVES = {
    "normal-inverse": Curve(0.14, 0.0, 0.02, 9.7),
    "very-inverse": Curve(13.5, 0.0, 1.0, 43.2),
    "extremely-inverse": Curve(80.0, 0.0, 2.0, 58.2),
    "long-inverse": Curve(120.0, 0.0, 1.0, 120.0),
    "ieee-moderately-inverse": Curve(0.0515, 0.114, 0.02, 4.85),
    "ieee-very-inverse": Curve(19.61, 0.491, 2.0, 21.6),
    "ieee-extremely-inverse": Curve(28.2, 0.1217, 2.0, 29.1),
    "definite": Curve(0.0, 0.0, 1.0, 0.0),
}


def operate_s(curve: str, multiple: ArrayLike, tms: ArrayLike = 1.0) -> FloatArray:
    """Return the operate time [s] at constant multiples of the setting; inf where it never does."""
    constants = CURVES[curve]
    m = np.minimum(np.asarray(multiple, dtype=float), SATURATION)
    over = m > 1.0
    travel = np.where(over, m, 2.0) ** constants.alpha - 1.0
    t = np.asarray(tms) * (constants.k_s / travel + constants.c_s)
    return np.where(over, t, np.inf)


def reset_s(curve: str, multiple: ArrayLike, tms: ArrayLike = 1.0) -> FloatArray:
    """Return the time [s] of the whole way back at constant multiples below 1; inf above."""
    m = np.asarray(multiple, dtype=float)
    under = m < 1.0
    t = np.asarray(tms) * CURVES[curve].reset_s / (1.0 - np.where(under, m, 0.0) ** 2)
    return np.where(under, t, np.inf)
