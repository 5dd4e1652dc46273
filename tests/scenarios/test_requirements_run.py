"""The same services over a good and a bad line: what is asked, and what it is worth."""

from __future__ import annotations

import pytest

from analysis import Run
from scenarios import load, run

SETTINGS = [
    "time.duration_h=1", "time.start='2016-04-20T15:00:00Z'", "units.history_days=0",
    "grid.source.simbench=1-LV-rural1--0-sw",
]  # fmt: skip


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Return the runs over fibre, and over GPRS with losses, of the same hour."""
    found = {}
    for name, more in (
        ("good", ["network.lv_fan=fibre"]),
        ("bad", ["network.lv_fan=gprs", "network.loss=0.2"]),
    ):
        folder = tmp_path_factory.mktemp("lines") / name
        result = run(load("street", SETTINGS + more), folder=folder, with_report=False).check()
        found[name] = Run(result.folder)
    return found


@pytest.mark.slow
@pytest.mark.requirement("NW-06")
def test_flows_are_held_against_the_classes_of_their_applications(lines):
    good, bad = lines["good"].kpis, lines["bad"].kpis
    assert set(good["deadline_misses_percent"]["by"]) == {"balancing", "control", "metering"}
    assert good["requirements_met_percent"]["by"]["metering"] == 100.0
    assert bad["requirements_met_percent"]["value"] < good["requirements_met_percent"]["value"]
    assert bad["deadline_misses_percent"]["by"]["metering"] > 10.0
    for kpis in (good, bad):
        for flow, missed in kpis["deadline_misses_percent"]["by"].items():
            assert missed >= 100.0 - kpis["delivery_percent"]["by"][flow] - 1e-9
        for name in ("goodput_bps", "airtime_percent", "queueing_percent"):
            assert kpis[name]["value"] > 0.0
        assert kpis["messages_unaccounted"]["value"] == 0
        assert kpis["delay_gap_us"]["value"] == 0.0


@pytest.mark.slow
@pytest.mark.requirement("NW-10")
def test_experience_falls_with_loss_and_delay(lines):
    good, bad = (lines[name].kpis["experience"]["by"] for name in ("good", "bad"))
    assert good["metering"] > 4.9
    assert bad["metering"] < good["metering"] - 0.5
    lost = 100.0 - lines["bad"].kpis["delivery_percent"]["by"]["metering"]
    assert bad["metering"] <= 5.0 - 4.0 * lost / 100.0 + 1e-9
