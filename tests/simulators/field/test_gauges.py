"""Gauges in devices: what they read, how wrong, and what happens without supply."""

from __future__ import annotations

import numpy as np
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.messages import Event
from simulators.field.gauges import Gauges, parse_gauges

SLOT_MS, AT = 900_000, "terminal/lv1/a"
DEVICES = {"appliance/lv1/a": 0, "fridge/lv1/a": 1, "heat_pump/lv1/a": 2, "pv/lv1/a": 3}
ON, OFF = np.array([True]), np.array([False])


def gauges(*kinds, seed=1, **more):
    target = {"panel": "appliance/lv1/a", "wattmeter": "pv/lv1/a"}
    items = [
        {"id": f"dmu/{n}/gauge", "kind": kind.partition(" ")[0], "terminal": AT,
         "target": kind.partition(" ")[2] or target[kind], **more}
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    made = Gauges(parse_gauges(items, DEVICES, {AT: 0}), DEVICES, {AT: 0}, seed)
    made.take({
        "p_w": [0.0, 90.0, 1_500.0, -4_321.4],
        "thermal": {"ids": ["heat_pump/lv1/a", "fridge/lv1/a"], "tank_c": np.array([51.26]),
                    "temperature_c": np.array([21.04, 4.97])},
    })  # fmt: skip
    return made


def shown(readings):
    return [(one.variable, one.value, one.measure) for one in readings]


def test_an_ideal_gauge_shows_what_is_in_steps_of_its_display() -> None:
    made = gauges("thermometer heat_pump/lv1/a", "thermometer fridge/lv1/a", "wattmeter",
                  error_c=0.0, error_percent=0.0)  # fmt: skip
    assert shown(made.sample(0, (), ON)) == [
        ("thermal.temperature", 21.0, "degC"), ("tank.temperature", 51.3, "degC"),
        ("thermal.temperature", 5.0, "degC"), ("device.power", -4_321.0, "W"),
    ]  # fmt: skip
    assert made.due_ms == SLOT_MS
    assert made.sample(SLOT_MS - 1, (), ON) == []
    assert len(made.sample(SLOT_MS, (), ON)) == 4


def test_errors_are_fixed_for_each_and_within_their_limits() -> None:
    off_c, off_w = [], []
    for seed in range(300):
        made = gauges("thermometer fridge/lv1/a", "wattmeter", seed=seed)
        first, again = (shown(made.sample(t, (), ON)) for t in (0, SLOT_MS))
        assert first == again
        off_c.append(first[0][1] - 4.97)
        off_w.append(first[1][1] / -4_321.4 - 1)
    for off, most, step in ((off_c, 0.3, 0.05), (off_w, 0.01, 2e-4)):
        assert max(map(abs, off)) <= most + step
        assert np.std(off) == pytest.approx(most / 3**0.5, rel=0.1)


def test_a_panel_tells_of_jobs_as_they_come_and_go_and_late_after_an_outage() -> None:
    made = gauges("panel")
    (none,) = made.sample(0, (), ON)
    assert (none.variable, none.value) == ("appliance.request", None)
    job = {"id": "job/lv1/a/0", "energy_wh": 358.3}
    asked = Event("devices#7", "", 0, "job_requested", "appliance/lv1/a", job)
    begun = Event("devices#9", "", 0, "job_started", "appliance/lv1/a", {"job": "job/lv1/a/0"})
    other = Event("devices#8", "", 0, "job_requested", "appliance/lv1/b", job)
    (told,) = made.sample(1_000, [asked, other], ON)
    assert (told.cause, told.value, told.t_sample_ms) == ("devices#7", job, 1_000)
    assert made.sample(SLOT_MS, (), ON) == []
    assert made.sample(SLOT_MS + 5, [begun], OFF) == []
    (late,) = made.sample(2 * SLOT_MS, (), ON)
    assert (late.cause, late.value) == ("devices#9", None)


def test_without_supply_nothing_is_read() -> None:
    made = gauges("thermometer fridge/lv1/a", "wattmeter")
    assert made.sample(0, (), OFF) == []
    assert len(made.sample(SLOT_MS, (), ON)) == 2


def test_faulty_gauges_are_told() -> None:
    item = {"id": "g", "kind": "thermometer", "target": "fridge/lv1/a", "terminal": AT}
    wrong = [
        item, item, item | {"kind": "nose"}, item | {"target": "x"}, item | {"terminal": "x"},
        item | {"period_ms": 0}, item | {"colour": 1},
    ]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        parse_gauges(wrong, DEVICES, {AT: 0})
    assert [fault.path for fault in caught.value.faults] == [
        "gauges[2].kind", "gauges[3].target", "gauges[4].terminal", "gauges[5]",
        "gauges[6].colour", "gauges",
    ]  # fmt: skip
