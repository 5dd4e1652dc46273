"""Many flex-offers as few, so that whatever is assigned to one of these can be handed down exactly.

Offers are grouped by their shape, then by when they may begin (tolerances). What a group sums up to
is again a flex-offer, and may be summed up again:

- Offers whose total allows all that their slices allow (``free``, single fixed profiles among them)
  are laid over each other by their earliest starts and shifted together. The sum of boxes is the
  box of the sums.
- Offers with equal slices and a total that binds (a vehicle: so much energy, at most so much a
  quarter-hour) begin together. Of ``l <= x <= u`` in ``d`` slices with ``L <= sum(x) <= U``, any k
  slices take at most ``min(k u, U - (d - k) l)`` and at least ``max(k l, L - (d - k) u)``. Such
  sets are generalised polymatroids: a sum of them is bounded by the sums of these, and whole
  numbers split into whole numbers (Frank, Tardos 1988). The sums are those of *one* such offer with
  summed bounds where the turn of the minimum, k = (U - d l) / (u - l), is between the same whole
  numbers for all, and that of the maximum too: that is the group's shape.
- Any other offer stays by itself.

So nothing is allowed that cannot be done, and nothing is lost but freedom in time, within the
tolerances.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from controllers.flexibility.offers import FlexOffer, Profile

__all__ = ["Aggregate", "Tolerance", "aggregate", "sum_profiles"]

Shape: TypeAlias = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How different offers of one group may be.

    Earliest starts by up to ``start_slots``, the freedom in time by up to ``free_slots``, prices by
    up to ``cent_per_mwh``; at most ``members`` in a group.
    """

    start_slots: int = 4
    free_slots: int = 8
    cent_per_mwh: int = 0
    members: int = 100


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One offer that stands for ``members``; each begins ``offsets`` slots after it."""

    offer: FlexOffer
    members: tuple[FlexOffer, ...]
    offsets: tuple[int, ...]


def aggregate(offers: Iterable[FlexOffer], tolerance: Tolerance) -> list[Aggregate]:
    """Return aggregates that together stand for ``offers``, each offer in one of them."""
    by_shape: dict[Shape, list[FlexOffer]] = {}
    alone = list[FlexOffer]()
    for offer in sorted(offers, key=lambda one: (one.earliest, one.latest, one.id)):
        shape = shape_of(offer)
        if shape is None:
            alone.append(offer)
        else:
            by_shape.setdefault(shape, []).append(offer)
    found = [_summed([offer], together=True) for offer in alone]
    for shape in sorted(by_shape):
        together = shape[0] == "tight"
        found += [_summed(g, together=together) for g in _groups(by_shape[shape], tolerance, shape)]
    return found


def shape_of(offer: FlexOffer) -> Shape | None:
    """Return what offers of one group have in common, None for one that stays by itself."""
    if not offer.binds:
        return ("free", 0, 0, 0)
    low, high = offer.low_wh[0], offer.high_wh[0]
    if set(offer.low_wh) != {low} or set(offer.high_wh) != {high}:
        return None
    least, most = offer.totals_wh
    slices, width = offer.slices, high - low  # > 0, or the total would not bind
    turns = (-(-(slices * high - least) // width), -(-(most - slices * low) // width))
    return ("tight", slices, *turns)


def _groups(
    offers: Sequence[FlexOffer], tolerance: Tolerance, shape: Shape
) -> list[list[FlexOffer]]:
    """Return groups within the tolerances; ``offers`` are in the order of their earliest starts."""
    groups: list[list[FlexOffer]] = []
    open_: list[list[FlexOffer]] = []
    for offer in offers:
        open_ = [g for g in open_ if offer.earliest - g[0].earliest <= tolerance.start_slots]
        home = next((g for g in open_ if _fits(g, offer, tolerance, shape[0])), None)
        if home is None:
            home = []
            groups.append(home)
            open_.append(home)
        home.append(offer)
    return groups


def _fits(group: Sequence[FlexOffer], offer: FlexOffer, limit: Tolerance, shape: str) -> bool:
    free = [one.latest - one.earliest for one in (*group, offer)]
    prices = [one.cent_per_mwh for one in (*group, offer)]
    fits = len(group) < limit.members
    fits = fits and max(prices) - min(prices) <= limit.cent_per_mwh
    fits = fits and max(free) - min(free) <= limit.free_slots
    # of those that begin together the last to come must come before the first has to go
    return fits and (shape != "tight" or offer.earliest <= min(one.latest for one in group))


def _summed(group: Sequence[FlexOffer], *, together: bool) -> Aggregate:
    first = min(offer.earliest for offer in group)
    if together:
        earliest = max(offer.earliest for offer in group)
        latest = min(offer.latest for offer in group)
        offsets = [0] * len(group)
    else:
        earliest = first
        latest = first + min(offer.latest - offer.earliest for offer in group)
        offsets = [offer.earliest - first for offer in group]
    slices = max(o + offer.slices for o, offer in zip(offsets, group, strict=True))
    low, high = [0] * slices, [0] * slices
    for offset, offer in zip(offsets, group, strict=True):
        for number in range(offer.slices):
            low[offset + number] += offer.low_wh[number]
            high[offset + number] += offer.high_wh[number]
    offer = FlexOffer(
        group[0].id if len(group) == 1 else f"{group[0].id}+{len(group) - 1}",
        earliest,
        latest,
        tuple(low),
        tuple(high),
        sum(one.totals_wh[0] for one in group),
        sum(one.totals_wh[1] for one in group),
        sum_profiles([one.default for one in group]),
        max(one.cent_per_mwh for one in group),
        min(one.accept_ms for one in group),
        min(one.assign_ms for one in group),
    )
    return Aggregate(offer, tuple(group), tuple(offsets))


def sum_profiles(profiles: Iterable[Profile]) -> Profile:
    """Return the sum of profiles, over all slots that they reach over."""
    some = [profile for profile in profiles if profile.wh]
    if not some:
        return Profile(0)
    first = min(profile.slot for profile in some)
    end = max(profile.slot + len(profile.wh) for profile in some)
    wh = [0] * (end - first)
    for profile in some:
        for number, energy in enumerate(profile.wh, profile.slot - first):
            wh[number] += energy
    return Profile(first, tuple(wh))
