"""Dips, swells and interruptions by their thresholds, hysteresis and phases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.quality import DIP, INTERRUPTION, SWELL, Thresholds, VoltageWatch, classify

ALL = np.ones((1, 3), dtype=bool)


def play(steps, present=ALL, end_us=10**9, rebound_us=0):
    """Events of one place, from ``(t_us, voltages)``."""
    watch, found = VoltageWatch(present, Thresholds(rebound_us=rebound_us)), []
    for t_us, volts in steps:
        found += watch.see(t_us, np.broadcast_to(np.array(volts, dtype=float), (len(present), 3)),
                           f"at {t_us}")  # fmt: skip
    return found + watch.close(end_us)


def test_a_dip_of_two_phases():
    (event,) = play([(0, 1.0), (100, (0.6, 0.89, 1.0)), (150, (0.55, 0.9, 1)), (300, 0.97)])
    assert (event.kind, event.begin_us, event.end_us) == (DIP, 100, 300)
    assert event.extreme_pu == 0.55
    assert event.phases == (0, 1)
    assert (event.cause, event.ended_by) == ("at 100", "at 300")
    assert event.complete
    assert not event.deep


def test_a_rebound_within_the_hysteresis_is_one_dip():
    (event,) = play([(0, 1.0), (100, 0.85), (200, 0.91), (300, 0.7), (400, 0.92)])
    assert (event.begin_us, event.end_us, event.extreme_pu) == (100, 400, 0.7)


@pytest.mark.parametrize(("volts", "kinds"), [(0.9, 0), (0.8999, 1), (1.1, 0), (1.1001, 1)])
def test_thresholds_themselves_are_no_event(volts, kinds):
    assert len(play([(0, 1.0), (10, volts), (20, 1.0)])) == kinds


def test_an_interruption_needs_all_phases():
    found = play([(0, 1.0), (100, (0.0, 0.0, 0.5)), (200, 0.0), (500, (0.0, 0.0, 1.0)), (900, 1.0)])
    (gap,) = [event for event in found if event.kind == INTERRUPTION]
    (dip,) = [event for event in found if event.kind == DIP]
    assert (gap.begin_us, gap.end_us, gap.phases) == (200, 500, (0, 1, 2))
    assert (dip.begin_us, dip.end_us, dip.deep) == (100, 900, True)


def test_a_place_with_one_phase_is_interrupted_by_that_phase():
    one = np.array([[False, True, False], [True, True, True]])
    found = play([(0, 1.0), (100, (1.0, 0.0, 1.0)), (300, 1.0)], one)
    assert [(event.place, event.kind) for event in found] == [
        (0, DIP), (1, DIP), (0, INTERRUPTION),
    ]  # fmt: skip
    assert {event.deep for event in found if event.place == 1} == {False}


def test_a_swell_and_what_is_open_at_the_end():
    first, second = play(
        [(0, 1.0), (10, (1.2, 1.3, 1)), (20, 1.09), (30, 1.0), (40, 0.5)], end_us=50
    )
    assert (first.kind, first.extreme_pu, first.phases, first.end_us) == (SWELL, 1.3, (0, 1), 30)
    assert (second.kind, second.complete, second.end_us) == (DIP, False, 50)


def test_a_later_dip_knows_nothing_of_an_earlier_interruption():
    found = play([(0, 1.0), (10, 0.0), (20, 1.0), (30, 0.5), (40, 1.0)])
    assert [event.deep for event in found if event.kind == DIP] == [True, False]


def test_what_is_back_within_half_a_period_has_not_ended():
    steps = [(0, 1.0), (100, 0.5), (200, 1.0), (10_100, 0.4), (10_200, 1.0), (20_200, 0.3),
             (30_000, 1.0)]  # fmt: skip
    first, second = play(steps, rebound_us=10_000)
    assert (first.begin_us, first.end_us, first.extreme_pu) == (100, 10_200, 0.4)
    assert (first.ended_by, second.cause) == ("at 10200", "at 20200")
    # the end of all does not make it incomplete
    assert (second.end_us, second.complete) == (30_000, True)


def test_events_come_out_when_they_are_known_to_be_over():
    watch = VoltageWatch(ALL)
    course = [(0, 1.0), (100, 0.5), (200, 1.0), (5_000, 1.01), (10_200, 1.0), (10_300, 0.5)]
    told = [len(watch.see(t_us, np.full((1, 3), u))) for t_us, u in course]
    assert told == [0, 0, 0, 0, 1, 0]
    assert not watch.close(20_000)[0].complete


@given(st.lists(st.floats(0.0, 1.3), min_size=1, max_size=40))
def test_events_tell_when_voltage_was_outside(volts):
    found = play([(10 * number, volt) for number, volt in enumerate(volts)], end_us=10 * len(volts))
    for number, volt in enumerate(volts):
        t = 10 * number
        kinds = {event.kind for event in found if event.begin_us <= t < event.end_us}
        assert (DIP in kinds) >= (volt < 0.9)
        assert (DIP in kinds) <= (volt < 0.92)
        assert (SWELL in kinds) >= (volt > 1.1)
        assert (SWELL in kinds) <= (volt > 1.08)
        assert (INTERRUPTION in kinds) >= (volt < 0.05)
        assert (INTERRUPTION in kinds) <= (volt < 0.07)


def test_cells_of_the_table_of_dips():
    assert classify(0.2, 80.0) == ("90>u>=80", "t<=0.2")
    assert classify(0.21, 39.9) == ("40>u>=5", "t<=0.5")
    assert classify(61.0, 4.0) == ("u<5", "t>60")
