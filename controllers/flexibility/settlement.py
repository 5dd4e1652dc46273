"""What came of orders, by the meters, and what is paid for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controllers.flexibility.offers import Profile

__all__ = ["Sold", "Terms", "delivered_wh", "settle"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is taken off for each MWh ordered and not delivered [cent]."""

    penalty_cent_per_mwh: int = 0


@dataclass(frozen=True, slots=True)
class Sold:
    """One order: the change that was bought [Wh], and its price [cent]."""

    id: str
    change: Profile
    cent: float

    def reduced_wh(self, slot: int) -> int:
        """Return how much less is to be drawn in a slot; 0 where more is."""
        return max(-self.change.at(slot), 0)

    @property
    def slots(self) -> list[int]:
        """The slots in which less is to be drawn."""
        return [s for s, wh in enumerate(self.change.wh, self.change.slot) if wh < 0]


def delivered_wh(stated_wh: float, ordered_wh: int, measured_wh: float) -> float:
    """Return what was delivered of what was ordered in a slot.

    ``stated_wh`` is the aggregator's last prognosis before the slot, orders included: without them
    it would have been so much more. What was drawn beyond the prognosis counts as not delivered;
    what less than was ordered, as no more than that.
    """
    return min(max(stated_wh + ordered_wh - measured_wh, 0.0), float(ordered_wh))


def settle(
    over: Sequence[Sold],
    sold: Sequence[Sold],
    stated_wh: Mapping[int, int],
    measured_wh: Mapping[int, float],
    terms: Terms,
) -> list[tuple[str, int, int, float]]:
    """Return for each order that is ``over`` what was ordered and delivered [Wh], and paid [cent].

    Of a slot with several orders (``sold``: all of them) each delivers in proportion. A slot that
    nobody measured counts as delivered: that the meters are silent is the operator's affair.
    """
    ordered: dict[int, int] = {}
    for one in sold:
        for slot in one.slots:
            ordered[slot] = ordered.get(slot, 0) + one.reduced_wh(slot)
    share = {
        slot: delivered_wh(stated_wh[slot], wh, measured_wh[slot]) / wh
        if slot in measured_wh and slot in stated_wh
        else 1.0
        for slot, wh in ordered.items()
    }
    rows = []
    for one in over:
        asked = sum(one.reduced_wh(slot) for slot in one.slots)
        came = round(sum(one.reduced_wh(slot) * share[slot] for slot in one.slots))
        paid = one.cent * came / asked if asked else 0.0
        paid -= (asked - came) * terms.penalty_cent_per_mwh / 1e6
        rows.append((one.id, asked, came, round(paid, 3)))
    return rows
