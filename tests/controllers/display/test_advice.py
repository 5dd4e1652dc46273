"""What a customer could save, against sums by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.display import Slot, advise


def slots(*rows):
    return [Slot(*row) for row in rows]


def test_dear_hours_are_shifted_to_the_cheapest_price():
    # the dearest of four slots: 1 kWh at 40 instead of 20 ct/kWh
    found = advise(slots((1000, 0, 40_000, 0), (500, 0, 20_000, 0), (500, 0, 30_000, 0),
                         (500, 0, 30_000, 0)))  # fmt: skip
    assert (found.kind, found.energy_wh) == ("shift", 1000)
    assert found.saving_cent == pytest.approx(20.0)


def test_what_is_fed_in_is_better_used():
    found = advise(slots((2000, 0, 30_000, 8_000), (0, 3000, 30_000, 8_000)))
    assert (found.kind, found.energy_wh) == ("own-use", 2000)
    assert found.saving_cent == pytest.approx(2.0 * (30 - 8))


def test_where_there_is_nothing_to_save_nothing_is_said():
    assert advise([]) is None
    assert advise(slots((500, 0, 30_000, 0), (500, 0, 30_000, 0))) is None
    assert advise(slots((0, 5000, 30_000, 8_000))) is None
    assert advise(slots((1, 0, 30_001, 0), (1, 0, 30_000, 0))) is None


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 5000), st.integers(0, 60_000),
                          st.integers(0, 10_000)), max_size=96))  # fmt: skip
def test_never_more_than_was_paid_or_moved(rows):
    found = advise(slots(*rows))
    if found is not None:
        paid = sum(drawn * price for drawn, _, price, _ in rows) / 1e6
        assert 1.0 <= found.saving_cent <= paid + 1e-6
        assert found.energy_wh <= sum(drawn for drawn, *_ in rows) + 1e-6
