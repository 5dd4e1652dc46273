"""A customer's unit moves heat pump, panels, boiler and appliance by messages to their units."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import numpy as np
import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run, runner
from scenarios.assembly import assemble

H, HOUSE = 3_600_000, "lv1.101/load-1"
SMALL = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "units.history_days=1", "time.duration_h=5",
    "record.interval_s=60", "devices.pv={share: 1.0, inverter: {q: none}}", "seed=7",
    "devices.battery.share=0.5",
    "devices.heat_pump.share=1.0", "devices.boiler.share=1.0", "weather.cloudiness=0.0",
    "devices.appliance={share: 1.0, cycles_per_week: 7, flexibility_h: 4}",
]  # fmt: skip
CONTROL = "units.control=[ev, battery, pv, heat_pump, boiler, appliance]"
ORDERS = {
    "set_point": ("pv", {"p_w": -500.0, "until_ms": 2 * H}),
    "reactive_set_point": ("pv", {"q_var": 700.0, "until_ms": 3 * H}),
    "set_point ": ("heat_pump", {"p_w": 9_000.0, "until_ms": 2 * H}),
    "thermal.band": ("boiler", {"low_c": 66.0, "high_c": 69.0, "until_ms": None}),
}


class Pilot:
    """Orders an hour after the start; has appliances begin an hour later than they may."""

    name = "pilot"

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def start(self, context) -> None:
        self.context = context
        for kind, variable in (("heat_pump", "thermal.temperature"), ("pv", "device.power"),
                               ("appliance", "appliance.request")):  # fmt: skip
            context.data.event(variable, f"dmu/{HOUSE}/{kind}")
        context.set_timer("go", H)

    def timer(self, name) -> None:
        for variable, (kind, value) in ORDERS.items():
            self.context.data.write(variable.strip(), f"dmu/{HOUSE}/{kind}", value)

    def notify(self, notification) -> None:
        self.heard.append(notification)
        value = notification.value
        if notification.variable == "appliance.request" and isinstance(value, dict):
            order = {"id": value["id"], "at_ms": value["earliest_ms"] + H}
            data, unit = self.context.data, notification.location
            data.write("appliance.start", unit, order, cause=notification.id)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run with the pilot in one house, one without; and the pilot."""
    pilot, home = Pilot(), tmp_path_factory.mktemp("control")
    whole = runner.assemble

    def piloted(scenario):
        plan = whole(scenario)
        units = plan.params["units"]["spec"]["units"]
        next(u for u in units if u["id"] == f"cmu/{HOUSE}")["services"]["pilot"] = {}
        return plan

    def go(name):
        return Run(run(load("street", [*SMALL, CONTROL]), folder=home / name,
                       with_report=False).check().folder)  # fmt: skip

    own = go("own")
    with pytest.MonkeyPatch.context() as patch:
        module = types.ModuleType("controllers.pilot")
        module.make_service = lambda *_: pilot
        patch.setitem(sys.modules, "controllers.pilot", module)
        patch.setattr(runner, "assemble", piloted)
        ordered = go("ordered")
    return own, ordered, pilot


def course(found, kind, column="p_w"):
    rows = found.series("device")
    rows = rows[rows["device"] == f"{kind}/{HOUSE}"].sort_values("t_ms")
    return rows["t_ms"].to_numpy(), rows[column].to_numpy()


def told(found, kind, device):
    events = found.series("event")
    rows = events[(events["kind"] == kind) & (events["element"] == f"{device}/{HOUSE}")]
    return [(t_us / 1000, cause) for t_us, cause in zip(rows["t_us"], rows["cause"], strict=True)]


def test_panels_are_curtailed_once_the_message_got_through(runs):
    own, ordered, _ = runs
    ((begun_ms, _),) = told(ordered, "set_point_changed", "pv")
    assert H < begun_ms < H + 5_000
    t_ms, free_w = course(own, "pv")
    _, p_w = course(ordered, "pv")
    before, during = t_ms < H, (t_ms >= H + 60_000) & (t_ms < 2 * H)
    assert np.array_equal(p_w[before], free_w[before])
    assert free_w[during].max() < -1_000.0
    assert p_w[during] == pytest.approx(-500.0)
    after = t_ms >= 2 * H + 60_000
    assert p_w[after] == pytest.approx(free_w[after], abs=1.0)


