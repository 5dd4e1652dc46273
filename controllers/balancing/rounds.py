"""Rounds of a negotiation: asking, what is desired of them, offers and commits, stage by stage.

What ``steering`` tells of a negotiation's steps is done here; it, and ``middle``, begin and end
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from controllers.balancing import agreement
from controllers.balancing.desired import Aim, Desired
from controllers.balancing.devices import Ints
from controllers.balancing.exchange import Exchange, Patience
from controllers.balancing.state import Member, Members, Settings, Talk, best_offers
from controllers.unit.service import UnitContext

__all__ = ["Rounds", "Values"]

_NEXT = {"agree": "flat", "flat": "limits", "limits": "beyond"}
_FLAT_SHARE = 0.6  # of the time there is, where limits have to be kept after it
Values = Mapping[str, Mapping[str, Any]]


class Rounds:
    """The part of a parent that asks its children and takes what they agree to."""

    settings: Settings
    _context: UnitContext
    _supplier: str
    _members: Members
    _desired: Desired
    _patience: Patience
    _talk: Talk | None
    _exchange: Exchange
    _variable: str
    _values: dict[str, Mapping[str, Any]]

    def _open(self, talk: Talk) -> None:
        """Begin the rounds: all profiles are here."""
        raise NotImplementedError

    def _finish(self, talk: Talk) -> None:
        """End the negotiation."""
        raise NotImplementedError

    # -- asking

    def _ask(self, variable: str, values: Values) -> None:
        """Begin to ask children; what follows the phase comes when all have answered or failed."""
        self._variable, self._values = variable, dict(values)
        self._exchange = Exchange(values, self.settings.parallel, self._patience)
        self._go_on()

    def _go_on(self) -> None:
        """Ask the next children; when none is left, go on with the answers that are here."""
        talk, exchange, context = self._talk, self._exchange, self._context
        if talk is None or talk.phase in {"over", "waiting"}:
            return
        for child in exchange.due(context.now_ms):
            context.data.write(self._variable, child, self._values[child], cause=talk.cause)
        if exchange.next_ms is not None:
            context.set_timer("round", exchange.next_ms)
            return
        context.cancel_timer("round")
        {
            "profiles": self._open,
            "offers": self._choose,
            "commits": self._close,
            "undo": self._undid,
        }[talk.phase](talk)

    def _answered(self, talk: Talk, child: str, cause: str) -> None:
        if self._exchange.answer(child, self._context.now_ms):
            talk.cause = cause
            self._go_on()

    def _desire(self, talk: Talk) -> None:
        """Fix what is desired in the end: a level, windows in it, all within the limits."""
        s, unknown_w = self.settings, agreement.unknown_w(self._members)
        open_now = bool(agreement.opened(self._members))
        aim = self._desired.aim(talk.first_slot, talk.slots)
        talk.aim = Aim.plain(talk.slots) if open_now else aim
        plans = {m.id: m.p_w for m in self._members.values() if m.p_w is not None}
        rest_w = talk.others_w + talk.correction_w + unknown_w
        talk.desired_w = talk.aim.desired_w(plans, rest_w, s.desired_w, s.resolution_w)
        if talk.bounds is not None and talk.aim.size == talk.slots:
            talk.desired_w = talk.bounds.within(talk.desired_w, s.resolution_w)

    def _enter(self, talk: Talk, stage: str) -> None:
        """Begin a stage of the rounds; be done where there is nothing to do in it."""
        s = self.settings
        if stage in {"limits", "beyond"} and not self._beyond_w(talk):
            self._finish(talk)
            return
        if talk.stage == "agree":  # whose rounds grew shorter: fewer had to be asked below
            self._patience = Patience(round(1000 * s.round_timeout_s))
        talk.stage, talk.since, talk.k = stage, talk.round, max(1, self._members.width)
        talk.least_w = s.epsilon_w
        if stage == "flat":
            self._desire(talk)
            before = self._members.distance_w(talk)
            talk.least_w = max(s.epsilon_w, s.epsilon_share * before)
        self._signal(talk)

    def _beyond_w(self, talk: Talk) -> float:
        """Return how far the sum is beyond the limits, at most."""
        bounds = talk.bounds
        return 0.0 if bounds is None else bounds.largest_w(self._members.sum_w(talk))

    def _tell_excess(self, talk: Talk) -> None:
        """Record that the children did not come back within the limits."""
        beyond_w = self._beyond_w(talk)
        if beyond_w > 0.0:
            detail = {"beyond_w": beyond_w}
            self._context.decide("limit_exceeded", self._context.unit, detail, [talk.id])

    def _stage_over(self, talk: Talk) -> None:
        """Go on to the next stage."""
        if talk.stage in _NEXT:
            self._enter(talk, _NEXT[talk.stage])
        else:
            self._finish(talk)

    # -- 2: offers

    def _signal(self, talk: Talk) -> None:
        """Begin a round with every flexible child whose agreed profile is known."""
        spent_s = (self._context.now_ms - talk.began_ms) / 1000
        limited = talk.stage == "flat" and talk.bounds is not None
        if spent_s >= self.settings.budget_s * (_FLAT_SHARE if limited else 1.0):
            self._enter(talk, "limits") if limited else self._finish(talk)
            return
        if talk.stage == "agree":
            self._ask_to_agree(talk)
            return
        if talk.stage != "flat" and talk.bounds is not None:
            sum_w, unit_w = self._members.sum_w(talk), self.settings.resolution_w
            # plans are whole units, so each child may miss what it was to do by one
            inside = talk.bounds.well_within(sum_w, unit_w * (1 + self._members.width))
            talk.aim, talk.desired_w = Aim.plain(talk.slots), inside
            if not self._beyond_w(talk):
                self._finish(talk)
                return
        asked = self._members.steerable()
        if not asked or talk.round - talk.since >= self.settings.max_rounds:
            self._stage_over(talk)
            return
        talk.round += 1
        self._ask_offers(talk, self._members.away_w(talk))

    def _ask_to_agree(self, talk: Talk) -> None:
        """Tell those who have not agreed what each of them is to draw."""
        if not agreement.opened(self._members):
            self._stage_over(talk)
            return
        talk.round += 1
        talk.k = agreement.half(self._members)
        self._ask_shares(talk, agreement.share(self._members, talk, self.settings.resolution_w))

    def _ask_shares(self, talk: Talk, share_units: list[int]) -> None:
        """Have those who have not agreed plan for an even share, and tell how near they come."""
        talk.phase, talk.offers = "offers", {}
        self._ask("balancing.signal", agreement.shares(self._members, talk, share_units, talk.k))

    def _ask_offers(self, talk: Talk, d_w: Ints) -> None:
        """Give the distance to all who can plan."""
        talk.phase, talk.offers = "offers", {}
        shared: dict[str, Any] = {"negotiation": talk.number, "round": talk.round, "k": talk.k}
        if talk.stage == "beyond":
            shared["beyond"] = True
        signals = {}
        for member in self._members.steerable():
            d = self._units(talk.aim.seen(member.id, d_w))
            signals[member.id] = {**shared, "d": d, "profile": member.serial}
        self._ask("balancing.signal", signals)

    def _units(self, p_w: Ints) -> list[int]:
        units: list[int] = (p_w // self.settings.resolution_w).tolist()
        return units

    def _take_offer(self, member: Member, value: Mapping[str, Any], cause: str) -> None:
        talk = self._talk
        if (
            talk is not None
            and talk.phase == "offers"
            and (value["negotiation"], value["round"]) == (talk.number, talk.round)
            and member.id in self._values
        ):
            one = [value.get("improvement_w", 0)]
            key = "distances" if talk.stage == "agree" else "improvements"
            several = value.get(key) or one
            talk.offers[member.id] = [float(gain) for gain in several]
            self._answered(talk, member.id, cause)

    def _choose(self, talk: Talk) -> None:
        """Accept the k best offers."""
        talk.asked = self._exchange.size
        if talk.stage == "agree":
            agreement.miss(self._members, talk)
            best = best_offers(talk.offers, 0.0, talk.k)
        else:
            best = best_offers(talk.offers, talk.least_w, talk.k)
        if best:
            self._accept_best(talk, best)
            return
        if talk.stage == "agree":
            self._signal(talk)
            return
        before = self._members.distance_w(talk)
        self._record(talk, len(talk.offers), self._settle(talk), before)
        if talk.k == 1:
            self._stage_over(talk)
        else:
            talk.k = 1
            self._signal(talk)

    # -- 3: commits

    def _accept_best(self, talk: Talk, best: Mapping[str, int]) -> None:
        """Have children commit; one with children of its own is told how many of them."""
        talk.phase, accepts = "commits", {}
        for child, count in best.items():
            member = self._members[child]
            member.pending = talk.round
            accepts[child] = {"negotiation": talk.number, "round": talk.round, "take": True}
            if max(member.width, member.open) > 1:
                accepts[child]["count"] = count
        self._ask("balancing.accept", accepts)

    def _close(self, talk: Talk) -> None:
        """Take the commits that came and halve k."""
        if talk.stage == "agree":
            self._record(talk, len(talk.offers), self._drop(), None)
            self._signal(talk)
            return
        before = self._members.distance_w(talk)
        if not talk.guarded:
            self._record(talk, len(talk.offers), self._settle(talk), before)
            talk.k = max(1, talk.k // 2)
            self._signal(talk)
            return
        taken, undo = self._members.take(talk)
        self._record(talk, len(talk.offers), taken, before)
        talk.k, talk.phase = max(1, talk.k // 2) if taken else talk.k, "undo"
        self._ask("balancing.accept", self._undoing(talk, undo))

    def _drop(self) -> int:
        """Go on without those who did not send what they agreed to; return how many did."""
        agreed = sum(not self._members[child].pending for child in self._values)
        agreement.drop(self._members, self._values)
        return agreed

    def _undid(self, talk: Talk) -> None:
        """Go on: those who went beyond a limit are back at what they had agreed to before."""
        self._settle(talk)
        self._signal(talk)

    def _settle(self, talk: Talk) -> int:
        """Take the commits that are here; have those undone that would do harm."""
        taken, undo = self._members.take(talk)
        for child, value in self._undoing(talk, undo).items():
            self._context.data.write("balancing.accept", child, value, cause=talk.cause)
        return taken

    @staticmethod
    def _undoing(talk: Talk, undo: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        common = {"negotiation": talk.number, "take": False}
        return {child: {**common, "round": number} for child, number in undo.items()}

    def _record(self, talk: Talk, answers: int, committed: int, before: float | None) -> None:
        total = self._members.sum_w(talk)
        unknown = bool(agreement.opened(self._members))
        bounds = None if unknown else talk.bounds
        self._context.record(
            "negotiation",
            {
                "t_ms": self._context.now_ms,
                "unit": self._context.unit,
                "supplier": self._supplier,
                "id": talk.id,
                "began_ms": talk.began_ms,
                "stage": talk.stage,
                "round": talk.round,
                "children": talk.asked,
                "answers": answers,
                "committed": committed,
                "distance_before_w": before,
                "distance_after_w": None if unknown else self._members.distance_w(talk),
                "peak_after_w": float(np.abs(total).max(initial=0)),
                "beyond_after_w": None if bounds is None else bounds.largest_w(total),
            },
        )
