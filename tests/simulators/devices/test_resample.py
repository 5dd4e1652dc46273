"""Resampled loads keep each quarter-hour's energy and are spiky where loads are small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from simulators.devices import DevicesCore, refine

SLOT_MS, TERMINAL = 900_000, "terminal/lv1/a"


def made(p_w, steps=15, customer="c", seed=1):
    p_w = np.asarray(p_w, dtype=float)
    return refine(p_w, 0.2 * p_w, seed=seed, customer=customer, steps=steps)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-5_000, 20_000), min_size=1, max_size=40),
    st.sampled_from([3, 15, 60, 90]),
    st.integers(0, 1_000),
)
def test_each_quarter_of_an_hour_keeps_its_energy(p_w, steps, seed) -> None:
    fine_w, fine_var = made(p_w, steps, seed=seed)
    assert fine_w.reshape(-1, steps).mean(axis=1) == pytest.approx(p_w, rel=1e-12, abs=1e-9)
    assert fine_var.reshape(-1, steps).mean(axis=1) == pytest.approx(
        0.2 * np.array(p_w), rel=1e-9, abs=1e-9
    )
    drawn = np.repeat(np.array(p_w) >= 0, steps)
    assert fine_w[drawn].min(initial=0.0) >= -2e-3


def test_a_house_gets_spiky_and_a_large_load_stays_smooth() -> None:
    rng = np.random.default_rng(1)
    shape = 150.0 + rng.gamma(0.7, 400.0, 96 * 10)
    house, _ = made(shape)
    assert 1_500 < np.percentile(house, 99) < 7_000
    assert house.std() > 1.5 * shape.std()
    large, _ = made(200.0 * shape)
    assert large.std() == pytest.approx((200.0 * shape).std(), rel=0.02)


def test_it_repeats_by_customer_and_a_longer_profile_begins_alike() -> None:
    shape = 100.0 + np.abs(np.sin(np.arange(400))) * 900.0
    first, again, other = made(shape)[0], made(shape)[0], made(shape, customer="d")[0]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    longer = made(np.concatenate((shape, shape)))[0]
    assert np.array_equal(longer[: 350 * 15], first[: 350 * 15])


def test_the_fleet_steps_at_the_finest_profile_and_books_its_energy() -> None:
    coarse = {"id": "load/lv1/a", "kind": "load", "terminal": TERMINAL, "p_w": [500.0, 800.0]}
    fine_w, fine_var = made([300.0, 900.0])
    fine = {"id": "load/lv1/b", "kind": "load", "terminal": TERMINAL, "p_w": fine_w,
            "q_var": fine_var, "step_s": 60}  # fmt: skip
    core, due, times = DevicesCore([TERMINAL], [coarse, fine], 2 * SLOT_MS), 0, []
    while due is not None:
        times.append(due)
        due = core.step(due)
    assert times == list(range(0, 2 * SLOT_MS + 1, 60_000))
    assert core.energy_wh == pytest.approx([325.0, 300.0], rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 9_000), min_size=4, max_size=4), st.integers(0, 1_000))
def test_registers_at_each_quarter_of_an_hour_are_those_of_the_profile(p_w, seed) -> None:
    fine_w, fine_var = made(p_w, 90, seed=seed)
    fine = {"id": "load/lv1/a", "kind": "load", "terminal": TERMINAL, "p_w": fine_w,
            "q_var": fine_var, "step_s": 10}  # fmt: skip
    core, due, registers = DevicesCore([TERMINAL], [fine], 4 * SLOT_MS), 0, []
    while due is not None:
        now, due = due, core.step(due)
        if now % SLOT_MS == 0:
            registers.append(core.energy_wh[0])
    want = np.concatenate(([0.0], np.cumsum(p_w) / 4))
    assert registers == pytest.approx(want, rel=1e-12, abs=1e-9)


def test_a_step_must_divide_a_quarter_of_an_hour_and_the_profile_be_long_enough() -> None:
    base = {"id": "load/lv1/a", "kind": "load", "terminal": TERMINAL, "p_w": [1.0] * 29}
    for step_s, field in ((7, "step_s"), (60, "p_w")):
        with pytest.raises(ScenarioError) as caught:
            DevicesCore([TERMINAL], [base | {"step_s": step_s}], 2 * SLOT_MS)
        assert [fault.path for fault in caught.value.faults] == [f"devices[0].{field}"]
