"""One message to all nodes of a mesh, by broadcasts from neighbour to neighbour.

As MPL (RFC 7731) with one interval: who hears it for the first time repeats it once, at an
instant in the second half of an interval, unless it has heard enough repetitions by then. In
PRIME the base node and switches repeat it, nobody is spared. No broadcast is acknowledged: who
misses all repetitions misses the message.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from simpy.events import Timeout

from simulators.network.message import Message, Node

if TYPE_CHECKING:
    from simulators.network.mesh.carrier import Mesh

__all__ = ["Flood"]


class Flood:
    """One message under way; its owner hears of each node that it reaches, and of its end."""

    __slots__ = ("_heard", "_mesh", "_original", "_owner", "_pending", "_waiting")

    def __init__(self, mesh: Mesh, message: Message, node: Node) -> None:
        assert message.owner is not None
        self._mesh, self._original, self._owner = mesh, message, message.owner
        self._heard: dict[str, int] = {node.id: 0}
        self._waiting: dict[str, Timeout] = {}
        self._pending = 0

    def begin(self, node: Node) -> None:
        """Send it from where it comes from."""
        self._send(self._original, node)

    def _send(self, message: Message, node: Node) -> None:
        mine = copy(message)
        mine.owner = self
        self._pending += 1
        self._mesh.port(node).inner.offer(mine)

    # -- an owner of its copies ----------------------------------------------------------------

    def heard(self, message: Message, node: Node) -> None:
        """Let a node have it that hears it for the first time, and repeat it."""
        self._heard[node.id] = self._heard.get(node.id, -1) + 1
        if self._heard[node.id]:
            return
        theirs = copy(message)
        theirs.owner = self._owner
        self._owner.heard(theirs, node)
        if not self._mesh.repeats(node):
            return
        mine = copy(message)
        mine.hops += 1
        mesh = self._mesh
        wait_us = mesh.flood_wait_us(node)
        timer = Timeout(mesh.fabric.clock, wait_us, (mine, node))
        timer.callbacks.append(self._due)
        self._waiting[node.id] = timer
        mesh.fabric.horizon.passes.append((mesh.fabric.clock.now + wait_us, None))

    def _due(self, event: Any) -> None:
        message, node = event.value
        del self._waiting[node.id]
        enough = self._mesh.technology.mesh_flood_redundancy
        if node.up and self._mesh.works and (not enough or self._heard[node.id] < enough):
            now = self._mesh.fabric.clock.now
            message.access_us += now - message.mark_us
            message.mark_us = now
            self._send(message, node)
        self._look()

    def ended(self, message: Message) -> None:  # noqa: ARG002 - the owner's
        """Take note that a copy is through."""
        self._pending -= 1
        self._look()

    def lost(self, message: Message, cause: str) -> None:  # noqa: ARG002 - the owner's
        """Take note of a copy that died in its queue or found no free air."""
        self._pending -= 1
        self._look()

    def arrived(self, message: Message) -> None:
        """Take a message for one receiver; there are none."""
        raise AssertionError(message)

    def _look(self) -> None:
        """Tell the owner when nobody will hear it any more."""
        if not self._pending and not self._waiting:
            self._pending = -1
            ended = getattr(self._owner, "ended", None)
            if ended is not None:
                ended(self._original)
