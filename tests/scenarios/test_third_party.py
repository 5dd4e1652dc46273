"""Simulators of others, connected by the scenario alone, move the voltage as ``runpp`` says."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis import Run
from fernwatt.errors import ComponentError, ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import PandapowerSolver
from scenarios import load, run
from scenarios.verify import verify

pytestmark = pytest.mark.usefixtures("no_process_left")

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SLOT_MS = 900_000
WAYS = {
    "example_sim": {
        "python": "python='example_sim.mosaik:ExampleSim'",
        "cmd": "cmd='%(python)s -m example_sim.mosaik %(addr)s'",
    },
    "csv_load": {
        "python": "python='mosaik_csv:CSV'",
        "cmd": "cmd='%(python)s -c \"import mosaik_csv; mosaik_csv.main()\" %(addr)s'",
    },
}
DRIVEN = {  # simulator, grid, terminal, and what it draws there [W, var] in each quarter-hour
    "example_sim": (
        "example", "1-MV-semiurb--0-sw", "terminal/mv2.101/load-5",
        [(1e5, 0.0), (2e5, 0.0), (3e5, 0.0), (4e5, 0.0)],
    ),
    "csv_load": (
        "table", "1-LV-rural1--0-sw", "terminal/lv1.101/load-5",
        [(1000.0, 0.0), (12_000.0, 3000.0), (25_000.0, 8000.0), (-6000.0, 0.0)],
    ),
}  # fmt: skip


SUPPORT = Path(__file__).parent / "support"
EVENTS = [(0, 1000.0), (900_000, 12_000.0), (1_350_000, 20_000.0), (1_800_000, 25_000.0)]
STRANGER = """\
fernwatt: 1
name: stranger
time: {start: "2016-04-20T10:00:00Z", duration_h: 1}
grid: {source: {simbench: 1-LV-rural1--0-sw}, solver: balanced}
units: {history_days: 0}
simulators:
  stranger:
    python: stranger:Stranger
    params: {events: EVENTS}
    entities: [{name: load, model: Load}]
    initial_events_ms: [0]
    connections:
      - {from: stranger/load.p_w, to: grid/terminal/lv1.101/load-5.p_mw, factor: 1.0e-6}
      - from: grid/terminal/lv1.101/load-5.vm_pu
        to: stranger/load.vm_pu
        time_shifted: 1
        initial: 1.0
