"""Units and network of an assembled scenario, stepped as in a fused run, without grid and field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.unit import UnitsCore
from fernwatt.messages import Event, Frame, Reading
from simulators.network import NetworkCore

__all__ = ["Cyber"]


class Cyber:
    """The two cores of a plan; ``factories`` makes services that only a test has."""

    def __init__(
        self,
        params: Mapping[str, Any],
        factories: Mapping[str, Any],
        more: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        spec = dict(params["units"]["spec"])
        spec["units"] = [unit | (more or {}).get(unit["id"], {}) for unit in spec["units"]]
        self.units = UnitsCore(spec, params["units"]["seed"], factories=factories)
        self.network = NetworkCore(params["network"]["spec"], params["network"]["seed"])
        self.now_ms = 0
        self.frames: list[Frame] = []
        self.events: list[Event] = []
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def run(self, until_ms: int, readings: tuple[Reading, ...] = ()) -> None:
        """Take ``readings`` now, then run to ``until_ms``."""
        self._tick(self.now_ms, readings)
        while True:
            dues = [
                due for due in (self.network.next_ms(), self.units.next_ms()) if due is not None
            ]
            at_ms = max(min(dues), self.now_ms + 1) if dues else until_ms + 1
            if at_ms > until_ms:
                break
            self._tick(at_ms, ())
        self.now_ms = until_ms

    def _tick(self, t_ms: int, readings: tuple[Reading, ...]) -> None:
        self.now_ms = t_ms
        sent = self._take(self.units.step(t_ms, readings))
        deliveries = self.network.advance(t_ms)
        if sent:
            self.network.inject(t_ms, sent)
        states = self.network.node_up()
        if deliveries or states:
            answers = self._take(self.units.step(t_ms, (), deliveries, states))
            if answers:
                self.network.inject(t_ms, answers)

    def _take(self, out: Any) -> list[Frame]:
        self.frames += out.frames
        self.events += out.events
        for table, columns in out.rows:
            names = list(columns)
            self.rows.setdefault(table, []).extend(
                dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
            )
        return list(out.frames)
