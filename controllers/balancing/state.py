"""What a parent of profile steering knows: settings, its children, the negotiation that runs.

Nothing here sends or waits; ``steering`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from controllers.balancing.desired import Aim
from controllers.balancing.devices import Ints
from controllers.balancing.limits import Bounds
from fernwatt.timebase import SLOT_MS

__all__ = ["Commit", "Member", "Members", "Settings", "Talk", "best_offers"]

_DAY_SLOTS = 86_400_000 // SLOT_MS


@dataclass(frozen=True, slots=True)
class Settings:
    """How a parent negotiates.

    Profiles are in whole ``resolution_w``. ``desired_w`` is the desired mean power of every slot
    (None: the mean of the children's sum). ``parallel`` children are asked at a time, each waited
    for up to ``round_timeout_s``, less where answers come sooner. An offer is worth taking from
    ``epsilon_w`` or that share of the first distance on. A child that has nothing to steer is
    asked for its profile only every ``refresh_s``. A negotiation begins ``delay_s`` (plus up to
    ``spread_s``, drawn once per unit) after every ``replan_s``, and ``settle_s`` after a child
    told of a vehicle, at most every ``gap_s``. ``exchange``: children tell their ``profile`` at
    the begin, or first the ``distance`` of a plan and its profile once that was accepted.
    """

    replan_s: float = 900.0
    horizon_slots: int = 96
    resolution_w: int = 10
    parallel: int = 1
    round_timeout_s: float = 30.0
    max_rounds: int = 30
    budget_s: float = 600.0
    epsilon_w: float = 1.0
    epsilon_share: float = 0.001
    desired_w: float | None = None
    refresh_s: float = 14_400.0
    delay_s: float = 90.0
    spread_s: float = 60.0
    settle_s: float = 10.0
    gap_s: float = 300.0
    exchange: str = "profile"


@dataclass(slots=True)
class Member:
    """What the parent believes of one child."""

    id: str
    serial: int = 0
    first_slot: int = 0
    p_w: Ints | None = None
    heard_ms: int = -1  # when its profile was asked for last, and came
    width: int = 0  # how many below it can plan now
    steerable: bool = True  # ever
    pending: int = 0  # round of an accepted plan whose profile has not come
    open: int = 0  # how many below it have not agreed to a profile, which is not in ``p_w`` then
    mean_w: int = 0  # mean power of those, as they told it
    before_w: Ints | None = None  # what had been agreed before, of the slots of this negotiation
    missed: int = 0  # distances that were asked for and did not come

    @property
    def flexible(self) -> bool:
        """Whether anybody below it can plan now."""
        return self.width > 0

    @property
    def agreed_w(self) -> Ints:
        """The profile the parent counts with; there is one."""
        assert self.p_w is not None
        return self.p_w

    def known_w(self, slots: int) -> Ints:
        """Return the same, nothing where nothing is known."""
        return np.zeros(slots, dtype=np.int64) if self.p_w is None else self.p_w

    def believed(self, first_slot: int, slots: int) -> Ints:
        """Return the last agreed profile; beyond its end, what it says of the day before."""
        at = np.arange(first_slot, first_slot + slots) - self.first_slot
        size = len(self.agreed_w)
        back = -(-np.maximum(at - size + 1, 0) // _DAY_SLOTS) * _DAY_SLOTS
        agreed: Ints = self.agreed_w[np.clip(at - back, 0, size - 1)]
        return agreed


@dataclass(frozen=True, slots=True)
class Commit:
    """A profile that a child has committed to, in which round, its number at the child."""

    serial: int
    round: int
    p_w: Ints


@dataclass(slots=True)
class Talk:
    """State of the negotiation that runs, or of the last one."""

    number: int
    id: str
    cause: str
    began_ms: int
    first_slot: int
    slots: int
    desired_w: Ints  # as ``aim`` has it
    others_w: Ints  # of houses that are no children
    correction_w: Ints  # what was measured beyond what had been agreed, carried on
    aim: Aim  # how children count
    bounds: Bounds | None = None  # limits of the grid
    least_w: float = 0.0  # the least improvement worth a commit
    stage: str = "profiles"  # then agree, flat, limits, beyond
    held: bool = False  # limits are kept at every step, not in the end only
    since: int = 0  # round before the stage's first
    shy_w: Ints | int = 0  # how far refused commits went beyond the limits, where
    phase: str = "profiles"  # then offers, commits, undo, over
    round: int = 0
    k: int = 1
    asked: int = 0
    offers: dict[str, list[float]] = field(default_factory=dict)
    fresh: dict[str, Commit] = field(default_factory=dict)
    part: set[str] = field(default_factory=set)

    @property
    def guarded(self) -> bool:
        """Whether no commit may lead further beyond the limits now."""
        return self.bounds is not None and self.held


def best_offers(offers: Mapping[str, list[float]], least_w: float, k: int) -> dict[str, int]:
    """Return how many of each child's offers are among the k best of all; children in order.

    An offer below ``least_w`` is worth nothing. Of equal ones the first child's comes first.
    """
    gains = [
        (-gain, child, place)
        for child, several in offers.items()
        for place, gain in enumerate(several)
        if gain >= least_w
    ]
    counts: dict[str, int] = {}
    for _, child, _ in sorted(gains)[:k]:
        counts[child] = counts.get(child, 0) + 1
    return counts


class Members(Mapping[str, Member]):
    """The children, in the order of their names."""

    def __init__(self, children: Iterable[str]) -> None:
        self._members = {child: Member(child) for child in sorted(children)}

    def __getitem__(self, child: str) -> Member:
        return self._members[child]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def stale(self, now_ms: int, refresh_ms: int) -> list[str]:
        """Return whose profile is to be asked for: of what can be steered, or is old."""
        return [
            member.id
            for member in self.values()
            if member.steerable or member.heard_ms < 0 or now_ms - member.heard_ms >= refresh_ms
        ]

    def steerable(self) -> list[Member]:
        """Return those that can plan, and whose agreed profile is known."""
        return [member for member in self.values() if member.flexible and not member.pending]

    @property
    def width(self) -> int:
        """How many can plan, below those whose agreed profile is known."""
        return sum(member.width for member in self.steerable())

    def sum_w(self, talk: Talk) -> Ints:
        """Return the sum of all that is agreed or believed [W]."""
        total = talk.others_w + talk.correction_w
        for member in self.values():
            if member.p_w is not None:
                total += member.p_w
        return total

    def away_w(self, talk: Talk) -> Ints:
        """Return how far the sum is from what is desired, where each child counts [W]."""
        away = talk.aim.place("", talk.others_w + talk.correction_w) - talk.desired_w
        for member in self.values():
            if member.p_w is not None:
                away += talk.aim.place(member.id, member.p_w)
        return away

    def distance_w(self, talk: Talk) -> float:
        """Return the 2-norm of that [W]."""
        return float(np.linalg.norm(self.away_w(talk)))

    def take(self, talk: Talk) -> tuple[int, dict[str, int]]:
        """Take the commits that came, as long as neither distance nor excess of the limits grows.

        Those of this round count together (their sum is what was promised), late ones singly, and
        so do those who together go beyond the limits.
        Returns how many were taken, and child and round of those to be undone.
        """
        taken, undo = 0, dict[str, int]()
        away, total = self.away_w(talk), self.sum_w(talk)
        groups = self._groups(talk)
        while groups:
            group, change, more = groups.pop(0), np.zeros_like(away), np.zeros_like(total)
            for child in group:
                own = talk.fresh[child].p_w - self[child].known_w(talk.slots)
                change += talk.aim.place(child, own)
                more += own
            grows = np.linalg.norm(away + change) > np.linalg.norm(away) + 1e-9
            if talk.guarded and talk.bounds is not None and not grows:
                grows = talk.bounds.excess_w(total + more) > talk.bounds.excess_w(total) + 1e-9
                if grows and len(group) > 1:
                    groups = [[child] for child in group] + groups
                    continue
                if grows:
                    over = total + more - talk.bounds.nearest(total + more)
                    talk.shy_w = 2 * (talk.shy_w + over)
            for child in group:
                commit, member = talk.fresh.pop(child), self[child]
                if grows:
                    member.pending = commit.round
                    undo[child] = commit.round
                    continue
                member.serial, member.p_w, member.pending = commit.serial, commit.p_w, 0
                taken += 1
            if not grows:
                away, total = away + change, total + more
        return taken, undo

    @staticmethod
    def _groups(talk: Talk) -> list[list[str]]:
        order = sorted(talk.fresh, key=lambda child: (-talk.fresh[child].round, child))
        together = [child for child in order if talk.fresh[child].round == talk.round]
        return [group for group in [together, *([c] for c in order[len(together) :])] if group]
