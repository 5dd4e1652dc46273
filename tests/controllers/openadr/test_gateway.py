"""Events become commands or prices of ours, and are answered as OpenADR asks for."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from openleadr.messaging import parse_message, validate_xml_schema

from controllers.openadr import Gateway, RefusalError, parse_document, translate
from controllers.signals import Command, Price
from controllers.unit import Loopback, UnitsCore
from controllers.unit.policy import READ_WRITE
from fernwatt.errors import ScenarioError
from fernwatt.messages import Reading
from fernwatt.timebase import Clock

H = 3_600_000
START = "2016-04-20T10:00:00Z"  # six hours before the events begin
GATEWAY = Gateway("fernwatt", "gateway/openadr", Clock.from_iso(START), (100, 70, 40, 0),
                  ("ev", "boiler"), ("command", "price"))  # fmt: skip


def translated(make, signal, **options):
    text = make.distribute(make.event(signals=[signal], **options))
    (event,) = parse_document(text.encode()).events
    return translate(event, GATEWAY, 5 * H)


@pytest.mark.parametrize(
    ("name", "kind", "values", "percent"),
    [
        ("SIMPLE", "level", [0.0, 1.0, 2.0, 3.0], (None, 70, 40, 0)),
        ("LOAD_CONTROL", "x-loadControlCapacity", [1.0, 0.5, 0.0], (None, 50, 0)),
        ("LOAD_CONTROL", "x-loadControlPercentOffset", [-20.0, -100.0], (80, 0)),
    ],
)
def test_load_signals_become_limits(make, name, kind, values, percent):
    command = translated(make, (name, kind, values, None)).command
    assert command.percent == percent
    assert (command.action, command.kinds, command.id) == (
        "limit", ("ev", "boiler"), "openadr:shed-1",
    )  # fmt: skip
    assert command.times_ms[0] == 6 * H
    assert command.times_ms[-1] == 8 * H
    assert Command.of(command.plain()) == command


def test_the_finer_signal_counts(make):
    both = [("SIMPLE", "level", [3.0], None),
            ("LOAD_CONTROL", "x-loadControlCapacity", [0.3], None)]  # fmt: skip
    (event,) = parse_document(make.distribute(make.event(signals=both)).encode()).events
    assert translate(event, GATEWAY, 0).command.percent == (30,)


def test_prices_are_in_cents_per_megawatt_hour(make):
    value = translated(make, ("ELECTRICITY_PRICE", "price", [0.31, -0.02], make.EUR_PER_KWH)).price
    price = Price.of(value)
    assert price.cent_per_mwh == (31_000, -2_000)
    assert (price.start_ms, price.step_ms, price.issued_ms) == (6 * H, H, 5 * H)


@pytest.mark.parametrize(
    ("signal", "options", "code"),
    [
        (("ELECTRICITY_PRICE", "price", [0.3], None), {}, 460),
        (("SIMPLE", "level", [1.0], None), {"targets": ("another",)}, 462),
        (("LOAD_CONTROL", "x-loadControlSetpoint", [1.0], None), {}, 460),
        (("LOAD_CONTROL", "x-loadControlCapacity", [1.5], None), {}, 454),
        (("ELECTRICITY_PRICE", "priceRelative", [1.5], None), {}, 460),
        (("BID_LOAD", "setpoint", [1.5], None), {}, 460),
    ],
)
def test_what_cannot_be_followed_is_refused_by_its_code(make, signal, options, code):
    with pytest.raises(RefusalError) as caught:
        translated(make, signal, **options)
    assert caught.value.code == code


def test_a_level_above_three_and_a_strange_currency_are_refused(make):
    text = make.distribute(make.event()).replace("<ei:value>2.0<", "<ei:value>7.0<")
    (event,) = parse_document(text.encode()).events
    with pytest.raises(RefusalError, match="none of 0 to 3"):
        translate(event, GATEWAY, 0)
    with pytest.raises(RefusalError, match="AFN per KWh"):
        translated(make, ("ELECTRICITY_PRICE", "price", [0.3], make.AFN_PER_KWH))


def test_a_cancelled_event_takes_its_command_back(make):
    command = translated(make, ("SIMPLE", "level", [2.0], None), status="cancelled").command
    assert (command.times_ms, command.percent) == ((), ())


def test_tests_and_what_is_over_move_nothing(make):
    for options in ({"status": "completed"}, {"test": True}):
        made = translated(make, ("SIMPLE", "level", [2.0], None), **options)
        assert made.command is None
        assert made.price is None


# -- the service, with a top below it that somebody else answers for -----------------------------


class Top:
    """Takes commands, and answers for customers as the test says."""

    name = "signals"

    def __init__(self, answers):
        self.answers, self.taken = answers, []

    def start(self, context):
        self.context = context
        context.data.event("signal.command", "tlgmu/top")
        context.data.event("signal.price", "gateway/openadr")

    def timer(self, name):
        pass

    def notify(self, notification):
        if notification.t_ms >= 0 and isinstance(notification.value, dict):
            self.taken.append((notification.variable, notification.value))
            if notification.variable == "signal.command" and self.answers is not None:
                answer = {"id": notification.value["id"], "unit": "tlgmu/top", **self.answers}
                self.context.data.write("signal.response", "gateway/openadr", answer)


def world(answers):
    top, rights = Top(answers), [["aggregator", "signals", READ_WRITE, 0]]
    gateway = {"ven": "fernwatt", "start": START, "levels_percent": [100, 70, 40, 0],
               "kinds": ["ev"], "answer_s": 300.0, "obeyed": ["command", "price"],
               "metered": "tlgmu/top"}  # fmt: skip
    spread = {"below": {"tlgmu/top": "tlgmu/top"}, "above": "gateway/openadr", "answer_s": 240.0}
    units = [
        {"id": "gateway/openadr", "kind": "provider", "owner": "aggregator",
         "instruments": ["feed"],
         "services": {"openadr": gateway, "signals": {"commands": spread}},
         "policies": {"signal.price": [["aggregator", "openadr", READ_WRITE, 0],
                                       ["aggregator", "signals", READ_WRITE, 0]]}},
        {"id": "tlgmu/top", "kind": "tlgmu", "owner": "aggregator", "services": {"signals": {}},
         "policies": {"signal.command": rights}},
    ]  # fmt: skip

    def factory(spec, params, directory):
        from controllers.signals import make_service

        return top if spec["id"] == "tlgmu/top" else make_service(spec, params, directory)

    return Loopback(UnitsCore({"units": units}, 1, factories={"signals": factory})), top


def arrives(bus, at_ms, *documents):
    readings = [
        Reading(f"feed#{at_ms}-{n}", "", "feed", "openadr.payload", at_ms, at_ms,
                {"document": text}, "1")
        for n, text in enumerate(documents)
    ]  # fmt: skip
    bus.run(at_ms, readings)


def documents(bus):
    found = [e.value["document"] for e in bus.events if e.kind == "openadr_answered"]
    for text in found:
        validate_xml_schema(text)
    return [parse_message(text) for text in found]


def test_the_answer_says_who_opted(make):
    answers = {"opted_in": ["a", "b"], "opted_out": ["c"], "silent": ["d"]}
    bus, top = world(answers)
    arrives(bus, H, make.distribute(make.event()))
    bus.run(2 * H)
    ((variable, command),) = top.taken
    assert (variable, command["percent"]) == ("signal.command", [40])
    (kind, created), (opt_kind, opt) = documents(bus)
    assert kind == "oadrCreatedEvent"
    (reply,) = created["event_responses"]
    assert (reply["opt_type"], reply["event_id"], reply["request_id"]) == ("optIn", "shed-1", "r1")
    assert reply["response_description"] == "OK: 2 in, 1 out, 1 silent"
    assert opt_kind == "oadrCreateOpt"
    assert opt["opt_type"] == "optOut"
    assert opt["event_id"] == "shed-1"
    (out,) = [text for text in (e.value["document"] for e in bus.events
              if e.kind == "openadr_answered") if "CreateOpt" in text]  # fmt: skip
    assert re.findall(r"resourceID>([^<]+)<", out) == ["c"]


def test_when_all_are_out_so_is_the_gateway(make):
    bus, _ = world({"opted_in": [], "opted_out": ["a"], "silent": []})
    arrives(bus, H, make.distribute(make.event()))
    bus.run(2 * H)
    ((_, created),) = documents(bus)
    assert created["event_responses"][0]["opt_type"] == "optOut"


def test_who_hears_nothing_answers_in_time(make):
    bus, _ = world(None)
    arrives(bus, H, make.distribute(make.event()))
    bus.run(H + 200_000)
    assert documents(bus) == []
    bus.run(H + 301_000)
    assert [kind for kind, _ in documents(bus)] == ["oadrCreatedEvent"]


def test_refused_events_and_documents_move_nothing(make):
    bus, top = world({"opted_in": [], "opted_out": [], "silent": []})
    arrives(bus, H, make.distribute(make.event(targets=("another",))), "<garbage", "")
    bus.run(2 * H)
    assert top.taken == []
    ((_, created),) = documents(bus)
    (reply,) = created["event_responses"]
    assert (int(reply["response_code"]), reply["opt_type"]) == (462, "optOut")
    assert len([e for e in bus.events if e.kind == "openadr_refused"]) == 3


def test_the_same_again_is_not_followed_again_a_modified_one_is(make):
    bus, top = world({"opted_in": ["a"], "opted_out": [], "silent": []})
    arrives(bus, H, make.distribute(make.event()))
    arrives(bus, H + 60_000, make.distribute(make.event()))
    shorter = make.event(version=1, hours=1.0)
    arrives(bus, H + 120_000, make.distribute(shorter))
    bus.run(2 * H)
    assert [value["times_ms"] for _, value in top.taken] == [[6 * H, 8 * H], [6 * H, 7 * H]]


def test_what_the_vtn_does_not_name_any_more_is_taken_back(make):
    bus, top = world({"opted_in": ["a"], "opted_out": [], "silent": []})
    arrives(bus, H, make.distribute(make.event()))
    arrives(bus, 2 * H, make.distribute(make.event("other", begins=make.T0 + timedelta(hours=4))))
    bus.run(3 * H)
    assert [value["times_ms"] for _, value in top.taken] == [
        [6 * H, 8 * H], [10 * H, 12 * H], []
    ]  # fmt: skip
    assert top.taken[-1][1]["id"] == "openadr:shed-1"


def test_a_price_goes_to_whoever_follows_prices(make):
    bus, top = world(None)
    signal = ("ELECTRICITY_PRICE", "price", [0.31], make.EUR_PER_KWH)
    arrives(bus, H, make.distribute(make.event(signals=[signal])))
    bus.run(2 * H)
    ((variable, value),) = top.taken
    assert (variable, value["cent_per_mwh"]) == ("signal.price", [31_000])
    assert [kind for kind, _ in documents(bus)] == ["oadrCreatedEvent"]


def test_what_was_drawn_meanwhile_is_reported(make):
    bus, top = world({"opted_in": ["a"], "opted_out": [], "silent": []})
    arrives(bus, H, make.distribute(make.event(hours=1.0)))
    for slot in range(20, 34):
        bus.run((slot + 1) * H // 4 + 300_000)
        value = {"t_ms": slot * H // 4, "import_wh": 1000.0 * slot, "export_wh": 500.0,
                 "meters": 40, "missing": 1 if slot == 26 else 0}  # fmt: skip
        top.context.data.write("area.energy", "tlgmu/top", value)
        bus.poke()
    reports = [(k, v) for k, v in documents(bus) if k == "oadrUpdateReport"]
    ((_, report),) = reports
    (one,) = report["reports"]
    assert one["report_name"] == "TELEMETRY_USAGE"
    values = [i["report_payload"]["value"] for i in one["intervals"]]
    assert values == [k - 0.5 for k in (24, 25, 26, 27)]  # the event's hour is the seventh
    quality = [i["report_payload"]["data_quality"] for i in one["intervals"]]
    assert [text.startswith("Quality Good") for text in quality] == [True, True, False, True]
    assert one["intervals"][0]["dtstart"] == make.T0


def test_parameters_are_checked():
    from controllers.openadr import make_service

    with pytest.raises(ScenarioError, match="7 faults"):
        make_service({"id": "gateway/openadr"}, {"ven": "x", "more": 1})
