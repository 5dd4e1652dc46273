"""Public lighting: cables against other solutions, lamps against their equations, and chance."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pandapower as pp
import pandas as pd
import pvlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fernwatt.errors import ConvergenceError, ScenarioError, SimulationError
from simulators.grid.lighting import (
    LAMPS,
    Lighting,
    Switching,
    life_h,
    overload,
    parse_feeders,
    switchings,
)
from simulators.grid.lighting.ladder import Ladder

START = datetime(2016, 4, 20, 10, tzinfo=UTC)
HERE = (51.3, 9.5)
H_MS, DAY_MS = 3_600_000, 86_400_000
TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
HPS, LED, HALIDE = "high-pressure-sodium", "led", "metal-halide"
STEADY = {"tolerance": 0.0, "flicker": 0.0, "unsteady": 0.0, "drift": 0.0, "common_drift": 0.0,
          "trend": 0.0}  # fmt: skip
ALWAYS = {"mode": "timetable", "on": "00:00", "off": "00:00"}


def feeder(*segments, name="lighting/lv1/a", **more):
    return {"id": name, "terminal": "terminal/lv1/light", "age_h": [0.0, 0.0],
            "switching": ALWAYS, "segments": list(segments), **more}  # fmt: skip


def segment(lamp=HPS, count=5, **more):
    return {"lamp": lamp, "count": count, **STEADY, **more}


def build(*feeders, days=2, seed=1):
    return Lighting(parse_feeders(feeders), START, days * DAY_MS, HERE, seed)


def head(lighting, volts=230.0):
    return np.tile(volts * TURN, (len(lighting.feeders), 1))


def run(lighting, until_ms, volts=230.0, looks=()):
    """Advance and feed at every due instant (and ``looks``); return the events."""
    events, pending = [], sorted(looks)
    events += lighting.feed(lighting._t_ms, head(lighting, volts), "grid#1")[1]
    while True:
        due = min([t for t in (lighting.due_ms, *pending[:1]) if t is not None], default=until_ms)
        due = min(due, until_ms)
        pending = [t for t in pending if t > due]
        events += lighting.advance(due)
        events += lighting.feed(due, head(lighting, volts), "grid#1")[1]
        if due == until_ms:
            return events


# -- cables -------------------------------------------------------------------------------------


def test_constant_power_along_a_cable_is_pandapowers() -> None:
    n, z = 12, complex(1.2, 0.09) * 0.04
    watts = np.linspace(40.0, 150.0, n)
    ladder = Ladder(np.full((1, n), z), np.full((1, n), z), np.zeros((1, n), dtype=np.int64))
    lamps = (watts + 20j)[None, :]
    flow = ladder.solve(230.0 * TURN[None, :], lambda size_v: lamps + 0 * size_v)
    net = pp.create_empty_network()
    buses = [pp.create_bus(net, 0.23 * math.sqrt(3)) for _ in range(n + 1)]
    pp.create_ext_grid(net, buses[0])
    for k in range(n):  # phase and neutral in a row: a balanced grid of twice the impedance
        pp.create_line_from_parameters(net, buses[k], buses[k + 1], 1.0, 2 * z.real, 2 * z.imag,
                                       0.0, 1.0)  # fmt: skip
        pp.create_load(net, buses[k + 1], 3e-6 * watts[k], 3e-6 * 20.0)
    pp.runpp(net, tolerance_mva=1e-12)
    np.testing.assert_allclose(np.abs(flow.v_v[0]) / 230.0, net.res_bus.vm_pu[1:], atol=1e-9)
    assert flow.s_va[0, 0].real * 3e-6 == pytest.approx(float(net.res_ext_grid.p_mw.iloc[0]))


def test_uneven_phases_and_the_neutral_are_those_of_a_nodal_solution() -> None:
    rng = np.random.default_rng(4)
    n, phase = 9, np.array([0, 1, 2, 0, 0, 1, 0, 2, 0])
    z, zn = complex(1.15, 0.09) * 0.05, complex(1.9, 0.1) * 0.05
    y_lamp = 1.0 / (rng.uniform(150.0, 500.0, n) * np.exp(1j * rng.uniform(-0.3, 0.5, n)))
    ladder = Ladder(np.full((1, n), z), np.full((1, n), zn), phase[None, :])
    flow = ladder.solve(230.0 * TURN[None, :], lambda size_v: (size_v**2) * np.conj(y_lamp)[None])
    # four conductors, node by node; the head's three phases are held, its neutral is the ground
    size = 4 * (n + 1)
    matrix = np.zeros((size, size), dtype=complex)

    def link(a, b, y):
        matrix[a, a] += y
        matrix[b, b] += y
        matrix[a, b] -= y
        matrix[b, a] -= y

    for k in range(n):
        for c in range(4):
            link(4 * k + c, 4 * (k + 1) + c, 1.0 / (z if c < 3 else zn))
        link(4 * (k + 1) + phase[k], 4 * (k + 1) + 3, y_lamp[k])
    known = np.concatenate((230.0 * TURN, [0.0]))
    free = np.linalg.solve(matrix[4:, 4:], -matrix[4:, :4] @ known).reshape(n, 4)
    expected = free[np.arange(n), phase] - free[:, 3]
    np.testing.assert_allclose(flow.v_v[0], expected, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.floats(0, 400), st.floats(-150, 200)),
        min_size=1,
        max_size=30,
    ),
    st.floats(0, 2.4),
    st.floats(0.001, 0.06),
    st.floats(210, 250),
)
def test_what_goes_in_is_what_lamps_draw_and_cables_lose(lamps, exponent, z_ohm, volts) -> None:
    n = len(lamps)
    phase = np.array([[p for p, _, _ in lamps]])
    s_va = np.array([[p_w + 1j * q_var for _, p_w, q_var in lamps]])
    z, zn = np.full((1, n), z_ohm * (1 + 0.1j)), np.full((1, n), z_ohm * (1.4 + 0.1j))
    ladder = Ladder(z, zn, phase)
    flow = ladder.solve(volts * TURN[None, :], lambda size_v: s_va * (size_v / 230.0) ** exponent)
    drawn = s_va * (np.abs(flow.v_v) / 230.0) ** exponent
    phases = (np.abs(flow.section_a) ** 2 * z[:, :, None]).sum()
    neutral = (np.abs(flow.section_a.sum(axis=2)) ** 2 * zn).sum()
    assert flow.s_va.sum() == pytest.approx(drawn.sum() + phases + neutral, abs=1e-3)


def test_feeders_side_by_side_are_solved_as_each_alone() -> None:
    items = [
        feeder(segment(HPS, 7), segment(LED, 3), name="lighting/lv1/a"),
        feeder(segment(HALIDE, 19), name="lighting/lv1/b", phases=[2], span_m=20.0),
        feeder(segment(LED, 1), name="lighting/lv1/c", phases=[3]),
    ]
    together = build(*items)
    run(together, H_MS)
    sums = together.power_w().sum(axis=1)
    for row, item in enumerate(items):
        alone = build(item)
        run(alone, H_MS)
        assert alone.power_w().sum() == pytest.approx(sums[row], rel=1e-9)


def test_a_cable_that_cannot_carry_its_lamps_is_an_error() -> None:
    ladder = Ladder(np.full((1, 2), 1 + 0j), np.full((1, 2), 1 + 0j), np.zeros((1, 2), dtype=int))
    with pytest.raises(ConvergenceError):
        ladder.solve(230.0 * TURN[None, :], lambda size_v: 50_000.0 + 0j * size_v)


def test_a_long_cable_full_of_lamps_obeys_every_law() -> None:
    """72 sodium lamps each 45 m: plain steps would swing for ever."""
    lighting = build(feeder(segment(count=72), span_m=45.0))
    assert run(lighting, H_MS)[0].kind == "lighting_on"
    flow, _ = lighting.feed(H_MS, head(lighting))
    assert lighting.lit()[0].all()
    phase, z = np.arange(72) % 3, 0.045 * complex(1.15, 0.09)
    u = np.abs(flow.v_v[0]) / 230.0
    assert 0.75 < u.min() < 0.9
    drawn = 170.0 * (u**2.4 + 1j * math.tan(math.acos(0.9)) * u**3)
    at = np.zeros((72, 3), dtype=complex)
    at[np.arange(72), phase] = np.conj(drawn / flow.v_v[0])
    section_a = np.cumsum(at[::-1], axis=0)[::-1]
    lost_v = np.cumsum(z * section_a + z * section_a.sum(axis=1)[:, None], axis=0)
    v_v = (230.0 * TURN - lost_v)[np.arange(72), phase]
    np.testing.assert_allclose(flow.v_v[0], v_v, atol=1e-4)
    np.testing.assert_allclose(flow.section_a[0], section_a, atol=1e-4)


def test_a_cable_that_cannot_carry_its_lamps_is_known_before() -> None:
    def of(count, lamp=HPS):
        (spec,) = parse_feeders([feeder({"lamp": lamp, "count": count}, span_m=45.0)])
        return overload(spec)

    assert of(104) == ""
    assert of(108).startswith("luminaire 107 has 7")
    assert of(1000) == "its cable cannot carry its lamps"
    # what is refused would go out, and strike, for ever; what is not burns on
    for count, stays in ((104, True), (108, False)):
        lighting = build(feeder(segment(count=count), span_m=45.0))
        events = run(lighting, H_MS)
        assert ("lamp_out" not in {e.kind for e in events}) == stays


# -- lamps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lamp", "exponent"), [(HPS, 2.4), (HALIDE, 1.8), (LED, 0.0)])
def test_power_follows_the_voltage_as_the_type_says(lamp, exponent) -> None:
    lighting = build(feeder(segment(lamp, 3), span_m=1e-3))
    run(lighting, H_MS)
    at = {}
    for volts in (230.0, 218.5, 241.5):
        lighting.feed(H_MS, head(lighting, volts))
        at[volts] = lighting.power_w()[0]
    np.testing.assert_allclose(at[230.0], LAMPS[lamp].p_w, rtol=1e-5)
    np.testing.assert_allclose(at[218.5] / at[230.0], 0.95**exponent, rtol=1e-4)
    np.testing.assert_allclose(at[241.5] / at[230.0], 1.05**exponent, rtol=1e-4)


def test_a_sodium_lamp_warms_up_and_an_led_does_not() -> None:
    lighting = build(feeder(segment(HPS, 1), segment(LED, 1), span_m=1e-3))
    course = {}
    for t_ms in (0, 110_000, 600_000):
        run(lighting, t_ms)
        course[t_ms] = lighting.power_w()[0]
    p_w = LAMPS[HPS].p_w
    assert course[0][0] == pytest.approx(0.3 * p_w, rel=1e-4)
    assert course[110_000][0] == pytest.approx(p_w * (1 - 0.7 / math.e), rel=1e-4)
    assert course[600_000][0] == pytest.approx(p_w, rel=5e-3)
    assert course[110_000][1] == pytest.approx(60.0, rel=1e-4)
    assert course[0][1] == pytest.approx(60.0, rel=1e-4)


def test_a_dip_puts_discharge_lamps_out_until_they_have_cooled() -> None:
    lighting = build(feeder(segment(HPS, 2), segment(HALIDE, 1), segment(LED, 1), span_m=1e-3))
    run(lighting, H_MS)
    _, out = lighting.feed(H_MS, head(lighting, 0.70 * 230.0), "dip#1")
    assert [(e.kind, e.cause) for e in out] == [("lamp_out", "dip#1")] * 3
    assert lighting.lit()[0].tolist() == [False, False, False, True]
    back = run(lighting, H_MS + 600_000)
    struck = [(e.t_us // 1_000_000 - 3_600, e.element[-3:]) for e in back]
    assert {e.kind for e in back} == {"lamp_struck"}
    assert struck == [(60, "000"), (60, "001"), (480, "002")]
    assert [e.cause for e in back] == [e.id for e in out]
    # without any voltage nothing burns, and everything is back when it is
    lighting.feed(H_MS + 600_000, head(lighting, 0.0))
    assert not lighting.lit().any()
    run(lighting, 2 * H_MS)
    assert lighting.lit().all()


def test_just_above_extinction_lamps_flicker() -> None:
    def spread(volts):
        lighting = build(feeder(segment(HPS, 40, flicker=0.005, unsteady=0.08), span_m=1e-3))
        run(lighting, H_MS)
        run(lighting, 2 * H_MS, volts)
        watts = []
        for minute in range(60):
            run(lighting, 2 * H_MS + minute * 60_000, volts)
            watts.append(lighting.power_w()[0])
        return float(np.std(np.array(watts) / np.mean(watts), axis=0).mean())

    assert spread(230.0) == pytest.approx(0.005, rel=0.15)
    assert spread(0.76 * 230.0) > 0.04


def test_an_old_sodium_lamp_cycles() -> None:
    lighting = build(feeder(segment(HPS, 1), span_m=1e-3))
    lighting._life_h[0, 0], lighting._burnt_h[0, 0] = 1_000.0, 990.0
    events = run(lighting, 3 * H_MS, 0.96 * 230.0)
    kinds = [e.kind for e in events if e.kind.startswith("lamp_")]
    assert kinds.count("lamp_out") > 10
    assert kinds[:4] == ["lamp_out", "lamp_struck"] * 2


def test_lives_are_weibull_with_the_rated_life_as_median() -> None:
    kind = LAMPS[HPS]
    uniform = 1.0 - np.random.default_rng(1).random(4_000)
    lives = [life_h(kind, 0.0, u) for u in uniform]
    scale = kind.life_h / math.log(2) ** (1 / kind.life_shape)
    assert stats.kstest(lives, stats.weibull_min(kind.life_shape, scale=scale).cdf).pvalue > 0.01
    assert np.median(lives) == pytest.approx(kind.life_h, rel=0.02)
    # whoever has come to 20,000 h has the rest of those who do
    old = np.array([life_h(kind, 20_000.0, u) for u in uniform])
    assert old.min() >= 20_000.0
    fresh = np.array(lives)
    rest = fresh[fresh > 20_000.0]
    assert stats.ks_2samp(old, rest).pvalue > 0.01


def test_lamps_fail_as_often_as_their_hazard_says() -> None:
    items = [
        feeder(segment(LED, 100, life_h=2_000.0, life_shape=1.0), name=f"lighting/lv1/{k}")
        for k in range(6)
    ]
    lighting = build(*items, seed=5)
    events = []
    for t_ms in range(0, 2 * DAY_MS + 1, 600_000):  # failures are exact between
        events += lighting.advance(t_ms)
        events += lighting.feed(t_ms, head(lighting))[1]
    failed = [e for e in events if e.kind == "lamp_failed"]
    assert len(failed) == len(lighting.burnt())
    expected = 600 * (1 - 2.0 ** (-48 / 2_000))
    assert len(failed) == pytest.approx(expected, abs=3 * math.sqrt(expected))
    assert all(e.cause in {x.id for x in events if x.kind == "lighting_on"} for e in failed)
    on = {e.element: e.id for e in events if e.kind == "lighting_on"}
    assert all(on[e.element.rpartition("/")[0]] == e.cause for e in failed)


def test_a_burnt_lamp_draws_nothing_until_it_is_replaced() -> None:
    lighting = build(feeder(segment(LED, 4)))
    run(lighting, 60_000)
    lamp = "lighting/lv1/a/lamp-002"
    (event,) = lighting.burn_out(60_000, lamp, "fault#1")
    assert (event.kind, event.cause) == ("lamp_failed", "fault#1")
    run(lighting, 120_000)
    assert lighting.burnt() == [lamp]
    assert lighting.power_w()[0].astype(bool).tolist() == [True, True, False, True]
    lighting.replace(120_000, lamp, "crew#1")
    run(lighting, 180_000)
    assert lighting.burnt() == []
    assert lighting.power_w()[0].all()
    with pytest.raises(SimulationError, match="no lamp"):
        lighting.burn_out(180_000, "lighting/lv1/a/lamp-009", "")


# -- sensors ------------------------------------------------------------------------------------


def impedances(lighting):
    """Return what the impedance method makes of the sensors: each segment's, phase 1."""
    seen = lighting.sensors()
    z = seen.v_v[0, :, 0] / seen.i_a[0, :, 0]
    apart = [z[k] * z[k + 1] / (z[k + 1] - z[k]) for k in range(len(z) - 1)]
    return np.array([*apart, z[-1]])


