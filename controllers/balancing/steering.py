"""Parent of profile steering: has its children shift load until their sum is as desired.

One negotiation, all of it writes and notifications of the Data Interface:

1. ``balancing.request`` asks the children for their profiles; they answer ``balancing.profile``.
   x is their sum, p what is desired (flat: the mean of x), d = x - p.
2. ``balancing.signal`` gives d and k to the flexible ones. Each plans for its share d / k and
   answers ``balancing.offer`` with the improvement of its distance.
3. ``balancing.accept`` goes to the best k; they commit and write ``balancing.profile``. k is
   halved, until the best improvement is below ``epsilon_w`` with k = 1.

k winners with changes c_m satisfy ``|d/k + c_m| <= |d/k|``, hence ``|d + sum c_m| <= |d|`` for
any k of them or fewer: a lost acceptance does no harm. A commit that comes after its round is
taken only if the distance does not grow by it, otherwise it is undone. Late answers count for
nothing; a silent child keeps its last agreed profile.

Profiles are whole multiples of ``resolution_w``, so d is one too and nothing is lost in sending
it in that unit. Children are asked a few at a time (``exchange``).

The rounds have stages. Where the exchange is by ``distance``, all agree to a first profile in the
first (``agreement``). Then comes what is desired, which is within the grid's ``limits``. Where
the sum is beyond them in the end, what is desired is the nearest sum within them, until it is
reached: within comfort first, and beyond it where that is not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from controllers.balancing import agreement
from controllers.balancing.desired import AGREED, WINDOWS, Aim, Desired
from controllers.balancing.devices import Ints
from controllers.balancing.exchange import Exchange, Patience
from controllers.balancing.feedback import Feedback
from controllers.balancing.group import Group
from controllers.balancing.limits import LIMIT, Limits
from controllers.balancing.neighbours import Neighbours
from controllers.balancing.rounds import Rounds
from controllers.balancing.sound import is_sound
from controllers.balancing.state import (
    Commit,
    Member,
    Members,
    Settings,
    Talk,
)
from controllers.balancing.subscriptions import Subscriptions
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import SLOT_MS, Clock

__all__ = ["Parent"]

_ANSWERS = ("balancing.profile", "balancing.offer", "balancing.update")


class Parent(Rounds):
    """Negotiates with its children; the same at every level above the houses."""

    def __init__(self, name: str, params: Mapping[str, Any], settings: Settings, start: Clock):
        self.name = name
        self.settings = settings
        self._supplier = str(params.get("supplier", ""))
        self._members = Members(params.get("children", ()))
        # Houses whose child has never answered, or that have none, are predicted from their meter.
        self._neighbours = Neighbours(start, params.get("predictor", {}))
        self._feedback = Feedback(start)
        self._meter_of = dict(params.get("meters", {}))
        others, hidden = params.get("others", ()), bool(params.get("hidden"))
        self._group = Group(start, others, params.get("predictor", {}), hidden=hidden)
        self._talk: Talk | None = None
        self._number = 0
        self._wanted = ""
        self._responds = frozenset(params.get("responds", ()))  # who may be in a window
        self._desired = Desired()
        self._limits = Limits(params.get("limits", ()))
        self._limited = bool(params.get("limited", False))  # others may write limits
        self._patience = Patience(round(1000 * settings.round_timeout_s))
        self._exchange = Exchange((), 1, self._patience)
        self._variable, self._values = "", dict[str, Mapping[str, Any]]()

    # -- life

    def start(self, context: UnitContext) -> None:
        """Subscribe to the children's answers and set the first negotiation."""
        self._context = context
        self._subscriptions = Subscriptions(context)
        for variable in _ANSWERS:
            self._subscriptions.want(variable, context.unit)
        self._group.follow(self._subscriptions)
        if self._limited:
            self._subscriptions.want(LIMIT, context.unit, now_too=True)
        if not self._supplier:  # the feeder's meter is the operator's, and measures others too
            self._feedback.start(context.unit, self._subscriptions)
        if self._responds:
            self._subscriptions.want(WINDOWS, context.unit, now_too=True)
        s = self.settings
        self._offset_ms = round(
            1000 * (s.delay_s + s.spread_s * float(context.stream("offset").random()))
        )
        self._set_replan_timer()

    def timer(self, name: str) -> None:
        """Begin a negotiation, or go on without those who are late."""
        if name == "replan":
            self._set_replan_timer()
            self._begin("")
        elif name == "update":
            self._begin(self._wanted)
        elif name == "round":
            self._go_on()
        elif name == Subscriptions.TIMER:
            self._subscriptions.timer()

    def notify(self, notification: Notification) -> None:
        """Take a child's answer or a meter's reading."""
        if notification.result is Result.DENIED and notification.location in self._members:
            self._members[notification.location].heard_ms = -1  # what it said is its own again
        if not self._subscriptions.is_value(notification):
            return
        if not is_sound(notification, self._context.now_ms):
            detail = {"variable": notification.variable}
            self._context.decide("value_refused", notification.location, detail, [notification.id])
            return
        followers = (self._feedback, self._group, self._neighbours)
        if any(follower.take(notification) for follower in followers):
            return
        if notification.variable == WINDOWS:
            self._wish(notification)
            return
        if notification.variable == LIMIT:
            if self._limits.take(notification.value):
                self._limit(notification.id)
            return
        self._message(notification)

    def _limit(self, cause: str) -> None:
        """Negotiate soon: a limit is new."""
        self._wanted = cause
        if not self.busy:
            self._set_update_timer()

    def _wish(self, notification: Notification) -> None:
        """Take what is desired of members for a while; negotiate at once."""
        if self._desired.take(notification.value, self._context.now_ms // SLOT_MS):
            self._wanted = notification.id
            if not self.busy:
                self._begin(notification.id)

    def _message(self, notification: Notification) -> None:
        """Take a child's answer."""
        value = notification.value
        member = self._members.get(value.get("child", "")) if isinstance(value, Mapping) else None
        if member is None:
            return
        handlers: dict[str, Callable[[Member, Mapping[str, Any], str], None]] = {
            "balancing.profile": self._take_profile,
            "balancing.offer": self._take_offer,
            "balancing.update": self._take_update,
        }
        handlers[notification.variable](member, value, notification.id)

    @property
    def busy(self) -> bool:
        """Tell whether a negotiation runs."""
        return self._talk is not None and self._talk.phase != "over"

    def _set_replan_timer(self) -> None:
        period_ms = round(1000 * self.settings.replan_s)
        passed = (self._context.now_ms - self._offset_ms) // period_ms
        self._context.set_timer("replan", (passed + 1) * period_ms + self._offset_ms)

    # -- 1: profiles

    def _begin(self, cause: str) -> None:
        if self.busy or not self._members:
            return
        s = self.settings
        self._wanted = ""
        self._context.cancel_timer("update")
        now_ms = self._context.now_ms
        number = max(self._number + 1, now_ms // 1000)  # also grows over a restart
        what: dict[str, Any] = {
            "negotiation": number,
            "slot": now_ms // SLOT_MS + 1,
            "slots": s.horizon_slots,
            "unit_w": s.resolution_w,
        }
        if s.exchange != "profile":
            what["exchange"] = s.exchange
        self._talk_about(what, cause)

    def _talk_about(self, what: Mapping[str, Any], cause: str) -> None:
        """Begin a negotiation: ask the children for their profiles."""
        now_ms, first, slots = self._context.now_ms, what["slot"], what["slots"]
        self._number = what["negotiation"]
        identifier = self._context.decide(
            "negotiation", self._context.unit, dict(what), [cause] if cause else []
        )
        agreed_before = self._talk
        if agreed_before is not None:
            own_w = self._members.sum_w(agreed_before) - agreed_before.correction_w
            self._feedback.learn(agreed_before.first_slot, own_w)
            spoken_w, began = own_w - agreed_before.others_w, agreed_before.first_slot
            self._group.beyond(began, spoken_w, first, self._feedback.net_w)
        span = (first, slots, what["unit_w"])
        others_w = self._group.predict(*span)
        self._tell_group()
        correction_w = self._feedback.correction_w(*span)
        self._talk = Talk(
            self._number,
            identifier,
            identifier,
            now_ms,
            first,
            slots,
            np.zeros_like(others_w),
            others_w,
            correction_w,
            Aim.plain(slots),
            self._limits.over(*span),
        )
        for member in self._members.values():
            member.open = member.mean_w = member.missed = 0
        asked = self._members.stale(now_ms, round(1000 * self.settings.refresh_s))
        self._ask("balancing.request", dict.fromkeys(asked, what))

    def _take_profile(self, member: Member, value: Mapping[str, Any], cause: str) -> None:
        talk = self._talk
        if talk is None or value["negotiation"] != talk.number:
            return
        if value["profile"] <= member.serial and member.id in talk.part:
            return  # the first of a negotiation counts anew: a child that restarted does so
        p_w = self._watts(value, talk)
        if p_w is None:
            return
        if talk.phase == "profiles" and value["round"] == 0:
            agreed = member.heard_ms >= 0 and member.p_w is not None
            member.before_w = member.believed(talk.first_slot, talk.slots) if agreed else None
            agreement.heard(member, value, p_w)
            member.first_slot, member.heard_ms = talk.first_slot, self._context.now_ms
            member.steerable = bool(value.get("steerable", True))
            talk.part.add(member.id)
        elif talk.stage == "agree" and value["round"] > 0 and member.open:
            agreement.heard(member, value, p_w)
            self._answered(talk, member.id, cause)
            return
        elif value["round"] > 0 and member.id in talk.part and not value.get("open"):
            known = talk.fresh.get(member.id)
            if known is None or known.serial < value["profile"]:
                talk.fresh[member.id] = Commit(value["profile"], value["round"], p_w)
            if talk.phase == "over":
                self._settle(talk)
        else:
            return  # a first profile that came too late
        if talk.phase in ("profiles", "commits", "undo"):
            self._answered(talk, member.id, cause)

    def _watts(self, value: Mapping[str, Any], talk: Talk) -> Ints | None:
        """Return the profile of a child's message [W]; None if it is not of this negotiation."""
        left = bool(value.get("open"))  # of which part nothing is known yet
        p = np.asarray(value.get("p", np.zeros(talk.slots) if left else ()), dtype=np.int64)
        return p * self.settings.resolution_w if p.shape == (talk.slots,) else None

    def _open(self, talk: Talk) -> None:
        """All profiles are here: fix what is desired, and begin the rounds."""
        self._believe(talk)
        talk.asked = self._exchange.size
        self._desire(talk)
        to_agree = bool(agreement.opened(self._members))
        before = None if to_agree else self._members.distance_w(talk)
        self._record(talk, len(talk.part), 0, before)
        self._enter(talk, "agree" if to_agree else "flat")

    def _believe(self, talk: Talk) -> None:
        """Have a profile of each child, those too that did not answer."""
        for member in self._members.values():
            if member.id not in talk.part:
                member.p_w, member.first_slot = self._believed(member, talk), talk.first_slot
                member.width = 0

    def _believed(self, member: Member, talk: Talk) -> Ints | None:
        """Return a silent child's profile: the last agreed one, or what its meter tells."""
        if member.heard_ms >= 0 and member.p_w is not None:
            return member.believed(talk.first_slot, talk.slots)
        meter = self._meter_of.get(member.id)
        if meter is None:
            return None
        self._neighbours.follow(meter, self._subscriptions)
        unit_w = self.settings.resolution_w
        return self._neighbours.predict(meter, talk.first_slot, talk.slots, unit_w)

    def _finish(self, talk: Talk) -> None:
        talk.phase = "over"
        self._tell_excess(talk)
        self._context.cancel_timer("round")
        if self._responds:
            self._tell(talk)
        if self._wanted:
            self._set_update_timer()

    def _tell(self, talk: Talk) -> None:
        """Let a service of this unit know what each child has agreed to."""
        unit_w = self.settings.resolution_w
        plans = {
            member.id: self._units(member.p_w)
            for member in self._members.values()
            if member.id in self._responds and member.p_w is not None
        }
        told = {
            "negotiation": talk.number,
            "slot": talk.first_slot,
            "unit_w": unit_w,
            "windows": talk.aim.windows,
            "plans": plans,
        }
        self._context.data.write(AGREED, self._context.unit, told, cause=talk.id)

    # -- vehicles that come between negotiations

    def _take_update(self, member: Member, value: Mapping[str, Any], cause: str) -> None:
        """Answer a child that has a new vehicle with what the others do; negotiate soon."""
        talk = self._talk
        this = talk is not None and value["negotiation"] == talk.number
        if talk is not None and this and talk.phase == "over":
            p_w = self._watts(value, talk)
            if p_w is not None:
                member.p_w = p_w
        if not value["ask"]:
            return
        known = talk is not None and talk.phase != "profiles" and talk.stage != "agree"
        if talk is not None and this and known and member.p_w is not None:
            own_w = talk.aim.place(member.id, member.agreed_w)
            others_w = talk.aim.seen(member.id, self._members.away_w(talk) - own_w)
            signal = {"negotiation": talk.number, "round": 0, "d": self._units(others_w)}
            self._context.data.write("balancing.signal", member.id, signal, cause=cause)
        self._wanted = cause
        if not self.busy:
            self._set_update_timer()

    def _set_update_timer(self) -> None:
        s, now_ms = self.settings, self._context.now_ms
        began_ms = self._talk.began_ms if self._talk is not None else -round(1000 * s.gap_s)
        at_ms = max(now_ms + round(1000 * s.settle_s), began_ms + round(1000 * s.gap_s))
        self._context.set_timer("update", at_ms)

    def _tell_group(self) -> None:
        """Record how the day before had seen what the group of houses without units drew."""
        for slot, measured_w, said in self._group.said():
            row = {"t_ms": slot * SLOT_MS, "unit": self._context.unit, "what": "group"}
            row |= asdict(said) | {"measured_w": measured_w}
            self._context.record("prediction", row)
