"""Sensors at the heads of a lighting feeder's segments: what a burnt lamp looks like to them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from simulators.field import Sensors, parse_sensors
from simulators.grid.lighting import Lighting, parse_feeders

NIGHT = datetime(2016, 12, 20, 18, tzinfo=UTC)
TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
MINUTE_MS = 60_000
COUNTS = (10, 10, 10, 10)


class Street:
    """One feeder on one phase, its four sensors, and a grid whose voltage wanders."""

    def __init__(self, lamp: str, seed: int, accuracy: float = 0.5) -> None:
        segments = [{"lamp": lamp, "count": n, "life_h": 1e6} for n in COUNTS]
        feeders = parse_feeders([{"id": "lighting/lv1/a", "terminal": "terminal/lv1/a",
                                  "segments": segments, "phases": [1], "r_ohm_per_km": 0.39,
                    "neutral_r_ohm_per_km": 0.39}])  # fmt: skip
        self.lighting = Lighting(feeders, NIGHT, 12 * 60 * MINUTE_MS, (51.3, 9.5), seed)
        self.sensors = Sensors(parse_sensors([
            {"id": f"sensor/lv1/{k}", "place": f"segment/{k}", "accuracy_class": accuracy,
             "rated_a": 50.0, "window_ms": 10_000} for k in range(4)
        ]), seed)  # fmt: skip
        self.rng = np.random.default_rng(seed)
        self.t_ms = 0

    def minutes(self, count: int) -> np.ndarray:
        """Return the current of each segment, as a share of all, each minute ``[count, 4]``."""
        shares = []
        until_ms = self.t_ms + count * MINUTE_MS
        while self.t_ms < until_ms:
            if self.t_ms % MINUTE_MS == 0:
                self.volts = 230.0 * (1 + 0.02 * self.rng.standard_normal())
            self.lighting.advance(self.t_ms)
            self.lighting.feed(self.t_ms, self.volts * TURN[None, :])
            seen = self.lighting.sensors()
            self.sensors.observe(self.t_ms, seen.v_v[0], seen.i_a[0])
            readings = self.sensors.sample(self.t_ms)
            if readings:
                amps = np.array([r.value["i_a"][0] for r in readings])
                assert [r.value["i_a"][1] for r in readings] == [0.0] * 4
                shares.append((amps - np.append(amps[1:], 0.0)) / amps[0])
            due = [self.lighting.due_ms, self.sensors.due_ms, until_ms]
            self.t_ms = min(t for t in due if t is not None)
        return np.array(shares)


@pytest.mark.parametrize("lamp", ["high-pressure-sodium", "led"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_hour_of_readings_shows_which_segment_lost_one_of_ten_lamps(lamp, seed) -> None:
    street = Street(lamp, seed)
    street.minutes(20)  # warm up
    before = street.minutes(60).mean(axis=0)
    assert before == pytest.approx([0.25] * 4, abs=0.04)
    street.lighting.burn_out(street.t_ms, "lighting/lv1/a/lamp-025", "fault#1")
    after = street.minutes(60).mean(axis=0)
    # in the third segment nine of ten are left, of 39 of 40 in all
    expected = np.ones(4)
    expected[2] = 0.9
    assert after / before == pytest.approx(expected * 40 / 39, abs=0.02)


def test_the_sensors_voltages_fall_along_the_feeder() -> None:
    street = Street("high-pressure-sodium", 1, accuracy=0.0)
    street.minutes(20)
    seen = np.abs(street.lighting.sensors().v_v[0, :, 0])
    assert (np.diff(seen) < 0).all()
    assert 0.9 * seen[0] < seen[-1]
