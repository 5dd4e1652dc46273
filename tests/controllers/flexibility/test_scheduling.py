"""Schedules keep to every offer, never make it worse, and take what is cheapest."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.flexibility.aggregation import Tolerance, aggregate
from controllers.flexibility.disaggregation import disaggregate
from controllers.flexibility.offers import FlexOffer, Profile
from controllers.flexibility.scheduling import Need, as_array, fill, schedule
from tests.controllers.flexibility.test_flexoffers import fleets

SLOTS = 24


def need(rest, limit):
    return Need(0, np.array(rest, dtype=np.int64), np.array(limit, dtype=np.int64))


def car(name, energy=3000, power=1000, until=SLOTS, cent=4000, stretch=2):
    slices = min(stretch * -(-energy // power), until)
    whole, part = divmod(energy, power)
    default = Profile(0, (power,) * whole + ((part,) if part else ()))
    return FlexOffer(name, 0, until - slices, (0,) * slices, (power,) * slices, energy, energy,
                     default, cent)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(data=st.data(), fleet=fleets(6))
def test_schedules_keep_to_the_offers_and_never_make_it_worse(data, fleet):
    rest = data.draw(st.lists(st.integers(-500, 2000), min_size=SLOTS, max_size=SLOTS))
    limit = [data.draw(st.integers(0, 2500))] * SLOTS
    what = need(rest, limit)
    groups = {group.offer.id: group for group in aggregate(fleet, Tolerance(2, 4))}
    found = schedule([g.offer for g in groups.values()], what, np.random.default_rng(1))
    before = what.rest_wh + sum(as_array(o.default, 0, SLOTS) for o in fleet)
    after = before.copy()
    for name, whole in found.assignments.items():
        members = {member.id: member for member in groups[name].members}
        for member, part in disaggregate(groups[name], whole).items():
            members[member].check(part)
            after += as_array(part, 0, SLOTS) - as_array(members[member].default, 0, SLOTS)
    assert (after == found.load_wh).all()
    assert what.over_wh(after) == found.over_wh <= what.over_wh(before)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_energies_are_whole_within_bounds_and_total(data):
    count = data.draw(st.integers(1, 8))
    low = np.array(data.draw(st.lists(st.integers(-900, 0), min_size=count, max_size=count)))
    high = low + np.array(data.draw(st.lists(st.integers(0, 900), min_size=count, max_size=count)))
    least = data.draw(st.integers(int(low.sum()), int(high.sum())))
    most = data.draw(st.integers(least, int(high.sum())))
    numbers = st.lists(st.integers(-2000, 2000), min_size=count, max_size=count)
    room, wanted = np.array([data.draw(numbers)]), np.array([data.draw(numbers)])
    (row,) = fill(wanted, room, low, high, (least, most))
    assert row.dtype == np.int64
    assert (low <= row).all()
    assert (row <= high).all()
    assert least <= row.sum() <= most


def test_four_cars_that_come_at_once_are_spread_below_the_limit():
    cars = [car(f"car-{n}") for n in range(4)]
    what = need([500] * SLOTS, [1500] * SLOTS)
    found = schedule(cars, what, np.random.default_rng(1))
    assert found.over_wh == 0
    assert found.load_wh.sum() == 500 * SLOTS + 4 * 3000
    assert found.load_wh.max() <= 1500


def test_nothing_is_moved_without_need_nor_more_than_there_is_need_for():
    cars = [car("a"), car("b")]
    assert schedule(cars, need([0] * SLOTS, [2000] * SLOTS), np.random.default_rng(1)) \
        .assignments == {}  # fmt: skip
    found = schedule(cars, need([0] * SLOTS, [1800] * SLOTS), np.random.default_rng(1))
    assert found.over_wh == 0
    moved = np.maximum(sum(as_array(c.default, 0, SLOTS) for c in cars) - found.load_wh, 0)
    assert moved.sum() == 600  # 200 Wh in each of three slots
    assert found.cost == 600 * 4000


def test_the_cheaper_of_two_is_moved():
    cars = [car("dear", cent=9000), car("cheap", cent=1000)]
    found = schedule(cars, need([0] * SLOTS, [1000] * SLOTS), np.random.default_rng(3))
    assert found.over_wh == 0
    assert set(found.assignments) == {"cheap"}


def test_what_cannot_be_moved_away_is_moved_as_far_as_it_helps():
    (found,) = [schedule([car("late", until=4)], need([0] * SLOTS, [500] * SLOTS),
                         np.random.default_rng(1))]  # fmt: skip
    assert found.load_wh[:4].sum() == 3000
    assert found.over_wh == 1000  # 3000 Wh into four slots of 500
