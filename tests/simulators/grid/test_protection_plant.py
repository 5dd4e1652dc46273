"""Protection on a real grid: fault currents of power-grid-model, for every kind of fault.

source ── cb/0 ──line 0── bus 1 ── cb/1 ──line 1── bus 2 ── cb/2 ──line 2── bus 3
"""

from __future__ import annotations

import numpy as np
import pytest
from power_grid_model import (
    ComponentType,
    FaultPhase,
    FaultType,
    LoadGenType,
    PowerGridModel,
    initialize_array,
)

from simulators.grid.protection import Place, Protection, grade, parse_devices

VN_V, LINES = 20_000.0, 3
KINDS = {
    "three-phase": (FaultType.three_phase, FaultPhase.abc),
    "two-phase": (FaultType.two_phase, FaultPhase.bc),
    "two-phase-to-ground": (FaultType.two_phase_to_ground, FaultPhase.ab),
    "one-phase": (FaultType.single_phase_to_ground, FaultPhase.b),
}


class Feeder:
    """A resistance-earthed medium-voltage feeder with a breaker at the head of each line."""

    far = False  # whether a generator feeds from the far end as well

    def __init__(self, bus: int, kind: str, r_ohm: float) -> None:
        self.fault = (bus, *KINDS[kind], r_ohm)
        self.closed = [True] * LINES
        self.faulty = True

    def data(self):
        def rows(kind, **columns):
            size = len(next(iter(columns.values())))
            array = initialize_array("input", kind, size)
            for name, values in columns.items():
                array[name] = values
            return array

        up = [int(closed) for closed in self.closed]
        same = {name: [value] * LINES for name, value in {
            "r1": 0.6, "x1": 0.7, "c1": 1e-7, "tan1": 0.0, "r0": 1.2, "x0": 2.4, "c0": 5e-8,
            "tan0": 0.0, "i_n": 300.0}.items()}  # fmt: skip
        data = {
            ComponentType.node: rows("node", id=range(4), u_rated=[VN_V] * 4),
            ComponentType.line: rows("line", id=range(10, 13), from_node=range(3),
                                     to_node=range(1, 4), from_status=up, to_status=[1] * 3,
                                     **same),
            ComponentType.source: rows(
                "source", id=[20, 21], node=[0, 3], status=[1, int(self.far)], u_ref=[1.0] * 2,
                sk=[2e8, 8e7], rx_ratio=[0.1] * 2, z01_ratio=[8.0] * 2),
            ComponentType.sym_load: rows("sym_load", id=[30], node=[3], status=[1],
                                         type=[LoadGenType.const_impedance],
                                         p_specified=[1e5], q_specified=[2e4]),
        }  # fmt: skip
        bus, kind, phase, r_ohm = self.fault
        data[ComponentType.fault] = rows("fault", id=[40], status=[int(self.faulty)],
                                         fault_object=[bus], fault_type=[kind],
                                         fault_phase=[phase], r_f=[r_ohm], x_f=[0.0])  # fmt: skip
        return data

    def seen(self):
        """Return currents into each line and voltages of the bus behind its breaker."""
        model = PowerGridModel(self.data())
        result = model.calculate_short_circuit()
        line, node = result[ComponentType.line], result[ComponentType.node]
        i_a = line["i_from"] * np.exp(1j * line["i_from_angle"])
        v_v = node["u"][:LINES] * np.exp(1j * node["u_angle"][:LINES])
        return np.nan_to_num(i_a), np.nan_to_num(v_v)


def devices():
    """Graded phase relays, and residual relays of definite time, all forward."""
    feeder = Feeder(1, "three-phase", 0.0)
    through = []
    for place in range(LINES):
        feeder.fault = (place + 1, *KINDS["three-phase"], 0.0)
        through.append(float(np.abs(feeder.seen()[0][place]).max()) * 1.3)  # just beyond it
    places = [Place(360.0, through[0]), Place(330.0, through[1], 0), Place(300.0, through[2], 1)]
    tms = grade(places, "normal-inverse")
    return parse_devices([
        {"kind": "breaker", "id": f"cb/{k}", "switch": f"switch/{k}", "open_ms": 60, "stages": [
            {"pickup_a": places[k].pickup_a, "curve": "normal-inverse", "tms": tms[k],
             "direction": "forward"},
            {"pickup_a": 60.0, "quantity": "earth", "direction": "forward",
             "delay_s": 1.0 - 0.35 * k},
        ], "earth_deg": -75.0}
        for k in range(LINES)
    ])  # fmt: skip


def strike(bus, kind, r_ohm, far=False):
    """Return the breakers that opened, and all events."""
    feeder = Feeder(bus, kind, r_ohm)
    feeder.far = far
    feeder.faulty = False
    protection = Protection(devices(), 1)
    protection.observe(0, *feeder.seen())
    feeder.faulty = True
    protection.observe(1_000_000, *feeder.seen(), "fault#1")
    opened, events = [], []
    while True:
        outcome = protection.advance(600_000_000)
        events += outcome.events
        if not outcome.operations:
            return opened, events
        for move in outcome.operations:
            number = int(move.switch[-1])
            feeder.closed[number] = move.closed
            opened.append(number)
        protection.observe(outcome.t_us, *feeder.seen(), outcome.operations[0].cause)


@pytest.mark.parametrize("r_ohm", [0.01, 2.0])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bus", [1, 2, 3])
def test_the_breaker_nearest_to_a_fault_of_any_kind_opens_alone(bus, kind, r_ohm) -> None:
    opened, events = strike(bus, kind, r_ohm)
    assert opened == [bus - 1]
    starts = {e.element for e in events if e.kind == "pick-up"}
    assert {f"cb/{k}" for k in range(bus)} == starts
    earth = kind.endswith(("ground", "one-phase"))
    trip = next(e for e in events if e.kind == "trip")
    assert earth or trip.value["stage"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_relays_beyond_a_fault_see_it_backwards_and_wait_however_much_flows(kind) -> None:
    feeder = Feeder(1, kind, 0.01)
    feeder.far = True
    i_a, _ = feeder.seen()
    assert np.abs(i_a[1:]).max() > 1.5 * 330.0  # more than enough for relays without direction
    opened, events = strike(1, kind, 0.01, far=True)
    assert opened == [0]
    assert {e.element for e in events if e.kind == "trip"} == {"cb/0"}
    assert {e.element for e in events if e.kind == "pick-up"} == {"cb/0"}


def test_a_fault_at_the_source_busbar_starts_nobody() -> None:
    opened, events = strike(0, "three-phase", 0.01)
    assert (opened, [e for e in events if e.kind == "trip"]) == ([], [])
