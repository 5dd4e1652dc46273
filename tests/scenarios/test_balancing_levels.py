"""Balancing from a medium-voltage unit down to houses, over the district's network."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import Run
from scenarios import load, run
from scenarios.assembly import assemble

SHORT = ["time.duration_h=1", "services.balancing.root=mvgmu"]


def test_roles_follow_the_root() -> None:
    units = assemble(load("district", SHORT)).params["units"]["spec"]["units"]
    services = {unit["id"]: unit["services"].get("balancing") for unit in units}
    (middle,) = {one["parent"] for one in services.values() if one and one["role"] == "middle"}
    assert middle.startswith("mvgmu/")
    assert services[middle]["role"] == "parent"
    assert services["tlgmu/top"] is None
    assert {services[low]["role"] for low in services[middle]["children"]} == {"middle"}


@pytest.mark.slow
@pytest.mark.requirement("BA-01")
def test_the_sum_of_several_areas_comes_nearer_to_what_is_desired(tmp_path: Path) -> None:
    found = Run(run(load("district", SHORT), folder=tmp_path / "r", with_report=False).folder)
    rounds = found.series("negotiation")
    root = rounds[rounds["unit"].astype(str).str.startswith("mvgmu").to_numpy()]
    first = root[(root["id"] == root["id"].iloc[0]).to_numpy()]
    assert first["answers"].max() == 4  # areas, whose houses answered them
    assert first["distance_after_w"].is_monotonic_decreasing
    assert first["distance_after_w"].iloc[-1] < 0.5 * first["distance_before_w"].iloc[0]
    passed = found.series("request")
    wrote = passed[(passed["operation"] == "write").to_numpy()]
    for variable in ("request", "profile", "signal", "offer", "accept"):
        one = wrote[(wrote["variable"] == f"balancing.{variable}").to_numpy()]
        ends = (one[end].astype(str).str.partition("/")[0] for end in ("unit", "location"))
        pairs = set(zip(*ends, strict=True))
        up = variable in {"profile", "offer"}
        levels = {("cmu", "lvgmu"), ("lvgmu", "mvgmu")}
        assert pairs == (levels if up else {(b, a) for a, b in levels})
    assert any(event == "commanded" for event in found.events["kind"])
