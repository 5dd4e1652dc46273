"""The tree: it forms by itself, mends itself, and never has a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.network.technologies import MediumTechnology, load

REPAIR_S = 2400  # half an hour until a silent parent is asked, and ten minutes to find another
MESH = load()["rf-mesh-15.4"]
assert isinstance(MESH, MediumTechnology)


def all_served(world: Any) -> bool:
    """Tell whether every node that links join to the root has ways that work."""
    return bool(world.connected() <= world.served())


def test_a_hundred_nodes_join_without_configuration(
    make_world: Any, mesh_technology: Any, hundred: Any
) -> None:
    world = make_world(hundred, mesh_technology, "cold")
    world.run(120)
    assert world.served() == set(range(100))
    assert max(world.mesh.hops(number) for number in range(100)) >= 7
    world.check_order()


@pytest.mark.parametrize("technology", ["rf-mesh-wisun", "plc-g3"])
def test_so_they_do_on_other_media(make_world: Any, hundred: Any, technology: str) -> None:
    world = make_world(hundred, load()[technology], "cold")
    world.run(7200)
    assert world.served() == set(range(100))


def test_a_formed_mesh_is_what_a_cold_one_settles_in(
    make_world: Any, mesh_technology: Any, hundred: Any
) -> None:
    formed, cold = (make_world(hundred, mesh_technology, how) for how in ("formed", "cold"))
    assert formed.served() == set(range(100))
    assert formed.mesh.report().control_transmissions == 0
    cold.run(600)
    costs = [np.array([router.cost for router in it.mesh.routers]) for it in (formed, cold)]
    hops = [np.array([it.mesh.hops(number) for number in range(100)]) for it in (formed, cold)]
    assert np.mean(costs[1]) < 1.2 * np.mean(costs[0])  # hysteresis keeps what is good enough
    assert abs(np.mean(hops[1]) - np.mean(hops[0])) < 1
    formed.run(86_400)
    assert formed.mesh.report().parent_changes < 30  # it stays, over a day


def remove_each(world_of: Any, snr_db: Any, numbers: Any) -> list[int]:
    """Return after how many minutes all were served again, for each node removed alone."""
    times = []
    for number in numbers:
        world = world_of(snr_db, MESH)
        world.run(60)
        world.kill(number)
        for minute in range(1, REPAIR_S // 60 + 1):
            world.run(60)
            if all_served(world):
                times.append(minute)
                break
        else:
            pytest.fail(f"{sorted(world.connected() - world.served())} lost without {number}")
        world.check_order()
    return times


def test_without_any_one_of_a_sample_the_others_find_other_ways(
    make_world: Any, hundred: Any
) -> None:
    remove_each(make_world, hundred, range(1, 100, 7))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_any_one_node_the_others_find_other_ways(
    make_world: Any, hundred: Any, plane: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    places = [(300.0, 300.0), *rng.uniform(0, 650, (99, 2)).tolist()]
    snr_db = hundred if seed == 1 else plane(places)
    remove_each(make_world, snr_db, range(1, 100))


def test_reports_find_a_dead_parent_before_any_probe(make_world: Any, hundred: Any) -> None:
    world = make_world(hundred, MESH)
    world.run(10)
    dead = world.mesh.routers[99].parent.number
    world.kill(dead)
    for _ in range(4):
        world.send(99, 0)
        world.run(5)
    assert world.mesh.routers[99].parent.number != dead
    assert [cause for _, _, cause in world.lost] == ["node-down"] * 2  # and a probe
    assert [message.src for _, message in world.arrived] == ["n0099"] * 2


def test_one_more_node_needs_nothing_else(make_world: Any, hundred: Any) -> None:
    world = make_world(hundred, MESH, down=[57])
    world.run(3600)
    assert world.served() == set(range(100)) - {57}
    changes = world.mesh.report().parent_changes
    world.wake(57)
    world.run(60)
    assert world.served() == set(range(100))
    assert world.mesh.report().parent_changes <= changes + 10
    for _ in range(10):
        world.send(0, 57)
        world.run(5)
        world.send(57, 0)
        world.run(5)
    assert len(world.arrived) >= 17  # hops fail now and then


def test_an_island_is_poisoned_and_comes_back(make_world: Any, plane: Any) -> None:
    """A chain loses its second node: all behind it learn that they are cut off."""
    world = make_world(plane([(70.0 * x, 0.0) for x in range(8)]), MESH)
    world.run(10)
    world.kill(2)
    for _ in range(4):
        world.send(3, 0)
        world.run(30)
    world.run(120)
    assert [router.joined for router in world.mesh.routers][3:] == [False] * 5
    world.send(6, 0)
    world.run(1)
    assert world.lost[-1][2] == "no-route"
    world.wake(2)
    world.run(REPAIR_S)
    assert world.served() == set(range(8))


def test_a_root_that_was_off_learns_of_its_tree_again(make_world: Any, hundred: Any) -> None:
    world = make_world(hundred, MESH)
    world.run(60)
    world.kill(0)
    world.run(30)
    world.wake(0)
    world.send(0, 50)
    assert world.lost[-1][2] == "no-route"  # it has forgotten whose child 50 is
    world.run(600)
    assert world.served() == set(range(100))
    assert world.mesh.routers[0].version == 1


@pytest.mark.parametrize(("technology", "within_s"), [("rf-mesh-15.4", 120), ("plc-g3", 1200)])
def test_after_a_blackout_a_crowd_rejoins(
    make_world: Any, plane: Any, technology: str, within_s: int
) -> None:
    """They all ask, advertise and register at once; it must not choke them."""
    rng = np.random.default_rng(2)
    places = [(0.0, 0.0), *rng.uniform(-250, 250, (149, 2)).tolist()]
    world = make_world(plane(places), load()[technology])
    world.run(60)
    for number in range(150):
        world.kill(number)
    world.run(60)
    assert world.served() == {0}
    for number in range(150):
        world.wake(number)
    for _ in range(within_s // 20):
        world.run(20)
        if world.connected() <= world.served():
            return
    pytest.fail(f"{sorted(world.connected() - world.served())} are not back")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the fixture is a class
@given(st.data())
def test_there_is_never_a_loop(make_world: Any, plane: Any, data: Any) -> None:
    """Whatever dies, comes back and moves, at any time: every parent stands above its child."""
    seed = data.draw(st.integers(0, 10_000))
    count = data.draw(st.integers(3, 25))
    rng = np.random.default_rng(seed)
    places = [(0.0, 0.0), *rng.uniform(-220, 220, (count - 1, 2)).tolist()]
    start = data.draw(st.sampled_from(["formed", "cold"]))
    world = make_world(plane(places), MESH, start, seed)
    for _ in range(data.draw(st.integers(1, 12))):
        what = data.draw(st.sampled_from(["switch", "switch", "switch", "move", "speak"]))
        number = data.draw(st.integers(0, count - 1))
        if what == "switch":
            (world.kill if world.nodes[number].up else world.wake)(number)
        elif what == "move":
            places[number] = tuple(rng.uniform(-220, 220, 2))
            world.levels.renew(plane(places))
        else:
            for other in range(1, count):
                if world.nodes[other].up:
                    world.send(other, 0)
        changes = -1
        for _ in world.steps(data.draw(st.sampled_from([0.5, 5.0, 60.0, 2000.0]))):
            if world.mesh.counts.parent_changes != changes:
                changes = world.mesh.counts.parent_changes
                world.check_order()
    world.check_order()
    for number in range(count):
        if not world.nodes[number].up:
            world.wake(number)
    for _ in range(24):  # those that hang on one poor link have it only at times
        world.run(REPAIR_S / 4)
        if all_served(world):
            return
    pytest.fail(f"{sorted(world.connected() - world.served())} do not come back")
