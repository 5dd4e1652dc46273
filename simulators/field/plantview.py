"""What the instruments are attached to: the newest state of grid and devices, carried forward.

Powers hold until the next state, so registers at any later instant follow exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import SimulationError
from fernwatt.identifiers import index_hash
from simulators.field.accuracy import FloatArray

__all__ = ["PlantView"]

_MS_PER_H = 3.6e6


class PlantView:
    """Power, registers, voltage and supply of places: terminals, then transformers.

    And energy and content of devices. Before the first state everything is 0 and has supply.
    """

    def __init__(
        self, terminals: Sequence[str], transformers: Sequence[str], devices: Sequence[str]
    ) -> None:
        self._index, self._transformers = index_hash(terminals), list(transformers)
        self._devices = list(devices)
        places, self._n = len(terminals) + len(transformers), len(terminals)
        self._t_ms = self._device_ms = 0
        self._p_w, self._import_wh, self._export_wh = (np.zeros(places) for _ in range(3))
        self.voltage_v = np.zeros(places)
        # of each terminal's own three conductors: voltage, active and reactive power
        self.conductors = np.zeros((3, self._n, 3))
        self._squares, self._held = np.zeros((self._n, 4)), np.zeros((self._n, 4))
        self.energised = np.ones(places, dtype=bool)
        # offered where the scenario asks for it: of the last ten minutes, and of the instant
        self.quality: Mapping[str, Any] | None = None
        self.frequency_hz: float | None = None
        self._device_w, self._energy_wh = np.zeros(len(devices)), np.zeros(len(devices))
        self.stored_wh: list[float | None] = [None] * len(devices)

    def take_state(self, state: Mapping[str, Any]) -> None:
        """Take the grid's state; SimulationError where its index is another one."""
        if state["index"] != self._index:
            raise SimulationError("the grid's index of terminals is not that of the instruments")
        sides = state["transformers"]
        if list(sides["ids"]) != self._transformers:
            raise SimulationError("the grid's transformers are not those of the instruments")
        self._t_ms = state["t_ms"]
        self.quality, self.frequency_hz = state.get("quality"), state.get("frequency_hz")
        self._p_w = np.concatenate((_total(state["p_w"]), np.asarray(sides["p_w"], dtype=float)))
        self._import_wh = _joined(state, sides, "import_wh")
        self._export_wh = _joined(state, sides, "export_wh")
        voltages = [np.asarray(part["v_v"], dtype=float).reshape(-1, 3) for part in (state, sides)]
        # null without supply; one phase may be without
        v_v = np.nan_to_num(np.concatenate(voltages).astype(float))
        live = (v_v > 0).sum(axis=1)
        self.voltage_v = v_v.sum(axis=1) / np.maximum(live, 1)
        supplied = np.asarray(state["energised"], dtype=bool)
        self._take_conductors(state, v_v[: self._n], supplied)
        self.energised = np.concatenate((supplied, live[self._n :] > 0))

    def _take_conductors(
        self, state: Mapping[str, Any], v_v: FloatArray, supplied: NDArray[np.bool_]
    ) -> None:
        power = [np.asarray(state[name], dtype=float) for name in ("p_w", "q_var") if name in state]
        for number, part in enumerate((v_v, *power)):
            self.conductors[number] = part.reshape(-1, 3)
        if "squares" in state:
            self._squares = np.asarray(state["squares"], dtype=float).reshape(-1, 4)
            self._held = np.column_stack((v_v**2, supplied))

    def take_devices(self, device: Mapping[str, Any]) -> None:
        """Take the devices' state; SimulationError where they are others."""
        if device["ids"] is not self._devices:
            if list(device["ids"]) != self._devices:
                raise SimulationError("the devices are not those of the instruments")
            self._devices = device["ids"]
        self._device_ms = device["t_ms"]
        self._device_w = np.asarray(device["p_w"], dtype=float)
        self._energy_wh = np.asarray(device["energy_wh"], dtype=float)
        self.stored_wh = device["soc_wh"]

    def registers(self, t_ms: int) -> tuple[FloatArray, FloatArray]:
        """Return import and export [Wh] of all places at ``t_ms``, not before their state."""
        hours = (t_ms - self._t_ms) / _MS_PER_H
        return (
            self._import_wh + np.maximum(self._p_w, 0.0) * hours,
            self._export_wh + np.maximum(-self._p_w, 0.0) * hours,
        )

    def squares(self, t_ms: int) -> FloatArray:
        """Return integrals to ``t_ms``, ``[n, 4]``: squared voltages [V²h], time with supply [h].

        Zeros where the grid does not keep them.
        """
        return self._squares + self._held * ((t_ms - self._t_ms) / _MS_PER_H)

    def energies(self, t_ms: int) -> FloatArray:
        """Return the energy drawn [Wh] of all devices at ``t_ms``."""
        drawn: FloatArray = self._energy_wh + self._device_w * (
            (t_ms - self._device_ms) / _MS_PER_H
        )
        return drawn


def _total(p_w: Any) -> FloatArray:
    total: FloatArray = np.asarray(p_w, dtype=float).reshape(-1, 3).sum(axis=1)
    return total


def _joined(state: Mapping[str, Any], sides: Mapping[str, Any], name: str) -> FloatArray:
    parts = [np.asarray(part[name], dtype=float) for part in (state, sides)]
    return np.concatenate(parts)
