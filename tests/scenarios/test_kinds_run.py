"""A winter's day in houses with everything: all kinds are planned, moved and stay comfortable."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

KINDS = ("ev", "battery", "heat_pump", "boiler", "appliance")
WINTER = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "time.start=2016-01-20T12:00:00Z", "seed=7",
    "time.duration_h=8", "weather.temperature_c=2", "services.forecast={}",
    "devices.heat_pump.share=0.5", "devices.boiler.share=0.5", "devices.ev.share=0.4",
    "devices.battery.share=0.3", "devices.pv.share=0.4",
    "devices.appliance={share: 1.0, cycles_per_week: 7, flexibility_h: 4}",
    f"units.control=[{', '.join(KINDS)}, pv]",
    f"services.balancing.devices=[{', '.join(KINDS)}]", "services.balancing.mode=steering",
]  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds") / "winter"
    return Run(run(load("street", WINTER), folder=folder, with_report=False).check().folder)


def told(found, kind):
    events = found.events
    return events[events["kind"] == kind]


def test_all_kinds_are_planned(found):
    planned = {element.split("/")[0] for element in told(found, "plan")["element"]}
    assert planned == set(KINDS)
    assert not len(told(found, "order_refused"))
    assert not len(told(found, "set_point_refused"))
    assert not len(told(found, "discomfort"))


def test_comfort_is_kept(found):
    thermal = found.series("thermal")
    by_device = thermal.groupby("device")["discomfort_kh"].sum()
    pumps = by_device[by_device.index.str.startswith("heat_pump/")]
    assert len(pumps)
    assert pumps.max() < 1e-3
    tanks = thermal.dropna(subset=["tank_c"])["tank_c"]
    assert tanks.min() > 38.0
    assert not [v for v in told(found, "job_ended")["value"] if value_of(v)["late_ms"]]


def test_appliances_begin_when_they_are_told(found):
    ordered = told(found, "start_ordered")
    assert len(ordered)
    begun = {
        (row.element, value_of(row.value)["job"]): row.t_us // 1000
        for row in told(found, "job_started").itertuples()
    }
    last = {
        (row.element, value_of(row.value)["id"]): value_of(row.value)["at_ms"]
        for row in ordered.sort_values("t_us").itertuples()
    }
    known = sorted(begun.keys() & last.keys())
    assert known
    assert all(begun[job] == last[job] for job in known)
    # the order is a message to the unit of the appliance, made by a plan
    causes = found.events.set_index("id")["cause"]
    command = causes[ordered.iloc[0]["cause"]]
    messages = found.series("message").set_index("id")
    request = causes[command]
    assert messages.loc[request, "src"].startswith("cmu/")


def test_devices_do_what_was_planned(found):
    device = found.series("device")
    plans, end_ms = told(found, "plan"), found.duration_ms
    for kind, most in (("heat_pump", 0.45), ("boiler", 0.4)):
        rows = device[device["device"].str.startswith(f"{kind}/")]
        off, drawn = 0.0, 0.0
        for name, course in rows.groupby("device"):
            said = {}
            for row in plans[plans["element"] == name].itertuples():
                value = value_of(row.value)
                for slot, p_w in enumerate(value["p_w"], value["slot"]):
                    if slot * 900_000_000 > row.t_us - 300_000_000:
                        said[slot * 900_000] = p_w
            begin_ms = course["t_ms"].to_numpy() - course["t_ms"].min()
            known = (begin_ms >= 2 * 3_600_000) & (begin_ms < end_ms)
            planned = np.array([said.get(t, 0.0) for t in begin_ms])
            off += np.abs(course["p_w"].to_numpy() - planned)[known].sum()
            drawn += course["p_w"].to_numpy()[known].sum()
        assert off < most * drawn


def test_only_what_can_be_moved_can_be_planned():
    with pytest.raises(ScenarioError, match=r"boiler is not in units\.control"):
        load("street", ["services.balancing.devices=[ev, boiler]"])
    services = [
        unit["services"]["balancing"]["devices"]
        for unit in assemble(load("street", WINTER)).params["units"]["spec"]["units"]
        if unit["kind"] == "cmu"
    ]
    assert {one["kind"] for devices in services for one in devices} == {*KINDS, "pv"}
    hidden = {"hot_water_w", "solar_m2", "gains_w", "initial_c", "jobs", "cycle_w"}
    assert not [name for name in hidden if f'"{name}"' in json.dumps(services)]


def value_of(value):
    return json.loads(value) if isinstance(value, str) else value