def test_four_segments_show_their_own_impedance_and_which_one_lost_a_lamp() -> None:
    counts = (8, 5, 12, 3)
    lighting = build(feeder(*(segment(HPS, n) for n in counts), phases=[1], span_m=1e-3))
    run(lighting, H_MS)
    before = impedances(lighting)
    lamp = 230.0**2 / complex(LAMPS[HPS].p_w, -LAMPS[HPS].q_var)
    np.testing.assert_allclose(before, lamp / np.array(counts), rtol=1e-3)
    lighting.burn_out(H_MS, "lighting/lv1/a/lamp-014", "fault#1")  # the second of the third one
    run(lighting, H_MS + 60_000)
    np.testing.assert_allclose(impedances(lighting) / before, [1, 1, 12 / 11, 1], rtol=1e-3)


def test_sensors_add_up_to_the_head_and_a_cut_cable_ends_the_current() -> None:
    lighting = build(feeder(*(segment(LED, 6) for _ in range(4))), feeder(
        segment(HPS, 9), name="lighting/lv1/b"))  # fmt: skip
    run(lighting, H_MS)
    flow, _ = lighting.feed(H_MS, head(lighting))
    seen = lighting.sensors()
    assert seen.v_v.shape == (2, 4, 3)
    np.testing.assert_allclose(seen.v_v[:, 0] * np.conj(seen.i_a[:, 0]), flow.s_va)
    lamps_w, lost_w = lighting.power_w().sum(axis=1), flow.s_va.sum(axis=1).real
    assert (lost_w > lamps_w).all()
    assert (lost_w < 1.03 * lamps_w).all()
    lighting.cut("lighting/lv1/a", 12)
    run(lighting, H_MS + 60_000)
    seen = lighting.sensors()
    assert (np.abs(seen.i_a[0, 2:]) == 0).all()
    assert (np.abs(seen.i_a[0, :2]) > 0).all()
    assert lighting.lit()[0].tolist() == [True] * 12 + [False] * 12
    assert lighting.burnt() == []


