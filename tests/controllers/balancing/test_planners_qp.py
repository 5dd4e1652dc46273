"""Planners against a quadratic programming solver (HiGHS), on a thousand random instances each.

Powers are in kW here, lest the solver's absolute tolerances count.
"""

from __future__ import annotations

import highspy
import numpy as np
import pytest

from controllers.balancing.planners import PlanError, plan_battery, plan_ev

H = 0.25
COUNT = 1000


def solve(target, signs, bounds, rows):
    """Return the least ``sum((x - target)**2)``, x = sum of ``signs[i]`` times variables of slot.

    ``signs`` are of the variables of a slot (1: one variable; 1, -1: charging, discharging),
    followed by one content per slot where ``rows`` holds their weights in the content. ``bounds``
    are ``(lower, upper)`` of all variables. Returns the cost, or None where there is no solution.
    """
    n, k = len(target), len(signs)
    count = len(bounds[0])
    hessian_start, hessian_index, hessian_value = [], [], []
    for t in range(n):
        for i in range(k):
            hessian_start.append(len(hessian_index))
            for j in range(i, k):
                hessian_index.append(t * k + j)
                hessian_value.append(2.0 * signs[i] * signs[j])
    hessian_start += [len(hessian_index)] * (count - n * k + 1)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = count, len(rows)
    costs = np.zeros(count)
    for i, sign in enumerate(signs):
        costs[i : n * k : k] = -2.0 * sign * target
    lp.col_cost_ = costs
    lp.col_lower_, lp.col_upper_ = (np.asarray(one, float) for one in bounds)
    lp.row_lower_ = lp.row_upper_ = np.array([right for _, right in rows], float)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    starts = np.cumsum([0, *(len(left) for left, _ in rows)])
    lp.a_matrix_.start_ = starts
    lp.a_matrix_.index_ = np.array([i for left, _ in rows for i in left])
    lp.a_matrix_.value_ = np.array([v for left, _ in rows for v in left.values()], float)
    hessian = highspy.HighsHessian()
    hessian.dim_, hessian.format_ = count, highspy.HessianFormat.kTriangular
    hessian.start_ = np.array(hessian_start)
    hessian.index_ = np.array(hessian_index)
    hessian.value_ = np.array(hessian_value)
    model = highspy.HighsModel()
    model.lp_, model.hessian_ = lp, hessian
    solver = highspy.Highs()
    solver.silent()
    solver.passModel(model)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return solver.getInfo().objective_function_value + float((target**2).sum())


def qp_ev(target, energy, upper):
    n = len(target)
    rows = [(dict.fromkeys(range(n), H), energy)]
    return solve(target, (1.0,), (np.zeros(n), upper), rows)


def qp_battery(target, energy, capacity, limit, eta):
    """Charging and discharging are two variables, which may both be above zero at once."""
    n = len(target)
    rows, contents = [], 2 * n
    for t in range(n):
        left = {2 * t: -H * eta, 2 * t + 1: H / eta, contents + t: 1.0}
        if t:
            left[contents + t - 1] = -1.0
        rows.append((dict(sorted(left.items())), 0.0 if t else energy))
    lower = np.zeros(3 * n)
    upper = np.concatenate((np.repeat(limit, 2), np.full(n, capacity)))
    lower[-1] = upper[-1] = energy
    return solve(target, (1.0, -1.0), (lower, upper), rows)


def cost(x, target):
    return float(((x - target) ** 2).sum())


def ev_case(rng):
    n = int(rng.integers(1, 49))
    target = rng.normal(0, 4, n) + rng.normal(0, 4)
    upper = np.full(n, 11.0) * rng.choice([1.0, 0.0, 0.3], n, p=[0.7, 0.2, 0.1])
    share = rng.choice([0.0, 1.0, rng.random()], p=[0.1, 0.1, 0.8])
    return target, float(upper.sum() * H * share), upper


def battery_case(rng, burden):
    n = int(rng.integers(2, 25))
    level = rng.normal(0, 3) if burden else -rng.uniform(0, 3)
    target = rng.normal(0, 3, n) + level
    if not burden:
        target = np.minimum(target, 0.0)
    capacity = float(rng.uniform(0.5, 12.0))
    limit = np.full(n, rng.uniform(0.5, 6.0)) * rng.choice([1.0, 0.0, 0.5], n, p=[0.8, 0.1, 0.1])
    energy = capacity * float(rng.choice([0.0, 1.0, rng.random()], p=[0.15, 0.15, 0.7]))
    return target, energy, capacity, limit


def test_ev_equals_the_solver():
    rng, binding, extremes = np.random.default_rng(11), 0, 0
    for _ in range(COUNT):
        target, energy, upper = ev_case(rng)
        x = plan_ev(target, energy, upper, H)
        assert x.sum() * H == pytest.approx(energy, abs=1e-6)
        inside = (x > 1e-6) & (x < upper - 1e-6)
        binding += bool((~inside & (upper > 0)).any())
        extremes += energy in (0.0, float(upper.sum() * H))
        assert cost(x, target) == pytest.approx(qp_ev(target, energy, upper), rel=1e-6, abs=1e-6)
    assert binding >= 0.3 * COUNT
    assert extremes >= 0.1 * COUNT  # nothing to charge, or all that there is room for


@pytest.mark.parametrize(("eta", "burden"), [(1.0, True), (0.9, False), (0.7, False)])
def test_battery_equals_the_solver(eta, burden):
    """With losses, for targets that never ask for more charge than can be kept."""
    rng, binding = np.random.default_rng(12), 0
    for _ in range(COUNT):
        target, energy, capacity, limit = battery_case(rng, burden)
        x = plan_battery(target, energy, capacity, limit, H, eta)
        content = energy + np.cumsum(np.where(x > 0, x * eta, x / eta)) * H
        assert content.min() > -1e-6
        assert content.max() < capacity + 1e-6
        assert content[-1] == pytest.approx(energy, abs=1e-6)
        binding += bool((content[:-1] < 1e-6).any() or (content[:-1] > capacity - 1e-6).any())
        least = qp_battery(target, energy, capacity, limit, eta)
        assert cost(x, target) == pytest.approx(least, rel=1e-6, abs=1e-6)
    assert binding >= 0.3 * COUNT


def test_what_the_solver_finds_infeasible_is_a_clear_error():
    rng = np.random.default_rng(13)
    for _ in range(100):
        target, _, upper = ev_case(rng)
        energy = float(upper.sum() * H) + rng.uniform(0.1, 5.0)
        assert qp_ev(target, energy, upper) is None
        with pytest.raises(PlanError, match="cannot take in"):
            plan_ev(target, energy, upper, H)
