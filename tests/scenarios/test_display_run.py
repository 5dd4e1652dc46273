"""Customers look at their displays, and set strategy, contract and rights there, in a run."""

from __future__ import annotations

import json

import pytest

from analysis import Run
from scenarios import load, run
from scenarios.assembly import assemble

H = 3_600_000
STREET = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "time.start=2016-04-20T15:00:00Z",
    "time.duration_h=4", "units.history_days=0", "seed=3", "record.interval_s=300",
    "devices.ev.share=1.0", "devices.battery.share=0.0", "devices.pv.share=0.5",
    "services.balancing.mode=local", "units.gui=0.5", "units.data={}",
    "services.control={intelligence: hybrid, signal: command}",
    ("services.signals={tariff: {kind: time-of-use, bands: [{begin: '00:00', per_mwh: 250}, "
    "{begin: '17:00', per_mwh: 400}, {begin: '19:00', per_mwh: 210}], feed_in_per_mwh: 80}, "
    "commands: [{at_h: 0.9, begins_h: 1, lasts_h: 0.75, limit_percent: 20}, "
    "{at_h: 2.4, begins_h: 2.5, lasts_h: 1, limit_percent: 20}]}"),
    ("services.display={every_s: 900, settings: ["
    "{at_h: 0.5, customers: 'lv1.101/load-1', max_percent: 50}, "
    "{at_h: 2.0, customers: 'lv1.101/load-2', grants: false}, "
    "{at_h: 2.0, customers: 'lv1.101/load-3', follow: none}, "
    "{at_h: 0.5, customers: 'lv1.101/load-4', grants: false}, "
    "{at_h: 2.0, customers: 'lv1.101/load-4', grants: true}]}"),
]  # fmt: skip
OUT = {"command-1": {1, 4}, "command-2": {1, 2, 3}}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The run."""
    folder = tmp_path_factory.mktemp("display") / "run"
    return Run(run(load("street", STREET), folder=folder, with_report=False).check().folder)


def told(found, kind):
    events = found.series("event")
    rows = events[events["kind"] == kind]
    return [(t_us / 1000, element, json.loads(text)) for t_us, element, text in
            zip(rows["t_us"], rows["element"], rows["value"], strict=True)]  # fmt: skip


@pytest.mark.slow
@pytest.mark.requirement("MU-08")
def test_pages_show_what_the_meter_counted_and_what_it_cost(found):
    readings = found.series("reading")
    pages = told(found, "page_shown")
    places = {element for _, element, _ in pages}
    assert {name.split("/")[0] for name in places} == {"gui", "cmu"}
    tails = {name.partition("/")[2] for name in places}
    assert len(tails) == len(places) == sum(u["kind"] == "cmu" for u in found.topology["units"])
    for tail in sorted(tails):
        mine = [page for _, element, page in pages if element.partition("/")[2] == tail]
        for name in ("import", "export"):
            rows = readings[(readings["instrument"] == f"meter/{tail}/register")
                            & (readings["variable"] == f"energy.{name}")]  # fmt: skip
            shown = sum(page[f"{name}_wh"] or 0.0 for page in mine[1:])
            begin, end = mine[0]["t_ms"], mine[-1]["t_ms"]
            at = rows.set_index((rows["t_clock_ms"] / 900_000).round() * 900_000)["value"]
            assert shown == pytest.approx(at[end] - at[begin], abs=1.0)
        volts = [page["v_min_v"] for page in mine if page["v_min_v"] is not None]
        assert volts
        assert 180 < min(volts) < 260
        assert {page["outages"] for page in mine} == {0}


@pytest.mark.slow
@pytest.mark.requirement("MU-08")
def test_cost_follows_the_hours_and_advice_is_given(found):
    pages = [page for _, _, page in told(found, "page_shown") if page["cost_cent"] is not None]
    for page in pages:
        local_h = 17 + (page["t_ms"] - 1) / H
        cent = {True: 40.0, False: 21.0}[local_h < 19] * page["import_wh"] / 1e3
        cent -= 8.0 * page["export_wh"] / 1e3
        assert page["cost_cent"] == pytest.approx(cent, abs=0.01)
    advice = [page for page in pages if page["advice"] == "shift"]
    assert advice
    assert all(page["saving_cent"] >= 1.0 for page in advice)


@pytest.mark.slow
@pytest.mark.requirement("MU-08")
def test_what_customers_set_holds_from_then_on(found):
    answers = {number: value for _, number, value in told(found, "signal_answered")
               if value["unit"] == "aggregator/commands"}  # fmt: skip
    for number, out in OUT.items():
        names = {f"customer/lv1.101/load-{n}" for n in out}
        assert set(answers[number]["opted_out"]) == names
        assert answers[number]["silent"] == []
        assert len(answers[number]["opted_in"]) > 5
    denied = [(element, value["variable"]) for _, element, value in told(found, "access_denied")
              if value["service"] == "signals"]  # fmt: skip
    assert denied == [("cmu/lv1.101/load-4", "signal.command"),
                      ("cmu/lv1.101/load-2", "signal.command")]  # fmt: skip
    assert len(told(found, "customer_set")) == 5


def test_without_it_nothing_changes():
    without = [text for text in STREET if not text.startswith("services.display")]
    plan = assemble(load("street", without))
    specs = plan.params["units"]["spec"]["units"]
    assert not any("display" in unit["services"] for unit in specs)
    assert not any("strategy" in unit["services"].get("control", {}) for unit in specs)
