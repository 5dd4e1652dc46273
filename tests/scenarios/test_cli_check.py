"""A run held against its baseline by the command, and the baseline taken anew."""

import json
from pathlib import Path

import pytest

import scenarios.loader
from scenarios import load, run
from scenarios.cli import main

SMALL = [
    "time.duration_h=0.5", "units.history_days=0", "services.balancing.mode=local",
    "grid.source.simbench=1-LV-rural1--0-sw",
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return two runs of half an hour, of one seed and another."""
    home = tmp_path_factory.mktemp("runs")
    made = (run(load("street", [*SMALL, f"seed={n}"]), folder=home / str(n)) for n in (1, 2))
    return [str(result.check().folder) for result in made]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Return where the packaged scenarios are, with room for baselines of our own."""
    monkeypatch.setattr(
        scenarios.loader, "library", lambda: {"street": tmp_path / "lib" / "street.yaml"}
    )
    return tmp_path / "lib"


@pytest.mark.requirement("TB-04")
def test_a_baseline_is_made_held_left_and_made_anew(runs, library, capsys):
    first, second = runs
    assert main(["check", first]) == 2
    assert "make one with --update and a reason" in capsys.readouterr().err
    assert main(["check", first, "--update", "--reason", "first figures"]) == 0
    path = library / "baselines" / "street.json"
    assert capsys.readouterr().out == f"new: {path}\n"

    assert main(["check", first]) == 0
    assert "KPIs are within tolerance" in capsys.readouterr().out

    kept = path.read_bytes()
    assert main(["check", second]) == 4
    told = capsys.readouterr()
    assert "KPIs drifted" in told.out
    assert "other values of it" in told.out
    assert "(fails)" in next(line for line in told.out.splitlines() if "demand_wh" in line)
    assert "rewrite the baseline with --update" in told.err
    assert path.read_bytes() == kept

    assert main(["check", second, "--update"]) == 2
    assert path.read_bytes() == kept
    assert main(["check", second, "--update", "--reason", "another seed"]) == 0
    told = capsys.readouterr().out
    old, new = (
        json.loads((Path(folder) / "kpis.json").read_text())["demand_wh"]["value"]
        for folder in runs
    )
    row = next(line for line in told.splitlines() if "demand_wh" in line)
    assert f"{new - old:+.4g}" in row
    assert told.rstrip().endswith(str(path))
    assert json.loads(path.read_text())["reason"] == "another seed"
    assert main(["check", second]) == 0


def test_a_run_of_a_scenario_of_ones_own_needs_a_name_for_its_baseline(
    runs, library, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(scenarios.loader, "library", dict)
    assert main(["check", runs[0]]) == 2
    assert "name its baseline with --baseline" in capsys.readouterr().err
    assert not library.exists()
    target = str(tmp_path / "mine.yaml")
    assert main(["check", runs[0], "--baseline", target, "--update", "--reason", "why"]) == 0
    assert main(["check", runs[0], "--baseline", target, "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["passed"] is True
