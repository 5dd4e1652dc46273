"""What the control centre's tools are given is what the network brought to the top, no more."""

from __future__ import annotations

import csv
import json
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from analysis import Run
from analysis.exports import FILES
from analysis.exports.files import COMMON
from analysis.exports.readings import NAMESPACE, TYPES
from fernwatt.errors import ScenarioError
from scenarios import load, run

ALL = "exports=[scada, dms, oms, mdm, market, tso]"
SMALL = ["grid.source={simbench: 1-LV-rural1--0-sw}", "units.history_days=1",
         "services.balancing.mode=local", "time.duration_h=5", "units.data={}", ALL]  # fmt: skip
FIELD = """field={drives: {}, sensors: [{at: ['line/mv1.101/line-1'], period_s: 300}]}"""


def made(folder, base, settings):
    return Run(run(load(base, settings), folder=folder, with_report=False).check().folder)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    return made(tmp_path_factory.mktemp("exports") / "quiet", "street", SMALL)


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    more = ["time.duration_h=3", "units.data={}", ALL, FIELD]
    return made(tmp_path_factory.mktemp("exports") / "storm", "storm", more)


def rows(found, name):
    with (found.folder / "exports" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def ms(found, texts):
    """Return instants as ms from the start."""
    times = pd.to_datetime(pd.Series(list(texts), dtype=object), utc=True)
    return ((times - found.start).dt.total_seconds() * 1000).round().astype(int).tolist()


def test_files_have_the_columns_that_are_documented(quiet):
    for file in FILES:
        with (quiet.folder / "exports" / file.name).open(encoding="utf-8") as stream:
            head = stream.readline().strip().split(",")
        assert head == [*COMMON, *file.columns]
        assert all(file.columns.values())


@pytest.mark.requirement("MU-06")
def test_exported_meter_readings_are_the_plants_registers_within_the_meters_class(quiet):
    terminals = quiet.series("terminal")
    mean_w = terminals.pivot(index="t_ms", columns="terminal", values="p_w")
    net_wh = mean_w.cumsum() * 0.25  # exact means over quarters of an hour
    gross_wh = mean_w.abs().cumsum() * 0.25
    readings, worst = rows(quiet, "mdm_values.csv"), 0.0
    meters = {row["meter"] for row in readings}
    assert len(meters) == 13
    for row, stamp_ms in zip(readings, ms(quiet, [r["time"] for r in readings]), strict=True):
        terminal = row["meter"].replace("meter/", "terminal/")
        true_wh = net_wh[terminal][stamp_ms - 900_000]
        told_wh = float(row["import_wh"]) - float(row["export_wh"])
        class_wh = 0.01 * gross_wh[terminal][stamp_ms - 900_000]
        offset_wh = 0.002 * 345.0 * stamp_ms / 3.6e6  # a fixed offset of power, see instruments
        assert abs(told_wh - true_wh) <= class_wh + offset_wh + 2.0
        worst = max(worst, abs(told_wh - true_wh) / (class_wh + offset_wh + 2.0))
    assert worst > 0.3  # meters err: these are no copies of the plant's own registers


def test_each_reading_came_over_the_network_and_is_as_late_as_it_was(quiet):
    messages = quiet.messages.set_index("id")
    found = rows(quiet, "mdm_values.csv")
    for row, at_ms in zip(found, ms(quiet, [r["received"] for r in found]), strict=True):
        frame = messages.loc[row["source_id"]]
        assert frame["dst"] == "tlgmu/top"
        assert frame["src"] == row["meter"]
        assert frame["fate"] == "delivered"
        assert frame["t_send_us"] + frame["delay_us"] == at_ms * 1000
    delays = np.array(ms(quiet, [r["received"] for r in found])) - ms(
        quiet, [r["time"] for r in found]
    )
    assert delays.min() > 0


@pytest.mark.slow
def test_what_the_network_loses_is_missing(tmp_path):
    found = made(tmp_path / "lossy", "street", [*SMALL, "network.loss=0.25", "time.duration_h=2"])
    messages = found.messages
    told = messages[
        (messages["dst"] == "tlgmu/top") & messages["src"].astype(str).str.startswith("meter/")
    ]
    requests = set(found.series("request")["id"])
    items = told[~told["cause"].isin(requests)
                 | told["cause"].str.startswith("meter/")]  # fmt: skip
    lost = set(items[items["fate"] == "lost"]["id"])
    exported = {row["source_id"] for row in rows(found, "mdm_values.csv")}
    assert len(lost) > 3
    assert exported.isdisjoint(lost)
    assert exported <= set(items[items["fate"] == "delivered"]["id"])


def test_the_message_for_meter_data_says_the_same_in_the_fields_own_form(quiet):
    text = (quiet.folder / "exports" / "mdm_meter_readings.xml").read_text("utf-8")
    space = {"m": NAMESPACE}
    found = {}
    for meter in ET.fromstring(text).findall("m:MeterReading", space):
        name = meter.findtext("m:Meter/m:mRID", namespaces=space)
        for one in meter.findall("m:Readings", space):
            kind = one.find("m:ReadingType", space).get("ref")
            key = (name, one.findtext("m:timeStamp", namespaces=space), kind)
            found[key] = float(one.findtext("m:value", namespaces=space))
    expected = {
        (row["meter"], row["time"], kind): float(row[key])
        for row in rows(quiet, "mdm_values.csv")
        for key, kind in TYPES.items()
    }
    assert found == expected
    assert all(len(kind.split(".")) == 18 for kind in TYPES.values())


def test_the_sum_for_the_transmission_operator_is_that_of_the_areas(storm):
    areas = {}
    for row in rows(storm, "market_energy.csv"):
        if row["area"].startswith("lvgmu/"):
            areas.setdefault(row["from"], []).append(row)
    total = {row["from"]: row for row in rows(storm, "tso_exchange.csv")}
    assert len(total) > 5
    for begin, row in total.items():
        parts = areas.get(begin, [])
        assert float(row["import_wh"]) <= sum(float(p["import_wh"]) for p in parts) + 1e-6
        if int(row["meters"]) == sum(int(p["meters"]) for p in parts):
            for key in ("import_wh", "export_wh"):
                assert float(row[key]) == pytest.approx(sum(float(p[key]) for p in parts))


def test_measurement_points_are_what_the_sensors_read(storm):
    readings = storm.series("reading")
    sensed = readings[readings["variable"] == "line.phases"]
    read = {}
    for record, stamp in zip(sensed["record"], sensed["t_clock_ms"], strict=True):
        value = json.loads(record)
        read[int(stamp)] = value["p_w"]
    points = [
        row
        for row in rows(storm, "scada_points.csv")
        if row["point"].startswith("line/mv1.101/line-1@") and row["quantity"] == "ActivePower"
    ]
    assert len(points) > 30
    for row, stamp in zip(points, ms(storm, [p["time"] for p in points]), strict=True):
        phase = int(row["point"][-1]) - 1
        assert float(row["value"]) == read[stamp][phase]


def test_states_of_switches_are_as_the_drives_told_and_late(storm):
    told = rows(storm, "dms_states.csv")
    moves = storm.series("switch")
    last = {
        str(name): bool(closed)
        for name, closed in zip(moves["switch"], moves["closed"], strict=True)
    }
    newest = {row["equipment"]: row["state"] for row in told if row["kind"] == "switch"}
    moved = {name for name in newest if name in last}
    assert moved
    assert all(newest[name] == ("closed" if last[name] else "open") for name in moved)
    received = np.array(ms(storm, [row["received"] for row in told]))
    stamped = np.array(ms(storm, [row["time"] for row in told]))
    assert (received[stamped > 0] > stamped[stamped > 0]).all()


@pytest.mark.requirement("MU-12")
def test_interruptions_are_those_that_were_within_what_meters_can_say(storm):
    truth = storm.series("interruption")
    supplies = [row for row in rows(storm, "oms_interruptions.csv") if row["kind"] == "supply"]
    assert len({row["place"] for row in supplies}) > 10
    for row in supplies:
        assert row["owner"].startswith("customer/")
        (after_ms,), (before_ms,) = ms(storm, [row["after"]]), ms(storm, [row["before"]])
        own = truth[truth["terminal"].astype(str) == row["place"].replace("meter/", "terminal/")]
        inside = own[(own["begin_us"] >= after_ms * 1000) & (own["end_us"] <= before_ms * 1000)]
        assert len(inside) > 0
        true_s = (inside["end_us"] - inside["begin_us"]).sum() / 1e6
        assert float(row["outage_s"]) == pytest.approx(true_s, abs=1.0)
    areas = [row for row in rows(storm, "oms_interruptions.csv") if row["kind"] == "area"]
    assert areas
    assert all(row["owner"] == "operator" for row in areas)


def test_nothing_is_exported_where_nothing_is_asked_for(tmp_path):
    settings = [one for one in SMALL if one != ALL] + ["time.duration_h=1"]
    found = made(tmp_path / "none", "street", settings)
    assert not (found.folder / "exports").exists()
    assert found.series("export").empty


def test_exports_need_the_data_that_they_are_made_of():
    with pytest.raises(ScenarioError, match=r"units\.data"):
        load("street", ["exports=[mdm]"])


@pytest.mark.slow
def test_both_couplings_export_the_same_bytes(tmp_path):
    folders = [
        made(tmp_path / coupling, "street",
             [*SMALL, "time.duration_h=1.5", f"orchestration.coupling={coupling}"]).folder
        for coupling in ("separate", "fused")
    ]  # fmt: skip
    names = sorted(path.name for path in (folders[0] / "exports").iterdir())
    assert len(names) == len(FILES) + 1
    for name in names:
        one, other = ((folder / "exports" / name).read_bytes() for folder in folders)
        assert one == other, name
