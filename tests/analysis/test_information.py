"""Frames are attributed to what they are about, by cause alone; files are made of what was told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis import Run, exports, report
from analysis.information import flow_table, group_table, passed
from simulators.recorder import RunWriter

TOP, LV, METER, CMU = "tlgmu/top", "lvgmu/a", "meter/a/1", "cmu/a/1"
UNITS = [
    {"id": TOP, "kind": "tlgmu", "parent": "", "owner": "operator", "instruments": []},
    {"id": LV, "kind": "lvgmu", "parent": TOP, "owner": "operator", "instruments": []},
    {"id": METER, "kind": "meter", "parent": LV, "customer": "customer/1", "owner": "customer/1",
     "instruments": ["i/1"]},
    {"id": CMU, "kind": "cmu", "parent": METER, "customer": "customer/1", "owner": "customer/1",
     "instruments": []},
]  # fmt: skip
DATA = {
    "flows": {},
    "variables": {
        "energy.import": {"flow": "energy", "owner": "customer", "rights": ["operator/x reads"]},
        "load.set_point": {"flow": "control", "owner": "operator", "rights": []},
    },
    "groups": {"meter": [{"number": 1, "title": "measurements", "items": [
        {"way": "gathers", "variable": "energy.import", "writer": "instrument"}]}]},
}  # fmt: skip
# id, cause, src, dst, what it is
FRAMES = [
    ("lvgmu/a#1", "", LV, METER, ("energy.import", "request")),  # a subscription
    ("meter/a/1#1", "lvgmu/a#1", METER, LV, ("energy.import", "answer")),  # it is confirmed
    ("meter/a/1#2", "i/1#0", METER, LV, ("energy.import", "item")),  # a notification
    ("lvgmu/a#2", "", LV, METER, ("energy.import", "request")),  # a question
    ("lvgmu/a#9", "lvgmu/a#2", LV, METER, ("energy.import", "request")),  # once more
    ("meter/a/1#3", "lvgmu/a#2", METER, LV, ("energy.import", "item")),  # its answer
    ("lvgmu/a#3", "", LV, METER, ("load.set_point", "item")),  # a write
    ("meter/a/1#4", "lvgmu/a#3", METER, LV, ("load.set_point", "answer")),
    ("meter/a/1#5", "lvgmu/a#3", METER, CMU, ("load.set_point", "item")),  # told on by the meter
    ("tlgmu/top#1", "", TOP, LV, ("energy.import", "request")),  # a question over a unit between
    ("lvgmu/a#5", "tlgmu/top#1", LV, METER, ("energy.import", "request")),
    ("meter/a/1#6", "tlgmu/top#1", METER, LV, ("energy.import", "item")),
    ("lvgmu/a#6", "meter/a/1#6", LV, TOP, ("energy.import", "item")),
    ("lvgmu/a#7", "", LV, METER, ("energy.import", "request")),  # a question that is refused
    ("meter/a/1#7", "lvgmu/a#7", METER, LV, ("energy.import", "answer")),
    ("lvgmu/a#8", "nobody#1", LV, TOP, ("", "request")),  # of a protocol that notes nothing
]
REQUESTS = [
    ("lvgmu/a#1", LV, "event", "energy.import", METER, "ok"),
    ("lvgmu/a#2", LV, "query", "energy.import", METER, "ok"),
    ("lvgmu/a#3", LV, "write", "load.set_point", METER, "ok"),
    ("tlgmu/top#1", TOP, "query", "energy.import", METER, "ok"),
    ("lvgmu/a#7", LV, "query", "energy.import", METER, "denied"),
]


def told(t_ms, variable, unit, value, interface):
    text = json.dumps(value)
    return {"t_ms": t_ms + 5, "id": f"{unit}#{t_ms}", "interface": interface, "variable": variable,
            "unit": unit, "owner": "operator", "value_ms": t_ms, "value": text}  # fmt: skip


def written(folder: Path, wanted=(), rows=(), data=True) -> Run:
    writer = RunWriter(folder)
    zero = dict.fromkeys(("processing_us", "queue_us", "access_us", "air_us", "retry_us",
                          "core_us", "tick_us"), 0)  # fmt: skip
    for ident, cause, src, dst, _ in FRAMES:
        writer.add("message", {
            "id": ident, "cause": cause, "src": src, "dst": dst, "flow": "metering", "priority": 1,
            "bytes": 10, "wire_bytes": 20, "t_send_us": 0, "t_arrival_us": 5, "fate": "delivered",
            "loss": "none", "delay_us": 5, "hops": 1, "attempts": 1, **zero,
        })  # fmt: skip
    for ident, unit, operation, variable, location, result in REQUESTS:
        writer.add("request", {
            "t_ms": 1, "id": ident, "cause": "", "unit": unit, "service": "x",
            "operation": operation, "variable": variable, "location": location, "result": result,
            "latency_ms": 1,
        })  # fmt: skip
    writer.add("reading", {
        "id": "i/1#0", "cause": "", "instrument": "i/1", "variable": "energy.import",
        "t_sample_ms": 0, "t_clock_ms": 0, "value": 1.0, "record": None, "measure": "Wh",
        "quality": "good",
    })  # fmt: skip
    for row in rows:
        writer.add("export", row)
    writer.close()
    manifest = {"start": "2016-04-20T10:00:00Z", "status": "complete", "duration_ms": 900_000,
                "interval_ms": 900_000, "seed": 1}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    topology = {"units": UNITS} | ({"data": DATA} if data else {})
    (folder / "topology.json").write_text(json.dumps(topology))
    (folder / "scenario.yaml").write_text(json.dumps({"exports": list(wanted)}))
    return Run(folder)


def test_each_frame_is_known_by_what_caused_it(tmp_path: Path) -> None:
    frames = passed(written(tmp_path / "run"))
    found = list(zip(frames["variable"], frames["role"], strict=True))
    assert found == [what for *_, what in FRAMES]


def test_flows_add_up_and_say_whose_it_is(tmp_path: Path) -> None:
    table = flow_table(written(tmp_path / "run"))
    assert table[["items", "requests", "answers"]].to_numpy().sum() == len(FRAMES)
    assert table["bytes"].sum() == 10 * len(FRAMES)
    rows = {(r["flow"], r["direction"], r["source"], r["target"]): r
            for r in table.to_dict("records")}  # fmt: skip
    up = rows["energy", "up", "meter", "lvgmu"]
    assert (up["items"], up["delivered"], up["answers"]) == (3, 3, 2)
    assert (up["owner"], up["rights"]) == ("customer", "operator/x reads")
    assert rows["control", "down", "meter", "cmu"]["items"] == 1
    assert rows["control", "down", "lvgmu", "meter"]["owner"] == "operator"
    assert rows["other", "up", "lvgmu", "tlgmu"]["requests"] == 1


def test_groups_count_what_was_made_came_and_went(tmp_path: Path) -> None:
    (row,) = group_table(written(tmp_path / "run")).to_dict("records")
    assert (row["kind"], row["made"], row["came"], row["went"]) == ("meter", 1, 0, 3)


def test_the_report_has_them_where_the_folder_says_what_they_are(tmp_path: Path) -> None:
    page = report.render(written(tmp_path / "run"))
    assert '<section id="data">' in page
    assert "meter: 1 of 1 groups with data" in page
    assert 'href="#data"' in page
    older = report.render(written(tmp_path / "older", data=False))
    assert '<section id="data">' not in older
    assert 'href="#data"' not in older


def test_a_file_has_what_was_told_for_it_and_nothing_else(tmp_path: Path) -> None:
    switch = {"element": "switch/a/1", "closed": False, "t_ms": 900}
    tap = {"element": "transformer/a/1", "position": -2, "t_ms": 1000}
    rows = [told(1000, "switch.position", LV, switch, "dms"),
            told(2000, "tap.position", LV, tap, "dms"),
            told(1000, "switch.position", LV, switch, "scada")]  # fmt: skip
    (path,) = exports.write(written(tmp_path / "run", ["dms"], rows))
    begin = "2016-04-20T10:00:0"
    assert path.read_text("utf-8").splitlines() == [
        "received,time,source_id,equipment,kind,state,moved,reported_by",
        f"{begin}1.005Z,{begin}1.000Z,{LV}#1000,switch/a/1,switch,open,{begin}0.900Z,{LV}",
        f"{begin}2.005Z,{begin}2.000Z,{LV}#2000,transformer/a/1,tap,-2,{begin}1.000Z,{LV}",
    ]


@pytest.mark.parametrize("interface", ["scada", "oms", "mdm", "market", "tso"])
def test_a_file_without_rows_still_says_its_columns(tmp_path: Path, interface: str) -> None:
    for path in exports.write(written(tmp_path / "run", [interface])):
        text = path.read_text("utf-8")
        assert text.startswith(("received,time,source_id,", "<?xml"))
        assert "T10:" not in text
