"""One seed gives one run, whatever the process and the load; ``verify`` holds a folder to that."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fernwatt.errors import RunFolderError
from scenarios import load
from scenarios import run as in_process
from scenarios.cli import main
from scenarios.verify import verify

SHORT = ["--set", "time.duration_h=1", "--set", "units.history_days=1"]
BUSY = "while True: sum(range(100000))"


def run(home: Path, name: str, *words: str, hash_seed: int = 0) -> Path:
    """Run the street in a process of its own; return its folder."""
    done = subprocess.run(
        [sys.executable, "-m", "scenarios.cli", "run", "street", "--runs", name, *words],
        cwd=home, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = (home / name).iterdir()
    return folder


def results(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all tables and of the KPIs, by path."""
    paths = [*sorted(folder.rglob("*.parquet")), folder / "kpis.json"]
    assert len(paths) > 10
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def hold_equal(home: Path, *words: str, busy: int = 1) -> Path:
    """Run twice with other hash seeds, the second time under load; return the first folder."""
    first = run(home, "first", *words, hash_seed=1)
    load = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
    try:
        second = run(home, "second", *words, hash_seed=4242)
    finally:
        for process in load:
            process.kill()
            process.wait()
    assert first.name == second.name
    ours, theirs = results(first), results(second)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    return first


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a run of an hour that was made twice with the same bytes."""
    return hold_equal(tmp_path_factory.mktemp("repeat"), *SHORT)


@pytest.fixture
def copy(folder, tmp_path):
    """Return a copy of the run elsewhere, as somebody else would have it."""
    return Path(shutil.copytree(folder, tmp_path / "of-a-colleague"))


def test_another_seed_gives_other_tables_and_kpis(folder, tmp_path):
    ours, theirs = results(folder), results(run(tmp_path, "other", "--set", "seed=2", *SHORT))
    for name in ("messages.parquet", "series/device.parquet", "series/bus.parquet", "kpis.json"):
        assert ours[name] != theirs[name], name


@pytest.mark.slow
@pytest.mark.requirement("TB-03")
def test_a_day_of_the_street_has_the_same_bytes_in_any_process(tmp_path):
    hold_equal(tmp_path, busy=2)


def test_verify_reruns_from_the_folder_alone(copy):
    assert verify(copy) == []


def test_verify_finds_a_flipped_byte_and_names_the_table(copy):
    table = copy / "series" / "bus.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(bytes(content))
    (told,) = verify(copy)
    assert told.startswith("series/bus.parquet: not as recorded")


def test_verify_says_which_row_and_column_was_changed(copy):
    path = copy / "series" / "bus.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("vm_pu")
    values = table["vm_pu"].to_pylist()
    was, values[50] = values[50], 0.95
    pq.write_table(table.set_column(place, "vm_pu", pa.array(values)), path)
    (told,) = verify(copy)
    bus = table["bus"][50].as_py()
    assert told.startswith("series/bus.parquet: not as recorded: first in row 50 (t_ms 900000, ")
    assert told.endswith(f"bus {bus}), vm_pu is 0.95, not {was!r}")


@pytest.mark.requirement("BX-03")
def test_verify_needs_nothing_but_the_folder_and_finds_another_input(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.yaml").write_text(
        "fernwatt: 1\nname: mine\nextends: street\ntime: {duration_h: 0.5}\n"
        "grid: {source: {simbench: 1-LV-rural1--0-sw}}\nunits: {history_days: 0}\n"
        "devices: {ev: {share: 1.0, sessions: {file: cars.csv}}}\n"
    )
    (home / "cars.csv").write_text(
        "device,arrival,departure,energy_wh\n"
        "ev/lv1.101/load-1,2016-04-20T10:05:00Z,2016-04-20T18:00:00Z,5000\n"
    )
    made = in_process(load(home / "mine.yaml"), folder=home / "run", with_report=False).check()
    copy = shutil.copytree(made.folder, tmp_path / "copy")
    shutil.rmtree(home)
    assert verify(copy) == []
    inputs = copy / "inputs" / "cars.csv"
    inputs.write_text(inputs.read_text().replace("10:05", "10:10"))
    told = verify(copy)
    assert told[0] == "inputs: they, or SimBench's data, are others than in the run"
    assert any(
        line.startswith(
            "series/session.parquet: the rerun gives other bytes: first in row 0 (session "
        )
        and line.endswith("arrival_ms is 600000, not 300000")
        for line in told
    )
    inputs.unlink()
    assert "cars.csv" in verify(copy)[0]


def test_verify_finds_another_scenario_and_a_missing_table(copy):
    (copy / "messages.parquet").unlink()
    scenario = copy / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace("variation: 0.2", "variation: 0.3"))
    told = verify(copy)
    assert "messages.parquet: not as recorded" in told
    assert "scenario.yaml: not as recorded" in told
    assert any(
        line.startswith("series/device.parquet: the rerun gives other bytes: first in row")
        for line in told
    )
    assert any(line.startswith("kpis.json: the rerun gives other bytes: ") for line in told)


def test_verify_refuses_what_is_not_a_complete_run(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    with pytest.raises(RunFolderError, match="interrupted, not complete"):
        verify(copy)
    (copy / "manifest.json").write_text('{"status": "complete"}')
    with pytest.raises(RunFolderError, match="the manifest cannot be read"):
        verify(copy)


def test_the_command_says_where_and_exits_with_5(copy, capsys):
    assert main(["verify", str(copy)]) == 0
    assert "the same bytes" in capsys.readouterr().err
    kpis = copy / "kpis.json"
    kpis.write_text(kpis.read_text() + " ")
    assert main(["verify", str(copy)]) == 5
    assert "kpis.json: not as recorded" in capsys.readouterr().err
