"""The rules by which devices follow signals, against closed forms and a linear program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from controllers.control import OBEYED, Device, Order, Prices, Signals, decide_order
from controllers.signals import Command, GridState, Price

H, SLOT = 3_600_000, 900_000
EV = Device("ev", 11_000.0, missing_wh=11_000.0, departure_ms=8 * H)


def prices(cents, issued_ms=0, start_ms=0, step_ms=H):
    return Price(issued_ms, start_ms, step_ms, tuple(cents), (0,) * len(cents))


def command(percent, *, action="limit", kinds=("ev",), begins_ms=0, name="c", issued_ms=0):
    times = tuple(begins_ms + k * H for k in range(len(percent) + 1))
    return Command(name, issued_ms, "x", action, kinds, times, tuple(percent))


def said(*commands, price=None, grid=None):
    return Signals({one.id: one for one in commands}, Prices([price] if price else ()), grid)


def test_a_limit_is_of_the_rated_power_and_ends_with_its_interval():
    signals = said(command((30, None, 0), begins_ms=H))
    assert decide_order("command", EV, signals, 0) is None
    assert decide_order("command", EV, signals, H) == Order(3_300.0, 2 * H, H)
    assert decide_order("command", EV, signals, 2 * H) is None
    assert decide_order("command", EV, signals, 3 * H) == Order(0.0, 4 * H, 3 * H)
    assert decide_order("command", EV, signals, 4 * H) is None


def test_limits_leave_batteries_and_generators_to_themselves_set_points_do_not():
    kinds = ("ev", "battery", "pv")
    limit, fixed = command((0,), kinds=kinds), command((-50,), kinds=kinds, action="set")
    battery, panels = Device("battery", 4_000.0, 0.95), Device("pv", 6_000.0)
    assert decide_order("command", battery, said(limit), 0) is None
    assert decide_order("command", panels, said(limit), 0) is None
    assert decide_order("command", battery, said(fixed), 0).p_w == -2_000.0
    assert decide_order("command", panels, said(fixed), 0).p_w == -3_000.0
    half = command((50,), kinds=kinds, action="set")
    assert decide_order("command", battery, said(half), 0).p_w == 2_000.0
    assert decide_order("command", panels, said(half), 0).p_w == -3_000.0


def test_of_several_the_lower_holds_until_the_first_ends():
    both = said(command((60, 60), name="a"), command((20,), name="b"))
    assert decide_order("command", EV, both, 0) == Order(2_200.0, H, 0)
    amber = GridState(0, (0, 3 * H), (1,))
    signals = said(command((80,)), price=prices([5, 1, 9]), grid=amber)
    assert decide_order("all", EV, signals, 0).p_w == 0.0  # waits for the cheap hour
    assert decide_order("all", EV, signals, H) == Order(5_500.0, 3 * H, 0)  # the grid's
    assert decide_order("grid", EV, signals, H).p_w == 5_500.0


def test_red_is_off_and_green_is_free():
    grid = GridState(0, (0, H, 2 * H), (2, 0))
    boiler = Device("boiler", 2_000.0)
    assert decide_order("grid", boiler, said(grid=grid), 0) == Order(0.0, H, 0)
    assert decide_order("grid", boiler, said(grid=grid), H) is None
    assert decide_order("grid", Device("battery", 4e3), said(grid=grid), 0) is None


def test_what_is_obeyed_is_named():
    signals = said(command((0,)), price=prices([5, 1]))
    for signal in OBEYED:
        order = decide_order(signal, EV, signals, 0)
        assert (order is None) == (signal in ("grid", "none"))


def charge(device, signals, until_ms):
    """Charge a vehicle minute by minute as ordered; return energy by minute [Wh]."""
    missing, order, drawn = device.missing_wh, None, []
    for t_ms in range(0, until_ms, 60_000):
        if t_ms % SLOT == 0 or order is None or order.until_ms <= t_ms:
            now = Device("ev", device.p_max_w, missing_wh=missing, departure_ms=until_ms)
            order = decide_order("price", now, signals, t_ms)
        power = device.p_max_w if order is None else order.p_w
        left_ms = missing / device.p_max_w * H
        if left_ms >= until_ms - t_ms:
            power = device.p_max_w  # must charge
        energy = min(power / 60, missing)
        missing -= energy
        drawn.append(energy)
    assert missing == pytest.approx(0.0, abs=1e-6)
    return np.array(drawn)


@given(
    st.lists(st.integers(-50, 500), min_size=2, max_size=12),
    st.floats(0.05, 1.0),
)
def test_charging_by_price_costs_what_a_linear_program_finds(cents, part):
    until_ms, p_max_w = len(cents) * H, 11_000.0
    # whole hours of full power: then rule and program mean the same hours
    hours = max(1, round(part * len(cents)))
    device = Device("ev", p_max_w, missing_wh=hours * p_max_w, departure_ms=until_ms)
    drawn = charge(device, said(price=prices(cents)), until_ms)
    cost = float(drawn.reshape(len(cents), 60).sum(axis=1) @ np.array(cents, dtype=float))
    best = linprog(
        np.array(cents, dtype=float),
        A_eq=np.ones((1, len(cents))), b_eq=[hours * p_max_w], bounds=(0, p_max_w),
    )  # fmt: skip
    assert cost == pytest.approx(best.fun, rel=1e-6, abs=1e-3)


def test_without_prices_or_time_it_charges_at_once():
    assert decide_order("price", EV, said(), 0) is None
    late = Device("ev", 11_000.0, missing_wh=33_000.0, departure_ms=3 * H)
    assert decide_order("price", late, said(price=prices([9, 1, 9])), 0) is None
    beyond = said(price=prices([9, 1]))  # known for two hours only, three are needed
    assert decide_order("price", late, beyond, 0) is None
    assert decide_order("price", Device("ev", 11e3), said(price=prices([9, 1])), 0) is None


def test_a_battery_is_filled_where_the_difference_pays_for_its_losses():
    battery = Device("battery", 4_000.0, 0.9)
    assert decide_order("price", battery, said(price=prices([10, 20, 30])), 0).p_w == 4_000.0
    assert decide_order("price", battery, said(price=prices([10, 11, 12])), 0) is None
    assert decide_order("price", battery, said(price=prices([20, 10, 30])), 0) is None
    assert decide_order("price", battery, said(price=prices([20, 10, 30])), H).p_w == 4_000.0
    assert decide_order("price", battery, said(price=prices([20, 10, 30])), 2 * H) is None


def test_the_newest_price_counts_where_it_says_something():
    book = Prices().with_new(prices([5] * 24, 0), 0)
    book = book.with_new(prices([9, 9], 2 * H, 4 * H), 2 * H)
    assert book.steps(3 * H, 7 * H) == [
        (3 * H, 4 * H, 5), (4 * H, 5 * H, 9), (5 * H, 6 * H, 9), (6 * H, 7 * H, 5)
    ]  # fmt: skip
    assert book.end_ms(0) == 24 * H
    assert [book.issued_ms(t * H) for t in (3, 4, 30)] == [0, 2 * H, 0]
    later = book.with_new(prices([1], 7 * H, 7 * H), 7 * H)
    assert later.steps(0, 1) == [(0, 1, 5)]
    assert book.with_new(prices([1], 25 * H, 25 * H), 25 * H).steps(0, H) == []
