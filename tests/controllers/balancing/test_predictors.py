"""Predictors against what really came."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest

from controllers.balancing.predictors import LoadPredictor, Panel, PvPredictor
from controllers.balancing.registers import Register
from fernwatt.timebase import Clock

MONDAY = Clock.from_iso("2016-01-18T00:00:00Z")
DAY = 1000 + 500 * np.sin(np.arange(96) / 96 * 2 * np.pi)


def test_without_history_the_prediction_is_the_cold_start_then_the_readings():
    predictor = LoadPredictor(MONDAY, cold_start_w=300)
    assert predictor.predict(0, 4) == pytest.approx([300.0] * 4)
    predictor.observe(0, 900.0)
    after = predictor.predict(1, 40)
    assert after[0] > 800
    assert (np.diff(after) <= 0).all() or after[-1] == pytest.approx(900, rel=0.01)


def test_a_periodic_load_is_predicted_exactly():
    predictor = LoadPredictor(MONDAY)
    predictor.load_history(-7 * 96, np.tile(DAY, 7))
    assert predictor.predict(10, 96) == pytest.approx(np.roll(DAY, -10))


def test_the_newest_reading_matters_and_dies_away():
    predictor = LoadPredictor(MONDAY)
    predictor.load_history(-7 * 96, np.tile(DAY, 7))
    predictor.observe(0, DAY[0] + 1000)
    extra = predictor.predict(1, 95) - DAY[1:]
    assert extra[0] == pytest.approx(600, abs=10)
    assert (np.diff(extra)[:30] < 0).all()
    assert extra[-1] == pytest.approx(0, abs=1)


def test_weekends_are_told_from_working_days_once_two_are_known():
    predictor = LoadPredictor(MONDAY)
    days = [DAY * (2 if day % 7 >= 5 else 1) for day in range(-14, 0)]
    predictor.load_history(-14 * 96, np.concatenate(days))
    assert predictor.predict(0, 96) == pytest.approx(DAY)
    assert predictor.predict(5 * 96, 96) == pytest.approx(2 * DAY)


def test_it_beats_yesterday_and_the_mean_of_a_week_on_a_correlated_load():
    rng = np.random.default_rng(4)
    noise, load = 0.0, []
    for day in np.tile(DAY, 40):
        noise = 0.8 * noise + rng.normal(0, 150)
        load.append(day + noise)
    load = np.array(load)
    predictor = LoadPredictor(MONDAY)
    errors = {"ours": [], "yesterday": [], "week": []}
    for slot in range(load.size - 8):
        predictor.observe(slot, load[slot])
        if slot > 14 * 96:
            ahead = np.arange(slot + 1, slot + 9)
            errors["ours"].append(predictor.predict(slot + 1, 8) - load[ahead])
            errors["yesterday"].append(load[ahead - 96] - load[ahead])
            errors["week"].append(
                np.mean([load[ahead - 96 * d] for d in range(1, 8)], axis=0) - load[ahead]
            )
    rms = {name: np.sqrt(np.mean(np.square(e))) for name, e in errors.items()}
    assert rms["ours"] < 0.9 * rms["week"] < rms["yesterday"]


def test_clear_sky_power_agrees_with_ineichen():
    panel = Panel(5000, 35, 180, 50.0, 10.0)
    start = Clock.from_iso("2016-06-20T10:00:00Z")
    ours = PvPredictor(panel, start).clear_sky(0, 96)
    times = pd.date_range("2016-06-20T10:07:30Z", periods=96, freq="15min")
    place = pvlib.location.Location(50.0, 10.0)
    sky = place.get_clearsky(times, linke_turbidity=3.0)
    sun = place.get_solarposition(times)
    plane = pvlib.irradiance.get_total_irradiance(
        35, 180, sun["apparent_zenith"], sun["azimuth"], sky["dni"], sky["ghi"], sky["dhi"]
    )["poa_global"]
    theirs = plane.fillna(0.0).to_numpy() * 5
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.06)
    assert np.abs(ours - theirs).max() < 0.1 * 5000


def test_pv_learns_the_clearness_and_never_consumes():
    panel = Panel(5000, 35, 120, 50.0, 10.0)
    predictor = PvPredictor(panel, Clock.from_iso("2016-04-20T06:00:00Z"))
    clear = predictor.clear_sky(0, 96)
    for slot in range(16):
        predictor.observe(slot, -0.2 * clear[slot])
    p_w = predictor.predict(16, 80)
    assert (p_w <= 0).all()
    sunny = clear[16:] > 500
    ratio = -p_w[sunny] / clear[16:][sunny]
    assert ratio[0] < 0.33
    assert ratio[-1] > ratio[0]  # what is far ahead is as usual


def test_registers_give_the_means_of_slots_over_clock_errors_and_gaps():
    register = Register()
    assert register.mean_w(0) is None
    for t_ms, wh in ((0, 0.0), (902_000, 100.0), (903_000, 101.0), (3_600_000, 700.0)):
        register.add(t_ms, wh)
    assert register.mean_w(0) == pytest.approx(400.0)
    assert register.mean_w(1) == pytest.approx(800.0)
    assert register.mean_w(2) == pytest.approx(800.0)
    assert register.mean_w(4) is None
    assert not register.add(3_600_500, 1.0)
    assert register.before(2_000_000) == 100.0
