"""Weather and PV against pvlib used directly, and against what the documentation promises."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pvlib
import pytest
from scipy.stats import spearmanr

from fernwatt.errors import ScenarioError
from simulators.devices import PvSystem, make_weather, pv_power
from simulators.devices.weather import ForecastQuality

START = datetime(2016, 6, 1, 22, 0, tzinfo=UTC)


def weather(**given):
    return make_weather(**{"start": START, "slots": 192, "seed": 1, **given})


def test_a_clear_day_is_pvlibs_clear_sky() -> None:
    clear = weather(cloudiness=0.0)
    place = pvlib.location.Location(clear.latitude_deg, clear.longitude_deg)
    assert clear.clearness.tolist() == [1.0] * 192
    assert clear.ghi == pytest.approx(place.get_clearsky(clear.times)["ghi"].to_numpy())
    assert clear.times[0] == pd.Timestamp("2016-06-01T22:02:30Z")


def test_pv_power_is_that_of_a_model_chain_step_by_step() -> None:
    truth = weather(cloudiness=0.5, temperature_c=18.0)
    system = PvSystem(5_000.0, 35.0, 195.0, dc_ratio=1.3)
    power_w = pv_power(truth, [PvSystem(3_000.0, 20.0, 90.0), system])[1]
    want = []
    for k, t in enumerate(truth.times):
        sun = pvlib.solarposition.get_solarposition(
            t, truth.latitude_deg, truth.longitude_deg, pvlib.location.lookup_altitude(
                truth.latitude_deg, truth.longitude_deg)
        )  # fmt: skip
        poa = pvlib.irradiance.get_total_irradiance(
            35.0, 195.0, sun["apparent_zenith"].iloc[0], sun["azimuth"].iloc[0],
            truth.dni[k], truth.ghi[k], truth.dhi[k],
            dni_extra=pvlib.irradiance.get_extra_radiation(t), albedo=0.2, model="haydavies",
        )["poa_global"]  # fmt: skip
        poa = max(float(np.nan_to_num(poa)), 0.0)
        cell = pvlib.temperature.faiman(poa, truth.temperature_c[k // 3], 1.5)
        dc = pvlib.pvsystem.pvwatts_dc(poa, cell, 6_500.0, -0.004) * (1 - 0.14)
        want.append(-min(dc * 0.96, 5_000.0))
    means = np.array(want).reshape(-1, 3).mean(axis=1)
    assert power_w == pytest.approx(means, rel=1e-6, abs=1e-3)
    assert means.min() < -3_000.0


def test_generation_is_negative_within_the_rating_and_none_at_night() -> None:
    truth = weather(cloudiness=0.0)
    power_w = pv_power(truth, [PvSystem(2_000.0, 35.0, 180.0, dc_ratio=1.5)])[0]
    assert power_w.max() == 0.0
    assert power_w.min() == -2_000.0
    night = truth.solar_zenith_deg.reshape(-1, 3).min(axis=1) > 95
    assert night.any()
    assert not power_w[night].any()


def test_cloud_cover_has_the_mean_that_was_asked_for() -> None:
    for cloudiness in (0.2, 0.5, 0.8):
        covers = []
        for seed in range(200):
            clearness = weather(cloudiness=cloudiness, seed=seed, slots=96).clearness
            covers.append((((1 - clearness) / 0.75) ** (1 / 3.4)).mean())
        assert np.mean(covers) == pytest.approx(cloudiness, abs=0.05)


def test_a_longer_run_and_a_longer_history_leave_the_weather_as_it_was() -> None:
    short = weather(slots=96)
    long = weather(slots=300, history_slots=96)
    longer = weather(slots=96, history_slots=400)
    assert np.array_equal(long.clearness[96:192], short.clearness)
    assert np.array_equal(longer.temperature_c[400:], short.temperature_c)
    assert np.array_equal(longer.clearness[304:400], long.clearness[:96])
    assert not np.array_equal(weather(seed=2).clearness, weather().clearness)


def test_a_forecast_is_worse_the_further_it_looks() -> None:
    near, far, degrees = [], [], []
    for seed in range(150):
        truth = weather(seed=seed, slots=96)
        said = truth.forecast(0, seed)
        error = (said.clearness - truth.clearness) ** 2
        near.append(error[:4].mean())
        far.append(error[-16:].mean())
        degrees.append(np.abs(said.temperature_c - truth.temperature_c))
    assert np.mean(far) > 3 * np.mean(near) > 0
    spread = np.mean(degrees, axis=0)
    assert spread[-8:].mean() > 2 * spread[:4].mean()


def test_a_forecasts_error_grows_as_it_says() -> None:
    degrees, latents = [], []
    for seed in range(400):
        truth = weather(seed=seed, slots=192)
        degrees.append(truth.forecast(0, seed).temperature_c - truth.temperature_c)
        latents.append((truth.forecast(0, seed).clearness, truth.clearness))
    rms = np.sqrt(np.mean(np.square(degrees), axis=0))
    ahead_h = np.arange(192) / 4
    stated = np.minimum(0.5 + 0.06 * ahead_h, 2.5)
    assert rms == pytest.approx(stated, rel=0.15)
    assert rms.reshape(-1, 24).mean(axis=1) == pytest.approx(
        stated.reshape(-1, 24).mean(axis=1), rel=0.1
    )
    said, was = (np.array([pair[k] for pair in latents]) for k in (0, 1))
    skill = [np.corrcoef(said[:, k], was[:, k])[0, 1] for k in range(0, 192, 12)]
    assert skill[0] > 0.9
    assert np.mean(skill[-4:]) < 0.75
    assert np.mean(skill[:4]) > np.mean(skill[4:8]) > np.mean(skill[-8:])
    # the clouds' Gaussian processes: of these, Pearson follows from Spearman
    ranks = np.array([spearmanr(said[:, k], was[:, k])[0] for k in range(0, 192, 12)])
    correlation = 2 * np.sin(np.pi / 6 * ranks)
    wanted = 0.55 + 0.43 * np.exp(-ahead_h[::12] / 18.0)
    assert correlation == pytest.approx(wanted, abs=0.12)
    assert correlation.mean() == pytest.approx(wanted.mean(), abs=0.03)


def test_a_perfect_forecast_is_the_truth_and_a_bad_one_is_as_bad_as_stated() -> None:
    truth = weather()
    perfect = ForecastQuality((1.0, 1.0), error_c=(0.0, 0.0), error_c_per_h=0.0)
    said = truth.forecast(40, 7, quality=perfect)
    assert said.clearness == pytest.approx(truth.clearness[40:], abs=1e-12)
    assert np.array_equal(said.temperature_c, truth.temperature_c[40:])
    assert said.ghi_w_m2 == pytest.approx(truth.ghi_slots[40:], abs=1e-9)
    bad = ForecastQuality((0.5, 0.1), 6.0, (2.0, 4.0), 0.5)
    errors = [weather(slots=1).forecast(0, seed, quality=bad).temperature_c for seed in range(400)]
    assert np.std(errors) == pytest.approx(2.0, rel=0.12)
    assert bad.spread_c(np.array([0.0, 2.0, 9.0])).tolist() == [2.0, 3.0, 4.0]
    assert bad.correlation(np.array([0.0, 6.0])) == pytest.approx([0.5, 0.1 + 0.4 / np.e])


def test_a_provider_sends_a_forecast_as_plain_values() -> None:
    truth = weather()
    said = truth.forecast(40, 7)
    made = said.product(98, 4)
    assert (made["issued_ms"], made["start_ms"], made["step_ms"]) == (36e6, 36e6, 3_600_000)
    assert len(made["ghi_w_per_m2"]) == len(made["temperature_c"]) == 24
    assert json.loads(json.dumps(made)) == made
    hours = said.ghi_w_m2[:96].reshape(-1, 4).mean(axis=1)
    assert made["ghi_w_per_m2"] == pytest.approx(hours, abs=0.5)
    degrees = said.temperature_c[:96].reshape(-1, 4).mean(axis=1)
    assert made["temperature_c"] == pytest.approx(degrees, abs=1 / 32)
    clear = truth.ghi_slots[40:] / truth.clearness[40:]
    assert said.ghi_w_m2 == pytest.approx(clear * said.clearness)
    assert np.array_equal(truth.forecast(40, 7, 60).ghi_w_m2, said.ghi_w_m2[:60])


def test_forecasts_repeat_and_later_ones_are_others() -> None:
    truth = weather()
    first, again = truth.forecast(40, 7), truth.forecast(40, 7)
    assert np.array_equal(first.clearness, again.clearness)
    assert len(first.clearness) == 192 - 40
    later = truth.forecast(44, 7)
    assert not np.array_equal(first.clearness[4:], later.clearness)


def test_impossible_places_and_clouds_are_faults() -> None:
    with pytest.raises(ScenarioError, match="2 faults") as caught:
        weather(latitude_deg=99.0, cloudiness=1.5)
    assert [f.path for f in caught.value.faults] == ["weather.latitude_deg", "weather.cloudiness"]
    with pytest.raises(ScenarioError, match="time zone"):
        make_weather(start=START.replace(tzinfo=None), slots=4, seed=1)
