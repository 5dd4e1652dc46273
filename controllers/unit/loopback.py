"""A small network without radio, wire or loss, to run units in tests and notebooks.

Every frame takes ``latency_ms``; ``fates`` may decide otherwise for each: a list of latencies,
one per copy that arrives, empty where it is lost.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from controllers.unit.hub import Outputs, UnitsCore
from fernwatt.messages import Command, Delivery, Event, Frame, NodeUp, Reading

__all__ = ["Fate", "Loopback"]

Fate = Callable[[Frame, int], Sequence[int]]


class Loopback:
    """Steps a ``UnitsCore`` through virtual time and carries its frames.

    >>> bus = Loopback(UnitsCore({"units": [{"id": "lvgmu/a"}]}, seed=1))
    >>> bus.run(1000)
    >>> bus.now_ms
    1000
    """

    def __init__(self, core: UnitsCore, *, latency_ms: int = 20, fates: Fate | None = None) -> None:
        if latency_ms < 1:
            raise ValueError("a frame takes at least one tick")
        self.core, self.now_ms = core, 0
        self.frames: list[Frame] = []
        self.commands: list[Command] = []
        self.events: list[Event] = []
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self._fates = fates or (lambda _frame, _t_ms: (latency_ms,))
        self._flying: list[tuple[int, int, Frame]] = []
        self._number = 0

    def run(self, until_ms: int, readings: Iterable[Reading] = ()) -> None:
        """Run until nothing is due at or before ``until_ms``.

        ``readings`` are given to the units at their ``t_sample_ms``, or now where that is past.
        """
        waiting = sorted(readings, key=lambda one: max(one.t_sample_ms, self.now_ms))
        while True:
            at_ms = self._next(waiting)
            if at_ms is None or at_ms > until_ms:
                break
            batch = []
            while waiting and max(waiting[0].t_sample_ms, self.now_ms) <= at_ms:
                batch.append(waiting.pop(0))
            self._step(at_ms, batch)
        self.now_ms = max(self.now_ms, until_ms)

    def node(self, unit: str, *, up: bool, cause: str = "") -> None:
        """Tell a unit that its node came up or went down."""
        self._number += 1
        self._settle(self.core.step(self.now_ms, node_up=[_node(self._number, unit, up, cause)]))

    def poke(self) -> None:
        """Take along what was asked of a service's context from outside, at this instant."""
        self.core.drain()
        self._settle(self.core.step(self.now_ms))

    def close(self) -> None:
        """Close the units' books."""
        self._settle(self.core.close(self.now_ms))

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of one table so far."""
        return self.rows.get(name, [])

    def _next(self, waiting: Sequence[Reading]) -> int | None:
        times = [self.core.next_ms()]
        if self._flying:
            times.append(self._flying[0][0])
        if waiting:
            times.append(waiting[0].t_sample_ms)
        known = [max(time, self.now_ms) for time in times if time is not None]
        return min(known) if known else None

    def _step(self, at_ms: int, readings: Sequence[Reading]) -> None:
        self.now_ms = at_ms
        deliveries = []
        while self._flying and self._flying[0][0] <= at_ms:
            deliveries.append(_delivery(heapq.heappop(self._flying)))
        self._settle(self.core.step(at_ms, readings, deliveries))

    def _settle(self, out: Outputs) -> None:
        for frame in out.frames:
            for latency_ms in self._fates(frame, self.now_ms):
                self._number += 1
                at_ms = self.now_ms + max(1, latency_ms)
                heapq.heappush(self._flying, (at_ms, self._number, frame))
        self.frames += out.frames
        self.commands += out.commands
        self.events += out.events
        for table, columns in out.rows:
            names = list(columns)
            self.rows.setdefault(table, []).extend(
                dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
            )


def _node(number: int, unit: str, up: bool, cause: str) -> NodeUp:
    return NodeUp(f"loopback#{number}", cause, unit, up)


def _delivery(flying: tuple[int, int, Frame]) -> Delivery:
    at_ms, _, frame = flying
    return Delivery(
        frame.id, frame.cause, frame.src, frame.dst, frame.flow, at_ms * 1000, frame.payload
    )
