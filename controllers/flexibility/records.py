"""What the roles of flexibility write to each other, and whether a value is that.

Values come over the network, and anybody may have made them at some levels of security; what is
none of these is left. Energies are whole Wh by quarter-hour from ``slot`` on, positive = drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controllers.flexibility.offers import Assignment, FlexOffer, Profile

__all__ = [
    "ASSIGNMENT",
    "BID",
    "OFFER",
    "ORDER",
    "PROGNOSIS",
    "REQUEST",
    "SETTLEMENT",
    "STATEMENT",
    "Assigned",
    "Bid",
    "Order",
    "Prognosis",
    "Request",
    "Settled",
    "Told",
]

OFFER, ASSIGNMENT, STATEMENT = "flex.offer", "flex.assignment", "flex.statement"
PROGNOSIS, REQUEST, BID = "flex.prognosis", "flex.request", "flex.bid"
ORDER, SETTLEMENT = "flex.order", "flex.settlement"
_MOST_WH, _MOST_SLOTS, _MOST_OFFERS, _LONGEST = 1 << 40, 400, 50, 200
_MOST_CENT = 1e9


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) < _LONGEST


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) <= _MOST_WH


def _money(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _MOST_CENT


def _profile(value: Mapping[str, Any]) -> Profile | None:
    slot, wh = value.get("slot"), value.get("wh")
    if not _whole(slot) or not isinstance(wh, list) or not 0 < len(wh) <= _MOST_SLOTS:
        return None
    return Profile(int(slot or 0), tuple(wh)) if all(map(_whole, wh)) else None


def _record(value: Any, *texts: str) -> Mapping[str, Any] | None:
    if not isinstance(value, dict) or not all(_text(value.get(name)) for name in texts):
        return None
    return value


@dataclass(frozen=True, slots=True)
class Told:
    """A customer's expected net consumption, and what of it is on offer."""

    customer: str
    serial: int
    profile: Profile
    offers: tuple[FlexOffer, ...]

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return {
            "customer": self.customer,
            "serial": self.serial,
            "slot": self.profile.slot,
            "wh": list(self.profile.wh),
            "offers": [offer.plain() for offer in self.offers],
        }

    @classmethod
    def of(cls, value: Any) -> Told | None:
        """Return what a record tells, None where it is none."""
        record = _record(value, "customer")
        if record is None or not _whole(record.get("serial")):
            return None
        profile, offers = _profile(record), record.get("offers")
        if profile is None or not isinstance(offers, list) or len(offers) > _MOST_OFFERS:
            return None
        found = [FlexOffer.of(offer) for offer in offers]
        known = tuple(offer for offer in found if offer is not None)
        if len(known) < len(found) or len({offer.id for offer in known}) < len(known):
            return None
        return cls(record["customer"], record["serial"], profile, known)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What is assigned to offers of a customer, by the offers' identifiers."""

    order: str
    serial: int
    offers: Mapping[str, Assignment]

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        offers = [[name, a.slot, *a.wh] for name, a in sorted(self.offers.items())]
        return {"order": self.order, "serial": self.serial, "offers": offers}

    @classmethod
    def of(cls, value: Any) -> Assigned | None:
        """Return the assignments of a record, None where it is none."""
        record = _record(value, "order")
        if record is None or not _whole(record.get("serial")):
            return None
        rows = record.get("offers")
        if not isinstance(rows, list) or len(rows) > _MOST_OFFERS:
            return None
        offers: dict[str, Assignment] = {}
        for row in rows:
            if not isinstance(row, list) or not 2 < len(row) <= _MOST_SLOTS or not _text(row[0]):
                return None
            if not all(map(_whole, row[1:])):
                return None
            offers[row[0]] = Assignment(row[1], tuple(row[2:]))
        return cls(record["order"], record["serial"], offers)


