"""Our chain from sun to socket against pvlib's ``ModelChain``, and its published example."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pvlib
import pytest
from pvlib.location import Location
from pvlib.modelchain import ModelChain
from pvlib.pvsystem import Array, FixedMount, PVSystem

from simulators.devices import PvSystem, make_weather, pv_power
from simulators.devices.pv import ac_power, cell_temperature, plane_of_array

ETA = 0.96
# pvlib's user guide on ModelChain: a module of 240 W in Tucson at noon on 1 April 2017
PLACE = (32.2, -110.9)
EXAMPLE = {"ghi": 1050.0, "dni": 1000.0, "dhi": 100.0, "temperature_c": 30.0, "wind_m_s": 5.0}
# places of pvlib's introductory tutorial
PLACES = {"Tucson": (32.2, -111.0), "Albuquerque": (35.1, -106.6),
          "San Francisco": (37.8, -122.4), "Berlin": (52.5, 13.4)}  # fmt: skip


def chain(place, system, losses):
    """Return pvlib's model chain of the same system and models."""
    array = Array(
        FixedMount(system.tilt_deg, system.azimuth_deg),
        albedo=0.2,
        module_parameters={"pdc0": system.p_rated_w * system.dc_ratio,
                           "gamma_pdc": system.gamma_per_c},
        temperature_model_parameters={"u0": 25.0, "u1": 6.84},
    )  # fmt: skip
    none = dict.fromkeys(
        ("shading", "snow", "mismatch", "wiring", "connections", "lid", "nameplate_rating", "age",
         "availability"), 0.0,
    )  # fmt: skip
    return ModelChain(
        PVSystem(
            [array], inverter_parameters={"pdc0": system.p_rated_w / ETA, "eta_inv_nom": ETA},
            losses_parameters=none | {"soiling": 100 * losses},
        ),
        Location(*place),
        dc_model="pvwatts", ac_model="pvwatts", aoi_model="no_loss", spectral_model="no_loss",
        temperature_model="faiman", losses_model="pvwatts",
    )  # fmt: skip


def run(place, system, truth, losses=0.0):
    """Return the results of pvlib's chain with our weather, at our times."""
    made = chain(place, system, losses)
    wind = 1.5 if truth.wind_m_s is None else np.repeat(truth.wind_m_s, 3)
    made.run_model(
        pd.DataFrame(
            {"ghi": truth.ghi, "dni": truth.dni, "dhi": truth.dhi,
             "temp_air": np.repeat(truth.temperature_c, 3), "wind_speed": wind},
            index=truth.times,
        )
    )  # fmt: skip
    return made.results


def noon(temperature_c=EXAMPLE["temperature_c"]):
    start = datetime(2017, 4, 1, 12, tzinfo=ZoneInfo("US/Arizona"))
    truth = make_weather(start=start, slots=4, seed=1, latitude_deg=PLACE[0],
                         longitude_deg=PLACE[1])  # fmt: skip
    sky = {name: np.full(12, EXAMPLE[name]) for name in ("ghi", "dni", "dhi")}
    air = {"temperature_c": np.full(4, temperature_c), "wind_m_s": np.full(4, EXAMPLE["wind_m_s"])}
    return replace(truth, **sky, **air)


# pvlib's chain bends the sun's rays by the air's temperature, ours by 12 °C, pvlib's default
@pytest.mark.parametrize(
    ("temperature_c", "angle_deg", "share"), [(30.0, 1e-3, 1e-5), (12.0, 1e-9, 1e-9)]
)
def test_the_example_of_pvlibs_user_guide(temperature_c, angle_deg, share) -> None:
    truth = noon(temperature_c)
    system = PvSystem(240.0 * ETA, 20.0, 200.0, dc_ratio=1 / ETA, losses=0.0, curve="pvwatts")
    want = run(PLACE, system, truth)
    poa = plane_of_array(truth, 20.0, 200.0)
    cell_c = cell_temperature(truth, poa)
    sun = want.solar_position
    assert truth.solar_zenith_deg == pytest.approx(sun["apparent_zenith"].to_numpy(), abs=angle_deg)
    assert truth.solar_azimuth_deg == pytest.approx(sun["azimuth"].to_numpy(), abs=angle_deg)
    assert poa == pytest.approx(want.total_irrad["poa_global"].to_numpy(), rel=share)
    assert cell_c == pytest.approx(want.cell_temperature.to_numpy(), rel=share)
    assert ac_power(system, poa, cell_c) == pytest.approx(want.ac.to_numpy(), rel=share)
    assert 190.0 < want.ac.iloc[0] < 230.5  # near the rating, in full sun


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("dc_ratio", [1.0, 1.8])
def test_two_days_of_clouds_at_the_tutorials_places(name, dc_ratio) -> None:
    place = PLACES[name]
    truth = make_weather(
        start=datetime(2016, 6, 20, 0, tzinfo=ZoneInfo("UTC")), slots=192, seed=3, cloudiness=0.4,
        latitude_deg=place[0], longitude_deg=place[1],
    )  # fmt: skip
    system = PvSystem(5_000.0, place[0], 180.0, dc_ratio=dc_ratio, curve="pvwatts")
    want = run(place, system, truth, losses=0.14)
    clear = Location(*place).get_clearsky(truth.times)
    assert truth.clear_ghi == pytest.approx(clear["ghi"].to_numpy(), rel=1e-6, abs=1e-3)
    means = want.ac.fillna(0.0).to_numpy().reshape(-1, 3).mean(axis=1)
    ours = -pv_power(truth, [system])[0]
    assert ours == pytest.approx(means, rel=1e-4, abs=0.1)
    assert (ours.max() == pytest.approx(5_000.0)) == (dc_ratio > 1.7)  # it clips


def test_part_load_costs_what_pvwatts_says() -> None:
    dc_w = np.array([0.0, 10.0, 500.0, 2_500.0, 5_000.0, 6_000.0])
    limit_w = 5_000.0 / ETA
    poa, cell_c = dc_w / 5_000.0 * 1_000.0, np.full(6, 25.0)
    plain = PvSystem(5_000.0, 30.0, 180.0, dc_ratio=1.0, losses=0.0)
    curved = ac_power(replace(plain, curve="pvwatts"), poa, cell_c)
    share = dc_w[1:] / limit_w
    eta = ETA / 0.9637 * (-0.0162 * share - 0.0059 / share + 0.9858)
    assert curved[1:] == pytest.approx(np.clip(eta * dc_w[1:], 0.0, 5_000.0), rel=1e-12)
    assert curved[0] == 0.0
    flat = ac_power(plain, poa, cell_c)
    assert flat == pytest.approx(np.minimum(dc_w * ETA, 5_000.0))
    assert np.abs(flat - curved).max() < 0.02 * 5_000.0


def test_another_sky_would_be_seen() -> None:
    truth = noon()
    system = PvSystem(240.0 * ETA, 20.0, 200.0, dc_ratio=1 / ETA, losses=0.0, curve="pvwatts")
    want = run(PLACE, system, truth)
    extra = pvlib.irradiance.get_extra_radiation(truth.times).to_numpy()
    other = plane_of_array(truth, 20.0, 200.0, extra * 1.05)
    assert other != pytest.approx(want.total_irrad["poa_global"].to_numpy(), rel=1e-6)
