"""A PRIME subnetwork: it grows by promotions, shrinks by demotions, mends itself, has no loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.network.technologies import MediumTechnology, load

LOADED = load()["plc-prime"]
assert isinstance(LOADED, MediumTechnology)
PRIME = replace(LOADED, mac="prime")
REPAIR_S = 5400  # the keep-alive time, and twenty minutes to register anew


def check_tree(world: Any) -> None:
    """Assert that no registered node comes back to itself on its way up."""
    agents = world.mesh.agents
    for agent in agents:
        at, seen = agent, set[int]()
        while at.joined and at.parent is not None:
            assert at.number not in seen, sorted(seen)
            seen.add(at.number)
            at = agents[at.parent.number]


def settles(world: Any, within_s: int) -> bool:
    """Let time pass until all that can be are served; tell whether they are soon enough."""
    for _ in range(within_s // 60):
        world.run(60)
        if world.connected() <= world.served():
            return True
    return False


@pytest.mark.parametrize("mac", ["csma", "prime"])
def test_a_hundred_nodes_register_without_configuration(
    make_world: Any, hundred: Any, mac: str
) -> None:
    world = make_world(hundred, replace(PRIME, mac=mac), "cold")
    assert settles(world, 1800)
    switches = {agent.number for agent in world.mesh.agents if agent.switch}
    assert 10 < len(switches) < 60
    parents = {agent.parent.number for agent in world.mesh.agents if agent.parent}
    assert len(parents - switches) <= 1  # its beacons have just ceased


def test_only_the_base_node_and_switches_beacon(make_world: Any, hundred: Any) -> None:
    """The access is told of each: per frame the base node's beacon and the switches' share."""
    world = make_world(hundred, replace(PRIME, error=0.0), "formed")
    switches = sum(agent.switch for agent in world.mesh.agents) - 1
    frames = 32 * 200
    before = world.mesh.report().control_transmissions
    world.run(frames * world.mesh.inner.frame_us / 1e6)
    sent = world.mesh.usage.transmissions - world.mesh.report().control_transmissions - before
    period = 1
    while switches > 4 * period:
        period *= 2
    assert sent == pytest.approx(frames * (1 + switches / period), rel=0.1)  # some are demoted


def test_without_any_one_of_a_sample_the_others_register_elsewhere(
    make_world: Any, hundred: Any
) -> None:
    for number in range(1, 100, 9):
        world = make_world(hundred, replace(PRIME, mac="csma"))
        world.run(60)
        world.kill(number)
        assert settles(world, REPAIR_S), f"{world.connected() - world.served()} without {number}"
        check_tree(world)


def test_one_more_node_needs_nothing_else(make_world: Any, hundred: Any) -> None:
    world = make_world(hundred, PRIME, down=[57])
    world.run(600)
    world.wake(57)
    assert settles(world, 300)
    assert 57 in world.served()


def test_a_switch_that_nobody_needs_is_demoted(make_world: Any, plane: Any) -> None:
    world = make_world(plane([(0.0, 0.0), (90.0, 0.0), (180.0, 0.0)]), PRIME)
    agents = world.mesh.agents
    assert [agent.switch for agent in agents] == [True, True, False]
    world.run(60)
    world.kill(2)
    world.run(4 * 4096)
    assert [agent.switch for agent in agents] == [True, False, False]
    world.wake(2)
    world.run(600)
    assert [agent.switch for agent in agents] == [True, True, False]
    assert world.served() == {0, 1, 2}


def test_what_is_behind_a_broken_cable_is_disconnected_and_comes_back(
    make_world: Any, plane: Any
) -> None:
    line = plane([(70.0 * x, 0.0) for x in range(6)])
    world = make_world(line, PRIME)
    world.run(60)
    cut = line.copy()
    cut[:3, 3:] = cut[3:, :3] = -np.inf
    world.levels.renew(cut)
    world.run(2 * 4096)
    assert [agent.joined for agent in world.mesh.agents] == [True] * 3 + [False] * 3
    world.send(4, 0)
    assert world.lost[-1][2] == "no-route"
    world.levels.renew(line)
    world.run(3600)
    assert world.served() == set(range(6))


def test_a_base_node_that_was_off_has_all_register_anew(make_world: Any, hundred: Any) -> None:
    world = make_world(hundred, PRIME)
    world.run(60)
    world.kill(0)
    world.run(20)
    world.wake(0)
    world.send(0, 50)
    assert world.lost[-1][2] == "no-route"
    assert settles(world, 3600)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the fixture is a class
@given(st.data())
def test_there_is_never_a_loop(make_world: Any, plane: Any, data: Any) -> None:
    seed, count = data.draw(st.integers(0, 10_000)), data.draw(st.integers(3, 20))
    rng = np.random.default_rng(seed)
    places = [(0.0, 0.0), *rng.uniform(-200, 200, (count - 1, 2)).tolist()]
    start = data.draw(st.sampled_from(["formed", "cold"]))
    world = make_world(plane(places), replace(PRIME, mac="csma"), start, seed)
    for _ in range(data.draw(st.integers(1, 12))):
        what = data.draw(st.sampled_from(["switch", "switch", "move", "speak"]))
        number = data.draw(st.integers(0, count - 1))
        if what == "switch":
            (world.kill if world.nodes[number].up else world.wake)(number)
        elif what == "move":
            places[number] = tuple(rng.uniform(-200, 200, 2))
            world.levels.renew(plane(places))
        else:
            for other in range(1, count):
                if world.nodes[other].up:
                    world.send(other, 0)
        changes = -1
        for _ in world.steps(data.draw(st.sampled_from([0.5, 5.0, 60.0, 2500.0]))):
            if world.mesh.counts.parent_changes != changes:
                changes = world.mesh.counts.parent_changes
                check_tree(world)
    check_tree(world)
    for number in range(count):
        if not world.nodes[number].up:
            world.wake(number)
    assert settles(world, 4 * REPAIR_S), f"{world.connected() - world.served()} do not come back"


@pytest.mark.slow
def test_without_any_one_node_the_others_register_elsewhere(make_world: Any, hundred: Any) -> None:
    for number in range(1, 100):
        world = make_world(hundred, PRIME)
        world.run(60)
        world.kill(number)
        assert settles(world, REPAIR_S), f"{world.connected() - world.served()} without {number}"
        check_tree(world)
