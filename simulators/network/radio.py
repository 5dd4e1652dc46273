"""Link budget of radio: from transmit power and places to signal over noise at the receiver.

    SNR = tx power − path loss − shadowing − (−174 dBm/Hz + 10 log B + noise figure)

Path loss: free space; two-ray over flat earth (free space up to the crossover 4π·h·h/λ, then
d⁴/(h·h)²); Okumura–Hata for urban areas (Hata 1980; small city); log-distance with an exponent
beyond a reference distance in free space. Shadowing is normal in decibels, one value for each
pair of nodes for good, the same in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10, pi

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from simulators.network.levels import mark

__all__ = ["PATH_LOSSES", "Budget", "PathLoss", "noise_dbm", "shadowing"]

PATH_LOSSES = ("free-space", "two-ray", "hata", "log-distance")
_LIGHT_M_S = 3e8  # as the tables of propagation have it
_NEAR_M = 1.0
"""No model holds closer than this; nodes in one cabinet count as this far apart."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PathLoss:
    """Loss [dB] over a distance [m] between antennas at two heights [m]."""

    model: str
    frequency_hz: float
    exponent: float = 2.0
    reference_m: float = 1.0

    def db(self, distance_m: Array, here_m: Array, there_m: Array) -> Array:
        """Return the median loss; arguments broadcast. Raises KeyError for an unknown model."""
        distance_m = np.maximum(distance_m, _NEAR_M)
        models = {
            "free-space": lambda: self._free_space(distance_m),
            "two-ray": lambda: self._two_ray(distance_m, here_m, there_m),
            "hata": lambda: self._hata(distance_m, here_m, there_m),
            "log-distance": lambda: self._log_distance(distance_m),
        }
        return np.asarray(models[self.model](), dtype=float)

    def _free_space(self, distance_m: Array) -> Array:
        return np.asarray(20.0 * np.log10(4.0 * pi * distance_m * self.frequency_hz / _LIGHT_M_S))

    def _two_ray(self, distance_m: Array, here_m: Array, there_m: Array) -> Array:
        heights = here_m * there_m
        crossover_m = 4.0 * pi * heights * self.frequency_hz / _LIGHT_M_S
        reflected = 40.0 * np.log10(distance_m) - 20.0 * np.log10(heights)
        return np.where(distance_m < crossover_m, self._free_space(distance_m), reflected)

    def _hata(self, distance_m: Array, here_m: Array, there_m: Array) -> Array:
        """Return Hata's urban loss, free space where that is more (it is made for 1 to 20 km)."""
        f_mhz = self.frequency_hz / 1e6
        base_m, mobile_m = np.maximum(here_m, there_m), np.minimum(here_m, there_m)
        mobile = (1.1 * log10(f_mhz) - 0.7) * mobile_m - (1.56 * log10(f_mhz) - 0.8)
        median = 69.55 + 26.16 * log10(f_mhz) - 13.82 * np.log10(base_m) - mobile
        slope = 44.9 - 6.55 * np.log10(base_m)
        loss = median + slope * np.log10(distance_m / 1000.0)
        return np.asarray(np.maximum(loss, self._free_space(distance_m)))

    def _log_distance(self, distance_m: Array) -> Array:
        near = self._free_space(np.asarray(self.reference_m, dtype=float))
        beyond = near + 10.0 * self.exponent * np.log10(distance_m / self.reference_m)
        return np.where(distance_m < self.reference_m, self._free_space(distance_m), beyond)


def noise_dbm(bandwidth_hz: float, noise_figure_db: float) -> float:
    """Return the noise of a receiver at 290 K [dBm]."""
    return -174.0 + 10.0 * log10(bandwidth_hz) + noise_figure_db


def shadowing(seed: int, here: Sequence[str], there: Sequence[str], sigma_db: float) -> Array:
    """Return the shadowing [dB] of every pair of two lists of nodes, by seed and names alone.

    A pair has the same value in either order and whoever else is in the lists.
    """
    if not sigma_db:
        return np.zeros((len(here), len(there)))
    rows = np.array([mark(seed, "shadowing", name) for name in here], dtype=np.uint64)
    columns = np.array([mark(seed, "shadowing", name) for name in there], dtype=np.uint64)
    with np.errstate(over="ignore"):
        mixed = rows[:, None] + columns[None, :]
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    uniform = ((mixed >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53
    return np.asarray(sigma_db * ndtri(uniform), dtype=float)


@dataclass(frozen=True, slots=True)
class Budget:
    """What radios of one kind get of each other."""

    path_loss: PathLoss
    tx_dbm: float
    noise_dbm: float
    shadowing_db: float
    antenna_m: float
    seed: int

    def snr_db(self, names: Sequence[str], places_m: Array) -> Array:
        """Return signal over noise (n × n) of nodes at places (n × 3: east, north, height)."""
        shadow = shadowing(self.seed, names, names, self.shadowing_db)
        return self.tx_dbm - self._loss_db(places_m, places_m) - shadow - self.noise_dbm

    def loss_db(self, source: str, place_m: Array, names: Sequence[str], places_m: Array) -> Array:
        """Return the loss (n) from a source, no node, to nodes at their places."""
        shadow = shadowing(self.seed, [source], names, self.shadowing_db)
        return np.asarray((self._loss_db(np.atleast_2d(place_m), places_m) + shadow)[0])

    def _loss_db(self, here_m: Array, there_m: Array) -> Array:
        apart = here_m[:, None, :] - there_m[None, :, :]
        distance_m = np.sqrt((apart**2).sum(axis=2))
        heights = [np.where(at[:, 2] > 0, at[:, 2], self.antenna_m) for at in (here_m, there_m)]
        return self.path_loss.db(distance_m, heights[0][:, None], heights[1][None, :])
