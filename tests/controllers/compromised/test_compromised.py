"""A compromised unit's services write something else, and know nothing of it."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.compromised import parse_rules
from controllers.unit import Loopback, UnitsCore
from fernwatt.errors import ScenarioError


class Teller:
    """Writes its area's energy every minute."""

    name = "probe"

    def start(self, context: Any) -> None:
        self.context = context
        context.set_timer("t", 60_000)

    def notify(self, notification: Any) -> None:
        pass

    def timer(self, name: str) -> None:
        context = self.context
        context.data.write("area.energy", context.unit, {"import_wh": 100.0, "meters": 4})
        context.set_timer(name, context.now_ms + 60_000)


def world(*rules: dict[str, Any]) -> Loopback:
    unit = {"id": "lvgmu/a", "services": {"probe": {}}, "compromised": list(rules)}
    factories = {"probe": lambda *_: Teller()}
    return Loopback(UnitsCore({"units": [unit]}, seed=1, factories=factories))


def held(bus: Loopback) -> Any:
    newest = bus.core.unit("lvgmu/a").processor.newest("area.energy", "operator")
    return None if newest is None else newest.value


def rule(**more: Any) -> dict[str, Any]:
    usual = {"id": "attack/liar", "variable": "area.energy", "does": "scale"}
    return usual | {"from_ms": 90_000, "until_ms": 150_000} | more


def test_it_lies_while_the_attack_lasts_and_the_recorder_knows() -> None:
    bus = world(rule(fields=["import_wh"], factor=0.5))
    values = []
    for minute in (1, 2, 3):
        bus.run(60_000 * minute)
        values.append(held(bus))
    assert [value["import_wh"] for value in values] == [100.0, 50.0, 100.0]
    assert {value["meters"] for value in values} == {4}
    (row,) = bus.table("truth")
    assert (row["kind"], row["element"], row["t_ms"]) == ("falsified", "lvgmu/a", 120_000)
    assert row["cause"] in {request["id"] for request in bus.table("request")}


def test_it_may_say_nothing_or_what_it_is_told_to() -> None:
    quiet = world(rule(does="drop", from_ms=0))
    quiet.run(120_000)
    assert held(quiet) is None
    other = world(rule(does="set", fields=["meters"], value=9, from_ms=0))
    other.run(120_000)
    assert held(other) == {"import_wh": 100.0, "meters": 9}


def test_lists_and_whole_numbers_stay_what_they_are() -> None:
    (negated,) = parse_rules([rule(fields=["d"], factor=-1.0)], "p")
    assert negated.falsified({"d": [1, -2, 3], "k": 4}) == {"d": [-1, 2, -3], "k": 4}


def test_wrong_rules_are_refused() -> None:
    with pytest.raises(ScenarioError):
        parse_rules([rule(does="destroy", more=1)], "units[0].compromised")
