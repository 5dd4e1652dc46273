"""A scenario with the user's weather: devices follow the file, and the run keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

BEGIN = datetime(2016, 4, 20, tzinfo=UTC)
SUN = [
    0,
    0,
    0,
    0,
    10,
    80,
    190,
    310,
    420,
    500,
    550,
    560,
    520,
    450,
    350,
    240,
    130,
    40,
    2,
    0,
    0,
    0,
    0,
    0,
]
SCENARIO = """fernwatt: 1
name: sunny
extends: street
grid: {source: {simbench: 1-LV-rural1--0-sw}}
time: {duration_h: 2}
units: {history_days: 1}
weather: {file: here.csv, latitude_deg: 51.3, longitude_deg: 9.5}
devices: {pv: {share: 1.0}, heat_pump: {share: 1.0}, wind: [{at: terminal/lv1.101/load-1}]}
services: {forecast: {every_h: 1, horizon_h: 6, skill: [1, 1], error_c: [0, 0], error_c_per_h: 0}}
"""  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A folder with the scenario, and a weather of which half a day is cloudy."""
    (tmp_path / "sunny.yaml").write_text(SCENARIO)
    write(tmp_path, 1.0)
    return tmp_path


def write(folder, share):
    rows = ["time,ghi_w_m2,temperature_c,wind_m_s"]
    rows += [
        f"{(BEGIN + timedelta(hours=k)).isoformat()},{share * SUN[k % 24]},{k / 2},{3 + k % 5}"
        for k in range(48)
    ]
    (folder / "here.csv").write_text("\n".join(rows) + "\n")


def fed_in_wh(plan, kind):
    devices = [d for d in plan.params["devices"]["devices"] if d["id"].startswith(kind)]
    return sum(float(-d["p_w"].sum()) / 4 for d in devices)


def test_devices_follow_the_file(folder):
    plan = assemble(load(folder / "sunny.yaml"))
    climate = plan.params["devices"]["climate"]
    slots = 10 + (np.arange(8) + 0.5) / 4  # hours of the day
    assert climate["temperature_c"] == pytest.approx((slots - 0.5) / 2, abs=1e-4)
    assert climate["ghi_w_m2"].reshape(2, 4).mean(axis=1) == pytest.approx([550, 560], abs=0.01)
    write(folder, 0.3)
    dull = assemble(load(folder / "sunny.yaml"))
    assert 0 < fed_in_wh(dull, "pv/lv1.101/load") < 0.4 * fed_in_wh(plan, "pv/lv1.101/load")
    assert fed_in_wh(dull, "wind") == fed_in_wh(plan, "wind") > 0
    assert dull.data_hash != plan.data_hash


def test_a_perfect_forecast_is_the_file(folder):
    plan = assemble(load(folder / "sunny.yaml"))
    (feed,) = plan.params["field"]["feeds"]
    for value in feed["values"]:
        first = 10 + value["start_ms"] // 3_600_000
        assert value["ghi_w_per_m2"] == SUN[first : first + 6]
        hours = np.arange(first, first + 6)
        assert value["temperature_c"] == pytest.approx(hours / 2, abs=0.04)


def test_the_run_keeps_the_file(folder):
    found = Run(run(load(folder / "sunny.yaml"), folder=folder / "run", with_report=False)
                .check().folder)  # fmt: skip
    kept = found.folder / "inputs" / "here.csv"
    assert kept.read_bytes() == (folder / "here.csv").read_bytes()
    rows = found.series("device")
    assert rows[rows["device"].str.startswith("pv/")]["p_w"].max() < 0


def test_a_place_far_away_has_its_sun_at_another_time(folder):
    text = SCENARIO.replace("longitude_deg: 9.5", "longitude_deg: -120.0")
    (folder / "sunny.yaml").write_text(text)
    with pytest.raises(ScenarioError, match="below the horizon"):
        assemble(load(folder / "sunny.yaml"))
