"""Reading run folders: whole, cut off, foreign, damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis import Run
from fernwatt.errors import RunFolderError
from fernwatt.tables import TABLES
from simulators.recorder import RunWriter

Write = Callable[..., Path]


def test_a_run_tells_what_it_was(folder: Path) -> None:
    run = Run(folder)
    assert (run.name, run.status, run.interval_ms) == ("sample", "complete", 900_000)
    assert run.start.isoformat() == "2016-04-20T00:00:00+00:00"
    assert run.scenario["description"] == "A <b>street</b>"
    assert len(run.grid["lines"]) == 6
    assert repr(run).endswith("sample-1', complete)")


def test_every_table_has_times_in_utc_and_all_its_columns(folder: Path) -> None:
    run = Run(folder)
    for name, table in TABLES.items():
        frame = run.series(name)
        columns = [column.name for column in table.columns]
        assert [column for column in frame if column != "time"] == columns
        if name not in {"cause", "node_energy"}:  # of the whole run
            assert str(frame["time"].dtype) == "datetime64[ns, UTC]"
    assert run.series("bus")["time"].iloc[7] == pd.Timestamp("2016-04-20T00:15Z")
    assert run.events["t_us"].is_monotonic_increasing
    assert run.messages["time"].iloc[0] == pd.Timestamp("2016-04-20T00:00Z")


def test_a_wide_table_has_a_row_per_time_and_a_column_per_element(folder: Path) -> None:
    vm = Run(folder).wide("bus", "vm_pu")
    assert vm.shape == (96, 7)
    assert (vm["bus/lv1/b0"] == 1.0).all()


def test_a_killed_run_is_read_as_far_as_it_came(tmp_path: Path, write_run: Write) -> None:
    run = Run(write_run(tmp_path / "run", status="running", close=False))
    assert run.status == "interrupted"
    bus = run.series("bus")
    assert len(bus) == 500  # one part; the rest was still in memory
    assert run.series("session").empty
    whole = Run(write_run(tmp_path / "whole")).series("bus")
    pd.testing.assert_frame_equal(bus, whole.iloc[:500])
    assert run.kpis["imported_wh"]["value"] is None
    assert run.kpis["imported_wh"]["reason"] == "nothing was recorded"
    assert run.kpis["voltage_min_pu"]["value"] > 0.9


def test_folders_that_are_none_are_refused_in_words(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RunFolderError, match="there is no run folder"):
        Run(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"no run folder of fernwatt: it has no manifest.json"):
        Run(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(RunFolderError, match="not of fernwatt: it lacks start, status"):
        Run(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"manifest.json is damaged"):
        Run(tmp_path)
    with pytest.raises(
        RunFolderError, match=r"there is no table 'buses': there are .*branch, bus,"
    ):
        Run(folder).series("buses")


def test_a_damaged_table_is_refused_in_words(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run/series/bus.parquet").write_bytes(b"PAR1 no more")
    run = Run(tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"table bus of .* cannot be read.*run the scenario"):
        run.series("bus")


def test_a_run_shows_its_main_figures_in_a_notebook(folder: Path) -> None:
    html = Run(folder)._repr_html_()
    assert "Peak import" in html
    assert "kW" in html


def test_a_stored_kpi_file_is_what_a_run_shows(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    stored = {"peak_import_w": {"value": 1.5, "unit": "W"}}
    (tmp_path / "run/kpis.json").write_text(json.dumps(stored))
    assert Run(tmp_path / "run").kpis == stored
    assert Run(tmp_path / "run").kpi_table.loc["peak_import_w", "value"] == 1.5


def test_a_message_counts_for_every_link_between_its_ends(folder: Path) -> None:
    from analysis.plot.communication import _delivery

    run = Run(folder)
    parent = {unit["id"]: unit["parent"] for unit in run.topology["units"]}
    share = _delivery(run, parent)
    messages = run.messages
    to_cmu = messages[messages["dst"] == "cmu/lv1/c1"]
    own = messages[messages["src"] == "meter/lv1/c1"]
    assert share["cmu/lv1/c1"] == 100.0
    good = (own["fate"] == "delivered").sum() + len(to_cmu)
    assert share["meter/lv1/c1"] == pytest.approx(100 * good / (len(own) + len(to_cmu)))
    assert "lvgmu/lv1" not in share  # nothing went to the top


def test_events_of_a_killed_run_are_in_order_in_every_column(
    tmp_path: Path, write_run: Write
) -> None:
    folder = write_run(tmp_path / "run", status="running", close=False)
    writer = RunWriter(tmp_path / "rows", part_rows=3)
    for number, t_us in enumerate([30, 10, 20, 5, 40, 1]):
        writer.add("event", {"t_us": t_us, "id": f"e#{number}", "cause": "", "source": "s",
                             "kind": f"k{t_us}", "element": "a/b", "value": ""})  # fmt: skip
    shutil.rmtree(folder / ".parts")
    (tmp_path / "rows/.parts").rename(folder / ".parts")
    run = Run(folder)
    assert run.columns("event", "kind")["kind"].tolist() == ["k1", "k5", "k10", "k20", "k30", "k40"]
    assert run.events["id"].tolist() == ["e#5", "e#3", "e#1", "e#2", "e#0", "e#4"]
