"""The recorder in a mosaik world: rows of several sources arrive once each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import mosaik
import pyarrow.parquet as pq

from fernwatt.adapter import ROWS, Adapter, Inputs, model


class Source(Adapter):
    """Records one row per tick."""

    component: ClassVar[str] = "source"
    models: ClassVar[dict[str, dict[str, Any]]] = {"Source": model(transient=[ROWS])}

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{"eid": "source", "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:
        self.record("source", "cause", {"id": f"{self.sid}#{t_ms}", "cause": ""})
        return t_ms + 10 if t_ms < self.end_ms else None


def test_rows_of_all_sources_are_recorded_once(tmp_path: Path) -> None:
    config: Any = {
        "Source": {"python": "tests_recorder_source:Source"},
        "Recorder": {"python": "simulators.recorder.sim:RecorderSimulator"},
    }
    import sys
    import types

    module = types.ModuleType("tests_recorder_source")
    module.Source = Source  # type: ignore[attr-defined]
    sys.modules["tests_recorder_source"] = module
    with mosaik.World(config, time_resolution=0.001) as world:
        sources = [world.start("Source", end_ms=100).Source.create(1)[0] for _ in range(2)]
        recorder = world.start("Recorder", end_ms=100)
        entity = recorder.Recorder.create(1, folder=str(tmp_path))[0]
        for source in sources:
            world.connect(source, entity, ROWS)
        world.run(until=101, print_progress=False)
    ids = pq.read_table(tmp_path / "series/cause.parquet")["id"].to_pylist()
    assert ids == [f"Source-{n}#{t}" for t in range(0, 101, 10) for n in range(2)]
    assert not (tmp_path / ".parts").exists()
