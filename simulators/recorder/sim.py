"""The recorder as a mosaik simulator: takes the rows of all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fernwatt.adapter import ROWS, Adapter, Inputs, model
from simulators.recorder.writer import RunWriter

__all__ = ["RecorderSimulator"]


class RecorderSimulator(Adapter):
    """Model ``Recorder``: attribute ``rows`` takes ``{table, columns}`` of any source.

    Created with ``writer``, a RunWriter that whoever made it closes, or with ``folder``.
    It runs in the process of mosaik, being the only one that writes the run folder.
    """

    component: ClassVar[str] = "recorder"
    models: ClassVar[dict[str, dict[str, Any]]] = {
        "Recorder": model(trigger=[ROWS], params=["folder", "writer"])
    }

    def __init__(self) -> None:
        super().__init__()
        self._writer: RunWriter | None = None
        self._owned = False
        self._eid = "recorder"

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Open the run folder, or take the writer that is given."""
        self._owned = "writer" not in params
        self._writer = RunWriter(params["folder"]) if self._owned else params["writer"]
        return [{"eid": self._eid, "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:  # noqa: ARG002
        """Write what has come."""
        if self._writer is None:
            raise RuntimeError("the recorder was not created")
        self._writer.t_ms = t_ms
        for item in self.take(inputs, self._eid, ROWS):
            self._writer.add(item["table"], item["columns"])
        return self.end_ms if t_ms < self.end_ms else None

    def close(self) -> None:
        """Merge the parts of an own writer into the final tables."""
        if self._writer is not None and self._owned:
            self._writer.close()
