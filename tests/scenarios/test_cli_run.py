"""A run and all that is done with its folder, by the commands a person types."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import Run

pytestmark = pytest.mark.slow
SHORT = ["--set", "time.duration_h=0.5", "--set", "units.history_days=1"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "scenarios.cli", *words]


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def outcome(home):
    done = call(home, "run", "street", *SHORT, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_run_tells_folder_status_and_kpis(home, outcome):
    assert outcome["status"] == "complete"
    assert outcome["error"] is None
    folder = home / outcome["folder"]
    assert outcome["kpis"] == json.loads((folder / "kpis.json").read_text())
    assert (folder / "report.html").is_file()


def test_report_compare_and_explain_read_the_folder(home, outcome):
    run = outcome["folder"]
    (home / run / "report.html").unlink()
    assert call(home, "report", run).stdout.strip() == f"{run}/report.html"
    assert (home / run / "report.html").is_file()
    assert json.loads(call(home, "report", run, "--format", "json").stdout) == outcome["kpis"]
    both = json.loads(call(home, "compare", run, run, "--json").stdout)
    peak = both["kpis"]["peak_import_w"]
    assert peak["values"] == [outcome["kpis"]["peak_import_w"]["value"]] * 2
    assert peak["changes"] == [0, 0]
    trail = call(home, "explain", run, "peak_import_w")
    assert trail.returncode == 0, trail.stderr
    assert "peak_import_w" in trail.stdout
    assert call(home, "compare", run).returncode == 2
    assert call(home, "explain", run, "no-such-thing").returncode == 2


def test_check_passes_drifts_and_is_rewritten_for_a_reason(home, outcome):
    run = outcome["folder"]
    first = call(home, "check", run, "--baseline", "b.json", "--update")
    assert first.returncode == 2
    assert "--reason" in first.stderr
    assert (
        call(home, "check", run, "--baseline", "b.json", "--update", "--reason", "new").returncode
        == 0
    )
    held = call(home, "check", run, "--baseline", "b.json", "--junit", "k.xml")
    assert held.returncode == 0, held.stdout
    assert 'failures="0"' in (home / "k.xml").read_text()
    baseline = json.loads((home / "b.json").read_text())
    baseline["kpis"]["losses_wh"]["value"] *= 1.5
    (home / "b.json").write_text(json.dumps(baseline))
    drifted = call(home, "check", run, "--baseline", "b.json", "--json")
    assert drifted.returncode == 4
    told = {row["name"] for row in json.loads(drifted.stdout)["kpis"] if row["failed"]}
    assert told == {"losses_wh"}


def test_ctrl_c_ends_in_order_and_leaves_a_readable_folder(home):
    """The run is stopped in its middle, as the terminal does it: a signal to the process group."""
    with subprocess.Popen(
        command("run", "street", "--runs", "stopped", "--set", "units.history_days=1"),
        cwd=home, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr
        said = b""
        while b"   0%" not in said:
            assert select.select([process.stderr], [], [], 120)[0], said
            said += os.read(process.stderr.fileno(), 65536)
            assert process.poll() is None, said
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 130
        said += process.stderr.read()
    assert b"Traceback" not in said
    (folder,) = (home / "stopped").iterdir()
    run = Run(folder)
    assert run.status == "interrupted"
    assert len(run.series("message")) >= 0
