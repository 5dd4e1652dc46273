"""Child of profile steering: a house that answers its parent's signals with plans."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from controllers.balancing.controller import DeviceController, Plan
from controllers.balancing.customer import Customer
from controllers.balancing.deviations import deviations
from controllers.balancing.devices import Ints, Problem, Span, round_profile
from controllers.balancing.house import House
from controllers.balancing.panels import in_slots
from controllers.balancing.sound import is_sound
from controllers.balancing.strategy import Plans
from controllers.balancing.subscriptions import Subscriptions
from controllers.forecast.relay import VARIABLE as FORECAST
from controllers.forecast.relay import is_forecast
from controllers.unit.policy import READ
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import HOUR_MS, SLOT_MS, Clock

__all__ = ["Child"]

_REFRESH_MS = 120_000
_ALONE_MS = 150_000
_SILENT_MS, _SLOTS, _UNIT_W = 7_200_000, 96, 10  # of a house that nobody asks
_ORDERS = ("balancing.request", "balancing.signal", "balancing.accept")


Problems = dict[str, Problem]


@dataclass(slots=True)
class _Negotiation:
    """State of one negotiation: what is frozen, what is agreed, what is offered."""

    number: int
    first_slot: int
    unit_w: int
    base_w: Ints
    problems: dict[str, Problem]
    plans: Plans
    serial: int = 0
    offered: tuple[int, Plans] | None = None
    undo: tuple[int, Plans] | None = None
    others_w: Ints | None = None
    extra: Plans = field(default_factory=dict)  # of vehicles that came since
    causes: list[str] = field(default_factory=list)
    by_distance: bool = False  # the profile is told once a plan was accepted
    given: Problems = field(default_factory=dict)  # comfort that is given up: as it was before
    offered_beyond: Problems = field(default_factory=dict)  # how they would be, by the offer
    undo_given: Problems = field(default_factory=dict)

    def change_problems(self, problems: Mapping[str, Problem]) -> Problems:
        """Have devices plan by these problems; return the ones they had."""
        had = {device: self.problems[device] for device in problems if device in self.problems}
        self.problems |= {device: problems[device] for device in had}
        return had

    @property
    def slots(self) -> int:
        return len(self.base_w)

    def units(self, p_w: Ints) -> list[int]:
        """Return a profile as it goes to the parent."""
        units: list[int] = (p_w // self.unit_w).tolist()
        return units

    @property
    def expected_w(self) -> Ints:
        """What the house will draw: as agreed, and the vehicles that came since."""
        return self.sum(self.plans) + self.sum(self.extra) - self.base_w

    def sum(self, plans: Plans) -> Ints:
        """Return the house's profile with these plans."""
        total = self.base_w.copy()
        for p_w in plans.values():
            total += p_w
        return total