def test_panels_draw_the_reactive_power_they_are_asked_for(runs):
    _, ordered, _ = runs
    t_ms, q_var = course(ordered, "pv", "q_var")
    during = (t_ms >= H + 120_000) & (t_ms < 3 * H)
    assert q_var[during] == pytest.approx(700.0, rel=1e-3)
    assert q_var[t_ms < H] == pytest.approx(0.0)


def test_a_heat_pump_runs_once_it_is_told_to(runs):
    own, ordered, _ = runs
    ((begun_ms, cause),) = told(ordered, "set_point_changed", "heat_pump")
    assert begun_ms > H
    t_ms, alone_w = course(own, "heat_pump")
    _, p_w = course(ordered, "heat_pump")
    before = t_ms + 60_000 <= begun_ms
    assert np.array_equal(p_w[before], alone_w[before])
    changed = t_ms[p_w != alone_w]
    assert begun_ms - 60_000 <= changed[0] <= begun_ms + 660_000  # at most the least time off
    assert p_w[(t_ms >= H) & (t_ms < 2 * H)].sum() > alone_w[(t_ms >= H) & (t_ms < 2 * H)].sum()
    # actuation, command, request: the chain of causes leads to the pilot's message
    events = ordered.series("event").set_index("id")["cause"]
    command = events[cause] if cause in events.index else cause
    assert str(command).startswith(f"dmu/{HOUSE}/heat_pump#")
    messages = ordered.series("message").set_index("id")
    request = events[command]
    assert messages.loc[request, "src"] == f"cmu/{HOUSE}"
    assert H * 1000 < messages.loc[request, "t_arrival_us"] <= begun_ms * 1000


def test_a_boiler_goes_to_its_band_and_not_beyond(runs):
    own, ordered, _ = runs
    most_c = []
    for found in (own, ordered):
        rows = found.series("thermal")
        rows = rows[rows["device"] == f"boiler/{HOUSE}"]
        most_c.append([rows["high_c"][rows["t_ms"] < H].max(), rows["high_c"].max()])
    assert most_c[0][0] == most_c[1][0]
    assert most_c[0][1] <= 64.5
    assert 68.5 < most_c[1][1] < 70.0


def test_an_appliance_begins_when_the_customers_unit_says(runs):
    own, ordered, pilot = runs
    requests = [one.value for one in pilot.heard if one.variable == "appliance.request"
                and isinstance(one.value, dict)]  # fmt: skip
    assert requests
    earliest_ms = requests[0]["earliest_ms"]
    assert told(own, "job_started", "appliance")[0][0] == earliest_ms
    assert told(ordered, "job_started", "appliance")[0][0] == earliest_ms + H
    answers = [one.value for one in pilot.heard if one.variable == "appliance.request"]
    assert answers[-1] is None  # it has begun


def test_the_customers_unit_hears_of_temperature_and_power(runs):
    _, _, pilot = runs
    rooms = [one.value for one in pilot.heard if one.variable == "thermal.temperature"
             and one.value is not None]  # fmt: skip
    assert len(rooms) > 10
    assert all(18.0 < room_c < 24.0 for room_c in rooms)
    powers = {one.t_ms: one.value for one in pilot.heard if one.variable == "device.power"
              and one.value is not None}  # fmt: skip
    assert powers[H + 900_000] == pytest.approx(-500.0, rel=0.011, abs=1.0)


