"""A battery that holds its connection point at what the house has agreed to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.messages import Actuation
from simulators.devices import DevicesCore
from simulators.devices.setpoints import read_set_point

TERMINAL, SLOT_MS = "terminal/lv1/a", 900_000
BATTERY = {
    "id": "battery/lv1/a", "kind": "battery", "terminal": TERMINAL, "capacity_wh": 10_000.0,
    "p_max_w": 5_000.0, "initial_wh": 5_000.0,
}  # fmt: skip


def load(p_w):
    return {"id": "load/lv1/a", "kind": "load", "terminal": TERMINAL, "p_w": p_w}


def order(p_w, until_ms, target="battery/lv1/a", **more):
    value = {"p_w": p_w, "until_ms": until_ms, **more}
    return Actuation("x#1", "c#1", target, "set_power", value)


@given(
    st.lists(st.floats(-8_000, 8_000), min_size=4, max_size=4),
    st.floats(-3_000, 3_000),
)
def test_the_house_draws_what_was_agreed_as_far_as_the_battery_can(load_w, agreed_w) -> None:
    core = DevicesCore([TERMINAL], [load(load_w), BATTERY], 4 * SLOT_MS)
    hold = [order(agreed_w, 3 * SLOT_MS, at="connection")]
    for slot, other_w in enumerate(load_w):
        t_ms = slot * SLOT_MS
        core.step(t_ms, hold if slot == 0 else [])
        asked_w = agreed_w - other_w if slot < 3 else -other_w
        within = -5_000 <= asked_w <= 5_000
        if within and 0 < core.battery.stored_wh[0] + asked_w / 3 < 10_000:
            wanted_w = agreed_w if slot < 3 else 0.0
            assert core.power()["p_w"].sum() == pytest.approx(wanted_w, abs=1e-3)
        assert abs(core.battery.p_w[0]) <= 5_000


def test_only_what_has_a_clamp_holds_the_connection() -> None:
    ev = {"id": "ev/lv1/a", "kind": "ev", "terminal": TERMINAL, "p_max_w": 11_000.0, "sessions": []}
    core = DevicesCore([TERMINAL], [load([0.0]), ev, BATTERY], SLOT_MS)
    core.step(0, [order(1_000.0, SLOT_MS, "ev/lv1/a", at="connection"), order(1.0, 5, at="roof")])
    refused = {
        event.element: event.value["reason"]
        for event in core.take_events()
        if event.kind == "set_point_refused"
    }
    assert "clamp" in refused["ev/lv1/a"]
    assert "connection" in refused["battery/lv1/a"]
    assert read_set_point({"p_w": 1, "until_ms": None}, 0) == (1.0, 2**62, False, False)
