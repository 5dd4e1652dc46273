"""Devices that follow a profile of means: loads, and PV systems with curtailment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulators.devices.group import Change
from simulators.devices.inverter import Inverters
from simulators.devices.setpoints import SetPoints
from simulators.devices.specs import FloatArray, LoadSpec, PvSpec

__all__ = ["CONTROL_MS", "LoadFleet", "PvFleet"]

CONTROL_MS = 60_000
"""How often what needs it is controlled, where the scenario says nothing."""

_SLOT_S = 900
BoolArray = NDArray[np.bool_]


class LoadFleet:
    """All uncontrolled loads; ``p_w`` and ``q_var`` are what they draw, ``[n]``."""

    def __init__(self, specs: Sequence[LoadSpec] | Sequence[PvSpec]) -> None:
        # one row for each step, so that a step reads one contiguous piece
        plates = [(spec.p_w, spec.q_var, getattr(spec, "step_s", _SLOT_S)) for spec in specs]
        step_s = math.gcd(_SLOT_S, *(own_s for _, _, own_s in plates))
        rows = [
            [np.repeat(values, own_s // step_s) for values in courses] for *courses, own_s in plates
        ]
        self.step_ms = step_s * 1000
        shape = (len(rows), 2, len(rows[0][0])) if rows else (0, 2, 1)
        both = np.array(rows, dtype=float).reshape(shape)
        self._p_w = np.ascontiguousarray(both[:, 0].T)
        self._q_var = np.ascontiguousarray(both[:, 1].T)
        self.p_w, self.q_var = np.zeros(len(rows)), np.zeros(len(rows))

    def decide(self, t_ms: int, energised: BoolArray) -> None:
        """Take the powers of the step in which ``t_ms`` lies."""
        slot = min(t_ms // self.step_ms, len(self._p_w) - 1)
        self.p_w = np.where(energised, self._p_w[slot], 0.0)
        self.q_var = np.where(energised, self._q_var[slot], 0.0)


class PvFleet(LoadFleet):
    """All PV systems; a set-point (not positive) limits how much they feed in.

    A system without an ``inverter`` section leaves the grid with the supply, is back with it, and
    keeps its power factor when it is curtailed; the others see to grid support themselves.
    """

    def __init__(self, specs: Sequence[PvSpec], control_ms: int = CONTROL_MS) -> None:
        super().__init__(specs)
        self.set_points = SetPoints(len(specs))
        self.reactive = SetPoints(len(specs))  # of inverters with grid support [var]
        given = [(row, spec.inverter) for row, spec in enumerate(specs) if spec.inverter]
        self.smart_rows = np.array([row for row, _ in given], dtype=np.int64)
        self.inverters = Inverters([inverter for _, inverter in given], control_ms)

    def feed(self, t_ms: int, energised: BoolArray, v_v: FloatArray) -> list[Change]:
        """Take the powers of the slot in which ``t_ms`` lies, as curtailed and supported.

        ``v_v`` is the voltage that the systems of ``smart_rows`` saw last, NaN where none was yet.
        """
        self.decide(t_ms, energised)
        limit_w = np.where(self.set_points.present, np.minimum(self.set_points.p_w, 0.0), -np.inf)
        available_w = self.p_w
        p_w = np.maximum(available_w, limit_w)
        share = np.divide(p_w, self.p_w, out=np.ones_like(p_w), where=self.p_w != 0)
        self.p_w, self.q_var = p_w, self.q_var * share
        rows = self.smart_rows
        if not len(rows):
            return []
        seen_v = np.where(np.isnan(v_v), self.inverters.v_nominal_v, v_v)
        self.inverters.asked_var = self.reactive.p_w[rows]
        changes = self.inverters.decide(
            t_ms, available_w[rows], limit_w[rows], seen_v, energised[rows]
        )
        self.p_w[rows], self.q_var[rows] = self.inverters.p_w, self.inverters.q_var
        return [replace(change, row=int(rows[change.row])) for change in changes]

    @property
    def due_ms(self) -> int:
        """When an inverter may come back, or a set-point ends."""
        return min(self.inverters.due_ms, self.set_points.due_ms)
