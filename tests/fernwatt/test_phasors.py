"""Phasors: what is measured, and which way it flows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.phasors import COLUMNS, Phasors, forward, quadrature, residual

TURN = np.exp(-2j * np.pi / 3 * np.arange(3))


def phasors(n=1, angle=45.0, earth=0.0, least=10.0):
    return Phasors(np.full(n, angle), np.full(n, earth), np.full(n, least))


def test_the_voltage_between_the_two_others_lags_its_phase_by_a_quarter() -> None:
    turned = quadrature(100.0 * TURN[None, :]) / TURN[None, :]
    np.testing.assert_allclose(turned, np.full((1, 3), -100j * np.sqrt(3)))


@given(st.floats(-180, 180), st.floats(0.1, 1e4))
def test_a_balanced_current_has_no_residual_and_one_magnitude(angle, size) -> None:
    i_a = size * TURN[None, :] * np.exp(1j * np.deg2rad(angle))
    table = phasors().table(i_a, 230.0 * TURN[None, :])
    assert abs(residual(i_a)[0]) < 1e-9 * size
    assert table[0, :4] == pytest.approx(size)
    ahead, back = (table[0, COLUMNS["phase", way]] for way in ("forward", "reverse"))
    # forward within a quarter turn around 45 degrees of lag
    lag = (-angle - 45.0 + 180.0) % 360.0 - 180.0
    if abs(abs(lag) - 90.0) > 1e-3:
        assert (ahead > 0, back > 0) == (abs(lag) < 90.0, abs(lag) > 90.0)


def test_direction_turns_with_the_characteristic_angle() -> None:
    v_v, i_a = np.array([[1.0 + 0j]]), np.array([[1.0 + 0j]])
    for angle in (-90.0, 0.0, 30.0, 60.0):
        cosine = forward(i_a, v_v, np.array([[angle]]))[0, 0]
        assert cosine == pytest.approx(np.cos(np.deg2rad(angle)))


def test_without_voltage_phases_remember_and_the_residual_does_not_know() -> None:
    places = phasors()
    healthy = 230.0 * TURN[None, :]
    lag = np.exp(-1j * np.deg2rad(60.0))
    places.table(10.0 * TURN[None, :] * lag, healthy)
    table = places.table(900.0 * TURN[None, :] * lag, 0 * healthy)
    assert table[0, COLUMNS["phase", "forward"]] == pytest.approx(900.0)
    one = np.array([[900.0, 0.0, 0.0]], dtype=complex)
    table = places.table(one, 0 * healthy)
    assert table[0, COLUMNS["earth", "any"]] == pytest.approx(900.0)
    assert table[0, COLUMNS["earth", "forward"]] == table[0, COLUMNS["earth", "reverse"]] == 0.0
