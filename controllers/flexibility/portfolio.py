"""What an aggregator knows of its customers: what they will draw, what they offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from controllers.flexibility.aggregation import Aggregate, Tolerance, aggregate
from controllers.flexibility.disaggregation import disaggregate
from controllers.flexibility.newcomers import AHEAD, Newcomers
from controllers.flexibility.offers import Assignment, FlexOffer, Profile
from controllers.flexibility.records import Assigned, Told
from controllers.flexibility.scheduling import Ints, Need, Schedule, as_array, moved_wh, schedule

__all__ = ["Deal", "Entry", "Portfolio"]

_DAY_SLOTS = 96


@dataclass(slots=True)
class Entry:
    """A customer: the newest telling; offers by their own identifiers."""

    serial: int
    profile: Profile
    offers: dict[str, FlexOffer]
    cause: str

    def believed(self, slot: int, slots: int) -> Ints:
        """Return what it will draw; beyond what was told, what that says of the day before."""
        at = np.arange(slot, slot + slots) - self.profile.slot
        size = len(self.profile.wh)
        back = -(-np.maximum(at - size + 1, 0) // _DAY_SLOTS) * _DAY_SLOTS
        wh: Ints = np.array(self.profile.wh, dtype=np.int64)[np.clip(at - back, 0, size - 1)]
        return wh


@dataclass(frozen=True, slots=True)
class Deal:
    """What would be done for a request: change of the sum, assignments by customer, and what
    customers are owed: energy drawn less and money [cent].
    """

    change: Profile
    assigned: Mapping[str, tuple[int, Mapping[str, Assignment]]]
    moved: Mapping[str, tuple[int, float]]
    offers: int = 0
    aggregates: int = 0

    @property
    def cent(self) -> float:
        """What all customers are owed."""
        return sum(cent for _, cent in self.moved.values())


@dataclass(slots=True)
class Portfolio:
    """The customers of one area."""

    tolerance: Tolerance
    entries: dict[str, Entry] = field(default_factory=dict)
    newcomers: Newcomers = field(default_factory=Newcomers)
    came: dict[str, int] = field(default_factory=dict)  # customer: slot of the last word of it

    @property
    def absent(self) -> int:
        """How many of those heard of have no vehicle there, and had none since half a day."""
        newest = max(self.came.values(), default=0)
        here = sum(slot > newest - _DAY_SLOTS // 2 for slot in self.came.values())
        return len(self.entries) - here

    def coming_wh(self, now_ms: int, slots: int) -> Ints:
        """Return what those who are still to come will draw in the slots after the present one."""
        return self.newcomers.expect_wh(now_ms, slots, self.absent)

    def take(self, told: Told, cause: str) -> bool:
        """Take what a customer tells; return False where it is old."""
        known = self.entries.get(told.customer)
        if known is not None:
            if told.serial <= known.serial:
                return False
            said = as_array(told.profile, told.profile.slot, AHEAD)
            change = said - known.believed(told.profile.slot, AHEAD)
            self.newcomers.add(told.profile.slot - 1, change.tolist(), self.absent)
        if any(offer.least_wh > 0 for offer in told.offers):  # who wants energy is there
            self.came[told.customer] = told.profile.slot
        offers = {offer.id: offer for offer in told.offers}
        self.entries[told.customer] = Entry(told.serial, told.profile, offers, cause)
        return True

    def sum_wh(self, slot: int, slots: int) -> Ints:
        """Return what all customers that were heard of will draw."""
        total = np.zeros(slots, dtype=np.int64)
        for entry in self.entries.values():
            total += entry.believed(slot, slots)
        return total

    def open_offers(self, now_ms: int, slot: int) -> list[FlexOffer]:
        """Return the offers that can still be assigned, named ``customer n``."""
        return [
            replace(offer, id=f"{customer} {name}", earliest=max(offer.earliest, slot))
            for customer, entry in sorted(self.entries.items())
            for name, offer in sorted(entry.offers.items())
            if _is_open(offer, slot) and min(offer.accept_ms, offer.assign_ms) > now_ms
        ]

    def plan(self, slot: int, limit_wh: Ints, now_ms: int, random: np.random.Generator) -> Deal:
        """Return what keeps the sum below the limits as far as it can be; nothing is changed.

        Where offers summed up are too coarse for that, they are summed up less.
        """
        offers = self.open_offers(now_ms, slot)
        total = self.sum_wh(slot, len(limit_wh))
        own = sum((as_array(o.default, slot, len(limit_wh)) for o in offers), np.zeros_like(total))
        need = Need(slot, total - own, limit_wh)
        best: tuple[dict[str, Aggregate], Schedule] | None = None
        most = self.tolerance.members
        while True:
            few = aggregate(offers, replace(self.tolerance, members=most))
            found = schedule([group.offer for group in few], need, random)
            if best is None or (found.over_wh, found.cost) < (best[1].over_wh, best[1].cost):
                best = {group.offer.id: group for group in few}, found
            largest = max((len(group.members) for group in few), default=1)
            if not found.over_wh or largest == 1:
                return self._deal(slot, total, *best, len(offers))
            most = max(1, largest // 4)

    def _deal(
        self, slot: int, before: Ints, groups: Mapping[str, Aggregate], found: Schedule, offers: int
    ) -> Deal:
        assigned: dict[str, tuple[int, dict[str, Assignment]]] = {}
        moved: dict[str, tuple[int, float]] = {}
        change = np.zeros_like(before)
        for name, whole in sorted(found.assignments.items()):
            members = {member.id: member for member in groups[name].members}
            for key, part in disaggregate(groups[name], whole).items():
                customer, _, own = key.rpartition(" ")
                default = as_array(members[key].default, slot, len(before))
                wh = as_array(part, slot, len(before))
                change += wh - default
                serial = self.entries[customer].serial
                assigned.setdefault(customer, (serial, {}))[1][own] = part
                less = moved_wh(default, wh)
                owed = moved.get(customer, (0, 0.0))
                cent = less * members[key].cent_per_mwh / 1e6
                moved[customer] = (owed[0] + less, owed[1] + cent)
        profile = Profile(slot, tuple(change.tolist()))
        return Deal(profile, assigned, moved, offers, len(groups))

    def commit(self, deal: Deal) -> dict[str, Assigned]:
        """Count with a deal from now on; return what to tell each customer.

        Of a customer that has told something newer since, it is told by the old offers all the
        same, and counts until it tells again.
        """
        out = {}
        for customer, (serial, parts) in sorted(deal.assigned.items()):
            out[customer] = Assigned("", serial, parts)
            entry = self.entries[customer]
            for name, part in parts.items():
                offer = entry.offers.get(name)
                if offer is None or entry.serial != serial:
                    continue
                slot, size = entry.profile.slot, len(entry.profile.wh)
                change = as_array(part, slot, size) - as_array(offer.default, slot, size)
                wh = np.array(entry.profile.wh, dtype=np.int64) + change
                entry.profile = Profile(slot, tuple(wh.tolist()))
                entry.offers[name] = replace(offer, default=part)
        return out


def _is_open(offer: FlexOffer, slot: int) -> bool:
    """Tell whether all of an offer is still to come: its time, and what would happen by default."""
    begun = any(offer.default.at(at) for at in range(offer.earliest, slot))
    return offer.latest >= slot and not begun
