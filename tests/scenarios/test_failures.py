"""Whatever dies in a run: it is named with the simulated time, and what was recorded stays."""

import os
import resource
import select
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from analysis import Run
from fernwatt.errors import UsageError
from fernwatt.tables import TABLES
from scenarios import load, run, world
from scenarios.runner import RunResult

pytestmark = pytest.mark.usefixtures("no_process_left")

SUPPORT = Path(__file__).parent / "support"
SMALL = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "time.duration_h=1", "units.history_days=1",
    "devices.ev.share=0.5",
]  # fmt: skip
ROOTED = {"PYTHONPATH": str(Path(__file__).parents[2])}
AT_MS = 1_800_000
OURS = ["grid", "devices", "field", "network", "units"]
METHODS = ["step", "get_data", "finalize"]


@pytest.fixture
def strike(monkeypatch):
    """Return a function that breaks a method of a simulator from a simulated time on."""
    monkeypatch.syspath_prepend(SUPPORT)
    paths = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    import broken_simulator  # noqa: F401 - takes the sound names before they are changed

    def broken(name: str, method: str) -> None:
        before = filter(None, [os.environ.get("BROKEN")])
        monkeypatch.setenv("BROKEN", ",".join([*before, f"{name}:{method}:{AT_MS}"]))
        monkeypatch.setitem(world.SIMULATORS, name, f"broken_simulator:{name}")

    return broken


def go(tmp_path: Path, *changes: str, **more: object) -> RunResult:
    """Run the small street."""
    scenario = load("street", [*SMALL, "orchestration.coupling=separate", *changes])
    return run(scenario, folder=tmp_path / "run", with_report=False, **more)


def hold_told(result: RunResult, name: str, reason: str, *, from_ms: int = AT_MS) -> None:
    """Hold a failed run to what it has to tell, and its folder to be readable."""
    assert result.status == "failed"
    error = result.error
    assert error.exit_code == 3
    assert error.component == name
    assert error.t_ms >= from_ms
    text = str(error)
    assert text.startswith(f"simulator {name} failed at simulated time ")
    assert reason in text
    found = Run(result.folder)
    assert (found.status, found.manifest["error"]) == ("failed", text)
    tables = sorted(result.folder.rglob("*.parquet"))
    assert tables
    for table in tables:
        assert pq.read_table(table).num_rows >= 0
    assert len(found.series("terminal")) > 0
    assert (result.folder / "run.log").is_file()
    assert (result.folder / "performance.json").is_file()


@pytest.mark.requirement("TB-09")
@pytest.mark.parametrize(
    ("name", "method"),
    [*product(OURS, METHODS), ("recorder", "step"), ("recorder", "finalize")],  # it has no outputs
)
def test_an_exception_in_this_process_is_told(name, method, strike, tmp_path):
    strike(name, method)
    hold_told(go(tmp_path), name, f"RuntimeError: struck in {method}")


@pytest.mark.parametrize("method", METHODS)
def test_an_exception_of_the_fused_pair_is_told(method, strike, tmp_path):
    strike("cyber", method)
    result = go(tmp_path, "orchestration.coupling=fused")
    hold_told(result, "cyber", f"RuntimeError: struck in {method}")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", OURS)
def test_an_exception_in_a_process_of_its_own_is_told(name, method, strike, tmp_path):
    strike(name, method)
    result = go(tmp_path, f"orchestration.processes=[{name}]")
    hold_told(result, name, f"RuntimeError: struck in {method}")


def test_an_exception_in_another_process_is_told(strike, tmp_path):
    strike("devices", "step")
    result = go(tmp_path, "orchestration.processes=[devices]")
    hold_told(result, "devices", "RuntimeError: struck in step")


@pytest.mark.parametrize("name", ["grid", pytest.param("network", marks=pytest.mark.slow)])
def test_a_simulator_that_is_killed_is_named(name, tmp_path):
    killed = []

    def kill(stage: str, share: float) -> None:
        if stage == "running" and share > 0.3 and not killed:
            children = psutil.Process().children()
            (child,) = (c for c in children if f"simulators.{name}" in c.cmdline())
            child.send_signal(signal.SIGKILL)
            killed.append(share)

    result = go(tmp_path, f"orchestration.processes=[{name}]", "time.duration_h=6", progress=kill)
    assert killed
    hold_told(result, name, "its process ended with signal SIGKILL", from_ms=0)


