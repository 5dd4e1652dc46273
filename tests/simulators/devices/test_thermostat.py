"""Thermostatic devices: limits, set-points, energy, duty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Actuation, Supply
from fernwatt.timebase import Clock
from simulators.devices import DevicesCore, assign, boilers, fridges

SLOT_MS, DAY_MS, TERMINAL = 900_000, 86_400_000, "terminal/lv1/a"
HOUSES = [f"terminal/lv1/load-{n}" for n in range(60)]
CLOCK = Clock.from_iso("2016-01-18T00:00:00Z")


def fridge(**given_fields):
    return {
        "id": "fridge/lv1/a", "kind": "thermostat", "terminal": TERMINAL, "p_rated_w": 100.0,
        "cools": True, "cop": 2.0, "c_wh_per_k": 12.0, "loss_w_per_k": 1.6, "surroundings_c": 21.0,
        "set_c": 5.0, "switch_k": 1.0, "low_c": 3.0, "high_c": 7.0, **given_fields,
    }  # fmt: skip


def run(core, orders=()):
    rows, due = [], 0
    while due is not None:
        now = due
        due = core.step(now, [order for t, order in orders if t == now])
        rows += [columns for table, columns in core.take_rows() if table == "thermal"]
    return rows


def order(p_w, device="fridge/lv1/a"):
    value = {"p_w": p_w, "until_ms": None}
    return Actuation("x#1", "c#1", device, "set_power", value)


def test_a_fridge_draws_what_its_losses_need_and_stays_cold() -> None:
    core = DevicesCore([TERMINAL], [fridge()], 4 * DAY_MS, SLOT_MS)
    rows = run(core)
    mean_c = np.mean([row["temperature_c"][0] for row in rows])
    assert core.energy_wh[0] / 96 == pytest.approx(1.6 * (21.0 - mean_c) / 2.0, rel=0.05)
    assert min(row["low_c"][0] for row in rows) >= 3.5
    assert max(row["high_c"][0] for row in rows) <= 6.1
    assert sum(row["discomfort_kh"][0] for row in rows) == 0.0


def test_a_fleet_keeps_its_temperatures_for_a_day() -> None:
    made = fridges(assign(1.0, HOUSES, 1, "fridge"), 1)
    made += boilers(assign(1.0, HOUSES, 1, "boiler"), clock=CLOCK, end_ms=DAY_MS, seed=1)
    core = DevicesCore(HOUSES, made, DAY_MS, SLOT_MS)
    rows = run(core)
    names = np.array([name.split("/")[0] for name in rows[0]["device"]])
    lows, highs = (np.array([row[key] for row in rows]) for key in ("low_c", "high_c"))
    cold = names == "fridge"
    assert lows[:, cold].min() >= 3.0
    assert highs[:, cold].max() <= 7.0
    assert highs[:, ~cold].max() <= 65.0
    kinds = np.array([name.split("/")[0] for name in core.ids])
    assert 0.15 < core.energy_wh[kinds == "fridge"].mean() / 1000 < 0.6
    assert core.energy_wh[kinds == "boiler"].mean() / 1000 == pytest.approx(7.0, rel=0.25)


@pytest.mark.parametrize(("p_w", "low", "high"), [(0.0, 6.5, 7.0), (100.0, 3.0, 3.5)])
def test_set_points_go_to_the_limits_and_not_beyond(p_w, low, high) -> None:
    core = DevicesCore([TERMINAL], [fridge()], DAY_MS, SLOT_MS)
    rows = run(core, [(0, order(p_w))])[24:]
    assert low - 0.1 <= min(row["low_c"][0] for row in rows)
    assert max(row["high_c"][0] for row in rows) <= high + 0.1
    assert sum(row["discomfort_kh"][0] for row in rows) == 0.0


def test_without_supply_it_warms_up() -> None:
    core = DevicesCore([TERMINAL], [fridge(initial_c=6.9)], DAY_MS)
    core.step(0)
    assert core.p_w[0] == 100.0
    core.step(7_000, supplies=[Supply("s#1", "g#1", TERMINAL, False, False)])
    assert core.p_w[0] == 0.0
    told = [(e.kind, e.cause) for e in core.take_events()]
    assert told == [("power_changed", "g#1")]


BAD = {
    "p_rated_w": {"p_rated_w": 0.0},
    "c_wh_per_k": {"c_wh_per_k": -2.0},
    "loss_w_per_k": {"loss_w_per_k": float("nan")},
    "set_c": {"set_c": 6.5},
    "cools": {"cools": "yes"},
    "hot_water_w": {"hot_water_w": [5.0] * 96},
    "shelf": {"shelf": 1},
}


@pytest.mark.parametrize("field", BAD)
def test_plates_that_cannot_be_are_faults(field) -> None:
    with pytest.raises(ScenarioError) as caught:
        DevicesCore([TERMINAL], [fridge(**BAD[field])], DAY_MS)
    assert [fault.path for fault in caught.value.faults] == [f"devices[0].{field}"]


@settings(max_examples=60, deadline=None)
@given(
    st.booleans(),
    st.floats(0.5, 4.0),
    st.lists(st.floats(0, 5_000), min_size=8, max_size=8),
    st.lists(st.tuples(st.integers(0, 7_000_000), st.floats(0, 150)), max_size=4),
)
def test_energy_is_neither_made_nor_lost(cools, cop, water_w, given_orders) -> None:
    warm = {
        "cools": False, "set_c": 60.0, "low_c": 45.0, "high_c": 70.0, "c_wh_per_k": 170.0,
        "p_rated_w": 2_000.0, "hot_water_w": water_w,
    }  # fmt: skip
    spec = fridge(cop=cop, **({} if cools else warm))
    core = DevicesCore([TERMINAL], [spec], 8 * SLOT_MS)
    group = core.groups["thermostat"]
    before, stored_wh, due = np.zeros(3), group.stored_wh[0], 0
    orders = sorted(given_orders)
    while due is not None:
        now = due
        due = core.step(now, [order(p) for t, p in orders if t == now])
        if due is not None:
            due = min([due, *(t for t, _ in orders if now < t < due)])
        books = np.array([core.energy_wh[0], core.loss_wh[0], group.served_wh[0]])
        drawn, lost, served = books - before
        kept = group.stored_wh[0] - stored_wh
        assert drawn == pytest.approx(kept + lost + served, rel=1e-9, abs=1e-8)
        before, stored_wh = books, group.stored_wh[0]
