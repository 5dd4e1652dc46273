"""An event of OpenADR enters at the top, and the street sheds load; the answer says who opted."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from openleadr import enums, objects
from openleadr.messaging import create_message, parse_message, validate_xml_schema

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

H = 3_600_000
BEGINS = datetime(2016, 4, 20, 17, 30, tzinfo=UTC)  # an hour after the start, for two
SCENARIO = """fernwatt: 1
name: shed
extends: street
seed: 3
grid: {source: {simbench: 1-LV-rural1--0-sw}}
time: {start: "2016-04-20T16:30:00Z", duration_h: 4}
record: {interval_s: 300}
units: {history_days: 0}
devices: {ev: {share: 1.0}, battery: {share: 0.0}, pv: {share: 0.0}}
services:
  balancing: {mode: local}
  control: {intelligence: hybrid, signal: command, contract: {share: 0.7}}
  openadr: {events: [{at_h: 0.5, file: event.xml}]}
"""


def document(name="LOAD_CONTROL", kind="x-loadControlCapacity", values=(0.2,)):
    """Return a document made by openleadr, valid by the schema of OpenADR 2.0b."""
    step = timedelta(hours=2) / len(values)
    intervals = [
        objects.Interval(dtstart=BEGINS + k * step, duration=step, uid=k, signal_payload=value)
        for k, value in enumerate(values)
    ]
    signal = objects.EventSignal(
        intervals=intervals, signal_name=name, signal_type=kind, signal_id="s"
    )
    event = objects.Event(
        event_descriptor=objects.EventDescriptor(
            event_id="shed-1", modification_number=0, market_context="http://example.org/dr",
            event_status=enums.EVENT_STATUS.FAR, created_date_time=BEGINS - timedelta(hours=1),
        ),
        active_period=objects.ActivePeriod(dtstart=BEGINS, duration=timedelta(hours=2)),
        event_signals=[signal], targets=[objects.Target(ven_id="fernwatt")],
        response_required="always",
    )  # fmt: skip
    plain = asdict(event)
    plain["event_descriptor"]["event_status"] = "far"  # openleadr goes by today's date
    text = create_message("oadrDistributeEvent", request_id="r1", vtn_id="vtn", events=[plain])
    validate_xml_schema(text)
    return text


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The scenario with and without its event."""
    folder = tmp_path_factory.mktemp("openadr")
    (folder / "shed.yaml").write_text(SCENARIO)
    (folder / "event.xml").write_text(document())

    def go(name, *more):
        scenario = load(folder / "shed.yaml", list(more))
        return Run(run(scenario, folder=folder / name, with_report=False).check().folder)

    return go("shed"), go("free", "services.openadr.events=[]")


def cars_w(found, customers, begin_h, end_h):
    """Return the mean power of customers' vehicles between two hours."""
    devices = {f"ev/{name.partition('/')[2]}" for name in customers}
    rows = found.series("device")
    here = (rows["t_ms"] >= begin_h * H) & (rows["t_ms"] < end_h * H)
    return rows[here & rows["device"].isin(devices)].groupby("t_ms")["p_w"].sum().mean()


def answers(found):
    events = found.series("event")
    rows = events[events["kind"] == "openadr_answered"]
    return [json.loads(text)["document"] for text in rows["value"]]


def opted(found):
    events = found.series("event")
    rows = events[(events["kind"] == "signal_answered") & (events["element"] == "openadr:shed-1")]
    return [json.loads(text) for text in rows["value"]][-1]


@pytest.mark.slow
@pytest.mark.requirement("CP-07")
def test_two_hours_of_load_shed_move_the_power_of_those_who_opted_in(runs):
    shed, free = runs
    who = opted(shed)
    assert len(who["opted_in"]) > 3
    assert len(who["opted_out"]) > 1
    assert who["silent"] == []
    for names, moves in ((who["opted_in"], True), (who["opted_out"], False)):
        before = cars_w(free, names, 1.1, 3.0)
        during = cars_w(shed, names, 1.1, 3.0)
        assert before > 2_000
        if moves:
            assert during < 0.5 * before
            assert cars_w(shed, names, 3.0, 4.0) > cars_w(free, names, 3.0, 4.0)
        else:
            assert during == pytest.approx(before, rel=1e-6)
    begun = shed.series("event")
    begun = begun[begun["kind"] == "set_point_changed"]["t_us"].min() / 1000
    assert H <= begun < H + 5_000