"""
STARTED = {
    "python": "stranger:Stranger",
    "cmd": "%(python)s -m stranger %(addr)s",
}


def by_runpp(
    found: Run, code: str, terminal: str, drawn: tuple[float, float], slot: int
) -> dict[str, float]:
    """Return the voltage of every bus by runpp: devices as recorded, others as they should be."""
    grid = load_grid({"simbench": code})
    rows = {item.id: row for row, item in enumerate(grid.terminals)}
    power = np.zeros((2, len(rows), 3))
    device = found.columns("device", "t_ms", "terminal", "p_w", "q_var")
    device = device[device["t_ms"] == slot * SLOT_MS]
    for at, p_w, q_var in zip(device["terminal"], device["p_w"], device["q_var"], strict=True):
        power[:, rows[at]] += np.array([[p_w], [q_var]]) / 3
    power[:, rows[terminal]] += np.array(drawn)[:, None] / 3
    solved = PandapowerSolver(grid).solve(power[0], power[1])
    return dict(zip((bus.id for bus in grid.buses), solved.vm_pu, strict=True))


@pytest.mark.requirement("TB-02")
@pytest.mark.parametrize("way", ["python", "cmd"])
@pytest.mark.parametrize("name", ["example_sim", "csv_load"])
def test_a_simulator_of_others_moves_the_voltage_as_runpp_says(name, way, tmp_path):
    simulator, code, terminal, drawn = DRIVEN[name]
    unset = {"python": "cmd", "cmd": "python"}[way]
    changes = [f"simulators.{simulator}.{WAYS[name][way]}", f"simulators.{simulator}.{unset}=null"]
    scenario = load(EXAMPLES / f"{name}.yaml", changes)
    found = Run(run(scenario, folder=tmp_path / "run", with_report=False).check().folder)
    bus = found.columns("bus", "t_ms", "bus", "vm_pu")
    seen = []
    for slot in range(len(drawn)):
        expected = by_runpp(found, code, terminal, drawn[slot], slot)
        now = bus[bus["t_ms"] == slot * SLOT_MS]
        ours = dict(zip(now["bus"].astype(str), now["vm_pu"], strict=True))
        assert ours == pytest.approx(expected, abs=1e-6)
        seen.append(ours[_bus(code, terminal)])
    assert min(np.abs(np.diff(seen))) > 1e-5  # each value that it gives can be seen


def _bus(code: str, terminal: str) -> str:
    grid = load_grid({"simbench": code})
    return next(item.bus for item in grid.terminals if item.id == terminal)


def test_a_run_with_a_table_of_ones_own_is_verified_from_its_folder(tmp_path):
    scenario = load(EXAMPLES / "csv_load.yaml")
    folder = run(scenario, folder=tmp_path / "run", with_report=False).check().folder
    assert (folder / "inputs" / "csv_load.csv").read_bytes()
    assert verify(folder) == []
    assert Run(folder).kpis["energy_balance_gap"]["value"] < 1e-6


def test_what_cannot_be_connected_is_said_before_anything_runs(tmp_path):
    scenario = load(EXAMPLES / "csv_load.yaml")
    text = (EXAMPLES / "csv_load.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("load-5.p_mw", "laod-5.p_mw").replace("csv_load.csv", "no.csv"))
    with pytest.raises(ScenarioError, match=r"mine\.yaml:\d+: simulators\.table\.params\.datafile"):
        load(path)
    path.write_text(text.replace("load-5.p_mw", "laod-5.p_mw"))
    (tmp_path / "csv_load.csv").write_bytes(scenario.files["csv_load.csv"].read_bytes())
    with pytest.raises(ScenarioError, match=r"mine\.yaml:\d+: .*no entity terminal/lv1.101/laod-5"):
        run(load(path), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def stranger(monkeypatch, tmp_path):
    """Return a function that loads the stranger's scenario with changes."""
    monkeypatch.syspath_prepend(SUPPORT)
    paths = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("STRANGER", str(tmp_path / "heard.json"))
    path = tmp_path / "stranger.yaml"
    path.write_text(STRANGER.replace("EVENTS", json.dumps(EVENTS)))

    def made(*changes, way="python", start=None, name="stranger"):
        started = [f"simulators.{name}.python=null"] if way != "python" else []
        return load(
            path,
            [*started, f"simulators.{name}.{way}={json.dumps(start or STARTED[way])}", *changes],
        )

    return made