# -- switching ----------------------------------------------------------------------------------


def test_dusk_and_dawn_are_pvlibs_sunset_and_sunrise() -> None:
    spec = Switching(elevation_deg=-0.8333)
    burns, later = switchings(spec, START, 3 * DAY_MS, *HERE)
    assert not burns
    days = pd.DatetimeIndex([pd.Timestamp("2016-04-20", tz="UTC") + pd.Timedelta(days=k)
                             for k in range(4)])  # fmt: skip
    table = pvlib.location.Location(*HERE).get_sun_rise_set_transit(days, method="spa")
    expected = sorted(
        [((t - pd.Timestamp(START)).total_seconds(), True) for t in table["sunset"]]
        + [((t - pd.Timestamp(START)).total_seconds(), False) for t in table["sunrise"]]
    )
    expected = [(t, on) for t, on in expected if 0 < t < 3 * 86_400]
    assert [on for _, on in later] == [on for _, on in expected]
    for (t_ms, _), (t_s, _) in zip(later, expected, strict=True):
        assert t_ms / 1000 == pytest.approx(t_s, abs=5.0)


def test_a_timetable_knows_midnight_and_polar_nights_never_end() -> None:
    burns, later = switchings(Switching("timetable", "18:30", "05:15"), START, DAY_MS, *HERE)
    assert (burns, later) == (False, [(int(8.5 * H_MS), True), (int(19.25 * H_MS), False)])
    night = START.replace(hour=23, minute=30)
    burns, later = switchings(Switching("timetable", "18:30", "05:15"), night, H_MS, *HERE)
    assert (burns, later) == (True, [])
    winter = datetime(2016, 12, 20, tzinfo=UTC)
    assert switchings(Switching(), winter, DAY_MS, 80.0, 15.0) == (True, [])


