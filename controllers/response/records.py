"""Demand response as records, checked: request, answer, promise, delivery.

    response.request   {id, issued_ms, issuer, percent, begins_ms, ends_ms}
    response.call      the same, and ``to``: the unit that waits for the answer
    response.answer    {id, unit, follows, why}
    response.promise   {id, unit, baseline_wh, asked_wh, promised_wh, following, refused, silent,
                        why}
    response.delivery  {id, unit, asked_wh, promised_wh, delivered_wh, rebound_wh, unmetered,
                        paid_cent}

Times are milliseconds from the scenario's start, whole quarter-hours. A call is a request as one
customer gets it; its percentage is within that customer's contract. Energies are of all customers
that follow, over the window; ``promised_wh`` and ``delivered_wh`` are null where nothing was agreed
or measured.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = [
    "ANSWER",
    "CALL",
    "CHOICE",
    "DELIVERY",
    "PROMISE",
    "REQUEST",
    "Answer",
    "Contract",
    "Delivery",
    "Promise",
    "Request",
]

REQUEST, CALL, ANSWER = "response.request", "response.call", "response.answer"
PROMISE, DELIVERY, CHOICE = "response.promise", "response.delivery", "response.choice"
_LONGEST_MS, _FAR_MS = 48 * HOUR_MS, 400 * 24 * HOUR_MS
_MOST_TEXT, _MOST_WH = 200, 1e12


@dataclass(frozen=True, slots=True)
class Request:
    """Reduce by ``percent`` of the baseline from ``begins_ms`` to ``ends_ms``."""

    id: str
    issued_ms: int
    issuer: str
    percent: int
    begins_ms: int
    ends_ms: int

    @classmethod
    def of(cls, value: Any) -> Request | None:
        """Return the request of a record, None where it is none."""
        record = value if type(value) is dict else {}
        times = [record.get(name) for name in ("issued_ms", "begins_ms", "ends_ms")]
        if not (_texts(record, "id", "issuer") and all(type(t) is int for t in times)):
            return None
        issued_ms, begins_ms, ends_ms = (int(t) for t in times if t is not None)
        percent = record.get("percent")
        if type(percent) is not int or not 0 < percent <= 100:
            return None
        whole = begins_ms % SLOT_MS == ends_ms % SLOT_MS == 0
        if not whole or not 0 < ends_ms - begins_ms <= _LONGEST_MS:
            return None
        if not (abs(issued_ms) < _FAR_MS and abs(begins_ms) < _FAR_MS):
            return None
        return cls(record["id"], issued_ms, record["issuer"], percent, begins_ms, ends_ms)

    @property
    def slots(self) -> range:
        """The quarter-hours of the window."""
        return range(self.begins_ms // SLOT_MS, self.ends_ms // SLOT_MS)

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Contract:
    """What a customer allows, and is paid."""

    customer: str
    unit: str
    meter: str
    max_percent: int
    max_ms: int
    per_day: int
    notice_ms: int
    cent_per_kwh: float

    def refusal(self, request: Request, now_ms: int, calls_that_day: int) -> str:
        """Return why the customer need not be asked, empty where the contract allows it."""
        if request.ends_ms - request.begins_ms > self.max_ms:
            return "too long"
        if request.begins_ms - now_ms < self.notice_ms:
            return "too late"
        if calls_that_day >= self.per_day:
            return "too often"
        return "" if self.max_percent > 0 else "too much"

    def percent(self, request: Request) -> int:
        """Return how much of the request the customer can be asked for."""
        return min(request.percent, self.max_percent)

    def pay_cent(self, promised_wh: float, delivered_wh: float) -> float:
        """Return what is paid for a delivery: for what was promised, at most."""
        return max(min(delivered_wh, promised_wh), 0.0) / 1000.0 * self.cent_per_kwh


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a unit's customer follows a request."""

    id: str
    unit: str
    follows: bool
    why: str = ""

    @classmethod
    def of(cls, value: Any) -> Answer | None:
        """Return the answer of a record, None where it is none."""
        record = value if type(value) is dict else {}
        if not _texts(record, "id", "unit") or type(record.get("follows")) is not bool:
            return None
        why = record.get("why", "")
        known = type(why) is str and len(why) <= _MOST_TEXT
        return cls(record["id"], record["unit"], record["follows"], why if known else "")

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a substation's customers have agreed to."""

    id: str
    unit: str
    baseline_wh: float
    asked_wh: float
    promised_wh: float | None
    following: int = 0
    refused: int = 0
    silent: int = 0
    why: str = ""

    @classmethod
    def of(cls, value: Any) -> Promise | None:
        """Return the promise of a record, None where it is none."""
        record = value if type(value) is dict else {}
        counts = [record.get(name, 0) for name in ("following", "refused", "silent")]
        if not _texts(record, "id", "unit") or not all(type(n) is int for n in counts):
            return None
        if not all(_is_energy(record.get(name)) for name in ("baseline_wh", "asked_wh")):
            return None
        promised_wh, why = record.get("promised_wh"), record.get("why")
        if promised_wh is not None and not _is_energy(promised_wh):
            return None
        following, refused, silent = counts
        return cls(
            record["id"], record["unit"], record["baseline_wh"], record["asked_wh"], promised_wh,
            following, refused, silent, why if type(why) is str else "",
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a substation's customers have delivered, by their meters."""

    id: str
    unit: str
    asked_wh: float
    promised_wh: float | None
    delivered_wh: float | None
    rebound_wh: float | None
    unmetered: int = 0
    paid_cent: float = 0.0

    @classmethod
    def of(cls, value: Any) -> Delivery | None:
        """Return the delivery of a record, None where it is none."""
        record = value if type(value) is dict else {}
        if not _texts(record, "id", "unit") or type(record.get("unmetered")) is not int:
            return None
        if not (_is_energy(record.get("asked_wh")) and _is_energy(record.get("paid_cent"))):
            return None
        maybe = [record.get(name) for name in ("promised_wh", "delivered_wh", "rebound_wh")]
        if not all(one is None or _is_energy(one) for one in maybe):
            return None
        return cls(
            record["id"], record["unit"], record["asked_wh"], maybe[0], maybe[1], maybe[2],
            record["unmetered"], record["paid_cent"],
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return asdict(self)


def _texts(record: dict[str, Any], *names: str) -> bool:
    texts = [record.get(name) for name in names]
    return all(type(text) is str and 0 < len(text) <= _MOST_TEXT for text in texts)


def _is_energy(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _MOST_WH
