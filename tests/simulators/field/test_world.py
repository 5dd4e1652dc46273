"""Devices and field in a mosaik world, in one process and each in its own: the same bytes."""

from __future__ import annotations

import json
import sys
from typing import ClassVar

import mosaik
import numpy as np
import pytest

from fernwatt.adapter import ROWS, Adapter, model, plain_value
from fernwatt.identifiers import index_hash
from fernwatt.messages import Command, Reading
from fernwatt.mosaik_patch import apply
from fernwatt.tables import TABLES

END_MS = 6 * 3_600_000
SLOTS = END_MS // 900_000
TERMINALS = [f"terminal/lv1/load-{n}" for n in range(3)]
CHARGER, BATTERY = "ev/lv1/load-0", "battery/lv1/load-1"
COMMANDS = [  # tick, actuator, power, end
    (3_700_000, "actuator/lv1/load-0/ev", 4_000.0, 5_400_000),
    (3_700_000, "actuator/lv1/load-1/battery", 2_500.0, 7_200_000),
    (9_000_001, "actuator/lv1/none", 1.0, 9_900_000),
    (10_000_000, "actuator/lv1/by-hand", 500.0, 18_000_000),
]


class Plate(Adapter):
    """A grid of copper: every terminal gets 230 V and what it draws; registers are exact."""

    component = "plate"
    models: ClassVar = {"Plate": model(["state", "terminal"], trigger=["power"])}

    def setup(self, model_name, params):
        self.p_w, self.registers, self.since_ms = np.zeros((3, 3)), np.zeros((2, 4)), 0
        return [{"eid": "grid", "type": model_name}]

    def advance(self, t_ms, inputs, max_advance):
        total = self.p_w.sum(axis=1)
        flow = np.append(total, total.sum()) * (t_ms - self.since_ms) / 3.6e6
        self.registers += np.stack((np.maximum(flow, 0), np.maximum(-flow, 0)))
        self.since_ms = t_ms
        power = self.latest(inputs, "grid", "power")
        assert power["index"] == index_hash(TERMINALS)
        self.p_w = np.array(power["p_w"])
        return self.end_ms if t_ms < self.end_ms else None

    def output(self, eid, attr):
        common = {"index": index_hash(TERMINALS), "v_v": np.full((3, 3), 230.0),
                  "energised": np.ones(3, dtype=bool)}  # fmt: skip
        if attr == "terminal":
            return common
        sides = {"ids": ["transformer/lv1/0"], "p_w": self.p_w.sum().reshape(1),
                 "import_wh": self.registers[0, 3:].copy(), "v_v": np.full((1, 3), 231.0),
                 "export_wh": self.registers[1, 3:].copy()}  # fmt: skip
        return {**common, "t_ms": self.t_ms, "p_w": self.p_w, "transformers": sides,
                "import_wh": self.registers[0, :3].copy(),
                "export_wh": self.registers[1, :3].copy()}  # fmt: skip


class Desk(Adapter):
    """Gives the commands, keeps every reading and row."""

    component = "desk"
    models: ClassVar = {
        "Desk": model(trigger=["readings", ROWS], transient=["commands"], params=["path"])
    }

    def setup(self, model_name, params):
        self.path, self.kept, self.todo = params["path"], [], list(COMMANDS)
        return [{"eid": "desk", "type": model_name}]

    def advance(self, t_ms, inputs, max_advance):
        for item in self.take(inputs, "desk", "readings"):
            assert Reading.from_plain(item).t_sample_ms == t_ms
            self.kept.append(["reading", t_ms, plain_value(item)])
        for item in self.take(inputs, "desk", ROWS):
            names = {column.name for column in TABLES[item["table"]].columns}
            assert set(item["columns"]) == names
            self.kept.append(["row", t_ms, plain_value(item)])
        while self.todo and self.todo[0][0] <= t_ms:
            _, actuator, p_w, until_ms = self.todo.pop(0)
            ident = f"dmu/lv1#{len(self.todo)}"
            value = {"p_w": p_w, "until_ms": until_ms}
            command = Command(ident, "plan#1", "dmu/lv1", actuator, "set_power", value, t_ms)
            self.emit("desk", "commands", command)
        return self.todo[0][0] if self.todo else (self.end_ms if t_ms < self.end_ms else None)

    def close(self):
        self.path.write_text("\n".join(json.dumps(item) for item in self.kept))


