"""Studies on a real scheduler: what is taken over, what is run anew, what ends up in the table.

Each point solves a power flow of its own in its worker, small enough to be repeated often.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import Client, LocalCluster
from scipy import stats

from fernwatt.errors import UsageError
from scenarios.cli import main
from scenarios.study import PointResult, load_study, run_study
from scenarios.study.summary import write_summary

HEAD = "fernwatt-study: 1\nname: trial\nscenario: mine.yaml\n"


def solver():
    """Return a point function; it is sent to the workers by value, so it imports all it needs."""

    def solve(text: str, base_dir: str, folder: str) -> PointResult:
        import hashlib
        import json
        import os
        import shutil
        import signal
        from pathlib import Path

        import pandapower as pp

        from scenarios import manifest
        from scenarios.yamlsafe import parse

        tree = parse(text, "point").tree
        if tree["seed"] == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        net = pp.create_empty_network()
        near, far = (pp.create_bus(net, vn_kv=0.4) for _ in range(2))
        pp.create_ext_grid(net, near)
        pp.create_line_from_parameters(net, near, far, 1.0, 0.1, 0.08, 0.0, 0.1)
        pp.create_load(net, far, p_mw=tree["devices"]["ev"]["p_max_w"] * tree["seed"] / 1e6)
        pp.runpp(net, numba=False)  # too much load has no solution: an error of this point
        loss_wh = float(net.res_line.pl_mw.sum() * 1e6)
        target = Path(folder)
        shutil.rmtree(target, ignore_errors=True)
        (target / "inputs").mkdir(parents=True)
        file = tree["devices"]["ev"]["sessions"]["file"]
        if file:
            shutil.copy(Path(base_dir) / file, target / "inputs" / file)
        (target / "kpis.json").write_text(json.dumps({"losses_wh": {"value": loss_wh}}))
        hashes = {
            "scenario": hashlib.sha256(text.encode()).hexdigest(),
            "code": manifest.code_hash(),
        }
        manifest.write(target, {"status": "complete", "hashes": hashes, "process": os.getpid()})
        return PointResult("complete", {"losses_wh": loss_wh})

    return solve


@pytest.fixture
def study(tmp_path):
    (tmp_path / "sessions.csv").write_text("device,arrival,departure,energy_wh\n")
    (tmp_path / "mine.yaml").write_text(
        "fernwatt: 1\nname: mine\nextends: street\n"
        "devices: {ev: {sessions: {file: sessions.csv}}}\n"
    )

    def make(body: str) -> Path:
        path = tmp_path / "study.yaml"
        path.write_text(f"{HEAD}kpis: [losses_wh]\n{body}")
        return path

    return make


@pytest.fixture(scope="module")
def cluster():
    """A cluster that is there already: its scheduler's address, its workers' process ids."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as running,
        Client(running, set_as_default=False) as client,
    ):
        yield running.scheduler_address, set(client.run(os.getpid).values())


def rows(outcome):
    return pq.read_table(outcome.summary).to_pylist()


def processes(folder: Path) -> dict[str, int]:
    return {
        path.parent.name: json.loads(path.read_text())["process"]
        for path in folder.glob("*/manifest.json")
    }


POINTS = "parameters: {devices.ev.p_max_w: [3000.0, 8000.0]}\nseeds: [1, 2]\n"


def test_only_what_changed_is_run_anew(study, tmp_path, cluster):
    """Values that are new, folders that are damaged, and inputs that are others."""
    runs, said = tmp_path / "runs", []

    def go(body):
        return run_study(study(body), runs, scheduler=cluster[0], point=solver(), tell=said.append)

    first = go(POINTS)
    assert said.pop() == "4 points, 4 runs to do"
    assert [row["status"] for row in rows(first)] == ["complete"] * 4
    loss = [row["losses_wh"] for row in rows(first)]
    assert loss == sorted(loss)  # 3, 6, 8 and 16 kW
    assert loss[0] == pytest.approx(3000.0**2 / 400.0**2 * 0.1, rel=0.01)  # r i², nearly

    go(POINTS.replace("3000.0", "3000.0, 4000.0"))
    assert said.pop() == "6 points, 2 runs to do"

    damaged, interrupted = (runs / "trial" / point.run for point, _ in first.points[:2])
    (damaged / "kpis.json").unlink()
    text = (interrupted / "manifest.json").read_text().replace("complete", "interrupted")
    (interrupted / "manifest.json").write_text(text)
    again = go(POINTS)
    assert said.pop() == "4 points, 2 runs to do"
    assert rows(again) == rows(first)

    (tmp_path / "sessions.csv").write_text("device,arrival,departure,energy_wh\n\n")
    go(POINTS)
    assert said.pop() == "4 points, 4 runs to do"


