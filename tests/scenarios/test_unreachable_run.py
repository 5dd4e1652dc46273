"""Units that cannot reach the one above go on, say so, and owe it nothing when it is back."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from controllers.unit import Result
from fernwatt.timebase import HOUR_MS, SLOT_MS
from scenarios import load
from scenarios.assembly import assemble
from tests.controllers.unit.conftest import Probe
from tests.scenarios.support.cyber import Cyber

LOW, MID = "lvgmu/lv4.101", "mvgmu/mv1.101"
BASE = ["units.history_days=0", "services.balancing.mode=local", "network.wan=fibre"]
OUT = "network.outages=[{element: wan/lv4.101, at_h: 0.7, lasts_h: 1.5}]"
END_MS = 4 * HOUR_MS


class Follower(Probe):
    """Follows an area's sums, anew whenever it begins; its ``heard`` outlives it."""

    log: list[Any]

    def start(self, context: Any) -> None:
        super().start(context)
        context.data.event("area.energy", LOW)

    def notify(self, notification: Any) -> None:
        super().notify(notification)
        if notification.result is Result.OK and notification.t_ms != -1:
            self.log.append(notification.value["t_ms"])


def follow(*changes: str) -> tuple[Cyber, list[int]]:
    params = assemble(load("street", [*BASE, *changes])).params
    log: list[int] = []

    def make(*_: Any) -> Follower:
        follower = Follower("balancing")
        follower.log = log
        return follower

    units = {unit["id"]: unit for unit in params["units"]["spec"]["units"]}
    services = units[MID]["services"] | {"balancing": {}}
    return Cyber(params, {"balancing": make}, {MID: {"services": services}}), log


def written(cyber: Cyber) -> list[int]:
    """Return the slots whose sums the substation wrote, in the order of writing."""
    sums = [e for e in cyber.events if e.kind == "area_energy" and e.element == LOW]
    values: list[Any] = [event.value for event in sums]
    return [value["t_ms"] for value in values]


@pytest.mark.requirement("MU-05")
def test_after_an_outage_of_the_wan_every_sum_has_come_once_and_in_order() -> None:
    cyber, heard = follow("units.reliable=[area.energy]", OUT)
    cyber.run(END_MS)
    slots = written(cyber)
    assert len(slots) >= 14
    assert all(b - a == SLOT_MS for a, b in pairwise(slots))  # it went on by itself
    assert heard == slots
    told = [event for event in cyber.events if event.kind.startswith("parent_")
            and event.element == LOW]  # fmt: skip
    assert [event.kind for event in told] == ["parent_unreachable", "parent_back"]
    lost_ms, back_ms = (event.t_us // 1000 for event in told)
    assert 0.7 * HOUR_MS < lost_ms < 2.2 * HOUR_MS < back_ms < 2.4 * HOUR_MS
    assert json.dumps(told[0].value) == json.dumps({"unit": MID})


@pytest.mark.requirement("MU-05")
def test_a_killed_parent_gets_what_it_missed() -> None:
    cyber, heard = follow("units.reliable=[area.energy]")
    cyber.run(HOUR_MS)
    cyber.units.kill(MID)
    cyber.run(3 * HOUR_MS)
    cyber.units.revive(MID)
    cyber.run(END_MS)
    assert heard == written(cyber)
    kinds = [e.kind for e in cyber.events if e.element == LOW and e.kind.startswith("parent_")]
    assert kinds == ["parent_unreachable", "parent_back"]


def test_without_acknowledgements_what_was_sent_during_the_outage_is_lost() -> None:
    cyber, heard = follow(OUT)
    cyber.run(END_MS)
    slots = written(cyber)
    assert set(heard) < set(slots)
    assert len(slots) - len(heard) == 6  # an hour and a half
