"""The storm, end to end: what a fault sets off is in the tables, and adds up."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from analysis import Run
from scenarios import load, run

US_PER_H = 3.6e9


@pytest.fixture(scope="module", name="storm")
def fixture_storm(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The scenario as it is."""
    folder = tmp_path_factory.mktemp("storm") / "run"
    return Run(run(load("storm"), folder=folder, with_report=False).check().folder)


def of_kind(storm: Run, *kinds: str) -> pd.DataFrame:
    events = storm.events
    return events[events["kind"].isin(kinds)]


def elements(frame: pd.DataFrame) -> list[str]:
    return sorted(frame["element"].astype(str))


@pytest.mark.requirement("GR-02")
def test_each_fault_ends_as_the_description_says(storm: Run) -> None:
    at_line = of_kind(storm, "fault_begins", "fault_goes_out", "fault_repaired")
    fates = at_line.groupby("element", observed=True)["kind"].agg(list).to_dict()
    assert fates == {
        "line/mv1.101/line-38": ["fault_begins", "fault_goes_out"],
        "line/mv1.101/line-39": ["fault_begins", "fault_goes_out"],
        "line/mv1.101/line-69": ["fault_begins", "fault_repaired"],
        "line/lv1.101-2/line-8": ["fault_begins", "fault_repaired"],
    }
    moved = storm.series("switch").groupby("switch", observed=True)["closed"].agg(list).to_dict()
    assert moved == {
        "switch/mv1.101/switch-89": [False, True],  # the recloser, once
        "switch/mv1.101/switch-141": [False, True, False, True],  # in vain, and by hand
        "switch/lv1.101-2/switch-5": [False, False, True],  # two links, and three new ones
    }
    done = storm.series("protection")["kind"].value_counts()
    assert (done["lockout"], done["melted"]) == (1, 2)


def test_interruptions_follow_the_switches_and_name_them(storm: Run) -> None:
    found = storm.series("interruption")
    fed = {terminal["id"]: terminal for terminal in storm.grid["terminals"]}
    opened = of_kind(storm, "switch_opened").set_index("id")
    assert set(found["cause"]) <= set(opened.index)
    assert (opened.loc[found["cause"], "t_us"].to_numpy() == found["begin_us"].to_numpy()).all()
    village = [ident for ident, terminal in fed.items() if terminal["area"] == "lv1.101"]
    long = found[found["end_us"] - found["begin_us"] > 3_600_000_000]
    assert set(village) <= set(long["terminal"])
    assert set(long[long["customer"] != ""]["terminal"]) >= set(village)


def test_interruptions_add_up_in_every_table(storm: Run) -> None:
    found, by_area = storm.series("interruption"), storm.series("unsupplied")
    lasted_h = (found["end_us"] - found["begin_us"]) / US_PER_H
    customers = found["customer"].astype(str) != ""
    assert by_area["customer_h"].sum() == pytest.approx(lasted_h[customers].sum(), rel=1e-9)
    assert by_area["energy_wh"].sum() == pytest.approx(found["energy_wh"].sum(), rel=1e-9)
    count = sum(bool(terminal["customer"]) for terminal in storm.grid["terminals"])
    long = customers & (lasted_h > 0.05)
    assert storm.kpis["saifi"]["value"] == pytest.approx(long.sum() / count)
    assert storm.kpis["saidi_min"]["value"] == pytest.approx(60 * lasted_h[long].sum() / count)
    lost, restored = (elements(of_kind(storm, f"supply_{what}")) for what in ("lost", "restored"))
    assert lost == restored == sorted(found["terminal"].astype(str))


def test_nodes_go_dark_when_their_battery_is_empty_and_are_back_with_the_supply(
    storm: Run,
) -> None:
    found = storm.series("interruption")
    nodes = {node["id"]: node for node in storm.topology["network"]["nodes"]}
    events = storm.events[storm.events["source"] == "network"]
    down = events[events["kind"] == "node_down"]
    assert elements(down) == elements(events[events["kind"] == "node_up"])
    without = {
        node: int(begin_us)
        for terminal, begin_us, end_us in zip(
            found["terminal"], found["begin_us"], found["end_us"], strict=True
        )
        for node, spec in nodes.items()
        if spec["terminal"] == terminal and end_us - begin_us > 1000 * spec["battery_ms"]
    }
    village_us = found[found["terminal"].astype(str).str.startswith("terminal/lv1.101/")]
    without["lvgmu/lv1.101"] = int(village_us["begin_us"].max())  # dead as long as the village
    assert set(down["element"]) == set(without)
    for node, t_us in zip(down["element"], down["t_us"], strict=True):
        assert 0 <= t_us - without[node] - 1000 * nodes[node]["battery_ms"] <= 1_000
    sent = storm.messages
    dark = sent["t_send_us"].between(4_100_000_000, 8_600_000_000)
    village = [n for n, s in nodes.items() if "terminal/lv1.101/" in (s["terminal"] or "")]
    assert not sent[dark]["src"].isin(village).any()


def test_converters_leave_the_grid_with_their_supply(storm: Run) -> None:
    tripped = of_kind(storm, "inverter_tripped")
    reasons = [json.loads(value)["reason"] for value in tripped["value"]]
    lost = of_kind(storm, "supply_lost")["element"].astype(str)
    converters = [d for d in storm.topology["devices"] if d.get("inverter")]
    expected = {d["id"] for d in converters if (lost == d["terminal"]).any()}
    # one that had not come back yet when the supply went again had nothing to leave
    assert set(tripped["element"][[reason == "supply" for reason in reasons]]) == expected
    assert expected
    device = storm.series("device")
    hour = device[device["t_ms"].between(4_500_000, 8_000_000)]
    dead = hour["terminal"].astype(str).str.startswith("terminal/lv1.101/")
    assert (hour[dead]["p_w"] == 0).all()


def test_what_is_true_is_recorded_and_every_event_has_its_cause(storm: Run) -> None:
    truth = storm.series("truth")
    faults = truth[truth["kind"].astype(str).str.startswith("fault_")]
    assert len(faults) == 9
    known = set(storm.events["id"])
    assert set(faults["cause"]) <= known
    grid = storm.events[storm.events["source"] == "grid"]
    assert set(grid["cause"]) <= known | {""}
