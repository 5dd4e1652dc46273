"""What each party of a hidden sum can get to know, whoever is missing."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.security import aggregator
from controllers.security.aggregator import Group, Masking, make_aggregator
from controllers.security.errors import RefusedError
from controllers.security.keys import Keys, PublicKeys

SECRET = bytes(32)
READER, ADDER = "mvgmu/m", "lvgmu/a"
NAMES = [f"meter/a/load-{number}" for number in range(24)]


def parties(scheme: str, names: Iterable[str]) -> dict[str, Any]:
    known, keys = PublicKeys(), {name: Keys(name, SECRET) for name in (*names, READER, ADDER)}
    for name, own in keys.items():
        known.trust_agreement(name, own.public_agreement())
        known.trust_sums(name, own.sums().public.point)
    return {name: make_aggregator(scheme, own, known) for name, own in keys.items()}


MASKING, ELGAMAL = parties("masking", NAMES), parties("elgamal", NAMES)
values = st.integers(-(10**12), 10**12)


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(3, 24), st.integers(0, 24))
def test_a_masked_sum_is_exact_over_who_is_left(
    data: st.DataObject, size: int, neighbours: int
) -> None:
    group = Group.of(NAMES[:size], READER, neighbours, 2)
    gone = data.draw(st.sets(st.sampled_from(NAMES[:size]), max_size=size - 2))
    energy = {name: data.draw(st.tuples(values, values)) for name in group.members}
    shares = {name: MASKING[name].hide(energy[name], group, "r") for name in energy}
    left = [name for name in group.members if name not in gone]
    if not group.allows(gone):
        with pytest.raises(RefusedError):
            MASKING[left[0]].disclose(gone, group, "r")
        return
    given_up = [MASKING[name].disclose(gone, group, "r") for name in group.concerned(gone)]
    total = MASKING[ADDER].add([shares[name] for name in left], given_up, group)
    sums = [sum(energy[name][lane] for name in left) for lane in (0, 1)]
    assert MASKING[READER].reveal(total, left, group, "r") == sums
    if len(left) < size:
        assert MASKING[READER].reveal(total, group.members, group, "r") != sums
    with pytest.raises(RefusedError):
        MASKING[ADDER].reveal(total, left, group, "r")


@settings(deadline=None, max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=6))
def test_an_encrypted_sum_is_exact_and_does_not_show_its_parts(energy: list[Any]) -> None:
    group = Group.of(NAMES[: len(energy)], READER, 0, 2)
    shares = [ELGAMAL[name].hide(one, group, "r") for name, one in zip(NAMES, energy, strict=False)]
    total = ELGAMAL[ADDER].add(shares, [], group)
    assert ELGAMAL[READER].reveal(total, NAMES[: len(energy)], group, "r") == [
        sum(one[lane] for one in energy) for lane in (0, 1)
    ]
    assert ELGAMAL[ADDER].add(shares[:1], [], group) != shares[0]
    assert ELGAMAL[ADDER].add(shares, [], group) != total
    with pytest.raises(RefusedError):
        ELGAMAL[ADDER].reveal(total, NAMES[:1], group, "r")
    with pytest.raises(RefusedError):
        ELGAMAL[NAMES[0]].disclose((), group, "r")


@settings(max_examples=200)
@given(st.integers(3, 24), st.integers(1, 8), st.data())
def test_the_ring_hangs_together_where_it_says_so(
    size: int, neighbours: int, data: st.DataObject
) -> None:
    group = Group.of(NAMES[:size], READER, neighbours, 2)
    gone = data.draw(st.sets(st.sampled_from(NAMES[:size]), max_size=size - 2))
    graph = nx.Graph()
    graph.add_nodes_from(name for name in group.members if name not in gone)
    for name in graph:
        assert all(name in group.beside(other) for other in group.beside(name))
        graph.add_edges_from((name, other) for other in group.beside(name) if other not in gone)
    if group.allows(gone):
        assert nx.is_connected(graph)
    assert set(group.concerned(gone)) == {name for name in graph if set(group.beside(name)) & gone}


class Symbol:
    """A sum of unknowns with whole coefficients, which the real code takes for a number."""

    def __init__(self, parts: dict[Any, int]) -> None:
        self.parts = {key: value for key, value in parts.items() if value}

    def __add__(self, other: Any) -> Symbol:
        if other == 0:
            return self
        keys = self.parts.keys() | other.parts.keys()
        return Symbol({k: self.parts.get(k, 0) + other.parts.get(k, 0) for k in keys})

    __radd__ = __add__

    def __rmul__(self, factor: int) -> Symbol:
        return Symbol({key: factor * value for key, value in self.parts.items()})

    def __mod__(self, _modulus: int) -> Symbol:
        return self

    def __eq__(self, other: object) -> bool:
        return other == 0 and not self.parts

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, _other: int) -> bool:
        return True

    def __gt__(self, _other: int) -> bool:
        return True

    def __ge__(self, _other: int) -> bool:
        return False


def reduced(rows: list[dict[Any, int]], last: set[Any]) -> list[dict[Any, Fraction]]:
    """What of the rows is about ``last`` alone once all other unknowns are eliminated."""
    left = [{key: Fraction(value) for key, value in row.items()} for row in rows]
    out: list[dict[Any, Fraction]] = []
    while left:
        row = left.pop()
        pivot = next((key for key in sorted(row, key=str) if key not in last), None)
        if pivot is None:
            if row:
                out.append(row)
            continue
        for other in left:
            if factor := other.get(pivot, Fraction(0)) / row[pivot]:
                for key, value in row.items():
                    rest = other.get(key, Fraction(0)) - factor * value
                    if rest:
                        other[key] = rest
                    else:
                        other.pop(key, None)
    return out


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(4, 14), st.integers(0, 8))
def test_neither_adder_nor_reader_can_tell_any_part_of_a_sum(
    data: st.DataObject, size: int, neighbours: int
) -> None:
    """By linear algebra over what the real code puts in: every mask is an unknown of its own."""
    names = NAMES[:size]
    group = Group.of(names, READER, neighbours, 3)
    first = data.draw(st.sets(st.sampled_from(names), max_size=size - 3))
    more = data.draw(st.sets(st.sampled_from(names), max_size=size - 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aggregator, "masks_of", lambda s, _r, n: [Symbol({s: 1})] * n)
        patch.setattr("controllers.security.masking.masks_of",
                      lambda s, _r, n: [Symbol({s: 1})] * n)  # fmt: skip
        members = parties("masking", names)
        sent = {
            name: members[name].hide([Symbol({name: 1})], group, "r")[0].parts for name in names
        }
        disclosed: list[dict[Any, int]] = []
        said: dict[str, list[dict[Any, int]]] = {}
        for gone in (first, first | more):
            if group.allows(gone):
                for name in group.concerned(gone):
                    parts = members[name].disclose(gone, group, "r")[0]
                    parts = {} if parts == 0 else parts.parts
                    said.setdefault(name, []).append(parts)
                    disclosed.append(parts)
    unknown = set(names)
    # whoever adds has seen every share, late ones too, and all that was disclosed: nothing
    assert reduced([*sent.values(), *disclosed], unknown) == []
    # whoever reads knows his masks; with all the shares on the wire he gets the sum over all alone
    of_reader = {Keys(READER, SECRET).shared(Keys(name, SECRET).public_agreement(),
                                             "reader's masks") for name in names}  # fmt: skip
    rows = [{k: v for k, v in row.items() if k not in of_reader} for row in sent.values()]
    [total] = reduced(rows, unknown)
    assert total.keys() == unknown
    assert len(set(total.values())) == 1


def test_what_members_send_is_evenly_spread_whatever_they_use() -> None:
    group = Group.of(NAMES, READER, 8, 15)
    for amount in (0, 10**9):
        sent = [
            share
            for slot in range(100)
            for name in NAMES
            for share in MASKING[name].hide([amount, amount], group, f"{amount}/{slot}")
        ]
        assert len(set(sent)) == len(sent) == 4800
        for shift in (0, 28, 60):  # lowest, middle and highest four bits: 15 degrees of freedom
            counts = [0] * 16
            for share in sent:
                counts[share >> shift & 15] += 1
            assert sum((count - 300) ** 2 / 300 for count in counts) < 37.7  # once in a thousand


garbage = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.text(max_size=90),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(garbage, st.sampled_from([MASKING, ELGAMAL]))
def test_garbage_is_refused(share: Any, scheme: dict[str, Any]) -> None:
    group = Group.of(NAMES[:3], READER, 0, 2)
    good = scheme[NAMES[0]].hide([1, 2], group, "r")
    row = share if isinstance(share, list) else [share, share]
    try:
        total = scheme[ADDER].add([good, row], [], group)
        scheme[READER].reveal(total, NAMES[:2], group, "r")
    except RefusedError:
        return
    assert isinstance(scheme[ADDER], Masking)
    assert all(type(one) is int for one in row[:2])
    assert len(row) >= 2
