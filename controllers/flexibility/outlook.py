"""What a house's devices will do by themselves, and what of it can be offered.

A vehicle offers its energy in slices at up to full power, ``stretch`` times as many as full power
needs, to begin any time from which it is full in time. A battery offers to discharge for some
hours, no deeper than its content; what it does by itself is to take surplus and feed the house.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from controllers.balancing.devices import Ints, Problem
from controllers.balancing.kinds.storage import Battery
from controllers.balancing.kinds.vehicle import Vehicle
from controllers.flexibility.offers import FlexOffer, Profile
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Outlook", "Terms", "of_battery", "of_other", "of_vehicle"]

_SLOTS_PER_H = HOUR_MS // SLOT_MS


@dataclass(frozen=True, slots=True)
class Terms:
    """What a customer offers: price by kind of device (absent: not offered), how far."""

    cent_per_mwh: Mapping[str, int]
    stretch: float = 3.0
    battery_slots: int = 16


@dataclass(frozen=True, slots=True)
class Outlook:
    """One device: what it will do unless something is assigned [Wh], and what it offers."""

    default: Profile
    offer: FlexOffer | None = None

    def moves(self, slot: int) -> bool:
        """Tell whether what is offered is being used up in a slot, and has to be told anew."""
        return self.offer is not None and self.default.at(slot) > 0


def of_vehicle(
    known: Vehicle, problem: Problem, planned: Profile | None, slot: int, *, name: str, terms: Terms
) -> Outlook:
    """Return the outlook of a vehicle from ``slot`` on; ``planned`` is what is assigned to it."""
    alone_wh = _wh(problem.uncontrolled())
    default = Profile(slot, tuple(_trimmed(alone_wh)))
    if planned is not None:
        default = _planned(planned, slot, alone_wh, known)
    session = known.session
    price = terms.cent_per_mwh.get("ev")
    missing_wh = sum(alone_wh)
    if session is None or price is None or missing_wh <= 0:
        return Outlook(default)
    p_max_w = min(known.p_max_w, float(session.get("p_max_w") or known.p_max_w))
    p_min_w = max(known.p_min_w, float(session.get("p_min_w") or 0.0))
    most_wh, least_wh = int(p_max_w // _SLOTS_PER_H), -int(-p_min_w // _SLOTS_PER_H)
    end = int(session["departure_ms"]) // SLOT_MS
    fewest = -(-missing_wh // most_wh) if most_wh > 0 else end
    slices = min(max(fewest, int(terms.stretch * fewest)), end - slot)
    if least_wh:
        slices = min(slices, max(fewest, missing_wh // least_wh))
    if slices < fewest or slices * least_wh > missing_wh or end - fewest <= slot:
        return Outlook(default)
    bounds = ((least_wh,) * slices, (most_wh,) * slices)
    until_ms = (end - slices) * SLOT_MS
    offer = FlexOffer(
        name,
        slot,
        end - slices,
        *bounds,
        missing_wh,
        missing_wh,
        default,
        price,
        until_ms,
        until_ms,
    )
    return Outlook(default, offer)


def _planned(planned: Profile, slot: int, alone_wh: Sequence[int], known: Vehicle) -> Profile:
    """Return what is assigned from ``slot`` on; what it lacks is charged right after it."""
    end = max(planned.slot + len(planned.wh), slot)
    wh = [planned.at(s) for s in range(slot, end)]
    lacks = sum(alone_wh) - sum(wh)
    most_wh = max(int(known.p_max_w // _SLOTS_PER_H), 1)
    while lacks > 0 and len(wh) < len(alone_wh):
        wh.append(min(lacks, most_wh))
        lacks -= wh[-1]
    for number in range(len(wh) - 1, -1, -1):  # it is full sooner
        cut = min(max(-lacks, 0), wh[number])
        wh[number] -= cut
        lacks += cut
    return Profile(slot, tuple(_trimmed(wh)))


def of_battery(
    known: Battery, planned: Profile | None, slot: int, *, base_w: Ints, name: str, terms: Terms
) -> Outlook:
    """Return the outlook of a battery beside what the rest of the house draws (``base_w``)."""
    content_wh = known.content_wh or 0.0
    default_wh, contents = _self_consumption(known, planned, slot, base_w)
    default = Profile(slot, tuple(_trimmed(default_wh)))
    price, slices = terms.cent_per_mwh.get("battery"), min(terms.battery_slots, len(base_w))
    room_wh = int(min(content_wh, *contents[:1]) * known.efficiency)
    p_wh = int(known.p_max_w // _SLOTS_PER_H)
    charges = any(wh > 0 for wh in default_wh[:slices])
    if price is None or room_wh < p_wh or p_wh <= 0 or charges or slices < 1:
        return Outlook(default)  # the sun is to go into it first
    bounds = ((-p_wh,) * slices, (0,) * slices)
    most_wh = -min(room_wh, p_wh * slices)
    until_ms = slot * SLOT_MS
    offer = FlexOffer(name, slot, slot, *bounds, most_wh, 0, default, price, until_ms, until_ms)
    return Outlook(default, offer)


def _self_consumption(
    known: Battery, planned: Profile | None, slot: int, base_w: Ints
) -> tuple[list[int], list[float]]:
    """Return what the firmware does [Wh], and the content before each slot."""
    content_wh, out, contents = known.content_wh or 0.0, [], []
    most_wh = known.p_max_w / _SLOTS_PER_H
    for number, base_wh in enumerate((base_w / _SLOTS_PER_H).tolist()):
        contents.append(content_wh)
        held = planned is not None and 0 <= slot + number - planned.slot < len(planned.wh)
        wanted = float(planned.at(slot + number)) if held and planned is not None else -base_wh
        takes = min(max(wanted, 0.0), most_wh, (known.capacity_wh - content_wh) / known.efficiency)
        gives = min(max(-wanted, 0.0), most_wh, content_wh * known.efficiency)
        content_wh += takes * known.efficiency - gives / known.efficiency
        out.append(round(takes - gives))
    return out, contents or [content_wh]


def of_other(problem: Problem, slot: int) -> Outlook:
    """Return the outlook of a device that offers nothing."""
    return Outlook(Profile(slot, tuple(_trimmed(_wh(problem.uncontrolled())))))


def _wh(p_w: Ints) -> list[int]:
    """Return whole Wh of quarter-hours, the running sum within half of one."""
    sums = np.floor(np.cumsum(p_w / _SLOTS_PER_H) + (0.5 + 1e-9))
    out: list[int] = np.diff(sums, prepend=0.0).astype(np.int64).tolist()
    return out


def _trimmed(wh: Sequence[int]) -> Sequence[int]:
    end = len(wh)
    while end and wh[end - 1] == 0:
        end -= 1
    return wh[:end]
