"""Each planner against an oracle that is written differently, on random instances."""

from __future__ import annotations

from itertools import product
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls

from controllers.balancing.planners import PlanError, plan_battery, plan_ev, plan_time_shiftable

H = 0.25


def cost(x, target):
    return float(((np.asarray(x) - target) ** 2).sum())


def project_ev(target, energy_wh, upper, lower=None):
    """Bisection on the fill level: the same optimum by another road."""
    lower = np.zeros_like(upper) if lower is None else lower
    a, b = (lower - target).min(), (upper - target).max()
    for _ in range(200):
        mid = (a + b) / 2
        if np.clip(target + mid, lower, upper).sum() * H < energy_wh:
            a = mid
        else:
            b = mid
    return np.clip(target + (a + b) / 2, lower, upper)


def ev_case(rng, n=None):
    n = n or int(rng.integers(1, 97))
    target = rng.normal(0, 4000, n) + rng.normal(0, 4000)
    if rng.random() < 0.3:
        target = np.round(target, -3)  # equal values, equal breakpoints
    upper = np.full(n, 11000.0)
    if rng.random() < 0.5:
        upper = upper * (rng.random(n) < 0.7) * rng.uniform(0.1, 1.0, n)
    share = rng.choice([0.0, 1.0, rng.random()], p=[0.05, 0.05, 0.9])
    return target, float(upper.sum() * H * share), upper


def test_ev_equals_bisection_on_a_thousand_random_instances():
    rng = np.random.default_rng(1)
    for _ in range(1000):
        target, energy, upper = ev_case(rng)
        x = plan_ev(target, energy, upper, H)
        assert (x >= 0).all()
        assert (x <= upper).all()
        assert x.sum() * H == pytest.approx(energy, abs=1e-6)
        assert cost(x, target) == pytest.approx(
            cost(project_ev(target, energy, upper), target), rel=1e-9, abs=1e-3
        )


