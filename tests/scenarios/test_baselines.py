"""The reference scenarios keep their KPIs: as CI holds them, on every version of Python."""

import json
import shutil
from pathlib import Path

import pytest

import analysis
from fernwatt.errors import KpiRegression
from scenarios import load, run
from scenarios.loader import library

BASELINES = Path(analysis.__file__).parents[1] / "scenarios" / "baselines"


@pytest.mark.requirement("TB-04")
@pytest.mark.parametrize(
    "name",
    ["street", *(pytest.param(name, marks=pytest.mark.slow) for name in ("district", "lights"))],
)
def test_a_reference_scenario_holds_its_baseline(name, tmp_path):
    folder = run(load(name), folder=tmp_path / "run", with_report=False).check().folder
    outcome = analysis.check(folder, BASELINES / f"{name}.json")
    assert outcome.failed == (), outcome.text(every=False)
    assert len(outcome.rows) > 50
    drifted = Path(shutil.copy(BASELINES / f"{name}.json", tmp_path / "drifted.json"))
    baseline = json.loads(drifted.read_text())
    baseline["kpis"]["peak_import_w"]["value"] *= 0.999
    drifted.write_text(json.dumps(baseline))
    with pytest.raises(KpiRegression, match="peak_import_w"):
        analysis.check(folder, drifted).require()


def test_every_scenario_of_the_library_has_a_baseline():
    assert {path.stem for path in BASELINES.glob("*.json")} == set(library())
