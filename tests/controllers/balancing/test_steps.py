"""Charging in steps: against the optimum of every choice, and on the charging point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.balancing.devices import Span
from controllers.balancing.kinds import KINDS
from controllers.balancing.planners import PlanError
from controllers.balancing.steps import plan_steps

STEPS = (4140.0, 690.0, 11_040.0)  # 6 to 16 A on three phases
H = 0.25


def optimum(target, units):
    """The least of the sum over all profiles of powers in steps with that many steps of 690 W."""
    levels = [0, *range(6, 17)]
    best = np.full(units + 1, np.inf)
    best[0] = 0.0
    for d in target:
        after = np.full(units + 1, np.inf)
        for level in levels:
            x = 690.0 * level
            moved = best[: units + 1 - level] + (x - d) ** 2
            after[level:] = np.minimum(after[level:], moved)
        best = after
    return best[units]


def test_its_gap_to_the_optimum_is_small():
    rng, gaps = np.random.default_rng(5), []
    for _ in range(150):
        target = rng.normal(2000, rng.uniform(500, 5000), 48)
        energy = rng.uniform(2000, 60_000)
        plan = plan_steps(target, energy, STEPS, np.ones(48), H)
        units = round(plan.sum() / 690.0)
        assert plan.sum() == pytest.approx(690.0 * units)
        best = optimum(target, units)
        far = float(((plan - target) ** 2).sum())
        assert far >= best * (1 - 1e-9)
        gaps.append(far / best - 1.0)
    assert np.mean(gaps) < 0.001
    assert max(gaps) < 0.03


@given(st.integers(0, 10_000), st.floats(100.0, 80_000.0), st.floats(0.0, 1.0))
def test_it_takes_in_what_is_asked_and_no_step_more(seed, energy_wh, first):
    rng = np.random.default_rng(seed)
    share = np.ones(40)
    share[0] = first
    share[30:] = 0.0
    target = rng.normal(0, 6000, 40)
    try:
        plan = plan_steps(target, energy_wh, STEPS, share, H)
    except PlanError:
        most_wh = share.sum() * 11_040 * H
        assert energy_wh > most_wh * (1 - 1e-6) or energy_wh < 4140 * H
        return
    assert plan.sum() * H >= energy_wh - 1e-3
    there = share > 0
    level = plan[there] / share[there]
    on = level > 0
    assert level[on] == pytest.approx(4140 + 690 * np.round((level[on] - 4140) / 690), abs=1e-3)
    assert (level <= 11_040 + 1e-3).all()
    assert not plan[~there].any()
    if plan.sum() > 4140:
        assert plan.sum() * H - energy_wh < max(690.0, 4140.0) * H + 1e-3


def test_a_vehicle_with_steps_is_planned_in_them():
    config = {"id": "e", "unit": "u", "p_max_w": 11_040, "p_min_w": 4140, "p_step_w": 690}
    known = KINDS["ev"].make(config)
    session = {"session": "s", "energy_wh": 20_000.0, "departure_ms": 30 * 900_000}
    known.take("ev.session", session, 0)
    problem = known.problem(Span(0, 0, 48, 10), [])
    plan = problem.plan(np.random.default_rng(1).normal(0, 5000, 48))
    on = plan[plan > 0]
    assert len(on)
    assert ((on - 4140) % 690 == 0).all()
    assert 20_000.0 <= plan.sum() * H < 20_000.0 + 690 * H + 4140 * H
