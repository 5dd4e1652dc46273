"""Sums that may go and sums that would give somebody away; the log of who got what."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.security.audit import GENESIS, Audit, Entry, first_break
from controllers.security.disclosure import Disclosure, Rule, Verdict, _gives_one_away

HOMES = [f"home-{n:02d}" for n in range(40)]


def even(homes: list[str]) -> dict[str, float]:
    return dict.fromkeys(homes, 100.0)


def test_enough_customers_none_too_large() -> None:
    gate = Disclosure()
    assert gate.decide(even(HOMES[:14]), 0, 900) is Verdict.TOO_FEW
    assert gate.decide(even(HOMES[:15]), 0, 900) is Verdict.RELEASED
    large = {**even(HOMES[:20]), HOMES[0]: 400.0}  # of 2300: 17 %
    assert gate.decide(large, 900, 1800) is Verdict.SHARE
    assert gate.decide({**large, HOMES[0]: -400.0}, 900, 1800) is Verdict.SHARE  # feeding in
    assert gate.decide({**large, HOMES[0]: 330.0}, 900, 1800) is Verdict.RELEASED  # of 2230
    assert gate.counts[Verdict.RELEASED] == 2


def test_one_customers_long_time() -> None:
    gate = Disclosure(Rule(min_span_ms=86_400_000))
    assert gate.decide({"home": 1.0}, 0, 900_000) is Verdict.TOO_FEW
    assert gate.decide({"home": 1.0}, 0, 86_400_000) is Verdict.RELEASED


def test_two_sums_are_not_subtracted() -> None:
    gate = Disclosure()
    assert gate.decide(even(HOMES[:30]), 0, 900) is Verdict.RELEASED
    assert gate.decide(even(HOMES[:29]), 0, 900) is Verdict.DIFFERENCE
    assert gate.decide(even(HOMES[:29]), 899, 1800) is Verdict.DIFFERENCE  # overlaps
    assert gate.decide(even(HOMES[:29]), 900, 1800) is Verdict.RELEASED
    assert gate.decide(even(HOMES[:30]), 0, 900) is Verdict.RELEASED  # the same again
    assert gate.decide(even(HOMES[:15]), 0, 900) is Verdict.RELEASED  # the rest is 15 too
    gate.forget(1800)
    assert gate.decide(even(HOMES[:29]), 0, 900) is Verdict.RELEASED


def test_three_sums_are_not_combined() -> None:
    # a+b, b+c, a+c: each differs from each by two, and together they tell a, b and c
    gate = Disclosure(Rule(min_customers=2, max_share=1.0))
    assert gate.decide(even(["a", "b"]), 0, 1) is Verdict.RELEASED
    assert gate.decide(even(["b", "c"]), 0, 1) is Verdict.RELEASED
    assert gate.decide(even(["a", "c"]), 0, 1) is Verdict.DIFFERENCE


groups = st.lists(st.frozensets(st.sampled_from(HOMES[:7]), min_size=1), min_size=1, max_size=7)


@settings(max_examples=300)
@given(groups)
def test_giving_away_is_what_linear_algebra_says(sums: list[frozenset[str]]) -> None:
    matrix = np.array([[name in group for name in HOMES[:7]] for group in sums], float)
    rank = np.linalg.matrix_rank(matrix)
    given_away = any(np.linalg.matrix_rank(np.vstack([matrix, unit])) == rank for unit in np.eye(7))
    assert _gives_one_away(sums) == given_away


@settings(max_examples=100)
@given(st.lists(st.frozensets(st.sampled_from(HOMES[:9]), min_size=1), max_size=12))
def test_whatever_is_asked_nobody_is_given_away(asked: list[frozenset[str]]) -> None:
    gate = Disclosure(Rule(min_customers=3, max_share=1.0))
    released = [
        group for group in asked if gate.decide(even(sorted(group)), 0, 1) is Verdict.RELEASED
    ]
    assert all(len(group) >= 3 for group in released)
    assert all(len(a ^ b) >= 3 for a, b in combinations(set(released), 2))
    assert not released or not _gives_one_away(released)


def test_rules_that_make_no_sense_are_refused() -> None:
    for wrong in (
        {"min_customers": 0},
        {"max_share": 0.0},
        {"max_share": 1.1},
        {"min_span_ms": -1},
    ):
        with pytest.raises(ValueError, match="min_customers"):
            Rule(**wrong)  # type: ignore[arg-type]


ENTRY = Entry(1, "a#1", "operator", "metering", "query", "voltage", "anna", "denied")


def test_the_log_shows_every_change() -> None:
    log = Audit()
    hashes = [log.add(replace(ENTRY, t_ms=t_ms)) for t_ms in range(20)]
    assert len(set(hashes)) == 20
    assert log.head == hashes[-1] == Audit(log.entries).head
    assert first_break(log.entries, hashes) is None
    for number in range(20):
        for name in Entry.__dataclass_fields__:
            changed = replace(log.entries[number], **{name: 99 if name == "t_ms" else "x"})
            entries = [*log.entries[:number], changed, *log.entries[number + 1 :]]
            assert first_break(entries, hashes) == number
    dropped = log.entries[:5] + log.entries[6:]
    assert first_break(dropped, hashes[:5] + hashes[6:]) == 5
    swapped = [log.entries[1], log.entries[0], *log.entries[2:]]
    assert first_break(swapped, hashes) == 0
    with pytest.raises(ValueError, match="zip"):
        first_break(log.entries, hashes[:-1])
    assert Audit().head == GENESIS
