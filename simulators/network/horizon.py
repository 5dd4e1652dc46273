"""How far nothing can be seen from outside: no delivery, no node that goes down by itself.

Most of what happens within a network (backoffs, collisions, acknowledgements, hops halfway) is
seen by nobody before a message arrives, and whoever steps the network through each of these
instants pays for all of them. The horizon is a lower bound of the next visible instant, which
holds whatever is drawn until then. The kernel is then run up to it in one go; that gives the
same events in the same order.

A bound belongs to a port at work or to a message between ports. All are on one heap, and only
the least must be up to date: the others only rise while what they belong to goes on.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import Protocol

__all__ = ["Bounded", "Horizon"]


class Bounded(Protocol):
    """A port; ``watch`` is the number of its place on the heap, 0 when it has none."""

    watch: int

    def bound_us(self) -> int | None:
        """Return an instant before which nothing that is here now arrives; None when idle.

        What waits is included; who takes another message while nothing waited asks to be
        watched anew.
        """


class Horizon:
    """Lower bounds of the next visible instant [µs]; ``epoch`` is that of the routes."""

    __slots__ = ("_heap", "_number", "_stale", "epoch")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Bounded | None, int]] = []
        self._number = self.epoch = 0
        self._stale = False

    def pass_at(self, t_us: int, ahead_us: int) -> None:
        """Note what is at a node at ``t_us`` and takes ``ahead_us`` more at least."""
        self._number += 1
        heappush(self._heap, (t_us + ahead_us, self._number, None, t_us))

    def watch(self, port: Bounded, now_us: int) -> None:
        """Watch a port that took a message, until it is found idle."""
        self._number += 1
        port.watch = self._number
        heappush(self._heap, (now_us, self._number, port, 0))

    def changed(self, epoch: int) -> None:
        """Take note that messages may find other ways from now on."""
        self.epoch, self._stale = epoch, True

    def next_us(self, now_us: int) -> int | None:
        """Return an instant before which nothing is seen, or None for never.

        All events up to ``now_us`` must have been processed.
        """
        if self._stale:
            self._renew(now_us)
        heap = self._heap
        while heap:
            held_us, number, port, _ = heap[0]
            if port is None:
                if held_us > now_us:
                    return held_us
                heappop(heap)
            elif port.watch != number:
                heappop(heap)
            elif (bound_us := port.bound_us()) is None:
                port.watch = 0
                heappop(heap)
            elif bound_us <= held_us:
                return bound_us
            else:
                heapreplace(heap, (bound_us, number, port, 0))
        return None

    def _renew(self, now_us: int) -> None:
        """Forget what was supposed about ways ahead."""
        self._stale = False
        self._heap = [
            (now_us if port else passes_us, number, port, passes_us)
            for _, number, port, passes_us in self._heap
            if port or passes_us > now_us
        ]
        heapify(self._heap)
