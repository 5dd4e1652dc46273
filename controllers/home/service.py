"""The state of a house: what its devices draw and could give, under which limit it stands.

Follows the devices' units (registers, power, contents, sessions) and the meter (load-control
set-point, active tariff), all of which are the customer's own. Half a minute to one and a half
after each slot, each house at a time of its own, it writes ``house.status``, the summary that the
substation may read: mean power of the devices that were heard of, power that could be moved
(vehicles that are plugged in, batteries), energy stored, and the limit in force.

Where nobody else decides about its vehicles (``obeys``), the unit keeps to the load-control
set-point, unless the customer's strategy is to follow nothing: with each reading of the meter, what
the limit leaves beside the house's other load is given to the vehicles that are there. Batteries
keep themselves at what the house needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from controllers.home.limit import shares
from controllers.unit.follow import FOLLOW, Follower, Wanted
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["Home"]

_OF_DEVICE = {
    "ev": ("device.energy", "ev.session"),
    "battery": ("device.energy", "battery.soc"),
}
_OF_METER = ("load.set_point", "tariff.active", "tariff.table")
_STRATEGY = "customer.strategy"
_AFTER_MS, _SPREAD_MS = 30_000, 60_000
_SETTLE_MS = 3_000
"""After a meter's reading, until the devices' of the same instant are there, too."""
_MS_PER_H = 3.6e6


class Home:
    """One house; ``devices`` are its devices' units with kind and rating."""

    name = "home"

    __slots__ = (
        "_after_ms",
        "_context",
        "_devices",
        "_drawn_w",
        "_energy",
        "_follower",
        "_latest",
        "_limit",
        "_meter",
        "_obeys",
        "_p_w",
        "_read",
        "_willing",
    )

    _context: UnitContext

    def __init__(
        self, meter: str, devices: Mapping[str, Mapping[str, Any]], *, obeys: bool = False
    ) -> None:
        self._meter, self._devices, self._obeys = meter, devices, obeys
        wanted = [
            Wanted(variable, unit, ask=variable in ("ev.session", "battery.soc"))
            for unit, plate in sorted(devices.items())
            for variable in _OF_DEVICE.get(plate["kind"], ("device.energy",))
        ]
        wanted += [Wanted(variable, meter, ask=True) for variable in _OF_METER]
        if obeys:
            wanted.append(Wanted("meter.values", meter))
        self._follower = Follower(wanted)
        # unit -> time and register [Wh]; mean power [W] of the slot that ended; other values
        self._energy: dict[str, tuple[int, float]] = {}
        self._p_w: dict[str, tuple[int, float]] = {}
        self._latest: dict[tuple[str, str], Any] = {}
        self._limit: Mapping[str, Any] = {}
        self._drawn_w: float | None = None
        self._willing, self._read = True, ""

    def start(self, context: UnitContext) -> None:
        """Follow devices and meter."""
        self._context = context
        self._after_ms = _AFTER_MS + int(context.stream("summary").integers(_SPREAD_MS))
        self._follower.start(context)
        if self._obeys:
            context.data.event(_STRATEGY, context.unit)
            context.data.query(_STRATEGY, context.unit)
        self._next()

    def notify(self, notification: Notification) -> None:
        """Keep what the devices and the meter say."""
        if notification.variable == _STRATEGY and isinstance(notification.value, dict):
            self._willing = notification.value.get("follow") != "none"
        if not self._follower.take(notification):
            return
        unit, variable, value = notification.location, notification.variable, notification.value
        if variable == "device.energy":
            self._register(unit, notification.t_ms, float(value))
        elif variable == "load.set_point":
            self._limit = value
            self._keep_to_limit(notification.id)
        elif variable == "meter.values":
            self._drawn_w, self._read = value["p_w"], notification.id
            self._context.set_timer("limit", self._context.now_ms + _SETTLE_MS)
        else:
            self._latest[unit, variable] = value

    def timer(self, name: str) -> None:
        """Follow the next, or summarise the slot that ended."""
        if name == FOLLOW:
            self._follower.timer()
            return
        if name == "limit":
            self._keep_to_limit(self._read)
            return
        self._summarise()
        self._next()

    def _next(self) -> None:
        now_ms = self._context.now_ms
        end_ms = (now_ms // SLOT_MS + 1) * SLOT_MS
        self._context.set_timer("slot", end_ms + self._after_ms)

    def _register(self, unit: str, t_ms: int, value_wh: float) -> None:
        """Work out mean power between two boundaries; values between them do not count."""
        if t_ms % SLOT_MS:
            return
        before = self._energy.get(unit)
        self._energy[unit] = (t_ms, value_wh)
        if before is not None and t_ms > before[0]:
            hours = (t_ms - before[0]) / _MS_PER_H
            self._p_w[unit] = (t_ms, (value_wh - before[1]) / hours)

    def _summarise(self) -> None:
        context = self._context
        end_ms = context.now_ms // SLOT_MS * SLOT_MS
        means = [p_w for t_ms, p_w in self._p_w.values() if t_ms == end_ms]
        stored = [
            float(value)
            for (_, variable), value in self._latest.items()
            if variable == "battery.soc" and value is not None
        ]
        until_ms = self._limit.get("until_ms")
        holds = until_ms is not None and until_ms > context.now_ms
        record = {
            "t_ms": end_ms - SLOT_MS,
            "devices": len(self._devices),
            "heard": len(means),
            "p_w": round(math.fsum(means), 1),
            "flexible_w": math.fsum(self._flexible_w(unit) for unit in sorted(self._devices)),
            "stored_wh": math.fsum(stored),
            "limit_w": self._limit.get("import_max_w") if holds else None,
        }
        context.data.write("house.status", context.unit, record)

    def _keep_to_limit(self, cause: str) -> None:
        """Order of the vehicles that are there what the limit leaves to them."""
        context, limit_w = self._context, self._limit.get("import_max_w")
        until_ms = self._limit.get("until_ms")
        over = until_ms is None or until_ms <= context.now_ms
        if not (self._obeys and self._willing) or limit_w is None or over or self._drawn_w is None:
            return
        there = {
            unit: float(plate["p_max_w"])
            for unit, plate in self._devices.items()
            if plate["kind"] == "ev" and self._latest.get((unit, "ev.session")) is not None
        }
        charging_w = math.fsum(self._p_w[unit][1] for unit in there if unit in self._p_w)
        given = shares(limit_w, self._drawn_w - charging_w, there)
        for unit, p_w in given.items():
            context.data.write("set_point", unit, {"p_w": p_w, "until_ms": until_ms}, cause=cause)

    def _flexible_w(self, unit: str) -> float:
        """Return what could be moved at a device [W]: a vehicle that is there, a battery."""
        plate = self._devices[unit]
        there = plate["kind"] == "battery" or (
            plate["kind"] == "ev" and self._latest.get((unit, "ev.session")) is not None
        )
        return float(plate.get("p_max_w", 0.0)) if there else 0.0
