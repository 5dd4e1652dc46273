"""Customers with a meter alone: who they are, what their substation knows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import Run
from scenarios import load, run
from scenarios.assembly import assemble

HALF = "units.cmu=0.5"
LOCAL = "services.balancing.mode=local"


def plan(*changes: str) -> Any:
    return assemble(load("street", (HALF, *changes)))


def bare_of(units: list[dict[str, Any]]) -> set[str]:
    return {u["id"] for u in units if u["kind"] == "meter" and not u["children"]}


def test_nothing_is_left_of_units_that_are_not_there() -> None:
    made = plan()
    units = {unit["id"]: unit for unit in made.topology["units"]}
    bare = bare_of(list(units.values()))
    meters = [unit for unit in units.values() if unit["kind"] == "meter"]
    assert 0.25 < len(bare) / len(meters) < 0.75
    tails = {meter.partition("/")[2] for meter in bare}
    for unit in units.values():
        if unit["kind"] in {"cmu", "dmu"}:
            assert "/".join(unit["id"].split("/")[1:3]) not in tails
        assert all(child in units for child in unit["children"])
    parts = {part for unit in units.values() for part in unit["instruments"]}
    field = made.params["field"]
    assert {one["id"] for one in (*field["instruments"], *field["gauges"])} <= parts
    assert {one["unit"] for one in field["actuators"]} <= set(units)
    area = next(unit for unit in units.values() if unit["kind"] == "lvgmu")
    params = area["services"]["balancing"]
    assert set(params["others"]) == bare
    assert len(params["children"]) + len(bare) == len(meters)
    assert set(params["meters"]) == set(params["children"])
    # the network reaches them all the same
    [lv_fan] = [m for m in made.topology["network"]["media"] if m["id"].startswith("lv-fan")]
    assert bare <= set(lv_fan["members"])


def test_suppliers_predict_their_own_alone() -> None:
    made = plan("services.balancing.suppliers=[{name: green, share: 0.5}, {name: blue}]")
    units = {unit["id"]: unit for unit in made.topology["units"]}
    area = next(unit for unit in units.values() if unit["kind"] == "lvgmu")
    others = {
        name: set(area["services"][f"balancing:{name}"]["others"]) for name in ("green", "blue")
    }
    assert others["green"] | others["blue"] == bare_of(list(units.values()))
    for name, meters in others.items():
        assert meters
        assert {units[meter]["supplier"] for meter in meters} == {name}


def test_all_services_of_houses_stand_without_some_units() -> None:
    """Displays, privacy, custody, detection, data groups, group management: none misses a unit."""
    plan(
        LOCAL, "services.display={}", "units.custody=true", "services.detection={}",
        "units.data={}", "units.gui=0.5", "services.signals={tariff: {kind: flat, per_mwh: 300}}",
        "services.control={signal: price}",
        "units.readers=[{name: x, stakeholder: x, variables: [energy.import], via: cmu}]",
    )  # fmt: skip
    plan("units.group={}", "units.security=with-privacy")


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A day of the street with half of the customers' units, one of the others closed."""
    first = next(iter(sorted(bare_of(plan().topology["units"]))))
    closed = first.partition("/")[2]
    policy = (
        f"units.policies=[{{customers: {closed}, variables: [energy.import, energy.export, "
        "load_profile], grants: [{stakeholder: operator, service: aggregation}]}]"
    )
    folder: Path = tmp_path_factory.mktemp("bare") / "run"
    changes = (HALF, policy, "time.duration_h=26")
    run(load("street", changes), folder=folder, with_report=False).check()
    return Run(folder), first


@pytest.mark.slow
@pytest.mark.requirement("BA-10")
def test_the_substation_predicts_the_group_and_asks_whom_it_may(evening: Any) -> None:
    done, closed = evening
    request = done.columns("request", "service", "variable", "location", "result").astype(str)
    mine = request[(request["service"] == "balancing").to_numpy()]
    bare = bare_of(done.topology["units"])
    read = mine[mine["location"].isin(bare).to_numpy()]
    assert set(read["location"]) == bare
    refused = read[(read["result"] == "denied").to_numpy()]
    assert set(refused["location"]) == {closed}
    assert "ok" not in set(read[(read["location"] == closed).to_numpy()]["result"])
    # what was said of the group a day ahead, held against all of it, the closed house too
    told = done.series("prediction")
    told = told[(told["what"].astype(str) == "group").to_numpy()]
    assert len(told) > 80
    terminals = done.columns("terminal", "t_ms", "terminal", "p_w")
    tails = {meter.partition("/")[2] for meter in bare}
    ours = terminals["terminal"].astype(str).str.partition("/")[2].isin(tails)
    truth = terminals[ours.to_numpy()].groupby("t_ms")["p_w"].sum()
    measured = told.set_index("t_ms")["measured_w"]
    at = measured.index.intersection(truth.index)
    # one house of some twenty is guessed from the others
    assert abs(measured[at].mean() / truth[at].mean() - 1.0) < 0.15
    kpi = done.kpis["group_prediction_nrmse"]
    assert 0.0 < kpi["value"] < 1.0
    assert kpi["value"] < kpi["by"]["yesterday"]


@pytest.mark.slow
@pytest.mark.requirement("BA-10")
def test_the_group_is_in_what_the_others_steer_by(evening: Any, tmp_path: Path) -> None:
    """Houses with units make room for those without: a lower peak than without any steering."""
    done, _ = evening
    run(load("street", (HALF, LOCAL, "time.duration_h=26")), folder=tmp_path / "l",
        with_report=False).check()  # fmt: skip
    local = Run(tmp_path / "l")
    assert done.kpis["peak_import_w"]["value"] < 0.9 * local.kpis["peak_import_w"]["value"]
    assert done.kpis["ev_not_served_wh"]["value"] == 0.0