def test_a_feeder_follows_its_plan_unless_its_contactor_is_stuck() -> None:
    table = {"mode": "timetable", "on": "18:00", "off": "06:00"}
    plain = feeder(segment(LED), switching=table)
    stuck = feeder(segment(LED), switching=table, name="lighting/lv1/b")
    lighting = build(plain, stuck)
    lighting.stick("lighting/lv1/b")
    events = run(lighting, 9 * H_MS)
    assert [(e.kind, e.element[-1], e.t_us) for e in events] == [
        ("lighting_on", "a", 8 * H_MS * 1000), ("lighting_stuck", "b", 8 * H_MS * 1000),
    ]  # fmt: skip
    assert lighting.lit().any(axis=1).tolist() == [True, False]
    (event,) = lighting.release(9 * H_MS, "lighting/lv1/b", "crew#1")
    assert (event.kind, event.cause) == ("lighting_on", "crew#1")
    assert lighting.command(9 * H_MS, "lighting/lv1/b", True, "order#1") == []
    run(lighting, 20 * H_MS)
    assert not lighting.lit().any()


# -- chance -------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 6 * H_MS - 1), max_size=25))
def test_looking_more_often_changes_nothing(looks) -> None:
    def outcome(looks):
        lamps = {"lamp": HPS, "count": 6, "life_h": 9_000.0}
        burning = feeder(lamps, {"lamp": LED, "count": 4}, age_h=[8_000.0, 9_000.0])
        lighting = build(burning, seed=9)
        events = run(lighting, 6 * H_MS, 225.0, looks)
        return [(e.t_us, e.kind, e.element) for e in events], lighting.power_w()[0]

    (events, power_w), (seen, seen_w) = outcome(()), outcome(looks)
    assert seen == events
    np.testing.assert_allclose(seen_w, power_w, rtol=1e-9)


