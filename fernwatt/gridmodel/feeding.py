"""What feeds what: the order in which the supply reaches a grid's buses and branches."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from fernwatt.gridmodel.model import GridModel

__all__ = ["Feeding", "feeding"]


@dataclass(frozen=True, slots=True)
class Feeding:
    """How buses are fed with the switches in one position.

    ``source[bus]``: identifier of the line, transformer or bus-bus switch over which a bus is
    reached first, "" for a source's own and for dead ones. ``parent[bus]``: the bus before it, ""
    likewise. ``head[element]``: the bus at which a line or transformer is fed; absent where it is
    dead. ``live``: the buses that are reached, in the order of their distance.
    """

    source: dict[str, str]
    parent: dict[str, str]
    head: dict[str, str]
    live: tuple[str, ...]

    def path(self, bus: str) -> list[str]:
        """Return the elements from the source to ``bus``."""
        found = []
        while self.source.get(bus):
            found.append(self.source[bus])
            bus = self.parent[bus]
        return found[::-1]


def feeding(model: GridModel, closed: Sequence[bool] | None = None) -> Feeding:
    """Return how the grid is fed; ``closed`` of its switches, in the model's order.

    Breadth first, so in a mesh the way with the fewest elements counts. A line that is switched
    on at one end alone is fed there.
    """
    ends = _ends(model)
    states = [s.closed for s in model.switches] if closed is None else closed
    open_at = {
        (switch.element, switch.bus)
        for switch, on in zip(model.switches, states, strict=True)
        if not on
    }
    at: dict[str, list[tuple[str, str]]] = {}
    for element, (first, second) in ends.items():
        at.setdefault(first, []).append((element, second))
        at.setdefault(second, []).append((element, first))
    for switch, on in zip(model.switches, states, strict=True):
        if switch.kind == "bus" and on:
            at.setdefault(switch.bus, []).append((switch.id, switch.element))
            at.setdefault(switch.element, []).append((switch.id, switch.bus))
    sources = sorted({model.buses[int(row)].id for row in model.net.ext_grid["bus"]})
    source, parent = dict.fromkeys(sources, ""), dict.fromkeys(sources, "")
    head: dict[str, str] = {}
    order: list[str] = []
    queue = deque(sources)
    while queue:
        bus = queue.popleft()
        order.append(bus)
        for element, other in sorted(at.get(bus, ())):
            if (element, bus) in open_at:
                continue
            head.setdefault(element, bus)
            if (element, other) not in open_at and other not in source:
                source[other], parent[other] = element, bus
                queue.append(other)
    return Feeding(source, parent, head, tuple(order))


def _ends(model: GridModel) -> dict[str, tuple[str, str]]:
    ends = {line.id: (line.from_bus, line.to_bus) for line in model.lines}
    return ends | {trafo.id: (trafo.hv_bus, trafo.lv_bus) for trafo in model.transformers}