def test_ev_equals_a_quadratic_programme():
    rng = np.random.default_rng(2)
    for _ in range(60):
        target, energy, upper = ev_case(rng, n=8)
        scale = 1000.0
        solved = minimize(
            lambda y, d=target / scale: ((y - d) ** 2).sum(),
            np.full(8, energy / H / 8 / scale).clip(0, upper / scale),
            jac=lambda y, d=target / scale: 2 * (y - d),
            bounds=[(0, u / scale) for u in upper],
            constraints={
                "type": "eq",
                "fun": lambda y, e=energy / H / scale: y.sum() - e,
                "jac": np.ones_like,
            },
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        ours = cost(plan_ev(target, energy, upper, H), target)
        assert ours == pytest.approx(cost(solved.x * scale, target), rel=1e-6, abs=1.0)


def semi_continuous_by_enumeration(target, energy, lower, upper):
    best = np.inf
    for active in product((False, True), repeat=target.size):
        on = np.array(active)
        low, high = lower * on, upper * on
        if low.sum() * H - 1e-9 <= energy <= high.sum() * H + 1e-9:
            best = min(best, cost(project_ev(target, energy, high, low), target))
    return best


def test_ev_with_a_smallest_power_equals_all_subsets_where_limits_are_equal():
    rng = np.random.default_rng(3)
    solved = 0
    for _ in range(150):
        n = int(rng.integers(1, 9))
        target = np.round(rng.normal(0, 4000, n), -2)
        upper, lower = np.full(n, 11000.0), np.full(n, 4140.0)
        energy = float(rng.uniform(0, 1) * 11000 * n * H)
        best = semi_continuous_by_enumeration(target, energy, lower, upper)
        if np.isinf(best):
            with pytest.raises(PlanError, match="no choice of slots"):
                plan_ev(target, energy, 11000, H, 4140)
            continue
        x = plan_ev(target, energy, 11000, H, 4140)
        assert ((x == 0) | ((x >= 4140 - 1e-6) & (x <= 11000 + 1e-6))).all()
        assert x.sum() * H == pytest.approx(energy)
        assert cost(x, target) == pytest.approx(best, rel=1e-9, abs=1e-2)
        solved += 1
    assert solved > 80


def test_ev_with_a_smallest_power_and_a_part_of_a_slot_is_near_the_best_subset():
    rng = np.random.default_rng(4)
    gaps = []
    for _ in range(100):
        n = 6
        target = rng.normal(0, 4000, n)
        share = np.ones(n)
        share[0] = rng.uniform(0.2, 1)  # arrived within the first slot
        energy = float(rng.uniform(0.2, 0.9) * 11000 * share.sum() * H)
        best = semi_continuous_by_enumeration(target, energy, 4140 * share, 11000 * share)
        if np.isfinite(best):
            x = plan_ev(target, energy, 11000 * share, H, 4140 * share)
            gaps.append(cost(x, target) / best - 1)
    assert len(gaps) > 50
    assert min(gaps) > -1e-6
    assert np.mean(gaps) < 0.005
    assert max(gaps) < 0.2


def test_ev_says_what_it_cannot_do():
    with pytest.raises(PlanError, match=r"cannot take in 5000.0 Wh.* 0 to 4400.0 Wh"):
        plan_ev(np.zeros(4), 5000, 4400, H)
    with pytest.raises(PlanError, match="p_max_w must be"):
        plan_ev(np.zeros(4), 100, [1.0, 2.0], H)
    with pytest.raises(PlanError, match="finite"):
        plan_ev([np.nan], 0, 1, H)
    with pytest.raises(PlanError, match="step_h"):
        plan_ev([0.0], 0, 1, 0)


def gain(x, eta):
    return np.where(x > 0, x * eta, x / eta) * H


def nearest(target, rows, at_least):
    """Least distance programming by non-negative least squares (Lawson & Hanson, ch. 23)."""
    scale = 1000.0
    h = (at_least - rows @ target) / scale
    system = np.vstack((rows.T, h))
    aim = np.zeros(target.size + 1)
    aim[-1] = 1.0
    multipliers, norm = nnls(system, aim)
    if norm < 1e-7:
        return None  # no point satisfies the rows
    rest = system @ multipliers - aim
    return target - rest[:-1] / rest[-1] * scale


def solve_battery(target, start, capacity, limit, eta, final, charging):
    """Return the least cost where ``charging`` tells which slots charge and which discharge."""
    n = target.size
    to_content = np.tril(np.ones((n, n))) * np.where(charging, eta, 1 / eta) * H
    rows = np.vstack((np.eye(n), -np.eye(n), to_content, -to_content, -to_content[-1:]))
    low = np.where(charging, 0.0, -limit) if eta < 1 else -limit
    high = np.where(charging, limit, 0.0) if eta < 1 else limit
    least, most = np.full(n, -start), np.full(n, capacity - start)
    least[-1] = final - start
    x = nearest(target, rows, np.concatenate((low, -high, least, -most, [start - final])))
    return np.inf if x is None else cost(x, target)


def solve_battery_with_losses(target, start, capacity, limit, eta, final):
    return min(
        solve_battery(target, start, capacity, limit, eta, final, np.array(charging))
        for charging in product((False, True), repeat=target.size)
    )


def check_battery(x, start, capacity, limit, eta, final):
    content = start + np.cumsum(gain(x, eta))
    assert (np.abs(x) <= limit + 1e-6).all()
    assert content.min() >= -1e-5
    assert content.max() <= capacity + 1e-5
    assert content[-1] == pytest.approx(final, abs=1e-5)


def battery_case(rng, n):
    capacity = float(rng.uniform(200, 12000))
    start = float(rng.choice([0.0, capacity, rng.uniform(0, capacity)]))
    target = rng.normal(0, 4000, n) + rng.normal(0, 2000)
    limit = np.full(n, float(rng.uniform(500, 6000)))
    if rng.random() < 0.3:
        limit *= rng.random(n) < 0.8
    return target, start, capacity, limit


def test_battery_without_losses_equals_a_quadratic_programme():
    rng = np.random.default_rng(5)
    for _ in range(200):
        target, start, capacity, limit = battery_case(rng, int(rng.integers(1, 9)))
        x = plan_battery(target, start, capacity, limit, H)
        check_battery(x, start, capacity, limit, 1.0, start)
        best = solve_battery(target, start, capacity, limit, 1.0, start, np.ones(target.size, bool))
        assert cost(x, target) == pytest.approx(best, rel=1e-6, abs=1.0)


def divide_and_conquer(target, lowest, highest, limit):
    """The published method: fill for the sum alone, split where the content is off the worst."""
    total = lowest[-1]
    x = project_ev(target + limit, total + limit.sum() * H, 2 * limit) - limit
    content = np.cumsum(x) * H
    over, under = content - highest, lowest - content
    worst = int(np.argmax(np.maximum(over, under)[:-1])) if x.size > 1 else 0
    if x.size == 1 or max(over[worst], under[worst]) < 1e-7:
        return x
    bound = highest[worst] if over[worst] > under[worst] else lowest[worst]
    cut = worst + 1
    left_low, left_high = lowest[:cut].copy(), highest[:cut].copy()
    left_low[-1] = left_high[-1] = bound
    return np.concatenate(
        (
            divide_and_conquer(target[:cut], left_low, left_high, limit[:cut]),
            divide_and_conquer(
                target[cut:], lowest[cut:] - bound, highest[cut:] - bound, limit[cut:]
            ),
        )
    )


def test_battery_of_a_whole_day_equals_divide_and_conquer():
    rng = np.random.default_rng(6)
    for _ in range(60):
        target, start, capacity, limit = battery_case(rng, 96)
        lowest, highest = np.full(96, -start), np.full(96, capacity - start)
        lowest[-1] = highest[-1] = 0.0
        x = plan_battery(target, start, capacity, limit, H)
        check_battery(x, start, capacity, limit, 1.0, start)
        assert x == pytest.approx(divide_and_conquer(target, lowest, highest, limit), abs=1e-3)


def test_battery_with_losses_equals_every_choice_of_directions_where_content_is_no_burden():
    rng = np.random.default_rng(7)
    for _ in range(150):
        target, start, capacity, limit = battery_case(rng, int(rng.integers(1, 7)))
        target = -np.abs(target)  # rather discharge: stored energy is worth something
        eta = float(rng.uniform(0.7, 0.99))
        x = plan_battery(target, start, capacity, limit, H, eta)
        check_battery(x, start, capacity, limit, eta, start)
        best = solve_battery_with_losses(target, start, capacity, limit, eta, start)
        assert cost(x, target) == pytest.approx(best, rel=1e-6, abs=1.0)


def test_battery_with_losses_is_near_the_best_choice_of_directions_for_any_target():
    rng = np.random.default_rng(8)
    gaps = []
    for _ in range(200):
        target, start, capacity, limit = battery_case(rng, 6)
        eta = float(rng.uniform(0.85, 0.99))
        x = plan_battery(target, start, capacity, limit, H, eta)
        check_battery(x, start, capacity, limit, eta, start)
        best = solve_battery_with_losses(target, start, capacity, limit, eta, start)
        gaps.append(cost(x, target) / best - 1)
    assert min(gaps) > -1e-6
    assert np.median(gaps) < 1e-6
    assert max(gaps) < 0.2


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.95, 0.8]), st.booleans())
def test_battery_is_feasible_for_any_target(seed, eta, repeated):
    rng = np.random.default_rng(seed)
    target, start, capacity, limit = battery_case(rng, int(rng.integers(1, 97)))
    if repeated:
        target = np.round(target, -4)
    x = plan_battery(target, start, capacity, limit, H, eta)
    check_battery(x, start, capacity, limit, eta, start)


