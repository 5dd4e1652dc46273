"""Notebooks run through on a run folder, and their two forms say the same."""

from __future__ import annotations

import os
from pathlib import Path

import jupytext
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "analysis/notebooks"
SCRIPTS = sorted(NOTEBOOKS.glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_both_forms_have_the_same_cells(script: Path) -> None:
    paired = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    cells = [(cell.cell_type, cell.source) for cell in paired.cells]
    assert cells == [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    assert not any(cell.get("outputs") for cell in paired.cells)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_notebook_runs_through(
    script: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("FERNWATT_RUN", os.environ.get("FERNWATT_RUN", str(folder)))
    notebook = jupytext.read(script)
    root = str(Path(__file__).parents[2])
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": root}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert len(shown) >= 5
    assert not [output for output in outputs if output.output_type == "error"]
