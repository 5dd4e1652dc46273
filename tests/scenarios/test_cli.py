"""The command line: exit codes and streams, in this process and in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scenarios.cli import app, main

_COMMANDS = [
    "new", "validate", "run", "report", "compare", "check",
    "verify", "explain", "study", "list", "schema", "doctor",
]  # fmt: skip


@pytest.mark.parametrize("command", _COMMANDS)
def test_help_has_examples(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"fernwatt {command}" in result.output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["list"], 0),
        (["validate", "street"], 0),
        (["validate", "strete"], 2),
        (["run", "street", "--set", "devices.ev.shar=1"], 2),
        (["explain", "no-such-run", "peak"], 2),
        (["study", "no-such-study.yaml"], 2),
        (["no-such-command"], 2),
    ],
)
def test_exit_codes(
    words: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    assert list(tmp_path.iterdir()) == []


def test_new_writes_a_valid_scenario_and_refuses_to_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    (file,) = tmp_path.glob("mine*")
    text = file.read_text("utf-8")
    assert main(["validate", file.name]) == 0
    assert main(["new", "mine"]) == 2
    assert file.read_text("utf-8") == text


def test_results_and_errors_go_to_different_streams(tmp_path: Path) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scenarios.cli", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    schema = call("schema")
    assert schema.returncode == 0
    assert "properties" in json.loads(schema.stdout)
    wrong = call("validate", "no-such")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Traceback" not in wrong.stderr
    assert "Traceback" in call("--debug", "validate", "no-such").stderr
