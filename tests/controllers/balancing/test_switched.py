"""On-off devices with a temperature: within limits, near the optimum of an integer program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from controllers.balancing.switched import Switched, switch_on

H = 0.25


def boiler(rng, slots=96, count=None):
    """A boiler of 1 to 3 kW with a household's hot water."""
    power, capacity = rng.uniform(1000, 3000), rng.uniform(90, 250)
    drawn_w = np.minimum(rng.gamma(0.3, 900, slots), 0.8 * power)
    gain = np.full(slots, power * H / capacity)
    drift = -(drawn_w + 40.0) * H / capacity
    if count is None:
        count = -drift.sum() / gain[0]
    return Switched(
        np.full(slots, power), rng.uniform(55, 60), 0.999, drift, gain, np.full(slots, 48.0),
        np.full(slots, 69.0), 69.0 - gain[0], count,
    )  # fmt: skip


def room(rng, slots=96):
    """A heat pump's room on a winter's day: a run of a slot warms it by about one kelvin."""
    outdoor = rng.uniform(-8, 8) + 4 * np.sin(np.arange(slots) * 2 * np.pi / 96)
    power = rng.uniform(1500, 4000)
    keep = np.exp(-0.6 * H)  # what the air loses to its mass and outside in a slot
    level = 19.5 - 0.12 * (20.7 - outdoor)
    gain = np.full(slots, rng.uniform(0.9, 1.2))
    drift = (1 - keep) * level
    count = float(((21.0 - keep * 21.0) - drift).sum() / gain[0])
    return Switched(
        np.full(slots, power), rng.uniform(20.5, 21.5), keep, drift, gain,
        np.full(slots, 20.2), np.full(slots, 22.4), 22.0, count,
    )  # fmt: skip


def optimum(device, target_w, count):
    """The least of the sum by an integer program that keeps the same limits, or None."""
    n = len(target_w)
    reach = np.tril(device.keep ** (np.arange(n)[:, None] - np.arange(n)[None, :]))
    ends = reach * device.gain[None, :]
    free = reach @ device.drift + device.keep ** (np.arange(n) + 1) * device.start
    begins = np.vstack([np.zeros(n), ends[:-1]])
    free_begin = np.concatenate([[device.start], free[:-1]])
    big = 100.0
    rules = [
        LinearConstraint(ends, device.low - free, device.high - free),
        LinearConstraint(begins + big * np.eye(n), -np.inf, device.most_on + big - free_begin),
        LinearConstraint(np.ones((1, n)), count, count),
    ]
    cost = device.on_w * (device.on_w - 2.0 * target_w)
    found = milp(
        cost, constraints=rules, integrality=np.ones(n), bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-6, "time_limit": 5.0},
    )  # fmt: skip
    return None if found.x is None else cost @ np.rint(found.x)


@pytest.mark.parametrize("make", [boiler, room])
def test_it_comes_near_the_optimum_of_an_integer_program(make):
    rng, gaps = np.random.default_rng(7), []
    for _ in range(12):
        device = make(rng, 48)
        target = rng.normal(500, 1500, 48)
        on = switch_on(device, target)
        best = optimum(device, target, on.sum())
        if best is None:
            continue
        far2 = float(((device.on_w * on - target) ** 2).sum())
        best2 = float((target**2).sum() + best)
        assert far2 >= best2 - 1e-6 * best2  # the integer program's is the least
        gaps.append(np.sqrt(far2 / best2) - 1)
    assert len(gaps) >= 9
    assert np.mean(gaps) < 0.01
    assert max(gaps) < 0.05


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([boiler, room]), st.floats(0.0, 20_000.0))
def test_it_stays_within_its_limits_whatever_the_target(seed, make, spread_w):
    rng = np.random.default_rng(seed)
    device = make(rng)
    on = switch_on(device, rng.normal(0, spread_w, 96))
    ends = device.course(on)
    begins = np.concatenate([[device.start], ends[:-1]])
    assert (ends >= device.low - 0.15).all()  # the grid's step, no more
    assert (ends <= device.high + 0.15).all()
    assert (begins[on] <= device.most_on + 0.15).all()


def test_it_is_on_as_often_as_it_is_asked():
    rng = np.random.default_rng(3)
    for make in (boiler, room):
        off = []
        for _ in range(20):
            device = make(rng)
            on = switch_on(device, rng.normal(500, 1500, 96))
            off.append(abs(on.sum() - device.count))
        assert np.mean(off) < 1.0


def test_a_thermostat_switches_between_its_ends():
    rng = np.random.default_rng(1)
    device = boiler(rng, count=0.0)
    ends = device.course(device.thermostat(60.0, 4.0, runs=False))
    assert ends.min() > 56.0 - np.abs(device.drift).max()
    assert ends.max() < 64.0 + device.gain[0]
