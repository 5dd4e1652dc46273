"""Wind turbines and CHP plants: curve, ramps, start and stop, heat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Actuation, Supply
from simulators.devices import DevicesCore, turbine_power, wind_speed

TERMINAL, SLOT_MS = "terminal/mv1/a", 900_000
RATED_W = 100_000.0


def turbine(p_w, **given_fields):
    return {
        "id": "wind/mv1/a", "kind": "wind", "terminal": TERMINAL, "p_w": p_w,
        "p_rated_w": RATED_W, **given_fields,
    }  # fmt: skip


def plant(heat_w, **given_fields):
    return {
        "id": "chp/mv1/a", "kind": "chp", "terminal": TERMINAL, "p_rated_w": 50_000.0,
        "c_wh_per_k": 5_800.0, "loss_w_per_k": 15.0, "heat_w": heat_w, **given_fields,
    }  # fmt: skip


def order(p_w, device, until_ms=None):
    return Actuation("x#1", "c#1", device, "set_power", {"p_w": p_w, "until_ms": until_ms})


def run(core, orders=(), supplies=()):
    """Return {t: p} of every step."""
    trace, due = {}, 0
    while due is not None:
        now = due
        fed = [Supply(f"s#{t}", "g#1", TERMINAL, on, on) for t, on in supplies if t == now]
        due = core.step(now, [one for t, one in orders if t == now], None, fed)
        if due is not None:
            due = min([due, *(t for t, _ in (*orders, *supplies) if now < t < due)])
        trace[now] = float(core.p_w[0])
    return trace


def test_the_curve_is_the_published_one_where_the_wind_is_steady() -> None:
    speeds = np.array([0.0, 2.0, 3.0, 6.0, 10.0, 12.5, 15.0, 25.0, 26.0])
    kw = [0, 0, 0.5, 19, 66.8, 89.6, 100, 99.2, 0]
    assert -turbine_power(speeds, RATED_W, 0.0) / 1000 == pytest.approx(kw)
    rough = -turbine_power(np.array([5.0]), RATED_W, 0.2)[0]
    draws = 5.0 * (1 + 0.2 * np.random.default_rng(1).standard_normal(200_000))
    assert rough == pytest.approx(-turbine_power(draws, RATED_W, 0.0).mean(), rel=0.02)


def test_wind_has_its_mean_and_shape_and_a_longer_run_begins_alike() -> None:
    speed = np.concatenate([wind_speed(96 * 20, seed, 5.5) for seed in range(60)])
    assert speed.mean() == pytest.approx(5.5, rel=0.03)
    assert speed.std() / speed.mean() == pytest.approx(
        0.523, rel=0.05
    )  # of a Rayleigh distribution
    assert np.array_equal(wind_speed(96, 1, 5.5), wind_speed(500, 1, 5.5)[:96])


def test_a_turbine_ramps_to_a_set_point_and_back() -> None:
    core = DevicesCore([TERMINAL], [turbine([-80_000.0] * 4)], 4 * SLOT_MS)
    trace = run(core, [(600_000, order(-20_000.0, "wind/mv1/a", 1_200_000))])
    assert trace[0] == -80_000.0
    assert [trace[600_000 + k * 60_000] for k in range(5)] == pytest.approx(
        [-60_000.0, -40_000.0, -20_000.0, -20_000.0, -20_000.0]
    )
    assert trace[1_200_000] == pytest.approx(-40_000.0)
    assert trace[1_320_000] == pytest.approx(-80_000.0)


def test_a_loss_of_supply_stops_a_turbine_and_its_start_takes_time() -> None:
    core = DevicesCore([TERMINAL], [turbine([-50_000.0] * 4, start_s=120.0)], 4 * SLOT_MS)
    trace = run(core, supplies=[(30_000, False), (300_000, True)])
    assert trace[30_000] == 0.0
    assert trace[360_000] == 0.0
    assert trace[420_000] == pytest.approx(-20_000.0)
    assert trace[600_000] == pytest.approx(-50_000.0)


def test_a_chp_plant_follows_the_heat_with_start_and_ramp() -> None:
    spec = plant([60_000.0] * 96, initial_c=76.0)
    core = DevicesCore([TERMINAL], [spec], 96 * SLOT_MS, SLOT_MS)
    trace = run(core)
    store = core.groups["chp"].store
    assert 45.0 <= store.t_c[0] <= 85.0
    moves = np.abs(np.diff(list(trace.values())))
    assert moves.max() <= 25_000.0 + 1e-6  # half the rating a minute
    assert -core.energy_wh[0] * 1.8 == pytest.approx(60_000.0 * 24, rel=0.15)
    first = min(t for t, p in trace.items() if p < 0)
    assert trace[first - 60_000] == 0.0
    assert trace[first] == -25_000.0


def test_set_points_move_a_chp_plant_within_its_store() -> None:
    for p_w, high in ((-50_000.0, 85.0), (0.0, 55.0)):
        core = DevicesCore([TERMINAL], [plant([40_000.0] * 96)], 96 * SLOT_MS)
        run(core, [(0, order(p_w, "chp/mv1/a"))])
        assert 44.0 <= core.groups["chp"].store.t_c[0] <= high


BAD = {
    "p_w": turbine([-1.0]),
    "p_w[2]": turbine([0.0, 0.0, 5.0, 0.0]),
    "p_rated_w": turbine([-200_000.0] * 4),
    "heat_w[1]": plant([1.0, -1.0, 1.0, 1.0]),
    "c_wh_per_k": plant([1.0] * 4, c_wh_per_k=0.0),
    "heat_w[0]": plant([float("nan")] * 4),
}


@pytest.mark.parametrize("field", BAD)
def test_plates_that_cannot_be_are_faults(field) -> None:
    with pytest.raises(ScenarioError) as caught:
        DevicesCore([TERMINAL], [BAD[field]], 4 * SLOT_MS)
    assert f"devices[0].{field}" in [fault.path for fault in caught.value.faults]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 120_000), min_size=4, max_size=10),
    st.lists(st.tuples(st.integers(0, 6_000_000), st.floats(-60_000, 0)), max_size=4),
)
def test_energy_is_neither_made_nor_lost(heat_w, given_orders) -> None:
    core = DevicesCore([TERMINAL], [plant(heat_w, initial_c=50.0)], len(heat_w) * SLOT_MS)
    group = core.groups["chp"]
    before, stored_wh, due = np.zeros(3), group.stored_wh[0], 0
    orders = sorted(given_orders)
    while due is not None:
        now = due
        due = core.step(now, [order(p, "chp/mv1/a") for t, p in orders if t == now])
        if due is not None:
            due = min([due, *(t for t, _ in orders if now < t < due)])
        books = np.array([core.energy_wh[0], core.loss_wh[0], group.served_wh[0]])
        drawn, lost, served = books - before
        kept = group.stored_wh[0] - stored_wh
        assert drawn == pytest.approx(kept + lost + served, rel=1e-9, abs=1e-6)
        assert -50_000.0 <= core.p_w[0] <= 0.0
        before, stored_wh = books, group.stored_wh[0]
