"""Unbalance, distortion and flicker, against formulas and published points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.quality import (
    flicker_s,
    long_term_flicker,
    sequences,
    short_term_flicker,
    thd_percent,
    unbalance_of_voltages,
    unbalance_percent,
)

A = np.exp(2j * np.pi / 3)
parts = st.complex_numbers(max_magnitude=0.3, allow_nan=False)


@given(zero=parts, negative=parts)
def test_sequences_are_those_that_the_phasors_were_made_of(zero, negative):
    v = np.array([zero + 1 + negative, zero + A**2 + A * negative, zero + A + A**2 * negative])
    assert np.allclose(sequences(v), [zero, 1, negative], atol=1e-12)
    u2, u0 = unbalance_percent(v[None])
    assert np.allclose([u2[0], u0[0]], [100 * abs(negative), 100 * abs(zero)], atol=1e-9)


@given(zero=parts, negative=parts)
def test_an_instrument_without_angles_finds_the_same_unbalance(zero, negative):
    v = np.array([zero + 1 + negative, zero + A**2 + A * negative, zero + A + A**2 * negative])
    between = np.abs(v - np.roll(v, -1))
    expected = 100 * abs(negative)
    assert unbalance_of_voltages(between) == pytest.approx(expected, abs=2e-5)


def test_one_phase_gone_has_two_equal_sequences():
    u2, u0 = unbalance_percent(np.array([[0, A**2, A]]))
    assert (u2[0], u0[0]) == pytest.approx((50.0, 50.0))
    assert np.isnan(unbalance_percent(np.zeros((1, 3), dtype=complex))[0][0])


def test_distortion_is_the_root_of_the_sum_of_squares():
    harmonics = np.array([[3.0, 0.0], [4.0, 0.0]])
    assert thd_percent(harmonics, np.array([100.0, 230.0])).tolist() == [5.0, 0.0]


# rectangular changes a minute, and the change [%] for which Pst is 1: IEC 61000-4-15, table for
# lamps of 230 V at 50 Hz
@pytest.mark.parametrize(
    ("per_minute", "percent", "tolerance"),
    [(1, 2.72, 0.03), (2, 2.21, 0.03), (7, 1.46, 0.04), (39, 0.905, 0.04), (110, 0.725, 0.15)],
)
def test_flicker_of_a_rectangular_modulation(per_minute, percent, tolerance):
    changes = np.full(10 * per_minute, percent)
    assert short_term_flicker(flicker_s(changes).sum()) == pytest.approx(1.0, abs=tolerance)


def test_flicker_of_one_step():
    # the formula by hand: a step of 4 % disturbs for 2.3 s * 4^3.2 = 194.2 s
    assert flicker_s(np.array(-4.0)) == pytest.approx(194.2, abs=0.1)
    assert short_term_flicker(flicker_s(np.array(4.0))) == pytest.approx(0.703, abs=1e-3)
    assert short_term_flicker(np.array(0.0)) == 0.0


def test_long_term_flicker_is_a_cubic_mean():
    pst = np.zeros((12, 2))
    pst[:, 0], pst[3, 1] = 0.7, 1.2
    assert np.allclose(long_term_flicker(pst), [0.7, 1.2 / 12 ** (1 / 3)])
    pst[5, 1] = np.nan
    assert np.isnan(long_term_flicker(pst)).tolist() == [False, True]
