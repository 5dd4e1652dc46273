"""Verdicts of EN 50160, exact at the boundary."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fernwatt.quality import LIMITS_LV, LIMITS_MV, Measured, assess, quantile, within

WEEK = 1008


def week(outside: int, value: float = 1.2) -> np.ndarray:
    values = np.ones(WEEK)
    values[:outside] = value
    return values


@pytest.mark.parametrize(("outside", "passed"), [(0, True), (50, True), (51, False)])
def test_of_a_week_50_values_may_be_outside(outside, passed):
    verdict = within("voltage", week(outside), 0.9, 1.1, 95.0)
    assert (verdict.passed, verdict.outside, verdict.count) == (passed, outside, WEEK)
    assert verdict.share_percent == pytest.approx(100 * (WEEK - outside) / WEEK)


def test_the_limits_themselves_are_inside():
    volts = np.array([253.0, 207.0]) / 230.0
    assert within("voltage", volts, 207 / 230, 253 / 230, 100.0).passed
    assert not within("voltage", np.append(volts, 253.01 / 230), 207 / 230, 253 / 230, 100.0).passed


def test_what_is_missing_does_not_count():
    values = np.append(week(50), [np.nan] * 300)
    verdict = within("voltage", values, 0.9, 1.1)
    assert (verdict.count, verdict.passed) == (WEEK, True)
    nothing = within("voltage", np.full(5, np.nan), 0.9, 1.1)
    assert (nothing.count, nothing.value, nothing.passed) == (0, None, True)


def test_every_phase_has_to_keep_the_limits():
    phases = np.stack([week(0), week(51, 0.8), week(10)], axis=1)
    verdict = within("voltage", phases, 0.9, 1.1)
    assert not verdict.passed
    assert (verdict.outside, verdict.value) == (51, 0.8)


def test_the_verdict_and_its_value_agree():
    rng = np.random.default_rng(1)
    for _ in range(200):
        values = rng.normal(1.0, 0.06, 100)
        verdict = within("voltage", values, 0.9, 1.1, 90.0)
        one_sided = [
            within("x", values, 0.9, math.inf, 90.0),
            within("x", values, -math.inf, 1.1, 90.0),
        ]
        for side, low, high in zip(one_sided, (0.9, -math.inf), (math.inf, 1.1), strict=True):
            assert side.passed == (low <= side.value <= high)
        assert verdict.outside == sum(side.outside for side in one_sided)


def test_quantiles_are_values_that_occur():
    assert quantile(np.arange(1.0, 101.0), 95.0) == 95.0
    assert quantile(np.array([3.0, np.nan, 1.0]), 95.0) == 3.0
    with pytest.raises(ValueError, match="no value"):
        quantile(np.array([np.nan]), 95.0)


def test_a_place_is_assessed_by_what_was_measured():
    fifth = np.full((WEEK, 3), 4.0)
    fifth[:51, 2] = 6.1
    measured = Measured(
        voltage_pu=np.full((WEEK, 3), 0.86), unbalance_percent=np.full(WEEK, 2.0),
        thd_percent=np.full((WEEK, 3), 8.1), harmonics_percent={5: fifth, 40: fifth},
        frequency_hz=np.append(np.full(995, 50.0), [49.4] * 5),
    )  # fmt: skip
    passed = {verdict.quantity: verdict.passed for verdict in assess(measured)}
    assert passed == {
        "frequency": True, "frequency_always": True, "voltage": False, "voltage_always": True,
        "unbalance": True, "harmonic_5": False, "thd": False,
    }  # fmt: skip


def test_medium_voltage_has_a_wider_band_that_always_holds():
    high = Measured(voltage_pu=week(10, 1.12)[:, None])
    assert [verdict.passed for verdict in assess(high, LIMITS_MV)] == [True, True]
    assert [verdict.passed for verdict in assess(high, LIMITS_LV)] == [True, False]
