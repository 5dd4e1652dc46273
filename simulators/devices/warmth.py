"""Temperatures of thermal devices, as instruments inside them see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulators.devices.generators import ChpFleet
from simulators.devices.group import Group
from simulators.devices.heat_pump import HeatPumpFleet
from simulators.devices.specbase import FloatArray
from simulators.devices.thermostat import ThermostatFleet

__all__ = ["Warmth"]


class Warmth:
    """The thermal devices among ``groups``, whose rows in the fleet are given by kind."""

    def __init__(self, groups: Mapping[str, Group], rows: Mapping[str, Sequence[int]]) -> None:
        self._heat_pumps = [g for g in groups.values() if isinstance(g, HeatPumpFleet)]
        self._bodies = [g for g in groups.values() if isinstance(g, ThermostatFleet | ChpFleet)]
        of = {id(group): rows[kind] for kind, group in groups.items()}
        ordered = [*self._heat_pumps, *self._bodies]
        self._rows = [row for group in ordered for row in of[id(group)]]
        self._ids: list[str] = []

    def payload(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return ``{thermal: {ids, temperature_c, tank_c}}``; nothing where there is none.

        Rooms, contents or stores [°C]; ``tank_c`` belongs to the first devices, which have one.
        """
        if not self._rows:
            return {}
        self._ids = self._ids or [ids[row] for row in self._rows]
        none: FloatArray = np.zeros(0)
        bodies = [g.body.t_c if isinstance(g, ThermostatFleet) else g.store.t_c
                  for g in self._bodies]  # fmt: skip
        rooms = [group.house.air_c for group in self._heat_pumps]
        tanks = [group.tank.t_c for group in self._heat_pumps]
        return {
            "thermal": {
                "ids": self._ids,
                "temperature_c": np.concatenate([none, *rooms, *bodies]),
                "tank_c": np.concatenate([none, *tanks]),
            }
        }
