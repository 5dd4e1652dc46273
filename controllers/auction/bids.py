"""What devices bid: pure functions of what is known of them, and that knowledge.

Around the middle of the ladder a device does what it would if all was even: a vehicle charges so
that it is done just when it leaves, a battery that is half full rests. Below that it takes more,
above less, all it can before ``LOW`` and as little as it may from ``HIGH`` on. Nobody bids away
what must be: a vehicle that has to charge at full power from now on bids that at any price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from controllers.auction.ladder import STEPS, UNIT_W, Curve, falling
from controllers.balancing.registers import Register
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = [
    "HIGH",
    "KINDS",
    "LOW",
    "MIDDLE",
    "Bidding",
    "Store",
    "Vehicle",
    "store_bid",
    "vehicle_bid",
]

LOW, MIDDLE, HIGH = 0.15 * STEPS, 0.5 * STEPS, 0.85 * STEPS
_AT_PLUG_MS = 10_000
_KEPT = 16


def vehicle_bid(
    missing_wh: float, left_ms: int, p_max_w: float, p_min_w: float = 0.0, slot_ms: int = SLOT_MS
) -> Curve:
    """Return the bid of a vehicle that leaves in ``left_ms`` and then has ``missing_wh`` more.

    A power below ``p_min_w`` is none: from half of it on it is bid as that, less as nothing.
    """
    there_h = min(left_ms, slot_ms) / HOUR_MS
    if missing_wh <= 0.0 or there_h <= 0.0:
        return falling([(0.0, 0.0), (float(STEPS), 0.0)])
    most_w = min(p_max_w, missing_wh / there_h)
    after_h = max(left_ms - slot_ms, 0) / HOUR_MS
    least_w = min(max((missing_wh - p_max_w * after_h) / there_h, 0.0), most_w)
    even_w = min(max(missing_wh * HOUR_MS / left_ms, least_w), most_w)
    bid = falling([(LOW, most_w), (MIDDLE, even_w), (HIGH, least_w)])
    if p_min_w > 0.0:
        least = int(np.ceil(p_min_w / UNIT_W))
        bid = np.where(bid >= least, bid, np.where(2 * bid >= least, least, 0))
    return bid


def store_bid(
    content_wh: float, capacity_wh: float, p_max_w: float, efficiency: float = 1.0
) -> Curve:
    """Return the bid of a battery: the emptier, the higher the price at which it still charges."""
    slot_h = SLOT_MS / HOUR_MS
    most_w = min(p_max_w, max(capacity_wh - content_wh, 0.0) / efficiency / slot_h)
    least_w = -min(p_max_w, max(content_wh, 0.0) * efficiency / slot_h)
    rests = MIDDLE + (HIGH - MIDDLE) * (1.0 - 2.0 * content_wh / capacity_wh)
    prices = np.arange(STEPS + 1)
    wanted_w = np.clip(p_max_w * (rests - prices) / (HIGH - MIDDLE), least_w, most_w)
    bid: Curve = np.trunc(np.round(wanted_w / UNIT_W, 6)).astype(np.int64)
    return bid


@dataclass(slots=True)
class Bidding:
    """One device: name plate, newest readings, what it was ordered, and its bid of the slot."""

    plate: Mapping[str, Any]
    energy: Register = field(default_factory=Register)
    causes: dict[str, str] = field(default_factory=dict)
    ordered: list[tuple[int, float]] = field(default_factory=list)
    bid: Curve | None = None

    @property
    def unit(self) -> str:
        """The device's unit."""
        return str(self.plate["unit"])

    def take(self, variable: str, value: Any, t_ms: int) -> bool:
        """Take a reading; tell whether it calls for a bid at once."""
        if variable == "device.energy":
            self.energy.add(t_ms, float(value))
            return False
        return self._take(variable, value, t_ms)

    def make(self, now_ms: int, slot: int) -> Curve | None:
        """Return the bid for what is left of a slot from ``now_ms`` on; None: nothing is there."""
        raise NotImplementedError

    def order(self, now_ms: int, p_w: float) -> None:
        """Take note of what was ordered."""
        self.ordered = [*self.ordered[-_KEPT:], (now_ms, p_w)]

    def _take(self, variable: str, value: Any, t_ms: int) -> bool:
        raise NotImplementedError

    def _drawn_wh(self, since_ms: int, until_ms: int, unordered_w: float) -> float:
        """Return the energy of what was in force between two instants."""
        edges = [(since_ms, unordered_w), *(one for one in self.ordered if one[0] < until_ms)]
        ends = [*(begin for begin, _ in edges[1:]), until_ms]
        spans = zip(edges, ends, strict=True)
        wh = (p_w * max(end - max(begin, since_ms), 0) / HOUR_MS for (begin, p_w), end in spans)
        return sum(wh)


