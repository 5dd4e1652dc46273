"""Trails of causes, from the result back to the reading that began it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import Run, explain
from analysis.trail import Node
from fernwatt.errors import UsageError
from simulators.recorder import RunWriter

Write = Callable[..., Path]
SLOT = 72  # 18:00, when the vehicles begin


def first_line(node: Node) -> list[Node]:
    """Return the nodes along the first cause of each."""
    found = [node]
    while found[-1].causes:
        found.append(found[-1].causes[0])
    return found


def test_an_actuation_leads_back_to_the_reading_that_began_it(folder: Path) -> None:
    trail = explain(folder, f"cmu/lv1/c1#c{SLOT}x", width=4)
    line = first_line(trail.root)
    assert [node.kind for node in line] == [
        "event", "event", "message", "event", "message", "reading",
    ]  # fmt: skip
    assert line[-1].id == f"meter/lv1/c6#r{SLOT}"  # of six meters', the last to be sent
    assert line[0].delay_us == 1000
    assert "reading energy.import of meter/lv1/c6 = 72 Wh" in trail.text()
    assert "… and " in trail.text()  # six meters, four are shown


def test_times_in_a_trail_never_run_backwards(folder: Path) -> None:
    def look(node: dict[str, Any]) -> None:
        for cause in node["causes"]:
            assert cause["t_us"] <= node["t_us"]
            look(cause)

    look(json.loads(json.dumps(explain(folder, f"cmu/lv1/c2#c{SLOT}").plain()))["trail"])


def test_a_device_at_a_time_leads_to_the_last_that_happened_to_it(folder: Path) -> None:
    for time in ("18:20", "65900s", "2016-04-20T18:20:00Z", "18:20:00"):
        line = first_line(explain(folder, f"ev/lv1/c1@{time}").root)
        assert line[1].id == f"cmu/lv1/c1#c{SLOT}x", time
    before = explain(folder, "ev/lv1/c1@0").root
    assert before.text.endswith("nothing had happened to it")


def test_a_peak_leads_to_its_largest_devices_and_on_to_readings(folder: Path) -> None:
    trail = explain(folder, "peak_import_w")
    assert trail.root.text.startswith("peak_import_w = 16.07 kW")
    assert [child.id.partition("@")[0] for child in trail.root.causes[:3]] == [
        "ev/lv1/c1", "ev/lv1/c2", "ev/lv1/c3",
    ]  # fmt: skip
    assert first_line(trail.root)[-1].kind == "reading"
    assert "[shown elsewhere]" in trail.text()  # the plan stands once, for the first vehicle
    assert trail.table().count("plan lvgmu/lv1") == 1


@pytest.mark.parametrize(
    ("name", "word"),
    [("message_delay_p99_ms", "arrived after"), ("messages_lost", "lost: retries"),
     ("ev_not_served_wh", "ev/lv1/c")],
)  # fmt: skip
def test_other_kpis_lead_to_their_culprits(folder: Path, name: str, word: str) -> None:
    root = explain(folder, name).root
    assert root.causes
    assert word in root.causes[0].text


def test_what_is_not_known_is_said(folder: Path) -> None:
    with pytest.raises(UsageError, match="no identifier, KPI or element@time"):
        explain(folder, "nothing#1")
    with pytest.raises(UsageError, match="nothing is recorded of 'ev/x'"):
        explain(folder, "ev/x@18:00")
    with pytest.raises(UsageError, match="is no time"):
        explain(folder, "ev/lv1/c1@noon-ish")
    with pytest.raises(UsageError, match="sum over the whole run"):
        explain(folder, "imported_wh")


def test_circles_and_unknown_causes_end(tmp_path: Path, write_run: Write) -> None:
    folder = write_run(tmp_path / "run", close=False)
    for path in sorted((folder / ".parts").rglob("*")):
        if path.is_file():
            path.unlink()
    for path in sorted((folder / ".parts").rglob("*"), reverse=True):
        path.rmdir()
    (folder / ".parts").rmdir()
    writer = RunWriter(folder)
    row = {"t_us": 5, "source": "x", "kind": "k", "element": "a/b", "value": "null"}
    writer.add("event", row | {"id": "a#1", "cause": "b#1"})
    writer.add("event", row | {"id": "b#1", "cause": "a#1"})
    writer.add("cause", {"id": ["a#1", "a#1"], "cause": ["lost#9", "a#1"]})
    writer.close()
    text = explain(Run(folder), "a#1").text()
    assert text.splitlines() == [
        "00:00:00.000  k a/b  (+0 ms)",
        "├─ 00:00:00.000  k a/b  (+0 ms)",
        "│  └─ 00:00:00.000  k a/b  [shown elsewhere]",
        "└─ lost#9 (not recorded)",
    ]


@pytest.mark.parametrize(("count", "lines"), [(8, 8), (30, 6)])
def test_a_long_row_of_messages_is_folded_and_its_ends_stay(
    tmp_path: Path, folder: Path, count: int, lines: int
) -> None:
    run = shutil.copytree(folder, tmp_path / "run")
    rows = pq.read_table(run / "messages.parquet").to_pylist()[:1] * count
    rows = [
        row | {"id": f"u#{number}", "cause": f"u#{number - 1}" if number else "",
               "t_send_us": 1_000_000 * number}
        for number, row in enumerate(rows)
    ]  # fmt: skip
    schema = pq.read_schema(run / "messages.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema), run / "messages.parquet")
    trail = explain(run, f"u#{count - 1}")
    line = first_line(trail.root)
    assert len(line) == len(trail.text().splitlines()) == lines
    assert line[-1].id == "u#0"
    if count > lines:
        assert [node.id for node in line[:3]] == ["u#29", "u#28", "u#27"]
        assert line[3].text == "… 25 messages, each because of the one below"
        assert line[3].delay_us == 25_000_000
        assert line[4].id == "u#1"
