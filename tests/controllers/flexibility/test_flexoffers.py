"""Aggregates promise nothing that their members cannot do, and hand down every Wh."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controllers.flexibility.aggregation import Tolerance, aggregate, shape_of, sum_profiles
from controllers.flexibility.disaggregation import disaggregate
from controllers.flexibility.offers import Assignment, FlexOffer, OfferError, Profile

WIDE = Tolerance(start_slots=96, free_slots=96, cent_per_mwh=1_000_000)


@st.composite
def offers(draw, number=0):
    """Any offer: equal or different slices, drawn or fed in, with or without a total."""
    count = draw(st.integers(1, 6))
    if draw(st.booleans()):
        low = draw(st.integers(-400, 400))
        bounds = [(low, low + draw(st.integers(0, 900)))] * count
    else:
        bounds = [(low, low + draw(st.integers(0, 900)))
                  for low in draw(st.lists(st.integers(-400, 400), min_size=count,
                                           max_size=count))]  # fmt: skip
    floor, ceiling = (sum(bound[side] for bound in bounds) for side in (0, 1))
    least = draw(st.integers(floor, ceiling)) if draw(st.booleans()) else floor - 5
    most = draw(st.integers(max(least, floor), ceiling)) if draw(st.booleans()) else ceiling + 5
    earliest = draw(st.integers(0, 6))
    default = tuple(draw(st.lists(st.integers(-900, 900), max_size=4)))
    return FlexOffer(
        f"offer-{number}", earliest, earliest + draw(st.integers(0, 6)),
        tuple(b[0] for b in bounds), tuple(b[1] for b in bounds), least, most,
        Profile(draw(st.integers(0, 9)), default), draw(st.integers(0, 300)),
        draw(st.integers(1, 99)), draw(st.integers(1, 99)),
    )  # fmt: skip


@st.composite
def fleets(draw, most=12):
    return [draw(offers(number)) for number in range(draw(st.integers(1, most)))]


@st.composite
def vehicles(draw):
    """Like vehicles: power, energy, time to go; many of one shape."""
    fleet = []
    for number in range(draw(st.integers(2, 20))):
        u = draw(st.integers(1, 3000))
        slices = draw(st.integers(1, 3))
        energy = draw(st.integers(u * (slices - 1) + 1, u * slices))
        window = min(2 * slices, slices + draw(st.integers(0, 8)))
        fleet.append(
            FlexOffer(f"ev-{number}", 0, draw(st.integers(0, 20)), (0,) * window, (u,) * window,
                      energy, energy, Profile(0, (energy,)))
        )  # fmt: skip
    return fleet


def within(draw, offer):
    """Draw any assignment that an offer allows."""
    start = draw(st.integers(offer.earliest, offer.latest))
    least, most = offer.totals_wh
    total = draw(st.integers(least, most))
    order = draw(st.permutations(range(offer.slices)))
    wh, spare = list(offer.low_wh), total - sum(offer.low_wh)
    ahead = sum(high - low for low, high in zip(offer.low_wh, offer.high_wh, strict=True))
    for number in order:  # what the slices to come cannot take has to go into this one
        width = offer.high_wh[number] - offer.low_wh[number]
        ahead -= width
        more = draw(st.integers(max(spare - ahead, 0), min(width, spare)))
        wh[number] += more
        spare -= more
    return Assignment(start, tuple(wh))


def check_handed_down(group, assignment):
    parts = disaggregate(group, assignment)
    assert set(parts) == {member.id for member in group.members}
    for member in group.members:
        member.check(parts[member.id])
    total = sum_profiles(parts.values())
    for slot in range(assignment.slot, assignment.slot + len(assignment.wh)):
        assert total.at(slot) == assignment.at(slot)
    assert total.total_wh == assignment.total_wh


@settings(max_examples=60, deadline=None)
@given(data=st.data(), fleet=fleets())
def test_whatever_an_aggregate_allows_its_members_can_do(data, fleet):
    groups = aggregate(fleet, WIDE)
    assert sorted(m.id for g in groups for m in g.members) == sorted(o.id for o in fleet)
    for group in groups:
        check_handed_down(group, within(data.draw, group.offer))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), fleet=vehicles())
def test_vehicles_are_few_groups_and_keep_their_energies(data, fleet):
    groups = aggregate(fleet, Tolerance(0, 20))
    shapes = {shape_of(offer) for offer in fleet}
    assert None not in shapes
    assert len(groups) == len(shapes)  # all begin now: a group for each shape
    for group in groups:
        check_handed_down(group, within(data.draw, group.offer))


@settings(max_examples=30, deadline=None)
@given(data=st.data(), fleet=fleets(8))
def test_aggregates_of_aggregates_are_exact_too(data, fleet):
    first = {group.offer.id: group for group in aggregate(fleet, Tolerance(2, 3))}
    assume(len(first) == len(aggregate(fleet, Tolerance(2, 3))))
    for group in aggregate([g.offer for g in first.values()], WIDE):
        assignment = within(data.draw, group.offer)
        parts = disaggregate(group, assignment)
        own = {}
        for name, part in parts.items():
            check_handed_down(first[name], part)
            own |= disaggregate(first[name], part)
        assert sum_profiles(own.values()).total_wh == assignment.total_wh


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_that_members_can_do_at_one_start_is_beyond_their_aggregate(data):
    fleet = data.draw(vehicles())
    for group in aggregate(fleet, Tolerance(0, 20)):
        start = data.draw(st.integers(group.offer.earliest, group.offer.latest))
        parts = [within(data.draw, m) for m in group.members]
        total = sum_profiles(Profile(start, part.wh) for part in parts)
        group.offer.check(Assignment(start, total.wh))


def test_the_sum_of_two_shapes_would_promise_what_nobody_can_do():
    """Why shapes are kept apart: the plain sum of these two allows 0 and 3 Wh, they only 1 + 2."""
    long = FlexOffer("long", 0, 0, (0, 0), (1, 1), 2, 2, Profile(0))
    short = FlexOffer("short", 0, 0, (0, 0), (2, 2), 1, 1, Profile(0))
    assert shape_of(long) != shape_of(short)
    assert len(aggregate([long, short], WIDE)) == 2
    sums = {tuple(a + b for a, b in zip(x, y, strict=True))
            for x, y in product(product((0, 1), repeat=2), product((0, 1, 2), repeat=2))
            if sum(x) == 2 and sum(y) == 1}  # fmt: skip
    assert sums == {(1, 2), (2, 1)}


def test_what_an_offer_does_not_allow_is_refused():
    offer = FlexOffer("a", 4, 8, (0, 0), (500, 500), 600, 800, Profile(4, (500, 300)))
    offer.check(Assignment(8, (300, 300)))
    for wrong in (Assignment(9, (300, 300)), Assignment(4, (300,)), Assignment(4, (501, 100)),
                  Assignment(4, (500, 500)), Assignment(4, (100, 100))):  # fmt: skip
        assert not offer.allows(wrong)
        (group,) = aggregate([offer], WIDE)
        with pytest.raises(OfferError):
            disaggregate(group, wrong)
    with pytest.raises(OfferError, match="latest start"):
        FlexOffer("a", 4, 3, (0,), (1,), 0, 1, Profile(4))
    with pytest.raises(OfferError, match="both be kept"):
        FlexOffer("a", 4, 4, (0,), (1,), 2, 2, Profile(4))


@settings(max_examples=60, deadline=None)
@given(offer=offers())
def test_records_hold_an_offer(offer):
    assert FlexOffer.of(json.loads(json.dumps(offer.plain()))) == offer


@settings(max_examples=60, deadline=None)
@given(data=st.data(), offer=offers())
def test_of_no_record_fails(data, offer):
    record = offer.plain()
    key = data.draw(st.sampled_from(sorted(record)))
    junk = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=2), some),
        max_leaves=5,
    )
    record[key] = data.draw(junk)
    FlexOffer.of(record)
    FlexOffer.of(data.draw(junk))


def test_aggregates_are_many_times_fewer_than_offers():
    random = np.random.default_rng(1)
    fleet = []
    for number in range(1000):
        u, need = 2750, int(random.integers(2000, 22_000))
        slices = -(-need // u)
        slot = int(random.integers(0, 24))
        fleet.append(FlexOffer(f"ev-{number:04}", slot, slot + int(random.integers(8, 40)),
                               (0,) * slices, (u,) * slices, need, need, Profile(0)))  # fmt: skip
    groups = aggregate(fleet, Tolerance(4, 8))
    assert len(groups) < 250
