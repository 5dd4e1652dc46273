"""Faults end to end: lost neutrals, drawn rates, both couplings, the grid in its own process."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from analysis import Run
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.feeding import feeding
from fernwatt.gridmodel.linetypes import is_overhead
from scenarios import load, run
from scenarios.assembly.faults import grid_faults
from scenarios.assembly.grid import grid_source

SHORT = ["units.history_days=1", "services.balancing.mode=local"]


def go(folder: Path, name: str, *changes: str) -> Path:
    scenario = load(name, [*SHORT, *changes])
    return run(scenario, folder=folder, with_report=False).check().folder


def tables(folder: Path) -> dict[str, bytes]:
    paths = [*sorted(folder.rglob("*.parquet")), folder / "kpis.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_lost_neutral_lifts_it_and_spreads_the_voltages_until_it_is_mended(
    tmp_path: Path,
) -> None:
    model = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
    fed = feeding(model)
    behind = Counter(e for t in model.terminals for e in fed.path(t.bus) if e.startswith("line/"))
    line = behind.most_common(1)[0][0]
    customers = {t.id for t in model.terminals if line in fed.path(t.bus)}
    lost = (
        f"faults=[{{at_h: 0.5, line: {line}, kind: broken-conductor, phases: [4], "
        "repaired_after_h: 0.5}]"
    )
    found = Run(go(tmp_path / "run", "street", "grid.solver=four-wire", "time.duration_h=1.5",
                   "grid.earthing.system=TT", "protection.scheme=none", lost))  # fmt: skip
    phase = found.series("phase")
    spread = phase[["v_1_v", "v_2_v", "v_3_v"]].max(axis=1) - phase[
        ["v_1_v", "v_2_v", "v_3_v"]
    ].min(axis=1)
    during = phase["t_ms"].between(1_800_000, 3_500_000)
    same, neutral = phase["terminal"].isin(customers), phase["v_neutral_v"]
    assert neutral[same & during].mean() > 10 * neutral[same & ~during].mean()
    assert spread[same & during].max() > 5 * spread[same & ~during].max()
    assert neutral[~same & during].mean() < 2 * neutral[~same & ~during].mean()
    kinds = found.events["kind"].tolist()
    assert kinds.count("fault_begins") == kinds.count("fault_repaired") == 1
    assert "supply_lost" not in kinds  # phases stay connected: the danger is the voltage


@pytest.mark.slow
def test_both_couplings_and_a_grid_on_its_own_give_the_same_tables(tmp_path: Path) -> None:
    changes = ["time.duration_h=2.25"]
    fused = tables(go(tmp_path / "fused", "storm", *changes))
    apart = ["orchestration.coupling=separate", "orchestration.processes=[grid]"]
    separate = tables(go(tmp_path / "separate", "storm", *changes, *apart))
    assert fused.keys() == separate.keys()
    assert [name for name in fused if fused[name] != separate[name]] == []
    assert "fault_evolves" in Run(tmp_path / "fused").events["kind"].tolist()


RATES = (
    "fault_rates={mv_per_km_year: 200.0, lv_per_km_year: 50.0, transient: 0.6, "
    "repaired_after_h: 1.0}"
)


def test_drawn_faults_are_those_of_their_rates() -> None:
    scenario = load("storm", ["time.duration_h=720", "faults=[]", "operations=[]", RATES])
    source, lv = grid_source(scenario)
    model = load_grid(source, lv=lv)
    found = grid_faults(scenario, model)
    low = {line.id: line.area.startswith("lv") for line in model.lines}
    years = 720 / 8760
    for is_low, rate in ((False, 200.0), (True, 50.0)):
        km = sum(line.length_m for line in model.lines if low[line.id] == is_low) / 1000
        count = sum(low[fault["element"]] == is_low for fault in found)
        expected = rate * km * years
        assert abs(count - expected) < 4 * np.sqrt(expected)
    overhead = {line.id for line in model.lines if is_overhead(line.std_type)}
    arcs = [fault["transient"] for fault in found if fault["element"] in overhead]
    assert abs(np.mean(arcs) - 0.6) < 4 * np.sqrt(0.24 / len(arcs))
    assert not any(f["transient"] for f in found if f["element"] not in overhead)
    single = [len(f["stages"][0]["phases"]) == 1 for f in found]
    assert abs(np.mean(single) - 0.7) < 4 * np.sqrt(0.21 / len(single))
    assert all(0 <= fault["t_us"] < 720 * 3_600_000_000 for fault in found)


def test_a_storm_wakes_overhead_lines_alone_and_another_line_changes_no_other() -> None:
    storm = RATES[:-1] + ", storm_m_per_s: 5.0, storm_factor: 10.0}"
    faults = {}
    for name, rates in (("calm", RATES), ("storm", storm)):
        scenario = load("storm", ["time.duration_h=240", "faults=[]", "operations=[]", rates])
        source, lv = grid_source(scenario)
        model = load_grid(source, lv=lv)
        faults[name] = grid_faults(scenario, model)
    overhead = {line.id for line in model.lines if is_overhead(line.std_type)}
    count = {
        name: [sum((f["element"] in overhead) == up for f in found) for up in (True, False)]
        for name, found in faults.items()
    }
    assert count["storm"][0] > 2 * count["calm"][0]
    below = [[f for f in found if f["element"] not in overhead] for found in faults.values()]
    assert below[0] == below[1]


def test_a_run_with_drawn_faults_ends_with_books_that_close(tmp_path: Path) -> None:
    many = RATES.replace("200.0", "3000.0").replace("50.0", "2000.0")
    folder = go(tmp_path / "run", "storm", "time.duration_h=2", "faults=[]", "operations=[]", many)
    found = Run(folder)
    assert found.events["kind"].tolist().count("fault_begins") > 10
    kpis = json.loads((folder / "kpis.json").read_text())
    assert kpis["energy_balance_gap"]["by"]["devices"] < 1e-9
    for table in ("bus", "branch", "terminal", "phase", "system"):
        numbers = found.series(table).select_dtypes("number")
        assert not np.isinf(numbers.to_numpy()).any()
