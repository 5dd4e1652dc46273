"""The tree that the protocol settles in, worked out without air time: the least expected cost."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from simulators.network.air import Air
from simulators.network.mesh.control import Dio
from simulators.network.mesh.neighbours import ETX_UNIT, MAX_ETX, MAX_PATH_COST, Neighbour
from simulators.network.mesh.quality import Quality
from simulators.network.mesh.router import Router
from simulators.network.mesh.subnet import GOOD_ETX, Terminal

__all__ = ["form", "form_subnet"]

_MOST_KEPT = 4  # candidates looked at, per place in the table of neighbours


def form(routers: Sequence[Router], root: int, air: Air, quality: Quality) -> None:
    """Give every router its parent, rank and best neighbours; ties go to the lower number.

    Nodes that no way leads to begin as they would cold.
    """
    costs, parents, order = _cheapest(routers, root, air, quality)
    ranks = {root: routers[root].rank}
    places = {root: Dio(0, routers[root].rank, 0, 0)}
    for number in order[1:]:
        above = parents[number]
        step = max(ETX_UNIT, costs[number] - costs[above])
        ranks[number] = ranks[above] + step
        places[number] = Dio(0, ranks[number], costs[number], 0)
    for router in routers:
        number = router.number
        if number == root:
            router.settle_as(None, ranks[root])
        elif number not in places:
            router.start()
        else:
            _introduce(router, parents[number], places, air, quality)
            router.settle_as(router.neighbours[parents[number]], ranks[number])


def _cheapest(
    routers: Sequence[Router], root: int, air: Air, quality: Quality
) -> tuple[dict[int, int], dict[int, int], list[int]]:
    """Return costs and parents by number, and the numbers in order of cost (Dijkstra)."""
    costs, parents, order = {root: 0}, dict[int, int](), list[int]()
    heap = [(0, root)]
    done: set[int] = set()
    while heap:
        cost, number = heappop(heap)
        if number in done:
            continue
        done.add(number)
        order.append(number)
        for child in air.hearers(number):
            if child in done or not routers[child].node.up:
                continue
            etx = quality.etx(child, number)
            through = cost + int(ETX_UNIT * etx)
            if etx > MAX_ETX or through > MAX_PATH_COST:
                continue
            if (through, number) < (costs.get(child, 1 << 60), parents.get(child, 1 << 60)):
                costs[child], parents[child] = through, number
                heappush(heap, (through, child))
    return costs, parents, order


def _introduce(
    router: Router, parent: int, places: dict[int, Dio], air: Air, quality: Quality
) -> None:
    """Fill a table of neighbours with the parent and the next best."""
    number, table = router.number, router.neighbours
    kept = table.admit(parent, quality.etx(number, parent), places[parent], None)
    near = [it for it in air.hearers(number) if it in places and it != parent]
    near.sort(key=lambda it: (places[it].cost, it))
    for it in near[: _MOST_KEPT * table.room]:
        table.admit(it, quality.etx(number, it), places[it], kept)


def form_subnet(
    terminals: Sequence[Terminal], root: int, air: Air, quality: Quality
) -> list[Terminal]:
    """Register every terminal that a tree of switches reaches; return the switches.

    Level by level: who hears a beacon registers through the best; then the orphan with the lowest
    number calls, and the best of those who hear it is promoted. Good links go first.
    """
    levels, parents, switches = {root: 0}, dict[int, Neighbour](), [root]
    waiting = [it.number for it in terminals if it.node.up and it.number != root]

    def best(number: int, among: Sequence[int], limit: float) -> tuple[int, float] | None:
        near = ((it, quality.etx(number, it)) for it in among)
        usable = [(levels[it], etx, it) for it, etx in near if etx <= limit and it != number]
        return min(usable)[:0:-1] if usable else None

    for limit in (GOOD_ETX, MAX_ETX):
        while True:
            for number in list(waiting):
                found = best(number, switches, limit)
                if found is not None:
                    parents[number] = Neighbour(*found)
                    levels[number] = levels[found[0]] + 1
                    waiting.remove(number)
            calls = ((it, [n for n in air.hearers(it) if n in levels]) for it in waiting)
            found = next(filter(None, (best(it, near, limit) for it, near in calls)), None)
            if found is None:
                break
            switches.append(found[0])
    for it in terminals:
        if it.number in levels:
            it.settle_as(parents.get(it.number), it.number in switches)
        elif it.node.up:
            it.start()
    return [terminals[number] for number in switches]
