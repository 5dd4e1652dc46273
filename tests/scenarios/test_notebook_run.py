"""The notebooks of the analysis run through on a run of the street, and show its figures."""

from pathlib import Path

import jupytext
import pytest

from analysis import Run
from analysis.text import number
from scenarios import load, run

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "analysis/notebooks").glob("*.py"))
SHORT = ["time.start='2016-04-20T16:00:00Z'", "time.duration_h=1", "units.history_days=1"]


@pytest.mark.slow
@pytest.mark.requirement("TB-05")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_notebook_shows_the_figures_of_the_run(script, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    made = run(load("street", SHORT), folder=tmp_path / "run", with_report=False).check()
    monkeypatch.setenv("FERNWATT_RUN", str(made.folder))
    notebook = jupytext.read(script)
    resources = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    pictures = [output for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert len(pictures) >= 5
    text = "".join(output.get("text", "") for output in outputs)
    peak = Run(made.folder).kpis["peak_import_w"]
    assert f"peak_import_w = {number(peak['value'], 'W')}" in text
    assert "set_point_changed" in text or "session_started" in text or "power_changed" in text
