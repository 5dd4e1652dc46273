"""What those of the last hour brought is expected of those of the next."""

from __future__ import annotations

import numpy as np
import pytest

from controllers.flexibility.aggregation import Tolerance
from controllers.flexibility.newcomers import AHEAD, Newcomers
from controllers.flexibility.offers import Profile
from controllers.flexibility.portfolio import Portfolio
from controllers.flexibility.records import Told

SLOT = 900_000


def test_of_nobody_nobody_is_expected():
    assert not Newcomers().expect_wh(5 * SLOT, 96, 9).any()


def test_a_steady_stream_is_foreseen_to_the_watt():
    """One vehicle comes in the middle of each quarter-hour, and charges 1 kWh a quarter-hour."""
    newcomers = Newcomers()
    for slot in range(4):
        newcomers.add(slot, [1000] * AHEAD, 9)
    expected = newcomers.expect_wh(4 * SLOT, 4, 9)  # as slot 4 begins: nobody of it has come yet
    # in slot 5: who comes in 4, and half of who comes in 5; in slot 6 one more; and so on
    assert expected.tolist() == [1500, 2500, 3500, 4500]
    half_past = newcomers.expect_wh(4 * SLOT + SLOT // 2, 4, 9)
    assert half_past.tolist() == [1000, 2000, 3000, 4000]


def test_it_dies_away_when_they_stop_coming():
    newcomers = Newcomers()
    for slot in range(4):
        newcomers.add(slot, [1000] * AHEAD, 9)
    late = newcomers.expect_wh(4 * SLOT, 96, 9)
    assert late[3] == late.max()
    assert late[7] == pytest.approx(late[3] / 2, abs=1)
    assert late[60:].max() <= 1
    assert not newcomers.expect_wh(8 * SLOT, 96, 9).any()


def test_the_fewer_are_left_the_fewer_are_expected():
    newcomers = Newcomers()
    for slot in range(4):
        newcomers.add(slot, [1000] * AHEAD, 8 - slot)
    assert newcomers.expect_wh(4 * SLOT, 4, 4).tolist() == [750, 1250, 1750, 2250]
    assert not newcomers.expect_wh(4 * SLOT, 4, 0).any()


def test_who_tells_less_than_before_is_not_taken_for_a_newcomer():
    newcomers = Newcomers()
    newcomers.add(0, [-500] * AHEAD, 9)
    assert not newcomers.expect_wh(SLOT, 96, 9).any()


def test_a_portfolio_learns_from_what_customers_tell_anew():
    portfolio = Portfolio(Tolerance())
    assert portfolio.take(Told("a", 1, Profile(1, (100,) * 96), ()), "x")
    assert not portfolio.coming_wh(SLOT, 4).any()  # the first word is no news
    assert portfolio.take(Told("a", 2, Profile(1, (2850, 2850, *(100,) * 94)), ()), "y")
    assert not portfolio.take(Told("a", 2, Profile(1, (0,) * 96), ()), "late")
    expected = portfolio.coming_wh(SLOT, 4)
    assert (np.diff(expected[:2]) > 0).all()
    assert expected[0] == round(1.5 * 2750 / 4)