def device_params():
    load = [300.0 + 40 * k for k in range(SLOTS)]
    specs = [
        {"id": f"load/lv1/load-{n}", "kind": "load", "terminal": t, "p_w": load, "q_var": load}
        for n, t in enumerate(TERMINALS)
    ]
    session = {"arrival_ms": 1_234_567, "departure_ms": 20_000_000, "energy_wh": 9_000.0}
    specs += [
        {"id": CHARGER, "kind": "ev", "terminal": TERMINALS[0], "p_max_w": 11_000.0,
         "sessions": [session]},
        {"id": BATTERY, "kind": "battery", "terminal": TERMINALS[1], "capacity_wh": 8_000.0,
         "p_max_w": 4_000.0, "standby_w": 4.0},
        {"id": "pv/lv1/load-1", "kind": "pv", "terminal": TERMINALS[1],
         "p_w": [-150.0 * k for k in range(SLOTS)]},
    ]  # fmt: skip
    return specs


def field_params():
    devices = sorted(spec["id"] for spec in device_params())
    instruments = [
        {
            "id": f"meter/lv1/load-{n}",
            "kind": "meter",
            "target": t,
            "clock_sd_ms": 900.0,
            "sampling": "clock",
        }
        for n, t in enumerate(TERMINALS)
    ]
    instruments += [
        {"id": "substation/lv1/0", "kind": "substation", "target": "transformer/lv1/0"},
        {"id": "dmu/lv1/ev", "kind": "charger", "target": CHARGER, "terminal": TERMINALS[0]},
        {"id": "dmu/lv1/battery", "kind": "battery", "target": BATTERY},
        {"id": "dmu/lv1/pv", "kind": "pv", "target": "pv/lv1/load-1"},
    ]  # fmt: skip
    actuators = [
        {"id": COMMANDS[0][1], "unit": "dmu/lv1", "target": CHARGER, "delay_ms": 120},
        {"id": COMMANDS[1][1], "unit": "dmu/lv1", "target": BATTERY},
        {
            "id": COMMANDS[3][1],
            "unit": "dmu/lv1",
            "target": BATTERY,
            "by": "crew",
            "place_m": [3_000.0, 4_000.0],
            "work_ms": 1_200_000,
            "jitter_ms": 400,
        },
    ]
    losses = [
        {
            "id": "loss/0",
            "kind": "bypass",
            "meter": "meter/lv1/load-2",
            "share": 0.25,
            "hours": [11.1, 13.0],
        },
    ]
    return {
        "terminals": TERMINALS, "transformers": ["transformer/lv1/0"], "devices": devices,
        "instruments": instruments, "actuators": actuators, "seed": 5,
        "start": "2016-04-20T10:00:00Z", "drop": [], "losses": losses,
        "crews": {"count": 1, "speed_m_per_s": 10.0, "detour": 1.0, "dispatch_ms": 300_000},
    }  # fmt: skip


def run(path, *, remote=False):
    """Run the small world; return everything the desk got."""
    apply()
    ours = {"devices": "DevicesSimulator", "field": "FieldSimulator"}
    config = {
        name: {"cmd": f"{sys.executable} -m simulators.{name} %(addr)s"}
        if remote
        else {"python": f"simulators.{name}:{cls}"}
        for name, cls in ours.items()
    }
    config |= {name: {"python": f"{__name__}:{name.capitalize()}"} for name in ("plate", "desk")}
    world = mosaik.World(config, time_resolution=0.001, skip_greetings=True)
    start = {"end_ms": END_MS, "plain": remote}
    try:
        devices = world.start("devices", sim_id="devices", **start).Devices(
            terminals=TERMINALS, devices=device_params(), interval_ms=900_000,
            start="2016-04-20T10:00:00Z",
        )  # fmt: skip
        plate = world.start("plate", sim_id="plate", **start).Plate()
        field = world.start("field", sim_id="field", **start).Field(**field_params())
        desk = world.start("desk", sim_id="desk", **start).Desk(path=path)
        world.connect(devices, plate, "power")
        world.connect(plate, devices, "terminal", time_shifted=1, initial_data={"terminal": {}})
        world.connect(plate, field, "state")
        world.connect(devices, field, "device", "device_events")
        world.connect(field, devices, "actuate", time_shifted=1)
        world.connect(field, desk, "readings", ROWS)
        world.connect(devices, desk, ROWS)
        world.connect(desk, field, "commands", time_shifted=1)
        world.run(until=END_MS + 1, print_progress=False)
    finally:
        world.shutdown()
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return run(tmp_path_factory.mktemp("world") / "in-process.jsonl")


def rows(kept, table):
    """Return the rows of a table as dicts."""
    found = []
    for what, _, item in kept:
        if what != "row" or item["table"] != table:
            continue
        columns = item["columns"]
        n = max(len(v) for v in columns.values() if isinstance(v, list))
        full = {k: v if isinstance(v, list) else [v] * n for k, v in columns.items()}
        found += [
            dict(zip(full, values, strict=True)) for values in zip(*full.values(), strict=True)
        ]
    return found


