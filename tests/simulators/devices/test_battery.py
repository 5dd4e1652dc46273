"""Batteries: limits, losses, self-consumption."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fernwatt.messages import Actuation
from simulators.devices import DevicesCore
from simulators.devices.battery import BatteryFleet
from simulators.devices.phi import phi1, phi2
from simulators.devices.specs import BatterySpec

TERMINAL = "terminal/lv1/a"
SLOT_MS = 900_000


def battery(**given_fields):
    return {
        "id": "battery/lv1/a", "kind": "battery", "terminal": TERMINAL, "capacity_wh": 10_000.0,
        "p_max_w": 5_000.0, **given_fields,
    }  # fmt: skip


def load(p_w):
    return {"id": "load/lv1/a", "kind": "load", "terminal": TERMINAL, "p_w": p_w}


def order(p_w, until_ms):
    return Actuation("x#1", "c#1", "battery/lv1/a", "set_power", {"p_w": p_w, "until_ms": until_ms})


def test_surplus_is_charged_and_load_is_covered() -> None:
    core = DevicesCore([TERMINAL], [load([-2_000.0, 1_500.0, 9_000.0]), battery()], 3 * SLOT_MS)
    net = []
    for t_ms in (0, SLOT_MS, 2 * SLOT_MS):
        core.step(t_ms)
        net.append(core.power()["p_w"].sum())
    assert net == pytest.approx([0.0, 0.0, 4_000.0], abs=1e-6)


def test_a_set_point_holds_until_it_ends() -> None:
    core = DevicesCore([TERMINAL], [load([1_000.0] * 8), battery()], 8 * SLOT_MS)
    due = core.step(0, [order(3_000.0, 400_000)])
    assert due == 400_000
    assert core.battery.p_w[0] == 3_000.0
    core.step(400_000)
    assert core.battery.p_w[0] == pytest.approx(-1_000.0)


def test_the_limits_are_met_at_the_tick_and_exactly() -> None:
    spec = battery(initial_wh=9_990.0, charge_efficiency=0.9)
    core = DevicesCore([TERMINAL], [spec], 8 * SLOT_MS)
    due = core.step(0, [order(4_321.0, 7 * SLOT_MS)])
    assert due == int(np.ceil(10.0 / 0.9 / 4_321.0 * 3.6e6))
    core.step(due)
    assert core.battery.stored_wh[0] == 10_000.0
    assert core.battery.p_w[0] == 0.0
    told = [e.value["reason"] for e in core.take_events() if e.kind == "power_changed"]
    assert told == ["set-point", "full"]


def test_a_full_battery_is_kept_full_by_what_leaks() -> None:
    spec = battery(initial_wh=10_000.0, self_discharge_per_day=0.02)
    core = DevicesCore([TERMINAL], [load([-3_000.0] * 96), spec], 96 * SLOT_MS)
    for slot in range(96):
        core.step(slot * SLOT_MS)
    leak_w = 10_000.0 * -np.log(0.98) / 24
    assert core.battery.stored_wh[0] == pytest.approx(10_000.0, abs=1e-6)
    assert core.p_w[0] == pytest.approx(leak_w / 0.95)


@pytest.mark.parametrize("p_w", [2_000.0, -2_000.0, 0.0])
def test_the_content_follows_the_differential_equation(p_w) -> None:
    spec = BatterySpec(
        "b", "battery", "t", "abc", 10_000.0, 5_000.0, 0.93, 0.91, 7.0, 0.3, 0.0, 5_000.0
    )
    fleet = BatteryFleet([spec])
    fleet.set_points.set(0, p_w, 10**12)
    k = -np.log(0.7) / 24
    rate = p_w * 0.93 if p_w > 0 else p_w / 0.91
    one = np.array([True])
    for step in range(4):
        fleet.decide(step * SLOT_MS, (step + 1) * SLOT_MS, np.zeros(1), one)
        fleet.draw((step + 1) * SLOT_MS, SLOT_MS)
    want = solve_ivp(lambda _, e: rate - k * e, (0, 1), [5_000.0], rtol=1e-11, atol=1e-9).y[0, -1]
    assert fleet.stored_wh[0] == pytest.approx(want, rel=1e-9)


def test_the_helper_functions_are_smooth_where_they_change_form() -> None:
    x = np.array([0.0, 1e-9, 1e-4, 0.00999, 0.01, 0.5])
    grid = (np.arange(20_000) + 0.5) / 20_000
    for value, first, second in zip(x, phi1(x), phi2(x), strict=True):
        assert first == pytest.approx(np.exp(-value * grid).mean(), rel=1e-8)
        assert second == pytest.approx(((1 - grid) * np.exp(-value * grid)).mean(), rel=1e-8)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(-12_000, 12_000), min_size=4, max_size=24),
    st.floats(0, 10_000),
    st.floats(0.5, 1.0),
    st.floats(0.5, 1.0),
    st.sampled_from([0.0, 10.0]),
    st.sampled_from([0.0, 1e-3, 0.3]),
    st.sampled_from([0.0, 2_000.0]),
)
def test_energy_is_neither_made_nor_lost(
    powers, initial_wh, eta_c, eta_d, standby_w, leak, reserve_wh
) -> None:
    spec = battery(
        initial_wh=initial_wh, charge_efficiency=eta_c, discharge_efficiency=eta_d,
        standby_w=standby_w, self_discharge_per_day=leak, reserve_wh=reserve_wh,
    )  # fmt: skip
    end_ms = len(powers) * SLOT_MS
    core = DevicesCore([TERMINAL], [load(powers), spec], end_ms)
    t_ms, before = 0, (0.0, 0.0, initial_wh)
    while t_ms is not None:
        t_ms = core.step(t_ms)
        fleet = core.battery
        now = (core.energy_wh[0], core.loss_wh[0], fleet.stored_wh[0])
        drawn, lost, stored = (a - b for a, b in zip(now, before, strict=True))
        assert drawn == pytest.approx(stored + lost, rel=1e-9, abs=1e-8)
        assert lost >= -1e-9
        assert -1e-9 <= fleet.stored_wh[0] <= 10_000.0
        assert fleet.stored_wh[0] >= min(reserve_wh, initial_wh) * (1 - leak) - 1e-6
        assert abs(fleet.p_w[0]) <= 5_000.0
        before = now


def test_ageing_is_counted_and_told_at_the_end() -> None:
    fades = {"cycle_fade": 1e-4, "calendar_fade_per_year": 0.02}
    spec = battery(initial_wh=10_000.0, discharge_efficiency=0.9, **fades)
    core = DevicesCore([TERMINAL], [load([900.0] * 16), spec], 16 * SLOT_MS)
    due = 0
    while due is not None:
        due = core.step(due)
    told = next(e for e in core.take_events() if e.kind == "battery_aged")
    cycles = 900.0 / 0.9 * 4 / 10_000.0
    assert told.value["cycles"] == pytest.approx(cycles)
    assert told.value["fade"] == pytest.approx(cycles * 1e-4 + 0.02 * 4 / 8760)
    other = DevicesCore([TERMINAL], [battery()], SLOT_MS)
    other.step(0)
    other.step(SLOT_MS)
    assert other.take_events() == []
