"""The grid under mosaik: payloads, registers, switches, other people's simulators and worlds."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import mosaik
import mosaik_api_v3
import numpy as np
import pytest

from fernwatt import mosaik_patch
from fernwatt.errors import ComponentError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import PandapowerSolver
from fernwatt.mailbox import Inbox
from fernwatt.messages import Actuation, Supply

mosaik_patch.apply()
SOURCE = {"simbench": "1-LV-rural1--0-sw"}
MODEL = load_grid(SOURCE)
N = len(MODEL.terminals)
SWITCH = next(s.id for s in MODEL.switches if s.kind == "transformer")
IN_PROCESS = {"python": "simulators.grid:GridSimulator"}
AS_PROCESS = {"cmd": "%(python)s -m simulators.grid %(addr)s"}


class Devices(mosaik_api_v3.Simulator):
    """Draws 1 kW more at each terminal every minute; gives orders to switches; as plain JSON."""

    def __init__(self):
        attrs = ["power", "actuate", "terminal"]
        description = {
            "public": True, "params": [], "attrs": attrs, "trigger": [],
            "non-persistent": ["actuate"],
        }  # fmt: skip
        super().__init__(
            {"api_version": "3.0", "type": "hybrid", "models": {"Devices": description}}
        )

    def init(self, sid, time_resolution=1.0, orders=(), until=0, bad=None):
        self.orders, self.until, self.bad = dict(orders), until, bad
        return self.meta

    def create(self, num, model, **params):
        return [{"eid": "devices", "type": model}]

    def step(self, time, inputs, max_advance):
        self.time = time
        due = [t for t in (time // 60_000 * 60_000 + 60_000, *self.orders) if t > time]
        return min(due) if due and min(due) < self.until else None

    def get_data(self, outputs):
        watts = 1000.0 * (self.time // 60_000)
        p_w = [[watts / 3] * 3 for _ in range(N)]
        if self.bad and self.time >= 60_000:
            p_w[0][0] = self.bad
        data = {"power": {"index": MODEL.index, "p_w": p_w, "q_var": [[0.0] * 3] * N}}
        if self.time in self.orders:
            order = Actuation(f"field#{self.time}", "", SWITCH, self.orders[self.time], None)
            data["actuate"] = [[list(self.orders).index(self.time) + 1, order.plain()]]
        return {"devices": data}


class Sink(mosaik_api_v3.Simulator):
    """Keeps all that it is given, as JSON text by time."""

    def __init__(self):
        attrs = ["state", "supply", "events", "rows", "vm_pu", "closed"]
        description = {"public": True, "params": [], "attrs": attrs}
        super().__init__(
            {"api_version": "3.0", "type": "event-based", "models": {"Sink": description}}
        )
        self.inbox = {name: Inbox() for name in ("supply", "events", "rows")}
        self.seen = []

    def init(self, sid, time_resolution=1.0):
        return self.meta

    def create(self, num, model, **params):
        return [{"eid": "sink", "type": model}]

    def step(self, time, inputs, max_advance):
        for attr, by_source in sorted(inputs["sink"].items()):
            if attr in self.inbox:
                for item in self.inbox[attr].take(by_source):
                    self.seen.append((time, attr, plain(item)))
            else:
                for value in by_source.values():
                    self.seen.append((time, attr, plain(value)))

    def get_data(self, outputs):
        return {}


def plain(value):
    from fernwatt.adapter import plain_value

    return json.loads(json.dumps(plain_value(value), allow_nan=False))


def run(start, *, orders=(), end_ms=300_000, interval_ms=120_000, bad=None, remote=False):
    world = mosaik.World(
        {
            "Grid": start,
            "Devices": {"python": f"{__name__}:Devices"},
            "Sink": {"python": f"{__name__}:Sink"},
        },
        time_resolution=0.001,
        skip_greetings=True,
    )
    try:
        grid = world.start("Grid", end_ms=end_ms, plain=remote).Grid(
            source=SOURCE, lv=[], base_dir=".", solver="balanced", interval_ms=interval_ms
        )
        devices = world.start("Devices", orders=orders, until=end_ms, bad=bad).Devices()
        sink = world.start("Sink").Sink()
        world.connect(devices, grid, "power")
        world.connect(devices, grid, "actuate", time_shifted=1)
        world.connect(grid, sink, "state", "supply", "events", "rows")
        world.run(until=end_ms + 1, print_progress=False)
        progress = world._async_world.sim_progress
    finally:
        world.shutdown()
    assert progress >= 100
    return Sink.last


def of(seen, attr):
    return [(t, value) for t, a, value in seen if a == attr]


@pytest.fixture(autouse=True)
def keep_sink(monkeypatch):
    original = Sink.__init__

    def keeping(self):
        original(self)
        Sink.last = self.seen

    monkeypatch.setattr(Sink, "__init__", keeping)


def test_state_carries_what_devices_draw_and_the_registers():
    seen = run(IN_PROCESS)
    states = of(seen, "state")
    last_ms, last = states[-1]
    assert last_ms == last["t_ms"] == 300_000
    assert last["index"] == MODEL.index
    energy_wh = sum(1000.0 * minute / 60 for minute in range(5))
    assert last["import_wh"] == pytest.approx([energy_wh] * N, rel=1e-12)
    assert last["export_wh"] == [0.0] * N
    at_2_min = next(value for t, value in states if t == 120_000)
    assert np.array(at_2_min["p_w"]).sum(axis=1) == pytest.approx([2000.0] * N)
    v_v = np.array(at_2_min["v_v"])
    slow = PandapowerSolver(MODEL).solve(np.full((N, 3), 2000 / 3), np.zeros((N, 3)))
    row = [bus.id for bus in MODEL.buses].index(MODEL.terminals[0].bus)
    assert v_v[0, 0] == pytest.approx(slow.vm_pu[row] * 400 / 3**0.5, abs=1e-2)
    down = at_2_min["transformers"]
    assert down["ids"] == ["transformer/lv1.101/trafo-1"]
    assert down["p_w"][0] == pytest.approx(-slow.transformer.p_to_w[0], rel=1e-5)


def test_rows_cover_the_run_without_gap():
    rows = [row for _, row in of(run(IN_PROCESS), "rows")]
    starts = [row["columns"]["t_ms"] for row in rows if row["table"] == "bus"]
    assert starts == [0, 120_000, 240_000]
    system = [row["columns"] for row in rows if row["table"] == "system"]
    drawn = [columns["p_terminals_w"][0] for columns in system]
    assert drawn == pytest.approx([500.0 * N, 2500.0 * N, 4000.0 * N])
    for columns in system:
        balance = columns["p_import_w"][0] - columns["p_loss_w"][0]
        assert balance == pytest.approx(columns["p_terminals_w"][0], abs=0.1)


def test_supply_is_complete_at_once_and_follows_the_switch_with_causes():
    seen = run(IN_PROCESS, orders={60_000: "open", 180_000: "close", 200_000: "close"})
    supply = of(seen, "supply")
    first = [Supply.from_plain(item) for t, item in supply if t == 0]
    assert [item.element for item in first] == [
        *MODEL.terminal_ids, *(x.id for x in MODEL.lines), *(x.id for x in MODEL.switches),
        *sorted({area.bus for area in MODEL.areas}),
    ]  # fmt: skip
    assert all(item.energised and item.continuous and item.cause == "" for item in first)
    events = of(seen, "events")
    opened = next(event for t, event in events if event["kind"] == "switch_opened")
    assert opened["t_us"] == 60_001_000  # actuation is one tick late
    assert opened["cause"] == "field#60000"
    lost = {e["element"]: e for _, e in events if e["kind"] == "supply_lost"}
    assert sorted(lost) == MODEL.terminal_ids
    assert {event["cause"] for event in lost.values()} == {opened["id"]}
    told = {item["element"]: item for t, item in supply if t == 60_001}
    assert set(MODEL.terminal_ids) < set(told)
    assert all(told[name]["cause"] == lost[name]["id"] for name in lost)
    assert not any(told[name]["energised"] for name in lost)
    assert len([e for _, e in events if e["kind"] == "switch_closed"]) == 1
    assert len([e for _, e in events if e["kind"] == "supply_restored"]) == N
    ids = [item["id"] for _, item in supply] + [item["id"] for _, item in events]
    assert len(set(ids)) == len(ids)
    state = next(value for t, value in of(seen, "state") if t == 120_000)
    assert state["energised"] == [False] * N
    assert np.abs(state["v_v"]).max() == 0.0
    assert np.abs(state["p_w"]).max() == 0.0
    assert state["import_wh"] == pytest.approx([1000.0 / 3_600_000] * N)
    rows = [row["columns"] for _, row in of(seen, "rows") if row["table"] == "event"]
    assert [ident for row in rows for ident in row["id"]] == [event["id"] for _, event in events]


def test_a_process_of_its_own_gives_the_same_numbers():
    orders = {60_000: "open", 180_000: "close"}
    here = run(IN_PROCESS, orders=orders)
    there = run(AS_PROCESS, orders=orders, remote=True)
    assert here == there
    assert len(here) > 20


@pytest.mark.parametrize(("bad", "text"), [(1e12, "no solution"), (float("nan"), "no number")])
def test_failures_name_the_component_the_time_and_the_place(bad, text):
    with pytest.raises(ComponentError, match=text) as caught:
        run(IN_PROCESS, bad=bad)
    assert caught.value.component == "grid"
    assert caught.value.t_ms == 60_000
    assert MODEL.terminal_ids[0] in str(caught.value)


# -- other people's worlds -----------------------------------------------------------------------


def foreign(time_resolution=1.0, connect=(), until=4, step_size=1, solver="balanced"):
    """A world with constant sources at loads; return the voltages of the first load by tick."""
    world = mosaik.World(
        {
            "Grid": IN_PROCESS,
            "Source": {"python": "mosaik.basic_simulators.input_simulator:InputSimulator"},
            "Sink": {"python": f"{__name__}:Sink"},
        },
        time_resolution=time_resolution,
        skip_greetings=True,
    )
    try:
        grid = world.start("Grid", step_size=step_size).Grid(source=SOURCE, solver=solver)
        child = {entity.eid: entity for entity in grid.children}
        source = world.start("Source", step_size=step_size)
        for eid, attr, value in connect:
            world.connect(source.Constant(constant=value), child[eid], ("value", attr))
        sink = world.start("Sink").Sink()
        world.connect(child[MODEL.terminals[0].bus], sink, "vm_pu")
        world.connect(child[SWITCH], sink, "closed")
        world.run(until=until, print_progress=False)
    finally:
        world.shutdown()
    return Sink.last


def test_children_have_the_identifiers_of_the_model():
    from simulators.grid import GridSimulator

    simulator = GridSimulator()
    simulator.init("g", 1.0)
    (entity,) = simulator.create(1, "Grid", source=SOURCE)
    by_type = {}
    for child in entity["children"]:
        by_type.setdefault(child["type"], []).append(child["eid"])
    assert by_type["Load"] == MODEL.terminal_ids
    assert by_type["Bus"] == [bus.id for bus in MODEL.buses]
    assert by_type["Line"] == [line.id for line in MODEL.lines]
    assert set(by_type) == {"Bus", "Load", "Line", "Transformer", "Switch"}
    with pytest.raises(ComponentError, match="one Grid"):
        simulator.create(1, "Grid", source=SOURCE)


def test_sources_at_one_load_are_summed_and_others_keep_the_record():
    name = MODEL.terminal_ids[0]
    seen = foreign(connect=[(name, "p_mw", 0.002), (name, "p_mw", 0.003), (name, "q_mvar", 0.001)])
    p_w, q_var = MODEL.static_power()
    p_w[0], q_var[0] = 5000.0, 1000.0
    p_3, q_3 = (np.repeat(x[:, None] / 3, 3, axis=1) for x in (p_w, q_var))
    row = [bus.id for bus in MODEL.buses].index(MODEL.terminals[0].bus)
    expected = PandapowerSolver(MODEL).solve(p_3, q_3).vm_pu[row]
    values = [value for _, value in of(seen, "vm_pu")]
    assert values[-1] == pytest.approx(expected, abs=1e-5)
    assert of(seen, "closed")[-1][1] is True


def test_a_switch_can_be_operated_by_a_value():
    seen = foreign(connect=[(SWITCH, "closed", False)])
    assert of(seen, "vm_pu")[-1][1] == 0.0
    assert of(seen, "closed")[-1][1] is False


@pytest.mark.parametrize("time_resolution", [60.0, 1.0, 0.1, 0.001])
def test_any_tick_of_whole_milliseconds_works(time_resolution):
    seen = foreign(time_resolution)
    assert [t for t, _ in of(seen, "vm_pu")] == [0, 1, 2, 3]


@pytest.mark.parametrize("time_resolution", [0.0005, 0.0015, 1e-6])
def test_other_ticks_are_refused_in_words(time_resolution):
    with pytest.raises(ComponentError, match="whole number of milliseconds"):
        foreign(time_resolution)


def test_registers_follow_the_tick_of_the_world():
    from simulators.grid import GridSimulator

    simulator = GridSimulator()
    simulator.init("g", 60.0, end=10)
    simulator.create(1, "Grid", source=SOURCE)
    assert simulator.step(0, {}, 10) == 10
    simulator.step(10, {}, 10)
    state = simulator.get_data({"grid": ["state"]})["grid"]["state"]
    assert state["t_ms"] == 600_000
    p_w = MODEL.static_power()[0]
    assert state["import_wh"] == pytest.approx(np.maximum(p_w, 0) / 6, abs=1e-9)
    assert state["export_wh"] == pytest.approx(np.maximum(-p_w, 0) / 6, abs=1e-9)


def test_the_wrong_order_of_terminals_is_an_error():
    from simulators.grid import GridSimulator

    simulator = GridSimulator()
    simulator.init("g", 0.001)
    simulator.create(1, "Grid", source=SOURCE)
    payload = {"index": "0" * 16, "p_w": [[0.0] * 3] * N, "q_var": [[0.0] * 3] * N}
    with pytest.raises(ComponentError, match="index of terminals"):
        simulator.step(0, {"grid": {"power": {"d.x": payload}}}, 10)


def test_the_example_runs_and_agrees_with_runpp():
    path = Path(__file__).parents[3] / "docs" / "examples" / "plain_mosaik.py"
    spec = importlib.util.spec_from_file_location("plain_mosaik", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    got = example.main(until_s=2 * 3600)
    assert list(got) == [900 * n for n in range(8)]

    import pandapower as pp
    import simbench

    net = simbench.get_simbench_net("1-LV-semiurb4--0-sw")
    net.trafo["tap_changer_type"] = "Ratio"
    row = net.load.index[net.load.name == "LV4.101 Load 7"][0]
    for t_s, vm_pu in got.items():
        net.load.loc[row, "p_mw"], net.load.loc[row, "q_mvar"] = 0.005 * (t_s // 3600), 0.0
        pp.runpp(net, calculate_voltage_angles=True, init="dc")
        assert vm_pu == pytest.approx(net.res_bus.vm_pu[net.load.bus[row]], abs=1e-5)
