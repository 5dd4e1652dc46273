"""Limits of the grid in the negotiations of whole scenarios, and both exchanges there."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

LIMIT = "services.balancing.limits=[{at: lvgmu, from_h: 8, until_h: 9.5, upper_w: 24000}]"


def test_a_limit_is_given_to_the_units_it_names() -> None:
    wanted = "[{at: lvgmu/lv4.101, from_h: 1, upper_w: 5e4}, {at: lvgmu, lower_w: -2e4}]"
    settings = [f"services.balancing.limits={wanted}", "services.balancing.exchange=distance"]
    units = assemble(load("street", settings)).params["units"]["spec"]["units"]
    (low,) = (unit for unit in units if unit["kind"] == "lvgmu")
    params = low["services"]["balancing"]
    assert params["exchange"] == "distance"
    first, second = params["limits"]
    assert (first["from_ms"], first["upper_w"], first["lower_w"]) == (3_600_000, 5e4, None)
    assert (second["from_ms"], second["upper_w"], second["lower_w"]) == (0, None, -2e4)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("{at: lvgmu/lv4.102, upper_w: 1}", "lvgmu/lv4.101"),
        ("{at: lvgmu}", "one of them is needed"),
        ("{at: lvgmu, upper_w: 1, lower_w: 2}", "above upper_w"),
        ("{at: lvgmu, upper_w: 1, from_h: 3, until_h: 2}", "not after from_h"),
    ],
)
def test_what_is_wrong_with_a_limit_is_said(limit: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        assemble(load("street", [f"services.balancing.limits=[{limit}]"]))
    assert said in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("exchange", ["profile", "distance"])
def test_the_street_plans_within_a_limit(tmp_path: Path, exchange: str) -> None:
    settings = ["time.duration_h=1", LIMIT, f"services.balancing.exchange={exchange}"]
    found = Run(run(load("street", settings), folder=tmp_path / "r", with_report=False).folder)
    rounds = found.series("negotiation")
    stages = rounds["stage"].astype(str)
    assert {"flat", "limits"} <= set(stages)
    assert ("agree" in set(stages)) == (exchange == "distance")
    limited = rounds[(stages == "limits").to_numpy()]
    assert (limited["distance_after_w"] <= limited["distance_before_w"] + 1e-6).all()
    assert limited["beyond_after_w"].iloc[-1] == 0.0
    last = rounds.groupby("id")["beyond_after_w"].last()
    assert (last == 0.0).all()
    assert found.kpis["limits_kept_percent"]["value"] == 100.0
    assert found.kpis["negotiation_distance_w"]["by"].keys() == {"lvgmu"}
