"""A generator's own unit: what is set from above, and what it orders of its device by it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.unit import Loopback, UnitsCore
from controllers.unit.service import Result
from fernwatt.messages import Reading

H = 3_600_000
DER, TOP = "dermu/a/x/pv", "lvgmu/a"
PV = {"kind": "pv", "p_max_w": 5000.0, "q_max_var": 2180.0, "start_s": 60, "restart_s": 30,
      "stop_s": 1, "ramp_w_per_s": 83.0, "takes": ["set_point", "reactive_set_point"]}  # fmt: skip
LIMITS = {"export_max_w": 5000.0, "power_factor": 1.0, "v_min_v": 207.0, "v_max_v": 253.0,
          "conductors": 3}  # fmt: skip


class Operator:
    """What the test has the operator's unit do; names itself as the service of the orders."""

    name = "orders"

    def start(self, context):
        self.context, self.heard = context, []

    def notify(self, notification):
        self.heard.append(notification)

    def timer(self, name):
        del name


def world(plate=None, registry=LIMITS):
    units = [
        {"id": TOP, "kind": "lvgmu", "owner": "operator", "children": [DER],
         "services": {"orders": {}}},
        {"id": DER, "kind": "dermu", "parent": TOP, "owner": "customer/x", "customer": "customer/x",
         "instruments": ["i/x"], "actuators": dict.fromkeys(PV["takes"], "actuator/x"),
         "services": {"der": plate or PV}},
    ]  # fmt: skip
    core = UnitsCore({"units": units}, 1, factories={"orders": lambda *_: Operator()})
    bus = Loopback(core)
    bus.run(1000)
    if registry:
        write(bus, "der.configuration", {"version": 1, "items": registry})
    return bus


def write(bus, variable, value):
    bus.poke()
    bus.core.unit(TOP).context("orders").data.write(variable, DER, value)
    bus.poke()
    bus.run(bus.now_ms + 1000)


def measured(bus, **values):
    t_ms = bus.now_ms + 1
    record = {"v_v": 230.0, "i_a": 5.0, "p_w": -3000.0, "q_var": 0.0, "energy_wh": -10.0}
    reading = Reading(
        f"i/x#{t_ms}", "", "i/x", "der.measurements", t_ms, t_ms, record | values, "1"
    )
    bus.run(t_ms, [reading])


def ordered(bus, action):
    return [command.value for command in bus.commands if command.action == action]


def test_a_set_point_is_kept_within_rating_and_contract_and_ends():
    bus = world(registry=LIMITS | {"export_max_w": 4000.0})
    assert [it["p_w"] for it in ordered(bus, "set_power")] == [-4000.0]
    write(bus, "der.set_point", {"p_w": -4500.0, "until_ms": H})
    write(bus, "der.set_point", {"p_w": -1000.0, "until_ms": H})
    assert [it["p_w"] for it in ordered(bus, "set_power")] == [-4000.0, -1000.0]
    bus.run(H)
    assert [it["p_w"] for it in ordered(bus, "set_power")] == [-4000.0, -1000.0, -4000.0]


@given(st.lists(st.one_of(st.none(), st.floats(-9000, 9000)), min_size=1, max_size=8),
       st.floats(0, 6000))  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_nothing_is_ever_ordered_beyond_rating_and_contract(asked, export_w):
    bus = world(registry=LIMITS | {"export_max_w": export_w})
    for p_w in asked:
        write(bus, "der.set_point", {"p_w": p_w, "until_ms": None})
    for value in ordered(bus, "set_power"):
        if value["until_ms"] is None:
            assert -min(5000.0, export_w) - 0.05 <= value["p_w"] <= 5000.0


def test_stop_and_start_take_their_times():
    bus = world()
    write(bus, "der.command", {"run": False})
    assert ordered(bus, "set_power") == []
    bus.run(bus.now_ms + 1000)
    assert [it["p_w"] for it in ordered(bus, "set_power")] == [0.0]
    write(bus, "der.set_point", {"p_w": -2000.0, "until_ms": None})
    write(bus, "der.command", {"run": True})
    bus.run(bus.now_ms + 28_000)
    assert [it["p_w"] for it in ordered(bus, "set_power")] == [0.0]
    bus.run(bus.now_ms + 2_000)
    assert [it["p_w"] for it in ordered(bus, "set_power")] == [0.0, -2000.0]


