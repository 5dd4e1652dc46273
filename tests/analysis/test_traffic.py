"""What a report says of the messages: books, requirements, figures; and the ways they took."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import Run, report
from analysis.report import traffic
from analysis.ways import technologies_between, way_of_messages
from simulators.recorder import RunWriter

Write = Callable[..., Path]

NETWORK = {
    "media": [
        {"id": "han/1", "technology": "zigbee-han", "members": ["meter/1", "cmu/1"]},
        {"id": "fan/a", "technology": "plc-prime", "members": ["lvgmu/a", "meter/1", "meter/2"]},
    ],
    "links": [
        {"id": "wan/a", "technology": "lte", "a": "lvgmu/a", "b": "mvgmu/m"},
        {"id": "wan/b", "technology": "lte", "a": "mvgmu/m", "b": "tlgmu/top"},
    ],
    "cells": [
        {"id": "cell/1", "technology": "nb-iot", "station": "station/1", "members": ["meter/3"]},
    ],
}


def test_a_way_names_each_technology_in_order() -> None:
    pairs = [("cmu/1", "tlgmu/top"), ("tlgmu/top", "cmu/1"), ("meter/1", "lvgmu/a"),
             ("meter/3", "station/1"), ("meter/3", "lvgmu/a"), ("meter/1", "meter/1")]  # fmt: skip
    assert technologies_between(NETWORK, pairs) == {
        ("cmu/1", "tlgmu/top"): "zigbee-han + plc-prime + lte",
        ("tlgmu/top", "cmu/1"): "lte + plc-prime + zigbee-han",
        ("meter/1", "lvgmu/a"): "plc-prime",
        ("meter/3", "station/1"): "nb-iot",
        ("meter/3", "lvgmu/a"): "unknown",
        ("meter/1", "meter/1"): "unknown",
    }


@settings(max_examples=60, deadline=None)
@given(
    links=st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda pair: pair[0] != pair[1]),
        max_size=14,
    ),
    src=st.integers(0, 8),
    dst=st.integers(0, 8),
)
def test_a_way_has_as_many_hops_as_the_shortest_path(
    links: list[tuple[int, int]], src: int, dst: int
) -> None:
    """Every link is a technology of its own, so that a way tells its hops."""
    network = {
        "links": [
            {"id": f"l{k}", "technology": f"t{k}", "a": str(a), "b": str(b)}
            for k, (a, b) in enumerate(links)
        ]
    }
    found = technologies_between(network, [(str(src), str(dst))])[str(src), str(dst)]
    graph = nx.Graph([(str(a), str(b)) for a, b in links])
    graph.add_nodes_from([str(src), str(dst)])
    if src == dst or not nx.has_path(graph, str(src), str(dst)):
        assert found == "unknown"
        return
    steps = found.split(" + ")
    assert len(steps) == nx.shortest_path_length(graph, str(src), str(dst))
    here = str(src)
    for step in steps:
        ends = {str(end) for end in links[int(step[1:])]}
        assert here in ends
        (here,) = ends - {here}
    assert here == str(dst)


def test_each_message_gets_the_way_of_its_pair(tmp_path: Path, write_run: Write) -> None:
    folder = write_run(tmp_path / "run")
    topology = json.loads((folder / "topology.json").read_text())
    meters = [unit["id"] for unit in topology["units"] if unit["kind"] == "meter"]
    topology["network"] = {
        "media": [{"id": "fan", "technology": "plc-g3", "members": ["lvgmu/lv1", *meters]}]
    }
    (folder / "topology.json").write_text(json.dumps(topology))
    run = Run(folder)
    ways, src = way_of_messages(run), run.columns("message", "src")["src"].astype(str)
    assert set(ways[src.str.startswith("meter").to_numpy()]) == {"plc-g3"}
    assert set(ways[(src == "lvgmu/lv1").to_numpy()]) == {"unknown"}  # to customer units


def test_books_add_up_and_say_so(folder: Path) -> None:
    run = Run(folder)
    rows = {row.flow: row for row in traffic.books(run)}
    assert list(rows) == ["balancing", "metering", "all"]
    assert all(row.closes for row in rows.values())
    message = run.messages
    for flow in ("balancing", "metering"):
        mine = message[message["flow"] == flow]
        there = mine[mine["fate"] == "delivered"]
        cells = rows[flow].cells
        assert cells[:4] == (str(len(mine)), str(len(there)), str(len(mine) - len(there)), "0")
        p95 = np.quantile(there["delay_us"], 0.95) / 1000
        assert cells[6] == f"{p95:.3g} ms"
    assert rows["all"].cells[0] == str(len(message))


def test_books_that_do_not_close_are_shown(tmp_path: Path, write_run: Write) -> None:
    folder = write_run(tmp_path / "run", close=False)
    writer = RunWriter(tmp_path / "more")
    row = {"id": "a", "cause": "", "src": "a", "dst": "b", "flow": "control", "priority": 0,
           "bytes": 1, "wire_bytes": 1, "t_send_us": 0, "t_arrival_us": None, "fate": "astray",
           "loss": "none", "delay_us": None, "hops": 0, "attempts": 0}  # fmt: skip
    parts = ("processing", "queue", "access", "air", "retry", "core", "tick")
    writer.add("message", row | {f"{part}_us": 0 for part in parts})
    writer.close()
    for name in ("manifest.json", "grid.json", "topology.json"):
        (tmp_path / "more" / name).write_text((folder / name).read_text())
    page = report.render(Run(tmp_path / "more"))
    assert "✕ do not close" in page


def test_requirements_are_those_of_the_flow_and_the_first_is_its_own(folder: Path) -> None:
    rows = traffic.requirements(Run(folder))
    own = {row.flow: row for row in rows if row.first}
    assert own["metering"].asked == "kuzlu-2014/on-demand-read"
    assert own["balancing"].asked == "us-doe-2010/der-storage"
    tt1 = next(row for row in rows if row.asked == "iec-61850-5/tt1")
    assert tt1.cells[0] == "1 s"
    assert tt1.cells[3] == "200 ms"
    message = Run(folder).messages
    mine = message[message["flow"] == "metering"]
    within = (mine["delay_us"] <= 200_000).sum() / len(mine)
    assert tt1.cells[4] == f"{100 * within:.4g} %"
    assert tt1.network_met == (within >= 0.99)


@pytest.mark.parametrize("name", ["latency", "delay_parts", "technology_parts", "losses", "media"])
def test_a_figure_is_the_same_every_time_and_a_run_without_rows_has_one(
    name: str, folder: Path, tmp_path: Path
) -> None:
    texts = {getattr(Run(folder).plot, name)().svg(name) for _ in range(2)}
    assert len(texts) == 1
    RunWriter(tmp_path / "empty").close()
    manifest = (folder / "manifest.json").read_text()
    (tmp_path / "empty" / "manifest.json").write_text(manifest)
    text = getattr(Run(tmp_path / "empty").plot, name)().svg(name)
    assert any(word in text for word in ("no message", "nothing was transmitted"))
