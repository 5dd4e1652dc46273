"""Wind: a seeded course of its speed, and from there to a turbine's power.

The speed at the hub is Weibull-distributed with shape 2 about a mean, from a stationary Gaussian
process with a memory of ten hours, by equal quantiles. Within a quarter of an hour it is normally
distributed with the given turbulence; the power is the curve's mean over that.

The curve is that of the Northern Power Systems NPS 100C-21 (100 kW), as NREL's turbine-models gives
it (Distributed/NPS100C-21_100kW_20.7.csv, BSD-3-Clause), as shares of the rating; nothing below
3 m/s.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter
from scipy.special import gamma, ndtr

from fernwatt.streams import stream
from fernwatt.timebase import SLOT_MS
from simulators.devices.specbase import FloatArray

__all__ = ["CURVE", "turbine_power", "wind_speed"]

CURVE: tuple[tuple[float, ...], tuple[float, ...]] = (
    tuple(float(speed) for speed in range(26)),
    (0, 0, 0, 0.005, 0.041, 0.105, 0.19, 0.294, 0.41, 0.543, 0.668, 0.777, 0.864, 0.928, 0.978, 1.0,
     0.999, 0.992, 0.984, 0.975, 0.968, 0.964, 0.963, 0.968, 0.98, 0.992),
)  # fmt: skip
"""Speed at the hub [m/s] and power as a share of the rating; nothing above the last speed."""

_MEMORY_H, _SHAPE, _SLOT_H = 10.0, 2.0, SLOT_MS / 3.6e6


def wind_speed(slots: int, seed: int, mean_m_s: float) -> FloatArray:
    """Return the mean speed of each quarter of an hour ``[slots]`` [m/s]."""
    rho = float(np.exp(-_SLOT_H / _MEMORY_H))
    normals = stream(seed, "weather", "wind").standard_normal(slots)
    drive = normals * np.sqrt(1 - rho**2)
    drive[:1] = normals[:1]
    latent = lfilter([1.0], [1.0, -rho], drive)
    scale = mean_m_s / gamma(1 + 1 / _SHAPE)
    speed: FloatArray = scale * (-np.log(np.clip(1 - ndtr(latent), 1e-12, 1.0))) ** (1 / _SHAPE)
    return speed


def turbine_power(speed_m_s: FloatArray, p_rated_w: float, turbulence: float = 0.12) -> FloatArray:
    """Return the mean power of each slot ``[slots]`` [W], generation negative."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    speeds = speed_m_s[:, None] * np.maximum(1.0 + turbulence * nodes, 0.0)
    share = np.interp(speeds, *CURVE, right=0.0) @ (weights / weights.sum())
    power_w: FloatArray = -p_rated_w * share + 0.0
    return power_w
