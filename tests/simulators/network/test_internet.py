"""What is critical keeps to the operator's own network, whatever shorter way there is."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame
from simulators.network.core import NetworkCore

INNER = ("provider", "top", "mvgmu", "lvgmu", "cmu")


def network(**more: Any) -> dict[str, Any]:
    links = [
        {"id": f"own/{number}", "technology": "fibre", "a": a, "b": b}
        for number, (a, b) in enumerate(itertools.pairwise(INNER))
    ]
    links += [
        {"id": f"internet/{unit}", "technology": "cloud", "a": unit, "b": "internet",
         "public": True}
        for unit in ("provider", "cmu")
    ]  # fmt: skip
    nodes = [{"id": name, "terminal": None, "battery_ms": 0} for name in (*INNER, "internet")]
    return {"nodes": nodes, "links": links, "media": [], "interval_ms": 900_000} | more


def frame(number: int, flow: str, t_ms: int) -> Frame:
    return Frame(f"provider#{number}", "", "provider", "cmu", flow, 0, t_ms * 1000, -1, b"x" * 50)


def hops(core: NetworkCore, flows: list[str], t_ms: int = 0) -> dict[str, int]:
    frames = [frame(number, flow, t_ms) for number, flow in enumerate(flows)]
    core.inject(t_ms, frames)
    core.advance(t_ms + 5000)
    rows = [columns for table, columns in core.rows() if table == "message"]
    found: dict[str, int] = {}
    for columns in rows:
        for flow, count, fate in zip(columns["flow"], columns["hops"], columns["fate"],
                                     strict=True):  # fmt: skip
            found[flow] = count if fate == "delivered" else -1
    return found


def test_critical_messages_take_the_longer_way_and_others_the_internet() -> None:
    core = NetworkCore(network(), 1)
    assert hops(core, ["control", "management", "metering"]) == {
        "control": 4, "management": 2, "metering": 2
    }  # fmt: skip


def test_without_the_own_network_what_is_critical_does_not_go_at_all() -> None:
    core = NetworkCore(network(), 1)
    core.set_carrier("own/2", False, "test")
    found = hops(core, ["control", "management"])
    assert found == {"control": -1, "management": 2}
    core.set_carrier("own/2", True, "test")
    core.set_carrier("internet/cmu", False, "test")
    assert hops(core, ["control", "management"], 10_000) == {"control": 4, "management": 4}


def test_without_public_links_there_is_one_set_of_ways() -> None:
    spec = network()
    spec["links"] = [{key: link[key] for key in link if key != "public"} for link in spec["links"]]
    core = NetworkCore(spec, 1)
    assert hops(core, ["control", "management"]) == {"control": 2, "management": 2}


def test_there_is_no_internet_where_nodes_sleep() -> None:
    spec = network()
    spec["nodes"][4]["sleep"] = {"period_ms": 1000, "awake_ms": 100}
    with pytest.raises(ScenarioError) as error:
        NetworkCore(spec, 1)
    assert any("Internet" in fault.message for fault in error.value.faults)
