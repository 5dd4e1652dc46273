"""Ways within the operator's own network, beside those that may lead over the Internet.

What is critical (the flow ``control``) keeps to carriers that are not public, and so does what
the network sends itself. Where no link is public, there is one set of ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulators.network.build import anchors
from simulators.network.carrier import Carrier
from simulators.network.message import Message, Node
from simulators.network.routing import Routes
from simulators.network.topology import Topology

__all__ = ["CRITICAL", "Ways"]

CRITICAL = "control"
"""The flow of what is critical."""


class Ways:
    """The routes for each message; ``inner`` is None where all may go anywhere."""

    __slots__ = ("_outer", "_public", "inner")

    def __init__(
        self,
        outer: Routes,
        topology: Topology,
        nodes: Mapping[str, Node],
        carriers: Sequence[Carrier],
    ) -> None:
        self._outer = outer
        self._public = frozenset(link.id for link in topology.links if link.public)
        self.inner: Routes | None = None
        if self._public:
            own = [carrier for carrier in carriers if carrier.id not in self._public]
            self.inner = Routes(nodes, own, anchors(topology, dict(nodes)))

    def of(self, message: Message) -> Routes:
        """Return the routes that a message may take."""
        inner = self.inner
        if inner is None:
            return self._outer
        frame = message.frame
        return inner if frame is None or frame.flow == CRITICAL else self._outer

    def changed(self) -> None:
        """Forget all paths: something went down or came up."""
        self._outer.changed()
        if self.inner is not None:
            self.inner.changed()

    def rerouted(self, carrier: str) -> None:
        """Forget the paths over a carrier."""
        self._outer.rerouted(carrier)
        if self.inner is not None and carrier not in self._public:
            self.inner.rerouted(carrier)
