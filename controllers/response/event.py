"""One request at a substation: who follows, what was asked, promised, delivered, and came back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.response.baseline import Metered
from controllers.response.records import Contract, Delivery, Promise, Request
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Event", "Part"]

SLOT_H = SLOT_MS / HOUR_MS
_MOST_TRIES = 8
_VAIN = 2
_TRIES_LATER, _VAIN_LATER = 3, 1
_CLOSE = 0.05


@dataclass(slots=True)
class Part:
    """One customer's part: baselines and plan of each slot from the event's first one on [W].

    ``plan_w`` is the newest plan, ``promised_w`` the one that was in force at the promise.
    ``left`` is the slot from which on the customer does not count any more; None: to the end.
    """

    contract: Contract
    percent: int
    baseline_w: list[int]
    days_w: list[float] | None
    plan_w: list[int] | None = None
    promised_w: list[int] | None = None
    left: int | None = None

    def asked_w(self, at: int) -> float:
        """Return by how much to reduce at that place of the series."""
        return max(self.baseline_w[at], 0) * self.percent / 100.0


@dataclass(slots=True)
class Event:
    """A request, as it goes on: reading, asking, agreeing, promised, over."""

    request: Request
    first_slot: int
    end_slot: int
    causes: list[str]
    phase: str = "reading"
    parts: dict[str, Part] = field(default_factory=dict)  # all who are asked, by unit
    following: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    promise: Promise | None = None
    pressure_w: list[float] = field(default_factory=list)  # below what is asked, to get there
    tries: int = 0
    in_vain: int = 0
    missing: float | None = None
    pressing: bool = False
    _helpful_w: list[float] = field(default_factory=list)

    @property
    def slots(self) -> range:
        """All quarter-hours that are looked at."""
        return range(self.first_slot, self.end_slot)

    def phase_of(self, slot: int) -> str:
        """Return whether a slot lies before the window, in it, or after."""
        window = self.request.slots
        if slot in window:
            return "window"
        return "before" if slot < window.start else "after"

    def counting(self, slot: int) -> list[str]:
        """Return who counts in a slot: follows, and has not left."""
        return [
            unit
            for unit in sorted(self.following)
            if (left := self.parts[unit].left) is None or slot < left
        ]

    def window(self) -> dict[str, Any]:
        """Return the record of what members are to draw in the window."""
        slots = self.request.slots
        members = [unit for unit in sorted(self.following) if self.parts[unit].left is None]
        parts = [self.parts[unit] for unit in members]
        places = [slot - self.first_slot for slot in slots]
        base_w = [sum(part.baseline_w[at] for part in parts) for at in places]
        asked_w = [sum(part.asked_w(at) for part in parts) for at in places]
        return {
            "id": self.request.id,
            "slot": slots.start,
            "p_w": [round(base - asked) for base, asked in zip(base_w, asked_w, strict=True)],
            "base_w": base_w,
            "press_w": [round(more) for more in self._pressure(asked_w)],
            "members": members,
        }

    def _pressure(self, asked_w: Sequence[float]) -> list[float]:
        """Return how much less than asked is aimed at, less where members have left."""
        share = self._share()
        return [share * more for more in self.pressure_w or [0.0] * len(asked_w)]

    def _share(self) -> float:
        """Return what part of all that was asked is asked of those who have not left."""
        places = [slot - self.first_slot for slot in self.request.slots]
        asked = {u: sum(self.parts[u].asked_w(at) for at in places) for u in self.following}
        stayed = sum(wh for unit, wh in asked.items() if self.parts[unit].left is None)
        return stayed / sum(asked.values()) if stayed > 0 else 0.0

    def press(self, from_slot: int) -> bool:
        """Aim lower by what the plan lacks; return whether that is worth a try.

        Members see distances, and where all quarter-hours are scarce one window counts for little:
        so what is missing is added to the distance, again and again (the method of multipliers),
        as long as more than a twentieth is missing and one of the last two times has helped.
        Before the promise a plan lacks what is asked, slot by slot; after it, what was promised in
        all, and one time in vain is enough.
        """
        lack_w = [self._lack_w(slot) if slot >= from_slot else 0.0 for slot in self.request.slots]
        missing = sum(lack_w) if self.promise else sum(max(w, 0.0) for w in lack_w)
        asked = sum(self._asked_w(slot) for slot in self.request.slots if slot >= from_slot)
        share = self._share()
        if self.missing is None or missing < 0.98 * self.missing:
            self.in_vain, self.missing, self._helpful_w = 0, missing, self.pressure_w
        else:
            self.in_vain += 1
        most_in_vain = _VAIN_LATER if self.promise else _VAIN
        given_up = self.tries >= _MOST_TRIES or self.in_vain >= most_in_vain or share <= 0.0
        self.pressing = missing > _CLOSE * asked and not given_up
        if self.pressing:
            pressure = self.pressure_w or [0.0] * len(lack_w)
            self.pressure_w = [
                max(a + b / share, 0.0) for a, b in zip(pressure, lack_w, strict=True)
            ]
            self.tries += 1
        elif given_up:
            self.pressure_w = self._helpful_w  # what came after it was in vain
        return self.pressing

    def hold(self) -> None:
        """Begin to look anew whether plans keep what was promised, with fewer tries."""
        if not self.pressing:
            self.tries, self.in_vain, self.missing = _MOST_TRIES - _TRIES_LATER, 0, None

    def _asked_w(self, slot: int) -> float:
        at = slot - self.first_slot
        return sum(self.parts[unit].asked_w(at) for unit in self.counting(slot))

    def _lack_w(self, slot: int) -> float:
        """Return by how much the newest plans of those who count are above what they should be."""
        at, parts = slot - self.first_slot, [self.parts[unit] for unit in self.counting(slot)]
        plans_w = sum(part.plan_w[at] if part.plan_w else part.baseline_w[at] for part in parts)
        if self.promise is not None:
            return plans_w - sum(p.promised_w[at] if p.promised_w else 0 for p in parts)
        return plans_w - sum(part.baseline_w[at] for part in parts) + self._asked_w(slot)

    def agreed(self, first_slot: int, plans_w: Mapping[str, Sequence[int]]) -> bool:
        """Take what members plan now; return False where nothing, or not all, of what is left of
        the window is covered.
        """
        left = [slot for slot in self.request.slots if slot >= first_slot]
        members = [unit for unit in self.following if self.parts[unit].left is None]
        if not left or any(left[-1] - first_slot >= len(plans_w.get(u, ())) for u in members):
            return False
        for unit in members:
            part, plan_w = self.parts[unit], plans_w[unit]
            known = part.plan_w or part.baseline_w
            part.plan_w = [
                plan_w[slot - first_slot] if 0 <= slot - first_slot < len(plan_w) else own_w
                for slot, own_w in zip(self.slots, known, strict=True)
            ]
        return True

    def promised(self, unit: str, why: str = "") -> Promise:
        """Promise what is planned now; an energy only where it was agreed to."""
        for part in self.parts.values():
            part.promised_w = part.plan_w
        rows = [row for row in self.rows({}) if row["phase"] == "window"]
        known = all(row["promised_w"] is not None for row in rows)
        promised = sum(r["baseline_w"] - r["promised_w"] for r in rows) if known else None
        self.promise = Promise(
            self.request.id, unit, _wh(r["baseline_w"] for r in rows),
            _wh(r["asked_w"] for r in rows),
            None if promised is None else round(promised * SLOT_H, 3),
            len(self.following), len(self.refused), len(self.silent), why,
        )  # fmt: skip
        return self.promise

    def rows(self, measured: Mapping[str, Metered]) -> Iterator[dict[str, Any]]:
        """Yield what is known of each slot, summed over those who count in it [W]."""
        for at, slot in enumerate(self.slots):
            parts = [self.parts[unit] for unit in self.counting(slot)]
            inside = self.phase_of(slot) == "window"
            net_w = [
                known.net_w(slot) if (known := measured.get(part.contract.meter)) else None
                for part in parts
            ]
            yield {
                "t_ms": slot * SLOT_MS,
                "id": self.request.id,
                "phase": self.phase_of(slot),
                "customers": len(parts),
                "baseline_w": float(sum(part.baseline_w[at] for part in parts)),
                "days_w": _total([part.days_w[at] if part.days_w else None for part in parts]),
                "asked_w": sum(part.asked_w(at) for part in parts) if inside else 0.0,
                "promised_w": _total([p.promised_w[at] if p.promised_w else None for p in parts]),
                "measured_w": _total(net_w),
            }

    def delivered(
        self,
        unit: str,
        by_days: bool,
        measured: Mapping[str, Metered],
    ) -> tuple[Delivery, dict[str, Any]]:
        """Return the delivery, and for each customer what was asked, delivered and is paid.

        ``by_days``: held against the days before, else against the agreed plan.
        """
        total, rebound, asked, paid, unmetered = 0.0, 0.0, 0.0, 0.0, 0
        by: dict[str, Any] = {}
        for name in sorted(self.following):
            part = self.parts[name]
            own = self._own(part, measured.get(part.contract.meter), by_days=by_days)
            asked += own[0]
            if own[1] is None or own[2] is None:
                unmetered += 1
                by[part.contract.customer] = [round(own[0], 1), None, 0.0]
                continue
            pay = part.contract.pay_cent(self._promised_wh(part), own[1])
            total, rebound, paid = total + own[1], rebound + own[2], paid + pay
            by[part.contract.customer] = [round(own[0], 1), round(own[1], 1), round(pay, 3)]
        known = unmetered < len(self.following)
        delivery = Delivery(
            self.request.id, unit, round(asked, 3), self.promise.promised_wh if self.promise else 0,
            round(total, 3) if known else None, round(rebound, 3) if known else None,
            unmetered, round(paid, 3),
        )  # fmt: skip
        return delivery, by

    def _promised_wh(self, part: Part) -> float:
        """Return what one customer has promised, for as long as it counts."""
        if part.promised_w is None:
            return 0.0
        saved_w = [
            part.baseline_w[slot - self.first_slot] - part.promised_w[slot - self.first_slot]
            for slot in self.request.slots
            if part.left is None or slot < part.left
        ]
        return sum(saved_w) * SLOT_H

    def _own(
        self, part: Part, metered: Metered | None, *, by_days: bool
    ) -> tuple[float, float | None, float | None]:
        """Return asked, delivered and come back [Wh] of one customer, while it counted."""
        base_w = part.days_w if by_days else part.baseline_w
        asked, sums = 0.0, {"window": 0.0, "after": 0.0}
        known = metered is not None and base_w is not None
        for at, slot in enumerate(self.slots):
            phase = self.phase_of(slot)
            if phase == "before" or (part.left is not None and slot >= part.left):
                continue
            if phase == "window":
                asked += part.asked_w(at) * SLOT_H
            net_w = metered.net_w(slot) if metered is not None else None
            if net_w is None or base_w is None:
                known = False
                continue
            sums[phase] += (base_w[at] - net_w) * SLOT_H
        return asked, sums["window"] if known else None, -sums["after"] if known else None


def _wh(powers_w: Iterator[float]) -> float:
    return round(sum(powers_w) * SLOT_H, 3)


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if len(known) == len(values) else None
