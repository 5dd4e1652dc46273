"""The customer's side of a house: strategy, tariff, what a person or the grid does to a device.

It turns that into a purpose for planning, and into what the device controller tells a device at
last. Without any of it a house follows its parent's requests alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from controllers.balancing.devices import Flexible, Ints, Power, Problem, Span
from controllers.balancing.guard import Asked, Limit, Plate, Rules, keep
from controllers.balancing.house import House
from controllers.balancing.kinds.storage import Battery
from controllers.balancing.kinds.vehicle import Vehicle
from controllers.balancing.overriding import LIMIT, OVERRIDE, Ceiling, Override, overridden
from controllers.balancing.planners import Watts
from controllers.balancing.strategy import Apart, Plans, Purpose, answer, improve
from controllers.balancing.tariff import Tariff
from controllers.balancing.wishes import Strategy
from controllers.signals.records import PRICE, Price
from controllers.unit.service import Notification, UnitContext
from controllers.unit.shapes import fits
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Customer"]

_STRATEGY, _LOAD_LIMIT = "customer.strategy", "load.set_point"
_VALID_MS = 2 * SLOT_MS + 60_000  # how long an order may hold
_STEP_W, _REPORT_W = 10.0, 500.0
_AT_PLUG_MS, _EARLY_MS = 10_000, SLOT_MS + 300_000


@dataclass(frozen=True, slots=True)
class _LoadLimit:
    """Limit of the whole house by who is above."""

    limit: Limit
    until_ms: int


class Customer:
    """What one customer wants, and what is done at his devices.

    ``params`` None: nothing of it. Else ``strategy`` (as of the variable), ``prices`` (whether the
    unit has them), ``load_limit`` (whether the meter has set-points of the house), ``report_w`` (a
    device that was so far from its plan in a slot is reported, and planned anew).
    """

    def __init__(self, params: Mapping[str, Any] | None, house: House, meter: str) -> None:
        self.active = params is not None
        self._params, self._house, self._meter = params or {}, house, meter
        self.strategy = Strategy().changed(self._params.get("strategy", {})) or Strategy()
        self._tariff = Tariff()
        self._overrides: dict[str, Override] = {}
        self._sure: dict[str, Override] = {}
        self._ceilings: dict[str, Ceiling] = {}
        self._apart = (-1, 0, Apart())  # first slot, slots, and what is left of the last answer
        self._load_limit = _LoadLimit(Limit(), 0)
        self._plates_w = {name: known.p_max_w for name, known in house.flexible.items()}
        self.report_w = float(self._params.get("report_w", _REPORT_W))
        self._apply()

    def start(self, context: UnitContext) -> None:
        """Get to know the unit."""
        self._context = context

    def variables(self) -> Iterator[tuple[str, str]]:
        """Yield each (variable, unit) that tells of the customer."""
        if not self.active:
            return
        for variable in (_STRATEGY, OVERRIDE, LIMIT):
            yield variable, self._context.unit
        if self._params.get("prices"):
            yield PRICE, self._context.unit
        if self._params.get("load_limit"):
            yield _LOAD_LIMIT, self._meter

    # -- what comes in -----------------------------------------------------------------------

    def takes(self, notification: Notification) -> bool:
        """Tell whether a notification is the customer's."""
        wanted = (notification.variable, notification.location)
        return self.active and wanted in self.variables()

    def take(self, notification: Notification) -> list[str]:
        """Take what was told; return the devices whose plans it changes."""
        value, now_ms, name = notification.value, self._context.now_ms, notification.variable
        if name == PRICE:
            if (price := Price.of(value)) is not None:
                self._tariff.take(price, now_ms)
            return []
        if name == _STRATEGY:
            return self._set(value, notification.id)
        if name == _LOAD_LIMIT:
            return self._limit(value, notification.id)
        device = value.get("device") if isinstance(value, Mapping) else None
        if device not in self._house.flexible:
            return []
        if name == OVERRIDE:
            return self._override(device, Override.of(value, now_ms, notification.id))
        return self._ceiling(device, Ceiling.of(value, now_ms, notification.id))

    def _set(self, value: Any, cause: str) -> list[str]:
        changed = self.strategy.changed(value)
        if changed is None:
            self._context.decide("strategy_refused", self._context.unit, None, (cause,))
            return []
        before, self.strategy = self.strategy, changed
        self._apply()
        return [] if changed == before else sorted(self._house.flexible)

    def _apply(self) -> None:
        """Have devices be planned with no more than the customer's limits leave of them."""
        limits = self.strategy.limits
        for name, known in self._house.flexible.items():
            if isinstance(known, Vehicle) and limits.vehicle_max_w is not None:
                known.p_max_w = min(self._plates_w[name], limits.vehicle_max_w)
            else:
                known.p_max_w = self._plates_w[name]
            if isinstance(known, Battery):
                known.reserve_wh = known.capacity_wh * limits.battery_min_percent / 100

    def _limit(self, value: Any, cause: str) -> list[str]:
        if not isinstance(value, Mapping) or not fits(_LOAD_LIMIT, value):
            return []
        until_ms = value.get("until_ms")
        powers = [value.get(key) for key in ("import_max_w", "export_max_w")]
        high, low = (inf if p_w is None else max(float(p_w), 0.0) for p_w in powers)
        until_ms = 1 << 62 if until_ms is None else until_ms
        self._load_limit = _LoadLimit(Limit(high, low, cause), until_ms)
        return sorted(self._house.flexible)

    def _override(self, device: str, override: Override | None) -> list[str]:
        if override is None:
            return []
        if override.action == "release":
            return [] if self._overrides.pop(device, None) is None else [device]
        self._overrides[device] = override
        return [device]

    def _ceiling(self, device: str, ceiling: Ceiling | None) -> list[str]:
        if ceiling is None:
            return []
        before = self._ceilings.get(device)
        self._ceilings[device] = ceiling
        renewed = before is not None and before.until_ms > self._context.now_ms
        return [] if renewed and before is not None and before.p_w == ceiling.p_w else [device]

    def arrived(self, device: str, cause: str) -> None:
        """Know nothing of what was done to a vehicle that was there before."""
        self._overrides.pop(device, None)
        self._sure.pop(device, None)
        self._look(cause)

    def _look(self, cause: str) -> None:
        """See which vehicles are to be charged now for sure, and until when."""
        self._sure = {
            name: Override("start", until_ms, cause or known.causes["ev.session"], firm=True)
            for name, known in sorted(self._house.flexible.items())
            if isinstance(known, Vehicle) and (until_ms := self._charges_until_ms(known)) > 0
        }

    def _charges_until_ms(self, known: Vehicle) -> int:
        """Return until when a vehicle is to be charged with all that its customer's limits leave.

        For the share that it gets at once; and where it would else be late: then its own firmware
        would take more than these limits. 0: not now.
        """
        limits, now_ms, session = self.strategy.limits, self._context.now_ms, known.session
        lowered = known.p_max_w < self._plates_w[known.id] or limits.import_max_w is not None
        if session is None or not (lowered or limits.vehicle_first_percent > 0):
            return 0
        p_w, charged_wh = self._plate(known).most_w, charged_wh_of(known)
        if limits.import_max_w is not None:
            p_w = max(min(p_w, limits.import_max_w - self._base_w()[1]), 0.1 * p_w)
        since_ms = max(known.energy.newest_ms or 0, known.plugged_ms)
        first_wh = session["energy_wh"] * limits.vehicle_first_percent / 100 - charged_wh
        if first_wh > 0 and p_w > 0:
            end_ms = max(since_ms + first_wh / p_w * HOUR_MS, now_ms + 1)
            return (int(end_ms) // SLOT_MS + 1) * SLOT_MS
        left_ms = max(session["energy_wh"] - charged_wh, 0.0) / max(p_w, 1.0) * HOUR_MS
        late = left_ms > 0 and since_ms + left_ms + _EARLY_MS > session["departure_ms"]
        return int(session["departure_ms"]) if lowered and late else 0

    # -- planning ----------------------------------------------------------------------------

    def problem(self, known: Flexible, span: Span, power: Power) -> Problem | None:
        """Return a device's problem, with what a person does to it."""
        override = self._in_hand(known.id, span.from_ms)
        if override is None:
            return known.problem(span, power)
        return overridden(known, span, power, override)

    def _in_hand(self, device: str, t_ms: int) -> Override | None:
        """Return what holds of a device whatever is planned; what is for sure comes first."""
        for override in (self._sure.get(device), self._overrides.get(device)):
            if override is not None and override.until_ms > t_ms:
                return override
        return None

    def improve(
        self,
        problems: Mapping[str, Problem],
        base_w: Ints,
        plans: Plans,
        target_w: Watts,
        first_slot: int,
    ) -> Plans:
        """Return plans that come nearer to the target, as far as the customer's aims let them."""
        if not self.active:
            return improve(problems, base_w, plans, target_w)
        rest_w = base_w + sum(p_w for name, p_w in plans.items() if name not in problems)
        purpose = self._purpose(problems, rest_w, first_slot)
        kept, self._apart = self._apart, (first_slot, len(base_w), Apart())
        if kept[:2] == self._apart[:2]:
            self._apart = kept
        return answer(problems, base_w, plans, target_w, purpose, self._apart[2])

    @property
    def looks(self) -> bool:
        """Whether readings matter at once: for a reserve, or for what a vehicle gets for sure."""
        limits = self.strategy.limits
        return bool(self._sure) or limits.battery_min_percent > 0

    @property
    def follows(self) -> bool:
        """Whether requests count at all."""
        return self.strategy.weights.requests > 0

    @property
    def plans_alone(self) -> bool:
        """Whether there is something to plan for without a request."""
        return self.active and self.strategy.weights.own

    def _purpose(self, problems: Mapping[str, Problem], base_w: Ints, first_slot: int) -> Purpose:
        slots, flexible = len(base_w), self._house.flexible
        comfort_w = base_w.astype(float)
        for problem in problems.values():
            comfort_w = comfort_w + problem.uncontrolled()
        buy, sell = self._tariff.prices(first_slot, slots) or (None, None)
        limits, load = self.strategy.limits, self._load_limit
        draws_w = np.full(slots, _or_inf(limits.import_max_w))
        feeds_w = np.full(slots, _or_inf(limits.export_max_w))
        bound = min(max(-(-load.until_ms // SLOT_MS) - first_slot, 0), slots)
        draws_w[:bound] = np.minimum(draws_w[:bound], load.limit.import_max_w)
        feeds_w[:bound] = np.minimum(feeds_w[:bound], load.limit.export_max_w)
        return Purpose(
            self.strategy.weights,
            comfort_w,
            sum(flexible[name].p_max_w for name in sorted(problems)),
            -feeds_w,
            draws_w,
            buy,
            sell,
            self._planned_ceilings(problems, first_slot, slots),
            feeds_in=bool((base_w < 0).any()) or any(flexible[n].least_w < 0 for n in problems),
        )

    def _planned_ceilings(
        self, problems: Mapping[str, Problem], first_slot: int, slots: int
    ) -> dict[str, Watts]:
        out = {}
        for name in problems:
            ceiling = self._ceilings.get(name)
            if ceiling is not None:
                bound = min(max(-(-ceiling.until_ms // SLOT_MS) - first_slot, 0), slots)
                out[name] = np.where(np.arange(slots) < bound, ceiling.p_w, inf)
        return out

    # -- what devices are told ---------------------------------------------------------------

    def told(self, planned: Mapping[str, Asked], power: Mapping[str, Power]) -> dict[str, Asked]:
        """Return what each device is told now, of what is planned and all else that is asked.

        ``power`` is what each was told at least since its newest reading.
        """
        self._look("")
        now_ms = self._context.now_ms
        rules, asked = self._rules(power), dict(planned)
        for name, known in self._house.flexible.items():
            if not known.present(now_ms):
                asked.pop(name, None)
                continue
            override = self._in_hand(name, now_ms)
            if override is not None:
                on_w = self._plate(known).most_w if override.action == "start" else 0.0
                why = "sure" if override.firm else "override"
                asked[name] = Asked(on_w, None, override.cause, why, override.firm)
            elif name not in asked and (own := self._unplanned(known, rules)) is not None:
                asked[name] = own
        plates = {name: self._plate(self._house.flexible[name]) for name in asked}
        kept = keep(asked, plates, rules)
        for name, one in kept.items():
            wanted = planned.get(name)
            if wanted and self._house.flexible[name].on_off and one.p_w < wanted.p_w - _STEP_W:
                kept[name] = replace(one, p_w=0.0)  # it cannot do with less
        return kept

    def _unplanned(self, known: Flexible, rules: Rules) -> Asked | None:
        """Return what a device would do without a plan, where something might forbid it."""
        if isinstance(known, Battery):
            if rules.floors_w.get(known.id, -inf) <= -known.p_max_w:
                return None  # its own rule is nowhere near the reserve
            return Asked(max(-rules.base_w[1], 0.0), None, known.causes["battery.soc"], "reserve")
        limited = min(rules.own.import_max_w, rules.grid.import_max_w) < inf
        lowered = known.p_max_w < self._plates_w[known.id]
        if not (isinstance(known, Vehicle) and (limited or lowered or known.id in rules.ceilings)):
            return None
        return Asked(known.p_max_w, None, known.causes["ev.session"], "limit")

    def _rules(self, power: Mapping[str, Power]) -> Rules:
        now_ms, limits = self._context.now_ms, self.strategy.limits
        ceilings = {
            name: (one.p_w, one.cause)
            for name, one in self._ceilings.items()
            if one.until_ms > now_ms
        }
        own = Limit(_or_inf(limits.import_max_w), _or_inf(limits.export_max_w))
        grid = self._load_limit.limit if self._load_limit.until_ms > now_ms else Limit()
        floors_w = {
            name: _floor_w(known, power.get(name, []), now_ms)
            for name, known in self._house.flexible.items()
            if isinstance(known, Battery) and known.reserve_wh > 0 and known.content_wh is not None
        }
        limited = floors_w or min(own.import_max_w, own.export_max_w) < inf
        limited = limited or min(grid.import_max_w, grid.export_max_w) < inf
        return Rules(ceilings, floors_w, own, grid, self._base_w() if limited else (0.0, 0.0))

    def _base_w(self) -> tuple[float, float]:
        """Return what the rest of the house draws, least and most: as predicted, as measured."""
        slot = self._context.now_ms // SLOT_MS
        found = [float(self._house.predict(slot, 1)[0])]
        for before in (slot - 1, slot - 2):
            net_w = self._house.load.net_w(before)
            means = [known.energy.mean_w(before) for known in self._house.flexible.values()]
            if net_w is not None and None not in means:
                found.append(net_w - sum(p_w for p_w in means if p_w is not None))
                break
        return min(found), max(found)

    def edge_ms(self) -> int | None:
        """Return when what is asked changes by itself; None: it does not."""
        asked = (self._overrides, self._sure, self._ceilings)
        ends = [one.until_ms for kind in asked for one in kind.values()]
        ends.append(self._load_limit.until_ms)
        coming = [t_ms for t_ms in ends if self._context.now_ms < t_ms < 1 << 61]
        return min(coming, default=None)

    @staticmethod
    def _plate(known: Flexible) -> Plate:
        most_w = known.p_max_w
        if isinstance(known, Vehicle) and known.session is not None:
            most_w = min(most_w, float(known.session.get("p_max_w") or most_w))
        return Plate(most_w, known.least_w)


def _floor_w(known: Battery, power: Power, now_ms: int) -> float:
    """Return what a battery must draw at least until its order ends, so as to keep its reserve.

    Since its newest reading it may have done the least of what was ordered; an order that was lost
    leaves the one before in force, which kept the reserve as well.
    """
    assert known.content_wh is not None
    late = [p_w for t_ms, p_w in power if t_ms > known.newest_ms - _VALID_MS]
    ordered = any(t_ms <= known.newest_ms for t_ms, _ in power)
    least_w = max(min([*late, inf if ordered else -inf, 0.0]), -known.p_max_w)
    lost_wh = -least_w / known.efficiency * max(now_ms - known.newest_ms, 0) / HOUR_MS
    spare_wh = max(known.content_wh - lost_wh - known.reserve_wh, 0.0)
    return -_STEP_W * (spare_wh * known.efficiency / (_VALID_MS / HOUR_MS) // _STEP_W)


def charged_wh_of(known: Vehicle) -> float:
    """Return what a vehicle has drawn since it came, as far as its register tells."""
    newest_ms, newest_wh = known.energy.newest_ms, known.energy.newest_wh
    at_plug_wh = known.energy.before(known.plugged_ms + _AT_PLUG_MS)
    if newest_ms is None or newest_ms <= known.plugged_ms or newest_wh is None:
        return 0.0
    return 0.0 if at_plug_wh is None else newest_wh - at_plug_wh


def _or_inf(p_w: float | None) -> float:
    return inf if p_w is None else p_w
