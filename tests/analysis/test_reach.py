"""What units could not take or reach, told by their events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis import Run, kpis
from simulators.recorder import RunWriter

A, B, TOP = "meter/a/1", "lvgmu/a", "mvgmu/m"


def recorded(folder: Path, events: list[tuple[float, str, str, Any]]) -> Run:
    """Return a run of a day with these events: when [s], kind, unit, value."""
    writer = RunWriter(folder)
    manifest = {"name": "x", "seed": 1, "start": "2016-04-20T22:00:00Z", "status": "complete",
                "duration_ms": 86_400_000, "interval_ms": 900_000, "hashes": {}}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for number, (t_s, kind, unit, value) in enumerate(events):
        writer.add("event", {
            "t_us": [round(t_s * 1e6)], "id": f"x#{number}", "cause": "", "source": "units",
            "kind": kind, "element": unit, "value": json.dumps(value),
        })  # fmt: skip
    writer.close()
    return Run(folder)


def test_time_without_the_unit_above(tmp_path: Path) -> None:
    run = recorded(tmp_path, [
        (100.0, "parent_unreachable", A, {"unit": B}),
        (150.0, "parent_unreachable", B, {"unit": TOP}),
        (400.0, "parent_back", A, {"unit": B, "after_ms": 300_000}),
        (1000.0, "parent_unreachable", A, {"unit": B}),
        (1001.0, "parent_back", A, {"unit": B, "after_ms": 1000}),
        (86_000.0, "parent_unreachable", A, {"unit": TOP}),
    ])  # fmt: skip
    outcome = kpis.KPIS["units_cut_off_s"].compute(run)
    assert outcome.value == pytest.approx(300 + 1 + 400 + 86_250)
    assert dict(outcome.by) == pytest.approx({"meter": 701.0, "lvgmu": 86_250.0})


def test_what_was_shed(tmp_path: Path) -> None:
    run = recorded(tmp_path, [
        (1.0, "overloaded", A, {"filled_percent": 27, "first": "metering refused"}),
        (2.0, "overload_over", A, {"metering refused": 3, "management dropped": 1}),
        (9.0, "overload_over", B, {"metering refused": 4}),
    ])  # fmt: skip
    outcome = kpis.KPIS["messages_shed"].compute(run)
    assert outcome.value == 8
    assert dict(outcome.by) == {"metering refused": 7, "management dropped": 1}


def test_nothing_of_either(tmp_path: Path) -> None:
    run = recorded(tmp_path, [(1.0, "node_up", A, None)])
    for name in ("messages_shed", "units_cut_off_s"):
        assert kpis.KPIS[name].compute(run).value is None