@dataclass(frozen=True, slots=True)
class Prognosis:
    """What an aggregator's customers behind a congestion point will draw together."""

    area: str
    serial: int
    profile: Profile
    customers: int

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        wh = {"slot": self.profile.slot, "wh": list(self.profile.wh)}
        return {"area": self.area, "serial": self.serial, "customers": self.customers} | wh

    @classmethod
    def of(cls, value: Any) -> Prognosis | None:
        """Return the prognosis of a record, None where it is none."""
        record = _record(value, "area")
        profile = _profile(record) if record is not None else None
        if record is None or profile is None:
            return None
        if not _whole(record.get("serial")) or not _whole(record.get("customers")):
            return None
        return cls(record["area"], record["serial"], profile, record["customers"])


@dataclass(frozen=True, slots=True)
class Request:
    """How much more than prognosis ``serial`` a congestion point takes; < 0: so much less."""

    id: str
    area: str
    serial: int
    room: Profile
    until_ms: int

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        wh = {"slot": self.room.slot, "wh": list(self.room.wh), "until_ms": self.until_ms}
        return {"id": self.id, "area": self.area, "serial": self.serial} | wh

    @classmethod
    def of(cls, value: Any) -> Request | None:
        """Return the request of a record, None where it is none."""
        record = _record(value, "id", "area")
        room = _profile(record) if record is not None else None
        if record is None or room is None:
            return None
        if not _whole(record.get("serial")) or not _whole(record.get("until_ms")):
            return None
        return cls(record["id"], record["area"], record["serial"], room, record["until_ms"])


@dataclass(frozen=True, slots=True)
class Bid:
    """A change of the consumption that an aggregator offers for a request, and its price.

    Nothing but zeros: there is nothing to be had.
    """

    id: str
    request: str
    area: str
    change: Profile
    cent: float
    until_ms: int

    @property
    def reduced_wh(self) -> int:
        """What is drawn less, in the slots where it is less."""
        return sum(-wh for wh in self.change.wh if wh < 0)

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        what = {"id": self.id, "request": self.request, "area": self.area, "cent": self.cent}
        wh = {"slot": self.change.slot, "wh": list(self.change.wh), "until_ms": self.until_ms}
        return what | wh

    @classmethod
    def of(cls, value: Any) -> Bid | None:
        """Return the bid of a record, None where it is none."""
        record = _record(value, "id", "request", "area")
        change = _profile(record) if record is not None else None
        if record is None or change is None:
            return None
        if not _money(record.get("cent")) or not _whole(record.get("until_ms")):
            return None
        names = (record["id"], record["request"], record["area"])
        return cls(*names, change, float(record["cent"]), record["until_ms"])


@dataclass(frozen=True, slots=True)
class Order:
    """A bid that is taken."""

    id: str
    bid: str
    area: str

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return {"id": self.id, "bid": self.bid, "area": self.area}

    @classmethod
    def of(cls, value: Any) -> Order | None:
        """Return the order of a record, None where it is none."""
        record = _record(value, "id", "bid", "area")
        return None if record is None else cls(record["id"], record["bid"], record["area"])


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of orders by the meters, and what is paid: rows of order, ordered and delivered
    energy [Wh], and money [cent] from the operator to the aggregator (< 0: back).
    """

    id: str
    area: str
    orders: tuple[tuple[str, int, int, float], ...]
    missing: int

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        rows = [list(row) for row in self.orders]
        return {"id": self.id, "area": self.area, "orders": rows, "missing": self.missing}

    @classmethod
    def of(cls, value: Any) -> Settled | None:
        """Return the settlement of a record, None where it is none."""
        record = _record(value, "id", "area")
        rows = record.get("orders") if record is not None else None
        if record is None or not isinstance(rows, list) or not _whole(record.get("missing")):
            return None
        found = []
        for row in rows:
            if not isinstance(row, list) or len(row) != 4 or not _text(row[0]):
                return None
            if not (_whole(row[1]) and _whole(row[2]) and _money(abs(_number(row[3])))):
                return None
            found.append((row[0], row[1], row[2], float(row[3])))
        return cls(record["id"], record["area"], tuple(found), record["missing"])


def _number(value: Any) -> float:
    return float(value) if type(value) in (int, float) else -1e18
