"""Planner of vehicles whose power can be set in steps only, from a least one up.

The semi-continuous plan (``plan_ev``) says in which slots to charge; among these the steps go where
they cost least, which for equal steps is the optimum of that choice of slots. The number of slots
is tried one below and one above as well. It takes in what is asked and up to a step more: the
vehicle ends by itself.
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

from controllers.balancing.planners import PlanError, Watts, plan_ev

__all__ = ["plan_steps"]


def plan_steps(
    target_w: Watts,
    energy_wh: float,
    steps: tuple[float, float, float],
    share: Watts,
    step_h: float,
) -> Watts:
    """Return the charging profile near ``target_w`` [n] of powers in steps.

    ``steps`` are the least power, the step and the most [W]; ``share`` [n] the part of each slot in
    which the vehicle is there. Raises PlanError where ``energy_wh`` cannot be taken in.
    """
    least_w, step_w, most_w = steps
    count = int((most_w - least_w) / step_w + 1e-9)
    upper = share * (least_w + count * step_w)
    relaxed = plan_ev(target_w, energy_wh, upper, step_h, share * least_w)
    there = np.flatnonzero(share > 0)
    order = there[np.lexsort((-target_w[there], relaxed[there] <= 0))]
    active = int((relaxed > 0).sum())
    best, best_cost = None, inf
    for size in {max(active - 1, 1), active, min(active + 1, len(there))}:
        found = _climb(target_w, energy_wh / step_h, order[:size], steps, share)
        if found is not None:
            cost = float((found * (found - 2.0 * target_w)).sum())
            if cost < best_cost:
                best, best_cost = found, cost
    if best is None:
        raise PlanError(f"{energy_wh:.1f} Wh cannot be taken in with those steps")
    return best


def _climb(
    target_w: Watts,
    total_w: float,
    active: NDArray[np.int64],
    steps: tuple[float, float, float],
    share: Watts,
) -> Watts | None:
    """Return the best profile with the active slots at the least power and more; None: too few."""
    least_w, step_w, most_w = steps
    count = int((most_w - least_w) / step_w + 1e-9)
    size = step_w * share[active]
    base = least_w * share[active]
    before = base[:, None] + size[:, None] * np.arange(count)
    price = 2.0 * (before - target_w[active, None]) + size[:, None]
    order = np.argsort(price, axis=None, kind="stable")
    sizes = np.repeat(size, count)[order]
    missing_w = total_w - float(base.sum())
    taken = int(np.searchsorted(np.cumsum(sizes), missing_w - 1e-6)) + 1 if missing_w > 1e-6 else 0
    if taken > order.size:
        return None
    climbed = np.bincount(order[:taken] // max(count, 1), minlength=active.size)
    profile = np.zeros_like(target_w)
    profile[active] = base + size * climbed
    return profile
