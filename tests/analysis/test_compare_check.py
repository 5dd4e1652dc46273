"""Runs held against each other, and against a baseline."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

from analysis import check, compare, update
from fernwatt.errors import KpiRegression, RunFolderError, UsageError

Write = Callable[..., Path]


def test_two_runs_stand_side_by_side(folder: Path, other: Path) -> None:
    comparison = compare([folder, other])
    plain = json.loads(comparison.json())
    assert plain["runs"] == ["sample-1", "sample-2"]
    peak = plain["kpis"]["peak_import_w"]
    assert peak["changes"][1] == pytest.approx(peak["values"][1] - peak["values"][0])
    line = next(row for row in comparison.text().splitlines() if row.startswith("peak_import_w"))
    assert re.search(r"\+0\.\d+ % worse", line)
    assert comparison.markdown().startswith("| KPI | sample-1 | sample-2 | change |")
    assert "<th>sample-2</th>" in comparison.html()


def test_a_comparison_needs_two(folder: Path) -> None:
    with pytest.raises(UsageError, match="at least two"):
        compare([folder])


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_run_holds_its_own_baseline(tmp_path: Path, folder: Path, suffix: str) -> None:
    baseline = update(folder, tmp_path / f"b{suffix}", "first figures")
    result = check(folder, baseline).require()
    assert {row.verdict for row in result.rows} == {"same"}
    assert "within tolerance" in result.text()
    assert "✅" in result.markdown()


def test_a_drift_fails_with_a_table_of_what_moved(
    tmp_path: Path, folder: Path, other: Path
) -> None:
    baseline = update(folder, tmp_path / "b.json", "first figures")
    result = check(other, baseline)
    with pytest.raises(KpiRegression, match=r"(?s)peak_import_w .*worse \(fails\)") as caught:
        result.require()
    assert caught.value.exit_code == 4
    suite = ET.fromstring(result.junit())
    assert suite.get("failures") == str(len(result.failed)) == str(len(suite.findall(".//failure")))
    assert suite.get("tests") == str(len(result.rows))
    assert "❌" in result.markdown()
    assert not result.plain()["passed"]


def test_tolerances_and_directions_are_kept_to_and_kept(
    tmp_path: Path, folder: Path, other: Path
) -> None:
    baseline = tmp_path / "b.json"
    wanted = {
        "peak_import_w": {"value": 1.0, "relative": 1e9, "reason": "wide"},
        "losses_wh": {"value": 1e9, "fails_on": "worse"},
        "load_factor": {"value": 1e9, "fails_on": "worse"},
        "messages[metering]": {"value": 108, "absolute": 0},
        "messages[balancing]": {"value": 110, "absolute": 1},
        "no_such_kpi": {"value": 3.0},
        "voltage_violations": {"value": None},
    }
    baseline.write_text(json.dumps({"kpis": wanted}))
    rows = {row.name: row for row in check(folder, baseline).rows}
    verdicts = {name: (rows[name].verdict, rows[name].failed) for name in wanted}
    assert verdicts == {
        "peak_import_w": ("same", False),
        "losses_wh": ("better", False),
        "load_factor": ("worse", True),
        "messages[metering]": ("same", False),
        "messages[balancing]": ("changed", True),
        "no_such_kpi": ("missing", True),
        "voltage_violations": ("new", True),
    }
    assert (rows["imported_wh"].verdict, rows["imported_wh"].failed) == ("new", False)
    update(other, baseline, "another seed")
    kept = json.loads(baseline.read_text())
    assert kept["reason"] == "another seed"
    assert kept["kpis"]["peak_import_w"]["relative"] == 1e9
    assert kept["kpis"]["losses_wh"]["fails_on"] == "worse"
    assert "messages[metering]" in kept["kpis"]
    assert "no_such_kpi" not in kept["kpis"]
    check(other, baseline).require()


def test_a_baseline_in_yaml_is_plain_to_read(tmp_path: Path, folder: Path) -> None:
    path = update(folder, tmp_path / "b.yaml", "first figures")
    document = YAML(typ="safe").load(path.read_text())
    assert document["kpis"]["messages"]["value"] == 216


def test_what_is_no_baseline_is_refused(tmp_path: Path, folder: Path, write_run: Write) -> None:
    with pytest.raises(UsageError, match="there is no baseline"):
        check(folder, tmp_path / "nowhere.json")
    with pytest.raises(UsageError, match="say why"):
        update(folder, tmp_path / "b.json", " ")
    (tmp_path / "b.json").write_text('{"kpis": {"messages": {"value": 1, "tolerance": 3}}}')
    with pytest.raises(UsageError, match=r"kpis\.messages: tolerance"):
        check(folder, tmp_path / "b.json")
    cut = write_run(tmp_path / "cut", status="running", close=False)
    with pytest.raises(RunFolderError, match="only a complete run"):
        check(cut, tmp_path / "b.json")
