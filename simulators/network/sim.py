"""The network as a mosaik simulator: one entity that carries all frames in lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.messages import Frame, Supply
from simulators.network.core import NetworkCore

__all__ = ["NetworkSimulator"]

_EID = "network"
_CHUNK_ROWS, _CHUNK_MS = 256, 60_000


class NetworkSimulator(Adapter):
    """``Network``: frames (``tx``) and supply in; deliveries (``rx``), ``node_up``, rows out.

    Parameters of the entity: ``spec`` (see ``NetworkCore``) and ``seed``. Rows go to the
    recorder in chunks, by their number or once a simulated minute, to spare it steps.
    """

    component: ClassVar[str] = "network"
    models: ClassVar[dict[str, dict[str, Any]]] = {
        "Network": model(
            trigger=["tx", "supply"],
            transient=["rx", "node_up", ROWS],
            params=["spec", "seed"],
        )
    }

    def configure(self, args: Any = None, **params: Any) -> None:
        """Take no parameters; mosaik's hook for command-line options has this name too."""
        if args is None:
            super().configure(**params)

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Build the network; there is one."""
        self._core = NetworkCore(params["spec"], params["seed"])
        self._flushed_ms = 0
        return [{"eid": _EID, "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:  # noqa: ARG002
        """Do one step in the order of the tick rule; return the next tick that is due."""
        core = self._core
        for delivery in core.advance(t_ms):
            self.emit(_EID, "rx", delivery)
        changes = self.take(inputs, _EID, "supply")
        if changes:
            core.supply(t_ms, [Supply.from_plain(change) for change in changes])
        frames = self.take(inputs, _EID, "tx")
        if frames:
            core.inject(t_ms, [Frame.from_plain(frame) for frame in frames])
        for change in core.node_up():
            self.emit(_EID, "node_up", change)
        if t_ms >= self.end_ms:
            core.close(t_ms)
            self._flush(t_ms)
            return None
        if core.pending_rows >= _CHUNK_ROWS or t_ms - self._flushed_ms >= _CHUNK_MS:
            self._flush(t_ms)
        due_ms = core.next_ms()
        return self.end_ms if due_ms is None else min(due_ms, self.end_ms)

    def _flush(self, t_ms: int) -> None:
        self._flushed_ms = t_ms
        for table, columns in self._core.rows():
            self.record(_EID, table, columns)
