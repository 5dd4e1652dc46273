"""Finite queues by priority class."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from simulators.network.message import PRIORITIES, Message

__all__ = ["ClassQueue"]


class ClassQueue:
    """A finite queue per priority class; the highest class (0) is served first, FIFO within."""

    __slots__ = ("_classes", "_room", "waiting")

    def __init__(self, room: int) -> None:
        self._classes: tuple[deque[Message], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._room = room
        self.waiting = 0

    def put(self, message: Message) -> bool:
        """Queue a message; return False where its class is full."""
        line = self._classes[message.priority]
        if len(line) >= self._room:
            return False
        line.append(message)
        self.waiting += 1
        return True

    def get(self) -> Message | None:
        """Return the next message, or None."""
        if self.waiting:
            self.waiting -= 1
            for line in self._classes:
                if line:
                    return line.popleft()
        return None

    def __iter__(self) -> Iterator[Message]:
        """Iterate over what waits, in the order of service."""
        for line in self._classes:
            yield from line

    def clear(self) -> list[Message]:
        """Empty the queue; return what waited."""
        waited = list(self)
        for line in self._classes:
            line.clear()
        self.waiting = 0
        return waited
