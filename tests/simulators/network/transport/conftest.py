"""Networks with transports, and how to play them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from simpy.events import Timeout

from fernwatt.messages import Delivery, Frame
from simulators.network.carrier import Clock
from simulators.network.core import NetworkCore
from simulators.network.horizon import Horizon
from simulators.network.message import Message, Node
from simulators.network.transport.carried import Host

PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")


def make_frame(number: int, src: str, dst: str, ready_us: int = 0, **changes: Any) -> Frame:
    """Return a frame of 40 bytes, or as ``changes`` say."""
    values = {"flow": "f", "priority": 2, "payload": bytes(40), **changes}
    return Frame(f"{src}#{number}", "c", src, dst, ready_us=ready_us, deadline_us=-1, **values)


class Played:
    """What came of a run: the core, what was handed out when, the rows of messages."""

    def __init__(self, core: NetworkCore, out: list[tuple[int, Delivery]]) -> None:
        self.core, self.out = core, out
        tables = dict(core.rows())
        message = tables.get("message", {})
        self.rows = [
            dict(zip(message, row, strict=True)) for row in zip(*message.values(), strict=True)
        ]
        medium = tables.get("medium", {})
        self.media = [
            dict(zip(medium, row, strict=True)) for row in zip(*medium.values(), strict=True)
        ]
        self.by_id = {row["id"]: row for row in self.rows}


def play_core(
    spec: Mapping[str, Any],
    sends: Mapping[int, list[Frame]],
    end_ms: int,
    acts: Mapping[int, Callable[[NetworkCore], None]] | None = None,
    every_tick: bool = False,
) -> Played:
    """Run a core through sends and acts (what is done to it) at their ticks."""
    core, out = NetworkCore(spec, 1), []
    acts = acts or {}
    outside = sorted({*sends, *acts, end_ms})
    t_ms = -1
    while t_ms < end_ms:
        due_ms = t_ms + 1 if every_tick else core.next_ms()
        coming_ms = next(tick for tick in outside if tick > t_ms)
        t_ms = coming_ms if due_ms is None else min(coming_ms, due_ms)
        out += [(t_ms, delivery) for delivery in core.advance(t_ms)]
        if t_ms in acts:
            acts[t_ms](core)
        core.inject(t_ms, sends.get(t_ms, []))
    core.close(end_ms)
    return Played(core, out)


def line_of(technology: str = "ethernet", hops: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a line of nodes n0, n1, … with links of one technology; n0 is their end ``a``."""
    return {
        "nodes": [{"id": f"n{number}"} for number in range(hops + 1)],
        "links": [
            {"id": f"l{n}", "technology": technology, "a": f"n{n}", "b": f"n{n + 1}"}
            for n in range(hops)
        ],
        "interval_ms": 10_000_000,
        **changes,
    }


def adds_up(row: Mapping[str, Any], end_ms: int) -> None:
    """Hold a row to its sums."""
    parts = [row[f"{part}_us"] for part in PARTS]
    assert min(parts) >= 0, row
    if row["fate"] == "delivered":
        assert row["delay_us"] == sum(parts), row
        assert row["t_arrival_us"] == row["t_send_us"] + sum(parts[:-1]), row
    else:
        assert row["delay_us"] is None
        assert row["t_send_us"] + sum(parts) <= end_ms * 1000, row
    assert (row["loss"] == "none") == (row["fate"] != "lost")


@pytest.fixture(scope="session")
def play() -> Callable[..., Played]:
    """Return how to run a core."""
    return play_core


@pytest.fixture(scope="session")
def frame() -> Callable[..., Frame]:
    """Return how to make a frame."""
    return make_frame


@pytest.fixture(scope="session")
def line() -> Callable[..., dict[str, Any]]:
    """Return how to make a line of links."""
    return line_of


@pytest.fixture(scope="session")
def check() -> Callable[..., None]:
    """Return how to hold a row to its sums."""
    return adds_up


class Pipe:
    """A channel for transports alone: ``fates(launch number, message)`` gives each its delays.

    No delay is a loss, two are a duplicate [µs]; ``carried`` logs (time, message).
    """

    def __init__(self, fates: Callable[[int, Message], list[int]], seed: int = 1) -> None:
        self.clock, self.horizon = Clock(), Horizon()
        self._fates = fates
        self.carried: list[tuple[int, Message]] = []
        self.delivered: list[tuple[int, Message]] = []
        self.lost: list[tuple[int, Message, str]] = []
        self.nodes = {key: Node(key) for key in ("a", "b")}
        self.host = Host(
            self.clock,
            self.horizon,
            seed,
            self.nodes,
            self._launch,
            lambda message, after_us: self.delivered.append((self.clock.now + after_us, message)),
            lambda message, cause: self.lost.append((self.clock.now, message, cause)),
            lambda src, dst: (),
            lambda src, dst, transport: 0,
        )

    def _launch(self, message: Message) -> None:
        delays_us = self._fates(len(self.carried), message)
        self.carried.append((self.clock.now, message))
        assert message.owner is not None
        for delay_us in delays_us:
            timer = Timeout(self.clock, delay_us, message)
            timer.callbacks.append(self._arrive)
        if not delays_us:
            message.attempts += 1
            message.owner.lost(message, "noise")

    def _arrive(self, event: Any) -> None:
        message = event.value
        if message.mark_us == message.t_send_us:
            message.attempts += 1
            message.air_us = self.clock.now - message.mark_us
            message.mark_us = self.clock.now
        message.owner.arrived(message)

    def message(self, number: int, size: int, src: str = "a", dst: str = "b") -> Message:
        """Return an application's message that leaves its sender now."""
        made = make_frame(number, src, dst, payload=bytes(size))
        return Message.of(number, made, self.clock.now)

    def run(self, until_us: int | None = None) -> None:
        """Let everything happen up to an instant, or all of it."""
        while self.clock.peek() <= (float("inf") if until_us is None else until_us):
            if self.clock.peek() == float("inf"):
                break
            self.clock.step()


@pytest.fixture(scope="session")
def pipe() -> type[Pipe]:
    """Return the channel's class."""
    return Pipe