def test_battery_free_at_the_end_follows_the_target_as_far_as_it_can():
    x = plan_battery(np.full(8, 9000.0), 0, 4000, 5000, H, final_wh=(0, 4000))
    assert x == pytest.approx(np.full(8, 2000.0))
    with pytest.raises(PlanError, match=r"can end with 0.0 to 1250.0 Wh, not with 4000.0"):
        plan_battery([0.0], 0, 4000, 5000, H, final_wh=4000.0)
    with pytest.raises(PlanError, match="not within 0 and 4000"):
        plan_battery([0.0], 5000, 4000, 5000, H)


def test_time_shiftable_tries_every_start_the_last_one_too():
    rng = np.random.default_rng(9)
    for _ in range(200):
        n = int(rng.integers(3, 97))
        cycle = rng.uniform(0, 2000, int(rng.integers(1, n + 1)))
        target = rng.normal(0, 2000, n)
        starts = [s for s in range(n - cycle.size + 1) if rng.random() < 0.6] or [n - cycle.size]
        start, x = plan_time_shiftable(target, cycle, starts)
        costs = {}
        for s in starts:
            profile = np.zeros(n)
            profile[s : s + cycle.size] = cycle
            costs[s] = cost(profile, target)
        assert cost(x, target) == pytest.approx(min(costs.values()))
        assert cost(x, target) == pytest.approx(costs[start])
    with pytest.raises(PlanError, match="does not fit"):
        plan_time_shiftable(np.zeros(4), np.ones(3), [2])


def best_time_s(call):
    best = np.inf
    for _ in range(200):
        begin = perf_counter()
        call()
        best = min(best, perf_counter() - begin)
    return best


def test_a_day_is_planned_in_fractions_of_a_millisecond():
    rng = np.random.default_rng(10)
    target = rng.normal(0, 3000, 96)
    assert best_time_s(lambda: plan_ev(target, 20_000, 11_000, H)) < 0.2e-3
    assert best_time_s(lambda: plan_battery(target, 5000, 10_000, 5000, H)) < 1e-3
    assert best_time_s(lambda: plan_battery(target, 5000, 10_000, 5000, H, 0.95)) < 1e-3
