"""Network and management units in one mosaik simulator: the fast mode for large cases.

The two cores are called in exactly the order that mosaik's sub-steps give them when they are
simulators of their own, so both modes make the same tables. Between two things that come from
outside, the pair runs on alone, up to what mosaik allows (``max_advance``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from controllers.unit import UnitsCore
from controllers.unit.hub import Outputs
from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.messages import Frame, Reading, Supply
from simulators.network import NetworkCore

__all__ = ["CyberSimulator"]

_EID, _HOLD_ROWS, _HOLD_MS = "cyber", 1024, 600_000


class CyberSimulator(Adapter):
    """One entity with what ``Network`` and ``Units`` have towards the outside."""

    component = "cyber"
    models: ClassVar = {
        "Cyber": model(
            trigger=["readings", "supply"],
            transient=["commands", ROWS],
            params=["network", "units"],
        )
    }

    _network: NetworkCore
    _units: UnitsCore

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Build both cores."""
        self._network = NetworkCore(params["network"]["spec"], params["network"]["seed"])
        self._units = UnitsCore(
            params["units"]["spec"], params["units"]["seed"], hold_rows=_HOLD_ROWS
        )
        self._now_ms = self._flushed_ms = 0
        self._commands = 0
        return [{"eid": _EID, "type": model_name}]

    @property
    def emission_ms(self) -> int:
        """What a step emits takes effect where the pair stopped, not where it began."""
        return self._now_ms

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:
        """Step at ``t_ms``, then run on until something may come from outside, or goes out."""
        readings = [Reading.from_plain(item) for item in self.take(inputs, _EID, "readings")]
        changes = [Supply.from_plain(item) for item in self.take(inputs, _EID, "supply")]
        if t_ms >= self.end_ms:
            self._close(t_ms)
            return None
        self._commands = 0
        self._tick(t_ms, readings, changes)
        horizon = min(max_advance, self.end_ms - 1)
        while not self._commands and (due := self._next_ms()) <= horizon:
            self._tick(due, (), ())
        self._flush(force=False)
        return min(max(self._next_ms(), self._now_ms + 1), self.end_ms)

    def _next_ms(self) -> int:
        dues = [due for due in (self._network.next_ms(), self._units.next_ms()) if due is not None]
        return max(min([*dues, self.end_ms]), self._now_ms + 1)

    def _tick(self, t_ms: int, readings: Sequence[Reading], changes: Sequence[Supply]) -> None:
        """Do one tick: the units' own business, the network, then what it delivered."""
        self._now_ms = t_ms
        network, units = self._network, self._units
        frames: Sequence[Frame] = ()
        due = units.next_ms()
        if readings or (due is not None and due <= t_ms):
            frames = self._put(units.step(t_ms, readings))
        deliveries = network.advance(t_ms)
        if changes:
            network.supply(t_ms, changes)
        if frames:
            network.inject(t_ms, frames)
        states = network.node_up()
        if deliveries or states:
            answers = self._put(units.step(t_ms, (), deliveries, states))
            if answers:
                network.inject(t_ms, answers)

    def _put(self, out: Outputs) -> Sequence[Frame]:
        for command in out.commands:
            self._commands += 1
            self.emit(_EID, "commands", command)
        for table, columns in out.rows:
            self.record(_EID, table, columns)
        return out.frames

    def _close(self, t_ms: int) -> None:
        """Close both in the order of their simulators: deliveries due now are still handed out."""
        self._now_ms = t_ms
        self._put(self._units.close(t_ms))
        self._network.advance(t_ms)
        self._network.close(t_ms)
        self._flush(force=True)

    def _flush(self, *, force: bool) -> None:
        late = self._now_ms - self._flushed_ms >= _HOLD_MS
        if force or late or self._network.pending_rows >= _HOLD_ROWS:
            self._flushed_ms = self._now_ms
            for table, columns in self._network.rows():
                self.record(_EID, table, columns)
