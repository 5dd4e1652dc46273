"""Every kind of unit has the groups of data that the source lists for it, in a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import controllers
from analysis import Run
from analysis.information import flow_table, group_table, passed
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.groups import FLOWS, GROUPS, KINDS, LATER, flow_of
from controllers.unit.unit import ManagementUnit
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble
from scenarios.datapage import data_page

H = 3_600_000
SMALL = ["grid.source={simbench: 1-LV-rural1--0-sw}", "units.history_days=1", "time.duration_h=2"]
HOME = ("meter", "cmu", "gui")
ORDERS = """orders: [
  {at_h: 0.5, lasts_h: 1, import_max_w: 60000, export_max_w: 20000},
  {at_h: 0.7, lasts_h: 1, unit: lvgmu/lv1.101, regulate_pu: 1.0},
  {at_h: 2.3, lasts_h: 0.25, unit: lvgmu/lv1.101-2, run: false}]"""
REVISIONS = """revisions: [
  {at_h: 1.5, data: tariff.table, set: {price T1: 0.4}},
  {at_h: 0.6, data: grid.phases, unit: lvgmu/lv1.101, set: {meter/lv1.101/load-1: [2]}}]"""
FIELD = """field={drives: {},
  sensors: [{at: ['line/mv1.101/line-1*', 'transformer/lv1*'], period_s: 300, window_s: 60}],
  indicators: [{at: ['line/mv1.101/line-3*'], phase_a: 200}]}"""
STORM = [
    "time.duration_h=3", f"units.data={{{ORDERS}, {REVISIONS}}}", "units.dermu={share: 0.6}",
    "units.gui=0.3", "units.sensors=own", "units.levels={between: 2, above: true}",
    "services.forecast={}", FIELD, "services.control={intelligence: hybrid, signal: price}",
    "services.signals={tariff: {kind: time-of-use, bands: [{begin: '00:00', per_mwh: 250}]}}",
    "services.display={settings: [{at_h: 0.5, follow: none}]}",
]  # fmt: skip


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    """A stormy run with all that there is: levels, sensors, generators, orders, revisions."""
    folder = tmp_path_factory.mktemp("data") / "storm"
    return Run(run(load("storm", STORM), folder=folder, with_report=False).check().folder)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Some houses whose devices are steered."""
    more = ["units.data={}", "services.balancing={mode: steering, replan_s: 3600}"]
    folder = tmp_path_factory.mktemp("data") / "street"
    found = run(load("street", [*SMALL, *more]), folder=folder, with_report=False).check()
    return Run(found.folder)


def units(found):
    return {unit["id"]: unit for unit in found.topology["units"]}


# -- kinds and levels ----------------------------------------------------------------------------


@pytest.mark.requirement("MU-01")
def test_every_kind_of_unit_is_there_with_its_place_in_the_tree(storm):
    by = units(storm)
    assert {unit["kind"] for unit in by.values()} == set(KINDS)
    above = {
        "ugmu": {""}, "tlgmu": {"ugmu"}, "mvgmu": {"tlgmu"}, "igmu": {"mvgmu"}, "lvgmu": {"igmu"},
        "meter": {"lvgmu"}, "cmu": {"meter"}, "dmu": {"cmu"}, "gui": {"cmu"},
        "dermu": {"lvgmu", "mvgmu"}, "sensor": {"lvgmu", "mvgmu"}, "provider": {""},
    }  # fmt: skip
    for unit in by.values():
        parent = by.get(unit["parent"], {"kind": ""})
        assert parent["kind"] in above[unit["kind"]], unit["id"]
        assert all(by[child]["parent"] == unit["id"] for child in unit["children"])
        if unit["parent"]:
            assert unit["id"] in parent["children"]


@pytest.mark.requirement("MU-01")
def test_energy_reaches_the_unit_above_the_top_through_every_level(storm):
    table = flow_table(storm)
    sums = table[(table["variable"] == "area.energy") & (table["delivered"] > 0)]
    hops = set(zip(sums["source"], sums["target"], strict=True))
    assert {("lvgmu", "igmu"), ("igmu", "mvgmu"), ("mvgmu", "tlgmu"), ("tlgmu", "ugmu")} <= hops


