"""What subscribers get of their base station, and it of them: by a link budget from their places.

    SNR = tx power + antenna gain − path loss − entry into buildings − shadowing − receiver's noise

Uplink and downlink have the same loss; power, bandwidth and noise figure differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulators.network.cell_technology import CellTechnology
from simulators.network.radio import Budget, PathLoss, noise_dbm

__all__ = ["snr_by_place"]

Place = tuple[float, float, float]


def snr_by_place(
    technology: CellTechnology,
    station: tuple[str, Place],
    members: Sequence[tuple[str, Place]],
    seed: int,
) -> dict[str, tuple[float, float]]:
    """Return the signal-to-noise ratios [dB] of members, up and down; ids with their places [m]."""
    it = technology
    path = PathLoss(it.path_loss, it.frequency_hz, it.path_exponent, it.reference_m)
    budget = Budget(path, 0.0, 0.0, it.shadowing_db, it.antenna_m, seed)
    names = [name for name, _ in members]
    places_m = np.array([place for _, place in members], dtype=float)
    loss_db = budget.loss_db(station[0], np.array(station[1]), names, places_m)
    loss_db += it.entry_db - it.gain_db
    up = it.tx_up_dbm - noise_dbm(it.bandwidth_up_hz, it.noise_up_db) - loss_db
    down = it.tx_down_dbm - noise_dbm(it.bandwidth_down_hz, it.noise_down_db) - loss_db
    return {
        name: (float(ratio_up), float(ratio_down))
        for name, ratio_up, ratio_down in zip(names, up, down, strict=True)
    }
