"""Frames to a group over a mesh: from neighbour to neighbour, each spoken to by broadcast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.mesh import field, run
from fernwatt.messages import Frame
from simulators.network.message import Message
from simulators.network.technologies import MediumTechnology, load

PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")


def cast(number: int, t_ms: int) -> Frame:
    key = f"meter/000#{number}"
    return Frame(key, "", "meter/000", "group/all", "f", 2, 1000 * t_ms, -1, bytes(60))


@pytest.mark.parametrize("redundancy", [0, 1, 3])
def test_a_group_is_reached_with_fewer_transmissions_than_it_has_members(redundancy: int) -> None:
    spec = field()
    spec["overrides"]["rf-mesh-15.4"]["mesh_flood_redundancy"] = redundancy
    spec["groups"] = {"all": [node["id"] for node in spec["nodes"]]}
    count = 20
    tables = dict(run(spec, [cast(n, 5000 * n) for n in range(count)], 120_000))
    rows = tables["message"]
    assert len(rows["id"]) == 99 * count
    share = rows["fate"].count("delivered") / len(rows["id"])
    sent = sum(tables["medium"]["transmissions"]) / count
    assert share > {0: 0.97, 1: 0.85, 3: 0.95}[redundancy]
    assert sent < 105 if not redundancy else sent < {1: 50, 3: 85}[redundancy]
    for place, fate in enumerate(rows["fate"]):
        parts = sum(rows[f"{part}_us"][place] for part in PARTS)
        if fate == "delivered":
            assert rows["delay_us"][place] == parts
            assert rows["hops"][place] >= 1
        else:
            assert rows["loss"][place] == "noise"
    assert max(rows["hops"]) >= 4


class Listener:
    """Who sends to all, and notes whom it reaches."""

    def __init__(self) -> None:
        self.reached: list[tuple[str, int]] = []
        self.ends = 0

    def heard(self, message: Message, node: Any) -> None:
        self.reached.append((node.id, message.hops))

    def arrived(self, message: Message) -> None:
        raise AssertionError(message)

    def lost(self, message: Message, cause: str) -> None:
        raise AssertionError(cause)

    def ended(self, message: Message) -> None:
        assert message.dst == ""
        self.ends += 1


def flood(world: Any, listener: Listener) -> None:
    node = world.nodes[0]
    message = Message(0, node.id, "", 60, 2, world.clock.now, None, listener)
    world.mesh.port(node).offer(message)


def test_in_a_chain_each_repeats_it_once_and_the_end_is_known(make_world: Any, plane: Any) -> None:
    technology = load()["rf-mesh-15.4"]
    assert isinstance(technology, MediumTechnology)
    chain = plane([(80.0 * x, 0.0) for x in range(7)])
    world = make_world(chain, replace(technology, mesh_flood_redundancy=0))
    listener = Listener()
    before = world.mesh.usage.transmissions
    flood(world, listener)
    world.run(5)
    assert sorted(listener.reached) == [(f"n{hop:04d}", hop - 1) for hop in range(1, 7)]
    assert world.mesh.usage.transmissions - before == 7
    assert listener.ends == 1


def test_in_prime_switches_alone_repeat_it(make_world: Any, hundred: Any) -> None:
    technology = load()["plc-prime"]
    assert isinstance(technology, MediumTechnology)
    world = make_world(hundred, replace(technology, mac="csma"))
    listener = Listener()
    world.run(1)
    before = world.mesh.usage.transmissions
    flood(world, listener)
    world.run(60)
    switches = sum(agent.switch for agent in world.mesh.agents)
    control = world.mesh.report().control_transmissions
    assert 0.7 * switches < world.mesh.usage.transmissions - before - control <= switches
    assert len({name for name, _ in listener.reached}) == len(listener.reached) > 70


def test_a_flood_ends_when_those_who_would_repeat_it_die(make_world: Any, plane: Any) -> None:
    technology = load()["rf-mesh-15.4"]
    world = make_world(plane([(80.0 * x, 0.0) for x in range(5)]), technology)
    listener = Listener()
    flood(world, listener)
    for _ in world.steps(5):
        if listener.reached and world.nodes[1].up:
            world.kill(1)
    assert listener.reached == [("n0001", 0)]
    assert listener.ends == 1