def test_the_workers_of_the_cluster_do_the_work(study, tmp_path, cluster):
    address, workers = cluster
    run_study(study(POINTS), tmp_path / "runs", scheduler=address, point=solver())
    found = set(processes(tmp_path / "runs" / "trial").values())
    assert found <= workers
    assert os.getpid() not in found
    with Client(address, set_as_default=False) as client:  # and they are still there
        assert set(client.run(os.getpid).values()) == workers


def test_points_that_fail_are_kept_and_stop_nothing(study, tmp_path, cluster):
    """4 MW through a street's cable have no solution: the solver's own words are in the table."""
    body = (
        "parameters:\n  devices.ev.p_max_w: [3000.0, 400000.0]\n"
        "  devices.ev.p_min_w: [0.0, 5000.0]\nseeds: [1, 10]\n"
    )
    outcome = run_study(study(body), tmp_path / "runs", scheduler=cluster[0], point=solver())
    table = rows(outcome)
    assert [row["status"] for row in table] == [
        "complete", "complete", "refused", "refused", "failed", "failed", "failed", "failed",
    ]  # fmt: skip
    for row in table:
        assert (row["losses_wh"] is None) == (row["status"] != "complete")
        assert (row["error"] is None) == (row["status"] == "complete")
    assert "larger than p_max_w" in table[2]["error"]
    assert "LoadflowNotConverged" in table[5]["error"]
    assert len(outcome.failed) == 6
    assert "2 of 2" in outcome.text()


@pytest.mark.slow
def test_a_worker_that_dies_again_and_again_costs_one_point(study, tmp_path):
    outcome = run_study(
        study("seeds: [12, 13, 14]\n"), tmp_path / "runs", workers=2, point=solver()
    )
    assert [row["status"] for row in rows(outcome)] == ["complete", "failed", "complete"]
    assert "worker process died" in rows(outcome)[1]["error"]


def test_a_scheduler_that_is_not_there(study, tmp_path):
    with pytest.raises(UsageError, match="no scheduler answers at nonsense"):
        run_study(study(POINTS), tmp_path / "runs", scheduler="nonsense://x", point=solver())
    with pytest.raises(UsageError, match="--workers goes without --scheduler"):
        run_study(study(POINTS), tmp_path / "runs", scheduler="tcp://x:1", workers=2)


def test_a_folder_that_holds_something_else_is_left_alone(study, tmp_path):
    mine = tmp_path / "runs" / "trial" / "thesis.tex"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        run_study(study(POINTS), tmp_path / "runs", workers=1, point=solver())
    assert [path.name for path in mine.parent.iterdir()] == ["thesis.tex"]


def test_ctrl_c_leaves_a_table_of_what_is_done(study, tmp_path):
    def stop(_share: float, text: str) -> None:
        if not text.startswith("0 of"):
            signal.raise_signal(signal.SIGINT)

    # a shell that starts tests in the background lets them ignore Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_study(study(POINTS), tmp_path / "runs", workers=1, point=solver(), progress=stop)
    finally:
        signal.signal(signal.SIGINT, before)
    table = pq.read_table(tmp_path / "runs" / "trial" / "summary.parquet").to_pylist()
    assert {row["status"] for row in table} == {"complete", "open"}
    said: list[str] = []
    outcome = run_study(
        study(POINTS), tmp_path / "runs", workers=1, point=solver(), tell=said.append
    )
    assert rows(outcome)[3]["status"] == "complete"
    assert int(said[0].split(", ")[1].split()[0]) <= 3


