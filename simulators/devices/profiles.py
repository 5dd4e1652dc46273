"""Households that share a load shape, made different without changing what they use in a day.

SimBench has six household shapes. ``vary`` gives every customer an own one: it shifts the day's
course in time by a smooth, seeded displacement, and its level by a seeded factor that moves over
the day. Each day's active energy stays what it was. Days are those of UTC.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from fernwatt.streams import stream
from simulators.devices.specs import FloatArray

__all__ = ["vary"]

_SLOTS_PER_DAY = 96
_MODES = 3
_SHIFT_SLOTS_PER_UNIT = 24.0  # a variation of 0.2 displaces by up to about an hour
_LEVEL_MEMORY_SLOTS = 4.0


def vary(
    p_w: FloatArray,
    q_var: FloatArray,
    *,
    seed: int,
    customer: str,
    variation: float = 0.2,
    first_slot: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """Return a customer's own course of ``p_w[slots]`` and ``q_var[slots]``.

    ``variation`` is the standard deviation of the logarithm of the level (correlated over an
    hour), and scales the displacement in time; 0 changes nothing. ``first_slot`` is the slot of
    the day (UTC) in which the profile begins. The active energy of every day is kept exactly, so
    is that of a part of a day at either end; the power factor is that of the displaced profile.
    A longer profile begins like a shorter one if both end with a day.
    """
    if variation == 0.0 or not len(p_w):
        return p_w.copy(), q_var.copy()
    rng = stream(seed, "devices", f"{customer}/profile")
    slots = len(p_w)
    day = (first_slot + np.arange(slots)) // _SLOTS_PER_DAY
    begins = np.flatnonzero(np.diff(day, prepend=-1))
    ends = np.append(begins[1:], slots)
    draws = rng.standard_normal((len(begins), _MODES + _SLOTS_PER_DAY))
    edges = _displaced(begins, ends, draws[:, :_MODES], variation)
    moved = [_resample(values, edges) for values in (p_w, q_var)]
    noise = np.concatenate(
        [
            draws[n, _MODES : _MODES + e - b]
            for n, (b, e) in enumerate(zip(begins, ends, strict=True))
        ]
    )
    level = np.exp(variation * _smooth(noise))
    shaped = moved[0] * level
    want, have = (np.add.reduceat(values, begins) for values in (p_w, shaped))
    scale = np.divide(want, have, out=np.ones_like(want), where=have != 0)
    factor = level * np.repeat(scale, ends - begins)
    return moved[0] * factor, moved[1] * factor


def _displaced(
    begins: np.ndarray[tuple[int], np.dtype[np.int64]],
    ends: np.ndarray[tuple[int], np.dtype[np.int64]],
    draws: FloatArray,
    variation: float,
) -> FloatArray:
    """Return for each slot's edge the instant [slots] whose energy it takes; monotone.

    The displacement is a sum of sines that vanish at the ends of each day, so nothing is moved
    from one day to another.
    """
    length = (ends - begins).astype(float)
    modes = np.arange(1, _MODES + 1)
    amplitude = draws * variation * _SHIFT_SLOTS_PER_UNIT * (length[:, None] / _SLOTS_PER_DAY)
    amplitude /= modes * _MODES**0.5
    slope = np.abs(amplitude) @ (modes * np.pi) / length
    amplitude *= np.minimum(1.0, 0.9 / np.maximum(slope, 1e-12))[:, None]
    edges = np.arange(ends[-1] + 1, dtype=float)
    of_day = np.repeat(np.arange(len(begins)), ends - begins)
    share = (edges[:-1] - begins[of_day]) / length[of_day]
    waves = np.sin(np.pi * share[:, None] * modes)
    edges[:-1] += (amplitude[of_day] * waves).sum(axis=1)
    return edges


def _resample(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the means between displaced edges of what ``values`` says of each slot."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    resampled: FloatArray = np.diff(np.interp(edges, np.arange(len(total)), total))
    return resampled


def _smooth(normals: FloatArray) -> FloatArray:
    """Return a stationary AR(1) of unit variance."""
    rho = float(np.exp(-1.0 / _LEVEL_MEMORY_SLOTS))
    drive = normals * np.sqrt(1 - rho**2)
    drive[:1] = normals[:1]
    result: FloatArray = lfilter([1.0], [1.0, -rho], drive)
    return result
