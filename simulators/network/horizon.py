"""How far nothing can be seen from outside: no delivery, no node that goes down by itself.

Most of what happens within a network (backoffs, collisions, acknowledgements, hops halfway) is
seen by nobody before a message arrives, and whoever steps the network through each of these
instants pays for all of them. The horizon is a lower bound of the next visible instant, which
holds whatever is drawn until then. The kernel is then run up to it in one go; that gives the
same events in the same order.

A bound belongs to a port at work or to a message between ports. All are on one heap, and only
the least must be up to date: the others only rise while what they belong to goes on. What
begins and ends between two questions is never put there.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from simulators.network.message import Message

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
    """Lower bounds of the next visible instant [µs].

    A port that takes a message is put on ``taken``, a message that is at a node at an instant
    after ``until_us`` on ``passes``, with that instant (None for something else that is seen
    then). ``until_us`` is how far the kernel is being run, ``ahead_us`` tells how long a message
    takes at least from the node that it reaches next.
    """

    __slots__ = ("_heap", "_number", "_stale", "ahead_us", "passes", "taken", "until_us")

    def __init__(self, ahead_us: Callable[[Message], int] = lambda _: 0) -> None:
        self.ahead_us = ahead_us
        self.taken: list[Bounded] = []
        self.passes: list[tuple[int, Message | None]] = []
        self._heap: list[tuple[int, int, Bounded | None, tuple[int, Message | None] | None]] = []
        self._number = self.until_us = 0
        self._stale = False

    def changed(self) -> None:
        """Take note that messages may find other ways from now on."""
        self._stale = True

    def next_us(self, now_us: int) -> int | None:
        """Return an instant before which nothing is seen, or None for never.

        All events up to ``now_us`` must have been processed.
        """
        if self._stale:
            self._renew()
        if self.taken:
            self._take()
        if self.passes:
            self._pass(now_us)
        heap = self._heap
        while heap:
            held_us, number, port, passes = heap[0]
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
                heapreplace(heap, (bound_us, number, port, passes))
        return None

    def _take(self) -> None:
        for port in self.taken:
            bound_us = port.bound_us()
            if bound_us is None:
                port.watch = 0
            else:
                self._number += 1
                port.watch = self._number
                heappush(self._heap, (bound_us, self._number, port, None))
        self.taken.clear()

    def _pass(self, now_us: int) -> None:
        heap, number, ahead_us = self._heap, self._number, self.ahead_us
        for passes in self.passes:
            t_us, message = passes
            if t_us > now_us:
                number += 1
                ahead = ahead_us(message) if message else 0
                heappush(heap, (t_us + ahead, number, None, passes))
        self._number = number
        self.passes.clear()

    def _renew(self) -> None:
        """Forget what was supposed about ways ahead: all is looked at again."""
        self._stale = False
        self.passes += [passes for *_, passes in self._heap if passes]
        self._heap = [(0, number, port, None) for _, number, port, _ in self._heap if port]
        heapify(self._heap)