@pytest.mark.slow
@pytest.mark.requirement("CP-07")
def test_the_answer_is_openadr_and_says_who_opted(runs):
    shed, _ = runs
    who, (created, opt, _) = opted(shed), answers(shed)
    for text in answers(shed):
        validate_xml_schema(text)
    kind, value = parse_message(created)
    assert (kind, value["ven_id"]) == ("oadrCreatedEvent", "fernwatt")
    (reply,) = value["event_responses"]
    assert (reply["event_id"], reply["opt_type"]) == ("shed-1", "optIn")
    counts = [len(who[name]) for name in ("opted_in", "opted_out", "silent")]
    assert [int(n) for n in re.findall(r"\d+", reply["response_description"])] == counts
    assert re.findall(r"resourceID>([^<]+)<", opt) == who["opted_out"]


@pytest.mark.slow
@pytest.mark.requirement("CP-07")
def test_it_reports_back_what_was_drawn_as_the_meters_counted(runs):
    shed, _ = runs
    kind, value = parse_message(answers(shed)[-1])
    assert kind == "oadrUpdateReport"
    intervals = value["reports"][0]["intervals"]
    assert [one["dtstart"] for one in intervals] == [
        BEGINS + k * timedelta(minutes=15) for k in range(8)
    ]
    reported_kwh = sum(one["report_payload"]["value"] for one in intervals)
    rows = shed.series("terminal")
    meters = {u["id"].partition("/")[2] for u in shed.topology["units"] if u["kind"] == "meter"}
    rows = rows[rows["terminal"].str.partition("/")[2].isin(meters)]
    during = rows[(rows["t_ms"] >= H) & (rows["t_ms"] < 3 * H)]
    assert reported_kwh == pytest.approx(during["p_w"].sum() / 12e3, rel=0.02)


@pytest.mark.slow
@pytest.mark.requirement("CP-07")
def test_nothing_below_hears_of_openadr(runs):
    shed, _ = runs
    requests, units = shed.series("request"), shed.topology["units"]
    below = requests[requests["unit"] != "gateway/openadr"]
    assert not below["variable"].str.startswith("openadr").any()
    assert [unit["id"] for unit in units if "openadr" in unit["services"]] == ["gateway/openadr"]
    messages = shed.series("message")
    ours = messages[(messages["src"] == "gateway/openadr") | (messages["dst"] == "gateway/openadr")]
    assert set(ours["src"]) | set(ours["dst"]) == {"gateway/openadr", "tlgmu/top"}


def write(folder, text, scenario=SCENARIO):
    (folder / "event.xml").write_text(text)
    (folder / "shed.yaml").write_text(scenario)
    return folder / "shed.yaml"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "line 1: declarations"),
        ("<oadrPayload/>", "line 1: begins with oadrPayload"),
        ("no XML", "line 1: is no XML"),
        ("x" * 70_000, "70000 bytes|64001 bytes"),
    ],
)
def test_documents_that_are_none_are_faults_of_the_scenario(tmp_path, text, why):
    with pytest.raises(ScenarioError, match=why) as caught:
        assemble(load(write(tmp_path, text)))
    (fault,) = caught.value.faults
    assert fault.path == "services.openadr.events[0].file"
    assert fault.message.startswith("event.xml: ")
    assert fault.where.startswith("shed.yaml:")


def test_files_lie_below_the_scenario(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "event.xml").write_text(document())
    outside = SCENARIO.replace("event.xml", "../event.xml")
    with pytest.raises(ScenarioError, match="outside the scenario's folder"):
        load(write(inner, document(), outside))
    with pytest.raises(ScenarioError, match="no file other"):
        load(write(inner, document(), SCENARIO.replace("event.xml", "other.xml")))


def test_an_event_may_stand_in_the_scenario(tmp_path):
    made = document()
    inline = json.dumps(made)
    text = SCENARIO.replace("file: event.xml", f"inline: {inline}")
    plan = assemble(load(write(tmp_path, "unused", text)))
    (feed,) = [f for f in plan.params["field"]["feeds"] if f["variable"] == "openadr.payload"]
    assert feed["times_ms"] == [H // 2]
    assert feed["values"][0]["document"] == made


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("services.openadr.events=[{at_h: 1}]", "one of file and inline"),
        ("services.control=null", "nobody would follow"),
        (
            "services={balancing: {mode: steering}, control: {intelligence: local}}",
            "balancing moves the same devices",
        ),
    ],
)
def test_what_cannot_be_is_told(tmp_path, change, why):
    with pytest.raises(ScenarioError, match=why):
        load(write(tmp_path, document()), [change])
