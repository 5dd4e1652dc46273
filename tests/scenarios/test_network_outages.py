"""What fails, disturbs and interferes by scenario: each takes its messages, and no others."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from analysis import Run
from scenarios import load, run
from scenarios.assembly import assemble

QUIET = [
    "units.history_days=0",
    "services.balancing.mode=local",
    "devices.ev.share=0",
    "devices.battery.share=0",
]
BY_CLOUD = ["network.lv_fan=plc-g3", "network.wan=gprs", "network.hosting.lvgmu=cloud"]
QUARTER_US = 900_000_000
ONE, TWO = "meter/lv4.101/load-1", "meter/lv4.101/load-2"


def go(folder: Path, *changes: str) -> Run:
    scenario = load("street", [*QUIET, *changes])
    return Run(run(scenario, folder=folder, with_report=False).check().folder)


def reports(found: Run, quarter: int) -> pd.DataFrame:
    """Return the meters' messages to their unit in the five minutes after a quarter's begin."""
    table = found.messages
    since_us = quarter * QUARTER_US
    within = table["t_send_us"].between(since_us, since_us + 300_000_000)
    up = table["src"].str.startswith("meter/") & table["dst"].str.startswith("lvgmu/")
    return table[within & up]


@pytest.mark.requirement("NW-05")
def test_outages_of_every_kind_take_what_passes_them_and_no_more(tmp_path: Path) -> None:
    """Meter – power line – gateway – base station – core – cloud, each out for a quarter."""
    elements = {
        1: (ONE, "node-down"),
        2: ("lv-fan/*", "no-route"),
        3: ("gateway/lv4.101", "node-down"),
        4: ("base-station/*", "no-route"),
        5: ("core/mobile", "no-route"),
        6: ("cloud/*", "no-route"),
    }
    outages = ", ".join(
        f'{{element: "{element}", at_h: {quarter / 4 - 0.01}, lasts_h: 0.11}}'
        for quarter, (element, _) in elements.items()
    )
    found = go(tmp_path / "out", "time.duration_h=2", *BY_CLOUD, f"network.outages=[{outages}]")
    meters = set(reports(found, 7)["src"])
    assert len(meters) == 41
    after = reports(found, 7)
    assert set(after["src"][after["fate"] == "delivered"]) == meters  # all is as it was
    for quarter, (element, _) in elements.items():
        sent = reports(found, quarter)
        arrived = set(sent["src"][sent["fate"] == "delivered"])
        assert arrived == (meters - {ONE} if element == ONE else set()), element
        lost = Counter(sent["loss"][sent["fate"] == "lost"])
        assert lost, element
        assert set(lost) <= {"no-route", "node-down", "retries"}, (element, lost)
    events = found.events
    assert Counter(events["kind"][events["source"] == "network"]) == {
        "node_down": 4, "node_up": 4, "carrier_down": 2, "carrier_up": 2,
    }  # fmt: skip


def test_rates_are_drawn_as_an_alternating_renewal_process() -> None:
    rate = "network.outage_rates=[{element: 'meter/*', every_h: 20, lasts_h: 2}]"
    scenario = load("street", [*QUIET, "time.duration_h=480", rate])
    outages = assemble(scenario).params["network"]["spec"]["outages"]
    by_meter: dict[str, list[dict[str, float]]] = {}
    for outage in outages:
        by_meter.setdefault(outage["element"], []).append(outage)
    assert len(by_meter) == 41
    lasts = [it["until_ms"] - it["at_ms"] for it in outages]
    assert sum(lasts) / len(lasts) == pytest.approx(2 * 3.6e6, rel=0.1)  # ± 4 % is one deviation
    assert len(outages) == pytest.approx(41 * 480 / 22, rel=0.1)
    for each in by_meter.values():
        ends = [(it["at_ms"], it["until_ms"]) for it in sorted(each, key=lambda it: it["at_ms"])]
        assert all(end < begin for (_, end), (begin, _) in pairwise(ends))
    again = assemble(scenario).params["network"]["spec"]["outages"]
    assert again == outages


@pytest.mark.requirement("NW-05")
def test_a_jammer_reaches_those_near_it_and_is_named_as_the_cause(tmp_path: Path) -> None:
    """It sends beside one house for a quarter; mesh nodes far away do not notice."""
    noise = (
        f"{{kind: jammer, element: 'lv-fan/*', at: {ONE}, power_dbm: -10, at_h: 0.24, "
        "lasts_h: 0.11}"
    )
    found = go(
        tmp_path / "jam", "time.duration_h=0.75", "network.lv_fan=rf-mesh-15.4",
        f"network.noises=[{noise}]",
    )  # fmt: skip
    jammed, calm = reports(found, 1), reports(found, 2)
    assert set(calm["src"][calm["fate"] == "delivered"]) == set(jammed["src"])
    lost = jammed[jammed["fate"] == "lost"]
    assert ONE in set(lost["src"])
    assert 0 < len(set(lost["src"])) < 41
    assert set(lost["loss"]) <= {"jamming", "access", "retries"}
    assert "jamming" in set(found.messages["loss"])


def test_what_an_adversary_does_is_in_the_messages_and_in_the_truth_alone(tmp_path: Path) -> None:
    taps = ", ".join(
        [
            "{element: wan/lv4.101, does: record}",
            f"{{element: {ONE}, does: drop, from_h: 0.2}}",
            f"{{element: lvgmu/lv4.101, does: delay, delay_s: 7, src: [{TWO}]}}",
        ]
    )
    found = go(
        tmp_path / "tap", "time.duration_h=0.5", "network.wan=fibre", f"network.taps=[{taps}]"
    )
    table = found.messages
    tapped = table[table["loss"] == "tapped"]
    assert set(tapped["src"]) <= {ONE, "cmu/lv4.101/load-1", "lvgmu/lv4.101"}
    assert len(tapped) > 0
    slow = table[(table["src"] == TWO) & (table["fate"] == "delivered")]
    assert (slow["delay_us"] >= 7_000_000).all()
    truth = found.series("truth")
    told = truth[truth["kind"] == "tapped"]
    over = table[table["src"].str.startswith("lvgmu/") & table["dst"].str.startswith("mvgmu/")]
    assert set(over["id"]) <= set(told["element"])
    assert set(tapped["id"]) <= set(told["element"])
