"""Charging points: what firmware promises, with and without set-points."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.messages import Actuation, Supply
from simulators.devices import DevicesCore

TERMINAL = "terminal/lv1/a"
DEVICE = "ev/lv1/a"
DAY_MS = 86_400_000


def point(*sessions, p_max_w=11_000.0, p_min_w=0.0):
    return {
        "id": DEVICE, "kind": "ev", "terminal": TERMINAL, "p_max_w": p_max_w, "p_min_w": p_min_w,
        "sessions": [
            {"id": f"session/lv1/a/{n}", "arrival_ms": a, "departure_ms": d, "energy_wh": e}
            for n, (a, d, e) in enumerate(sessions)
        ],
    }  # fmt: skip


def run(device, orders=(), supplies=(), end_ms=DAY_MS):
    """Run to the end; return the core, events, session rows and (t, p) of every step."""
    core = DevicesCore([TERMINAL], [device], end_ms)
    orders, supplies = sorted(orders), sorted(supplies)
    events, trace, t_ms = [], [], 0
    while t_ms is not None:
        now = [
            Actuation(f"x#{n}", "c#1", DEVICE, "set_power", {"p_w": p, "until_ms": u})
            for n, (t, p, u) in enumerate(orders)
            if t == t_ms
        ]
        fed = [Supply(f"s#{t}", "g#1", TERMINAL, on, on) for t, on in supplies if t == t_ms]
        due_ms = core.step(t_ms, now, None, fed)
        assert due_ms is None or due_ms > t_ms
        events += core.take_events()
        trace.append((t_ms, float(core.p_w[0])))
        later = [t for t, *_ in (*orders, *supplies) if t > t_ms and t < end_ms]
        t_ms = None if due_ms is None else min([due_ms, *later])
    sessions = [columns for table, columns in core.take_rows() if table == "session"]
    return core, events, sessions, trace


def energy_wh(trace):
    spans = pairwise(trace)
    return sum(p * (after - t) for (t, p), (after, _) in spans) / 3.6e6


def test_a_vehicle_is_charged_from_arrival_until_its_energy_is_in() -> None:
    core, events, sessions, trace = run(point((1_000, 40_000_000, 5_500.0)))
    kinds = [(event.t_us // 1000, event.kind) for event in events]
    assert kinds == [
        (1_000, "session_started"), (1_000, "power_changed"), (1_801_000, "power_changed"),
        (40_000_000, "session_ended"),
    ]  # fmt: skip
    assert dict(trace)[1_000] == pytest.approx(11_000.0)
    assert dict(trace)[1_801_000] == 0.0
    assert core.energy_wh[0] == pytest.approx(5_500.0, rel=1e-12)
    assert sessions[0]["delivered_wh"] == [5_500.0]
    assert sessions[0]["complete"] == [True]


def test_every_event_names_its_cause() -> None:
    order = (5_000, 3_000.0, 600_000)
    _, events, _, _ = run(point((1_000, 40_000_000, 5_500.0)), [order])
    by_id = {event.id: event for event in events}
    chain = [(e.kind, by_id[e.cause].kind if e.cause in by_id else e.cause) for e in events]
    assert chain == [
        ("session_started", ""), ("power_changed", "session_started"),
        ("set_point_changed", "x#0"), ("power_changed", "set_point_changed"),
        ("set_point_ended", "set_point_changed"), ("power_changed", "set_point_ended"),
        ("power_changed", "session_started"), ("session_ended", "session_started"),
    ]  # fmt: skip


def test_a_set_point_gives_way_when_time_runs_out() -> None:
    # 11 kWh at 11 kW need one hour of the two; asked to wait for ever, it waits one hour
    _, events, sessions, trace = run(point((0, 7_200_000, 11_000.0)), [(0, 0.0, DAY_MS)])
    assert dict(trace)[3_600_000] == pytest.approx(11_000.0)
    assert max(p for t, p in trace if t < 3_600_000) == 0.0
    assert sessions[0]["delivered_wh"] == [pytest.approx(11_000.0, abs=1e-6)]
    assert [e.value["reason"] for e in events if e.kind == "power_changed"][-2] == "must-charge"


def test_below_its_least_power_a_point_pauses() -> None:
    device = point((0, 40_000_000, 5_500.0), p_min_w=4_140.0)
    _, _, _, trace = run(device, [(0, 4_000.0, 900_000), (900_000, 4_200.0, 1_800_000)])
    assert dict(trace)[0] == 0.0
    assert dict(trace)[900_000] == pytest.approx(4_200.0)


def test_without_supply_a_point_draws_nothing_and_goes_on_afterwards() -> None:
    _, events, sessions, trace = run(
        point((0, 40_000_000, 11_000.0)), supplies=[(600_000, False), (1_200_000, True)]
    )
    assert all(p == 0.0 for t, p in trace if 600_000 <= t < 1_200_000)
    assert sessions[0]["delivered_wh"] == [pytest.approx(11_000.0)]
    assert next(t for t, p in trace if p == 0.0 and t > 1_200_000) == 4_200_000
    causes = [e.cause for e in events if e.kind == "power_changed" and e.t_us == 600_000_000]
    assert causes == ["g#1"]


def test_a_session_that_outlives_the_run_is_written_as_incomplete() -> None:
    _, _, sessions, _ = run(point((0, 10_000_000, 20_000.0)), end_ms=1_800_000)
    assert sessions[0]["complete"] == [False]
    assert sessions[0]["delivered_wh"] == [pytest.approx(5_500.0)]


def test_bad_set_points_are_refused_and_change_nothing() -> None:
    for value in ({"p_w": float("nan"), "until_ms": 9}, {"p_w": 1.0}, {"p_w": 1.0, "until_ms": 0}):
        core = DevicesCore([TERMINAL], [point((0, 40_000_000, 5_500.0))], DAY_MS)
        core.step(0, [Actuation("x#1", "c#1", DEVICE, "set_power", value)])
        refused = [e for e in core.take_events() if e.kind == "set_point_refused"]
        assert [e.cause for e in refused] == ["x#1"]
        assert core.p_w[0] == pytest.approx(11_000.0)


@st.composite
def visits(draw):
    """One to three feasible sessions, one after the other."""
    sessions, t_ms = [], 0
    for _ in range(draw(st.integers(1, 3))):
        arrival = t_ms + draw(st.integers(0, 5_000_000))
        parked = draw(st.integers(2, 20_000_000))
        share = draw(st.floats(1e-3, 1.0))
        sessions.append((arrival, arrival + parked, 11_000.0 * parked / 3.6e6 * share))
        t_ms = arrival + parked
    return sessions


orders = st.lists(
    st.tuples(
        st.integers(0, 80_000_000),
        st.floats(-5_000, 15_000),
        st.integers(80_000_001, DAY_MS),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(visits(), orders, st.sampled_from([0.0, 1_380.0, 4_140.0]))
def test_set_points_change_when_but_never_how_much(sessions, given_orders, p_min_w) -> None:
    device = point(*sessions, p_min_w=p_min_w)
    core, _, rows, trace = run(device, given_orders)
    _, _, plain_rows, _ = run(device)
    assert all(0.0 <= p <= 11_000.0 for _, p in trace)
    for (_, _, wanted), row, plain in zip(sessions, rows, plain_rows, strict=True):
        assert row["delivered_wh"][0] == pytest.approx(wanted, abs=1e-6)
        assert plain["delivered_wh"][0] == pytest.approx(wanted, abs=1e-6)
    delivered = sum(row["delivered_wh"][0] for row in rows)
    assert core.energy_wh[0] == pytest.approx(delivered, rel=1e-9, abs=1e-6)
    assert energy_wh(trace) == pytest.approx(core.energy_wh[0], rel=1e-9)
