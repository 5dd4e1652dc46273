"""Messages on their way over several hops of a mesh."""

from __future__ import annotations

from simulators.network.message import Message, Node

__all__ = ["Transit"]


class Transit:
    """What a message is outside the mesh, and how far it has come within.

    While it is within, its path names the next hop alone and its size includes the header of
    its route; ``leave`` puts back what it had.
    """

    __slots__ = ("_path", "_position", "extra", "goal", "here", "index", "route", "size")

    def __init__(self, message: Message, here: int, goal: Node) -> None:
        self._path, self._position = message.path, message.position
        self.size, self.here, self.goal = message.size, here, goal
        self.route: tuple[int, ...] | None = None
        self.index = self.extra = 0

    def leave(self, message: Message) -> None:
        """Make the message what it was before it came into the mesh."""
        message.path, message.position, message.size = self._path, self._position, self.size
