"""The baseline of the days before: which days count, and what of them is known at the time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.response.baseline import Days, Metered, Rule
from fernwatt.timebase import Clock

SLOT_MS, DAY = 900_000, 96
START = Clock.from_iso("2016-04-18T00:00:00Z")  # a Monday


def metered(net_w, first=0, clock_ms=0):
    """A meter that has measured these powers, read day by day; below zero is export."""
    net_w = np.asarray(net_w, dtype=float)
    series = []
    for sign in (1.0, -1.0):
        energy = np.concatenate(([0.0], np.cumsum(np.clip(sign * net_w, 0.0, None) / 4)))
        times = (np.arange(energy.size) + first) * SLOT_MS + clock_ms
        series.append([[int(t), float(e)] for t, e in zip(times, energy, strict=True)])
    one = Metered()
    for begin in range(0, net_w.size, DAY):
        one.take(*(registers[begin : begin + DAY + 1] for registers in series))
    return one


@given(st.lists(st.integers(-3000, 3000), min_size=1, max_size=40), st.integers(-3, 3))
def test_registers_give_back_the_powers(net_w, seconds):
    one = metered(net_w, first=10, clock_ms=1000 * seconds)
    assert [one.net_w(slot) for slot in range(10, 10 + len(net_w))] == pytest.approx(net_w)
    assert one.misses([10 + len(net_w)])
    assert one.misses([9])


def test_readings_that_are_none_are_left_out():
    one = Metered()
    one.take([[0, 0.0], "x", [900_000], [900_000, 25.0], None], [[0, 0.0], [900_000, 0.0]])
    assert one.net_w(0) == 100.0


def days(levels, **rule):
    """A week with a level each; the window is 18 to 20 o'clock."""
    net_w = np.concatenate([np.full(DAY, float(level)) for level in levels])
    return Days(Rule(**rule), START), metered(net_w)


def at(day, hour):
    return DAY * day + 4 * hour


def test_the_highest_of_the_last_days_count():
    made, one = days([100, 400, 300, 200], highest=2, of=3, adjust_slots=0)
    window = range(at(4, 18), at(4, 20))
    found = made.baseline_w(one, window, window, at(4, 12))
    assert found == [350.0] * 8  # Tuesday and Wednesday, of Tuesday to Thursday


def test_working_days_and_weekends_are_apart():
    made, one = days([100, 100, 100, 100, 100, 700, 800], highest=5, of=10, adjust_slots=0)
    monday, sunday = range(at(7, 18), at(7, 20)), range(at(13, 18), at(13, 20))
    assert made.baseline_w(one, monday, monday, at(7, 12)) == [100.0] * 8
    assert made.baseline_w(one, sunday, sunday, at(13, 12)) == [800.0] * 8


def test_days_with_a_request_do_not_count():
    made, one = days([100, 400, 300], highest=1, of=2, adjust_slots=0)
    window = range(at(3, 18), at(3, 20))
    spoiled = set(range(at(1, 19), at(1, 21)))
    assert made.baseline_w(one, window, window, at(3, 12), spoiled) == [300.0] * 8


def test_what_comes_after_the_request_is_not_known():
    net_w = np.full(2 * DAY, 100.0)
    net_w[at(1, 12) :] = 9999.0
    made, one = Days(Rule(1, 1, 8), START), metered(net_w)
    window = range(at(1, 18), at(1, 20))
    assert made.baseline_w(one, window, window, at(1, 12)) == [100.0] * 8
    # asked at eleven of what reaches to two o'clock: the day before is not over by then
    late = range(at(2, 6), at(2, 14))
    assert made.baseline_w(one, late, late, at(1, 11)) == [100.0] * 32
    assert made.baseline_w(one, range(at(1, 6), at(1, 14)), late, at(0, 11)) is None


def test_the_days_are_moved_by_what_was_drawn_just_before():
    net_w = np.full(2 * DAY, 100.0)
    net_w[at(1, 10) : at(1, 12)] = 340.0
    made, one = Days(Rule(1, 1, 8), START), metered(net_w)
    window = range(at(1, 18), at(1, 20))
    assert made.baseline_w(one, window, window, at(1, 12)) == pytest.approx([340.0] * 8)


def test_a_day_with_a_gap_does_not_count():
    made, one = days([100, 200], highest=1, of=5, adjust_slots=0)
    del one._net_w[at(1, 19)]
    window = range(at(2, 18), at(2, 20))
    assert made.baseline_w(one, window, window, at(2, 12)) == [100.0] * 8
    assert made.baseline_w(Metered(), window, window, at(2, 12)) is None
