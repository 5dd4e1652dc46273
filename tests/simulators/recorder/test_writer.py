"""The writer: what it refuses, that bytes depend on rows alone, that a killed run is readable."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ComponentError
from fernwatt.tables import TABLES
from simulators.recorder import RunWriter, arrow_schema

BUS = {
    "t_ms": 0,
    "bus": ["b/1/x", "b/1/y"],
    "vm_pu": [1.0, None],
    "vm_min_pu": [1.0, None],
    "vm_max_pu": [1.0, None],
}
CAUSE = {"id": "a#1", "cause": "b#1"}


def events(times: list[int]) -> list[dict[str, object]]:
    return [
        {
            "t_us": t,
            "id": f"e#{n}",
            "cause": "",
            "source": "grid",
            "kind": "k",
            "element": "x/y",
            "value": "{}",
        }
        for n, t in enumerate(times)
    ]


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_table_exists_at_the_end_even_when_empty(tmp_path: Path) -> None:
    RunWriter(tmp_path).close()
    for table in TABLES.values():
        file = pq.ParquetFile(tmp_path / table.path)
        assert file.schema_arrow.equals(arrow_schema(table))
        assert file.metadata.num_rows == 0
    assert not (tmp_path / ".parts").exists()


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, part_rows=3, group_rows=4)
    for t_ms in range(5):
        writer.add("bus", BUS | {"t_ms": t_ms})
    writer.close()
    table = pq.read_table(tmp_path / "series/bus.parquet")
    assert table["t_ms"].to_pylist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert table["vm_pu"].to_pylist() == [1.0, None] * 5
    assert pq.read_metadata(tmp_path / "series/bus.parquet").num_row_groups == 3


def _add_and_close(writer: RunWriter, columns: dict[str, object]) -> None:
    writer.add("bus", columns)
    writer.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vm_pu": [float("nan"), 1.0]}, "vm_pu: NaN or infinite"),
        ({"vm_pu": np.array([np.inf, 1.0])}, "vm_pu: NaN or infinite"),
        ({"t_ms": None}, "t_ms: null is not allowed"),
        ({"t_ms": 1.5}, r"t_ms: expected an integer, got 1.5 \(float\)"),
        (
            {"t_ms": np.array([1.0, 2.0])},
            r"t_ms: expected an integer, got (an array of float64|1\.0)",
        ),
        ({"t_ms": True}, r"expected an integer, got True \(bool\)"),
        ({"bus": ["b", 3]}, r"bus: expected text, got 3 \(int\)"),
        ({"bus": ["b", b"c"]}, r"bus: expected text, got b'c' \(bytes\)"),
        ({"vm_pu": ["1.0", "x"]}, r"expected a number or null, got '1.0' \(str\)"),
        ({"bus": ["b"]}, "differ in length: bus 1, vm_pu 2"),
        ({"vm": 1.0}, "unknown vm"),
    ],
)
@pytest.mark.parametrize("repeat", [1, 100])
def test_rows_that_do_not_fit_are_refused(
    tmp_path: Path, change: dict[str, object], words: str, repeat: int
) -> None:
    def grown(value: object) -> object:
        if isinstance(value, np.ndarray):
            return np.tile(value, repeat)
        return value * repeat if isinstance(value, list) else value

    writer = RunWriter(tmp_path)
    writer.t_ms = 5_000
    columns = {name: grown(value) for name, value in (BUS | change).items()}
    words = words.replace("bus 1, vm_pu 2", f"bus {repeat}, vm_pu {2 * repeat}")
    with pytest.raises(ComponentError, match=r"recorder failed at .* 5\.000 s.*" + words):
        _add_and_close(writer, columns)


def test_a_missing_column_and_an_unknown_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match="table cause: columns missing cause"):
        RunWriter(tmp_path / "a").add("cause", {"id": "a#1"})
    with pytest.raises(ComponentError, match=r"no table 'buses'; there are .*branch, bus"):
        RunWriter(tmp_path / "b").add("buses", BUS)


def test_a_folder_with_another_runs_rows_is_refused(tmp_path: Path) -> None:
    RunWriter(tmp_path)
    with pytest.raises(ComponentError, match="another run"):
        RunWriter(tmp_path)


@settings(max_examples=40, deadline=None)
@given(
    times=st.lists(st.integers(0, 50), max_size=60),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=60),
    part_rows=st.integers(1, 12),
)
def test_same_rows_give_the_same_bytes_in_whatever_chunks(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], cuts: list[int], part_rows: int
) -> None:
    rows = events(times)
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    writer = RunWriter(one, group_rows=16)
    for row in rows:
        writer.add("event", row)
        writer.add("cause", {"id": row["id"], "cause": f"c#{row['t_us']}"})
    writer.close()
    writer = RunWriter(other, part_rows=part_rows, group_rows=16)
    begin = 0
    for cut in [*cuts, len(rows)]:
        block = rows[begin : begin + cut]
        begin += cut
        if block:
            writer.add("event", {key: [row[key] for row in block] for key in block[0]})
            writer.add(
                "cause",
                {
                    "id": np.array([row["id"] for row in block]),
                    "cause": [f"c#{row['t_us']}" for row in block],
                },
            )
    writer.close()
    for name in ("events.parquet", "series/cause.parquet"):
        assert sha(one / name) == sha(other / name)
    read = pq.read_table(one / "events.parquet").to_pylist()
    assert read == sorted(rows, key=lambda row: (row["t_us"], row["source"], row["id"]))


def test_long_and_short_blocks_give_the_same_bytes(tmp_path: Path) -> None:
    n = 70_001
    p_w = np.random.default_rng(1).normal(size=n)
    columns = {"t_ms": np.arange(n), "terminal": "t/a/b", "p_w": p_w, "q_var": 0, "v_v": 230.0}
    one = RunWriter(tmp_path / "one")
    one.add("terminal", columns)
    one.close()
    other = RunWriter(tmp_path / "other", part_rows=1000)
    for begin in range(0, n, 37):
        some = slice(begin, begin + 37)
        other.add("terminal", columns | {"t_ms": columns["t_ms"][some], "p_w": p_w[some].tolist()})
    other.close()
    file = "series/terminal.parquet"
    assert sha(tmp_path / "one" / file) == sha(tmp_path / "other" / file)
    assert pq.read_metadata(tmp_path / "one" / file).num_row_groups == 2


def _record_for_ever(folder: str) -> None:
    writer = RunWriter(folder, part_rows=10)
    for number in range(10**9):
        writer.add("cause", {"id": f"a#{number}", "cause": "b#1"})


def test_a_killed_run_is_readable_up_to_its_last_part(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork" if sys.platform != "win32" else "spawn")
    process = context.Process(target=_record_for_ever, args=(str(tmp_path),))
    process.start()
    parts = tmp_path / ".parts/cause"
    while not (parts / "00020.parquet").exists():
        process.join(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    files = sorted(parts.glob("*.parquet"))
    read = [row for file in files for row in pq.read_table(file)["id"].to_pylist()]
    assert read == [f"a#{number}" for number in range(len(files) * 10)]


FULL = """
import resource, signal, sys
from fernwatt.errors import ComponentError
from simulators.recorder import RunWriter
writer = RunWriter(sys.argv[1], part_rows=100)
for n in range(100):
    writer.add("cause", {"id": f"a#{n}", "cause": "b"})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
