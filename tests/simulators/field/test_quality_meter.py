"""Meters that tell quality of supply and mains frequency, where the plant offers them."""

from __future__ import annotations

import numpy as np
import pytest

from controllers.unit.catalogue import CATALOGUE
from fernwatt.identifiers import index_hash
from simulators.field import Instruments, PlantView, parse_instruments

WINDOW_MS, N = 600_000, 40
TERMINALS = [f"terminal/lv1/load-{n:02}" for n in range(N)]
TARGETS = {"terminal": {name: row for row, name in enumerate(TERMINALS)}, "transformer": {},
           "device": {}}  # fmt: skip
QUALITY = {
    "thd_percent": [[2.0, None, 3.0]] * N, "pst": [[0.5, None, None]] * N,
    "u2_percent": [1.0] * N, "u0_percent": [2.0] * N, "transformers": {},
}  # fmt: skip


def told(accuracy, seed=1, **offered):
    """What meters tell at the end of the first whole window."""
    items = [
        {"id": f"meter/lv1/load-{n:02}", "kind": "meter", "target": TERMINALS[n],
         "accuracy_class": accuracy, "window_ms": WINDOW_MS}
        for n in range(N)
    ]  # fmt: skip
    view = PlantView(TERMINALS, [], [])
    instruments = Instruments(parse_instruments(items, TARGETS), view, TARGETS, seed)
    readings = []
    for t_ms in (0, WINDOW_MS):
        squares = np.tile([230.0**2] * 3 + [1.0], (N, 1)) * (t_ms / 3.6e6)
        view.take_state({
            "index": index_hash(TERMINALS), "t_ms": t_ms, "v_v": np.full((N, 3), 230.0),
            "p_w": np.zeros((N, 3)), "q_var": np.zeros((N, 3)), "import_wh": np.zeros(N),
            "export_wh": np.zeros(N), "energised": [True] * N, "squares": squares, **offered,
            "transformers": {"ids": [], "p_w": [], "import_wh": [], "export_wh": [], "v_v": []},
        })  # fmt: skip
        readings = instruments.sample(t_ms)
    return [r for r in readings if r.variable == "voltage.quality"]


def test_nothing_is_told_that_the_plant_does_not_offer():
    assert told(1.0) == []


def test_an_ideal_meter_tells_what_is_true():
    readings = told(0.0, quality=QUALITY, frequency_hz=49.912)
    assert len(readings) == N
    assert readings[3].instrument == "meter/lv1/load-03"
    assert readings[3].value == {
        "thd_percent": [2.0, None, 3.0], "pst": [0.5, None, None], "u2_percent": 1.0,
        "hz": 49.912,
    }  # fmt: skip


def test_frequency_alone():
    assert [r.value for r in told(0.0, frequency_hz=50.2)] == [{"hz": 50.2}] * N


def test_errors_are_within_class_s_and_each_meters_own():
    readings = told(1.0, quality=QUALITY, frequency_hz=50.0)
    thd = np.array([r.value["thd_percent"][2] for r in readings]) / 3.0 - 1
    hz = np.array([r.value["hz"] for r in readings]) - 50
    u2 = np.array([r.value["u2_percent"] for r in readings]) - 1
    for errors, limit in ((thd, 0.05), (hz, 0.05), (u2, 0.3)):
        assert np.abs(errors).max() <= limit + 0.005
        assert np.abs(errors).max() > 0.7 * limit
        assert np.std(errors) > 0.3 * limit
    again = told(1.0, quality=QUALITY, frequency_hz=50.0)
    assert [r.value for r in readings] == [r.value for r in again]


def test_units_can_take_it():
    (reading, *_) = told(0.0, quality=QUALITY, frequency_hz=50.0)
    variable = CATALOGUE.get("voltage.quality")
    assert variable.takes(reading.value)
    assert set(variable.fields) == reading.value.keys()
    assert pytest.approx(50.0) == reading.value["hz"]
