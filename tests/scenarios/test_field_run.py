"""Instruments, drives and crews from the scenario to what services at the units get of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import controllers.unit.hub as hub
from analysis import Run
from controllers.unit import UnitsSimulator
from controllers.unit.service import Notification
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

MV, LV, TOP = "mvgmu/mv1.101", "lvgmu/lv4.101", "tlgmu/top"
TRAFO, BREAKER = "transformer/lv4.101/trafo-1", "switch/mv1.101/switch-70"
METERS = 41
LINE, MANUAL = "line/lv4.101/line-12", "switch/lv4.101/switch-30"
SHORT = ("time.duration_h=2", "units.history_days=1", "grid.solver=four-wire")
EYES = (
    "field.meters={by_phase: true, window_s: 600, classes: [{accuracy_class: 2, share: 0.5}]}",
    "field.wrong_phases={share: 0.3}",
    "field.indicators=[{at: ['line/lv4.101/line-1?'], minimum_ms: 10, clock_sd_s: 2}]",
    f"field.sensors=[{{at: [{TRAFO}], end: 1, period_s: 300, window_s: 60}}]",
    f"field.taps=[{{at: [{TRAFO}], step_s: 4, delay_s: 1}}]",
    f"field.drives={{delay_s: 3, also: [{BREAKER}]}}",
    "grid.quality={places: lv, harmonics: false}",
    "crews={count: 1, notice_min: 5, repair_h: 0.2, switch_min: 4}",
    f"faults=[{{at_h: 0.6, line: {LINE}, kind: three-phase, position: 0.4}}]",
)


class Hand:
    """A service that gives orders at given times, and keeps all that it hears."""

    name = "hand"

    def __init__(self, unit: str, orders: Any) -> None:
        self.unit, self.orders, self.heard = unit, orders, list[Notification]()

    def start(self, context: Any) -> None:
        self.context = context
        for variable in ("switch.position", "tap.position", "light.position", "fault.passage",
                         "line.phases", "confirm"):  # fmt: skip
            context.data.event(variable, self.unit)
        for at_ms in self.orders:
            context.set_timer(str(at_ms), at_ms)

    def timer(self, name: str) -> None:
        variable, location, value = self.orders[int(name)]
        self.context.data.write(variable, location, value)

    def notify(self, notification: Notification) -> None:
        self.heard.append(notification)

    def told(self, variable: str) -> list[Any]:
        """Return the values that came of a variable."""
        return [n.value for n in self.heard if n.variable == variable and n.t_ms >= 0]


class World:
    """A run of the street with hands at three units, and what came of it."""

    def __init__(
        self, folder: Any, patch: pytest.MonkeyPatch, scenario: Any, orders: dict[str, Any]
    ) -> None:
        self.hands = {unit: Hand(unit, given) for unit, given in orders.items()}
        setup, find = UnitsSimulator.setup, hub.find_factory

        def with_hands(simulator: Any, model_name: str, params: Any) -> Any:
            for unit in params["spec"]["units"]:
                if unit["id"] in self.hands:
                    unit["services"]["hand"] = {}
            self.simulator = simulator
            return setup(simulator, model_name, params)

        def found(name: str, path: str, version: str = "") -> Any:
            return (
                (lambda spec, _p, _d: self.hands[spec["id"]])
                if name == "hand"
                else find(name, path, version)
            )

        patch.setattr(UnitsSimulator, "setup", with_hands)
        patch.setattr(hub, "find_factory", found)
        self.run = Run(run(scenario, folder=folder, with_report=False).check().folder)
        self.events = self.run.events

    def event(self, kind: str, element: str) -> Any:
        """Return the events of a kind at an element."""
        return self.events[(self.events["kind"] == kind) & (self.events["element"] == element)]

    def chain(self, ident: str) -> list[str]:
        """Return the kinds of what led to an event, back to the first."""
        by_id = self.events.set_index("id")
        kinds = []
        while ident in by_id.index:
            kinds.append(by_id.loc[ident, "kind"])
            ident = by_id.loc[ident, "cause"]
        return kinds


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    orders = {
        LV: {600_000: ("tap.order", LV, {"element": TRAFO, "position": -1})},
        MV: {5_700_000: ("switch.order", MV, {"element": BREAKER, "closed": False}),
             6_000_000: ("switch.order", MV, {"element": BREAKER, "closed": True}),
             4_500_000: ("crew.order", TOP, {"element": MANUAL, "work": "open"})},
        TOP: {},
    }  # fmt: skip
    scenario = load("street", [*SHORT, "orchestration.coupling=separate", *EYES])
    with pytest.MonkeyPatch.context() as patch:
        return World(tmp_path_factory.mktemp("field") / "run", patch, scenario, orders)


@pytest.mark.requirement("GR-04")
def test_every_reading_is_stored_by_its_unit_and_none_without_supply(world: World) -> None:
    core = world.simulator._core
    assert core.counters["reading-refused"] == 0
    readings = world.run.series("reading")
    dark = world.run.series("interruption")
    dark = dark[dark["customer"] != ""]
    begin_ms, end_ms = dark["begin_us"].to_numpy() / 1000, dark["end_us"].to_numpy() / 1000

    def lost(times_ms: range, window_ms: int) -> int:
        return sum(int(((begin_ms <= t) & (end_ms > t - window_ms)).sum()) for t in times_ms)

    counts = readings.groupby("variable").size()
    assert counts["meter.phases"] == METERS * 8 - lost(range(0, 7_200_000, 900_000), 0)
    windows = range(600_000, 7_200_000, 600_000)
    assert counts["voltage.mean"] == METERS * len(windows) - lost(windows, 600_000)
    assert lost(windows, 600_000) > 200
    assert counts["line.phases"] == 24


def test_services_hear_of_passages_and_sensors_at_their_unit(world: World) -> None:
    passages = world.hands[LV].told("fault.passage")
    truth = world.run.series("truth")
    shown = truth[truth["kind"] == "passage_shown"]
    assert 0 < len(passages) == len(shown)
    assert {p["on"] for p in passages} == {True}
    sensors = world.hands[LV].told("line.phases")
    assert len(sensors) == 24
    loaded = [sum(-p for p in s["p_w"]) for s in sensors]
    by_transformer = world.run.series("branch")
    mean = -by_transformer[by_transformer["branch"] == TRAFO]["p_to_w"].iloc[0]
    assert sum(loaded[1:4]) / 3 == pytest.approx(mean, rel=0.25)


def test_a_tap_order_moves_the_tap_and_lifts_the_voltage(world: World) -> None:
    (moved,) = world.event("tap_moved", TRAFO).itertuples()
    assert world.chain(moved.id) == ["tap_moved", "actuated", "commanded"]
    # 1 s and one step of 4 s, a tick each way
    assert 605_000 <= moved.t_us / 1000 <= 605_010
    assert [p["position"] for p in world.hands[LV].told("tap.position")] == [0, -1]
    bus = world.run.series("bus")
    busbar = bus[bus["bus"] == "bus/lv4.101/bus-32"].set_index("t_ms")
    step = busbar.loc[0, "vm_max_pu"] - busbar.loc[0, "vm_min_pu"]
    assert step == pytest.approx(0.025, abs=0.004)


def test_a_fault_is_noticed_repaired_and_what_opened_is_closed(world: World) -> None:
    (begun,) = world.event("fault_begins", LINE).itertuples()
    (repaired,) = world.event("fault_repaired", LINE).itertuples()
    assert world.chain(repaired.id) == [
        "fault_repaired", "actuated", "crew_done", "crew_arrived", "crew_sent",
    ]  # fmt: skip
    opened = world.events[world.events["kind"] == "switch_opened"]
    (fuse,) = set(opened[opened["t_us"] < repaired.t_us]["element"])
    (closed,) = world.event("switch_closed", fuse).itertuples()
    assert world.chain(closed.id)[:2] == ["switch_closed", "actuated"]
    interruption = world.run.series("interruption")
    first = interruption[interruption["begin_us"] < repaired.t_us]
    assert 10 < len(first) < METERS
    assert (first["end_us"] == closed.t_us).all()
    waited_s = (repaired.t_us - begun.t_us) / 1e6
    assert waited_s > 300 + 600 + 720  # noticed, dispatched, repaired; and driven there


@pytest.mark.requirement("GR-03")
def test_a_remote_switch_answers_with_its_position_and_a_manual_one_by_its_crew(
    world: World,
) -> None:
    told = [(p["closed"], p["t_ms"]) for p in world.hands[MV].told("switch.position")]
    assert [closed for closed, _ in told] == [True, False, True]
    assert [round(t_ms, -3) for _, t_ms in told] == [0, 5_703_000, 6_003_000]
    assert world.hands[MV].told("confirm") == [1.0, 1.0]
    (manual,) = [p for p in world.hands[TOP].told("switch.position") if p["element"] == MANUAL]
    assert manual["closed"] is False
    (opened,) = world.event("switch_opened", MANUAL).itertuples()
    chain = world.chain(opened.id)
    assert chain == [
        "switch_opened", "actuated", "crew_done", "crew_arrived", "crew_sent", "commanded",
    ]  # fmt: skip


@pytest.mark.requirement("GR-03")
def test_a_drive_that_fails_says_so_or_the_contrary(tmp_path: Any) -> None:
    for wrong in (0, 1):
        figures = f"{{also: [{BREAKER}], failure_probability: 1, misreport_probability: {wrong}}}"
        settings = [*SHORT, "time.duration_h=0.25", "orchestration.coupling=separate"]
        scenario = load("street", [*settings, f"field.drives={figures}"])
        orders = {MV: {100_000: ("switch.order", MV, {"element": BREAKER, "closed": False})}}
        with pytest.MonkeyPatch.context() as patch:
            world = World(tmp_path / str(wrong), patch, scenario, orders)
        assert not len(world.event("switch_opened", BREAKER))
        drive = f"drive/{BREAKER.partition('/')[2]}"
        (failed,) = world.event("actuation_failed", drive).itertuples()
        assert world.chain(failed.id) == ["actuation_failed", "commanded"]
        hand = world.hands[MV]
        assert hand.told("confirm") == [float(wrong)]
        closed = [p["closed"] for p in hand.told("switch.position")]
        assert closed == ([True, False] if wrong else [True])


def test_ten_minute_means_of_meters_are_those_of_the_plants_own_books(world: World) -> None:
    quality = world.run.series("quality")
    grid = json.loads((world.run.folder / "grid.json").read_text())
    truth = world.run.series("truth")
    crossed = set(truth[truth["kind"] == "wiring"]["element"])
    bus_of = {t["id"]: t["bus"] for t in grid["terminals"] if t["id"] not in crossed}
    at = {(row.t_ms, row.place): row for row in quality.itertuples()}
    readings = world.run.series("reading")
    errors = []
    for row in readings[readings["variable"] == "voltage.mean"].itertuples():
        name = row.instrument.replace("meter/", "terminal/").removesuffix("/register")
        if name not in bus_of:
            continue
        true = at[row.t_sample_ms - 600_000, bus_of[name]]
        for phase, told in enumerate(json.loads(row.record)["v_v"], 1):
            if told is not None:
                errors.append(told / getattr(true, f"v_{phase}_v") - 1)
    assert len(errors) > 250
    assert max(map(abs, errors)) < 0.02  # the largest class
    assert abs(sum(errors) / len(errors)) < 0.002


def test_wrong_phases_show_in_the_truth_and_not_in_the_records(world: World) -> None:
    truth = world.run.series("truth")
    wired = truth[truth["kind"] == "wiring"]
    assert 5 < len(wired) < 20
    grid = json.loads((world.run.folder / "grid.json").read_text())
    recorded = {t["id"]: t["phases"] for t in grid["terminals"]}
    for row in wired.itertuples():
        phases = json.loads(row.value)["phases"]
        assert any(phases[p - 1] != p for p in recorded[row.element])
    topology = (world.run.folder / "topology.json").read_text()
    assert "wiring" not in topology
    readings = world.run.series("reading")
    rows = readings[(readings["variable"] == "meter.phases") & (readings["t_sample_ms"] == 0)]
    volts = {r.instrument: json.loads(r.record)["v_v"] for r in rows.itertuples()}
    for name, phases in recorded.items():
        meter = name.replace("terminal/", "meter/") + "/register"
        if meter in volts:
            assert [v is not None for v in volts[meter]] == [p in phases for p in (1, 2, 3)]


def test_a_substation_switches_its_lighting_and_sees_the_lamps(tmp_path: Any) -> None:
    feeder = "lighting/lv4.101/main-street"
    changes = ["time.duration_h=0.5", "orchestration.coupling=separate", "faults=[]",
               "lighting.failures=[]", "field.contactors={delay_s: 0.5}"]  # fmt: skip
    orders = {LV: {600_000: ("light.order", LV, {"element": feeder, "on": True})}}
    with pytest.MonkeyPatch.context() as patch:
        world = World(tmp_path / "run", patch, load("lights", changes), orders)
    (lit,) = world.event("lighting_on", feeder).itertuples()
    assert world.chain(lit.id) == ["lighting_on", "actuated", "commanded"]
    assert 600_500 <= lit.t_us / 1000 <= 600_510
    hand = world.hands[LV]
    assert [(p["on"], p["t_ms"] // 1000) for p in hand.told("light.position")] == [
        (False, 0), (True, 600),
    ]  # fmt: skip
    segments = [
        (n.t_ms, n.value) for n in hand.heard if n.variable == "line.phases" and n.t_ms >= 0
    ]
    head = {t_ms: sum(v["i_a"]) for t_ms, v in segments if v["element"].endswith("segment-1")}
    assert all(amps == 0 for t_ms, amps in head.items() if t_ms <= 600_000)
    assert all(amps > 5 for t_ms, amps in head.items() if t_ms >= 1_200_000)


def test_actuators_of_devices_and_drives_of_switches_have_their_own_figures() -> None:
    figures = "{delay_s: 1.5, jitter_s: 0.5, failure_probability: 0.1, misreport_probability: 0.2}"
    settings = [f"field.actuators={figures}", f"field.drives={{delay_s: 3, also: [{BREAKER}]}}"]
    plan = assemble(load("street", [*SHORT, *settings]))
    actuators = plan.params["field"]["actuators"]
    devices = [a for a in actuators if a["unit"].startswith("dmu/")]
    (drive,) = [a for a in actuators if a["unit"] == MV]
    assert len(devices) > 10
    assert {(a["delay_ms"], a["jitter_ms"], a["failure_probability"], a["misreport_probability"])
            for a in devices} == {(1500, 500, 0.1, 0.2)}  # fmt: skip
    assert (drive["target"], drive["delay_ms"], drive["failure_probability"]) == (BREAKER, 3000, 0)
    assert drive["closed"] is True
    (unit,) = [u for u in plan.params["units"]["spec"]["units"] if u["id"] == MV]
    assert unit["actuators"]["switch.order"] == drive["group"] == f"{MV}/drives"
    assert drive["group"] in unit["instruments"]


def test_the_example_of_the_docs_can_be_run(tmp_path: Any) -> None:
    page = Path(__file__).parents[2] / "docs/models/instruments.md"
    (example,) = re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    head = "fernwatt: 1\nname: example\nextends: district\ngrid: {solver: four-wire}\n"
    path = tmp_path / "example.yaml"
    path.write_text(head + example, "utf-8")
    plan = assemble(load(path))
    assert {len(plan.params["field"][part]) > 0 for part in ("indicators", "sensors", "desk")} == {
        True
    }


def test_faults_of_the_section_are_named_with_their_path() -> None:
    def paths(*settings: str) -> list[str]:
        with pytest.raises(ScenarioError) as caught:
            assemble(load("street", [*SHORT, *settings]))
        assert all(fault.hint for fault in caught.value.faults)
        return [fault.path for fault in caught.value.faults]

    assert paths(
        "field.indicators=[{at: [line/lv4.101/line-1, line/none]}, {at: ['line/lv4.101/line-1']}]",
        "field.sensors=[{at: [switch/none*]}, {at: ['transformer/*'], unit: lvgmu/none}]",
        "field.taps=[{at: [transformer/none]}]",
        "field.drives={also: [switch/none], by_hand: ['switch/nix*']}",
        "crews={depot: bus/none}",
    ) == [
        "field.indicators[0].at[1]", "field.indicators[1].at", "field.sensors[0].at[0]",
        "field.sensors[1].unit", "field.drives.by_hand[0]", "field.drives.also[0]",
        "field.taps[0].at[0]", "crews.depot",
    ]  # fmt: skip
    terminal = "terminal/lv4.101/load-1"
    assert paths(f"field.wiring=[{{terminal: {terminal}, phases: [2, 1, 3]}}, "
                 f"{{terminal: {terminal}, phases: [2, 1, 3]}}, "
                 "{terminal: terminal/none, phases: [1, 3, 2]}]") == [
        "field.wiring[1].terminal", "field.wiring[2].terminal",
    ]  # fmt: skip
    assert paths("grid.solver=balanced", "field.wrong_phases={share: 0.1}") == [
        "field.wrong_phases"
    ]


@pytest.mark.parametrize(
    "bad",
    [
        "wiring=[{terminal: a, phases: [1, 2, 2]}]", "wrong_phases={share: 1.1}",
        "meters={classes: [{accuracy_class: 3, share: 0.5}]}",
        "meters={classes: [{accuracy_class: 1, share: 0.6}, {accuracy_class: 2, share: 0.6}]}",
        "meters={window_s: -1}", "indicators=[{at: []}]",
        "indicators=[{at: [x], phase_a: 0}]", "indicators=[{at: [x], miss_probability: 2}]",
        "sensors=[{at: [x], window_s: 90}]", "sensors=[{at: [x], current_wiring: [1, 2, 0]}]",
        "sensors=[{at: [x], accuracy_class: 7}]", "drives={types: [FUSE]}",
        "taps=[{at: [x], step_s: 0}]", "actuators={failure_probability: 1.5}",
    ],
)  # fmt: skip
def test_bad_figures_are_refused_when_the_scenario_is_read(bad: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load("street", [f"field.{bad}"])
    (fault,) = caught.value.faults
    assert fault.path.startswith(f"field.{bad.partition('=')[0]}")
    with pytest.raises(ScenarioError, match="crews"):
        load("street", ["crews={count: 0}"])


def test_classes_and_wrong_phases_are_drawn_as_often_as_asked() -> None:
    classes = "[{accuracy_class: 2, share: 0.5}, {accuracy_class: 0.5, share: 0.3}]"
    settings = [f"field.meters={{classes: {classes}}}", "field.wrong_phases={share: 1}"]
    plans = [assemble(load("street", [*SHORT, *settings, f"seed={n}"])) for n in range(8)]
    drawn = [i["accuracy_class"] for p in plans for i in p.params["field"]["instruments"]
               if i["kind"] == "meter"]  # fmt: skip
    shares = [drawn.count(c) / len(drawn) for c in (2.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.08)
    assert {len(p.params["grid"]["wiring"]) for p in plans} == {METERS}
    for plan in plans:
        phases = {t["id"]: t["phases"] for t in plan.grid["terminals"]}
        for item in plan.params["grid"]["wiring"]:
            assert any(item["phases"][p - 1] != p for p in phases[item["terminal"]])


@pytest.mark.slow
def test_a_process_of_its_own_and_fused_coupling_give_the_same_bytes(tmp_path: Any) -> None:
    ways = ("coupling: separate", "coupling: separate, processes: [field, grid]", "coupling: fused")
    folders = []
    for number, way in enumerate(ways):
        scenario = load("street", [*SHORT, *EYES, f"orchestration={{{way}}}"])
        done = run(scenario, folder=tmp_path / str(number), with_report=False)
        folders.append(done.check().folder)
    names = sorted(p.relative_to(folders[0]) for p in folders[0].rglob("*.parquet"))
    assert names
    for name in names:
        assert len({(folder / name).read_bytes() for folder in folders}) == 1, name
