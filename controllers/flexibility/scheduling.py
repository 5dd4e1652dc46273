"""Flex-offers scheduled so that the sum stays within limits, at least price.

A randomised greedy search (as MIRABEL's): offers are taken out one after the other, in random
order, and put back where they serve best, until a whole pass changes nothing; the best of some
beginnings counts. Each step is a choice over all starts, with the energies of the slices as near
as can be to what is left below the limit; so the objective never grows within a search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from controllers.flexibility.offers import Assignment, FlexOffer, Profile

__all__ = ["Need", "Schedule", "as_array", "moved_wh", "schedule"]

Ints: TypeAlias = NDArray[np.int64]
_BISECTIONS = 45
_CENT_PER_MWH_OVER = 10_000_000
"""What a Wh above the limit counts: more than any price."""


@dataclass(frozen=True, slots=True)
class Need:
    """Limits of the sum [Wh] in each slot from ``slot`` on, and what of it is not on offer."""

    slot: int
    rest_wh: Ints
    limit_wh: Ints

    def over_wh(self, load_wh: Ints) -> int:
        """Return what a load is above the limits [Wh]."""
        return int(np.maximum(load_wh - self.limit_wh, 0).sum())


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is assigned, by offer (those not named stay as they are); the sum, what is over."""

    assignments: Mapping[str, Assignment]
    load_wh: Ints
    over_wh: int
    cost: int


def as_array(profile: Profile, slot: int, slots: int) -> Ints:
    """Return the energies of ``slots`` from ``slot`` on."""
    out = np.zeros(slots, dtype=np.int64)
    begin, end = max(profile.slot, slot), min(profile.slot + len(profile.wh), slot + slots)
    if begin < end:
        out[begin - slot : end - slot] = profile.wh[begin - profile.slot : end - profile.slot]
    return out


def moved_wh(default_wh: Ints, wh: Ints) -> int:
    """Return what is drawn less than by default, where it is less [Wh]."""
    return int(np.maximum(default_wh - wh, 0).sum())


def schedule(
    offers: Sequence[FlexOffer],
    need: Need,
    random: np.random.Generator,
    *,
    beginnings: int = 3,
    passes: int = 8,
) -> Schedule:
    """Return the best schedule found; without offers, or with no need, nothing is assigned.

    Offers that do not fit into the horizon stay as they are.
    """
    best: Schedule | None = None
    pieces = [_Piece(offer, need) for offer in offers if _fits(offer, need)]
    defaults = sum((as_array(o.default, need.slot, len(need.rest_wh)) for o in offers), _none(need))
    base = Schedule({}, need.rest_wh + defaults, need.over_wh(need.rest_wh + defaults), 0)
    if not base.over_wh or not pieces:
        return base
    for _ in range(beginnings):
        found = _search(pieces, need, base.load_wh, random, passes)
        if best is None or (found.over_wh, found.cost) < (best.over_wh, best.cost):
            best = found
    assert best is not None
    return best if best.over_wh < base.over_wh else base


def _none(need: Need) -> Ints:
    return np.zeros(len(need.rest_wh), dtype=np.int64)


def _fits(offer: FlexOffer, need: Need) -> bool:
    end = need.slot + len(need.rest_wh)
    return need.slot <= offer.earliest and offer.earliest + offer.slices <= end


