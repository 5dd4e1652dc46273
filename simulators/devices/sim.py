"""The devices as a mosaik simulator: one entity that carries the whole fleet in arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.errors import SimulationError
from fernwatt.messages import Actuation, Supply
from fernwatt.timebase import Clock
from simulators.devices.core import DevicesCore
from simulators.devices.kinds import Kinds
from simulators.devices.static import CONTROL_MS

__all__ = ["DevicesSimulator"]

_EID = "devices"
_TOLD = frozenset({"session_started", "session_ended", "job_requested", "job_started"})


class DevicesSimulator(Adapter):
    """Adapter of ``DevicesCore``.

    Outputs ``power`` and ``device`` (persistent), ``device_events`` (sessions that begin and end)
    and ``rows``; inputs ``terminal`` (who has supply, and voltages, as of the grid's last step),
    ``supply`` (changes of it, at once) and ``actuate`` (set-points; others' targets are left).
    """

    component: ClassVar[str] = "devices"
    models: ClassVar[dict[str, dict[str, Any]]] = {
        "Devices": model(
            ["power", "device", "terminal"],
            trigger=["actuate", "supply"],
            transient=["device_events", ROWS],
            params=[
                "terminals",
                "devices",
                "interval_ms",
                "start",
                "control_ms",
                "climate",
                "by_kind",
            ],
        )
    }

    _core: DevicesCore

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Build the fleet; ScenarioError for what is wrong with it."""
        Clock.from_iso(params["start"])
        self._core = DevicesCore(
            params["terminals"],
            params["devices"],
            self.end_ms,
            int(params.get("interval_ms") or 0),
            control_ms=int(params.get("control_ms") or CONTROL_MS),
            climate=params.get("climate"),
        )
        self._kinds: Kinds | None = None
        if params.get("by_kind"):
            self._kinds = Kinds(self._core.ids, params["devices"], params["terminals"])
        return [{"eid": _EID, "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:  # noqa: ARG002
        """Take set-points and supply, step, hand out what happened."""
        actuations = [Actuation.from_plain(item) for item in self.take(inputs, _EID, "actuate")]
        supplies = [Supply.from_plain(item) for item in self.take(inputs, _EID, "supply")]
        energised, v_v = self._terminal(inputs)
        due_ms = self._core.step(t_ms, actuations, energised, supplies, v_v)
        for event in self._core.take_events():
            if event.kind in _TOLD:
                self.emit(_EID, "device_events", event)
        for table, columns in self._core.take_rows():
            self.record(_EID, table, columns)
        return due_ms

    def output(self, eid: str, attr: str) -> Any:
        """Return ``power`` or ``device``."""
        if attr == "power":
            told = self._core.power()
            if self._kinds is not None:
                told |= self._kinds.told(self._core.p_w, self._core.q_var)
            return told
        if attr == "device":
            return self._core.device()
        return super().output(eid, attr)

    def _terminal(self, inputs: Inputs) -> tuple[Any, Any]:
        """Return who has supply ``[n]``, and voltages ``[n, 3]``."""
        payload = self.latest(inputs, _EID, "terminal")
        if not payload:  # before the first step of the grid
            return None, None
        if payload["index"] != self._core.index:
            raise SimulationError("the grid's index of terminals is not that of the devices")
        energised = np.array(payload["energised"], dtype=bool)
        return energised, np.asarray(payload["v_v"], dtype=float)
