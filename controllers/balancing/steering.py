"""Parent of profile steering: has its children shift load until their sum is as desired.

One negotiation, all of it writes and notifications of the Data Interface:

1. ``balancing.request`` asks every child for its profile; they answer ``balancing.profile``.
   x is their sum, p what is desired (flat: the mean of x), d = x - p.
2. ``balancing.signal`` gives d and k to the flexible ones. Each plans for its share d / k and
   answers ``balancing.offer`` with the improvement of its distance.
3. ``balancing.accept`` goes to the best k; they commit and write ``balancing.profile``. k is
   halved, until the best improvement is below ``epsilon_w`` with k = 1.

k winners with changes c_m satisfy ``|d/k + c_m| <= |d/k|``, hence ``|d + sum c_m| <= |d|`` for
any k of them or fewer: a lost acceptance does no harm. A commit that comes after its round is
taken only if the distance does not grow by it, otherwise it is undone. Late answers count for
nothing; a silent child keeps its last agreed profile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from controllers.balancing.devices import Ints
from controllers.balancing.house import MeteredLoad
from controllers.balancing.planners import Watts
from controllers.balancing.subscriptions import Subscriptions
from controllers.unit.service import Notification, UnitContext
from fernwatt.timebase import SLOT_MS, Clock

__all__ = ["Parent", "Settings"]

_ANSWERS = ("balancing.profile", "balancing.offer", "balancing.update")
_DAY_SLOTS = 86_400_000 // SLOT_MS


@dataclass(frozen=True, slots=True)
class Settings:
    """How a parent negotiates.

    ``desired_w`` is the desired mean power of every slot (None: the mean of the children's sum).
    An offer is worth taking from ``epsilon_w`` or that share of the first distance on.
    A negotiation begins ``delay_s`` (plus up to ``spread_s``, drawn once per unit) after every
    ``replan_s``, and ``settle_s`` after a child told of a vehicle, at most every ``gap_s``.
    """

    replan_s: float = 900.0
    horizon_slots: int = 96
    round_timeout_s: float = 10.0
    max_rounds: int = 30
    budget_s: float = 600.0
    epsilon_w: float = 1.0
    epsilon_share: float = 0.001
    desired_w: float | None = None
    delay_s: float = 90.0
    spread_s: float = 60.0
    settle_s: float = 10.0
    gap_s: float = 300.0


@dataclass(slots=True)
class _Member:
    """What the parent believes of one child."""

    id: str
    serial: int = 0
    first_slot: int = 0
    p_w: Ints | None = None
    flexible: bool = False
    pending: int = 0  # round of an accepted plan whose profile has not come


@dataclass(slots=True)
class _Talk:
    """State of the negotiation that runs, or of the last one."""

    number: int
    id: str
    cause: str
    began_ms: int
    first_slot: int
    slots: int
    desired_w: Ints
    least_w: float = 0.0  # the least improvement worth a commit
    phase: str = "profiles"  # then offers, commits, over
    round: int = 0
    k: int = 1
    waiting: set[str] = field(default_factory=set)
    offers: dict[str, float] = field(default_factory=dict)
    fresh: dict[str, tuple[int, int, Ints]] = field(default_factory=dict)
    part: set[str] = field(default_factory=set)


def distance_w(sum_w: Ints, desired_w: Ints) -> float:
    """Return the 2-norm of the sum's distance from what is desired [W]."""
    return float(np.linalg.norm(sum_w - desired_w))


class Parent:
    """Negotiates with its children; the same at every level above the houses."""

    def __init__(self, name: str, params: Mapping[str, Any], settings: Settings, start: Clock):
        self.name = name
        self.settings = settings
        self._members = {child: _Member(child) for child in sorted(params.get("children", ()))}
        # Houses whose child has never answered, or that have none, are predicted from their meter.
        self._meters = {
            str(meter): MeteredLoad(start, params.get("predictor", {}))
            for meter in sorted({*params.get("meters", {}).values(), *params.get("others", ())})
        }
        self._meter_of = dict(params.get("meters", {}))
        self._others = sorted(params.get("others", ()))
        self._learned: dict[str, int] = {}
        self._talk: _Talk | None = None
        self._number = 0
        self._wanted = ""

    # -- life

    def start(self, context: UnitContext) -> None:
        """Subscribe to the children's answers and set the first negotiation."""
        self._context = context
        self._subscriptions = Subscriptions(context)
        for variable in _ANSWERS:
            self._subscriptions.want(variable, context.unit)
        for meter in self._meters:
            self._subscriptions.want("energy.import", meter)
            self._subscriptions.want("energy.export", meter)
            self._subscriptions.want("load_profile", meter, now_too=True)
        s = self.settings
        self._offset_ms = round(
            1000 * (s.delay_s + s.spread_s * float(context.stream("offset").random()))
        )
        self._set_replan_timer()

    def timer(self, name: str) -> None:
        """Begin a negotiation, or end a round without those who have not answered."""
        if name == "replan":
            self._set_replan_timer()
            self._begin("")
        elif name == "update":
            self._begin(self._wanted)
        elif name == "round":
            self._proceed()
        elif name == Subscriptions.TIMER:
            self._subscriptions.timer()

    def notify(self, notification: Notification) -> None:
        """Take a child's answer or a meter's reading."""
        if not self._subscriptions.is_value(notification):
            return
        if notification.location in self._meters:
            self._meters[notification.location].take(notification)
            return
        value = notification.value
        member = self._members.get(value.get("child", "")) if isinstance(value, Mapping) else None
        if member is None:
            return
        handlers: dict[str, Callable[[_Member, Mapping[str, Any], str], None]] = {
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
        now_ms, s = self._context.now_ms, self.settings
        self._wanted = ""
        self._context.cancel_timer("update")
        self._number = max(self._number + 1, now_ms // 1000)  # also grows over a restart
        first = now_ms // SLOT_MS + 1
        what = {"negotiation": self._number, "slot": first, "slots": s.horizon_slots}
        identifier = self._context.decide(
            "negotiation", self._context.unit, what, [cause] if cause else []
        )
        desired_w = np.zeros(s.horizon_slots, dtype=np.int64)
        self._talk = _Talk(
            self._number, identifier, identifier, now_ms, first, s.horizon_slots, desired_w
        )
        self._talk.waiting = set(self._members)
        self._send("balancing.request", self._members, what)

    def _take_profile(self, member: _Member, value: Mapping[str, Any], cause: str) -> None:
        talk = self._talk
        if talk is None or value["negotiation"] != talk.number or value["profile"] <= member.serial:
            return
        p_w = np.asarray(value["p_w"], dtype=np.int64)
        if p_w.shape != (talk.slots,):
            return
        if talk.phase == "profiles" and value["round"] == 0:
            member.serial, member.first_slot, member.p_w = value["profile"], talk.first_slot, p_w
            member.flexible, member.pending = bool(value["flexible"]), 0
            talk.part.add(member.id)
        elif value["round"] > 0:
            fresh = talk.fresh.get(member.id)
            if fresh is None or fresh[0] < value["profile"]:
                talk.fresh[member.id] = (value["profile"], value["round"], p_w)
            if talk.phase == "over":
                self._apply(talk)
        else:
            return  # a first profile that came too late
        if talk.phase in ("profiles", "commits"):
            self._answered(talk, member.id, cause)

    def _answered(self, talk: _Talk, child: str, cause: str) -> None:
        if child in talk.waiting:
            talk.waiting.discard(child)
            talk.cause = cause
            if not talk.waiting:
                self._proceed()

    def _proceed(self) -> None:
        """Go on, with the answers that are here."""
        talk = self._talk
        if talk is None or talk.phase == "over":
            return
        self._context.cancel_timer("round")
        {"profiles": self._open, "offers": self._choose, "commits": self._close}[talk.phase](talk)

    def _open(self, talk: _Talk) -> None:
        """All profiles are here: fix what is desired, and begin the rounds."""
        for member in self._members.values():
            if member.id not in talk.part:
                member.p_w, member.first_slot = self._believed(member, talk), talk.first_slot
                member.flexible = False
        total = self._sum(talk)
        mean_w = self.settings.desired_w
        talk.desired_w = np.full(
            talk.slots, round(float(total.mean()) if mean_w is None else mean_w), dtype=np.int64
        )
        before = distance_w(total, talk.desired_w)
        talk.least_w = max(self.settings.epsilon_w, self.settings.epsilon_share * before)
        self._record(talk, len(self._members), 0, before, total)
        talk.k = max(1, sum(member.flexible for member in self._members.values()))
        self._signal(talk)

    def _believed(self, member: _Member, talk: _Talk) -> Ints:
        """Return a silent child's profile: the last agreed one, or what its meter tells."""
        if member.p_w is not None:
            at = np.arange(talk.first_slot, talk.first_slot + talk.slots) - member.first_slot
            size = len(member.p_w)
            back = -(-np.maximum(at - size + 1, 0) // _DAY_SLOTS) * _DAY_SLOTS
            agreed: Ints = member.p_w[np.clip(at - back, 0, size - 1)]
            return agreed
        meter = self._meter_of.get(member.id)
        if meter is None:
            return np.zeros(talk.slots, dtype=np.int64)
        return self._predicted(meter, talk)

    def _predicted(self, meter: str, talk: _Talk) -> Ints:
        load = self._meters[meter]
        if load.history is not None and meter not in self._learned:
            load.predictor.load_history(load.history[0], load.history[1].tolist())
        slot = self._learned.setdefault(meter, load.first_slot or 0)
        while (net_w := load.net_w(slot)) is not None:
            load.predictor.observe(slot, net_w)
            slot += 1
        self._learned[meter] = slot
        forecast: Watts = load.predictor.predict(talk.first_slot, talk.slots)
        return np.rint(forecast).astype(np.int64)

    def _sum(self, talk: _Talk) -> Ints:
        total = np.zeros(talk.slots, dtype=np.int64)
        for member in self._members.values():
            if member.p_w is not None:
                total += member.p_w
        for meter in self._others:
            total += self._predicted(meter, talk)
        return total

    # -- 2: offers

    def _signal(self, talk: _Talk) -> None:
        """Begin a round with every flexible child whose agreed profile is known."""
        spent_s = (self._context.now_ms - talk.began_ms) / 1000
        asked = [m for m in self._members.values() if m.flexible and not m.pending]
        if not asked or talk.round >= self.settings.max_rounds or spent_s >= self.settings.budget_s:
            self._finish(talk)
            return
        talk.round += 1
        talk.phase, talk.offers = "offers", {}
        talk.waiting = {member.id for member in asked}
        d_w = (self._sum(talk) - talk.desired_w).tolist()
        shared = {"negotiation": talk.number, "round": talk.round, "k": talk.k, "d_w": d_w}
        for member in asked:
            self._send("balancing.signal", [member.id], {**shared, "profile": member.serial})

    def _take_offer(self, member: _Member, value: Mapping[str, Any], cause: str) -> None:
        talk = self._talk
        if (
            talk is not None
            and talk.phase == "offers"
            and (value["negotiation"], value["round"]) == (talk.number, talk.round)
            and member.id in talk.waiting
        ):
            talk.offers[member.id] = float(value["improvement_w"])
            self._answered(talk, member.id, cause)

    def _choose(self, talk: _Talk) -> None:
        """Accept the k best offers."""
        worth = {c: gain for c, gain in talk.offers.items() if gain >= talk.least_w}
        best = sorted(worth, key=lambda child: (-worth[child], child))[: talk.k]
        if not best:
            self._apply(talk)
            total = self._sum(talk)
            before = distance_w(total, talk.desired_w)
            self._record(talk, len(talk.offers) + len(talk.waiting), 0, before, total)
            if talk.k == 1:
                self._finish(talk)
            else:
                talk.k = 1
                self._signal(talk)
            return
        talk.phase, talk.waiting = "commits", set(best)
        for child in best:
            self._members[child].pending = talk.round
        accept = {"negotiation": talk.number, "round": talk.round, "take": True}
        self._send("balancing.accept", best, accept)

    # -- 3: commits

    def _close(self, talk: _Talk) -> None:
        """Take the commits that came and halve k."""
        before = distance_w(self._sum(talk), talk.desired_w)
        committed = self._apply(talk)
        self._record(talk, len(talk.offers), committed, before, self._sum(talk))
        talk.k = max(1, talk.k // 2)
        self._signal(talk)

    def _apply(self, talk: _Talk) -> int:
        """Take new profiles, this round's first, as long as the distance does not grow."""
        taken = 0
        total = self._sum(talk)
        order = sorted(talk.fresh, key=lambda child: (-talk.fresh[child][1], child))
        for group in self._groups(talk, order):
            change = sum(talk.fresh[c][2] - self._p_w(c) for c in group)
            grows = distance_w(total + change, talk.desired_w) > (
                distance_w(total, talk.desired_w) + 1e-9
            )
            for child in group:
                serial, number, p_w = talk.fresh.pop(child)
                member = self._members[child]
                if grows:
                    member.pending = number
                    undo = {"negotiation": talk.number, "round": number, "take": False}
                    self._context.data.write("balancing.accept", child, undo, cause=talk.cause)
                    continue
                member.serial, member.p_w, member.pending = serial, p_w, 0
                taken += 1
            if not grows:
                total = total + change
        return taken

    @staticmethod
    def _groups(talk: _Talk, order: list[str]) -> Iterable[list[str]]:
        """Yield this round's commits together (their sum is what was promised), others singly."""
        together = [child for child in order if talk.fresh[child][1] == talk.round]
        if together:
            yield together
        for child in order[len(together) :]:
            yield [child]

    def _p_w(self, child: str) -> Ints:
        p_w = self._members[child].p_w
        assert p_w is not None
        return p_w

    def _finish(self, talk: _Talk) -> None:
        talk.phase, talk.waiting = "over", set()
        self._context.cancel_timer("round")
        if self._wanted:
            self._set_update_timer()

    # -- vehicles that come between negotiations

    def _take_update(self, member: _Member, value: Mapping[str, Any], cause: str) -> None:
        """Answer a child that has a new vehicle with what the others do; negotiate soon."""
        talk = self._talk
        if talk is not None and talk.phase == "over" and value["negotiation"] == talk.number:
            p_w = np.asarray(value["p_w"], dtype=np.int64)
            if p_w.shape == (talk.slots,):
                member.p_w = p_w
        if not value["ask"]:
            return
        if talk is not None and talk.phase != "profiles" and value["negotiation"] == talk.number:
            d_w = (self._sum(talk) - self._p_w(member.id) - talk.desired_w).tolist()
            signal = {"negotiation": talk.number, "round": 0, "d_w": d_w}
            self._context.data.write("balancing.signal", member.id, signal, cause=cause)
        self._wanted = cause
        if not self.busy:
            self._set_update_timer()

    def _set_update_timer(self) -> None:
        s, now_ms = self.settings, self._context.now_ms
        began_ms = self._talk.began_ms if self._talk is not None else -round(1000 * s.gap_s)
        at_ms = max(now_ms + round(1000 * s.settle_s), began_ms + round(1000 * s.gap_s))
        self._context.set_timer("update", at_ms)

    # -- sending and recording

    def _send(self, variable: str, children: Iterable[str], value: Mapping[str, Any]) -> None:
        talk = self._talk
        assert talk is not None
        timeout_ms = round(1000 * self.settings.round_timeout_s)
        self._context.set_timer("round", self._context.now_ms + timeout_ms)
        for child in children:
            self._context.data.write(variable, child, value, cause=talk.cause)

    def _record(self, talk: _Talk, asked: int, committed: int, before: float, total: Ints) -> None:
        answers = len(talk.part) if talk.round == 0 else len(talk.offers)
        self._context.record(
            "negotiation",
            {
                "t_ms": self._context.now_ms,
                "unit": self._context.unit,
                "id": talk.id,
                "round": talk.round,
                "children": asked,
                "answers": answers,
                "committed": committed,
                "distance_before_w": before,
                "distance_after_w": distance_w(total, talk.desired_w),
                "peak_after_w": float(np.abs(total).max(initial=0)),
            },
        )
