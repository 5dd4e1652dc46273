"""Prices, demand and supply: where they meet, whatever the curves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.auction import cleared, falling
from controllers.auction.ladder import STEPS, UNIT_W, Supply, flat

demands = st.lists(st.integers(-3000, 3000), min_size=STEPS + 1, max_size=STEPS + 1).map(
    lambda values: np.array(sorted(values, reverse=True))
)
supplies = st.tuples(st.integers(-20_000, 40_000), st.integers(0, 40_000)).map(
    lambda pair: Supply(pair[0], pair[0] + pair[1]).curve()
)


@given(demands, supplies)
def test_the_price_is_the_lowest_at_which_supply_suffices(demand, supply):
    price = cleared(demand, supply)
    assert 0 <= price <= STEPS
    if price < STEPS:
        assert demand[price] <= supply[price]
    if price > 0:
        assert demand[price - 1] > supply[price - 1]


@given(demands, demands, supplies)
def test_who_joins_with_demand_lowers_no_price(demand, more, supply):
    joined = demand + np.maximum(more, 0)
    assert cleared(joined, supply) >= cleared(demand, supply)


@given(st.lists(demands, min_size=1, max_size=5), supplies)
def test_it_is_the_same_whoever_adds_up(parts, supply):
    """A market in between changes nothing: sums of sums are sums."""
    halves = [sum(parts[: len(parts) // 2], flat(0.0)), sum(parts[len(parts) // 2 :], flat(0.0))]
    assert cleared(sum(halves), supply) == cleared(sum(parts, flat(0.0)), supply)


def test_curves_are_straight_between_their_points_and_level_beyond():
    curve = falling([(20, 5000.0), (60, 1000.0)])
    assert (curve[:21] == 5000 / UNIT_W).all()
    assert curve[40] == 3000 / UNIT_W
    assert (curve[60:] == 1000 / UNIT_W).all()
    assert (np.diff(curve) <= 0).all()


def test_a_demand_that_rises_is_refused():
    with pytest.raises(ValueError, match="rises"):
        falling([(0, 0.0), (100, 10.0)])
    with pytest.raises(ValueError, match="do not rise"):
        falling([(50, 10.0), (50, 0.0)])


def test_supply_that_is_level_limits():
    demand = falling([(0, 9000.0), (100, 0.0)])
    price = cleared(demand, Supply(3000.0, 3000.0).curve())
    assert demand[price] * UNIT_W <= 3000 < demand[price - 1] * UNIT_W