def test_a_command_can_be_followed_to_what_it_did(kept) -> None:
    events = rows(kept, "event")
    by_id = {event["id"]: event for event in events}
    changed = [e for e in events if e["kind"] == "power_changed" and e["element"] == CHARGER]
    chain = [next(e for e in changed if "set-point" in e["value"])]
    while (cause := chain[-1]["cause"]) in by_id:
        chain.append(by_id[cause])
    assert [e["kind"] for e in chain] == ["power_changed", "set_point_changed", "actuated"]
    assert cause == f"dmu/lv1#{len(COMMANDS) - 1}"
    # command +1 tick, 120 ms in the actuator, +1 tick
    assert chain[0]["t_us"] == 3_700_122_000
    confirm = next(r for r in rows(kept, "reading") if r["cause"] == cause)
    assert (confirm["variable"], confirm["value"], confirm["t_sample_ms"]) == (
        "confirm", 1.0, 3_700_121,
    )  # fmt: skip
    assert [e["kind"] for e in events].count("command_refused") == 1


def test_the_vehicle_got_its_energy_and_meters_saw_what_devices_drew(kept) -> None:
    (session,) = rows(kept, "session")
    assert session["delivered_wh"] == pytest.approx(9_000.0, abs=1e-6)
    drawn = {}
    for row in rows(kept, "device"):
        if row["terminal"] == TERMINALS[0] and row["t_ms"] < END_MS - 900_000:
            drawn[row["t_ms"]] = drawn.get(row["t_ms"], 0.0) + row["p_w"] / 4
    (last,) = [
        r
        for r in rows(kept, "reading")
        if (r["instrument"], r["variable"]) == ("meter/lv1/load-0", "energy.import")
        and r["t_clock_ms"] == END_MS - 900_000
    ]
    assert last["value"] == pytest.approx(sum(drawn.values()), rel=0.01)


def test_a_crew_goes_to_what_is_worked_by_hand(kept) -> None:
    events = rows(kept, "event")
    by_id = {event["id"]: event for event in events}
    (done,) = [e for e in events if e["kind"] == "actuated" and e["element"] == COMMANDS[3][1]]
    chain = [done]
    while (cause := chain[-1]["cause"]) in by_id:
        chain.append(by_id[cause])
    assert [e["kind"] for e in chain] == ["actuated", "crew_done", "crew_arrived", "crew_sent"]
    # command +1 tick; 5 min, 5 km at 10 m/s, 20 min; up to 0.4 s in the drive
    crew_ms = 10_000_001 + 300_000 + 500_000 + 1_200_000
    assert chain[1]["t_us"] == crew_ms * 1_000
    assert 0 <= done["t_us"] - crew_ms * 1_000 <= 400_000
    (changed,) = [
        e for e in events if e["kind"] == "set_point_changed" and e["cause"] == done["id"]
    ]
    assert (changed["element"], changed["t_us"] - done["t_us"]) == (BATTERY, 1_000)


def test_a_loss_is_told_to_the_recorder_and_missing_from_the_readings(kept) -> None:
    truth = rows(kept, "truth")
    changes = [(r["kind"], r["t_ms"]) for r in truth if r["kind"] != "register"]
    assert changes == [("loss_begins", 3_960_000), ("loss_ends", 10_800_000)]
    true = {
        r["t_ms"]: json.loads(r["value"])["import_wh"] for r in truth if r["kind"] == "register"
    }
    told = {
        r["t_sample_ms"]: r["value"]
        for r in rows(kept, "reading")
        if (r["instrument"], r["variable"]) == ("meter/lv1/load-2", "energy.import")
    }
    assert true.keys() == told.keys()
    last = max(told)
    before, after = (min(true, key=lambda t: abs(t - at)) for at in (3_960_000, 10_800_000))
    missing = 0.25 * (true[after] - true[before])
    assert told[last] == pytest.approx(true[last] - missing, rel=0.015)
    assert missing > 0.05 * true[last]


def test_nothing_begins_at_the_end_and_every_interval_is_written(kept) -> None:
    assert max(t for what, t, _ in kept if what == "reading") < END_MS
    assert len(rows(kept, "device")) == 6 * SLOTS
    assert "NaN" not in json.dumps(kept)


def test_processes_of_their_own_make_the_same_bytes(kept, tmp_path) -> None:
    assert json.dumps(run(tmp_path / "remote.jsonl", remote=True)) == json.dumps(kept)


def test_a_run_repeats_byte_for_byte(kept, tmp_path) -> None:
    assert json.dumps(run(tmp_path / "again.jsonl")) == json.dumps(kept)
