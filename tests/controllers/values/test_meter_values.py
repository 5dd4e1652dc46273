"""A meter derives powers, demand and quality from nothing but its instruments' readings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.unit import Loopback, UnitsCore
from controllers.values.sensors import derive
from fernwatt.messages import Reading

SLOT_MS, METER, H = 900_000, "meter/a/x", 3_600_000


def world(**params):
    unit = {"id": METER, "kind": "meter", "owner": "customer/x", "customer": "customer/x",
            "instruments": ["i/x"], "services": {"values": params}}  # fmt: skip
    return Loopback(UnitsCore({"units": [unit]}, 1))


def readings(registers, q_var=(), outages=(), volts=()):
    """Return readings by slot: registers [(import, export)], per-phase q, seconds dark."""
    made = []
    for k, (drawn, fed) in enumerate(registers):
        t_ms = k * SLOT_MS
        items = [("energy.import", float(drawn)), ("energy.export", float(fed)),
                 ("voltage", float(volts[k]) if volts else 230.0)]  # fmt: skip
        if q_var:
            phases = {"v_v": [230.0, 231.0, None], "i_a": [1.0, 2.0, None],
                      "p_w": [100.0, 200.0, None]}  # fmt: skip
            phases["q_var"] = [q_var[k], 2 * q_var[k], None]
            items.append(("meter.phases", phases))
        if outages:
            items.append(("supply.outage", float(outages[k])))
        made += [
            Reading(f"i/x#{k}.{n}", "", "i/x", name, t_ms, t_ms, value, "1")
            for n, (name, value) in enumerate(items)
        ]
    return made


def kept(bus, variable):
    owner = bus.core.directory.owner(METER, variable)
    return [one.value for one in bus.core.unit(METER).store.series(variable, owner, METER)]


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 4000)), min_size=2, max_size=12))
@settings(max_examples=40, deadline=None)
def test_mean_power_is_the_registers_difference_by_the_time(steps):
    registers, drawn, fed = [], 0, 0
    for more_drawn, more_fed in steps:
        registers.append((drawn, fed))
        drawn, fed = drawn + more_drawn, fed + more_fed
    bus = world()
    bus.run(len(steps) * SLOT_MS, readings(registers))
    values = kept(bus, "meter.values")
    assert [(v["import_wh"], v["export_wh"]) for v in values] == [
        (float(a), float(b)) for a, b in registers
    ]
    assert values[0]["p_w"] is None
    powers = [(a - b) * 4.0 for a, b in steps[:-1]]
    assert [v["p_w"] for v in values[1:]] == powers
    assert [v["demand_w"] for v in values[1:]] == [
        max(0.0, *powers[: k + 1]) for k in range(len(powers))
    ]


def test_reactive_energy_is_the_trapezium_over_the_samples_and_gives_the_power_factor():
    bus = world()
    bus.run(3 * SLOT_MS, readings([(0, 0), (250, 0), (500, 0)], q_var=[100.0, 300.0, 500.0]))
    _, first, second = kept(bus, "meter.values")
    assert (first["q_var"], second["q_var"]) == (600.0, 1200.0)
    assert second["reactive_varh"] == (600.0 + 1200.0) / 4.0
    assert first["power_factor"] == round(1000.0 / math.hypot(1000.0, 600.0), 3)
    assert first["i_a"] == [1.0, 2.0, None]


def test_demand_begins_anew_at_local_midnight():
    bus = world(day_ms=23 * H + 1_800_000)  # the run begins at half past eleven
    bus.run(5 * SLOT_MS, readings([(0, 0), (900, 0), (1000, 0), (1200, 0), (1300, 0)]))
    assert [v["demand_w"] for v in kept(bus, "meter.values")] == [
        0.0, 3600.0, 3600.0, 800.0, 800.0,
    ]  # fmt: skip


def test_a_register_that_begins_anew_gives_no_power_and_the_next_one_does():
    bus = world()
    bus.run(4 * SLOT_MS, readings([(0, 0), (999, 0), (3, 0), (103, 0)]))
    assert [v["p_w"] for v in kept(bus, "meter.values")] == [None, 3996.0, None, 400.0]


def test_an_interruption_is_told_with_the_next_reading_and_lies_between_the_two():
    bus = world(quality_s=7200)
    given_ = readings([(0, 0)] * 5, outages=[0, 0, 1000, 1000, 1000])
    without = [one for one in given_ if one.t_sample_ms != SLOT_MS]
    bus.run(5 * SLOT_MS, without)
    (told,) = kept(bus, "supply.quality")
    assert (told["interruptions"], told["outage_s"]) == (1, 1000.0)
    assert told["interrupted_ms"] == [[0, 2 * SLOT_MS]]
    assert told["t_ms"] == 2 * SLOT_MS


@pytest.mark.parametrize(("volts", "outside"), [([230, 253, 207, 230, 230], 0),
                                               ([230, 254, 206, 230, 230], 2)])  # fmt: skip
def test_voltages_outside_of_ten_percent_count(volts, outside):
    bus = world(quality_s=3600)
    bus.run(5 * SLOT_MS, readings([(0, 0)] * 5, volts=volts))
    (told,) = kept(bus, "supply.quality")
    assert told["samples"] == 5
    assert told["outside"] == outside
    assert (told["v_min_v"], told["v_max_v"]) == (float(min(volts)), float(max(volts)))


def test_a_restarted_meter_goes_on_with_its_reactive_energy():
    bus = world()
    given_ = readings([(0, 0), (250, 0), (500, 0), (750, 0)], q_var=[100.0] * 4)
    bus.run(SLOT_MS, [one for one in given_ if one.t_sample_ms <= SLOT_MS])
    before = kept(bus, "meter.values")[-1]["reactive_varh"]
    bus.core.kill(METER)
    bus.core.revive(METER)
    bus.run(3 * SLOT_MS, [one for one in given_ if one.t_sample_ms > SLOT_MS])
    after = [v["reactive_varh"] for v in kept(bus, "meter.values")]
    assert before == 75.0
    assert after[-1] == before + 75.0  # what flowed until the first sample after is not known


def test_sensors_powers_are_those_of_their_conductors_together():
    phases = {"element": "line/a/1", "end": 0, "v_v": [230.0] * 3, "i_a": [3.0, 4.0, None],
              "p_w": [300.0, 400.0, 0.0], "q_var": [0.0, 100.0, None]}  # fmt: skip
    found = derive(phases, 5)
    assert (found["p_w"], found["q_var"], found["i_max_a"]) == (700.0, 100.0, 4.0)
    assert found["s_va"] == pytest.approx(math.hypot(700.0, 100.0), abs=0.05)
    assert found["power_factor"] == pytest.approx(700.0 / found["s_va"], abs=1e-3)
