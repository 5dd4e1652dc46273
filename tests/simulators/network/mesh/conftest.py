"""A mesh alone, without the network's core: nodes in a plane, levels by distance, a clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from simpy.events import Timeout

from fernwatt.messages import Frame
from simulators.network.carrier import Clock, Fabric
from simulators.network.csma import Medium
from simulators.network.draws import Draws
from simulators.network.levels import Levels
from simulators.network.mesh import Mesh
from simulators.network.message import Message, Node
from simulators.network.prime import PrimeMedium
from simulators.network.spread import Spread
from simulators.network.technologies import MediumTechnology, load

Place = tuple[float, float]
_USABLE_ETX = 1.5


def error(snr_db: float, size: int) -> float:
    """Half of all frames are lost at 6 dB, a tenth at 7.9 dB, a hundredth at 10 dB."""
    return float(1.0 / (1.0 + 10.0 ** ((snr_db - 6.0) / 2.0)))


def levels_db(places: Sequence[Place], reach_m: float = 100.0) -> Any:
    """Return levels that fall by 35 dB a decade, 10 dB at ``reach_m`` (n × n)."""
    at = np.array(places, dtype=float)
    apart_m = np.hypot(*(at[:, None, axis] - at[None, :, axis] for axis in (0, 1)))
    return 10.0 - 35.0 * np.log10(np.maximum(apart_m, 1.0) / reach_m)


def field(side: int, seed: int = 1, pitch_m: float = 70.0) -> list[Place]:
    """Return ``side`` × ``side`` places, each somewhere about its corner of a grid."""
    rng = np.random.default_rng(seed)
    return [
        (x * pitch_m + rng.uniform(-15, 15), y * pitch_m + rng.uniform(-15, 15))
        for x in range(side)
        for y in range(side)
    ]


class World:
    """A mesh of nodes n0000 (the root), n0001, …; what arrives and what is lost is kept."""

    def __init__(
        self,
        snr_db: Any,
        technology: MediumTechnology,
        start: str = "formed",
        seed: int = 1,
        down: Sequence[int] = (),
    ) -> None:
        self.clock = Clock()
        self.arrived: list[tuple[int, Message]] = []
        self.lost: list[tuple[int, Message, str]] = []
        self.rerouted = self._serial = 0
        self.technology = technology
        self.fabric = Fabric(
            self.clock, seed, self._pass, self._lose, rerouted=self._rerouted, survives=self._check
        )
        self.nodes = [Node(f"n{number:04d}") for number in range(len(snr_db))]
        for number in down:
            self.nodes[number].up = False
        self.levels = Levels(np.array(snr_db, dtype=float), 0.0)
        self.mesh = Mesh(self.fabric, self.nodes[0], self._access, start)

    def _access(self, fabric: Fabric) -> Medium:
        draws = Draws(fabric.seed, "air")
        air = Spread(self.levels, self.technology.cca_us, error, draws)
        if self.technology.mac == "prime":
            members = (self.nodes, self.nodes[0], air)
            return PrimeMedium(fabric, "mesh", self.technology, *members)
        return Medium(fabric, "mesh", self.technology, self.nodes, air)

    def _pass(self, message: Message) -> None:
        message.hops += 1
        self.arrived.append((self.clock.now, message))

    def _check(self, message: Message, port: Any, node: Node) -> bool:
        if node.up:
            return True
        self._lose(message, "node-down")
        return False

    def _lose(self, message: Message, cause: str) -> None:
        if message.owner is not None:
            message.owner.lost(message, cause)
        else:
            self.lost.append((self.clock.now, message, cause))

    def _rerouted(self, carrier: str) -> None:
        assert carrier == "mesh"
        self.rerouted += 1

    def send(self, src: int, dst: int, size: int = 100) -> Message:
        """Have one node send another a message, now."""
        self._serial += 1
        a, b = self.nodes[src], self.nodes[dst]
        now = self.clock.now
        frame = Frame(f"{a.id}#{self._serial}", "", a.id, b.id, "f", 2, now, -1, bytes(size))
        message = Message.of(self._serial, frame, now)
        message.path = ((self.mesh.port(a), b),)
        message.path[0][0].offer(message)
        return message

    def run(self, duration_s: float) -> None:
        """Let time pass."""
        for _ in self.steps(duration_s):
            pass

    def steps(self, duration_s: float) -> Iterator[None]:
        """Let time pass, event by event."""
        end_us = self.clock.now + int(duration_s * 1e6)
        while self.clock.peek() <= end_us:
            self.clock.step()
            yield
        if self.clock.now < end_us:
            Timeout(self.clock, end_us - self.clock.now)
            self.clock.step()

    def kill(self, number: int) -> None:
        """Take a node down, as the core does."""
        node = self.nodes[number]
        node.up = False
        for message in self.mesh.port(node).clear():
            self._lose(message, "node-down")

    def wake(self, number: int) -> None:
        """Let a node come up, as the core does."""
        node = self.nodes[number]
        node.up = True
        for tell in self.fabric.woken:
            tell(node)

    def connected(self) -> set[int]:
        """Return the nodes joined to the root, over nodes that are up, by links of ETX <= 1.5."""
        reached, front = {0}, [0]
        while front:
            here = front.pop()
            for there in self.levels.hearers[here]:
                usable = (
                    max(self.mesh.guess(here, there), self.mesh.guess(there, here)) <= _USABLE_ETX
                )
                if there not in reached and self.nodes[there].up and usable:
                    reached.add(there)
                    front.append(there)
        return reached if self.nodes[0].up else set()

    def served(self) -> set[int]:
        """Return the nodes whose ways, up and down, lead over working nodes only."""
        now = self.clock.now
        return {0} | {
            number
            for number, router in enumerate(self.mesh.agents)
            if number
            and router.node.up
            and self.mesh.hops(number) is not None
            and all(self.nodes[it].up for it in self.mesh.downward.route(number, now) or (number,))
            and self.mesh.downward.route(number, now) is not None
        }

    def check_order(self) -> None:
        """Assert that every parent stands above its child: no loop, however long."""
        for router in self.mesh.routers:
            if router.parent is not None:
                above = self.mesh.routers[router.parent.number]
                assert (-above.version, above.rank) < (-router.version, router.rank)


@pytest.fixture
def make_world() -> type[World]:
    """Return the class; a fixture, because test modules cannot import each other."""
    return World


@pytest.fixture
def mesh_technology() -> MediumTechnology:
    """Return the technology that most tests use."""
    technology = load()["rf-mesh-15.4"]
    assert isinstance(technology, MediumTechnology)
    return technology


@pytest.fixture
def hundred() -> Any:
    """Return the levels of a hundred nodes, about ten hops across."""
    return levels_db(field(10))


@pytest.fixture
def plane() -> Any:
    """Return the function from places to levels."""
    return levels_db