@dataclass(slots=True)
class Vehicle(Bidding):
    """A charging point and the vehicle at it."""

    session: dict[str, Any] | None = None
    plugged_ms: int = -1
    heard_ms: int = -1

    def make(self, now_ms: int, slot: int) -> Curve | None:
        """Return the bid of the vehicle that is there."""
        session = self.session
        if session is None or session["departure_ms"] <= now_ms:
            return None
        left_ms = int(session["departure_ms"]) - now_ms
        p_max_w = float(min(self.plate["p_max_w"], session.get("p_max_w") or self.plate["p_max_w"]))
        p_min_w = max(float(self.plate.get("p_min_w", 0.0)), float(session.get("p_min_w") or 0.0))
        missing_wh = self._missing_wh(session, now_ms, p_max_w)
        rest_ms = (slot + 1) * SLOT_MS - now_ms
        return vehicle_bid(missing_wh, left_ms, p_max_w, p_min_w, rest_ms)

    def _missing_wh(self, session: Mapping[str, Any], now_ms: int, p_max_w: float) -> float:
        """Return what is missing now, by the register and by what was ordered since."""
        missing_wh, since_ms = float(session["energy_wh"]), self.plugged_ms
        newest_ms, newest_wh = self.energy.newest_ms, self.energy.newest_wh
        at_plug_wh = self.energy.before(self.plugged_ms + _AT_PLUG_MS)
        if newest_ms is not None and newest_wh is not None and at_plug_wh is not None:
            missing_wh -= max(newest_wh - at_plug_wh, 0.0)
            since_ms = max(newest_ms, since_ms)
        return max(missing_wh - self._drawn_wh(since_ms, now_ms, p_max_w), 0.0)

    def _take(self, variable: str, value: Any, t_ms: int) -> bool:
        if variable != "ev.session" or t_ms < self.heard_ms:
            return False
        self.heard_ms = t_ms
        before = None if self.session is None else self.session["session"]
        self.session = value
        new = value is not None and value["session"] != before
        if new:
            self.plugged_ms, self.ordered = t_ms, []
        return new


@dataclass(slots=True)
class Store(Bidding):
    """A battery and its newest content."""

    content_wh: float | None = None
    heard_ms: int = -1

    def make(self, now_ms: int, slot: int) -> Curve | None:  # noqa: ARG002
        """Return the battery's bid, None until its content is known."""
        if self.content_wh is None:
            return None
        capacity_wh, efficiency = self.plate["capacity_wh"], self.plate.get("efficiency", 1.0)
        drawn_wh = self._drawn_wh(self.heard_ms, now_ms, 0.0)
        drawn_wh *= efficiency if drawn_wh > 0.0 else 1.0 / efficiency
        content_wh = min(max(self.content_wh + drawn_wh, 0.0), capacity_wh)
        return store_bid(content_wh, capacity_wh, self.plate["p_max_w"], efficiency)

    def _take(self, variable: str, value: Any, t_ms: int) -> bool:
        if variable == "battery.soc" and t_ms >= self.heard_ms:
            self.content_wh, self.heard_ms = float(value), t_ms
        return False


KINDS: dict[str, tuple[Callable[[Mapping[str, Any]], Bidding], str]] = {
    "ev": (Vehicle, "ev.session"),
    "battery": (Store, "battery.soc"),
}
"""Kinds of devices that bid, and what their unit is asked for beside the energy register."""
