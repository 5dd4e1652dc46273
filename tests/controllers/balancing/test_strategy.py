"""A house's own aims and limits: against linear and quadratic programs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from controllers.balancing.devices import Span
from controllers.balancing.kinds.storage import Battery
from controllers.balancing.kinds.vehicle import Vehicle
from controllers.balancing.strategy import Purpose, answer, improve, within
from controllers.balancing.wishes import Limits, Strategy, Weights

SLOTS, H = 96, 0.25
FREE = np.full(SLOTS, np.inf)


def vehicle(energy_wh=12_000.0, last=80, p_max_w=11_000.0):
    known = Vehicle.of({"id": "ev", "unit": "u", "p_max_w": p_max_w})
    session = {"session": "s", "energy_wh": energy_wh, "departure_ms": last * 900_000}
    known.take("ev.session", session, 0)
    return known.problem(Span(0, 0, SLOTS), [(0, 0.0)])


def battery(eta=0.95, content_wh=5000.0):
    known = Battery.of({"id": "battery", "unit": "u", "p_max_w": 5000, "capacity_wh": 10_000,
                        "efficiency": eta})  # fmt: skip
    known.take("battery.soc", content_wh, 0)
    return known.problem(Span(0, 0, SLOTS), [])


def purpose(weights, buy=None, sell=None, comfort=None, **more):
    comfort = np.zeros(SLOTS) if comfort is None else comfort
    limits = {"low_w": -FREE, "high_w": FREE} | more
    return Purpose(weights, comfort, 16_000.0, buy=buy, sell=sell, **limits)


def paid(total_w, buy, sell):
    return float(np.where(total_w > 0, buy * total_w, sell * total_w).sum()) * H / 1e6


def base_load(seed):
    rng = np.random.default_rng(seed)
    sun = 4000 * np.maximum(np.sin((np.arange(SLOTS) - 30) / 40 * np.pi), 0) * (seed % 2)
    return np.rint(rng.gamma(3, 200, SLOTS) - sun).astype(np.int64)


def least_cost(base, buy, sell, problems):
    """The linear program: drawn minus fed in = base + devices; prices of both."""
    n = SLOTS
    eta, eye, zero = 0.95, np.eye(n), np.zeros((n, n))
    # drawn, fed in, vehicle, into the battery, out of it
    cost = np.concatenate((buy, -sell, np.zeros(3 * n))) * H / 1e6
    balance = np.hstack((eye, -eye, -eye, -eye, eye))
    there = np.arange(n) < 80
    bounds = [(0, None)] * (2 * n) + [(0, 11_000 if at else 0) for at in there]
    bounds += [(0, 5000 if "battery" in problems else 0)] * (2 * n)
    sums = np.concatenate((np.zeros(2 * n), np.ones(n), np.zeros(2 * n)))[None] * H
    content = np.hstack((zero, zero, zero, np.tril(np.ones((n, n))) * eta * H,
                         np.tril(np.ones((n, n))) * -H / eta))  # fmt: skip
    found = linprog(
        cost, A_ub=np.vstack((content, -content)),
        b_ub=np.concatenate((np.full(n, 5000.0), np.full(n, 5000.0))),
        A_eq=np.vstack((balance, sums, content[-1:])),
        b_eq=np.concatenate((base, [12_000.0 if "ev" in problems else 0.0], [0.0])),
        bounds=bounds,
    )  # fmt: skip
    assert found.status == 0
    return found.fun


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kinds", [("ev",), ("battery",), ("ev", "battery")])
def test_for_cost_alone_a_house_pays_nearly_what_a_linear_program_does(seed, kinds):
    base = base_load(seed)
    hours = np.arange(SLOTS) / 4
    buy = np.select([hours < 6, hours < 17, hours < 21], [22_000.0, 30_000.0, 42_000.0], 30_000.0)
    sell = np.full(SLOTS, 8000.0)
    made = {"ev": vehicle(), "battery": battery()}
    problems = {kind: made[kind] for kind in kinds}
    start = {kind: problem.uncontrolled() for kind, problem in problems.items()}
    plans = answer(problems, base, start, np.zeros(SLOTS),
                   purpose(Weights(0.0, 1.0), buy, sell))  # fmt: skip
    total = base + sum(plans.values())
    least, before = least_cost(base, buy, sell, kinds), paid(base + sum(start.values()), buy, sell)
    assert plans.keys() == set(kinds)
    found = paid(total, buy, sell)
    assert least - 1e-3 <= found <= before + 1e-9
    assert (found - least) <= max(0.03 * (before - least), 0.01), (least, found, before)


def test_without_own_aims_it_is_what_requests_alone_would_give():
    problems, base = {"ev": vehicle(), "battery": battery()}, base_load(1)
    start = {kind: problem.uncontrolled() for kind, problem in problems.items()}
    target = np.full(SLOTS, 700.0)
    plain, own = improve(problems, base, start, target), None
    own = answer(problems, base, start, target, purpose(Weights()))
    far = [np.linalg.norm(base + sum(p.values()) - target) for p in (plain, own)]
    assert far[1] <= far[0] * (1 + 1e-9)


def test_weights_move_a_house_between_its_aims():
    base, problems = base_load(3), {"ev": vehicle(), "battery": battery()}
    start = {kind: problem.uncontrolled() for kind, problem in problems.items()}
    comfort, target = base + sum(start.values()), np.full(SLOTS, 600.0)
    buy, sell = np.where(np.arange(SLOTS) < 40, 20_000.0, 40_000.0), np.full(SLOTS, 5000.0)
    found = {}
    for name, weights in {
        "requests": Weights(1.0), "cost": Weights(0.0, 1.0), "self": Weights(0.0, 0.0, 1.0),
        "comfort": Weights(0.0, 0.0, 0.0, 1.0), "some": Weights(1.0, 0.3, 0.3, 0.3),
    }.items():  # fmt: skip
        aim = purpose(weights, buy, sell, comfort=comfort.astype(float))
        found[name] = base + sum(answer(problems, base, start, target, aim).values())
    judged = {
        "requests": lambda x: np.linalg.norm(x - target), "cost": lambda x: paid(x, buy, sell),
        "self": np.linalg.norm, "comfort": lambda x: np.linalg.norm(x - comfort),
    }  # fmt: skip
    for name, judge in judged.items():
        best = min(found, key=lambda other, judge=judge: judge(found[other]))
        assert judge(found[name]) <= judge(found[best]) * 1.03 + 0.005, name
        assert judge(found["some"]) < max(judge(x) for x in found.values())
    assert np.array_equal(found["comfort"], comfort)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(1500, 9000), st.booleans())
def test_a_limit_of_the_house_is_kept_where_it_can_be(seed, room_w, early):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 1500, SLOTS)
    high = np.full(SLOTS, 1500.0 + room_w)
    target = rng.normal(0, 4000, SLOTS) + (15_000.0 * (np.arange(SLOTS) < 20) if early else 0.0)
    energy_wh = float(rng.uniform(0.2, 0.9) * room_w * 80 * H)
    problems = {"ev": vehicle(energy_wh), "battery": battery()}
    start = {kind: problem.uncontrolled() for kind, problem in problems.items()}
    plans = answer(problems, base, start, target, purpose(Weights(), high_w=high))
    total = base + sum(plans.values())
    assert np.maximum(total - high, 0).sum() <= 0.02 * energy_wh / H
    assert plans["ev"].sum() * H == pytest.approx(energy_wh, abs=1.0)


def test_within_limits_is_the_nearest_profile_within_them():
    from scipy.optimize import minimize

    rng = np.random.default_rng(5)
    target, high = rng.normal(3000, 3000, SLOTS), rng.uniform(1000, 4000, SLOTS)
    found = within(vehicle(), target, -FREE, high)
    upper = np.where(np.arange(SLOTS) < 80, np.minimum(high, 11_000), 0.0)
    best = minimize(
        lambda x: ((x - target) ** 2).sum() / 1e6, np.full(SLOTS, 12_000 / H / SLOTS),
        jac=lambda x: 2 * (x - target) / 1e6, method="SLSQP", bounds=[(0, u) for u in upper],
        constraints={"type": "eq", "fun": lambda x: x.sum() / 1e3 - 48.0,
                     "jac": lambda x: np.full(SLOTS, 1e-3)},
    )  # fmt: skip
    assert np.maximum(found - high, 0).sum() < 0.01 * found.sum()
    assert ((found - target) ** 2).sum() <= best.fun * 1e6 * 1.01


def test_a_strategy_is_taken_only_as_a_whole():
    usual = Strategy()
    assert usual.changed({}) == usual
    new = usual.changed({"weights": {"cost": 2}, "limits": {"import_max_w": 4000.0}})
    assert new.weights == Weights(1.0, 2.0)
    assert new.limits == Limits(import_max_w=4000.0)
    assert new.changed({"limits": {"import_max_w": None}}).limits == Limits()
    assert new.changed({"follow": "none", "max_percent": 3}) == new
    for wrong in (
        None, 3, [], {"weight": {}}, {"weights": {"cost": -1}}, {"weights": {"cost": True}},
        {"weights": {"requests": 0}}, {"weights": []}, {"limits": {"import_max_w": -1}},
        {"limits": {"beyond": 1}}, {"limits": {"battery_min_percent": 101}},
        {"weights": {"cost": float("nan")}}, {"limits": {"other": 1}},
    ):  # fmt: skip
        assert usual.changed(wrong) is None, wrong
