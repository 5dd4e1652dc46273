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

__all__ = ["Plans", "Purpose", "answer", "improve"]

_SWEEPS, _TRIES, _ASCENTS = 2, 40, 24

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
    limits of the house, ``ceilings`` those of devices. ``flexible_w`` is the power of its devices.
    """

    weights: Weights
    comfort_w: Watts
    flexible_w: float
    low_w: Watts
    high_w: Watts
    buy: Watts | None = None
    sell: Watts | None = None
    ceilings: Mapping[str, Watts] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether all aims together are one profile to come near to."""
        free = np.isinf(self.low_w).all() and np.isinf(self.high_w).all()
        return bool(free) and not (self.weights.cost > 0 and self.buy is not None)

    def target(self, asked_w: Watts, total_w: Watts) -> Watts:
        """Return the target that stands for all aims but cost; without any, what is drawn now."""
        w = self.weights
        if not w.quadratic:
            return total_w
        return (w.requests * asked_w + w.comfort * self.comfort_w) / w.quadratic

    def agreeable(self, asked_w: Watts, near_w: Watts) -> Watts:
        """Return the power within the limits that has all aims, and ``near_w`` as a further one."""
        w, near = self.weights, max(self.weights.quadratic, self.weights.cost)
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


def answer(
    problems: Mapping[str, Problem], base_w: Ints, plans: Plans, asked_w: Watts, purpose: Purpose
) -> Plans:
    """Return the best plans for a house's own aims and what is asked of it."""
    if not problems:
        return dict(plans)
    ways = _swept if purpose.is_plain else _shared
    best, least = dict(plans), purpose.cost(asked_w, _total(base_w, plans))
    for found in ways(problems, base_w, plans, asked_w, purpose):
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


def _shared(
    problems: Mapping[str, Problem], base_w: Ints, plans: Plans, asked_w: Watts, purpose: Purpose
) -> Iterator[Plans]:
    """Yield plans whose sum comes to agree with a copy of it that pays and keeps to the limits.

    In each step each device takes its part of what is between the two. At last they fill up in
    turn what limits leave.
    """
    total_w, apart_w = _total(base_w, plans), np.zeros(len(base_w))
    free = np.full(len(base_w), -np.inf)
    for _ in range(_TRIES):
        copy_w = purpose.agreeable(asked_w, total_w + apart_w)
        apart_w = apart_w + total_w - copy_w
        part_w = (copy_w - apart_w - total_w) / len(problems)
        plans = plans | {
            device: within(problem, plans[device] + part_w, free, purpose.ceiling(device))
            for device, problem in problems.items()
        }
        yield plans
        total_w = _total(base_w, plans)
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
