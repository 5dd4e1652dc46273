"""The network under mosaik: by sub-steps, in process and as a process of its own."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping
from typing import Any, ClassVar

import mosaik
import pytest

from fernwatt.adapter import ROWS, Adapter, Inputs, model, plain_value
from fernwatt.errors import ComponentError
from fernwatt.messages import Delivery, Frame, NodeUp, Supply
from simulators.network.core import NetworkCore

END_MS = 70_000
SPEC: dict[str, Any] = {
    "nodes": [
        {"id": node, "terminal": terminal, "battery_ms": 0}
        for node, terminal in (("cmu", "t1"), ("meter", "t1"), ("lv", None), ("mv", None))
    ],
    "media": [
        {"id": "han", "technology": "zigbee-han", "members": ["cmu", "meter"]},
        {"id": "fan", "technology": "plc-prime", "members": ["meter", "lv"], "root": "lv"},
    ],
    "links": [{"id": "wan", "technology": "ethernet", "a": "lv", "b": "mv"}],
    "interval_ms": 30_000,
}


def reply(delivery: Delivery, t_ms: int) -> Frame:
    """Answer a request: what a unit does at the tick of delivery."""
    return Frame(
        f"{delivery.dst}#{10_000 + int(delivery.id.rpartition('#')[2])}", delivery.id,
        delivery.dst, delivery.src, "answer", 1, t_ms * 1000 + 300, -1, b"answer" * 9,
    )  # fmt: skip


def request(t_ms: int) -> Frame:
    return Frame(f"mv#{t_ms}", "", "mv", "cmu", "ask", 2, t_ms * 1000, -1, b"ask" * 30)


class Units(Adapter):
    """Asks every 700 ms, answers what arrives."""

    component: ClassVar[str] = "units"
    models: ClassVar[dict[str, dict[str, Any]]] = {
        "Units": model(trigger=["rx", "node_up"], transient=["tx"])
    }

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        self.seen: list[Any] = []
        self.asked_ms = -1
        return [{"eid": "u", "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:
        for item in self.take(inputs, "u", "rx"):
            delivery = Delivery.from_plain(item)
            self.seen.append([t_ms, delivery.plain()])
            if delivery.flow == "ask":
                self.emit("u", "tx", reply(delivery, t_ms))
        for item in self.take(inputs, "u", "node_up"):
            self.seen.append([t_ms, NodeUp.from_plain(item).plain()])
        if t_ms % 700 == 0 and t_ms > self.asked_ms and t_ms < END_MS:
            self.asked_ms = t_ms
            self.emit("u", "tx", request(t_ms))
        return t_ms - t_ms % 700 + 700 if t_ms < END_MS - 700 else None


class Grid(Adapter):
    """Cuts a terminal off at 40 s and feeds it again at 45 s."""

    component: ClassVar[str] = "grid"
    models: ClassVar[dict[str, dict[str, Any]]] = {"Grid": model(transient=["supply"])}

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{"eid": "g", "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:
        self.emit("g", "supply", Supply(f"grid#{t_ms}", "", "t1", t_ms != 40_000, True))
        return {0: 40_000, 40_000: 45_000}.get(t_ms)


class Sink(Adapter):
    """Keeps all rows."""

    component: ClassVar[str] = "sink"
    models: ClassVar[dict[str, dict[str, Any]]] = {"Sink": model(trigger=[ROWS])}

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        self.rows: list[Any] = []
        return [{"eid": "s", "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:
        self.rows += self.take(inputs, "s", ROWS)
        return None


def in_mosaik(network: dict[str, str]) -> tuple[list[Any], dict[str, Any]]:
    """Run the three simulators; return what the units saw and all rows by table."""
    units, sink = Units(), Sink()
    here = types.ModuleType("network_world")  # mosaik starts simulators by name
    here.Grid, here.Units, here.Sink = Grid, lambda: units, lambda: sink  # type: ignore[attr-defined]
    config: Any = {"Network": network}
    config |= {name: {"python": f"{here.__name__}:{name}"} for name in ("Grid", "Units", "Sink")}
    common = {"end_ms": END_MS, "plain": "cmd" in network}
    sys.modules[here.__name__] = here
    try:
        with mosaik.World(config, time_resolution=0.001, skip_greetings=True) as world:
            grid = world.start("Grid", **common).Grid()
            recorder = world.start("Sink", **common).Sink()
            with world.group():
                net = world.start("Network", **common).Network(spec=SPEC, seed=3)
                unit = world.start("Units", **common).Units()
            world.connect(grid, net, "supply")
            world.connect(unit, net, "tx")
            world.connect(net, unit, "rx", weak=True)
            world.connect(net, unit, "node_up", weak=True)
            world.connect(net, recorder, ROWS)
            world.run(until=END_MS + 1, print_progress=False)
    finally:
        del sys.modules[here.__name__]
    return units.seen, merged([(row["table"], row["columns"]) for row in sink.rows])


def merged(chunks: list[tuple[str, dict[str, list[Any]]]]) -> dict[str, Any]:
    tables: dict[str, dict[str, list[Any]]] = {}
    for name, columns in chunks:
        into = tables.setdefault(name, {key: [] for key in columns})
        for key, values in columns.items():
            into[key] += values
    return plain_value(tables)


def by_hand() -> tuple[list[Any], dict[str, Any]]:
    """Call the core in the order of the tick rule, as the fused coupling does."""
    core, seen, chunks = NetworkCore(SPEC, 3), [], []
    asks = list(range(0, END_MS - 1, 700))
    supply = {0: True, 40_000: False, 45_000: True}
    outside = sorted({*asks, *supply, END_MS})
    while outside:
        due_ms = core.next_ms()
        t_ms = outside[0] if due_ms is None else min(due_ms, outside[0])
        deliveries = core.advance(t_ms)
        if t_ms == outside[0]:
            outside.pop(0)
        if t_ms in supply:
            core.supply(t_ms, [Supply(f"grid#{t_ms}", "", "t1", supply[t_ms], True)])
        if t_ms in asks:
            core.inject(t_ms, [request(t_ms)])
        seen += [[t_ms, delivery.plain()] for delivery in deliveries]
        seen += [[t_ms, change.plain()] for change in core.node_up()]
        core.inject(t_ms, [reply(d, t_ms) for d in deliveries if d.flow == "ask"])
        if t_ms % 9 == 0:
            chunks += core.rows()
    core.close(END_MS)
    return seen, merged(chunks + core.rows())


def test_mosaik_a_process_of_its_own_and_the_plain_core_give_the_same() -> None:
    local = in_mosaik({"python": "simulators.network.sim:NetworkSimulator"})
    assert json.dumps(local) == json.dumps(by_hand())
    seen, tables = local
    assert {item["flow"] for _, item in seen if "flow" in item} == {"ask", "answer"}
    assert [t for t, item in seen if "unit" in item] == [40_000] * 2 + [45_000] * 2
    assert "node-down" in tables["message"]["loss"]
    remote = in_mosaik({"cmd": f"{sys.executable} -m simulators.network %(addr)s"})
    assert json.dumps(remote) == json.dumps(local)


def test_a_failure_names_the_component() -> None:
    config: Any = {"Network": {"python": "simulators.network.sim:NetworkSimulator"}}
    with mosaik.World(config, skip_greetings=True) as world:
        simulator = world.start("Network", end_ms=10)
        with pytest.raises(ComponentError, match="network failed while setting up"):
            simulator.Network(spec={**SPEC, "loss": 7}, seed=1)
