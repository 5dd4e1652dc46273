"""Requests over several levels in real networks: a district's top asks a charging point."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from controllers.unit import Result
from fernwatt.errors import ScenarioError
from fernwatt.messages import Reading
from scenarios import load
from scenarios.assembly import assemble
from tests.controllers.unit.conftest import Probe
from tests.scenarios.support.cyber import Cyber

TOP = "tlgmu/top"
OPEN = {"policies": {"device.energy": [["operator", "probe", 1, 0]]}}


def cut(*changes: str) -> tuple[Mapping[str, Any], list[str]]:
    """Return what a district's cyber part is made of, and a way from the top to a device."""
    wanted = ["units.routing=levels", "units.history_days=0", "services.balancing.mode=local"]
    plan = assemble(load("district", [*wanted, *changes]))
    parents = {unit["id"]: unit["parent"] for unit in plan.params["units"]["spec"]["units"]}
    way = [next(unit for unit in parents if unit.startswith("dmu/") and unit.endswith("/ev"))]
    while parents[way[-1]]:
        way.append(parents[way[-1]])
    return plan.params, way[::-1]


def begin(params: Mapping[str, Any], way: list[str]) -> tuple[Cyber, Any]:
    dmu = way[-1]
    more: dict[str, Any] = {TOP: {"services": {"probe": {}}}, dmu: OPEN}
    cyber = Cyber(params, {"probe": lambda *_: Probe("probe")}, more)
    cyber.run(400_000)
    instrument = next(u for u in params["units"]["spec"]["units"] if u["id"] == dmu)["instruments"][
        0
    ]
    cyber.run(401_000, (Reading("f#1", "", instrument, "device.energy", 0, 0, 42.0, "Wh"),))
    probe: Any = cyber.units.service(TOP, "probe")
    return cyber, probe


def ask(cyber: Cyber, probe: Any, location: str) -> Any:
    issued = probe.context.data.query("device.energy", location)
    cyber.run(cyber.now_ms + 600_000)
    [outcome] = probe.outcomes(issued.id)
    return outcome


@pytest.mark.requirement("DI-02")
@pytest.mark.parametrize("level", ["none", "integrity"])
def test_the_top_asks_a_device_through_five_units_and_networks(level: str) -> None:
    params, way = cut(f"units.security={level}")
    assert [name.partition("/")[0] for name in way] == [
        "tlgmu", "mvgmu", "lvgmu", "meter", "cmu", "dmu",
    ]  # fmt: skip
    cyber, probe = begin(params, way)
    outcome = ask(cyber, probe, way[-1])
    assert (outcome.result, outcome.value) == (Result.OK, 42.0)
    sent = {(frame.src, frame.dst) for frame in cyber.frames}
    assert {dst for src, dst in sent if src == TOP} == {way[1]}  # nothing goes straight down
    for src, dst in pairwise(way):
        assert {(src, dst), (dst, src)} <= sent


@pytest.mark.requirement("DI-05")
@pytest.mark.parametrize("dead", [2, 3, 5])
def test_it_is_told_which_unit_is_gone(dead: int) -> None:
    params, way = cut()
    cyber, probe = begin(params, way)
    cyber.units.kill(way[dead])
    outcome = ask(cyber, probe, way[-1])
    assert (outcome.result, outcome.hop) == (Result.UNREACHABLE, way[dead])


def test_a_medium_that_is_out_is_told_as_the_unit_behind_it() -> None:
    _, way = cut()
    area = way[2].partition("/")[2]
    params, _ = cut(f"network.outages=[{{element: lv-fan/{area}, at_h: 0.1, lasts_h: 1}}]")
    cyber, probe = begin(params, way)
    outcome = ask(cyber, probe, way[-1])
    assert (outcome.result, outcome.hop) == (Result.UNREACHABLE, way[3])


def test_a_variable_that_is_not_there_is_refused_before_anything_starts() -> None:
    with pytest.raises(ScenarioError) as caught:
        assemble(load("street", ["units.reliable=[voltage, voltag]"]))
    [fault] = caught.value.faults
    assert fault.path == "units.reliable[1]"
    assert "voltage" in fault.hint
