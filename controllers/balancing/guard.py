"""What a device is told at last: of what is asked of it the lower, within limits that always hold.

Plans, a person's overriding and the grid's set-points ask; ``keep`` says what each device is told.
In this order: what the device can do; the grid's ceiling of that device; a battery's reserve; the
house's limits, which vehicles and other consumers give way to together, and batteries that would
feed in. None of these steps makes a device draw more, but for batteries that would be emptied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import floor, inf

__all__ = ["Asked", "Limit", "Plate", "Rules", "keep", "level"]

_LEAST_W, _STEP_W = 1e-6, 0.1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a device is to do [W]; ``hold_w``: what the house is to draw, by the device's clamp.

    ``why`` names what changed it: ``override``, ``sure``, ``grid``, ``reserve``, ``limit``; empty:
    nothing. ``cause`` is the decision or the notification that it comes from. What is ``firm`` is a
    limit of the customer's: the grid's set-points do not lower it.
    """

    p_w: float
    hold_w: float | None = None
    cause: str = ""
    why: str = ""
    firm: bool = False

    def at_most(self, p_w: float, why: str, cause: str = "") -> Asked:
        """Return it with no more power than that; what holds the house does so no longer."""
        if self.p_w <= p_w and self.hold_w is None:
            return self
        told = min(self.p_w, p_w)
        return Asked(told, None, cause or self.cause, why, self.firm)

    def at_least(self, p_w: float, why: str) -> Asked:
        """Return it with no less power than that; what holds the house does so no longer."""
        if self.p_w >= p_w and self.hold_w is None:
            return self
        return Asked(max(self.p_w, p_w), None, self.cause, why, self.firm)


@dataclass(frozen=True, slots=True)
class Plate:
    """What a device can draw, at most and at least (< 0: deliver) [W]."""

    most_w: float
    least_w: float = 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What a house may draw and feed in at most [W], and who says so."""

    import_max_w: float = inf
    export_max_w: float = inf
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds now.

    ``ceilings`` are the grid's set-points of devices with their causes; ``floors_w`` what a battery
    must at least draw, so as to keep its reserve; ``own`` and ``grid`` limits of the house, by the
    customer and by who is above, and ``base_w`` what the rest of it draws, at least and at most.
    """

    ceilings: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    floors_w: Mapping[str, float] = field(default_factory=dict)
    own: Limit = field(default_factory=Limit)
    grid: Limit = field(default_factory=Limit)
    base_w: tuple[float, float] = (0.0, 0.0)


def keep(asked: Mapping[str, Asked], plates: Mapping[str, Plate], rules: Rules) -> dict[str, Asked]:
    """Return what each device is told."""
    told = {}
    for device in sorted(asked):
        one, plate = asked[device], plates[device]
        one = replace(one, p_w=min(max(one.p_w, plate.least_w), plate.most_w) + 0.0)
        ceiling_w, cause = rules.ceilings.get(device, (inf, ""))
        if ceiling_w < plate.most_w and not one.firm:
            one = one.at_most(max(ceiling_w, plate.least_w), "grid", cause)
        floor_w = rules.floors_w.get(device, -inf)
        if floor_w > plate.least_w:
            one = one.at_least(min(floor_w, plate.most_w), "reserve")
        told[device] = _held(one, rules)
    told = _within(_within(told, rules.own, rules.base_w), rules.grid, rules.base_w, grid=True)
    return _within(told, rules.own, rules.base_w)  # a battery may have been kept from helping


def level(powers: Mapping[str, float], total_w: float) -> float:
    """Return the level at which powers that are cut there add up to ``total_w``; inf: no need.

    All powers are >= 0; what one does not need is left to the others. The level is cut to 0.1 W.
    """
    left_w, count = max(total_w, 0.0), len(powers)
    for p_w in sorted(powers.values()):
        if p_w * count > left_w + _LEAST_W:
            return floor(left_w / count / _STEP_W) * _STEP_W
        left_w, count = left_w - p_w, count - 1
    return inf


def _held(one: Asked, rules: Rules) -> Asked:
    """Return it with the connection's power within the house's limits."""
    if one.hold_w is None:
        return one
    high_w = min(rules.own.import_max_w, rules.grid.import_max_w)
    low_w = -min(rules.own.export_max_w, rules.grid.export_max_w)
    hold_w = max(min(one.hold_w, high_w), low_w)
    return one if hold_w == one.hold_w else replace(one, hold_w=hold_w, why="limit")


def _within(
    told: Mapping[str, Asked], limit: Limit, base_w: tuple[float, float], *, grid: bool = False
) -> dict[str, Asked]:
    """Return orders that leave the house within a limit, as far as it is for devices.

    What is only expected (a battery that holds the house) does not help to keep it. What the
    customer has for sure does not give way to a limit of the ``grid``.
    """
    why, told = "grid" if grid else "limit", dict(told)
    fixed = {device: one.p_w for device, one in told.items() if one.hold_w is None}
    feeds = {device: -p_w for device, p_w in fixed.items() if p_w < 0}
    low = level(feeds, limit.export_max_w + base_w[0])
    for device, p_w in feeds.items():
        if p_w > low:
            told[device], feeds[device] = told[device].at_least(-low, why), low
    draws = {device: p_w for device, p_w in fixed.items() if p_w > 0}
    room_w = limit.import_max_w - base_w[1] + sum(feeds.values())
    for firm in (True, False):  # what is the customer's for sure comes first
        part = {device: p_w for device, p_w in draws.items() if told[device].firm == firm}
        high = inf if grid and firm else level(part, room_w)
        for device, p_w in part.items():
            if p_w > high:
                told[device] = told[device].at_most(high, why, limit.cause)
        room_w -= sum(min(p_w, high) for p_w in part.values())
    return told
