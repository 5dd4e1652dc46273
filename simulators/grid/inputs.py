"""What the terminals are asked to draw: arrays of the devices, and scalars of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fernwatt.errors import SimulationError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.model import FloatArray

__all__ = ["TerminalInputs"]

_PHASES = 3
_ATTRS = ("p_mw", "q_mvar")

Inputs = Mapping[str, Mapping[str, Mapping[str, Any]]]


class TerminalInputs:
    """Sums what is drawn at each terminal.

    Before anybody says anything, terminals draw the record's static power. A ``power`` payload
    replaces that everywhere; where none comes, the first scalar replaces it at its own terminal.
    Scalars of several sources at one terminal are added up, and added to the payload. A source
    that says nothing anew keeps its last value.
    """

    def __init__(self, model: GridModel) -> None:
        self._index = model.index
        self._row = {terminal.id: row for row, terminal in enumerate(model.terminals)}
        static = np.stack(model.static_power())
        self._base: FloatArray = np.repeat(static[:, :, None] / _PHASES, _PHASES, axis=2)
        self._said: dict[tuple[int, int], dict[str, float]] = {}
        self._extra: FloatArray = np.zeros(static.shape)
        self._devices = False

    def update(self, inputs: Inputs, eid: str) -> tuple[FloatArray, FloatArray]:
        """Take in a step's inputs; return ``p_w`` and ``q_var``, each ``[n, 3]``.

        Raises SimulationError for another order of terminals, or numbers that are none.
        """
        payloads = inputs.get(eid, {}).get("power")
        if payloads:
            self._take_power(payloads)
        for terminal, values in inputs.items():
            row = self._row.get(terminal)
            if row is not None:
                self._take_scalars(terminal, row, values)
        if not self._said:
            return self._base[0], self._base[1]
        total = self._base + self._extra[:, :, None] / _PHASES
        return total[0], total[1]

    def _take_power(self, payloads: Mapping[str, Any]) -> None:
        if len(payloads) != 1:
            raise SimulationError("power has one source; connect others to p_mw of a Load")
        payload = next(iter(payloads.values()))
        if payload["index"] != self._index:
            raise SimulationError("the devices' index of terminals is not that of the grid")
        parts = [np.asarray(payload[name], dtype=float) for name in ("p_w", "q_var")]
        shape = self._base.shape[1:]
        if any(part.shape != shape for part in parts):
            raise SimulationError(f"power has the shape {parts[0].shape}, the terminals {shape}")
        self._base = np.stack(parts)
        self._devices = True
        self._check(self._base[0] + self._base[1])

    def _take_scalars(self, terminal: str, row: int, values: Mapping[str, Any]) -> None:
        for which, attr in enumerate(_ATTRS):
            given = values.get(attr)
            if not given:
                continue
            said = self._said.get((which, row))
            if said is None:
                said = self._said[which, row] = {}
                if not self._devices:
                    self._base = self._base.copy()
                    self._base[:, row] = 0.0
            said.update({source: float(value) for source, value in given.items()})
            self._extra[which, row] = 1e6 * sum(said[source] for source in sorted(said))
            if not np.isfinite(self._extra[which, row]):
                raise SimulationError(f"{attr} of {terminal} is no number: {dict(said)}")

    def _check(self, sums: FloatArray) -> None:
        if not np.isfinite(sums).all():
            row = int(np.flatnonzero(~np.isfinite(sums).all(axis=1))[0])
            terminal = next(name for name, number in self._row.items() if number == row)
            raise SimulationError(f"the power at {terminal} is no number")
