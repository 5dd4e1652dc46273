"""``separate`` and ``fused`` give the same bytes, on lines that lose, collide and repeat."""

import json
from pathlib import Path

import pytest

from analysis import Run
from scenarios import load, run

RURAL = "simbench: 1-LV-rural1--0-sw"
SMALL = [
    f"grid.lv=[{{{RURAL}, at: MV2.101 Load 8}}, {{{RURAL}, at: MV2.101 Load 28}}]",
    "network.areas={lv1.101-2: {lv_fan: gprs, wan: umts}}",
]
LOSSY = ["units.history_days=1", "network.loss=0.02", "devices.ev.share=0.8"]


def go(folder: Path, coupling: str, hours: float, *more: str) -> Path:
    """Run the district; return its folder."""
    changes = [*LOSSY, f"time.duration_h={hours}", f"orchestration.coupling={coupling}", *more]
    scenario = load("district", changes)
    return run(scenario, folder=folder / coupling, with_report=False).check().folder


def hold_equal(tmp_path: Path, hours: float, *more: str) -> None:
    """Run both ways; hold all tables and KPIs to each other, and the trouble to be there."""
    separate, fused = (go(tmp_path, way, hours, *more) for way in ("separate", "fused"))
    tables = sorted(path.relative_to(separate) for path in separate.rglob("*.parquet"))
    assert tables == sorted(path.relative_to(fused) for path in fused.rglob("*.parquet"))
    differ = [t for t in tables if (separate / t).read_bytes() != (fused / t).read_bytes()]
    assert differ == []
    kpis = [json.loads((folder / "kpis.json").read_text()) for folder in (separate, fused)]
    assert kpis[0] == kpis[1]
    messages = Run(fused).messages
    assert (messages["fate"] == "lost").mean() > 0.01
    for part in ("queue_us", "access_us", "air_us", "retry_us", "core_us", "tick_us"):
        assert messages[part].sum() > 0, part
    assert (messages["attempts"] > messages["hops"]).any()
    assert Run(fused).series("medium")["collisions"].sum() > 0


def test_a_lossy_half_hour_of_two_small_areas(tmp_path):
    hold_equal(tmp_path, 0.5, *SMALL)


@pytest.mark.slow
def test_three_lossy_hours_of_the_district(tmp_path):
    hold_equal(tmp_path, 3)
