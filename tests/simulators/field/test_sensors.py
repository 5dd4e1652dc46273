"""Line sensors: means over windows, classes, wiring, and what they feel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError, SimulationError
from simulators.field import Sensors, parse_sensors

TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
IDEAL = {"accuracy_class": 0.0, "resolution_v": 0.0, "resolution_a": 0.0, "temperature_sd_c": 0.0}


def sensor(n=0, **given_fields):
    return {"id": f"sensor/lv1/{n:04}", "place": f"line/lv1/{n}", **given_fields}


def build(*items, seed=1):
    return Sensors(parse_sensors(items), seed)


def sees(sensors, t_ms, volts=230.0, amps=10.0, angle=-20.0, air_c=20.0):
    n = len(sensors.specs)
    i_a = np.tile(np.asarray(amps) * TURN * np.exp(1j * np.deg2rad(angle)), (n, 1))
    sensors.observe(t_ms, np.tile(np.asarray(volts) * TURN, (n, 1)), i_a, air_c)


def run(sensors, until_ms, course=()):
    """Let ``course`` (time, keywords of ``sees``) happen; return all readings."""
    readings, course = [], list(course)
    while True:
        due = min([sensors.due_ms, *(t for t, _ in course[:1])])
        if due > until_ms:
            return readings
        while course and course[0][0] == due:
            sees(sensors, due, **course.pop(0)[1])
        readings += sensors.sample(due)


def test_an_ideal_sensor_shows_what_is_there() -> None:
    (reading,) = run(build(sensor(**IDEAL)), 0, [(0, {"amps": [10.0, 20.0, 0.0]})])
    value = reading.value
    assert value["v_v"] == pytest.approx([230.0] * 3)
    assert value["i_a"] == pytest.approx([10.0, 20.0, 0.0])
    assert value["p_w"][:2] == pytest.approx([2_161.3, 4_322.6], abs=0.1)
    assert value["q_var"][0] == pytest.approx(2_300 * math.sin(math.radians(20)), abs=0.1)
    assert (reading.variable, reading.t_sample_ms, reading.measure) == ("line.phases", 0, "1")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40_000), st.floats(0, 90)), min_size=1, max_size=12),
    st.sampled_from([1_000, 17_000, 60_000]),
)
def test_a_window_shows_the_mean_weighted_by_time(steps, window_ms) -> None:
    course, t_ms = [(0, {"amps": 5.0})], 0
    for gap_ms, amps in steps:
        t_ms += gap_ms
        course.append((t_ms, {"amps": amps}))
    readings = run(build(sensor(window_ms=window_ms, **IDEAL)), 300_000, course)
    times, amps = [t for t, _ in course], [c["amps"] for _, c in course]
    for reading in readings[1:]:
        end = reading.t_sample_ms
        cuts = sorted({end - window_ms, end, *(t for t in times if end - window_ms < t < end)})
        held = [amps[np.searchsorted(times, t, "right") - 1] for t in cuts[:-1]]
        mean = np.dot(np.diff(cuts), held) / window_ms
        assert reading.value["i_a"][0] == pytest.approx(mean, abs=1e-6)
        assert reading.value["p_w"][0] == pytest.approx(
            230.0 * mean * math.cos(math.radians(20)), abs=0.06
        )


@pytest.mark.parametrize("accuracy", [0.5, 1.0, 3.0])
def test_errors_stay_within_the_class_and_fill_it(accuracy) -> None:
    sensors = build(*(sensor(n, accuracy_class=accuracy, resolution_v=0.0, resolution_a=0.0)
                      for n in range(400)))  # fmt: skip
    readings = run(sensors, 600_000, [(0, {"amps": 60.0})])
    v_v = np.array([r.value["v_v"] for r in readings]) / 230.0 - 1.0
    i_a = np.array([r.value["i_a"] for r in readings]) / 60.0 - 1.0
    for errors in (100 * v_v, 100 * i_a):
        assert np.abs(errors).max() <= accuracy
        assert np.abs(errors).max() > 0.7 * accuracy
        assert abs(errors.mean()) < 0.05 * accuracy


def test_channels_show_the_phases_they_are_wired_to() -> None:
    swapped = sensor(0, voltage_wiring=[2, 1, 3], current_wiring=[2, 1, 3], **IDEAL)
    crossed = sensor(1, current_wiring=[2, 3, 1], **IDEAL)
    backwards = sensor(2, current_wiring=[1, -2, 3], **IDEAL)
    readings = run(build(swapped, crossed, backwards), 0,
                   [(0, {"amps": [10.0, 20.0, 30.0], "volts": [229.0, 230.0, 231.0],
                         "angle": 0.0})])  # fmt: skip
    values = [r.value for r in readings]
    assert values[0]["v_v"] == pytest.approx([230.0, 229.0, 231.0])
    assert values[0]["p_w"] == pytest.approx([4_600.0, 2_290.0, 6_930.0])
    # voltage and current of different phases: a third of a turn between them
    assert values[1]["i_a"] == pytest.approx([20.0, 30.0, 10.0])
    assert values[1]["p_w"] == pytest.approx([-2_290.0, -3_450.0, -1_155.0])
    assert values[2]["p_w"] == pytest.approx([2_290.0, -4_600.0, 6_930.0])
    assert values[2]["i_a"][1] == pytest.approx(20.0)


def test_it_feels_the_air_and_the_current_with_its_time_constant() -> None:
    items = sensor(rated_a=100.0, rise_c=40.0, tau_s=600.0, **IDEAL)
    readings = run(build(items), 3_600_000, [(0, {"amps": 50.0, "air_c": 15.0})])
    shown = {r.t_sample_ms: r.value["temperature_c"] for r in readings}
    assert shown[0] == 15.0
    assert shown[600_000] == pytest.approx(15.0 + 10.0 * (1 - math.exp(-1)), abs=0.06)
    assert shown[3_600_000] == pytest.approx(25.0, abs=0.1)


def test_asynchronous_clocks_sample_at_their_own_instants() -> None:
    own = {"sampling": "clock", "clock_sd_ms": 5_000.0, "drift_sd_ppm": 30.0}
    readings = run(build(*(sensor(n, **own) for n in range(20))), 600_000, [(0, {})])
    instants = {r.t_sample_ms for r in readings}
    assert len(instants) > 150
    assert all(r.t_clock_ms % 60_000 == 0 for r in readings)


def test_gaps_leave_samples_out_and_other_sensors_alone() -> None:
    def of_first(*items):
        readings = run(build(*items, seed=2), 6_000_000, [(0, {})])
        return [r for r in readings if r.instrument.endswith("0000")]

    first = sensor(0, gap_probability=0.3)
    assert 40 < len(of_first(first)) < 95
    assert of_first(first) == of_first(first, sensor(1, gap_probability=0.5))


def test_bad_sensors_and_late_looks_are_refused() -> None:
    items = [
        sensor(0, accuracy_class=7.0),
        sensor(1, window_ms=90_000),
        sensor(2, current_wiring=[1, 2, 4]),
        sensor(3, rated_a=0.0),
        sensor(4, colour=1),
    ]
    with pytest.raises(ScenarioError) as caught:
        parse_sensors(items)
    assert [f.path for f in caught.value.faults] == [
        "sensors[0].accuracy_class", "sensors[1].window_ms", "sensors[2].current_wiring",
        "sensors[3].rated_a", "sensors[4].colour",
    ]  # fmt: skip
    sensors = build(sensor())
    with pytest.raises(SimulationError, match="were due"):
        sees(sensors, 5_000)
