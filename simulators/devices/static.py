"""Devices that follow a profile of quarter-hour means: loads, and PV systems with curtailment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fernwatt.timebase import SLOT_MS
from simulators.devices.setpoints import SetPoints
from simulators.devices.specs import LoadSpec, PvSpec

__all__ = ["LoadFleet", "PvFleet"]

BoolArray = NDArray[np.bool_]


class LoadFleet:
    """All uncontrolled loads; ``p_w`` and ``q_var`` are what they draw, ``[n]``."""

    def __init__(self, specs: Sequence[LoadSpec] | Sequence[PvSpec]) -> None:
        # one row for each slot, so that a step reads one contiguous piece
        rows = [(spec.p_w, spec.q_var) for spec in specs]
        shape = (len(rows), 2, len(rows[0][0])) if rows else (0, 2, 1)
        both = np.array(rows, dtype=float).reshape(shape)
        self._p_w = np.ascontiguousarray(both[:, 0].T)
        self._q_var = np.ascontiguousarray(both[:, 1].T)
        self.p_w, self.q_var = np.zeros(len(rows)), np.zeros(len(rows))

    def decide(self, t_ms: int, energised: BoolArray) -> None:
        """Take the powers of the slot in which ``t_ms`` lies."""
        slot = min(t_ms // SLOT_MS, len(self._p_w) - 1)
        self.p_w = np.where(energised, self._p_w[slot], 0.0)
        self.q_var = np.where(energised, self._q_var[slot], 0.0)


class PvFleet(LoadFleet):
    """All PV systems; a set-point (not positive) limits how much they feed in.

    The inverter leaves the grid with the supply (anti-islanding) and keeps its power factor when
    it is curtailed.
    """

    def __init__(self, specs: Sequence[PvSpec]) -> None:
        super().__init__(specs)
        self.set_points = SetPoints(len(specs))

    def decide(self, t_ms: int, energised: BoolArray) -> None:
        """Take the powers of the slot in which ``t_ms`` lies, curtailed."""
        super().decide(t_ms, energised)
        limit_w = np.where(self.set_points.present, np.minimum(self.set_points.p_w, 0.0), -np.inf)
        p_w = np.maximum(self.p_w, limit_w)
        share = np.divide(p_w, self.p_w, out=np.ones_like(p_w), where=self.p_w != 0)
        self.p_w, self.q_var = p_w, self.q_var * share