class Child:
    """Plans EVs and batteries for the parent's signal and has the controller follow."""

    def __init__(self, name: str, params: Mapping[str, Any], start: Clock) -> None:
        self.name = name
        self._parent, self._meter = str(params["parent"]), str(params["meter"])
        supplier = params.get("supplier")
        self._readers = None if supplier is None else [[str(supplier), "balancing", READ, 0]]
        self.house = House(params, start)
        self.customer = Customer(params.get("customer"), self.house, self._meter)
        self._follows_forecasts = bool(params.get("forecast")) and self.house.wants_forecasts
        self._now: _Negotiation | None = None
        self._serial = 0
        self._newest, self._begun_ms = -1, -_SILENT_MS  # negotiation

    def start(self, context: UnitContext) -> None:
        """Subscribe to meter, devices and the parent's orders."""
        self._context = context
        self.customer.start(context)
        tell = self.customer.told if self.customer.active else None
        self.controller = DeviceController(context, dict(self.house.units), tell)
        self._subscriptions = Subscriptions(context)
        for variable in _ORDERS:
            self._subscriptions.want(variable, context.unit)
        if self._meter:
            for variable in ("energy.import", "energy.export"):
                self._subscriptions.want(variable, self._meter)
            self._subscriptions.want("load_profile", self._meter, now_too=True)
        for unit, variable in self.house.variables():
            self._subscriptions.want(variable, unit, now_too=variable != "device.energy")
        if self._follows_forecasts:
            self._subscriptions.want(FORECAST, context.unit, now_too=True)
        for variable, unit in self.customer.variables():
            self._subscriptions.want(variable, unit, now_too=True)
        if self.customer.active:
            context.set_timer("alone", self._next_slot_ms() + _ALONE_MS)
        self._set_slot_timer()
        context.set_timer("refresh", self._next_slot_ms() + _REFRESH_MS)

    def timer(self, name: str) -> None:
        """Order what a slot needs; ask for what was not heard."""
        if name == "slot":
            self.controller.slot()
            self._set_slot_timer()
        elif name == "refresh":
            now_ms = self._context.now_ms
            silent = set(self.house.silent(now_ms // SLOT_MS))
            for unit, variable in self.house.variables():
                if unit in silent:
                    self._subscriptions.ask(variable, unit)
            self._context.set_timer("refresh", self._next_slot_ms() + _REFRESH_MS)
            self._report(now_ms // SLOT_MS - 1)
        elif name == "edge":
            self._renew()
        elif name == "alone":
            self._plan_alone()
        elif name == Subscriptions.TIMER:
            self._subscriptions.timer()

    def notify(self, notification: Notification) -> None:
        """Take a reading or an order."""
        if not self._subscriptions.is_value(notification):
            return
        if not is_sound(notification, self._context.now_ms):
            detail = {"variable": notification.variable}
            self._context.decide("value_refused", notification.location, detail, [notification.id])
            return
        if self.customer.takes(notification):
            self._displace(self.customer.take(notification), notification.id)
        elif notification.variable == FORECAST:
            if is_forecast(notification.value) and in_slots(notification.value):
                self.house.take_forecast(notification.value)
        elif notification.location == self._context.unit and not self.house.reads(notification):
            self._order(notification)
        elif notification.location == self._meter:
            self.house.load.take(notification)
        else:
            self._device(notification)

    def _next_slot_ms(self) -> int:
        return (self._context.now_ms // SLOT_MS + 1) * SLOT_MS

    def _set_slot_timer(self) -> None:
        self._context.set_timer("slot", self._next_slot_ms())

    # -- the parent's orders

    def _order(self, notification: Notification) -> None:
        value, name = notification.value, notification.variable
        if not isinstance(value, Mapping):
            return
        if name == "balancing.request":
            self._request(value, notification.id)
            return
        now = self._now
        if now is None or value.get("negotiation") != now.number:
            return  # late, or of a negotiation this child knows nothing of
        if name == "balancing.signal":
            self._signal(now, value, notification.id)
        elif name == "balancing.accept":
            self._accept(now, value, notification.id)

    def _request(self, value: Mapping[str, Any], cause: str) -> None:
        """Begin a negotiation: freeze prediction and devices, answer with the present plan."""
        number = value["negotiation"]
        if number <= self._newest:
            return
        self._newest, self._begun_ms = number, self._context.now_ms
        now = self._begin(number, (value["slot"], value["slots"], value["unit_w"]), cause)
        asks = value.get("exchange") == "distance"
        now.by_distance = asks and bool(now.problems) and self.customer.follows
        if self.customer.plans_alone:
            self._follow_own(now, cause)
        self._send_profile(0, cause)

    def _begin(self, number: int, span: tuple[int, int, int], cause: str) -> _Negotiation:
        """Freeze prediction and devices over first slot, slots and unit; carry on as planned."""
        first, slots, unit_w = span
        self._learn()
        base_w = round_profile(self.house.predict(first, slots), unit_w)
        from_ms = max(first * SLOT_MS, self._context.now_ms)
        problems = self._problems(Span(from_ms, first, slots, unit_w))
        now = _Negotiation(number, first, unit_w, base_w, problems, {}, causes=[cause])
        for device, problem in problems.items():
            now.plans[device] = self._carried_on(device, problem, first, slots)
        self._now = now
        self._stay_true(now)
        return now

    def _learn(self) -> None:
        """Learn from what was measured, and record how the day before had seen it."""
        self.house.learn()
        for slot, what, measured_w, said in self.house.said():
            row = {"t_ms": slot * SLOT_MS, "unit": self._context.unit, "what": what}
            self._context.record("prediction", row | asdict(said) | {"measured_w": measured_w})

    def _problems(self, span: Span) -> dict[str, Problem]:
        problems = {}
        for device, known in sorted(self.house.flexible.items()):
            if known.present(self._context.now_ms):
                power = self.controller.power(device, span.from_ms)
                problem = self.customer.problem(known, span, power)
                if problem is not None:
                    problems[device] = problem
        return problems

    def _carried_on(self, device: str, problem: Problem, first: int, slots: int) -> Ints:
        """Return the plan in effect, made feasible for what is known now."""
        plan = self.controller.plan(device)
        if plan is None:
            return problem.uncontrolled()
        wanted = [plan.at(slot) or 0.0 for slot in range(first, first + slots)]
        return problem.plan(np.array(wanted))

    def _stay_true(self, now: _Negotiation) -> None:
        """Have what is on or off do what is told of it, from the first request on.

        By itself it would run at other times than predicted, and a running plan cannot always be
        carried on as it is; the sum that is told above counts with each run.
        """
        plans = {device: self.controller.plan(device) for device in now.plans}
        inexact = [device for device in now.plans if not now.problems[device].exact]
        for device in inexact:
            plan = plans[device]
            points = now.problems[device].set_points(now.plans[device])
            told = enumerate(points, now.first_slot)
            if plan is None or any(plan.at(slot) not in (None, p_w) for slot, p_w in told):
                running = {name for name, known in plans.items() if known is not None}
                self._commit(now, now.causes, only=running.union(inexact))
                return

    def _wish(self, now: _Negotiation, value: Mapping[str, Any], cause: str) -> None:
        """Plan for a desired profile, and tell how far from it the plan stays."""
        wished_w = now.unit_w * np.asarray(value["p"], dtype=np.int64)
        if wished_w.shape != now.base_w.shape or not now.problems:
            return
        wished = wished_w.astype(float)
        plans = self.customer.improve(now.problems, now.base_w, now.plans, wished, now.first_slot)
        now.offered, now.others_w, now.offered_beyond = (value["round"], plans), -wished_w, {}
        offer = {
            "child": self._context.unit,
            "negotiation": now.number,
            "round": value["round"],
            "distances": [round(float(np.linalg.norm(now.sum(plans) - wished_w)))],
        }
        self._tell("balancing.offer", offer, cause)

    def _signal(self, now: _Negotiation, value: Mapping[str, Any], cause: str) -> None:
        if "p" in value:
            self._wish(now, value, cause)
            return
        d_w = now.unit_w * np.asarray(value["d"], dtype=np.int64)
        if d_w.shape != now.base_w.shape:
            return
        number = value["round"]
        if number == 0:  # an answer to an update: the others' sum
            now.others_w = d_w
            self._replan_at_once(now, [cause])
            self._rehold([cause])
            self._send_update(now, cause, ask=False)
            return
        if value["profile"] != now.serial or not (now.problems and self.customer.follows):
            return  # the parent counts with another profile than the one agreed
        before = now.sum(now.plans)
        now.others_w = d_w - before
        share_w = d_w / value["k"]
        problems = {d: problem for d, problem in now.problems.items() if d not in now.given}
        now.offered_beyond = {}
        if value.get("beyond") and self.customer.strategy.limits.beyond:
            further = {device: now.problems[device].beyond() for device in now.problems}
            now.offered_beyond = {d: problem for d, problem in further.items() if problem}
            problems = now.problems | now.offered_beyond
        asked_w = before - share_w
        plans = self.customer.improve(problems, now.base_w, now.plans, asked_w, now.first_slot)
        gain_w = float(np.linalg.norm(share_w) - np.linalg.norm(share_w + now.sum(plans) - before))
        now.offered = (number, plans)
        offer = {
            "child": self._context.unit,
            "negotiation": now.number,
            "round": number,
            "improvement_w": int(max(gain_w, 0.0)),
        }
        self._tell("balancing.offer", offer, cause)

    def _accept(self, now: _Negotiation, value: Mapping[str, Any], cause: str) -> None:
        number = value["round"]
        if value["take"]:
            if now.offered is None or now.offered[0] != number:
                return
            # without a vehicle that has left since
            plans = {d: p_w for d, p_w in now.offered[1].items() if d in now.problems}
            now.undo, now.plans = (number, now.plans), plans
            had = now.change_problems(now.offered_beyond)
            now.undo_given = {d: problem for d, problem in had.items() if d not in now.given}
            now.given = had | now.given
        else:
            if now.undo is None or now.undo[0] != number:
                return
            now.change_problems(now.undo_given)
            now.given = {d: p for d, p in now.given.items() if d not in now.undo_given}
            plans = {d: p_w for d, p_w in now.undo[1].items() if d in now.problems}
            now.plans, now.undo = plans, None
        now.offered = None
        self._commit(now, [*now.causes, cause])
        self._send_profile(number, cause)

    def _commit(
        self,
        now: _Negotiation,
        causes: Sequence[str],
        hold_from: int = 0,
        only: Collection[str] | None = None,
    ) -> None:
        """Have the controller follow what is agreed, of all devices or ``only`` of some.

        A battery holds the house at its profile, whatever the sun and the household do; that
        needs all vehicles to be in it, which it is from slot ``hold_from`` on.
        """
        planned = now.plans.keys() | now.extra.keys()
        here = {d for d, k in self.house.flexible.items() if k.present(self._context.now_ms)}
        holder = self.house.holder(self._context.now_ms) if here <= planned else None
        for device, problem in sorted(now.problems.items()):
            if only is not None and device not in only:
                continue
            hold_w: list[float | None] = []
            if device == holder:
                slots = enumerate(now.expected_w.tolist(), now.first_slot)
                hold_w = [float(p_w) if slot >= hold_from else None for slot, p_w in slots]
            plan = (problem, now.plans[device])
            self._follow(device, now.first_slot, plan, causes, hold_w=hold_w, hold_from=hold_from)

    def _follow(
        self,
        device: str,
        first: int,
        planned: tuple[Problem, Ints],
        causes: Sequence[str],
        *,
        hold_w: Sequence[float | None] = (),
        hold_from: int = 0,
    ) -> None:
        problem, profile_w = planned
        p_w: Sequence[float] = problem.set_points(profile_w)
        orders, begin = problem.orders(profile_w), first
        running = self.controller.plan(device)
        current = self._context.now_ms // SLOT_MS
        if running is not None and current < first:  # until then the present plan holds
            kept = [running.at(slot) for slot in range(current, first)]
            head = [p for p in kept if p is not None]
            if len(head) == len(kept):
                if hold_w:
                    slots = range(current, first)
                    held = [running.hold(slot) if slot >= hold_from else None for slot in slots]
                    hold_w = [*held, *hold_w]
                if orders is not None:
                    orders = [*(o for o in running.orders or () if o.slot < first), *orders]
                first, p_w = current, [*head, *p_w]
        known = self.house.flexible[device].causes
        facts = [*self.house.causes(), *(known[name] for name in sorted(known)), *causes]
        value = {"slot": first, "p_w": list(p_w)}
        if hold_w:
            value["hold_w"] = list(hold_w)
        decision = self._context.decide("plan", device, value, facts)
        lost = problem.given_up(profile_w)
        if lost is not None:
            self._context.decide("discomfort", device, asdict(lost), [decision])
        others = None if orders is None else tuple(orders)
        self.house.flexible[device].followed(begin, profile_w)
        plan = Plan(first, tuple(p_w), decision, tuple(hold_w), others, problem.exceeds)
        self.controller.follow(device, plan)

    def _send_profile(self, number: int, cause: str) -> None:
        now = self._now
        assert now is not None
        self._serial += 1
        now.serial = self._serial
        value = {
            "child": self._context.unit,
            "negotiation": now.number,
            "round": number,
            "profile": now.serial,
            "flexible": bool(now.problems) and self.customer.follows,
            "steerable": bool(self.house.flexible),
        }
        total = now.sum(now.plans)
        if now.by_distance and number == 0:
            value |= {"open": 1, "mean_w": round(float(total.mean()))}
        else:
            value["p"] = now.units(total)
        self._tell("balancing.profile", value, cause)

    def _tell(self, variable: str, value: Mapping[str, Any], cause: str) -> None:
        """Answer the parent; of several suppliers' instances there the house's own reads it."""
        self._context.data.write(variable, self._parent, value, policy=self._readers, cause=cause)

    # -- the house's own events

    def _device(self, notification: Notification) -> None:
        device = self.house.take_device(notification)
        for name, known in self.house.flexible.items():
            if known.unit == notification.location and known.gone(
                notification.variable, notification.value
            ):
                self._forget(name)
                self._rehold([notification.id])
        if device is not None:
            self.customer.arrived(device, notification.id)
            self._arrived(device, notification.id)
        if self.customer.active and (device is not None or self.customer.looks):
            self._renew()

    def _arrived(self, device: str, cause: str) -> None:
        """Plan a vehicle that came within the last signal, and tell the parent."""
        self._forget(device)
        if self._now is not None:
            self._replan_at_once(self._now, [cause])
        self._rehold([cause])
        self._send_update(self._now, cause, ask=True)
        if self.customer.plans_alone and self._silent:
            self._plan_alone()

    def _forget(self, device: str) -> None:
        """Forget what was planned for a vehicle."""
        self.controller.drop(device)
        if self._now is not None:
            self._now.problems.pop(device, None)
            self._now.plans.pop(device, None)
            self._now.extra.pop(device, None)

    def _rehold(self, causes: Sequence[str]) -> None:
        """Have a battery hold the house at what its vehicles will do, from the next slot on."""
        now_ms, now = self._context.now_ms, self._now
        holder = self.house.holder(now_ms)
        if now is None or holder not in now.problems or self.controller.plan(holder) is None:
            return
        self._commit(now, [*now.causes, *causes], hold_from=now_ms // SLOT_MS + 1)

    def _send_update(self, now: _Negotiation | None, cause: str, *, ask: bool) -> None:
        """Tell the parent the profile with the vehicles that came since; ask for the others'."""
        value: dict[str, Any] = {"child": self._context.unit, "negotiation": 0, "ask": ask}
        if now is not None:
            value["negotiation"] = now.number
            value["p"] = now.units(now.expected_w)
        self._tell("balancing.update", value, cause)

    def _replan_at_once(self, now: _Negotiation, causes: Sequence[str]) -> None:
        """Plan vehicles that the negotiation does not know of, from this instant on.

        What the others do is known from the last signal; where it says nothing yet (the slot
        that runs) its first value stands in.
        """
        now_ms = self._context.now_ms
        current = now_ms // SLOT_MS
        end = now.first_slot + now.slots
        if now.others_w is None or current >= end:
            return
        slots = np.arange(current, end)
        at = np.maximum(slots - now.first_slot, 0)
        rest = (now.others_w + now.sum(now.plans))[at]
        for device in sorted(self.house.flexible):
            if device in now.problems or not self.house.flexible[device].present(now_ms):
                continue
            span = Span(now_ms, current, len(slots), now.unit_w)
            problem = self._problems(span).get(device)
            if problem is not None:
                plan = self._at_once(device, problem, rest, now.others_w[at], current)
                self._follow(device, current, (problem, plan), causes)
                rest = rest + plan
                now.extra[device] = np.zeros_like(now.base_w)
                now.extra[device][slots[slots >= now.first_slot] - now.first_slot] = plan[
                    slots >= now.first_slot
                ]

    def _at_once(
        self, device: str, problem: Problem, rest_w: Ints, others_w: Ints, first_slot: int
    ) -> Ints:
        """Return the plan of one device beside what is planned already, here and by others."""
        if not self.customer.active:
            return problem.plan(-rest_w.astype(float))
        plans, house_w = {device: problem.uncontrolled()}, rest_w - others_w
        return self.customer.improve(
            {device: problem}, house_w, plans, -others_w.astype(float), first_slot
        )[device]

    # -- the customer's

    def _displace(self, devices: Sequence[str], cause: str) -> None:
        """Plan devices anew for which the customer, or the grid, asks for something else."""
        now = self._now
        for device in devices:
            if now is not None:
                now.problems.pop(device, None)
                now.plans.pop(device, None)
                now.extra.pop(device, None)
        if devices and now is not None:
            self._replan_at_once(now, [cause])
            self._rehold([cause])
            self._send_update(now, cause, ask=True)
        self._renew()

    def _report(self, slot: int) -> None:
        """Tell how far devices were from their plans; plan those anew that were far off."""
        context = self._context
        if not self.customer.active:
            return
        for one in deviations(self.house, self.controller, slot):
            row = asdict(one) | {"t_ms": slot * SLOT_MS, "unit": context.unit}
            row.pop("slot")
            context.record("deviation", row)
            known = self.house.flexible[one.device]
            if one.far_w <= self.customer.report_w or one.why == "hold":
                continue
            cause = context.decide("deviation", one.device, row, [known.causes["device.energy"]])
            row.pop("unit")
            context.data.write("device.deviation", context.unit, row, cause=cause)
            if known.present(context.now_ms):
                self._displace([one.device], cause)
        self._renew()  # the meter has told by now what the rest of the house draws

    def _renew(self) -> None:
        """Tell devices what is asked now, and again when that ends."""
        self.controller.slot()
        edge_ms = self.customer.edge_ms()
        if edge_ms is not None:
            self._context.set_timer("edge", edge_ms)

    def _follow_own(self, now: _Negotiation, cause: str) -> None:
        """Plan for the customer's own aims, near to what was agreed before."""
        agreed_w = now.sum(now.plans).astype(float)
        now.plans = self.customer.improve(
            now.problems, now.base_w, now.plans, agreed_w, now.first_slot
        )
        self._commit(now, [*now.causes, cause])

    @property
    def _silent(self) -> bool:
        """Whether no parent has asked for a while."""
        return self._context.now_ms - self._begun_ms >= _SILENT_MS

    def _plan_alone(self) -> None:
        """Plan for the customer's own aims where nobody asks; look again in an hour."""
        context = self._context
        context.set_timer("alone", self._next_slot_ms() + HOUR_MS - SLOT_MS + _ALONE_MS)
        if not (self.customer.plans_alone and self._silent and self.house.flexible):
            return
        first = context.now_ms // SLOT_MS + 1
        cause = context.decide("plan_alone", context.unit, {"slot": first}, self.house.causes())
        now = self._begin(-1, (first, _SLOTS, _UNIT_W), cause)
        now.others_w = np.zeros_like(now.base_w)
        self._follow_own(now, cause)