def test_the_table_has_the_types_of_the_values(study, tmp_path):
    body = (
        "sampling: list\nparameters:\n"
        "  devices.ev.share: [0, 0.5]\n"
        "  units.history_days: [1, 2]\n"
        "  network.wan: [lte, nb-iot]\n"
        "  orchestration.rt_factor: [null, 2.0]\n"
        "  devices.pv.p_rated_w: [[3000, 4000], [5000, 6000]]\n"
    )
    planned = load_study(study(body))
    outcome = write_summary(planned, tmp_path, {})
    table = pq.read_table(outcome.summary)
    types = {field.name: field.type for field in table.schema}
    assert types["devices.ev.share"] == types["orchestration.rt_factor"] == pa.float64()
    assert types["units.history_days"] == types["seed"] == pa.int64()
    assert types["network.wan"] == types["devices.pv.p_rated_w"] == pa.string()
    assert table["orchestration.rt_factor"].to_pylist() == [None, 2.0]
    assert json.loads(table["devices.pv.p_rated_w"][1].as_py()) == [5000, 6000]
    csv = pd.read_csv(tmp_path / "summary.csv")
    assert list(csv.columns) == table.column_names
    assert csv["units.history_days"].tolist() == [1, 2]


def test_intervals_are_students(study, tmp_path):
    """Against scipy's own interval of a mean."""
    planned = load_study(study("parameters: {devices.ev.share: [0.1, 0.2]}\nseeds: [1, 2, 3, 4]\n"))
    losses = {point.run: 100.0 * point.seed**2 for point in planned.points}
    del losses[planned.points[7].run]
    results = {run: PointResult("complete", {"losses_wh": loss}) for run, loss in losses.items()}
    table = write_summary(planned, tmp_path, results).intervals()
    assert table["runs"].tolist() == [4, 3]
    for row, values in zip(
        table.to_dict("records"), ([100, 400, 900, 1600], [100, 400, 900]), strict=True
    ):
        low, high = stats.t.interval(
            0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
        )
        assert row["mean"] == pytest.approx((low + high) / 2, rel=1e-12)
        assert row["half"] == pytest.approx((high - low) / 2, rel=1e-12)


@pytest.mark.slow
@pytest.mark.requirement("TB-06")
def test_a_study_runs_scenarios_in_parallel_and_again_takes_them_over(tmp_path):
    """The whole of it: real runs in two worker processes, the same bytes as one run by itself."""
    path = tmp_path / "study.yaml"
    path.write_text(
        "fernwatt-study: 1\nname: trial\nscenario: street\n"
        "set: {time.duration_h: 0.5, units.history_days: 1}\n"
        "parameters: {devices.pv.share: [0.0, 0.5]}\nseeds: [1, 2]\n"
    )
    said: list[str] = []
    outcome = run_study(path, tmp_path / "runs", workers=2, tell=said.append)
    table = rows(outcome)
    assert [row["status"] for row in table] == ["complete"] * 4, table
    assert len({row["imported_wh"] for row in table}) > 2
    assert table[2]["exported_wh"] > table[0]["exported_wh"]
    before = outcome.summary.read_bytes()
    again = run_study(path, tmp_path / "runs", workers=2, tell=said.append)
    assert said == ["4 points, 4 runs to do", "4 points, 0 runs to do"]
    assert again.summary.read_bytes() == before

    point = outcome.points[3][0]
    lone = tmp_path / "lone.yaml"
    lone.write_text(point.text)
    from scenarios import manifest
    from scenarios.loader import load
    from scenarios.runner import run

    alone = run(load(lone), folder=tmp_path / "alone", with_report=False).check()
    study_run = tmp_path / "runs" / "trial" / point.run
    assert manifest.read(alone.folder)["hashes"] == manifest.read(study_run)["hashes"]


@pytest.mark.slow
def test_the_command_says_that_points_failed(tmp_path, capsys):
    path = tmp_path / "study.yaml"
    path.write_text(
        "fernwatt-study: 1\nname: trial\nscenario: street\n"
        "set: {time.duration_h: 0.25, units.history_days: 0, devices.ev.p_max_w: 11000.0}\n"
        "sampling: random\ncount: 3\nkpis: [imported_wh]\n"
        "parameters: {devices.ev.p_min_w: [0.0, 20000.0], devices.ev.share: {min: 0, max: 1}}\n"
    )
    code = main(["study", str(path), "--runs", str(tmp_path / "runs"), "--workers", "1", "--json"])
    points = json.loads(capsys.readouterr().out)["points"]
    assert {point["status"] for point in points} == {"complete", "refused"}
    for point in points:
        good = point["parameters"]["devices.ev.p_min_w"] == 0.0
        assert point["status"] == ("complete" if good else "refused")
        assert (point["kpis"]["imported_wh"] is not None) == good
    assert code == 3