@pytest.mark.parametrize("coupling", ["separate", "fused"])
@pytest.mark.parametrize("way", ["python", "cmd"])
def test_an_event_based_simulator_steps_when_it_said_and_hears_the_voltage(
    way, coupling, stranger, tmp_path
):
    scenario = stranger(f"orchestration.coupling={coupling}", way=way)
    found = Run(run(scenario, folder=tmp_path / "run", with_report=False).check().folder)
    heard = dict(json.loads((tmp_path / "heard.json").read_text()))
    assert heard[0] == 1.0  # what the scenario gives it to begin with
    _, code, terminal, _ = DRIVEN["csv_load"]
    bus = _bus(code, terminal)
    for t_ms, p_w in EVENTS:
        expected = by_runpp(found, code, terminal, (p_w, 0.0), t_ms // SLOT_MS)
        assert heard[t_ms + 1] == pytest.approx(expected[bus], abs=1e-6)
    assert len({round(heard[t_ms + 1], 6) for t_ms, _ in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize(
    ("fault", "way", "said"),
    [
        ("init:raise", "python", "failed while setting up: ValueError: struck in init"),
        ("create:raise", "cmd", "failed while setting up: ValueError: struck in create"),
        ("create:exit", "cmd", "its process ended with exit code 7"),
        (
            "step:raise:1800000",
            "python",
            "at simulated time 1800.000 s: ValueError: struck in step",
        ),
        ("step:raise:1800000", "cmd", "at simulated time 1800.000 s: ValueError: struck in step"),
        ("step:exit:1800000", "python", "at simulated time 1800.000 s: RuntimeError: it called"),
        ("step:exit:1800000", "cmd", "at simulated time 1800.000 s: its process ended with exit"),
        ("get_data:raise", "python", "at simulated time 0.000 s: ValueError: struck in get_data"),
        (
            "finalize:raise",
            "python",
            "at simulated time 3600.000 s: ValueError: struck in finalize",
        ),
        ("finalize:raise", "cmd", "ended with exit code 1: ValueError: struck in finalize"),
        ("finalize:exit", "cmd", "its process ended with exit code 7"),
    ],
)
def test_a_stranger_that_fails_is_named(fault, way, said, stranger, tmp_path):
    scenario = stranger(f"simulators.stranger.params.fault='{fault}'", way=way)
    result = run(scenario, folder=tmp_path / "run", with_report=False)
    assert result.status == "failed"
    assert isinstance(result.error, ComponentError)
    assert str(result.error).startswith("simulator stranger failed ")
    assert said in str(result.error)
    found = Run(result.folder)
    assert (found.status, found.manifest["error"]) == ("failed", str(result.error))
    intervals = max(0, -(-result.error.t_ms // SLOT_MS) - ("finalize" not in fault))
    assert len(found.series("terminal")) == 13 * intervals  # whatever the grid had done by then
    assert said.split(": ")[-1] in (result.folder / "run.log").read_text()


@pytest.mark.parametrize(
    ("way", "start", "said"),
    [
        ("python", "stranger:Strange", "class `Strange` not found in module `stranger`"),
        ("python", "no_such_module:It", "could not import module `no_such_module`"),
        ("cmd", "no-such-command %(addr)s", "cannot start 'no-such-command %(addr)s'"),
        ("cmd", "%(python)s -m no_such_module %(addr)s", "No module named no_such_module"),
        ("connect", "127.0.0.1:1", "nobody answers at 127.0.0.1:1"),
    ],
)
def test_a_stranger_that_does_not_start_is_named(way, start, said, stranger, tmp_path):
    result = run(stranger(way=way, start=start), folder=tmp_path / "run", with_report=False)
    assert str(result.error).startswith("simulator stranger failed while setting up: ")
    assert said in str(result.error)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("load-5.p_mw", "load-5.p_w", "takes no p_w (did you mean p_mw?)"),
        ("load-5.vm_pu", "load-5.vm_p", "gives no vm_p (did you mean vm_pu?)"),
        ("grid/terminal/lv1.101/load-5.p_mw", "grid/grid.power", "grid takes no power"),
        ("        initial: 1.0\n", "", "with time_shifted it needs a value for the start"),
    ],
)
def test_what_the_grid_has_not_is_a_fault_with_its_line(old, new, said, tmp_path):
    assert old in STRANGER
    path = tmp_path / "mine.yaml"
    path.write_text(STRANGER.replace("EVENTS", json.dumps(EVENTS)).replace(old, new))
    with pytest.raises(ScenarioError, match=r"mine\.yaml:1[3-6]: simulators\.stranger") as caught:
        run(load(path), folder=tmp_path / "run")
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_one_that_runs_already_is_connected_to(stranger, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [sys.executable, "-m", "stranger", "--remote", address]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        assert b"awaits connection" in process.stderr.readline()
        scenario = stranger(way="connect", start=address)
        run(scenario, folder=tmp_path / "run", with_report=False).check()
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert len(json.loads((tmp_path / "heard.json").read_text())) > len(EVENTS)
