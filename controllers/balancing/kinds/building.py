"""A heated building as its controller knows it: two nodes, and what is not known as a gain.

    c_air  dT/dt = heat + gains - direct (T - T_out) - coupling (T - T_m)
    c_mass dT_m/dt = coupling (T - T_m) - outer (T_m - T_out)

The figures are those of an energy certificate; sun, people and all errors of the figures are one
gain [W], learnt from how far the room was from where it should have been after each slot. The mass
cannot be measured; it is corrected by the same difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import expm

from controllers.balancing.devices import STEP_H
from controllers.balancing.planners import Watts

__all__ = ["Building", "State"]

_TO_GAIN, _TO_MASS = 0.1, 0.2
_MOST_GAIN_K = 15.0  # no more than what so many kelvins take


@dataclass(frozen=True, slots=True)
class State:
    """Temperatures of air and mass [degC] at a slot's boundary."""

    air_c: float
    mass_c: float


class Building:
    """One building, in steps of a slot; keys of its plate are those of the devices' buildings."""

    def __init__(self, plate: Mapping[str, Any]) -> None:
        loss, share = float(plate["heat_loss_w_per_k"]), float(plate["direct_share"])
        coupling, mass = float(plate["coupling_w_per_k"]), float(plate["c_mass_wh_per_k"])
        self.loss_w_per_k, self.c_air = loss, float(plate["c_air_wh_per_k"])
        if mass > 0.0:
            through = loss * (1.0 - share)
            direct, outer = loss * share, through * coupling / (coupling - through)
        else:  # one node: the mass stands by
            direct, outer, coupling, mass = loss, 0.0, 0.0, 1.0
        self.c_mass = mass
        self._to_outside = outer / (coupling + outer) if outer else 0.0
        rates = np.zeros((4, 4))
        rates[0, :2] = -(coupling + direct) / self.c_air, coupling / self.c_air
        rates[1, :2] = coupling / mass, -(coupling + outer) / mass
        rates[0, 2:] = 1.0 / self.c_air, direct / self.c_air
        rates[1, 3] = outer / mass
        moved = expm(rates * STEP_H)
        (self.air_air, self.air_mass, self.air_heat, self.air_out) = moved[0].tolist()
        (self.mass_air, self.mass_mass, self.mass_heat, self.mass_out) = moved[1].tolist()
        self.gains_w = 0.0

    def settled(self, air_c: float, outdoor_c: float) -> State:
        """Return the state of a building that was at this temperature for long."""
        return State(air_c, air_c - self._to_outside * (air_c - outdoor_c))

    def step(self, now: State, heat_w: float, outdoor_c: float) -> State:
        """Return the state a slot later, with this heat and the gains."""
        heat_w += self.gains_w
        return State(
            self.air_air * now.air_c
            + self.air_mass * now.mass_c
            + self.air_heat * heat_w
            + self.air_out * outdoor_c,
            self.mass_air * now.air_c
            + self.mass_mass * now.mass_c
            + self.mass_heat * heat_w
            + self.mass_out * outdoor_c,
        )

    def learn(self, now: State, heat_w: float, outdoor_c: float, measured_c: float) -> State:
        """Return the state a slot later as measured, and learn from where it should have been."""
        then = self.step(now, heat_w, outdoor_c)
        off_k = measured_c - then.air_c
        most_w = _MOST_GAIN_K * self.loss_w_per_k
        gains_w = self.gains_w + _TO_GAIN * off_k * self.c_air / STEP_H
        self.gains_w = min(max(gains_w, -most_w), most_w)
        return State(measured_c, then.mass_c + _TO_MASS * off_k)

    def hold(
        self, start: State, set_c: float, most_w: Watts, outdoor_c: Watts
    ) -> tuple[Watts, Watts]:
        """Return heat [W] and mass [degC] of each slot, at its begin, with the air held."""
        heats, masses, now = [], [], start
        for most, outside in zip(most_w.tolist(), outdoor_c.tolist(), strict=True):
            masses.append(now.mass_c)
            free = self.step(now, 0.0, outside).air_c
            heat = min(max((set_c - free) / self.air_heat, 0.0), most)
            heats.append(heat)
            now = self.step(now, heat, outside)
        return np.array(heats), np.array(masses)
