"""Random access: who is idle contends for a connection at the cell's access opportunities.

All who try at an opportunity choose a preamble. Who chose it alone is heard; who shares it learns
after a while that nothing came of it, waits for a random time, and tries again. One event decides
an opportunity, however many try; there is none where nobody does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import exp
from typing import Any, Protocol

from simpy.events import Timeout

from simulators.network.carrier import Clock, Usage
from simulators.network.cell_technology import CellTechnology
from simulators.network.draws import Draws

__all__ = ["Contender", "RandomAccess"]


class Contender(Protocol):
    """Who wants to be connected; ``tries`` counts, ``draws`` are its own."""

    tries: int
    draws: Draws

    def tries_at(self, opportunity_us: int) -> bool:
        """Tell whether it still wants access at this opportunity."""

    def access_granted(self) -> None:
        """Take note: it is heard."""

    def access_failed(self, wait_us: int) -> None:
        """Take note: it is not heard, and may try again after ``wait_us``."""


class RandomAccess:
    """The access opportunities of a cell; ``hears`` is whether its base station works."""

    __slots__ = ("_clock", "_hears", "_on_opportunity", "_technology", "_usage", "_waiting")

    def __init__(
        self,
        clock: Clock,
        technology: CellTechnology,
        usage: Usage,
        hears: Callable[[], bool],
    ) -> None:
        self._clock, self._technology, self._usage, self._hears = clock, technology, usage, hears
        self._waiting: dict[int, list[Contender]] = {}
        self._on_opportunity = self._decide

    def join(self, contender: Contender) -> int:
        """Let somebody try at the next opportunity; return when that is [µs]."""
        now, period_us = self._clock.now, self._technology.access_period_us
        at_us = (now // period_us + 1) * period_us
        waiting = self._waiting.get(at_us)
        if waiting is None:
            waiting = self._waiting[at_us] = []
            timer = Timeout(self._clock, at_us - now, at_us)
            timer.callbacks.append(self._on_opportunity)
        waiting.append(contender)
        return at_us

    def _decide(self, event: Any) -> None:
        at_us: int = event.value
        technology = self._technology
        contenders = [it for it in self._waiting.pop(at_us) if it.tries_at(at_us)]
        heard, taken = [], Counter[int]()
        for contender in contenders:
            contender.tries += 1
            preamble = -1
            if self._hears() and self._is_loud_enough(contender):
                preamble = int(contender.draws.uniform() * technology.preambles)
                taken[preamble] += 1
            heard.append(preamble)
        self._usage.collisions += sum(count > 1 for count in taken.values())
        answered = set(sorted(taken)[: technology.answers or None])
        for contender, preamble in zip(contenders, heard, strict=True):
            if preamble in answered and (taken[preamble] == 1 or not technology.preambles):
                contender.access_granted()
            else:
                in_vain = preamble in answered
                known_us = technology.resolve_us if in_vain else technology.answer_us
                backoff_us = int(contender.draws.uniform() * technology.backoff_us)
                contender.access_failed(known_us + backoff_us)

    def _is_loud_enough(self, contender: Contender) -> bool:
        """Draw whether a preamble is heard: each try is louder than the last."""
        ramp = self._technology.ramp
        return not ramp or contender.draws.uniform() < 1.0 - exp(-ramp * contender.tries)
