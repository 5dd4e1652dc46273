"""What is assigned to an aggregate, handed down to its members: every Wh, none beyond a bound.

Who gets how much of which slice is a transport problem with whole numbers. It is solved as a flow
from members to slices; that there is one for all that the aggregate's offer allows is what groups
are made for (``aggregation``).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from controllers.flexibility.aggregation import Aggregate
from controllers.flexibility.offers import Assignment, OfferError

__all__ = ["disaggregate"]


def disaggregate(aggregate: Aggregate, assignment: Assignment) -> dict[str, Assignment]:
    """Return the assignment of each member, by its identifier; they add up to ``assignment``.

    Raises OfferError where the assignment does not keep to the aggregate's offer.
    """
    aggregate.offer.check(assignment)
    parts = _split(aggregate, assignment)
    return {
        member.id: Assignment(assignment.slot + offset, tuple(wh))
        for member, offset, wh in zip(aggregate.members, aggregate.offsets, parts, strict=True)
    }


def _split(aggregate: Aggregate, assignment: Assignment) -> list[list[int]]:
    """Return the energies of each member's slices."""
    members = aggregate.members
    if len(members) == 1:
        return [list(assignment.wh)]
    rest = np.array(assignment.wh, dtype=np.int64)
    for member, offset in zip(members, aggregate.offsets, strict=True):
        rest[offset : offset + member.slices] -= member.low_wh
    if not any(member.binds for member in members):
        extra = _by_width(aggregate, rest)
    else:
        extra = _by_flow(aggregate, rest)
    return [
        [low + more for low, more in zip(member.low_wh, mores, strict=True)]
        for member, mores in zip(members, extra, strict=True)
    ]


def _by_width(aggregate: Aggregate, rest: np.ndarray) -> list[list[int]]:
    """Return what each member takes beyond its least, in proportion to what it may.

    Slices do not bear on each other. Of what division leaves, the first members get one Wh each.
    """
    extra = [[0] * member.slices for member in aggregate.members]
    for place, energy in enumerate(rest.tolist()):
        widths = [
            (m, place - offset, member.high_wh[place - offset] - member.low_wh[place - offset])
            for m, (member, offset) in enumerate(
                zip(aggregate.members, aggregate.offsets, strict=True)
            )
            if 0 <= place - offset < member.slices
        ]
        total = sum(width for _, _, width in widths)
        given = 0
        for m, number, width in widths:
            extra[m][number] = energy * width // total if total else 0
            given += extra[m][number]
        for m, number, width in widths:
            if given < energy and extra[m][number] < width:
                extra[m][number] += 1
                given += 1
    return extra


def _by_flow(aggregate: Aggregate, rest: np.ndarray) -> list[list[int]]:
    """Return what each member takes beyond its least, so that its total is kept too."""
    members, slices, total = aggregate.members, len(rest), int(rest.sum())
    source, free, sink = 0, 1, 2 + len(members) + slices
    edges: list[tuple[int, int, int]] = []
    needed = 0
    for m, (member, offset) in enumerate(zip(members, aggregate.offsets, strict=True), 2):
        floor = sum(member.low_wh)
        least, most = (bound - floor for bound in member.totals_wh)
        needed += least
        edges += [(source, m, least), (free, m, most - least)]
        for number, (low, high) in enumerate(zip(member.low_wh, member.high_wh, strict=True)):
            edges.append((m, 2 + len(members) + offset + number, high - low))
    edges.append((source, free, total - needed))
    edges += [(2 + len(members) + s, sink, int(rest[s])) for s in range(slices)]
    begin, end, room = (np.array(column, dtype=np.int32) for column in zip(*edges, strict=True))
    graph = csr_array((room, (begin, end)), shape=(sink + 1, sink + 1), dtype=np.int32)
    result = maximum_flow(graph, source, sink)
    if result.flow_value != total:
        raise OfferError(f"{aggregate.offer.id}: what is assigned cannot be handed down")
    flow = result.flow.toarray()
    return [
        flow[m, 2 + len(members) + offset :][: member.slices].tolist()
        for m, (member, offset) in enumerate(zip(members, aggregate.offsets, strict=True), 2)
    ]
