"""Fault passage indicators: thresholds, directions, misses, false operations, and the truth."""

from __future__ import annotations

import numpy as np
import pytest

from fernwatt.errors import ScenarioError, SimulationError
from simulators.field import Indicators, parse_indicators

TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
YEAR_US = int(365.25 * 86_400e6)
VOLT = 11_500.0


def indicator(n=0, **given_fields):
    return {"id": f"fpi/mv1/{n:04}", "place": f"line/mv1/{n}", **given_fields}


def build(*items, seed=1):
    return Indicators(parse_indicators(items), seed)


def sees(indicators, t_us, size_a, cause="", volts=VOLT, angle=-60.0):
    n = len(indicators.specs)
    i_a = np.broadcast_to(np.reshape(size_a, (-1, 1)), (n, 1)) * TURN
    i_a = i_a * np.exp(1j * np.deg2rad(angle))
    indicators.observe(t_us, i_a, np.tile(volts * TURN, (n, 1)), cause)


def test_it_shows_what_lasted_long_enough_and_holds_it() -> None:
    fpi = build(indicator(0), indicator(1, phase_a=3_000.0), indicator(2, minimum_ms=200.0))
    sees(fpi, 0, 50.0)
    sees(fpi, 1_000_000, 2_000.0, "fault#1")
    news, truth = fpi.advance(1_100_000)
    sees(fpi, 1_100_000, 0.0, "switch#1", volts=0.0)
    assert [(i.indicator, i.t_us, i.on, i.cause) for i in news] == [
        ("fpi/mv1/0000", 1_040_000, True, "fault#1"),
    ]  # fmt: skip
    assert [(t.kind, t.cause) for t in truth] == [("passage_shown", news[0].id)]
    later, _ = fpi.advance(10 * 3_600_000_000)
    assert [(i.t_us, i.on, i.cause) for i in later] == [
        (1_040_000 + 4 * 3_600_000_000, False, news[0].id),
    ]  # fmt: skip
    assert fpi.due_us is None


def test_returning_voltage_resets_it_where_it_is_made_so() -> None:
    fpi = build(indicator(0, reset_by_voltage=True), indicator(1))
    sees(fpi, 0, 0.0)
    sees(fpi, 10, 2_000.0, "fault#1", volts=5_000.0)
    fpi.advance(100_000)
    sees(fpi, 100_000, 0.0, "open#1", volts=0.0)
    sees(fpi, 400_000, 30.0, "close#1")
    news, _ = fpi.advance(400_000)
    assert [(i.indicator[-1], i.on, i.cause) for i in news] == [("0", False, "close#1")]


@pytest.mark.parametrize("sense", [1, -1])
def test_directional_ones_tell_where_the_current_went(sense) -> None:
    fpi = build(indicator(0, directional=True), indicator(1))
    sees(fpi, 0, 0.0)
    sees(fpi, 10, sense * 2_000.0, "fault#1", volts=3_000.0)
    news, _ = fpi.advance(100_000)
    assert [i.direction for i in news] == [sense, 0]


def test_a_residual_current_is_enough_for_the_earth_threshold() -> None:
    fpi = build(indicator(0, earth_a=20.0, directional=True))
    v_v = VOLT * TURN[None, :].copy()
    v_v[0, 1] *= 0.2
    i_a = np.zeros((1, 3), complex)
    i_a[0, 1] = 60.0 * TURN[1]
    fpi.observe(0, i_a, v_v, "fault#2")
    ((shown,), _) = fpi.advance(1_000_000)
    assert (shown.quantity, shown.direction, shown.cause) == ("earth", 1, "fault#2")


def test_misses_are_as_frequent_as_stated_and_only_the_truth_tells_of_them() -> None:
    fpi = build(*(indicator(n, miss_probability=0.05) for n in range(3_000)))
    sees(fpi, 0, 2_000.0, "fault#1")
    news, truth = fpi.advance(1_000_000)
    missed = [t for t in truth if t.kind == "passage_missed"]
    assert len(missed) == pytest.approx(150, abs=37)
    assert len(news) == 3_000 - len(missed)
    assert {t.indicator for t in missed}.isdisjoint(i.indicator for i in news)
    assert {t.cause for t in missed} == {"fault#1"}


def test_false_operations_are_as_frequent_as_stated_and_look_like_true_ones() -> None:
    fpi = build(*(indicator(n, false_per_year=2.0, directional=True) for n in range(400)))
    sees(fpi, 0, 10.0)
    news, truth = fpi.advance(YEAR_US)
    on = [i for i in news if i.on]
    assert len(on) == pytest.approx(800, abs=85)
    assert {t.kind for t in truth} == {"false_passage"}
    assert [t.cause for t in truth] == [i.id for i in on]
    assert {i.direction for i in on} == {-1, 1}
    # nothing in the indication itself says that it is false
    assert {(i.quantity, i.cause) for i in on} == {("phase", "")}
    counts = np.bincount([int(i.indicator[-4:]) for i in on], minlength=400)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.25)


def test_another_indicator_changes_nothing_for_the_first() -> None:
    def shown(*items):
        fpi = build(*items, seed=4)
        sees(fpi, 0, 10.0)
        return [i for i in fpi.advance(3 * YEAR_US)[0] if i.indicator.endswith("0000")]

    first = indicator(0, false_per_year=5.0)
    assert shown(first) == shown(first, indicator(1, false_per_year=3.0))


def test_bad_indicators_and_late_looks_are_refused() -> None:
    items = [indicator(0, phase_a=0.0), indicator(1, miss_probability=2.0),
             indicator(2, hold_ms=-1), indicator(3, colour=1)]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        parse_indicators(items)
    assert [f.path for f in caught.value.faults] == [
        "indicators[0]", "indicators[1].miss_probability", "indicators[2].hold_ms",
        "indicators[3].colour",
    ]  # fmt: skip
    fpi = build(indicator(0))
    sees(fpi, 0, 2_000.0)
    with pytest.raises(SimulationError, match="not advanced"):
        sees(fpi, 50_000, 0.0)
