"""Attacks in the street, each beside the same run without it, with and without defence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from analysis import Run
from analysis.attacks import alarms, orders_not_given
from analysis.kpis import compute
from scenarios import load, run

FORGED = {"kind": "inject", "from_h": 0.5, "until_h": 1.0, "to": "dmu/*/battery", "p_w": 4000.0}
Go = Callable[..., Run]
Kpis = dict[str, dict[str, Any]]


@pytest.fixture
def go(tmp_path: Path) -> Go:
    """Return how to run the street for some hours, attacked or not."""

    def play(attack: dict[str, Any] | None, *settings: str, hours: float = 1.25) -> Run:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        source: dict[str, Any] = {"fernwatt": 1, "name": "case", "extends": "attacks"}
        source["time"] = {"start": "2016-04-20T15:00:00Z", "duration_h": hours}
        source["units"] = {"history_days": 1}
        source["attacks"] = [{"name": "it", **attack}] if attack else []
        with (folder / "case.yaml").open("w") as file:
            YAML().dump(source, file)
        scenario = load(folder / "case.yaml", settings)
        return Run(run(scenario, folder=folder / "run", with_report=False).check().folder)

    return play


def value(kpis: Kpis, name: str) -> float:
    found = kpis[name]["value"]
    assert found is not None, (name, kpis[name])
    return float(found)


def test_forged_orders_are_carried_out_and_seen_only_by_who_looks(go: Go) -> None:
    seen = go(FORGED)
    kpis = compute(seen)
    assert value(kpis, "orders_not_given") >= 5
    assert value(kpis, "attacks_detected_percent") == 100.0
    assert value(kpis, "detection_time_s") < 60.0
    assert {alarm.kind for alarm in alarms(seen)} == {"order"}
    unseen = go(FORGED, "services.detection=null")
    kpis = compute(unseen)
    assert value(kpis, "orders_not_given") >= 5
    assert kpis["attacks_detected_percent"]["value"] is None
    assert alarms(unseen) == []


def test_protected_units_refuse_them_and_say_so(go: Go) -> None:
    kpis = compute(go(FORGED, "units.security=integrity"))
    assert value(kpis, "orders_not_given") == 0.0
    assert value(kpis, "frames_refused") >= 5
    assert value(kpis, "attacks_detected_percent") == 100.0


@pytest.mark.slow
@pytest.mark.parametrize("security", ["none", "integrity+secrecy"])
def test_without_an_attack_nothing_is_raised_refused_or_carried_out(go: Go, security: str) -> None:
    kpis = compute(go(None, f"units.security={security}", hours=6))
    for name in ("orders_not_given", "frames_refused", "alarms", "false_alarms_per_day"):
        assert value(kpis, name) == 0.0


@pytest.mark.slow
@pytest.mark.requirement("SP-09")
@pytest.mark.parametrize(
    ("attack", "classes"),
    [
        ({"kind": "replay", "to": "dmu/*", "flows": ["control"]}, {"order"}),
        ({**FORGED, "kind": "inject"}, {"order"}),
        ({**FORGED, "kind": "stale_certificate", "keys": "foreign"}, {"order"}),
        ({"kind": "flip", "to": "dmu/*", "flows": ["control"], "bits": 2}, {"order", "garbage"}),
    ],
)
def test_orders_that_nobody_gave_are_carried_out_only_where_nothing_protects(
    go: Go, attack: dict[str, Any], classes: set[str]
) -> None:
    window = {"from_h": 0.5, "until_h": 2.0}
    bare, safe = (
        go({**attack, **window}, f"units.security={level}", hours=2.25)
        for level in ("none", "integrity+secrecy")
    )
    assert len(orders_not_given(bare)) > 0
    assert classes & {alarm.kind for alarm in alarms(bare)}
    assert len(orders_not_given(safe)) == 0
    assert value(compute(safe), "frames_refused") > 0
    assert "forgery" in {alarm.kind for alarm in alarms(safe)}


@pytest.mark.slow
@pytest.mark.requirement("SP-09")
def test_a_listener_reads_values_unless_they_are_encrypted(go: Go) -> None:
    attack = {"kind": "eavesdrop", "from_h": 0.25, "until_h": 1.0, "at": "lv-fan/lv4.101"}
    read = [
        value(compute(go(attack, f"units.security={level}")), "values_disclosed")
        for level in ("none", "integrity", "integrity+secrecy")
    ]
    assert min(read[:2]) > 200
    assert read[2] == 0


@pytest.mark.slow
@pytest.mark.requirement("SP-09")
@pytest.mark.parametrize(
    ("attack", "kpi", "least", "classes"),
    [
        ({"kind": "jam", "media": "lv-fan/*"}, "area_energy_error_wh", 2.0, {"silence"}),
        (
            {"kind": "compromise", "units": "lvgmu/*", "variable": "area.energy",
             "fields": ["import_wh"], "does": "scale", "factor": 0.8},
            "area_energy_error_wh", 5.0, {"audit"},
        ),
        (
            {"kind": "false_data", "instruments": "meter/lv4.101/load-1*/register", "factor": 0.3},
            "area_energy_error_wh", 2.0, {"balance"},
        ),
    ],
)  # fmt: skip
def test_wrong_sums_are_found_whatever_protects_messages(
    go: Go, attack: dict[str, Any], kpi: str, least: float, classes: set[str]
) -> None:
    window = {"from_h": 0.5, "until_h": 3.0}
    for level in ("none", "integrity+secrecy"):
        settings = (f"units.security={level}", "services.detection.audit_h=1.0")
        attacked = go({**attack, **window}, *settings, hours=3.5)
        quiet = go(None, *settings, hours=3.5)
        assert value(compute(attacked), kpi) > least * value(compute(quiet), kpi)
        assert classes <= {alarm.kind for alarm in alarms(attacked)}


@pytest.mark.slow
@pytest.mark.requirement("SP-09")
def test_one_frame_takes_a_house_out_of_the_negotiation_unless_it_is_refused(go: Go) -> None:
    wild = {"negotiation": 2_000_000_000, "slot": 0, "slots": 96, "unit_w": 10}
    attack = {"kind": "spoof", "from_h": 0.5, "to": "cmu/*", "variable": "balancing.request"}
    answers = [
        value(compute(go({**attack, "value": wild}, f"units.security={level}", hours=3.0)),
              "negotiation_answers_percent")
        for level in ("none", "integrity")
    ]  # fmt: skip
    assert answers[0] < 80.0
    assert answers[1] > 95.0


@pytest.mark.slow
@pytest.mark.requirement("SP-09")
def test_a_flood_is_noticed_and_the_units_own_messages_still_arrive(go: Go) -> None:
    attack = {"kind": "flood", "from_h": 0.5, "until_h": 0.75, "to": "lvgmu/lv4.101"}
    kpis = compute(go({**attack, "every_s": 0.1}))
    assert value(kpis, "attacks_detected_percent") == 100.0
    assert value(kpis, "own_delivery_percent") > 95.0


@pytest.mark.slow
@pytest.mark.requirement("SP-09")
def test_a_manipulated_forecast_is_found_by_houses_with_panels(go: Go) -> None:
    attack = {"kind": "forecast", "from_h": 0.0, "factor": 0.1}
    found = go(attack, "time.start=2016-04-20T09:00:00Z", hours=3.25)
    assert {alarm.kind for alarm in alarms(found)} == {"forecast"}
    quiet = go(None, "time.start=2016-04-20T09:00:00Z", hours=3.25)
    assert alarms(quiet) == []
