"""The exchange in which a child tells its profile only once its plan was accepted.

Asked to take part, a child tells the mean of its plan and how many below it are *open*: have not
agreed to a profile yet. (Who has nothing to steer has nothing to agree about, and tells what it
expects.) Those who are open get the same desired profile, an even share of what is desired less
what has been agreed, plan as near to it as they can, and answer with one number, the distance that
is left. The half that stays farthest off is told to follow its plan, and sends it as its profile;
the others go on with what those leave open, until everybody has agreed. Then all profiles are
known, and the rounds that follow are the same as without this.

The farthest first, since whoever comes last can still make up for those before: the nearest
first leaves, at the end, those who cannot follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from controllers.balancing.devices import Ints
from controllers.balancing.state import Member, Members, Talk

__all__ = [
    "count",
    "drop",
    "half",
    "heard",
    "miss",
    "opened",
    "share",
    "shares",
    "unknown_w",
]

_TRIES = 2


def opened(members: Members) -> list[Member]:
    """Return those below whom somebody has not agreed yet."""
    return [member for member in members.values() if member.open]


def count(members: Members) -> int:
    """Return how many have not agreed yet."""
    return sum(member.open for member in members.values())


def half(members: Members) -> int:
    """Return how many plans are accepted in the next round."""
    return -(-count(members) // 2)


def unknown_w(members: Members) -> int:
    """Return the mean power of those who have not agreed yet, as they told it."""
    return sum(member.mean_w for member in opened(members))


def share(members: Members, talk: Talk, unit_w: int) -> list[int]:
    """Return what each of those who have not agreed is to draw, in ``unit_w``."""
    left_w = talk.desired_w - members.sum_w(talk)
    units: list[int] = (left_w // (unit_w * max(count(members), 1))).tolist()
    return units


def shares(members: Members, talk: Talk, share_units: list[int], k: int) -> dict[str, Any]:
    """Return the signals of a round: to whom, and what is desired."""
    said = {"negotiation": talk.number, "round": talk.round, "k": k, "p": share_units}
    return {member.id: said for member in opened(members)}


def heard(member: Member, value: Mapping[str, Any], p_w: Ints) -> None:
    """Take a profile that was agreed to, by all below or by some of them."""
    member.serial, member.p_w, member.pending = value["profile"], p_w, 0
    member.width = int(value["flexible"])
    member.open, member.mean_w = value.get("open", 0), value.get("mean_w", 0)


def miss(members: Members, talk: Talk) -> None:
    """Do without those who did not tell a distance, for the second time."""
    for member in opened(members):
        member.missed = 0 if talk.offers.get(member.id) else member.missed + 1
        if member.missed >= _TRIES:
            _keep(member)


def drop(members: Members, asked: Iterable[str]) -> None:
    """Do without those who were told to follow their plan, and did not send it.

    What comes late is taken as any late commit is.
    """
    for child in asked:
        if members[child].pending and members[child].open:
            _keep(members[child])


def _keep(member: Member) -> None:
    """Count with what had been agreed before, whatever is known."""
    member.open, member.mean_w, member.width = 0, 0, 0
    if member.before_w is not None:
        member.p_w = member.before_w
    elif member.p_w is not None and not np.any(member.p_w):
        member.p_w = None
