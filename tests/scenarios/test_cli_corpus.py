"""Bad scenarios given to the commands that read them: exit code 2, and nothing is written."""

import json
import shutil
from pathlib import Path

import pytest

from scenarios.cli import main

CORPUS = Path(__file__).parent / "corpus"


def one_of_each_class() -> list[str]:
    found: dict[str, str] = {}
    for path in sorted(CORPUS.glob("*.yaml")):
        first = path.read_text("utf-8", errors="replace").splitlines()[0]
        found.setdefault(first.removeprefix("# class: "), path.name)
    assert len(found) >= 16
    return sorted(found.values())


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "scenarios"
    shutil.copytree(CORPUS, folder)
    (tmp_path / "outside.json").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", one_of_each_class())
def test_no_command_runs_or_writes_anything(name, here, capsys):
    before = sorted(path.relative_to(here.parent) for path in here.parent.rglob("*"))
    assert main(["run", name, "--runs", "runs"]) == 2
    ran = capsys.readouterr()
    assert ran.out == ""
    assert main(["validate", name, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert not told["valid"]
    for fault in told["faults"]:
        assert fault["message"] in ran.err
    assert sorted(path.relative_to(here.parent) for path in here.parent.rglob("*")) == before


def test_no_study_of_a_bad_scenario_is_begun(here, capsys):
    study = here.parent / "study.yaml"
    study.write_text(
        "fernwatt-study: 1\nname: s\nscenario: scenarios/wrong_enum.yaml\nseeds: [1]\n"
    )
    before = sorted(here.parent.rglob("*"))
    assert main(["study", str(study), "--runs", "runs"]) == 2
    assert "wrong_enum.yaml" in capsys.readouterr().err
    assert sorted(here.parent.rglob("*")) == before
