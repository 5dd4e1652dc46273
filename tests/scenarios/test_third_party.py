"""Simulators of others, connected by the scenario alone, move the voltage as ``runpp`` says."""

from pathlib import Path

import numpy as np
import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import PandapowerSolver
from scenarios import load, run
from scenarios.verify import verify

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


def by_runpp(found: Run, name: str, slot: int) -> dict[str, float]:
    """Return the voltage of every bus by runpp: devices as recorded, others as they should be."""
    _, code, terminal, drawn = DRIVEN[name]
    grid = load_grid({"simbench": code})
    rows = {item.id: row for row, item in enumerate(grid.terminals)}
    power = np.zeros((2, len(rows), 3))
    device = found.columns("device", "t_ms", "terminal", "p_w", "q_var")
    device = device[device["t_ms"] == slot * SLOT_MS]
    for at, p_w, q_var in zip(device["terminal"], device["p_w"], device["q_var"], strict=True):
        power[:, rows[at]] += np.array([[p_w], [q_var]]) / 3
    power[:, rows[terminal]] += np.array(drawn[slot])[:, None] / 3
    solved = PandapowerSolver(grid).solve(power[0], power[1])
    return dict(zip((bus.id for bus in grid.buses), solved.vm_pu, strict=True))


@pytest.mark.requirement("TB-02")
@pytest.mark.parametrize("way", ["python", "cmd"])
@pytest.mark.parametrize("name", ["example_sim", "csv_load"])
def test_a_simulator_of_others_moves_the_voltage_as_runpp_says(name, way, tmp_path):
    simulator, _, terminal, drawn = DRIVEN[name]
    unset = {"python": "cmd", "cmd": "python"}[way]
    changes = [f"simulators.{simulator}.{WAYS[name][way]}", f"simulators.{simulator}.{unset}=null"]
    scenario = load(EXAMPLES / f"{name}.yaml", changes)
    found = Run(run(scenario, folder=tmp_path / "run", with_report=False).check().folder)
    bus = found.columns("bus", "t_ms", "bus", "vm_pu")
    seen = []
    for slot in range(len(drawn)):
        expected = by_runpp(found, name, slot)
        now = bus[bus["t_ms"] == slot * SLOT_MS]
        ours = dict(zip(now["bus"].astype(str), now["vm_pu"], strict=True))
        assert ours == pytest.approx(expected, abs=1e-6)
        seen.append(ours[_bus(name, terminal)])
    assert min(np.abs(np.diff(seen))) > 1e-5  # each value that it gives can be seen


def _bus(name: str, terminal: str) -> str:
    grid = load_grid({"simbench": DRIVEN[name][1]})
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
