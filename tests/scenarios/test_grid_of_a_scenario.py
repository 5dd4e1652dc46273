"""The grid of a scenario: its solver, its files, and what it does without a solution."""

from __future__ import annotations

import json
import re

import pandapower.networks
import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble
from scenarios.validate import validate
from scenarios.verify import verify

RURAL = "grid.source={simbench: 1-LV-rural1--0-sw}"
SMALL = [RURAL, "time.duration_h=1", "units.history_days=1"]
STORM = "devices.wind=[{at: terminal/lv1.101/load-5, p_rated_w: 1.0e+8, mean_m_s: 12}]"
HEAD = "fernwatt: 1\nname: own\ntime: {duration_h: 1}\nunits: {history_days: 0}\n"


def solver(*changes: str) -> str:
    return assemble(load("street", ["units.history_days=0", *changes])).params["grid"]["solver"]


def test_four_wires_are_the_default_where_customers_have_low_voltage():
    assert solver(RURAL, "grid.solver=auto") == "four-wire"
    attached = "grid.lv=[{simbench: 1-LV-rural1--0-sw, at: MV2.101 Load 8}]"
    medium = "grid.source={simbench: 1-MV-semiurb--0-sw}"
    assert solver(medium, attached, "grid.solver=auto") == "four-wire"
    assert solver(medium, "grid.solver=auto", "network={}") == "balanced"
    assert solver(RURAL, "grid.solver=pandapower") == "pandapower"


def test_what_four_wires_cannot_represent_is_a_fault_before_anything_runs(tmp_path):
    def change(net):
        net.line["g_us_per_km"] = [0.0] * 5 + [3.0] * (len(net.line) - 5)

    text = own(tmp_path, change).read_text()
    (tmp_path / "own.yaml").write_text(text.replace(", solver: balanced", ""))
    with pytest.raises(ScenarioError, match=r"lines have a conductance.*grid.solver: balanced"):
        validate(tmp_path / "own.yaml")
    (tmp_path / "own.yaml").write_text(text)
    validate(tmp_path / "own.yaml")


def test_the_default_is_what_its_name_gives(tmp_path):
    text = "grid: {source: {simbench: 1-LV-rural1--0-sw}}\ndevices: {}\n"
    (tmp_path / "own.yaml").write_text(HEAD + text)
    plan = assemble(load(tmp_path / "own.yaml"))
    assert plan.params["grid"]["solver"] == "four-wire"
    assert set(plan.params["grid"]["phases"].values()) <= {1, 2, 3}


# -- without a solution ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["balanced", "four-wire"])
def test_a_run_without_a_solution_ends_with_time_place_and_change(name, tmp_path):
    result = run(load("street", [*SMALL, STORM, f"grid.solver={name}"]), folder=tmp_path / "run",
                 with_report=False)  # fmt: skip
    assert result.status == "failed"
    assert result.error.exit_code == 3
    text = Run(result.folder).manifest["error"]
    assert text.startswith("simulator grid failed at simulated time 0.000 s: the power flow has no")
    assert "worst bus bus/lv1.101/bus-13" in text
    assert re.search(r"largest change 0 W to -9\d{7} W at terminal/lv1\.101/load-5", text)


@pytest.mark.parametrize("name", ["balanced", "four-wire"])
def test_a_run_that_may_shed_goes_on_and_says_how_much(name, tmp_path):
    changes = [*SMALL, STORM, f"grid.solver={name}", "grid.on_divergence=shed"]
    found = Run(run(load("street", changes), folder=tmp_path / "run", with_report=False).folder)
    assert found.status == "complete"
    events = found.series("event")
    shed = events[events["kind"] == "load_shed"]
    assert set(shed["element"]) == {"line/lv1.101/line-12"}
    first = json.loads(shed["value"].iloc[0])
    assert first["share"] == 1.0
    assert first["p_w"] < -9e7
    system = found.series("system")
    for table in ("bus", "branch", "terminal", "system"):
        numbers = found.series(table).select_dtypes("number")
        assert len(numbers)
        assert not numbers.isna().any().any()
    gap = system["p_import_w"] - system["p_terminals_w"] - system["p_loss_w"]
    assert gap.abs().max() < 0.1


# -- files -----------------------------------------------------------------------------------


def own(folder, change=None):
    """A scenario with a network of its own, table by table."""
    net = pandapower.networks.create_cigre_network_lv()
    if change:
        change(net)
    (folder / "net").mkdir()
    for name in ("bus", "line", "trafo", "switch", "load", "ext_grid"):
        net[name].to_csv(folder / "net" / f"{name}.csv")
    (folder / "own.yaml").write_text(HEAD + "grid: {source: {file: net}, solver: balanced}\n")
    return folder / "own.yaml"


def test_a_folder_is_an_input_that_a_run_keeps_and_is_verified_from(tmp_path):
    scenario = validate(own(tmp_path))
    names = ("bus", "ext_grid", "line", "load", "switch", "trafo")
    assert sorted(scenario.files) == [f"net/{name}.csv" for name in names]
    folder = run(scenario, folder=tmp_path / "run", with_report=False).check().folder
    assert (folder / "inputs/net/line.csv").is_file()
    for path in (tmp_path / "net").iterdir():
        path.unlink()  # the run has all it needs
    assert verify(folder) == []


def test_bad_rows_are_faults_of_the_scenario(tmp_path):
    def change(net):
        net.line.loc[7, "length_km"] = -0.03
        net.load.loc[2, "bus"] = 400

    path = own(tmp_path, change)
    with pytest.raises(ScenarioError) as caught:
        validate(path)
    (fault,) = caught.value.faults
    assert fault.path == "grid.source.file.line[7].length_km"
    assert "own.yaml:5" in fault.where
