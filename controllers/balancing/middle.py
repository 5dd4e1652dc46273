"""Parent that is itself a child: what it is asked it asks below, what it hears it tells above.

Towards its children it is a ``Parent``; the distance comes from above instead of being reckoned,
and so does the word whose plans are taken:

1. On ``balancing.request`` it asks its children for their profiles and answers with the sum.
2. On ``balancing.signal`` it gives d and k to its children and answers with their improvements,
   the best first; k of them at most.
3. On ``balancing.accept`` with a count of n it accepts its n best and answers with the new sum.

So the best k of all houses below a unit are taken, whatever lies in between, and the sums are
those of one parent with all these houses; what a unit above sees are sums and improvements. A
commit that comes after its round is taken or undone by the last distance, and told above.

Where the exchange is by distance it passes on the share of those who have not agreed, and tells
the k farthest of their distances (``agreement``). Limits of the grid at its own place it keeps by
itself: where its children's sum is beyond one it has them level and come back within, in rounds of
its own, before it tells that sum; after that it neither asks for nor takes what leads beyond.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from controllers.balancing import agreement
from controllers.balancing.state import Member, Settings, Talk, best_offers
from controllers.balancing.steering import Parent
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import Clock

__all__ = ["Middle"]

_OWN = ("flat", "limits", "beyond")  # stages of rounds of its own
_REQUEST, _SIGNAL, _ACCEPT = "balancing.request", "balancing.signal", "balancing.accept"


class Middle(Parent):
    """Negotiates with its children for its own parent."""

    def __init__(self, name: str, params: Mapping[str, Any], settings: Settings, start: Clock):
        super().__init__(name, params, settings, start)
        self._parent = str(params["parent"])
        self._serial = 0
        self._round = 0  # of the unit above
        self._rounds: dict[int, int] = {}  # own round: the unit's above
        self._took: dict[int, tuple[int, list[str]]] = {}  # round above: own, who was accepted
        self._kept_within = False  # limits were seen to in this negotiation
        self._undo_round = 0  # round above that is being undone
        self._alone = False  # rounds of its own run
        self._undone: set[str] = set()
        self._d_w = np.zeros(0, dtype=np.int64)
        self._asking: set[str] = set()
        self._extra_w: dict[str, Any] = {}  # what children drew beyond what is agreed

    def start(self, context: UnitContext) -> None:
        """Subscribe to the children's answers and the parent's orders."""
        super().start(context)
        for variable in (_REQUEST, _SIGNAL, _ACCEPT):
            self._subscriptions.want(variable, context.unit)

    def _set_replan_timer(self) -> None:
        """Begin nothing: the parent does."""

    def _limit(self, cause: str) -> None:
        """Ask above for a negotiation: a limit is new."""
        update = {"child": self._context.unit, "negotiation": 0, "ask": True}
        self._context.data.write("balancing.update", self._parent, update, cause=cause)

    def _message(self, notification: Notification) -> None:
        value, cause = notification.value, notification.id
        if notification.variable == _REQUEST:
            self._requested(value, cause)
        elif notification.variable not in {_SIGNAL, _ACCEPT}:
            super()._message(notification)
        elif self._talk is not None and value["negotiation"] == self._talk.number:
            self._talk.cause = cause
            if notification.variable == _SIGNAL:
                self._signalled(self._talk, value)
            else:
                self._accepted(self._talk, value)

    # -- the parent's orders

    def _requested(self, what: Mapping[str, Any], cause: str) -> None:
        if what["negotiation"] <= self._number or what["unit_w"] != self.settings.resolution_w:
            return
        self._took, self._asking, self._extra_w = {}, set(), {}
        self._undone = set()
        self._round, self._rounds, self._kept_within, self._alone = 0, {}, False, False
        keys = ("negotiation", "slot", "slots", "unit_w", "exchange")
        self._talk_about({key: what[key] for key in keys if key in what}, cause)

    def _open(self, talk: Talk) -> None:
        """All profiles are here: tell their sum."""
        self._believe(talk)
        self._d_w = np.zeros(talk.slots, dtype=np.int64)
        self._keep_within(talk)

    def _signalled(self, talk: Talk, value: Mapping[str, Any]) -> None:
        if "p" in value:
            self._wished(talk, value)
            return
        d_w = np.asarray(value["d"], dtype=np.int64) * self.settings.resolution_w
        if d_w.shape != (talk.slots,):
            return
        if value["round"] == 0:
            self._pass_on(talk, d_w)
        elif value["round"] > self._round and value["profile"] == self._serial:
            self._count(talk, value)
            sum_w = self._members.sum_w(talk)
            if talk.bounds is not None:
                # no change beyond a limit, and away from it where commits went beyond one
                most_w = int(np.abs(d_w).max(initial=0))
                d_w = d_w + np.clip(talk.shy_w, -most_w, most_w)
                d_w = sum_w - talk.bounds.nearest(sum_w - d_w)
            talk.stage = "beyond" if value.get("beyond") else "flat"
            talk.desired_w, self._d_w = sum_w - d_w, d_w
            self._ask_offers(talk, d_w)

    def _count(self, talk: Talk, value: Mapping[str, Any]) -> None:
        talk.round += 1
        talk.k, self._round = value["k"], value["round"]
        self._rounds[talk.round] = self._round

    def _wished(self, talk: Talk, value: Mapping[str, Any]) -> None:
        """Have those who have not agreed plan for their share."""
        here = talk.phase != "profiles" and not self._alone and value["round"] > self._round
        if not here or len(value["p"]) != talk.slots:
            return
        self._count(talk, value)
        talk.stage = "agree"
        self._ask_shares(talk, value["p"])

    def _accepted(self, talk: Talk, value: Mapping[str, Any]) -> None:
        number = value["round"]
        if not value["take"]:
            self._undo(talk, number)
            return
        least = 0.0 if talk.stage == "agree" else 1.0
        best = best_offers(talk.offers, least, int(value.get("count", 1)))
        if talk.phase == "waiting" and number == self._round and best:
            self._took[number] = (talk.round, sorted(best))
            self._accept_best(talk, best)

    def _undo(self, talk: Talk, number: int) -> None:
        """Have the children undo what they committed to in a round."""
        own, children = self._took.pop(number, (0, []))
        for child in children:
            self._members[child].pending = own
            self._undone.add(child)
        if children:
            talk.phase, self._undo_round = "undo", number
            self._ask(_ACCEPT, self._undoing(talk, dict.fromkeys(children, own)))

    def _undid(self, talk: Talk) -> None:
        """Tell the sum as it was before, or go on with rounds of its own."""
        if self._alone:
            super()._undid(talk)
            return
        for child in sorted(self._undone & talk.fresh.keys()):
            self._take_back(talk, child)
        self._tell_profile(talk, self._undo_round)

    def _take_back(self, talk: Talk, child: str) -> None:
        commit, member = talk.fresh.pop(child), self._members[child]
        self._undone.discard(child)
        member.serial, member.p_w, member.pending = commit.serial, commit.p_w, 0

    # -- what the phases come to

    def _choose(self, talk: Talk) -> None:
        """Tell the best improvements above, and wait for the word."""
        if self._alone:
            super()._choose(talk)
            return
        if talk.stage == "agree":
            self._tell_distances(talk)
            return
        gains = sorted((gain for several in talk.offers.values() for gain in several), reverse=True)
        worth = [int(gain) for gain in gains[: talk.k] if gain >= 1.0]
        offer = {
            "child": self._context.unit,
            "negotiation": talk.number,
            "round": self._round,
            "improvement_w": max(worth, default=0),
        }
        if len(worth) > 1:
            offer["improvements"] = worth
        self._tell_offer(talk, offer)

    def _tell_distances(self, talk: Talk) -> None:
        """Tell the largest distances above; where nobody is left, what is agreed."""
        agreement.miss(self._members, talk)
        offers = talk.offers.values()
        far = sorted((int(far) for several in offers for far in several), reverse=True)
        if not far:
            self._keep_within(talk, self._round)
            return
        offer = {"child": self._context.unit, "negotiation": talk.number, "round": self._round}
        self._tell_offer(talk, {**offer, "distances": far[: talk.k]})

    def _tell_offer(self, talk: Talk, offer: Mapping[str, Any]) -> None:
        talk.phase, talk.asked = "waiting", self._exchange.size
        self._context.data.write("balancing.offer", self._parent, dict(offer), cause=talk.cause)
        if talk.stage != "agree":
            self._settle_late(talk)

    def _close(self, talk: Talk) -> None:
        """Take the commits that came and tell the new sum."""
        if self._alone:
            super()._close(talk)
            return
        if talk.stage == "agree":
            self._record(talk, len(talk.offers), self._drop(), None)
            self._keep_within(talk, self._round)
            return
        before = float(np.linalg.norm(self._members.sum_w(talk) - talk.desired_w))
        self._record(talk, len(talk.offers), self._settle(talk), before)
        self._tell_profile(talk, self._round)

    # -- limits at its own place

    def _keep_within(self, talk: Talk, number: int = 0) -> None:
        """Have the sum come back within the limits, once it is known; then tell it above."""
        known = not agreement.opened(self._members)
        if known and self._beyond_w(talk) and not self._kept_within:
            self._kept_within = self._alone = True
            # level first, unless that was agreed to: what is not level leaves no room for changes
            self._enter(talk, "limits" if talk.stage == "agree" else "flat")
        else:
            talk.held = known
            self._tell_profile(talk, number)

    def _enter(self, talk: Talk, stage: str) -> None:
        """Begin a stage of its own rounds; what else there is to do comes from above."""
        if self._alone and stage in _OWN:
            super()._enter(talk, stage)
        else:
            self._back(talk)

    def _finish(self, talk: Talk) -> None:
        """Tell what the own rounds came to, where time is over."""
        self._back(talk)

    def _back(self, talk: Talk) -> None:
        self._alone, talk.stage, talk.held = False, "flat", True
        self._tell_excess(talk)
        self._context.cancel_timer("round")
        talk.desired_w, self._d_w = self._members.sum_w(talk), np.zeros_like(talk.desired_w)
        self._tell_profile(talk, self._round)

    def _take_profile(self, member: Member, value: Mapping[str, Any], cause: str) -> None:
        """Take a child's profile; one that comes late is told above by itself."""
        talk = self._talk
        super()._take_profile(member, value, cause)
        if talk is None or self._talk is not talk or member.id not in talk.fresh:
            return
        if talk.phase == "undo":
            return
        if member.id in self._undone:
            number = self._above(talk.fresh[member.id].round)
            self._take_back(talk, member.id)
            self._tell_profile(talk, number)
        elif talk.phase == "waiting" and talk.stage != "agree":
            self._settle_late(talk)

    def _settle_late(self, talk: Talk) -> None:
        """Take commits that came after their round, as far as they do no harm; tell them above."""
        if talk.fresh:
            number = max(commit.round for commit in talk.fresh.values())
            if self._settle(talk):
                self._tell_profile(talk, self._above(number))

    def _above(self, own: int) -> int:
        """Return the round of the unit above that a round of its own was for."""
        return self._rounds.get(own, max(self._round, 1))

    def _tell_profile(self, talk: Talk, number: int) -> None:
        self._serial += 1
        talk.phase = "waiting"
        value = {
            "child": self._context.unit,
            "negotiation": talk.number,
            "round": number,
            "profile": self._serial,
            "p": self._units(self._members.sum_w(talk)),
            "flexible": self._members.width,
            "steerable": any(member.steerable for member in self._members.values()),
        }
        if agreement.opened(self._members):
            value["open"] = agreement.count(self._members)
            value["mean_w"] = agreement.unknown_w(self._members)
        self._context.data.write("balancing.profile", self._parent, value, cause=talk.cause)

    # -- vehicles that come between negotiations

    def _take_update(self, member: Member, value: Mapping[str, Any], cause: str) -> None:
        """Tell above what a child's new vehicle comes to; pass the others' sum on to it."""
        talk = self._talk
        update: dict[str, Any] = {"child": self._context.unit, "negotiation": 0}
        update["ask"] = bool(value["ask"])
        this = talk is not None and value["negotiation"] == talk.number
        known = not agreement.opened(self._members) and member.p_w is not None
        if talk is not None and this and talk.phase == "waiting" and known:
            p_w = self._watts(value, talk)
            if p_w is not None:
                self._extra_w[member.id] = p_w - member.agreed_w
            total = self._members.sum_w(talk) + sum(self._extra_w.values())
            update |= {"negotiation": talk.number, "p": self._units(total)}
            if value["ask"]:
                self._asking.add(member.id)
        self._context.data.write("balancing.update", self._parent, update, cause=cause)

    def _pass_on(self, talk: Talk, d_w: Any) -> None:
        """Give those who asked what all others do."""
        total = self._members.sum_w(talk)
        for child in sorted(self._asking):
            rest = d_w + total - self._members[child].agreed_w
            signal = {"negotiation": talk.number, "round": 0, "d": self._units(rest)}
            self._context.data.write(_SIGNAL, child, signal, cause=talk.cause)
        self._asking.clear()
