"""One cell beside nothing else, and what came of the messages offered to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from simpy.events import Timeout

from fernwatt.messages import Frame
from simulators.network.carrier import Clock, Fabric
from simulators.network.cells import Cell
from simulators.network.message import Message, Node
from simulators.network.technologies import CellTechnology, load

TTI_US = 1000
PLAIN = CellTechnology(
    name="test",
    title="test",
    phy="channels",
    mtu_bytes=10**7,
    frame_header_bytes=0,
    queue_frames=10**6,
    tti_us=TTI_US,
    channels_up=1,
    channels_down=1,
    slots_up=1,
    slots_down=1,
    rate_up_bps=800_000.0,  # 100 bytes per interval
    rate_down_bps=800_000.0,
)
"""Always connected, without requests, repetitions or errors: nothing but the shared channel."""


def packaged(name: str, **changes: Any) -> CellTechnology:
    """Return a packaged technology, changed."""
    technology = load()[name]
    assert isinstance(technology, CellTechnology)
    return replace(technology, **changes)


class Send(NamedTuple):
    """A message: when, from or to which subscriber, up or down, bytes, class."""

    t_us: int
    who: int = 0
    up: bool = True
    size: int = 100
    priority: int = 2


class Bench:
    """A cell with so many subscribers."""

    def __init__(self, technology: CellTechnology, subscribers: int = 1, seed: int = 1) -> None:
        self.clock = Clock()
        self.passed: list[Message] = []
        self.lost: list[tuple[Message, str]] = []
        self.fabric = Fabric(
            self.clock,
            seed,
            self._passed,
            lambda message, why: self.lost.append((message, why)),
        )
        self.nodes = [Node(f"ue-{number:05}") for number in range(subscribers)]
        self.station = Node("bs")
        self.cell = Cell(self.fabric, "cell", technology, self.station, self.nodes)

    def run(self, sends: Iterable[Send], until_us: int | None = None) -> None:
        """Offer messages at their times, and run until nothing happens any more."""
        self.schedule(sends)
        self.clock.run(until_us)

    def schedule(self, sends: Iterable[Send]) -> None:
        """Let messages be offered at their times."""
        for serial, send in enumerate(sends):
            timer = Timeout(self.clock, send.t_us - self.clock.now, (serial, send))
            timer.callbacks.append(self._offer)

    def _offer(self, event: Any) -> None:
        serial, send = event.value
        node = self.nodes[send.who]
        here, there = (node, self.station) if send.up else (self.station, node)
        now = self.clock.now
        frame = Frame(
            f"{here.id}#{serial}", "", here.id, there.id, "f", send.priority, now, -1,
            bytes(send.size),
        )  # fmt: skip
        message = Message.of(serial, frame, now)
        message.path = ((self.cell.port(here), there),)
        message.path[0][0].offer(message)

    def _passed(self, message: Message) -> None:
        message.arrival_us = self.clock.now
        self.passed.append(message)
        parts = message.queue_us + message.access_us + message.air_us + message.retry_us
        assert parts == message.arrival_us - message.t_send_us
        assert min(message.queue_us, message.access_us, message.air_us, message.retry_us) >= 0


def poisson(rate_per_us: float, count: int, seed: int = 3) -> list[int]:
    """Return the instants of a Poisson process [µs]."""
    gaps = np.random.default_rng(seed).exponential(1 / rate_per_us, count)
    return [int(t_us) for t_us in np.cumsum(gaps)]


def agrees(
    values: Sequence[float] | np.ndarray, expected: float, share: float = 0.12, batches: int = 20
) -> None:
    """Assert that a mean agrees with theory within its own confidence interval (batch means).

    99.9 % of a normal distribution lies within 3.29 standard errors, of a t distribution with 19
    degrees of freedom within 3.88; this half-width must be no more than a ``share``, or the run is
    too short to tell anything.
    """
    kept = np.asarray(values, float)[len(values) // 20 :]
    means = kept[: len(kept) // batches * batches].reshape(batches, -1).mean(axis=1)
    half = 3.88 * means.std(ddof=1) / np.sqrt(batches)
    assert abs(means.mean() - expected) < half + 1e-9, (means.mean(), expected, half)
    assert half < share * abs(expected) + 1e-9, (half, expected)
