"""Loads below a quarter of an hour: a seeded model that keeps each quarter-hour's energy.

Below the base (the least power within twelve hours to either side) nothing changes. What is above
it is drawn by appliances of a drawn power (log-normal, 2 kW in the median), as one pulse that
begins somewhere in the quarter of an hour and is as long as its energy needs; where that would be
longer than the quarter of an hour, power is constant. So small loads become spiky, and large
ones, which are many appliances together, stay smooth. Height and shape are assumptions.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import minimum_filter1d

from fernwatt.streams import stream
from simulators.devices.specbase import FloatArray

__all__ = ["refine"]

_PULSE_W, _SPREAD = 2000.0, 0.5
_WINDOW = 97  # quarters of an hour
_DIGITS = 3  # milliwatts: the last bits of libraries differ between their versions


def refine(
    p_w: FloatArray, q_var: FloatArray, *, seed: int, customer: str, steps: int
) -> tuple[FloatArray, FloatArray]:
    """Return ``p_w`` and ``q_var`` with ``steps`` values for each quarter of an hour.

    The mean of each quarter of an hour stays what it was; reactive power keeps its power factor.
    Quarters of an hour that feed in stay constant. A longer profile begins like a shorter one,
    but for the shorter one's last twelve hours.
    """
    if steps == 1 or not len(p_w):
        return p_w.copy(), q_var.copy()
    rng = stream(seed, "devices", f"{customer}/resample")
    draws = rng.random((len(p_w), 3))
    normal = np.sqrt(-2 * np.log1p(-draws[:, 0])) * np.cos(2 * np.pi * draws[:, 1])
    base_w = np.maximum(minimum_filter1d(p_w, _WINDOW, mode="nearest"), 0.0)
    excess_w = np.where(p_w > base_w, p_w - base_w, 0.0)
    height_w = np.maximum(_PULSE_W * np.exp(_SPREAD * normal), excess_w)
    length = excess_w / height_w
    begin = draws[:, 2] * (1.0 - length)
    edges = np.arange(steps + 1) / steps
    covered = np.clip(edges[None, :] - begin[:, None], 0.0, length[:, None])
    pulse_w = height_w[:, None] * np.diff(covered, axis=1) * steps
    fine_w = np.round((p_w - excess_w)[:, None] + pulse_w, _DIGITS)
    # rounding goes where it matters least, so that the mean stays exactly what it was
    rows, most = np.arange(len(p_w)), fine_w.argmax(axis=1)
    fine_w[rows, most] += steps * p_w - fine_w.sum(axis=1)
    share = np.divide(fine_w, p_w[:, None], out=np.ones_like(fine_w), where=p_w[:, None] != 0)
    return fine_w.ravel(), (q_var[:, None] * share).ravel()
