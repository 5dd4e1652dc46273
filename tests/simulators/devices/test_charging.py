"""Charging curves and vehicles that give back: times, limits, energy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fernwatt.errors import ScenarioError
from fernwatt.messages import Actuation, Supply
from simulators.devices import DevicesCore
from simulators.devices.charging import VehicleSpec, flat, stairs

TERMINAL, DEVICE, DAY_MS = "terminal/lv1/a", "ev/lv1/a", 86_400_000
P_W, CURVE = 11_000.0, ((0.0, 1.0), (0.8, 1.0), (1.0, 0.1))
CAR = {"capacity_wh": 50_000.0, "arrival_soc": 0.4, "charge_efficiency": 0.9,
       "discharge_efficiency": 0.88, "curve": CURVE}  # fmt: skip


def point(energy_wh, stay_ms, *, car=CAR, arrival_ms=0, **plate):
    visit = {"id": "session/lv1/a/0", "arrival_ms": arrival_ms, "energy_wh": energy_wh,
             "departure_ms": arrival_ms + stay_ms, "vehicle": dict(car)}  # fmt: skip
    return {"id": DEVICE, "kind": "ev", "terminal": TERMINAL, "p_max_w": P_W, "sessions": [visit],
            **plate}  # fmt: skip


def run(device, orders=(), supplies=(), end_ms=DAY_MS):
    """Run to the end, checking the books at each step; return core, events and (t, p, content)."""
    core = DevicesCore([TERMINAL], [device], end_ms, 900_000)
    orders, supplies = sorted(orders), sorted(supplies)
    events, trace, t_ms, before = [], [], 0, None
    while t_ms is not None:
        now = [
            Actuation(f"x#{n}", "c#1", DEVICE, "set_power", {"p_w": p, "until_ms": u})
            for n, (t, p, u) in enumerate(orders)
            if t == t_ms
        ]
        fed = [Supply(f"s#{t}", "g#1", TERMINAL, on, on) for t, on in supplies if t == t_ms]
        # as booked up to now, before anybody leaves or comes
        core._book(t_ms)
        content = core.device()["soc_wh"][0]
        books = core.energy_wh[0] - core.loss_wh[0]
        if before is not None and before[0] is not None:
            assert content - before[0] == pytest.approx(books - before[1], rel=1e-9, abs=1e-9)
        due_ms = core.step(t_ms, now, None, fed)
        assert due_ms is None or due_ms > t_ms
        before = core.device()["soc_wh"][0], books
        events += core.take_events()
        trace.append((t_ms, float(core.p_w[0]), before[0]))
        later = [t for t, *_ in (*orders, *supplies) if t > t_ms and t < end_ms]
        t_ms = None if due_ms is None else min([due_ms, *later])
    return core, events, trace


def delivered(core):
    rows = [columns for table, columns in core.take_rows() if table == "session"]
    return rows[0]["delivered_wh"][0]


def test_stairs_take_as_long_as_the_curve_does() -> None:
    car = VehicleSpec(50_000.0, 0.4, P_W, CURVE, 0.9)
    way = stairs(car, 0.6 * 50_000 / 0.9, P_W, 0.4)
    assert sum(way.size_wh) == pytest.approx(0.6 * 50_000 / 0.9)
    assert max(way.p_w) == P_W
    assert min(way.p_w) > 1_100.0

    def slope(_, soc):
        return [0.9 * car.power_w(soc[0], P_W) / 50_000.0 / 3.6e6]

    def full(_, soc):
        return soc[0] - 1.0

    full.terminal = True
    end_ms = solve_ivp(slope, (0, 1e9), [0.4], events=full, rtol=1e-10, atol=1e-12, max_step=1e5).t[
        -1
    ]
    assert way.least_ms(0.6 * 50_000 / 0.9) == pytest.approx(end_ms, rel=1e-6)
    # at 80 % after 20 kWh / 0.9 / 11 kW; then 10 kWh / 0.9 / (0.9 * 11 kW) ln 10
    hours = 20 / 0.9 / 11 + 10 / 0.9 / 9.9 * np.log(10)
    assert way.least_ms(0.6 * 50_000 / 0.9) / 3.6e6 == pytest.approx(hours, abs=1e-5)


def test_a_points_own_limit_moves_the_bend() -> None:
    # at 3.7 kW the battery's limit is felt only where 11 kW times the share is below
    car = VehicleSpec(50_000.0, 0.4, P_W, CURVE, 1.0)
    way = stairs(car, 30_000.0, 3_700.0, 0.4)
    bend = 0.8 + 0.2 * (1 - 3.7 / 11) / 0.9
    assert way.size_wh[0] + way.size_wh[1] == pytest.approx((bend - 0.4) * 50_000)
    assert way.p_w[:2] == (3_700.0, 3_700.0)
    assert all(a > b for a, b in pairwise(way.p_w[1:]))


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 3e7))
def test_what_time_can_give_is_what_takes_the_time(low, part, span_ms) -> None:
    car = VehicleSpec(50_000.0, low, P_W, CURVE, 0.9)
    energy_wh = max(part * (1 - low) * 50_000 / 0.9, 1.0)
    energy_wh = min(energy_wh, (1 - low) * 50_000 / 0.9) if low < 0.9999 else 1.0
    if car.target_soc(energy_wh) > 1:
        return
    for way in (stairs(car, energy_wh, P_W, low), flat(energy_wh, P_W)):
        most_wh = way.most_wh(span_ms)
        assert way.missing_after(most_wh, span_ms) <= 0.01
        if most_wh < energy_wh * (1 - 1e-9):
            assert way.least_ms(most_wh) == pytest.approx(span_ms, abs=60)
        assert way.missing_after(energy_wh, way.least_ms(energy_wh)) == 0.0


def test_power_falls_above_the_bend_and_all_that_was_asked_for_is_in() -> None:
    energy_wh = 0.6 * 50_000 / 0.9
    core, events, trace = run(point(energy_wh, 40_000_000))
    powers = [p for (_, p, _), (_, q, _) in pairwise(trace) if p > 0 and p != q]
    assert powers[0] == pytest.approx(P_W, rel=1e-6)
    assert all(a > b for a, b in pairwise(powers))
    assert powers[-1] == pytest.approx(0.09 / np.log(1.9) * P_W, rel=1e-6)
    assert delivered(core) == pytest.approx(energy_wh, abs=1e-6)
    assert core.loss_wh[0] == pytest.approx(0.1 * energy_wh, rel=1e-9)
    reasons = [e.value["reason"] for e in events if e.kind == "power_changed"]
    assert reasons == ["session", *["charging-curve"] * 10, "complete"]


def test_must_charge_knows_that_the_end_is_slow() -> None:
    energy_wh, stay_ms = 0.6 * 50_000 / 0.9, 30_000_000
    car = VehicleSpec(**{**CAR, "p_max_w": P_W})
    least_ms = stairs(car, energy_wh, P_W, 0.4).least_ms(energy_wh)
    core, _, trace = run(point(energy_wh, stay_ms), [(0, 0.0, DAY_MS)])
    begins = next(t for t, p, _ in trace if p > 0)
    assert begins == stay_ms - least_ms
    assert delivered(core) == pytest.approx(energy_wh, abs=1e-6)


def test_a_vehicle_may_draw_less_than_a_point_can_signal() -> None:
    # 6 A on three phases are 4,140 W: a smaller set-point pauses, the battery's own end does not
    device = point(0.6 * 50_000 / 0.9, 60_000_000, p_min_w=4_140.0)
    core, _, trace = run(device, [(0, 4_139.0, 1_000_000), (1_000_000, 4_140.0, DAY_MS)])
    assert {p for t, p, _ in trace if t < 1_000_000} == {0.0}
    assert {t: p for t, p, _ in trace}[1_000_000] == pytest.approx(4_140.0)
    assert 1_100 < min(p for _, p, _ in trace if p > 0) < 2_000
    assert delivered(core) == pytest.approx(0.6 * 50_000 / 0.9, abs=1e-6)


def test_a_vehicle_gives_back_down_to_its_reserve_and_leaves_as_asked() -> None:
    car = {**CAR, "arrival_soc": 0.6, "reserve_soc": 0.3}
    device = point(5_000.0, 60_000_000, car=car, p_discharge_w=10_000.0)
    core, events, trace = run(device, [(0, -10_000.0, DAY_MS)])
    contents = [c for t, _, c in trace if c is not None]
    assert min(contents) == pytest.approx(15_000.0, abs=1e-6)
    spell = next(t for t, p, _ in trace if p == 0.0)
    assert spell == pytest.approx(15_000 * 0.88 / 10_000 * 3.6e6, abs=2)
    assert delivered(core) == pytest.approx(5_000.0, abs=1e-6)
    ended = next(e.value for e in events if e.kind == "session_ended")
    assert ended["fed_back_wh"] == pytest.approx(15_000 * 0.88, rel=1e-9)
    lost_wh = 0.12 * 15_000 + 0.1 / 0.9 * 19_500  # out, and back in with what was asked for
    assert core.loss_wh[0] == pytest.approx(lost_wh, rel=1e-9)


def test_without_time_to_bring_it_back_nothing_is_taken() -> None:
    car = {**CAR, "arrival_soc": 0.5}
    device = point(10_000.0, 4_000_000, car=car, p_discharge_w=10_000.0)
    core, _, trace = run(device, [(0, -10_000.0, DAY_MS)])
    assert delivered(core) == pytest.approx(10_000.0, abs=1e-6)
    assert min(p for _, p, _ in trace) == -10_000.0  # for the few minutes there are
    plain = run(point(10_000.0, 4_000_000, car=car), [(0, -10_000.0, DAY_MS)])[2]
    assert min(p for _, p, _ in plain) == 0.0


BAD = {
    "capacity_wh": {"capacity_wh": -1.0},
    "arrival_soc": {"arrival_soc": 1.2},
    "charge_efficiency": {"charge_efficiency": float("nan")},
    "curve": {"curve": [[0.5, 1.0], [0.4, 0.5]]},
    "reserve_soc": {"reserve_soc": -0.1},
    "colour": {"colour": 1},
}


@pytest.mark.parametrize("field", BAD)
def test_a_vehicle_that_cannot_be_is_a_fault(field) -> None:
    with pytest.raises(ScenarioError) as caught:
        run(point(5_000.0, 40_000_000, car={**CAR, **BAD[field]}))
    paths = [fault.path for fault in caught.value.faults]
    assert paths == [f"devices[0].sessions[0].vehicle.{field}"]


@pytest.mark.parametrize(
    "curve", [[], "flat", [[0.1]], [[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.1, 0.5]]]
)
def test_a_curve_that_cannot_be_is_a_fault(curve) -> None:
    with pytest.raises(ScenarioError, match=r"vehicle\.curve"):
        run(point(5_000.0, 40_000_000, car={**CAR, "curve": curve}))


def test_more_than_battery_or_curve_can_take_is_a_fault() -> None:
    with pytest.raises(ScenarioError, match=r"the battery can take: 33333\.3 Wh"):
        run(point(34_000.0, 80_000_000))
    hours = 20 / 0.9 / 11 + 10 / 0.9 / 9.9 * np.log(10)
    energy_wh = 0.6 * 50_000 / 0.9 - 0.01
    run(point(energy_wh, round(hours * 3.6e6)), end_ms=900_000)
    with pytest.raises(ScenarioError, match="more than the session can take"):
        run(point(energy_wh, round(hours * 3.6e6) - 60_000), end_ms=900_000)


curves = st.lists(st.tuples(st.floats(0, 1), st.floats(0.05, 1.0)), min_size=1, max_size=5).map(
    lambda points: sorted({round(soc, 3): (round(soc, 3), p) for soc, p in points}.values())
)
orders = st.lists(
    st.tuples(st.integers(0, 50_000_000), st.floats(-12_000, 15_000), st.integers(0, 30_000_000)),
    max_size=10,
)


@settings(max_examples=150, deadline=None)
@given(
    curves, st.floats(0, 0.9), st.floats(0.01, 1.0), st.floats(1.0, 3.0), st.floats(0, 0.9),
    st.sampled_from([0.0, 1_380.0, 4_140.0]), orders,
)  # fmt: skip
def test_limits_hold_and_sessions_get_what_they_asked_for(
    curve, soc, part, ease, reserve, p_min_w, given_orders
) -> None:
    car = {**CAR, "curve": curve, "arrival_soc": soc, "reserve_soc": reserve}
    energy_wh = part * (1 - soc) * 50_000 / 0.9 * (1 - 1e-9)
    spec = VehicleSpec(**{**car, "curve": tuple(curve), "p_max_w": P_W})
    stay_ms = int(stairs(spec, energy_wh, P_W, soc).least_ms(energy_wh) * ease) + 40
    device = point(energy_wh, stay_ms, car=car, p_min_w=p_min_w, p_discharge_w=9_000.0)
    spans = [(t, p, t + 1 + more) for t, p, more in given_orders]
    core, _, trace = run(device, spans, end_ms=max(stay_ms + 1, 900_000))
    least_wh = min(soc, reserve) * 50_000
    for _, p_w, content in trace:
        assert -9_000.0 <= p_w <= P_W
        if content is None:
            assert p_w == 0.0
            continue
        now = content / 50_000
        assert least_wh - 1e-6 <= content <= spec.target_soc(energy_wh) * 50_000 + 1e-6
        if p_w > 0:  # on the stair that begins here, the power is between those of its ends
            bends = [s for s, _ in curve if abs(s - now) < 0.021]
            around = [spec.power_w(s, P_W) for s in (now - 0.021, *bends, now + 0.021)]
            assert p_w <= max(around) * (1 + 1e-9)
    assert delivered(core) == pytest.approx(energy_wh, abs=1e-6)


cuts = st.tuples(st.integers(0, 50_000_000), st.booleans())


@settings(max_examples=60, deadline=None)
@given(st.lists(cuts, max_size=6, unique_by=lambda cut: cut[0]), orders)
def test_the_books_close_without_supply_too(supplies, given_orders) -> None:
    energy_wh = 0.5 * 50_000 / 0.9
    device = point(energy_wh, 40_000_000, p_discharge_w=9_000.0)
    spans = [(t, p, t + 1 + more) for t, p, more in given_orders]
    core, _, trace = run(device, spans, supplies)
    # it came with 20 kWh, all of which may have been taken before the supply went
    assert -20_000 / 0.9 - 1e-6 <= delivered(core) <= energy_wh + 1e-6
    assert trace[-1][1] == 0.0