@pytest.mark.requirement("MU-02")
def test_there_is_one_class_of_units_whatever_the_level():
    assert ManagementUnit.__subclasses__() == []
    root = Path(controllers.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text("utf-8")
        assert "(ManagementUnit)" not in text, f"{path} derives a class of unit"


def test_what_is_not_asked_for_is_not_there():
    plan = assemble(load("street", SMALL))
    spec = plan.params["units"]["spec"]["units"]
    assert {unit["kind"] for unit in spec} == {"dmu", "cmu", "meter", "lvgmu", "mvgmu", "tlgmu"}
    services = {name for unit in spec for name in unit["services"]}
    assert services == {"metering", "aggregation", "balancing"}
    assert "outages" not in plan.params["field"]["instruments"][0]


def test_no_two_things_have_the_same_identifier(storm, street):
    for found in (storm, street):
        ids = [set(found.series(name)["id"]) for name in ("message", "reading", "event")]
        assert not ids[0] & ids[1]
        assert not (ids[0] | ids[1]) & ids[2]


# -- groups --------------------------------------------------------------------------------------


def filled(found):
    """Return ``(kind, number)`` of each group that has anything in a run."""
    table = group_table(found)
    there = table[(table["made"] + table["came"] + table["went"]) > 0]
    return set(zip(there["kind"], there["number"], strict=True))


@pytest.mark.requirement("MU-06")
def test_every_group_is_gathered_made_or_exchanged_but_those_of_later_services(storm, street):
    there = filled(storm) | filled(street)
    later = {
        (kind, group.number)
        for kind, groups in GROUPS.items()
        for group in groups
        if {item.variable for item in group.items} <= set(LATER)
    }
    assert later == {("lvgmu", 3), ("lvgmu", 6), ("lvgmu", 7)}
    wanted = {(kind, group.number) for kind, groups in GROUPS.items() for group in groups}
    assert there == wanted - later


@pytest.mark.requirement("MU-06")
def test_the_groups_have_the_numbers_that_the_source_has():
    counts = {kind: len(groups) for kind, groups in GROUPS.items()}
    assert counts["lvgmu"] == 11
    assert counts["mvgmu"] == 4
    assert counts["dermu"] == 6
    assert counts["meter"] == 5


def test_nothing_is_written_in_the_name_of_a_service_that_is_not_there(storm, street):
    for found in (storm, street):
        requests = found.series("request")
        written = set(requests[requests["operation"] == "write"]["variable"].astype(str))
        assert written.isdisjoint(LATER)
        assert set(found.series("reading")["variable"].astype(str)).isdisjoint(LATER)


def test_the_table_names_variables_that_are_declared_and_services_that_exist():
    declared = {variable.name for variable in CATALOGUE}
    later = set(LATER.values())
    root = Path(controllers.__file__).parent
    for groups in GROUPS.values():
        for group in groups:
            for item in group.items:
                assert item.variable in declared
                own = item.writer in {"instrument", "cmu", "metering", "display"}
                assert own or item.writer in later or (root / item.writer).is_dir(), item
                assert flow_of(item.variable) in FLOWS


def test_a_unit_that_writes_a_variable_of_a_group_runs_the_service_it_is_written_by(storm):
    requests = storm.series("request")
    here = requests["unit"].astype(str) == requests["location"].astype(str)
    local = requests[here & (requests["operation"] == "write") & (requests["result"] == "ok")]
    kinds = {name: unit["kind"] for name, unit in units(storm).items()}
    writers = {
        (kind, item.variable): item.writer
        for kind, groups in GROUPS.items()
        for group in groups
        for item in group.items
        if item.way == "makes"
    }
    seen = set()
    for unit, variable, service in zip(local["unit"], local["variable"], local["service"],
                                       strict=True):  # fmt: skip
        writer = writers.get((kinds[str(unit)], str(variable)))
        if writer is not None:
            assert str(service) == writer
            seen.add((kinds[str(unit)], str(variable)))
    assert len(seen) >= 20


# -- flows ---------------------------------------------------------------------------------------


@pytest.mark.requirement("MU-07")
def test_the_five_flows_run_between_units_each_its_way_with_owner_and_rights(storm, street):
    ways: dict[str, set[str]] = {}
    for found in (storm, street):
        table = flow_table(found)
        table = table[(table["delivered"] > 0) & (table["variable"] != "registry.have")]
        # what stays at home, between meter, unit and display, goes neither up nor down
        at_home = table["source"].isin(HOME) & table["target"].isin(HOME)
        table = table[~at_home]
        for flow, way in zip(table["flow"], table["direction"], strict=True):
            ways.setdefault(flow, set()).add(way)
        assert (table["owner"] != "").all()
        for variable, owner, rights in zip(table["variable"], table["owner"], table["rights"],
                                           strict=True):  # fmt: skip
            declared = CATALOGUE.get(variable)
            assert declared is not None
            assert bool(rights) == bool(declared.grants), variable
            if declared.owner == "operator":
                assert owner == "operator"
    assert ways["energy"] == {"up"}
    assert ways["control"] == {"down"}
    assert ways["information"] == {"down"}
    assert ways["balancing"] == {"up", "down"}
    assert ways["status"] == {"up"}


@pytest.mark.requirement("MU-07")
def test_every_frame_is_attributed_to_the_variable_that_it_is_about(storm, street):
    for found in (storm, street):
        frames = passed(found)
        assert (frames["variable"] != "").all()
        assert len(frames) == len(found.messages)
        table = flow_table(found)
        assert table["bytes"].sum() == found.messages["bytes"].sum()
        assert table[["items", "requests", "answers"]].to_numpy().sum() == len(frames)


def test_what_a_meter_told_of_its_registers_is_counted_as_often_as_it_was_sent(street):
    table = flow_table(street)
    own = table[(table["variable"] == "energy.import") & (table["source"] == "meter")
                & (table["target"] == "lvgmu")]  # fmt: skip
    meters = [unit for unit in units(street).values() if unit["kind"] == "meter"]
    per_meter = (
        2 * 4 + 1 - 1
    )  # boundaries of two hours, the last closes the books; one is asked for
    assert own["items"].sum() == len(meters) * per_meter


# -- bridging ------------------------------------------------------------------------------------


@pytest.mark.requirement("MU-09")
def test_the_meter_bridges_the_customers_unit_and_the_substation(street):
    messages = street.messages
    pair = messages[messages["src"].astype(str).str.startswith("cmu/")
                    & messages["dst"].astype(str).str.startswith("lvgmu/")]  # fmt: skip
    arrived = pair[pair["fate"] == "delivered"]
    assert len(arrived) > 20
    assert (arrived["hops"] == 2).all()
    media = street.topology["network"]["media"]
    han = {member for medium in media if medium["id"].startswith("han/")
           for member in medium["members"]}  # fmt: skip
    fan = {member for medium in media if medium["id"].startswith("lv-fan/")
           for member in medium["members"]}  # fmt: skip
    shared = {name.partition("/")[0] for name in han & fan}
    assert shared == {"meter"}


@pytest.mark.requirement("MU-09")
def test_a_direct_path_is_used_only_while_the_meter_does_not_bridge(tmp_path):
    dead, begin_h, lasts_s = "meter/lv1.101/load-1", 0.6, 2700
    settings = [
        "grid.source={simbench: 1-LV-rural1--0-sw}", "units.history_days=0", "time.duration_h=2",
        "units.data={}", "services.balancing.mode=local", "network.direct=lte",
        f"units.failures=[{{unit: {dead}, at_h: {begin_h}, lasts_s: {lasts_s}}}]",
    ]  # fmt: skip
    found = run(load("street", settings), folder=tmp_path / "run", with_report=False).check()
    messages = Run(found.folder).messages
    up = messages[messages["src"].astype(str).str.startswith("cmu/")
                  & (messages["dst"].astype(str) == "lvgmu/lv1.101")]  # fmt: skip
    begin_us = begin_h * 3.6e9
    during = up["t_send_us"].between(begin_us, begin_us + lasts_s * 1e6)
    own = up["src"].astype(str) == dead.replace("meter", "cmu")
    past = up[own & during]
    assert len(past) >= 3
    assert (past["fate"] == "delivered").all()
    assert (past["hops"] > 2).all()
    others = up[~(own & during)]
    assert (others[others["fate"] == "delivered"]["hops"] == 2).all()
    assert len(up[own & ~during]) >= 3


# -- who controls a generator --------------------------------------------------------------------


@pytest.mark.requirement("MU-10")
def test_a_generator_is_under_its_customer_or_under_the_operator_never_both(storm):
    by = units(storm)
    seen: dict[str, list[str]] = {}
    for name, unit in by.items():
        if unit["kind"] in {"dmu", "dermu"}:
            seen.setdefault(name.partition("/")[2], []).append(unit["kind"])
    assert all(len(kinds) == 1 for kinds in seen.values())
    both = {kind for (kind,) in seen.values()}
    assert both == {"dmu", "dermu"}
    ders = [name for name, unit in by.items() if unit["kind"] == "dermu"]
    assert all(by[name]["owner"].startswith("customer/") for name in ders)


@pytest.mark.requirement("MU-10")
def test_the_operator_sees_and_orders_what_was_left_to_it_and_nothing_that_is_hidden(storm):
    frames = passed(storm)
    operators = ("lvgmu/", "igmu/", "mvgmu/", "tlgmu/", "ugmu/")
    outer = [src.startswith(operators) or dst.startswith(operators)
             for src, dst in zip(frames["src"], frames["dst"], strict=True)]  # fmt: skip
    ends = set(frames[outer]["src"]) | set(frames[outer]["dst"])
    assert not any(name.startswith(("dmu/", "gui/")) for name in ends)
    ders = [name for name, unit in units(storm).items() if unit["kind"] == "dermu"]
    heard = frames[(frames["variable"] == "der.measurements") & (frames["role"] == "item")]
    assert set(heard["src"]) == set(ders)
    given = storm.events[storm.events["kind"] == "set_point_changed"]["element"].astype(str)
    moved = {name.partition("/")[2] for name in ders}
    for device in set(given):
        kind, tail = device.split("/", 1)
        assert any(name.startswith(f"{tail}/{kind}") or name.endswith(f"/{kind}") for name in moved)


@pytest.mark.slow
def test_an_order_of_the_control_centre_reaches_cars_through_meter_and_customer(tmp_path):
    evening = [
        "grid.source={simbench: 1-LV-rural1--0-sw}",
        "units.history_days=0",
        "time={start: '2016-04-20T15:00:00Z', duration_h: 4}",
        "devices.ev.share=1.0",
        "devices.pv.share=0",
        "devices.battery.share=0",
        "services.balancing.mode=local",
    ]
    drawn = {}
    for name, data in (
        ("free", "{}"),
        ("held", "{orders: [{at_h: 2, lasts_h: 1.5, import_max_w: 39000}]}"),
    ):
        settings = [*evening, f"units.data={data}"]
        found = run(load("street", settings), folder=tmp_path / name, with_report=False).check()
        devices = Run(found.folder).series("device")
        cars = devices[devices["kind"] == "ev"]
        drawn[name] = cars.groupby("t_ms")["p_w"].sum() + 0.0
    later = [2 * H + k * 900_000 for k in range(1, 6)]
    free, held = drawn["free"][later], drawn["held"][later]
    assert free.max() > 39_000.0  # what there is to hold back
    assert (held <= 39_000.0).all()
    assert held.sum() < 0.8 * free.sum()
    before = [k * 900_000 for k in range(8)]
    assert (drawn["free"][before] == drawn["held"][before]).all()


# -- versions ------------------------------------------------------------------------------------


@pytest.mark.requirement("MU-11")
def test_grid_model_phases_and_losses_are_at_the_substations_as_documented(storm):
    made = storm.events[storm.events["kind"] == "version_made"]
    taken = storm.events[storm.events["kind"] == "version_taken"]
    kinds = {json.loads(value)["data"] for value in made["value"]}
    assert {"grid.model", "grid.phases", "loss.reference"} <= kinds
    places = taken.groupby(taken["element"].astype(str))["value"].apply(list)
    for unit in ("lvgmu/lv1.101", "lvgmu/lv1.101-2", "mvgmu/mv1.101"):
        told = [json.loads(value) for value in places[unit]]
        assert {"grid.model", "loss.reference"} <= {one["data"] for one in told}
    sizes = {json.loads(value)["data"]: json.loads(value)["items"] for element, value in
             zip(made["element"].astype(str), made["value"], strict=True)
             if element == "lvgmu/lv1.101"}  # fmt: skip
    area = [line for line in storm.grid["lines"] if line["area"] == "lv1.101"]
    assert sizes["grid.model"] >= len(area) + 1
    assert sizes["grid.phases"] >= sum(
        1 for name, unit in units(storm).items()
        if unit["kind"] == "meter" and unit["parent"] == "lvgmu/lv1.101"
    )  # fmt: skip


@pytest.mark.requirement("MU-11")
def test_a_revision_goes_down_as_a_difference_to_those_concerned_only(storm):
    taken = storm.events[storm.events["kind"] == "version_taken"]
    second = [(str(element), told) for element, value in
              zip(taken["element"], taken["value"], strict=True)
              if (told := json.loads(value))["version"] == 2]  # fmt: skip
    phases = [element for element, told in second if told["data"] == "grid.phases"]
    assert phases == ["mvgmu/mv1.101", "igmu/mv1.101-1", "lvgmu/lv1.101"]
    assert all(told["changed"] == 1 for _, told in second)
    frames = passed(storm)
    late = frames[(frames["variable"] == "registry.change") & (frames["role"] == "item")]
    after = late[storm.messages["t_send_us"].to_numpy()[late.index] >= 0.6 * H * 1000]
    small = after[after["dst"] == "lvgmu/lv1.101"]["bytes"]
    whole = late[late["dst"] == "lvgmu/lv1.101"]["bytes"].max()
    assert small.min() < whole / 10


# -- drilling down -------------------------------------------------------------------------------


def drilled(found):
    events = found.events[found.events["kind"] == "drilled_down"]
    return [json.loads(value) for value in events["value"]]


@pytest.mark.slow
@pytest.mark.requirement("MU-12")
def test_after_an_event_the_top_has_details_of_customers_who_allow_it(tmp_path):
    more = ["time.duration_h=3", "units.data={refuse_inspection: 0.5}"]
    found = Run(run(load("storm", more), folder=tmp_path / "run", with_report=False).check().folder)
    tallies = drilled(found)
    assert tallies
    granted = sum(tally["granted"] for tally in tallies)
    denied = sum(tally["denied"] for tally in tallies)
    assert granted > 0
    assert denied > 0
    rows = found.series("export")
    detail = rows[rows["variable"] == "supply.quality"]
    assert set(detail["interface"].astype(str)) == {"oms"}
    assert detail["owner"].astype(str).str.startswith("customer/").all()
    refusing = {
        name for name, unit in units(found).items() if "supply.quality" in unit.get("policies", {})
    }
    assert refusing
    assert refusing.isdisjoint(set(detail["unit"].astype(str)))
    asked = found.series("request")
    asked = asked[asked["service"] == "inspection"]
    refused = asked[asked["result"] == "denied"]
    assert set(refused["location"].astype(str)) <= refusing


def test_without_an_event_nobody_looks_closer(street):
    assert drilled(street) == []
    requests = street.series("request")
    asked = requests[(requests["service"] == "inspection") & (requests["operation"] == "query")]
    assert asked.empty


# -- faults of a scenario ------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "message"), [
    ("{orders: [{at_h: 1, lasts_h: 1, unit: lvgmu/nowhere, run: true}]}", "no unit of an area"),
    ("{orders: [{at_h: 1, lasts_h: 1}]}", "orders nothing"),
    ("{revisions: [{at_h: 1, data: grid.phases, unit: meter/x}]}", "there is no grid.phases"),
    ("{tariff: {calendar: {'25:00': T1}}}", "not a time of day"),
    ("{tariff: {calendar: {'06:00': T9}}}", "there is no register T9"),
])  # fmt: skip
def test_what_a_scenario_cannot_have_is_told_with_its_place(data, message):
    with pytest.raises(ScenarioError) as raised:
        assemble(load("street", [*SMALL, f"units.data={data}"]))
    assert any(message in str(fault) for fault in raised.value.faults)
    assert any("units.data" in fault.path for fault in raised.value.faults)


def test_the_page_on_data_is_the_table_that_is_used():
    page = Path(__file__).parents[2] / "docs/reference/data.md"
    assert page.read_text("utf-8") == data_page(), "run python -m scenarios.datapage"
