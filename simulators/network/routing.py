"""Shortest paths: fewest carriers over working nodes and carriers, ties by identifier.

The graph is built once, without carriers that lead nowhere but to their own nodes (a thousand
meters on a cell, each with its house behind it): they are entered for these alone. Ways over
carriers are found when they are first asked for, by a breadth-first search that stops at its
goal, and forgotten together when a node or a carrier changes. How a carrier takes a message from
one of its nodes to another is its own affair (``Carrier.way``); where that changes, only paths
over this carrier are made anew.

What comes to a base station from a subscriber and goes to another one leads over the mobile core
first, where there is one: base stations do not switch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from simulators.network.carrier import Carrier
from simulators.network.message import Node, Path

__all__ = ["Routes"]

_REMEMBERED = 100_000
Key = tuple[str, str]
Legs = tuple[tuple[Carrier, Node, Node], ...]
"""Carriers used, each with the node where it is entered and the one where it is left."""
Anchors = Mapping[str, tuple[Node, Node]]
"""Base station and mobile core of cells."""


class Routes:
    """Paths between nodes; ``epoch`` counts the changes of what works."""

    __slots__ = (
        "_anchors",
        "_carriers",
        "_dead_ends",
        "_gates",
        "_known",
        "_least_us",
        "_nodes",
        "_over",
        "epoch",
    )

    def __init__(
        self,
        nodes: Mapping[str, Node],
        carriers: Sequence[Carrier],
        anchors: Anchors = MappingProxyType({}),
    ) -> None:
        self._nodes, self._anchors = nodes, anchors
        self._carriers: dict[str, list[Carrier]] = {node: [] for node in nodes}
        in_order = sorted(carriers, key=lambda item: item.id)
        for carrier in in_order:
            for node in carrier.nodes():
                self._carriers[node.id].append(carrier)
        gates = {
            carrier.id: [node for node in carrier.nodes() if len(self._carriers[node.id]) > 1]
            for carrier in in_order
        }
        self._dead_ends = {key: nodes[0] for key, nodes in gates.items() if len(nodes) == 1}
        self._gates = {key: [it for it in gates[key] if self._leads_on(key, it)] for key in gates}
        self._known: dict[Key, Path | None] = {}
        self._over: dict[str, set[Key]] = {carrier.id: set() for carrier in in_order}
        self._least_us: dict[tuple[str, str, int], int] = {}
        self.epoch = 0

    def changed(self) -> None:
        """Forget all paths: something went down or came up."""
        self.epoch += 1
        self._known.clear()
        for keys in self._over.values():
            keys.clear()
        self._least_us.clear()

    def rerouted(self, carrier: str) -> None:
        """Forget the paths over a carrier, and where there was none: its ways have changed."""
        self.epoch += 1
        for key in self._over[carrier]:
            self._known.pop(key, None)
        self._over[carrier].clear()
        for key in [key for key, path in self._known.items() if path is None]:
            del self._known[key]
        self._least_us.clear()

    def path(self, source: str, target: str) -> Path | None:
        """Return the hops from one node to another, or None where there is no way."""
        key = (source, target)
        if key not in self._known:
            legs = self._anchored(self._search(source, target))
            self._known[key] = None if legs is None else _hops(legs)
            for carrier, _, _ in legs or ():
                self._over[carrier.id].add(key)
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

    def _leads_on(self, carrier: str, node: Node) -> bool:
        """Tell whether a node leads from a carrier to one with more than its own nodes."""
        return any(
            it.id != carrier and it.id not in self._dead_ends for it in self._carriers[node.id]
        )

    def _anchored(self, legs: Legs | None) -> Legs | None:
        """Lead what goes from one subscriber of a base station to another over its core."""
        if legs is None or not any(carrier.id in self._anchors for carrier, _, _ in legs):
            return legs
        parts: list[tuple[Carrier, Node, Node]] = []
        for carrier, here, there in legs:
            station, core = self._anchors.get(carrier.id, (None, None))
            if station is None or core is None or station is there:
                parts.append((carrier, here, there))
                continue
            if here is not station:
                parts.append((carrier, here, station))
            if parts and parts[-1][0].id in self._anchors:  # it has just come by a cell
                up, down = self._search(station.id, core.id), self._search(core.id, station.id)
                if up is None or down is None:
                    return None
                parts += [*up, *down]
            parts.append((carrier, station, there))
        return tuple(parts)

    def _search(self, source: str, target: str) -> Legs | None:
        if source not in self._nodes or target not in self._nodes:
            return None
        goal = self._nodes[target]
        ends = {carrier.id for carrier in self._carriers[target]}
        doors = {key: self._dead_ends[key] for key in sorted(ends) if key in self._dead_ends}
        entered = {carrier.id for door in doors.values() for carrier in self._carriers[door.id]}
        came: dict[str, tuple[Carrier, Node] | None] = {source: None}
        used: set[str] = set()
        front = [self._nodes[source]]
        while front and target not in came:
            following: list[Node] = []
            for here in front:
                for carrier in self._carriers[here.id]:
                    if carrier.id in used or not carrier.works:
                        continue
                    if not carrier.knows_ways:
                        used.add(carrier.id)
                    there = self._gates[carrier.id]
                    if carrier.id in ends and carrier.reaches(here, goal):
                        there = [goal]
                    elif carrier.id in entered:
                        there = _with(there, carrier, doors.values())
                    for node in there:
                        if node.id not in came and node.up and carrier.reaches(here, node):
                            came[node.id] = (carrier, here)
                            following.append(node)
            front = following
        return _traced(came, goal) if target in came else None


def _with(gates: list[Node], carrier: Carrier, doors: Iterable[Node]) -> list[Node]:
    """Return the gates of a carrier and those doors that are on it, by identifier."""
    more = [door for door in doors if door not in gates and door in carrier.nodes()]
    return sorted([*gates, *more], key=lambda node: node.id) if more else gates


def _traced(came: Mapping[str, tuple[Carrier, Node] | None], goal: Node) -> Legs:
    legs = []
    there, step = goal, came[goal.id]
    while step is not None:
        carrier, here = step
        legs.append((carrier, here, there))
        there, step = here, came[here.id]
    return tuple(reversed(legs))


def _hops(legs: Legs) -> Path:
    hops = []
    for carrier, here, there in legs:
        at = here
        for node in carrier.way(here, there):
            hops.append((carrier.port(at), node))
            at = node
    return tuple(hops)