def test_the_command_exits_with_3_and_says_where_the_rest_is(strike, tmp_path):
    strike("field", "step")
    code = (
        "import broken_simulator\n"
        "from scenarios import cli, world\n"
        "world.SIMULATORS['field'] = 'broken_simulator:field'\n"
        "raise SystemExit(cli.main())\n"
    )
    changes = [word for change in SMALL for word in ("--set", change)]
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "street", *changes],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "simulator field failed at simulated time 1800.000 s: RuntimeError" in done.stderr
    assert "what was recorded until then is in runs/street-1-" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["[]", "[devices]"])
def test_the_first_error_is_told_not_what_follows(where, strike, tmp_path):
    strike("devices", "step")
    strike("devices", "finalize")
    strike("field", "finalize")
    result = go(tmp_path, f"orchestration.processes={where}")
    hold_told(result, "devices", "RuntimeError: struck in step")


@pytest.mark.parametrize("stage", ["closing", "KPIs"])
def test_ctrl_c_at_the_end_leaves_no_run_that_seems_to_go_on(stage, tmp_path):
    def press(now: str, _share: float) -> None:
        if now == stage:
            raise KeyboardInterrupt

    result = go(tmp_path, progress=press)
    assert result.status == Run(result.folder).manifest["status"] == "interrupted"
    assert len(Run(result.folder).series("terminal")) == 4 * 13
    assert isinstance(result.error, KeyboardInterrupt)


def begun(tmp_path: Path) -> subprocess.Popen[bytes]:
    """Return a ``fernwatt run`` in the middle of its run, with two simulators of their own."""
    changes = [*SMALL, "time.duration_h=24", "orchestration.processes=[grid, field]"]
    words = [word for change in changes for word in ("--set", change)]
    process = subprocess.Popen(
        [sys.executable, "-m", "scenarios.cli", "run", "street", *words],
        cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True, env=os.environ | ROOTED,
    )  # fmt: skip
    said = b""
    while said.count(b" UTC") < 2:
        assert select.select([process.stderr], [], [], 120)[0], said
        said += os.read(process.stderr.fileno(), 65536)
        assert process.poll() is None, said
    return process


def hold_ended(children: list[psutil.Process]) -> None:
    """Hold processes to have ended, or to do so at once."""
    assert len(children) == 2
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, gone


@pytest.mark.slow
@pytest.mark.requirement("TB-09")
def test_ctrl_c_ends_all_processes_in_order(tmp_path):
    with begun(tmp_path) as process:
        children = psutil.Process(process.pid).children()
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 130, said
    hold_ended(children)
    assert b"Traceback" not in said
    (folder,) = (tmp_path / "runs").iterdir()
    found = Run(folder)
    assert found.status == found.manifest["status"] == "interrupted"
    assert len(found.series("terminal")) > 13
    assert (folder / "performance.json").is_file()
    assert "KeyboardInterrupt" in (folder / "run.log").read_text()


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_process_and_is_readable(tmp_path):
    with begun(tmp_path) as process:
        children = psutil.Process(process.pid).children()
        process.kill()
        process.communicate(timeout=60)
    hold_ended(children)
    (folder,) = (tmp_path / "runs").iterdir()
    assert Run(folder).status == "interrupted"  # the manifest could not be written any more
    assert Run(folder).manifest["status"] == "running"


@pytest.mark.parametrize("limit", [1024, 8192])  # below and above the size of the manifest
def test_a_disk_that_fills_up_is_told(limit, tmp_path):
    sound = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(stage: str, _share: float) -> None:
        if stage == "closing":
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, sound[1]))

    try:
        result = go(tmp_path, progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, sound)
    assert result.status == "failed"
    assert result.error.component == "recorder"
    assert "File too large; make room or choose another folder" in str(result.error)
    found = Run(result.folder)
    assert found.status == ("failed" if limit > 4096 else "interrupted")
    rows = {name: len(found.series(name)) for name in TABLES}  # all of them can be read
    assert (rows["terminal"] > 0) == (limit > 4096)


def test_a_folder_that_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / "taken").write_text("no folder")
    with pytest.raises(UsageError, match=r"cannot write the run folder .*taken"):
        run(load("street", SMALL), folder=tmp_path / "taken" / "run")