class _Piece:
    """One offer in the horizon: its slices' bounds, its default, all its starts."""

    def __init__(self, offer: FlexOffer, need: Need) -> None:
        slots = len(need.rest_wh)
        self.offer = offer
        self.default = as_array(offer.default, need.slot, slots)
        last = min(offer.latest, need.slot + slots - offer.slices)
        self.starts = np.arange(offer.earliest, last + 1) - need.slot
        self.windows = self.starts[:, None] + np.arange(offer.slices)
        self.low, self.high = (np.array(b, dtype=np.int64) for b in (offer.low_wh, offer.high_wh))
        self.default_in = self.default[self.windows]
        self.less_outside = np.maximum(self.default, 0).sum() - np.maximum(self.default_in, 0).sum(
            axis=1
        )

    def best(self, rest: Ints, limit: Ints) -> tuple[int, Ints, int, int]:
        """Return start, energies, overshoot and price that serve best beside ``rest``."""
        room = (limit - rest)[self.windows]
        wanted = np.minimum(room, self.default_in)  # as by itself, where there is room for it
        energies = fill(wanted, room, self.low, self.high, self.offer.totals_wh)
        outside = np.maximum(rest - limit, 0)
        over = outside.sum() - outside[self.windows].sum(axis=1)
        over = over + np.maximum(energies - room, 0).sum(axis=1)
        less = self.less_outside + np.maximum(self.default_in - energies, 0).sum(axis=1)
        price = less * self.offer.cent_per_mwh
        at = int(np.lexsort((self.starts, less, price + over * _CENT_PER_MWH_OVER))[0])
        return int(self.starts[at]), energies[at], int(over[at]), int(price[at])


def fill(wanted: Ints, room: Ints, low: Ints, high: Ints, totals: tuple[int, int]) -> Ints:
    """Return, for each row, whole energies within bounds and total: ``wanted``, and what the total
    needs beyond it (or less) in the slots with the most room (the least).

    ``clip(room + z, a, b)`` with one z for all slices of a row, where a is what is wanted and b the
    most where more is needed, and otherwise the least and what is wanted; then in whole Wh, the
    running sum within half of one.
    """
    least, most = totals
    start = np.clip(wanted, low, high)
    sums = start.sum(axis=1)
    target = np.clip(sums, least, most)
    more = (target > sums)[:, None]
    floor, ceiling = np.where(more, start, low), np.where(more, high, start)
    span = float(np.abs(room).max(initial=0) + np.abs(low).max() + np.abs(high).max()) + 1.0
    below, above = np.full(len(room), -span), np.full(len(room), span)
    for _ in range(_BISECTIONS):
        middle = (below + above) / 2.0
        short = np.clip(room + middle[:, None], floor, ceiling).sum(axis=1) < target
        below, above = np.where(short, middle, below), np.where(short, above, middle)
    exact = np.clip(room + above[:, None], floor, ceiling)
    running = np.floor(np.cumsum(exact, axis=1) + (0.5 - 1e-6))
    whole = np.diff(running, axis=1, prepend=0.0).astype(np.int64)
    same = (target == sums)[:, None]
    filled: Ints = np.where(same, start, np.clip(whole, low, high))
    return filled


def _search(
    pieces: Sequence[_Piece], need: Need, load: Ints, random: np.random.Generator, passes: int
) -> Schedule:
    load = load.copy()
    at: dict[int, tuple[int, Ints] | None] = dict.fromkeys(range(len(pieces)))
    now, prices = need.over_wh(load), [0] * len(pieces)
    for _ in range(passes):
        changed = False
        for number in random.permutation(len(pieces)).tolist():
            piece = pieces[number]
            mine = _energies(piece, at[number], len(load))
            rest = load - mine
            start, energies, over, price = piece.best(rest, need.limit_wh)
            default = need.over_wh(rest + piece.default)
            choices = [
                (now * _CENT_PER_MWH_OVER + prices[number], at[number], now, prices[number]),
                (default * _CENT_PER_MWH_OVER, None, default, 0),
                (over * _CENT_PER_MWH_OVER + price, (start, energies), over, price),
            ]
            _, which, now_, price_ = min(choices, key=lambda choice: choice[0])
            if which is not at[number]:
                load = rest + _energies(piece, which, len(load))
                at[number], now, prices[number], changed = which, now_, price_, True
        if not changed:
            break
    assignments = {
        pieces[n].offer.id: Assignment(need.slot + which[0], tuple(which[1].tolist()))
        for n, which in at.items()
        if which is not None
    }
    return Schedule(assignments, load, now, sum(prices))


def _energies(piece: _Piece, which: tuple[int, Ints] | None, slots: int) -> Ints:
    if which is None:
        return piece.default
    out = np.zeros(slots, dtype=np.int64)
    out[which[0] : which[0] + len(which[1])] = which[1]
    return out
