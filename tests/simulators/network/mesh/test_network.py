"""Done from the outside: a network with a mesh, of which no node is told anything."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.mesh import field
from fernwatt.messages import Frame, Supply
from simulators.network.core import NetworkCore


class Street:
    """Radios, sent to and from at times, with what has arrived."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.names = [node["id"] for node in spec["nodes"]]
        self.core = NetworkCore(spec, 1)
        self.t_ms = self._number = 0
        self.arrived: set[str] = set()

    def run(self, seconds: float) -> None:
        end_ms = self.t_ms + int(1000 * seconds)
        while (due_ms := self.core.next_ms()) is not None and due_ms < end_ms:
            self.arrived |= {delivery.id for delivery in self.core.advance(due_ms)}
        self.arrived |= {delivery.id for delivery in self.core.advance(end_ms)}
        self.t_ms = end_ms

    def answering(self, names: list[str], tries: int = 4) -> set[str]:
        """Return who is reached from the root and reaches it, with some repetitions."""
        ways = {(name, up) for name in names for up in (True, False)}
        answered: set[tuple[str, bool]] = set()
        for _ in range(tries):
            sent = {}
            for name, up in sorted(ways - answered):
                self._number += 1
                src, dst = (name, self.names[0]) if up else (self.names[0], name)
                key = f"{src}#{self._number}"
                sent[key] = (name, up)
                ready_us = 1000 * self.t_ms
                payload = bytes(60)
                self.core.inject(
                    self.t_ms, [Frame(key, "", src, dst, "f", 2, ready_us, -1, payload)]
                )
                self.run(0.3)
            self.run(5)
            answered |= {way for key, way in sent.items() if key in self.arrived}
        return {name for name in names if {(name, True), (name, False)} <= answered}


@pytest.mark.requirement("NW-04")
def test_radios_join_by_themselves_route_around_the_dead_and_take_in_the_new() -> None:
    street = Street(field("cold"))
    late = street.names[55]
    street.core.set_node(late, False, "not yet built")
    others = [name for name in street.names[1:] if name != late]
    street.run(120)
    assert street.answering(others) == set(others)

    dead = street.names[11]  # next to the root: many go by it
    street.core.set_node(dead, False, "fault#1")
    left = [name for name in others if name != dead]
    street.answering(left)  # their own traffic tells them
    street.run(300)
    assert street.answering(left) == set(left)

    street.core.set_node(late, True, "built")
    street.run(60)
    assert street.answering([late]) == {late}


def test_a_blackout_takes_the_mesh_down_and_it_rejoins_on_return_of_supply() -> None:
    spec = field("formed", side=5)
    for node in spec["nodes"]:
        node.update(terminal="street", battery_ms=0)
    street = Street(spec)
    assert street.answering(street.names[1:]) == set(street.names[1:])
    street.core.supply(street.t_ms, [Supply("grid#1", "", "street", False, True)])
    street.run(600)
    assert street.answering(street.names[1:], 1) == set()
    street.core.supply(street.t_ms, [Supply("grid#2", "", "street", True, True)])
    street.run(120)
    assert street.answering(street.names[1:]) == set(street.names[1:])


@pytest.mark.parametrize("technology", ["rf-mesh-15.4", "plc-prime"])
def test_an_outage_of_the_medium_ends_in_a_mesh_that_works(technology: str) -> None:
    spec = field("formed", side=5)
    spec["media"][0]["technology"] = technology
    if technology == "plc-prime":
        spec["overrides"] = {"plc-prime": {"mac": "prime"}}
        spec["media"][0]["air"] = {}
    street = Street(spec)
    assert street.answering(street.names[1:]) == set(street.names[1:])
    street.core.set_carrier("mesh", False, "fault#1")
    street.run(7200)
    assert street.answering(street.names[1:], 1) == set()
    street.core.set_carrier("mesh", True, "crew#1")
    street.run(1800)
    assert street.answering(street.names[1:]) == set(street.names[1:])