writer.t_ms = 7000
try:
    for n in range(100):
        writer.add("cause", {"id": f"a#{n}", "cause": "b"})
except ComponentError as error:
    writer.close()
    sys.stdout.write(str(error)[:900])
    sys.stdout.flush()
"""


def test_a_disk_that_takes_no_more_is_said_clearly(tmp_path: Path) -> None:
    out = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert "recorder failed at simulated time 7.000 s: cannot write table cause" in out.stdout
    assert "make room" in out.stdout
    assert [path.name for path in (tmp_path / ".parts/cause").iterdir()] == ["00000.parquet"]


MILLION = """
import sys
import numpy as np
import pyarrow as pa
from simulators.recorder import RunWriter
writer = RunWriter(sys.argv[1])
rng = np.random.default_rng(2)
for begin in range(0, 1_000_000, 10_000):
    writer.add("event", {
        "t_us": begin + np.sort(rng.integers(-5_000, 15_000, 10_000)),
        "id": [f"e#{begin + n}" for n in range(10_000)], "cause": "", "source": "grid",
        "kind": "kind", "element": "a/b", "value": "x" * 200})
writer.close()
print(pa.default_memory_pool().max_memory())
"""


@pytest.mark.slow
def test_memory_stays_bounded_when_a_million_events_are_merged(tmp_path: Path) -> None:
    out = subprocess.run(
        [sys.executable, "-c", MILLION, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert int(out.stdout) < 130e6  # the rows alone are 250 MB
    t_us = pq.read_table(tmp_path / "events.parquet", columns=["t_us"])["t_us"].to_numpy()
    assert len(t_us) == 1_000_000
    assert (np.diff(t_us) >= 0).all()
