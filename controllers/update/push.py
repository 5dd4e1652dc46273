"""How a package gets to the children: some at a time, block after block, again after a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["OFFERED", "Push", "Step"]

OFFERED = -1


@dataclass(frozen=True, slots=True)
class Step:
    """What to send next: a block of a package to a child, or (``OFFERED``) its manifest."""

    child: str
    block: int


class Push:
    """A pure state machine: events in, steps out. ``blocks`` is how many the package has.

    Each child waits, or is active: offered to, or being sent blocks; or it has all it wants.
    Who fails waits until ``again``.
    """

    __slots__ = ("_active", "_blocks", "_failed", "_parallel", "_waiting")

    def __init__(self, children: Iterable[str], blocks: int, parallel: int) -> None:
        self._waiting = deque(children)
        self._active: dict[str, int] = {}
        self._failed: list[str] = []
        self._blocks, self._parallel = blocks, parallel

    @property
    def failed(self) -> bool:
        """Whether somebody has to be tried again."""
        return bool(self._failed)

    def steps(self) -> Iterator[Step]:
        """Begin with as many children as may be active; yields offers."""
        while self._waiting and len(self._active) < self._parallel:
            child = self._waiting.popleft()
            if child not in self._active:
                self._active[child] = OFFERED
                yield Step(child, OFFERED)

    def lacks(self, child: str, block: int) -> Iterator[Step]:
        """A child tells the first block that it lacks: send it, unless blocks are on their way.

        A child that is not active waits for its turn to be offered to.
        """
        if not 0 <= block < self._blocks:
            return
        if self._active.get(child) in {OFFERED, self._blocks - 1}:
            self._active[child] = block
            yield Step(child, block)
        elif child not in self._active:
            self._failed = [other for other in self._failed if other != child]
            if child not in self._waiting:
                self._waiting.append(child)
            yield from self.steps()

    def arrived(self, child: str, block: int) -> Iterator[Step]:
        """What was sent has arrived: go on; an offer is answered, and so is the last block."""
        if block == OFFERED or self._active.get(child) != block:
            return
        if block + 1 < self._blocks:
            self._active[child] = block + 1
            yield Step(child, block + 1)

    def has_all(self, child: str) -> Iterator[Step]:
        """A child has all that it wants: go on with others."""
        self._active.pop(child, None)
        self._failed = [other for other in self._failed if other != child]
        if child in self._waiting:
            self._waiting.remove(child)
        yield from self.steps()

    def lost(self, child: str) -> Iterator[Step]:
        """Something did not arrive, or was not answered: try that child again later."""
        if self._active.pop(child, None) is not None and child not in self._failed:
            self._failed.append(child)
        yield from self.steps()

    def again(self) -> Iterator[Step]:
        """Try those that failed."""
        self._waiting += self._failed
        self._failed = []
        yield from self.steps()

    def silent(self) -> list[str]:
        """Return the children that were offered the package or sent its last block."""
        ends = (OFFERED, self._blocks - 1)
        return [child for child, block in self._active.items() if block in ends]