def test_the_power_factor_of_the_connection_rules_gives_reactive_power():
    bus = world(registry=LIMITS | {"power_factor": 0.95})
    measured(bus, p_w=-3000.0)
    expected = round(3000.0 * math.tan(math.acos(0.95)), 1)
    assert ordered(bus, "set_reactive")[-1]["q_var"] == expected
    write(bus, "der.set_point", {"power_factor": 0.9, "until_ms": None})
    assert ordered(bus, "set_reactive")[-1]["q_var"] == round(3000.0 * math.tan(math.acos(0.9)), 1)


def test_regulation_draws_reactive_power_where_the_voltage_is_high_and_says_so():
    bus = world()
    command = {"target": DER, "active": True, "v_pu": 1.0, "until_ms": H}
    write(bus, "regulation.command", command)
    measured(bus, v_v=234.6)
    assert ordered(bus, "set_reactive")[-1]["q_var"] == pytest.approx(2180.0 * 0.02 / 0.04)
    measured(bus, v_v=225.4)
    assert ordered(bus, "set_reactive")[-1]["q_var"] == pytest.approx(-2180.0 * 0.02 / 0.04)
    measured(bus, v_v=260.0)
    assert ordered(bus, "set_reactive")[-1]["q_var"] == 2180.0
    bus.run(H + 1000)
    owner = bus.core.directory.owner(DER, "regulation.state")
    states = bus.core.unit(DER).store.series("regulation.state", owner, DER)
    assert [one.value["active"] for one in states] == [True, False]
    assert ordered(bus, "set_reactive")[-1]["until_ms"] is not None  # free again


@pytest.mark.parametrize(("values", "kind"), [
    ({"v_v": 254.0}, "over-voltage"),
    ({"v_v": 206.0}, "under-voltage"),
    ({"i_a": 9.0}, "over-current"),
])  # fmt: skip
def test_alarms_begin_and_end_with_the_measurements(values, kind):
    bus = world()
    measured(bus)
    measured(bus, **values)
    measured(bus, **values)
    measured(bus)
    alarms = [event.value for event in bus.events if event.kind == "der_alarm"]
    assert [(alarm["kind"], alarm["active"]) for alarm in alarms] == [(kind, True), (kind, False)]


def test_the_operator_reads_what_is_left_to_it_and_nothing_else():
    bus = world()
    bus.poke()
    port, operator = bus.core.unit(TOP).context("orders"), bus.core.unit(TOP).service("orders")
    port._service = "concentrator"
    asked = {name: port.data.query(name, DER).id for name in ("der.parameters", "device.energy")}
    port._service = "orders"
    bus.poke()
    bus.core.unit(TOP)._services["concentrator"] = operator
    bus.run(bus.now_ms + 1000)
    results = {n.request: n.result for n in operator.heard}
    assert results[asked["der.parameters"]] is Result.OK
    assert results[asked["device.energy"]] is Result.DENIED


def test_a_restarted_unit_goes_on_with_what_was_set():
    bus = world()
    write(bus, "der.set_point", {"p_w": -1500.0, "until_ms": None})
    bus.core.kill(DER)
    bus.core.revive(DER)
    bus.poke()
    bus.run(bus.now_ms + 1000)
    assert [it["p_w"] for it in ordered(bus, "set_power")] == [-1500.0, -1500.0]


def test_a_battery_is_free_without_a_set_point():
    battery = PV | {"kind": "battery", "q_max_var": 0.0, "takes": ["set_point"]}
    bus = world(battery, LIMITS | {"export_max_w": 1000.0})
    assert ordered(bus, "set_power") == []
    write(bus, "der.set_point", {"p_w": 2500.0, "until_ms": bus.now_ms + 60_000})
    bus.run(bus.now_ms + 70_000)
    first, last = ordered(bus, "set_power")
    assert first == {"p_w": 2500.0, "until_ms": None}
    assert last["until_ms"] is not None