def test_only_what_the_scenario_wants_has_a_unit():
    own = assemble(load("street", SMALL)).params
    units = own["units"]["spec"]["units"]
    assert {u["id"].rsplit("/", 1)[1] for u in units if u["kind"] == "dmu"} == {
        "pv", "ev", "battery",
    }  # fmt: skip
    assert not own["field"]["gauges"]
    moved = {a["target"].split("/")[0] for a in own["field"]["actuators"]}
    assert moved == {"ev", "battery"}
    more = assemble(load("street", [*SMALL, CONTROL])).params["units"]["spec"]["units"]
    bound = {u["id"].rsplit("/", 1)[1]: set(u["actuators"]) for u in more if u["kind"] == "dmu"}
    assert bound["appliance"] == {"set_point", "appliance.start"}
    assert bound["pv"] == {"set_point", "reactive_set_point"}
    assert bound["heat_pump"] == {"set_point", "thermal.band"}


def test_balancing_takes_devices_it_does_not_know_as_load():
    steering = "services.balancing.mode=steering"
    own, more = (
        assemble(load("street", [*SMALL, steering, *extra])).params["units"]["spec"]["units"]
        for extra in ((), (CONTROL,))
    )
    known = [
        {u["id"]: u["services"]["balancing"]["devices"] for u in units if u["kind"] == "cmu"}
        for units in (own, more)
    ]
    assert known[0] == known[1]
    none = assemble(load("street", [*SMALL, steering, "units.control=[]"]))
    cmus = [u for u in none.params["units"]["spec"]["units"] if u["kind"] == "cmu"]
    kinds = {device["kind"] for u in cmus for device in u["services"]["balancing"]["devices"]}
    assert kinds == {"pv"}


def test_plants_at_medium_voltage_have_a_unit_below_that_of_their_area(tmp_path):
    plan = assemble(load("district", [
        "units.history_days=1", "time.duration_h=1", "units.control=[wind, chp]",
        "devices.wind=[{at: terminal/mv2.101/mv-load-4}, {at: terminal/mv2.101/mv-load-4}]",
        "devices.chp=[{at: terminal/mv2.101/mv-load-4}]",
    ]))  # fmt: skip
    units = {u["id"]: u for u in plan.params["units"]["spec"]["units"]}
    names = [f"dmu/mv2.101/mv-load-4/{name}" for name in ("chp-0", "wind-0", "wind-1")]
    assert [name for name in sorted(units) if "mv-load-4/" in name] == names
    for name in names:
        assert units[name]["parent"] == "mvgmu/mv2.101"
        assert name in units["mvgmu/mv2.101"]["children"]
    (cell,) = [it for it in plan.params["network"]["spec"]["cells"] if names[0] in it["members"]]
    assert set(names) <= set(cell["members"])
    links = {(it["a"], it["b"]) for it in plan.params["network"]["spec"]["links"]}
    assert {(cell["station"], cell["core"]), ("mvgmu/mv2.101", cell["core"])} <= links
    nodes = {n["id"]: n["terminal"] for n in plan.params["network"]["spec"]["nodes"]}
    assert nodes[names[0]] == "terminal/mv2.101/mv-load-4"


def test_a_kind_named_twice_is_a_fault():
    with pytest.raises(ScenarioError, match="named twice"):
        load("street", ["units.control=[pv, pv]"])
    assert json.dumps(load("street").config.units.control) == '["ev", "battery"]'


@pytest.mark.slow
def test_fused_and_processes_of_their_own_give_the_same_tables(tmp_path):
    def tables(name, *changes):
        more = ["time.duration_h=2", "services.forecast={every_h: 1}",
                "services.balancing.mode=steering", *changes]  # fmt: skip
        scenario = load("street", [*SMALL, CONTROL, *more])
        done = run(scenario, folder=tmp_path / name, with_report=False).check()
        files = sorted(done.folder.rglob("*.parquet"))
        return {path.relative_to(done.folder): path.read_bytes() for path in files}

    separate = tables("separate", "orchestration.coupling=separate")
    assert len(separate) > 10
    assert tables("fused", "orchestration.coupling=fused") == separate
    own = "orchestration.processes=[devices, field, units]"
    assert tables("processes", "orchestration.coupling=separate", own) == separate
