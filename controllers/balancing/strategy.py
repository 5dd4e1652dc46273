"""How a house answers a signal: which plans of its devices come nearest to what is asked.

With a strategy of the customer's own a house of total power x [W], asked for the profile t, has
the smallest

    r |x - t|^2 + s |x|^2 + k |x - u|^2 + 2 c (P / m) sum(price(x) x)

with the weights r of requests, s of self-consumption, k of comfort and c of cost, u what it would
draw by itself, P the power of its devices and m the mean price. Without prices that is the nearest
profile to one target, so the planners of the devices serve as they are. What is drawn has another
price than what is fed in, and a house may have limits: then its devices' sum and a copy of it that
pays and keeps to the limits, slot by slot, are made to agree (sharing by the alternating direction
method of multipliers; Boyd et al. 2011, 7.3), and of all that is found on the way the best counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from controllers.balancing.devices import Ints, Problem
from controllers.balancing.planners import Watts
from controllers.balancing.wishes import Weights

__all__ = ["Apart", "Plans", "Purpose", "answer", "improve"]

_SWEEPS, _TRIES, _TRIES_WARM, _ASCENTS = 2, 40, 8, 24
_ALONE = 1000.0  # how far a price moves a target that nothing else holds, in powers of the house
_STEP = 4.0  # shorter ones miss fewer turns of the price
_NEAR = 0.005  # share of the copy's norm within which it agrees

Plans = dict[str, Ints]


def improve(problems: Mapping[str, Problem], base_w: Ints, plans: Plans, target_w: Watts) -> Plans:
    """Return plans whose sum with the base load comes nearer to the target, device by device."""
    plans = dict(plans)
    for _ in range(_SWEEPS if len(problems) > 1 else 1):
        for device in sorted(problems):
            rest = base_w + sum(p for name, p in plans.items() if name != device)
            found = problems[device].plan(target_w - rest)
            if problems[device].exact or _nearer(found, plans[device], target_w - rest):
                plans[device] = found
    return plans


def _nearer(one: Ints, other: Ints, target_w: Watts) -> bool:
    return float(np.square(one - target_w).sum()) < float(np.square(other - target_w).sum())


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a house aims at over a horizon; all profiles ``[slots]``, in W.

    ``comfort_w`` is what it would draw by itself, ``buy`` and ``sell`` are the prices of what is
    drawn and of what is fed in (None: no prices), in any unit. ``high_w`` and ``low_w`` are hard
    limits of the house, ``ceilings`` those of devices. ``flexible_w`` is the power of its devices,
    ``feeds_in`` whether it may come to feed in.
    """

    weights: Weights
    comfort_w: Watts
    flexible_w: float
    low_w: Watts
    high_w: Watts
    buy: Watts | None = None
    sell: Watts | None = None
    ceilings: Mapping[str, Watts] = field(default_factory=dict)
    feeds_in: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether all aims together are one profile to come near to: one price, and no limits."""
        free = np.isinf(self.low_w).all() and np.isinf(self.high_w).all()
        return bool(free) and (not self.pays or not self.feeds_in)

    @property
    def pays(self) -> bool:
        """Whether prices move the house."""
        return self.weights.cost > 0 and self.buy is not None

    def target(self, asked_w: Watts, total_w: Watts) -> Watts:
        """Return the target that stands for all aims; without any, what is drawn now."""
        w = self.weights
        dear_w = (
            self.flexible_w * self._price(np.ones(len(asked_w))) if self.pays else 0.0 * total_w
        )
        if w.quadratic:
            aims = w.requests * asked_w + w.comfort * self.comfort_w - w.cost * dear_w
            wanted: Watts = aims / w.quadratic
            return wanted
        return -_ALONE * dear_w if self.pays else total_w

    def agreeable(self, asked_w: Watts, near_w: Watts) -> Watts:
        """Return the power within the limits that has all aims, and ``near_w`` as a further one."""
        w, near = self.weights, max(self.weights.quadratic, _STEP * self.weights.cost)
        aims = w.requests * asked_w + w.comfort * self.comfort_w + near * near_w
        wanted_w: Watts = aims / (w.quadratic + near)
        if w.cost > 0 and self.buy is not None and self.sell is not None:
            step = w.cost / (w.quadratic + near) * self.flexible_w / self._mean
            draws, feeds = wanted_w - step * self.buy, wanted_w - step * self.sell
            wanted_w = np.where(draws > 0, draws, np.minimum(feeds, 0.0))
        return np.clip(wanted_w, self.low_w, np.maximum(self.high_w, self.low_w))

    def cost(self, asked_w: Watts, total_w: Watts) -> tuple[float, float]:
        """Return by how much limits are exceeded, and the weighted sum of all that is to be small.

        Both in W, the second squared.
        """
        w = self.weights
        over = np.maximum(total_w - self.high_w, 0.0) + np.maximum(self.low_w - total_w, 0.0)
        far = w.requests * _square(total_w - asked_w) + w.self_consumption * _square(total_w)
        far += w.comfort * _square(total_w - self.comfort_w)
        paid = 2.0 * w.cost * self.flexible_w * float((self._price(total_w) * total_w).sum())
        return float(over.sum()), far + paid

    def bounds(self, device: str, rest_w: Watts) -> tuple[Watts, Watts]:
        """Return what a device may draw beside the rest of the house, least and most."""
        return self.low_w - rest_w, np.minimum(self.high_w - rest_w, self.ceiling(device))

    def ceiling(self, device: str) -> Watts:
        """Return what a device may draw at most."""
        free: Watts = np.full(len(self.high_w), np.inf)
        return self.ceilings.get(device, free)

    def _price(self, total_w: Watts) -> Watts:
        """Return the price in each slot by the mean price; 0 without prices."""
        if self.buy is None or self.sell is None:
            return np.zeros(len(total_w))
        price: Watts = np.where(total_w > 0, self.buy, self.sell) / self._mean
        return price

    @property
    def _mean(self) -> float:
        return float(np.abs(self.buy).mean()) or 1.0 if self.buy is not None else 1.0


@dataclass(slots=True)
class Apart:
    """How far a house and its copy were apart in the end, summed up; kept from answer to answer."""

    p_w: Watts | None = None


def answer(  # noqa: PLR0917 - what it is made of
    problems: Mapping[str, Problem],
    base_w: Ints,
    plans: Plans,
    asked_w: Watts,
    purpose: Purpose,
    apart: Apart | None = None,
) -> Plans:
    """Return the best plans for a house's own aims and what is asked of it.

    ``apart`` is what an answer to a request like this one left behind, and spares steps.
    """
    if not problems:
        return dict(plans)
    best, least = dict(plans), purpose.cost(asked_w, _total(base_w, plans))
    ways = _swept(problems, base_w, plans, asked_w, purpose)
    if not purpose.is_plain:
        ways = _shared(problems, base_w, plans, asked_w, purpose, apart or Apart())
    for found in ways:
        cost = purpose.cost(asked_w, _total(base_w, found))
        if cost < least:
            best, least = found, cost
        elif purpose.is_plain:
            break
    return best


def _swept(
    problems: Mapping[str, Problem], base_w: Ints, plans: Plans, asked_w: Watts, purpose: Purpose
) -> Iterator[Plans]:
    """Yield plans that come nearer to one target, device by device, again and again."""
    target_w = purpose.target(asked_w, _total(base_w, plans))
    for _ in range(_SWEEPS * len(problems)):
        plans = _sweep(problems, base_w, plans, target_w, purpose)
        yield plans


def _shared(  # noqa: PLR0917 - what it is made of
    problems: Mapping[str, Problem],
    base_w: Ints,
    plans: Plans,
    asked_w: Watts,
    purpose: Purpose,
    apart: Apart,
) -> Iterator[Plans]:
    """Yield plans whose sum comes to agree with a copy of it that pays and keeps to the limits.

    In each step each device takes its part of what is between the two. At last they fill up in
    turn what limits leave.
    """
    total_w, free = _total(base_w, plans), np.full(len(base_w), -np.inf)
    tries = _TRIES if apart.p_w is None else _TRIES_WARM
    apart_w = np.zeros(len(base_w)) if apart.p_w is None else apart.p_w
    for _ in range(tries):
        copy_w = purpose.agreeable(asked_w, total_w + apart_w)
        apart_w = apart_w + total_w - copy_w
        part_w = (copy_w - apart_w - total_w) / len(problems)
        plans = plans | {
            device: within(problem, plans[device] + part_w, free, purpose.ceiling(device))
            for device, problem in problems.items()
        }
        yield plans
        before_w, total_w = total_w, _total(base_w, plans)
        still, agreed = _square(total_w - before_w), _square(total_w - copy_w)
        if max(still, agreed) <= _NEAR**2 * _square(copy_w):
            break
    apart.p_w = apart_w
    yield _sweep(problems, base_w, plans, copy_w, purpose)


def _sweep(
    problems: Mapping[str, Problem], base_w: Ints, plans: Plans, target_w: Watts, purpose: Purpose
) -> Plans:
    plans = dict(plans)
    for device in sorted(problems):
        rest = base_w + sum(p for name, p in plans.items() if name != device)
        low, high = purpose.bounds(device, rest.astype(float))
        plans[device] = within(problems[device], target_w - rest, low, high)
    return plans


def within(problem: Problem, target_w: Watts, low_w: Watts, high_w: Watts) -> Ints:
    """Return the plan nearest to the target of those within the limits, as far as there are any.

    Ascends to the limits' prices (multipliers): what is above a limit lowers the target there. The
    distance is strongly convex, so steps of its own size converge.
    """
    high_w = np.maximum(high_w, low_w)
    best = found = problem.plan(target_w)
    least = _over(found, low_w, high_w)
    above, below = np.zeros(len(found)), np.zeros(len(found))
    for _ in range(_ASCENTS):
        if least == 0.0:
            break
        above = np.maximum(above + found - high_w, 0.0)
        below = np.maximum(below + low_w - found, 0.0)
        found = problem.plan(target_w - above + below)
        over = _over(found, low_w, high_w)
        if over < least:
            best, least = found, over
    return best


def _over(p_w: Ints, low_w: Watts, high_w: Watts) -> float:
    return float((np.maximum(p_w - high_w, 0.0) + np.maximum(low_w - p_w, 0.0)).sum())


def _total(base_w: Ints, plans: Plans) -> Watts:
    total: Watts = base_w.astype(float)
    for p_w in plans.values():
        total = total + p_w
    return total


def _square(p_w: Watts) -> float:
    return float(p_w @ p_w)
