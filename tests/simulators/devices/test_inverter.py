"""Grid support of inverters: characteristics against pandapower's, tripping, coming back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandapower.control.controller.DERController.DERBasics import CosphiPCurve, QVCurve

from fernwatt.errors import ScenarioError
from fernwatt.messages import Actuation, Supply
from simulators.devices import DevicesCore

TERMINAL, SLOT_MS, V = "terminal/lv1/a", 900_000, 400 / 3**0.5
RATED_W = 10_000.0


def system(p_w, **settings_):
    return {
        "id": "pv/lv1/a", "kind": "pv", "terminal": TERMINAL, "p_w": p_w,
        "inverter": {"p_rated_w": RATED_W, **settings_},
    }  # fmt: skip


def volts(v_pu):
    return np.full((1, 3), v_pu * V)


def settled(device, v_pu, minutes=30):
    """Return (p_w, q_var) after half an hour at one voltage."""
    core = DevicesCore([TERMINAL], [device], 4 * SLOT_MS)
    for minute in range(minutes):
        core.step(minute * 60_000, v_v=volts(v_pu))
    return float(core.p_w[0]), float(core.q_var[0])


@pytest.mark.parametrize("v_pu", [0.9, 0.94, 0.97, 1.0, 1.03, 1.05, 1.07, 1.09])
def test_q_of_u_is_pandapowers_curve(v_pu) -> None:
    most = np.sqrt(1 / 0.9**2 - 1)
    curve = QVCurve((0.93, 0.97, 1.03, 1.07), (most, 0.0, 0.0, -most))
    p_w, q_var = settled(system([-5_000.0] * 4, q="q_u", trip_mean_pu=1.2), v_pu)
    assert q_var == pytest.approx(-curve.step(v_pu) * RATED_W, abs=1e-6)
    assert p_w == -5_000.0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.6, 0.75, 1.0])
def test_cos_phi_of_p_is_pandapowers_curve(share) -> None:
    curve = CosphiPCurve((0.0, 0.5, 1.0), (1.0, 1.0, -0.9))
    p_w, q_var = settled(system([-share * RATED_W] * 4, q="cos_phi_p"), 1.0)
    assert q_var == pytest.approx(-float(curve.step(share)) * RATED_W, abs=1e-6)
    assert p_w == pytest.approx(-share * RATED_W)


def test_a_fixed_power_factor_is_under_excited() -> None:
    p_w, q_var = settled(system([-6_000.0] * 4, q="cos_phi", cos_phi=0.95), 1.0)
    assert abs(p_w) / np.hypot(p_w, q_var) == pytest.approx(0.95)
    assert q_var > 0


@pytest.mark.parametrize(("v_pu", "share"), [(1.0, 1.0), (1.08, 1.0), (1.09, 0.5), (1.2, 0.0)])
def test_p_of_u_lowers_the_power_along_its_line(v_pu, share) -> None:
    device = system([-RATED_W] * 4, p_u_pu=[1.08, 1.10], trip_mean_pu=1.25)
    assert settled(device, v_pu)[0] == pytest.approx(-share * RATED_W, abs=1e-6)


def test_reactive_power_goes_before_active_where_the_rating_is_short() -> None:
    device = system([-RATED_W] * 4, q="q_u", s_rated_va=RATED_W)
    p_w, q_var = settled(device, 1.08)
    assert q_var == pytest.approx(RATED_W * np.sqrt(1 / 0.81 - 1))
    assert np.hypot(p_w, q_var) == pytest.approx(RATED_W)


def test_a_step_of_voltage_is_followed_with_the_time_constant() -> None:
    core = DevicesCore([TERMINAL], [system([-1_000.0] * 4, q="q_u", tau_s=60.0)], 4 * SLOT_MS)
    core.step(0, v_v=volts(1.0))
    core.step(1_000, v_v=volts(1.07))
    start = core.q_var[0]
    core.step(61_000, v_v=volts(1.07))
    end = RATED_W * np.sqrt(1 / 0.81 - 1)
    assert core.q_var[0] == pytest.approx(end + (start - end) * np.exp(-1), rel=1e-9)


def test_after_a_loss_of_supply_it_waits_and_then_ramps_up() -> None:
    core = DevicesCore([TERMINAL], [system([-RATED_W] * 4, q="q_u")], 4 * SLOT_MS)
    core.step(0)
    core.step(5_000, supplies=[Supply("s#1", "g#1", TERMINAL, False, False)], v_v=volts(0.0))
    assert (core.p_w[0], core.q_var[0]) == (0.0, 0.0)
    due = core.step(30_000, supplies=[Supply("s#2", "g#2", TERMINAL, True, True)], v_v=volts(1.0))
    trace = {}
    while due <= 900_000:
        now, due = due, core.step(due, v_v=volts(1.0))
        trace[now] = float(core.p_w[0])
    assert [p for t, p in trace.items() if t <= 90_000] == [0.0, 0.0]
    assert trace[150_000 - 30_000] == pytest.approx(-0.05 * RATED_W)
    assert trace[420_000] == pytest.approx(-0.55 * RATED_W)
    assert trace[900_000] == -RATED_W
    told = [(e.kind, e.cause, e.value["reason"]) for e in core.take_events()]
    assert told == [("inverter_tripped", "g#1", "supply"), ("inverter_connected", "", "voltage")]


def test_high_voltage_trips_at_once_and_by_its_mean_of_ten_minutes() -> None:
    core = DevicesCore([TERMINAL], [system([-RATED_W] * 8)], 8 * SLOT_MS)
    core.step(0, v_v=volts(1.0))
    trip_ms = None
    for minute in range(1, 40):
        core.step(minute * 60_000, v_v=volts(1.15))
        if trip_ms is None and core.p_w[0] == 0.0:
            trip_ms = minute * 60_000
    # from minute 1 on 1.15: the mean is above 1.10 after 6.7 minutes more
    assert trip_ms == 8 * 60_000
    assert core.p_w[0] == 0.0
    other = DevicesCore([TERMINAL], [system([-RATED_W] * 8)], 8 * SLOT_MS)
    other.step(0, v_v=volts(1.3))
    assert other.p_w[0] == 0.0


def test_a_set_point_curtails_it_all_the_same() -> None:
    core = DevicesCore([TERMINAL], [system([-RATED_W] * 4, q="none")], 4 * SLOT_MS)
    value = {"p_w": -2_000.0, "until_ms": SLOT_MS}
    core.step(0, [Actuation("x#1", "c#1", "pv/lv1/a", "set_power", value)])
    assert (core.p_w[0], core.q_var[0]) == (-2_000.0, 0.0)


BAD = {
    "p_rated_w": {"p_rated_w": 9_000.0},
    "q": {"q": "sometimes"},
    "q_u_pu": {"q_u_pu": [0.93, 0.97, 0.95, 1.07]},
    "s_rated_va": {"s_rated_va": 5_000.0},
    "return_pu": {"return_pu": [0.5, 1.1]},
    "colour": {"colour": 1},
}


@pytest.mark.parametrize("field", BAD)
def test_settings_that_cannot_be_are_faults(field) -> None:
    with pytest.raises(ScenarioError) as caught:
        DevicesCore([TERMINAL], [system([-RATED_W] * 4, **BAD[field])], 4 * SLOT_MS)
    assert [fault.path for fault in caught.value.faults] == [f"devices[0].inverter.{field}"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 1.4), st.floats(0.0, 1.0), st.integers(1, 120_000)),
             min_size=1, max_size=30),
    st.sampled_from(["none", "cos_phi", "cos_phi_p", "q_u"]),
    st.floats(0.9, 1.0),
)  # fmt: skip
def test_it_never_leaves_its_rating_and_books_what_it_feeds(course, mode, tight) -> None:
    device = system([-RATED_W] * 8, q=mode, p_u_pu=[1.08, 1.1], s_rated_va=RATED_W / tight)
    core = DevicesCore([TERMINAL], [device], 8 * SLOT_MS)
    t_ms, due = 0, core.step(0)
    fed_wh = 0.0
    for v_pu, share, span_ms in course:
        now = min(due, t_ms + span_ms)
        fed_wh += core.p_w[0] * (now - t_ms) / 3.6e6
        value = {"p_w": -share * RATED_W, "until_ms": None}
        order = Actuation("x#1", "c#1", "pv/lv1/a", "set_power", value)
        due, t_ms = core.step(now, [order], v_v=volts(v_pu)), now
        assert -share * RATED_W - 1e-9 <= core.p_w[0] <= 0.0
        assert np.hypot(core.p_w[0], core.q_var[0]) <= RATED_W / tight * (1 + 1e-12)
        assert core.energy_wh[0] == pytest.approx(fed_wh, rel=1e-9, abs=1e-9)
