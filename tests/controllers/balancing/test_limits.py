"""Limits of the grid in a negotiation: kept within comfort, then beyond it, at any level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.balancing.devices import Flexible, GivenUp, Problem
from controllers.balancing.kinds import KINDS, Kind
from controllers.balancing.limits import Bounds, Limits
from tests.controllers.balancing.fleet import SLOT_MS, Fleet, tree_of

NONE = 1 << 50
WATTS = st.integers(-50_000, 50_000)


@st.composite
def bounded(draw):
    size = draw(st.integers(1, 30))
    lower = np.array(draw(st.lists(WATTS | st.just(-NONE), min_size=size, max_size=size)))
    width = np.array(draw(st.lists(st.integers(0, 40_000) | st.just(NONE), min_size=size,
                                   max_size=size)))  # fmt: skip
    upper = np.where(width == NONE, NONE, np.where(lower == -NONE, width, lower + width))
    sums = st.lists(WATTS, min_size=size, max_size=size).map(np.array)
    return Bounds(lower, upper), draw(sums), draw(sums)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(bounded())
def test_the_nearest_sum_within_is_within_and_is_the_nearest(case):
    bounds, one, other = case
    near, inside = bounds.nearest(one), bounds.nearest(other)
    assert (near >= bounds.lower_w).all()
    assert (near <= bounds.upper_w).all()
    assert np.linalg.norm(one - near) <= np.linalg.norm(one - inside) + 1e-9
    assert bounds.excess_w(one) == pytest.approx(np.linalg.norm(one - near))
    assert (bounds.largest_w(one) == 0) == (one == near).all()


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(bounded(), st.sampled_from([1, 10]))
def test_what_is_desired_within_limits_has_the_same_energy_where_they_allow_it(case, unit_w):
    bounds, desired, _ = case
    within = bounds.within(desired, unit_w)
    assert (within >= bounds.lower_w).all()
    assert (within <= bounds.upper_w).all()
    if bounds.lower_w.sum() <= desired.sum() <= bounds.upper_w.sum():
        assert abs(within.sum() - desired.sum()) <= unit_w * len(desired)
    if bounds.largest_w(desired) == 0:
        assert np.abs(within - desired).max() <= unit_w


def test_limits_of_the_scenario_and_written_ones_count_together_rounded_inwards():
    limits = Limits([{"from_ms": 0, "until_ms": 4 * SLOT_MS, "upper_w": 1009, "lower_w": -505}])
    assert limits.over(4, 10, 10) is None
    bounds = limits.over(2, 4, 10)
    assert bounds.upper_w.tolist() == [1000, 1000, NONE, NONE]
    assert bounds.lower_w.tolist() == [-500, -500, -NONE, -NONE]
    assert limits.take({"slot": 3, "upper_w": [700, None, 800]})
    assert not limits.take({"slot": 3, "upper_w": [700, None, 800]})
    bounds = limits.over(2, 4, 10)
    assert bounds.upper_w.tolist() == [1000, 700, NONE, 800]
    assert limits.take({"slot": 3, "upper_w": []})
    assert limits.over(2, 4, 10).upper_w.tolist() == [1000, 1000, NONE, NONE]


SLOTS = slice(23, 39)  # four hours, of a horizon that begins with slot 1


def load_w(fleet, unit):
    """Return what the houses below draw beside what can be steered."""
    below = fleet.tree.get(unit)
    if below is None:
        return fleet.service(unit)._now.base_w
    return sum(load_w(fleet, child) for child in below)


def narrow_w(fleet, unit, share=0.3):
    """Return a power for these hours between the load alone and what is drawn without a limit."""
    least_w, most_w = load_w(fleet, unit)[SLOTS].max(), fleet.actual_w(unit)[SLOTS].max()
    assert most_w > least_w + 200
    return float(least_w + share * (most_w - least_w))


def evening(upper_w):
    return {"from_ms": 24 * SLOT_MS, "until_ms": 40 * SLOT_MS, "upper_w": upper_w}


@pytest.mark.parametrize("exchange", ["profile", "distance"])
@pytest.mark.parametrize(("areas", "levels"), [(1, 1), (2, 2), (2, 3)])
def test_a_sum_beyond_a_limit_comes_back_within_and_stays_there(areas, levels, exchange):
    tree = tree_of(8, areas, levels)
    free = Fleet(tree, seed=5, exchange=exchange)
    free.bus.run(600_000)
    limit = evening(narrow_w(free, free.root))
    held = Fleet(tree, seed=5, exchange=exchange, limits={next(iter(tree)): [limit]})
    held.bus.run(600_000)
    assert held.agreed_w()[SLOTS].max() <= limit["upper_w"]
    assert (held.agreed_w() == held.actual_w()).all()
    assert held.rows()[-1]["beyond_after_w"] == 0.0
    stages = [row["stage"] for row in held.rows()]
    assert "limits" in stages
    assert "beyond" not in stages
    for row in held.rows():
        if row["distance_before_w"] is not None:
            assert row["distance_after_w"] <= row["distance_before_w"] + 1e-6
    # and it is not flattened much less than what the limit costs by itself
    assert np.linalg.norm(held.agreed_w()) <= 1.1 * np.linalg.norm(free.agreed_w())


@pytest.mark.parametrize("exchange", ["profile", "distance"])
def test_a_unit_between_keeps_the_limit_of_its_own_place(exchange):
    tree = tree_of(10, 2, 2)
    free = Fleet(tree, seed=4, exchange=exchange)
    free.bus.run(600_000)
    limit = evening(narrow_w(free, "lvgmu/b"))
    held = Fleet(tree, seed=4, exchange=exchange, limits={"lvgmu/b": [limit]})
    held.bus.run(600_000)
    assert held.actual_w("lvgmu/b")[SLOTS].max() <= limit["upper_w"]
    assert (held.agreed_w() == held.actual_w()).all()
    assert held.rows()[-1]["distance_after_w"] <= 1.3 * free.rows()[-1]["distance_after_w"]


def test_a_limit_that_nobody_can_keep_is_kept_as_far_as_it_can_be_and_told():
    tree = tree_of(4, 1, 1)
    limit = {"from_ms": 0, "until_ms": 96 * SLOT_MS, "upper_w": 500}
    fleet = Fleet(tree, seed=1, limits={"lvgmu/a": [limit]})
    fleet.bus.run(600_000)
    told = [entry for entry in fleet.bus.decisions if entry[2] == "limit_exceeded"]
    assert told
    assert told[-1][4]["beyond_w"] == fleet.rows()[-1]["beyond_after_w"] > 0
    assert not fleet.service("lvgmu/a").busy


def test_a_written_limit_is_negotiated_for_at_once_at_every_level():
    tree = tree_of(6, 2, 2)
    fleet = Fleet(tree, seed=3, limited=True)
    fleet.bus.run(900_000 - 60_000)
    before = fleet.rows()[-1]["id"]
    limit_w = narrow_w(fleet, "lvgmu/a")
    value = {"slot": 24, "upper_w": [limit_w] * 16, "lower_w": []}
    fleet.bus.at(fleet.bus.now_ms, fleet.bus.instance, "lvgmu/a", "balancing.limit", value)
    fleet.bus.run(900_000 - 1)
    assert fleet.rows()[-1]["id"] != before
    assert fleet.actual_w("lvgmu/a")[SLOTS].max() <= limit_w


@dataclass(frozen=True, slots=True)
class Warming(Problem):
    """What wants a power all the time, and can do with less where comfort may be given up."""

    wanted_w: int
    slots: int
    unit_w: int
    exceeds: bool = False

    def plan(self, target_w):
        low = np.zeros(self.slots) if self.exceeds else self.uncontrolled()
        near = np.clip(target_w, low, self.uncontrolled())
        return self.unit_w * np.rint(near / self.unit_w).astype(np.int64)

    def uncontrolled(self):
        return np.full(self.slots, self.wanted_w, dtype=np.int64)

    def beyond(self):
        return None if self.exceeds else replace(self, exceeds=True)

    def given_up(self, profile_w):
        lost_wh = float((self.wanted_w - profile_w).sum()) / 4
        return GivenUp("warmth", lost_wh, "Wh") if lost_wh else None


@dataclass(slots=True)
class Heater(Flexible):
    @classmethod
    def of(cls, config):
        return cls(**cls._common(config))

    def present(self, now_ms):
        return True

    def take(self, variable, value, t_ms):
        return False

    def problem(self, span, power):
        return Warming(int(self.p_max_w), span.slots, span.unit_w)


def heaters(number):
    if number == 3:
        return []
    unit = f"dmu/a/{number}/heater"
    return [{"kind": "heater", "id": f"heater/a/{number}", "unit": unit, "p_max_w": 1500}]


@pytest.mark.parametrize(("areas", "levels"), [(1, 1), (2, 3)])
def test_comfort_is_given_up_where_a_limit_cannot_be_kept_otherwise_and_no_more(
    monkeypatch, areas, levels
):
    monkeypatch.setitem(KINDS, "heater", Kind(Heater.of, ("p_max_w",), ()))
    tree = tree_of(4, areas, levels)
    limit = {"from_ms": 40 * SLOT_MS, "until_ms": 56 * SLOT_MS, "upper_w": 2500.0}
    fleet = Fleet(tree, seed=6, extra=heaters, limits={next(iter(tree)): [limit]})
    fleet.bus.run(600_000)
    assert fleet.agreed_w()[39:55].max() <= 2500
    assert (fleet.agreed_w() == fleet.actual_w()).all()
    stages = [row["stage"] for row in fleet.rows() if row["id"] == fleet.rows()[-1]["id"]]
    assert [s for s, _ in groupby(stages)] == ["profiles", "flat", "limits", "beyond"]
    lost = [e for e in fleet.bus.decisions if e[2] == "discomfort" and e[0] > 90_000]
    assert lost
    given_wh = {}
    for house, device, problem in fleet.problems():
        profile_w = fleet.service(house)._now.plans[device]
        given = problem.given_up(profile_w)
        if given is not None:
            given_wh[device] = given.amount
        if isinstance(problem, Warming):
            assert (profile_w[:39] == 1500).all()
            assert (profile_w[55:] == 1500).all()
        elif given is None and hasattr(problem, "energy_wh"):
            assert profile_w.sum() / 4 == pytest.approx(problem.energy_wh, abs=3)
    assert given_wh == {device: value["amount"] for _, _, _, device, value, _ in lost}
    # no more than what was missing, but for the margin of whole units
    base_w = load_w(fleet, fleet.root)[39:55]
    missing_wh = float(np.maximum(base_w + 3 * 1500 - 2500, 0).sum()) / 4
    assert sum(given_wh.values()) <= missing_wh + 16 / 4 * 10 * 8


def test_what_was_given_up_is_asked_for_again_when_the_limit_is_lifted(monkeypatch):
    monkeypatch.setitem(KINDS, "heater", Kind(Heater.of, ("p_max_w",), ()))
    fleet = Fleet(tree_of(4, 1, 1), seed=6, extra=heaters, limited=True)
    value = {"slot": 40, "upper_w": [2500.0] * 16}
    fleet.bus.at(60_000, fleet.bus.instance, "lvgmu/a", "balancing.limit", value)
    fleet.bus.run(300_000)
    assert fleet.agreed_w()[39:55].max() <= 2500
    fleet.bus.at(400_000, fleet.bus.instance, "lvgmu/a", "balancing.limit", {"slot": 40})
    fleet.bus.run(800_000)
    assert fleet.rows()[-1]["beyond_after_w"] is None
    for house, device, problem in fleet.problems():
        if isinstance(problem, Warming):
            assert (fleet.service(house)._now.plans[device] == 1500).all()