def test_the_same_seed_gives_the_same_bytes_and_another_feeder_changes_nothing() -> None:
    def watts(*feeders):
        lighting = build(*feeders, seed=3)
        run(lighting, H_MS)
        return lighting.power_w()[0][:6].tobytes()

    lamps = {"lamp": HPS, "count": 6}
    alone = watts(feeder(lamps))
    assert watts(feeder(lamps)) == alone
    assert watts(feeder(lamps), feeder({"lamp": LED, "count": 6}, name="lighting/lv1/z")) == alone


def test_drift_is_a_random_walk_of_the_stated_size() -> None:
    many = feeder(segment(LED, 400, drift=0.05, life_h=1e7), span_m=1e-3)
    lighting = build(many, days=1)
    run(lighting, 10 * H_MS)
    sd = float(np.std(lighting.power_w()[0] / 60.0))
    assert sd == pytest.approx(0.05 * math.sqrt(10 / 1000), rel=0.12)


def test_bad_feeders_are_all_named() -> None:
    items = [
        feeder(segment("candle")), feeder(), feeder(segment(count=0), name="lighting/lv1/b"),
        feeder(segment(p_w=-1.0), name="lighting/lv1/c"),
        feeder(segment(), phases=[4], colour=1, name="lighting/lv1/d"),
        feeder(segment(), switching={"mode": "moon", "on": "25:00"}, name="lighting/lv1/e"),
    ]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        parse_feeders(items)
    assert [f.path for f in caught.value.faults] == [
        "lighting[0].segments[0].lamp", "lighting[1].segments", "lighting[2].segments[0].count",
        "lighting[3].segments[0].p_w", "lighting[4].colour", "lighting[4].phases",
        "lighting[5].switching.mode", "lighting[5].switching.on", "lighting",
    ]  # fmt: skip


def test_it_refuses_what_is_no_voltage_and_time_that_runs_backwards() -> None:
    lighting = build(feeder(segment(LED)))
    with pytest.raises(SimulationError, match="a voltage for each"):
        lighting.feed(0, np.full((1, 3), np.nan + 0j))
    run(lighting, 1_000)
    with pytest.raises(SimulationError, match="already"):
        lighting.advance(500)
