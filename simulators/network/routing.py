"""Shortest paths: fewest hops over working nodes and carriers, ties by identifier.

The graph is built once. Paths are found when they are first asked for, by a breadth-first
search that stops at its goal, and forgotten together when a node or a carrier changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulators.network.kernel import Link, Node, Path
from simulators.network.mac import Medium

__all__ = ["Carrier", "Routes"]

Carrier = Link | Medium
_REMEMBERED = 100_000


class Routes:
    """Paths between nodes; ``epoch`` counts the changes of what works."""

    __slots__ = ("_carriers", "_known", "_least_us", "_members", "_nodes", "epoch")

    def __init__(self, nodes: Mapping[str, Node], carriers: Sequence[Carrier]) -> None:
        self._nodes = nodes
        self._carriers: dict[str, list[Carrier]] = {node: [] for node in nodes}
        self._members: dict[str, list[Node]] = {}
        for carrier in sorted(carriers, key=lambda item: item.id):
            members = _members(carrier)
            self._members[carrier.id] = members
            for node in members:
                self._carriers[node.id].append(carrier)
        self._known: dict[tuple[str, str], Path | None] = {}
        self._least_us: dict[tuple[str, str, int], int] = {}
        self.epoch = 0

    def changed(self) -> None:
        """Forget all paths: something went down or came up."""
        self.epoch += 1
        self._known.clear()
        self._least_us.clear()

    def path(self, source: str, target: str) -> Path | None:
        """Return the hops from one node to another, or None where there is no way."""
        key = (source, target)
        if key not in self._known:
            self._known[key] = self._search(source, target)
        return self._known[key]

    def least_us(self, source: str, target: str, size: int) -> int:
        """Return the least time [µs] that ``size`` bytes of payload need on the path, if any."""
        key = (source, target, size)
        least_us = self._least_us.get(key)
        if least_us is None:
            if len(self._least_us) >= _REMEMBERED:
                self._least_us.clear()
            path = self.path(source, target) or ()
            least_us = self._least_us[key] = sum(port.passage_us(size) for port, _ in path)
        return least_us

    def of(self, node: str) -> Sequence[Carrier]:
        """Return the carriers of a node, by identifier."""
        return self._carriers[node]

    def _search(self, source: str, target: str) -> Path | None:
        if source not in self._nodes or target not in self._nodes:
            return None
        came: dict[str, tuple[str, Carrier] | None] = {source: None}
        used: set[str] = set()
        front = [source]
        while front and target not in came:
            following: list[str] = []
            for here in front:
                for carrier in self._carriers[here]:
                    if carrier.id in used or not carrier.works:
                        continue
                    used.add(carrier.id)
                    for node in self._members[carrier.id]:
                        if node.up and node.id not in came:
                            came[node.id] = (here, carrier)
                            following.append(node.id)
            front = following
        return self._traced(came, target) if target in came else None

    def _traced(self, came: Mapping[str, tuple[str, Carrier] | None], target: str) -> Path:
        hops = []
        step = came[target]
        while step is not None:
            here, carrier = step
            hops.append((carrier.port(self._nodes[here]), self._nodes[target]))
            target, step = here, came[here]
        return tuple(reversed(hops))


def _members(carrier: Carrier) -> list[Node]:
    if isinstance(carrier, Link):
        return sorted((carrier.a, carrier.b), key=lambda node: node.id)
    return [carrier.by_node[key].node for key in sorted(carrier.by_node)]
