"""``Units``: the management units as one mosaik simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from controllers.unit.hub import Outputs, UnitsCore
from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.errors import Fault, ScenarioError
from fernwatt.messages import Delivery, NodeUp, Reading

__all__ = ["UnitsSimulator"]

_EID, _HOLD_ROWS = "units", 256


class UnitsSimulator(Adapter):
    """One entity with all units; parameters ``spec`` (see ``UnitsCore``) and ``seed``."""

    component = "units"
    models: ClassVar = {
        "Units": model(
            trigger=["readings", "rx", "node_up"],
            transient=["tx", "commands", ROWS],
            params=["spec", "seed"],
        )
    }

    _core: UnitsCore

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Build all units."""
        missing = [name for name in ("spec", "seed") if name not in params]
        if missing:
            raise ScenarioError([Fault(f"units.{name}", "is missing") for name in missing])
        self._core = UnitsCore(params["spec"], params["seed"], hold_rows=_HOLD_ROWS)
        return [{"eid": _EID, "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:
        """Take readings, deliveries and node changes; at the end only close the books."""
        del max_advance
        readings = [Reading.from_plain(item) for item in self.take(inputs, _EID, "readings")]
        deliveries = [Delivery.from_plain(item) for item in self.take(inputs, _EID, "rx")]
        changes = [NodeUp.from_plain(item) for item in self.take(inputs, _EID, "node_up")]
        if t_ms >= self.end_ms:
            self._put(self._core.close(t_ms))
            return None
        self._put(self._core.step(t_ms, readings, deliveries, changes))
        due = self._core.next_ms()
        return self.end_ms if due is None else min(due, self.end_ms)

    def _put(self, out: Outputs) -> None:
        for frame in out.frames:
            self.emit(_EID, "tx", frame)
        for command in out.commands:
            self.emit(_EID, "commands", command)
        for table, columns in out.rows:
            self.record(_EID, table, columns)
