"""Real runs as points of a study: two values by two seeds, one that fails, none run twice."""

from pathlib import Path

import pandas as pd
import pytest

from analysis import Run
from analysis.text import number
from scenarios.cli import main

SCENARIO = """
fernwatt: 1
name: close
extends: street
time: {duration_h: 0.5}
grid: {source: {simbench: 1-LV-rural1--0-sw}}
units: {history_days: 0}
services: {balancing: {mode: local}}
devices: {pv: {share: 0}, battery: {share: 0}, ev: {share: 1.0, sessions: {file: cars.csv}}}
"""
STUDY = """
fernwatt-study: 1
name: cars
scenario: close.yaml
parameters: {devices.ev.p_max_w: [11000.0, 400000.0]}
seeds: [1, 2]
kpis: [peak_import_w, voltage_min_pu]
"""
CAR = "ev/lv1.101/load-{},2016-04-20T10:05:00Z,2016-04-20T18:00:00Z,60000"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a folder with a study of cars that all come home at once."""
    (tmp_path / "close.yaml").write_text(SCENARIO)
    (tmp_path / "study.yaml").write_text(STUDY)
    cars = [CAR.format(number) for number in range(1, 14)]
    (tmp_path / "cars.csv").write_text("\n".join(["device,arrival,departure,energy_wh", *cars]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(home: Path) -> dict[str, int]:
    """Return when the manifest of each point was written."""
    return {
        path.parent.name: path.stat().st_mtime_ns for path in home.glob("runs/cars/*/manifest.json")
    }


@pytest.mark.slow
@pytest.mark.requirement("TB-06")
def test_a_point_that_fails_keeps_its_error_and_the_others_are_not_run_again(home, capsys):
    assert main(["study", "study.yaml", "--workers", "1"]) == 3
    told = capsys.readouterr()
    assert "2 of 4 points failed" in told.err
    table = pd.read_parquet(home / "runs/cars/summary.parquet")
    good = table[table["devices.ev.p_max_w"] == 11_000.0]
    bad = table[table["devices.ev.p_max_w"] == 400_000.0]
    assert good["status"].tolist() == ["complete"] * 2
    assert good["error"].isna().all()
    for name, value in zip(good["run"], good["peak_import_w"], strict=True):
        found = Run(home / "runs/cars" / name)
        assert found.kpis["peak_import_w"]["value"] == value
        assert value > 50_000.0
    assert bad["status"].tolist() == ["failed"] * 2
    assert bad["error"].str.contains("power flow").all()
    assert bad["peak_import_w"].isna().all()
    for name, error in zip(bad["run"], bad["error"], strict=True):
        found = Run(home / "runs/cars" / name)
        assert (found.status, found.manifest["error"]) == ("failed", error)
    page = (home / "runs/cars/report.html").read_text()
    assert "2 of 4; their errors" in page
    assert page.count("the power flow has no solution") == 2
    assert f"{number(good['peak_import_w'].mean(), 'W')} ±" in page
    before, summary = made(home), (home / "runs/cars/summary.csv").read_bytes()
    assert main(["study", "study.yaml", "--workers", "1"]) == 3
    again = made(home)
    assert {name for name in before if again[name] == before[name]} == set(good["run"])
    assert (home / "runs/cars/summary.csv").read_bytes() == summary
    assert [path.name for path in (home / "runs").iterdir()] == ["cars"]
