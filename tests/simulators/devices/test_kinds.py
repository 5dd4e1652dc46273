"""Power by kind of device: its sum is the terminals' power."""

from __future__ import annotations

import numpy as np

from simulators.devices.kinds import Kinds

TERMINALS = ["terminal/a", "terminal/b", "terminal/c"]
DEVICES = [
    {"id": "ev/a", "kind": "ev", "terminal": "terminal/a", "phase": "b"},
    {"id": "load/a", "kind": "load", "terminal": "terminal/a"},
    {"id": "load/c", "kind": "load", "terminal": "terminal/c", "phase": "a"},
    {"id": "load/d", "kind": "load", "terminal": "terminal/c", "phase": "c"},
]


def test_each_kind_at_its_terminal_and_phase():
    kinds = Kinds([item["id"] for item in DEVICES], DEVICES, TERMINALS)
    told = kinds.told(np.array([11.0, 3.0, 5.0, 7.0]), np.array([0.0, 0.3, 0.0, 1.0]))
    assert told["kinds"] == ["ev", "load"]
    assert told["p_kinds_w"].tolist() == [
        [[0, 11, 0], [0, 0, 0], [0, 0, 0]],
        [[1, 1, 1], [0, 0, 0], [5, 0, 7]],
    ]
    assert np.allclose(told["q_kinds_var"].sum(axis=0), [[0.1] * 3, [0] * 3, [0, 0, 1]])
    assert told["devices"].tolist() == [[1, 0, 0], [1, 0, 2]]


def test_the_order_of_the_devices_is_the_cores():
    ids = ["load/d", "ev/a", "load/c", "load/a"]
    told = Kinds(ids, DEVICES, TERMINALS).told(np.array([7.0, 11.0, 5.0, 3.0]), np.zeros(4))
    assert told["p_kinds_w"][1].tolist() == [[1, 1, 1], [0, 0, 0], [5, 0, 7]]


def test_no_device_at_all():
    told = Kinds([], [], TERMINALS).told(np.zeros(0), np.zeros(0))
    assert told["kinds"] == []
