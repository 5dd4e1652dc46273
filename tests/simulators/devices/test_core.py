"""The fleet as a whole: terminals, phases, supply, order within an instant, records."""

from __future__ import annotations

import numpy as np
import pytest

from fernwatt.errors import ComponentError, ScenarioError, SimulationError
from fernwatt.messages import Actuation, Supply
from simulators.devices import DevicesCore, DevicesSimulator

SLOT_MS = 900_000
A, B = TERMINALS = ["terminal/lv1/a", "terminal/lv1/b"]


def load(name, terminal, p_w, **given):
    return {"id": f"load/lv1/{name}", "kind": "load", "terminal": terminal, "p_w": p_w, **given}


def pv(p_w, **given):
    return {"id": "pv/lv1/a", "kind": "pv", "terminal": A, "p_w": p_w, **given}


def limit(p_w, until_ms):
    return Actuation("x#1", "c#1", "pv/lv1/a", "set_power", {"p_w": p_w, "until_ms": until_ms})


def test_terminals_draw_the_sum_of_their_devices_by_phase() -> None:
    devices = [load("x", A, [900.0] * 4, q_var=[90.0] * 4), load("y", A, [60.0] * 4, phase="b"),
               load("z", B, [30.0] * 4, phase="c")]  # fmt: skip
    core = DevicesCore(TERMINALS, devices, 4 * SLOT_MS)
    core.step(0)
    assert core.power()["p_w"] == pytest.approx(np.array([[300.0, 360.0, 300.0], [0.0, 0.0, 30.0]]))
    assert core.power()["q_var"][0] == pytest.approx([30.0, 30.0, 30.0])


def test_curtailment_limits_generation_until_it_ends_and_keeps_the_power_factor() -> None:
    core = DevicesCore(TERMINALS, [pv([-4_000.0] * 4, q_var=[-400.0] * 4)], 4 * SLOT_MS)
    due = core.step(0, [limit(-1_000.0, 300_000)])
    assert (core.p_w[0], core.q_var[0], due) == (-1_000.0, -100.0, 300_000)
    core.step(300_000, [limit(500.0, 400_000)])
    assert core.p_w[0] == 0.0  # a PV system cannot draw
    core.step(400_000)
    assert (core.p_w[0], core.q_var[0]) == (-4_000.0, -400.0)


def test_without_supply_nothing_is_drawn_or_fed_in() -> None:
    battery = {"id": "battery/lv1/a", "kind": "battery", "terminal": A, "capacity_wh": 9_000.0,
               "p_max_w": 3_000.0, "standby_w": 5.0}  # fmt: skip
    core = DevicesCore(
        TERMINALS, [load("x", A, [700.0] * 4), pv([-900.0] * 4), battery, load("y", B, [50.0] * 4)],
        4 * SLOT_MS,
    )  # fmt: skip
    core.step(0, energised=np.array([False, True]))
    assert core.power()["p_w"].sum(axis=1) == pytest.approx([0.0, 50.0])
    core.step(1_000, supplies=[Supply("s#1", "g#7", A, True, True)])
    assert core.power()["p_w"].sum(axis=1) == pytest.approx([5.0, 50.0])
    told = [(e.kind, e.cause) for e in core.take_events()]
    assert told == [("power_changed", "g#7")]


def test_two_batteries_behind_one_meter_share_the_surplus() -> None:
    batteries = [
        {"id": f"battery/lv1/{n}", "kind": "battery", "terminal": A, "capacity_wh": 9_000.0,
         "p_max_w": p_max_w}
        for n, p_max_w in enumerate([3_000.0, 1_000.0])
    ]  # fmt: skip
    core = DevicesCore(TERMINALS, [pv([-2_000.0] * 4), *batteries], 4 * SLOT_MS)
    core.step(0)
    assert core.battery.p_w.tolist() == [1_500.0, 500.0]


def test_a_vehicle_leaves_before_the_next_comes_and_a_set_point_meets_the_new_one() -> None:
    names = ("arrival_ms", "departure_ms", "energy_wh")
    visits = [(0, 1_000_000, 100.0), (1_000_000, 3_000_000, 200.0)]
    ev = {"id": "ev/lv1/a", "kind": "ev", "terminal": A, "p_max_w": 11_000.0,
          "sessions": [dict(zip(names, visit, strict=True)) for visit in visits]}  # fmt: skip
    core = DevicesCore(TERMINALS, [ev], 4 * SLOT_MS)
    core.step(0)
    while core.next_ms() < 1_000_000:
        core.step(core.next_ms())
    core.take_events()
    order = {"p_w": 2_000.0, "until_ms": 2_000_000}
    core.step(1_000_000, [Actuation("x#1", "c#1", "ev/lv1/a", "set_power", order)])
    assert [e.kind for e in core.take_events()] == [
        "session_ended", "session_started", "set_point_changed", "power_changed",
    ]  # fmt: skip
    assert core.p_w[0] == pytest.approx(2_000.0)


def test_recorded_means_are_those_of_the_energy() -> None:
    core = DevicesCore(TERMINALS, [pv([-4_000.0] * 4)], 4 * SLOT_MS, 2 * SLOT_MS)
    rows = []
    for t_ms in (0, 450_000, SLOT_MS, 2 * SLOT_MS, 3 * SLOT_MS, 4 * SLOT_MS):
        core.step(t_ms, [limit(0.0, SLOT_MS)] if t_ms == 450_000 else [])
        rows += [columns for table, columns in core.take_rows() if table == "device"]
    assert [row["t_ms"] for row in rows] == [0, 2 * SLOT_MS]
    assert [row["p_w"][0] for row in rows] == pytest.approx([-3_000.0, -4_000.0])
    assert rows[0]["energy_wh"] == [None]


def test_targets_of_others_are_left_alone_and_time_never_runs_back() -> None:
    core = DevicesCore(TERMINALS, [pv([-1.0] * 4)], 4 * SLOT_MS)
    core.step(10, [Actuation("x#1", "c#1", "switch/lv1/a", "open", None)])
    assert core.take_events() == []
    with pytest.raises(SimulationError, match="cannot go back"):
        core.step(9)


def test_faults_at_set_up_name_the_simulator_and_the_path() -> None:
    simulator = DevicesSimulator()
    simulator.init("devices", 0.001, end_ms=4 * SLOT_MS)
    bad = {"terminals": TERMINALS, "devices": [pv([-1.0])], "start": "2016-04-20T10:00:00Z"}
    with pytest.raises(ComponentError, match=r"devices\[0\]\.p_w: has 1 values") as caught:
        simulator.create(1, "Devices", **bad)
    assert isinstance(caught.value.__cause__, ScenarioError)
