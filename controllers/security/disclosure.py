"""When a sum over customers may be given to who may not see its parts.

A sum changes owner only if it is over enough customers, none of whom has too large a share of
it (the 15/15 rule of the Illinois Commerce Commission; both numbers are settings), or over
enough time of one customer. And only if it cannot be undone: what was already given out for an
overlapping time, together with it, must yield neither one customer's value nor the sum over
fewer customers than the minimum by a single subtraction (auditing after Chin and Ozsoyoglu, IEEE
Transactions on Software Engineering 8(6), 1982).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Disclosure", "Rule", "Verdict"]

_PRIME = (1 << 61) - 1


class Verdict(StrEnum):
    """Whether a sum may go, or why not."""

    RELEASED = "released"
    TOO_FEW = "too-few"
    SHARE = "share"
    DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class Rule:
    """``min_customers`` with at most ``max_share`` each, or ``min_span_ms`` of any (0: never)."""

    min_customers: int = 15
    max_share: float = 0.15
    min_span_ms: int = 0

    def __post_init__(self) -> None:
        if self.min_customers < 1 or not 0 < self.max_share <= 1 or self.min_span_ms < 0:
            raise ValueError("min_customers from 1, max_share in (0, 1], min_span_ms from 0")

    def admits(self, customers: int, largest: float, total: float) -> Verdict:
        """Return whether a sum of which this much is known may go: how many, and whose is most."""
        if customers < self.min_customers:
            return Verdict.TOO_FEW
        return Verdict.SHARE if largest > self.max_share * total else Verdict.RELEASED


@dataclass(frozen=True, slots=True)
class _Given:
    """What was given out: a sum over members in [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    members: frozenset[str]


class Disclosure:
    """Decides, and remembers what it let go; ``counts`` of each verdict."""

    __slots__ = ("_given", "_rule", "counts")

    def __init__(self, rule: Rule | None = None) -> None:
        self._rule = rule or Rule()
        self._given: list[_Given] = []
        self.counts = dict.fromkeys(Verdict, 0)

    def decide(self, values: Mapping[str, float], start_ms: int, end_ms: int) -> Verdict:
        """Return whether the sum of customers' values over a time may go; if so, it has gone."""
        return self.decide_all((values,), start_ms, end_ms)

    def decide_all(
        self, columns: Sequence[Mapping[str, float]], start_ms: int, end_ms: int
    ) -> Verdict:
        """Return whether several sums over the same customers may go together."""
        verdict = self._verdict(columns, start_ms, end_ms)
        self.counts[verdict] += 1
        return verdict

    def forget(self, before_ms: int) -> None:
        """Forget what ended before an instant of which nothing is asked any more."""
        self._given = [one for one in self._given if one.end_ms > before_ms]

    def _verdict(
        self, columns: Sequence[Mapping[str, float]], start_ms: int, end_ms: int
    ) -> Verdict:
        rule, members = self._rule, frozenset(columns[0])
        if rule.min_span_ms and end_ms - start_ms >= rule.min_span_ms and members:
            return Verdict.RELEASED  # so long a sum of one may be known, however it is found
        for values in columns:
            sizes = [abs(value) for value in values.values()]
            verdict = rule.admits(len(sizes), max(sizes, default=0.0), sum(sizes))
            if verdict is not Verdict.RELEASED:
                return verdict
        return self._release(members, start_ms, end_ms)

    def _release(self, members: frozenset[str], start_ms: int, end_ms: int) -> Verdict:
        near = {
            one.members for one in self._given if one.start_ms < end_ms and start_ms < one.end_ms
        }
        for other in near:
            if 0 < len(members ^ other) < self._rule.min_customers:
                return Verdict.DIFFERENCE
        if members not in near and _gives_one_away([*sorted(near, key=sorted), members]):
            return Verdict.DIFFERENCE
        self._given.append(_Given(start_ms, end_ms, members))
        return Verdict.RELEASED


def _gives_one_away(groups: list[frozenset[str]]) -> bool:
    """Tell whether sums over the groups determine one member's value.

    They do if its unit vector is a linear combination of the groups' vectors: then the reduced
    row echelon form has a row with one entry. Reckoned modulo a prime, so exactly but for a
    chance of about 1e-18.
    """
    names = sorted(frozenset().union(*groups))
    rows: list[dict[str, int]] = []
    for group in groups:
        row = dict.fromkeys(sorted(group), 1)
        for done in rows:
            pivot = next(iter(done))
            if factor := row.get(pivot, 0):
                _subtract(row, done, factor)
        if not row:
            continue
        first = min(row)
        inverse = pow(row[first], -1, _PRIME)
        scaled = {name: value * inverse % _PRIME for name, value in row.items()}
        row = {first: 1, **{name: value for name, value in scaled.items() if name != first}}
        for done in rows:
            if factor := done.get(first, 0):
                _subtract(done, row, factor)
        rows.append(row)
    return bool(names) and any(len(row) == 1 for row in rows)


def _subtract(row: dict[str, int], other: Mapping[str, int], factor: int) -> None:
    for name, value in other.items():
        left = (row.get(name, 0) - factor * value) % _PRIME
        if left:
            row[name] = left
        else:
            row.pop(name, None)
