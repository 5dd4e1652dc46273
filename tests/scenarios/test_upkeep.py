"""Packages change what units run, over the street's power line; bad ones change nothing."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

LOW, TOP = "lvgmu/lv4.101", "tlgmu/top"
LATE = {"aggregation": {"params": {"deadline_s": 30}}}  # before all meters have reported
PACKAGES: list[dict[str, Any]] = [
    {"name": "spread", "at_h": 0.1, "units": ["meter/lv4.101/load-1*"], "trial_s": 600,
     "modules": {"metering": {"params": {"spread_s": 120}}}, "size_bytes": 2000},
    {"name": "hasty", "at_h": 0.3, "units": [LOW], "trial_s": 1900, "modules": LATE,
     "checks": [{"variable": "area.energy", "condition": "value.missing == 0"}]},
    {"name": "forged", "at_h": 0.2, "units": ["meter/*"], "signed_by": "stranger",
     "modules": {"metering": {"params": {"spread_s": 0}}}},
    {"name": "altered", "at_h": 0.25, "units": ["meter/*"], "altered": True,
     "modules": {"metering": {"params": {"spread_s": 0}}}},
    {"name": "wrong role", "at_h": 0.27, "units": ["meter/*"], "kind": "reset",
     "signed_by": "engineer"},
    {"name": "reset", "at_h": 1.05, "units": ["meter/lv4.101/load-10"], "kind": "reset"},
]  # fmt: skip


def source(packages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    made = YAML(typ="safe").load(Path("scenarios/street.yaml"))
    made["time"] = {"start": "2016-04-20T15:00:00Z", "duration_h": 2.5}
    made["units"] |= {"history_days": 1, "security": "integrity"}
    made["units"]["maintenance"] = {"packages": packages, "block_bytes": 200, **more}
    made["services"] = {"balancing": {"mode": "local"}}
    return made


def written(folder: Path, plain: dict[str, Any]) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "case.yaml"
    with path.open("w") as file:
        YAML().dump(plain, file)
    return str(path)


@pytest.fixture(scope="module")
def upkept(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("upkeep")
    scenario = load(written(folder, source(PACKAGES)))
    return Run(run(scenario, folder=folder / "run", with_report=False).check().folder)


def values(found: Run, kind: str) -> list[tuple[str, dict[str, Any]]]:
    events = found.events
    events = events[(events["kind"] == kind).to_numpy()]
    return [
        (str(element), value if isinstance(value, dict) else json.loads(value))
        for element, value in zip(events["element"], events["value"], strict=True)
    ]


@pytest.mark.requirement("SP-08")
def test_good_packages_are_installed_bad_ones_refused_and_failing_ones_undone(upkept: Run) -> None:
    states = {(unit, v["serial"]): v["phase"] for unit, v in values(upkept, "module_state")}
    meters = {unit for unit, serial in states if serial == 1}
    assert len(meters) == 11
    assert all(unit.startswith("meter/lv4.101/load-1") for unit in meters)
    assert {states[meter, 1] for meter in meters} == {"confirmed"}
    assert states[LOW, 2] == "rolled-back"
    assert states["meter/lv4.101/load-10", 6] == "reset"
    assert not {serial for _, serial in states} & {3, 4, 5}
    assert [(u, v["why"]) for u, v in values(upkept, "update_refused")] == [
        (TOP, "signature"), (TOP, "forged"), (TOP, "role")
    ]  # fmt: skip
    kpis = upkept.kpis
    assert kpis["updates"]["by"] == {"confirmed": 11, "reset": 1, "rolled-back": 1}
    assert kpis["updates_refused"]["value"] == 3
    assert kpis["update_time_s"]["value"] > 600


@pytest.mark.requirement("SP-08")
def test_the_top_hears_what_became_of_them_and_each_link_is_crossed_once(upkept: Run) -> None:
    reports = {v["serial"]: v["units"] for _, v in values(upkept, "update_report")}
    assert reports[1] == {"confirmed": 11}
    assert reports[2] == {"rolled-back": 1}
    assert reports[6] == {"reset": 1}
    requests = upkept.series("request")
    blocks = requests[(requests["variable"] == "update.block").to_numpy()]
    blocks = blocks[(blocks["operation"] == "write").to_numpy()]
    asked = blocks.groupby(["unit", "location"], observed=True).size()
    (middle,) = {where for unit, where in asked.index if unit == TOP}
    (low,) = {where for unit, where in asked.index if unit == middle}
    assert low == LOW
    assert 0 <= asked[middle, LOW] - asked[TOP, middle] <= 2  # what came while it began anew
    assert asked[LOW, "meter/lv4.101/load-11"] < asked[TOP, middle]  # it needs one package only


@pytest.mark.requirement("SP-08")
def test_what_was_installed_is_what_meters_do(upkept: Run) -> None:
    """The reports of the updated meters are spread over two minutes, others over one."""
    sent = upkept.series("message")
    reports = sent[(sent["flow"] == "metering").to_numpy() & (sent["dst"] == LOW).to_numpy()]
    last = reports[(reports["t_send_us"] >= 8_100_000_000).to_numpy()]
    late_s = (last["t_send_us"] % 900_000_000) / 1e6
    first_s = late_s.groupby(last["src"].astype(str)).min()
    changed = first_s.index.str.match(r"meter/lv4\.101/load-1")
    reset = first_s.index == "meter/lv4.101/load-10"
    assert first_s[changed & ~reset].max() > 61
    assert first_s[~changed].max() < 61
    # it had forgotten who subscribed, which the substation noticed after three quarter-hours
    assert first_s[reset].max() < 61


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"units": ["meter/lv5*"]}, "units[0]", "no unit"),
        ({"modules": {"metring": {}}}, "modules.metring", "did you mean metering?"),
        ({"modules": {}}, "modules", "changes nothing"),
        ({"kind": "reset"}, "", "changes no modules"),
        ({"checks": [{"variable": "area.enrgy"}]}, "checks[0].variable", "area.energy"),
        ({"checks": [{"variable": "voltage", "condition": "value >"}]}, "checks[0]", "condition"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(tmp_path, change, path, says) -> None:
    package = deepcopy(PACKAGES[0]) | change
    with pytest.raises(ScenarioError) as caught:
        assemble(load(written(tmp_path, source([package]))))
    text = str(caught.value)
    assert f"units.maintenance.packages[0]{'.' if path else ''}{path}" in text
    assert says in text
