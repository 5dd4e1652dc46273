"""Device planners: the profile of one device that lies nearest to a target profile.

All powers are means over slots [W], positive = drawn from the grid; ``step_h`` is the length of
a slot [h]. Every planner minimises ``sum((x - target)**2)`` under the device's constraints:

=====================  ======================================  =================================
device                 constraints                             method, result
=====================  ======================================  =================================
EV                     0 <= x <= u, sum(x) h = E               fill level on sorted breakpoints,
                                                               O(N log N), exact
EV, smallest power     x = 0 or l <= x <= u, sum(x) h = E      fill level for each number of active
                                                               slots; exact where l and u are the
                                                               same in all slots
battery                -u <= x <= u, 0 <= content <= C, given  marginal value of the content
                       content at the end                      propagated slot by slot,
                                                               O(N log N); see ``plan_battery``
time-shiftable         one start out of several                all starts, exact
=====================  ======================================  =================================

The fill level is the water-filling of van der Klauw et al. (ISGT Europe 2014), the number of
active slots follows Schoot Uiterkamp et al. (SmartGridComm 2018).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fernwatt.errors import FernwattError

__all__ = ["PlanError", "Watts", "plan_battery", "plan_ev", "plan_time_shiftable"]

Watts: TypeAlias = NDArray[np.float64]
_Event = tuple[float, float, float]  # marginal value, jump [Wh], change of slope [Wh per value]

_TOLERANCE = 1e-9


class PlanError(FernwattError):
    """A device cannot do what is asked of it."""


def plan_ev(
    target_w: ArrayLike,
    energy_wh: float,
    p_max_w: ArrayLike,
    step_h: float,
    p_min_w: ArrayLike = 0.0,
) -> Watts:
    """Return the charging profile nearest to ``target_w`` that takes in exactly ``energy_wh``.

    ``p_max_w`` and ``p_min_w`` are scalars or one value per slot (0 where the vehicle is away).
    With ``p_min_w`` > 0 a slot is either 0 or between the two. That result is exact where the
    limits are the same in all slots in which the vehicle is there; otherwise slots are activated
    in the order of their target, which may miss the optimum (measured in
    ``docs/models/balancing.md``).

    Raises PlanError when the energy cannot be taken in, or not with that smallest power.
    """
    target = _profile(target_w, "target_w")
    upper = _limit(p_max_w, target.size, "p_max_w")
    lower = _limit(p_min_w, target.size, "p_min_w")
    total_w = energy_wh / _positive(step_h, "step_h")
    most_w = float(upper.sum())
    slack_w = _TOLERANCE * max(1.0, most_w)
    if not -slack_w <= total_w <= most_w + slack_w:
        raise PlanError(
            f"an EV cannot take in {energy_wh:.1f} Wh: the limits allow 0 to "
            f"{most_w * step_h:.1f} Wh"
        )
    total_w = min(max(total_w, 0.0), most_w)
    if not lower.any() or total_w == 0.0:
        return _fill(target, np.zeros_like(target), upper, total_w)
    return _fill_active(target, lower, upper, total_w)


def plan_battery(  # noqa: PLR0917 - the signature of the specification
    target_w: ArrayLike,
    energy_wh: float,
    capacity_wh: float,
    p_max_w: ArrayLike,
    step_h: float,
    efficiency: float = 1.0,
    *,
    final_wh: float | tuple[float, float] | None = None,
) -> Watts:
    """Return the battery profile nearest to ``target_w``; charging is positive.

    ``energy_wh`` is the content at the start, ``final_wh`` the content at the end: a value, an
    interval ``(least, most)``, or None for the same as at the start. ``efficiency`` holds for
    each direction: of x > 0 the content gains ``efficiency * x``, for x < 0 it loses
    ``x / efficiency``; never both at once.

    The smallest cost of reaching a content is convex in it; its derivative, the marginal value
    of the content, is kept as a sorted list of breakpoints. Each slot adds its own and the
    limits of the content cut off both ends, so the optimum is exact with ``efficiency`` = 1 and
    wherever the content is not a burden. Where it is (a target above what the battery can keep,
    so that charging and discharging at once would burn the surplus) the problem is not convex:
    its convex hull is solved, and of the slots between two instants of a full or empty battery
    at most one is off the optimum. The profile is feasible in every case.

    Raises PlanError when the content at the start or at the end is out of reach.
    """
    target = _profile(target_w, "target_w")
    limit = _limit(p_max_w, target.size, "p_max_w")
    h = _positive(step_h, "step_h")
    if not 0.0 < efficiency <= 1.0:
        raise PlanError(f"efficiency = {efficiency} is not in (0, 1]")
    slack = _TOLERANCE * max(1.0, capacity_wh)
    if not -slack <= energy_wh <= capacity_wh + slack:
        raise PlanError(f"a content of {energy_wh:.1f} Wh is not within 0 and {capacity_wh:.1f} Wh")
    start = min(max(energy_wh, 0.0), capacity_wh)
    least, most = _final(final_wh, start, capacity_wh, slack)
    if efficiency < 1.0 and target.size:
        # Slots of one and the same target would jump at one and the same marginal value.
        target = target + 1e-9 * (1.0 + np.abs(target).max()) * np.arange(target.size)
    store = _Store(start, capacity_wh, least, most, h, float(efficiency))
    return _trace_back(target, limit, _cut_offs(target, limit, store), store)


def plan_time_shiftable(
    target_w: ArrayLike, cycle_w: ArrayLike, starts: Sequence[int]
) -> tuple[int, Watts]:
    """Return the best start slot of an appliance, and its profile over the target's slots.

    ``cycle_w`` is the appliance's profile from its start; ``starts`` are the slots at which it
    may start. All of them are tried; of equal ones the earliest is taken.

    Raises PlanError when ``starts`` is empty or the cycle does not fit within the target's slots.
    """
    target = _profile(target_w, "target_w")
    cycle = _profile(cycle_w, "cycle_w")
    candidates = np.unique(np.asarray(starts, dtype=np.int64))
    if not candidates.size or not cycle.size:
        raise PlanError("a time-shiftable appliance needs a cycle and at least one start")
    if candidates[0] < 0 or candidates[-1] + cycle.size > target.size:
        raise PlanError(
            f"a cycle of {cycle.size} slots that starts in {candidates[0]} to {candidates[-1]} "
            f"does not fit within {target.size} slots"
        )
    # |x - d|^2 = |x|^2 - 2 x.d + |d|^2, where only x.d depends on the start.
    match = np.correlate(target, cycle, mode="valid")[candidates]
    start = int(candidates[int(np.argmax(match))])
    profile = np.zeros_like(target)
    profile[start : start + cycle.size] = cycle
    return start, profile


def _profile(values: ArrayLike, name: str) -> Watts:
    profile = np.asarray(values, dtype=np.float64)
    if profile.ndim != 1 or not np.isfinite(profile).all():
        raise PlanError(f"{name} must be a list of finite numbers")
    return profile


def _limit(values: ArrayLike, size: int, name: str) -> Watts:
    limit = np.asarray(values, dtype=np.float64)
    if limit.ndim == 0:
        limit = np.full(size, float(limit))
    if limit.shape != (size,) or not np.isfinite(limit).all() or (limit < 0).any():
        raise PlanError(f"{name} must be one number >= 0, or one for each of the {size} slots")
    return limit


def _positive(value: float, name: str) -> float:
    if not 0.0 < value < inf:
        raise PlanError(f"{name} = {value} must be a number > 0")
    return float(value)


def _fill(target: Watts, lower: Watts, upper: Watts, total_w: float) -> Watts:
    """Return ``clip(target + z, lower, upper)`` of the level z at which the sum is ``total_w``.

    The sum grows piecewise linearly with z: a slot starts to grow at ``lower - target`` and
    stops at ``upper - target``.
    """
    levels = np.concatenate((lower - target, upper - target))
    order = np.argsort(levels, kind="stable")
    levels = levels[order]
    slopes = np.cumsum(np.where(order < target.size, 1.0, -1.0))
    sums = float(lower.sum()) + np.concatenate(([0.0], np.cumsum(slopes[:-1] * np.diff(levels))))
    at = int(np.searchsorted(sums, total_w, side="left"))
    if at == 0:
        return lower.copy()
    if at == sums.size:
        return upper.copy()
    level = levels[at - 1] + (total_w - sums[at - 1]) / slopes[at - 1]
    filled: Watts = np.minimum(np.maximum(target + level, lower), upper)
    return filled


def _fill_active(target: Watts, lower: Watts, upper: Watts, total_w: float) -> Watts:
    """Return the best fill over all numbers of active slots, taken in the order of the target.

    With equal limits an optimal set of active slots holds those of the highest target: if a
    slot of lower target were active instead, to swap the two would not raise the cost. The
    second order (widest limits first) only serves to find a feasible set where the limits differ.
    """
    best, best_cost = None, inf
    there = np.flatnonzero((upper > 0) & (upper >= lower))
    by_target = there[np.argsort(-target[there], kind="stable")]
    by_width = by_target[np.argsort(-upper[by_target], kind="stable")]
    for order in (by_target,) if np.ptp(upper[there]) == 0.0 else (by_target, by_width):
        least, most = np.cumsum(lower[order]), np.cumsum(upper[order])
        slack = _TOLERANCE * max(1.0, total_w)
        counts = np.flatnonzero((least <= total_w + slack) & (most >= total_w - slack)) + 1
        for count in counts:
            chosen = order[:count]
            filled = _fill(target[chosen], lower[chosen], upper[chosen], total_w)
            cost = float(((filled - target[chosen]) ** 2 - target[chosen] ** 2).sum())
            if cost < best_cost:
                best, best_cost = np.zeros_like(target), cost
                best[chosen] = filled
    if best is None:
        raise PlanError(
            f"no choice of slots gives a sum of {total_w:.1f} W: each is 0 or within p_min_w "
            "and p_max_w"
        )
    return best


def _final(
    final_wh: float | tuple[float, float] | None, start: float, capacity: float, slack: float
) -> tuple[float, float]:
    if final_wh is None:
        return start, start
    least, most = final_wh if isinstance(final_wh, tuple) else (final_wh, final_wh)
    if least > most or most < -slack or least > capacity + slack:
        raise PlanError(f"a final content of {final_wh} Wh is not within 0 and {capacity:.1f} Wh")
    return min(max(least, 0.0), capacity), min(max(most, 0.0), capacity)


def _slot_events(d: float, u: float, h: float, eta: float) -> tuple[_Event, ...]:
    """Return how the energy into the content [Wh] of one slot grows with the marginal value.

    It is ``-h u / eta`` at minus infinity. With a value v per Wh, discharging stands at
    x = d + v / (2 eta), charging at x = d + v eta / 2. For d <= 0 there is a rest between the
    two; for d > 0 the best of both jumps from -r to r at v = -4 d / (eta + 1 / eta).
    """
    if u == 0.0:
        return ()
    discharging, charging = h / (2.0 * eta * eta), h * eta * eta / 2.0
    first, last = 2.0 * eta * (-u - d), 2.0 * (u - d) / eta
    if eta == 1.0:
        return (first, 0.0, charging), (last, 0.0, -charging)
    if d <= 0.0:
        return (
            (first, 0.0, discharging),
            (-2.0 * eta * d, 0.0, -discharging),
            (-2.0 * d / eta, 0.0, charging),
            (last, 0.0, -charging),
        )
    value, r = _jump(d, eta)
    spread = eta + 1.0 / eta
    if r >= u:
        return ((value, h * u * spread, 0.0),)
    return (
        (first, 0.0, discharging),
        (value, h * r * spread, charging - discharging),
        (last, 0.0, -charging),
    )


def _jump(d: float, eta: float) -> tuple[float, float]:
    """Return the marginal value and the power of the jump of a slot with a target > 0."""
    return -4.0 * d / (eta + 1.0 / eta), d * (1.0 - eta * eta) / (1.0 + eta * eta)


@dataclass(frozen=True, slots=True)
class _Store:
    """A battery's content at the start and its limits [Wh], ``least`` and ``most`` at the end."""

    start: float
    capacity: float
    least: float
    most: float
    step_h: float
    efficiency: float

    def limits(self, t: int, slots: int) -> tuple[float, float]:
        """Return the limits of the content at the end of slot ``t``."""
        return (self.least, self.most) if t == slots - 1 else (0.0, self.capacity)


def _cut_offs(target: Watts, limit: Watts, store: _Store) -> tuple[list[float], list[float]]:
    """Return, for each slot, the marginal values at which its final content meets its limits."""
    h, eta = store.step_h, store.efficiency
    slack = _TOLERANCE * max(1.0, store.capacity)
    bottom = top = store.start
    events: list[_Event] = []
    low, high = [-inf] * target.size, [inf] * target.size
    for t, (d, u) in enumerate(zip(target.tolist(), limit.tolist(), strict=True)):
        for event in _slot_events(d, u, h, eta):
            insort(events, event)
        bottom, top = bottom - h * u / eta, top + h * u * eta
        floor, ceiling = store.limits(t, target.size)
        if top < floor - slack or bottom > ceiling + slack:
            raise PlanError(
                f"the battery can end with {max(bottom, 0.0):.1f} to "
                f"{min(top, store.capacity):.1f} Wh, "
                f"not with {floor:.1f} to {ceiling:.1f} Wh"
            )
        if bottom < floor:
            low[t] = _cut_low(events, bottom, floor)
            bottom = floor
        if top > ceiling:
            high[t] = _cut_high(events, top, ceiling)
            top = ceiling
    return low, high


def _cut_low(events: list[_Event], value: float, floor: float) -> float:
    """Cut off what lies below ``floor``; return the marginal value at which it is met."""
    slope, before = 0.0, -inf
    for i, (mu, jump, change) in enumerate(events):
        if slope > 0.0:
            value += slope * (mu - before)
            if value >= floor:
                cut = max(mu - (value - floor) / slope, before)
                events[:i] = [(cut, 0.0, slope)]
                return cut
        value += jump
        slope, before = slope + change, mu
        if value >= floor:
            events[: i + 1] = [(mu, value - floor, slope)]
            return mu
    events.clear()  # the floor is the top itself, but for rounding
    return before


def _cut_high(events: list[_Event], value: float, ceiling: float) -> float:
    """Cut off what lies above ``ceiling``; return the marginal value at which it is met."""
    slope, after = 0.0, inf
    for i in range(len(events) - 1, -1, -1):
        mu, jump, change = events[i]
        if slope > 0.0:
            value -= slope * (after - mu)
            if value <= ceiling:
                cut = min(mu + (ceiling - value) / slope, after)
                events[i + 1 :] = [(cut, 0.0, -slope)]
                return cut
        value -= jump
        slope, after = slope - change, mu
        if value <= ceiling:
            events[i:] = [(mu, ceiling - value, -slope)]
            return mu
    events.clear()
    return after


def _trace_back(
    target: Watts, limit: Watts, cuts: tuple[list[float], list[float]], store: _Store
) -> Watts:
    """Return the powers, from the last slot back: the value changes only at a full or empty one."""
    eta = store.efficiency
    mu, values = 0.0, np.empty_like(target)
    bounds: dict[int, float] = {}
    for t in range(target.size - 1, -1, -1):
        floor, ceiling = store.limits(t, target.size)
        if mu < cuts[0][t]:
            mu, bounds[t] = cuts[0][t], floor
        elif mu > cuts[1][t]:
            mu, bounds[t] = cuts[1][t], ceiling
        elif floor == ceiling:
            bounds[t] = floor
        values[t] = mu
    if eta == 1.0:
        return np.clip(target + values / 2.0, -limit, limit)
    discharge = np.clip(target + values / (2.0 * eta), -limit, 0.0)
    charge = np.clip(target + values * eta / 2.0, 0.0, limit)
    jumps = -4.0 * target / (eta + 1.0 / eta)
    power = np.where(target > 0.0, np.where(values < jumps, discharge, charge), discharge + charge)
    known = sorted(bounds)
    for t in np.flatnonzero((target > 0.0) & (values == jumps) & (limit > 0.0)).tolist():
        power[t] = _rest_of_segment(power, t, known, bounds, store)
    return power


def _rest_of_segment(
    power: Watts, t: int, known: list[int], bounds: dict[int, float], store: _Store
) -> float:
    """Return the power that slot ``t`` is left with between two slots of ``known`` content."""
    h, eta = store.step_h, store.efficiency
    after = bisect_left(known, t)
    begin, end = known[after - 1] if after else -1, known[after]
    others = np.concatenate((power[begin + 1 : t], power[t + 1 : end + 1]))
    gained_wh = h * float(np.where(others > 0.0, others * eta, others / eta).sum())
    energy_wh = bounds[end] - bounds.get(begin, store.start) - gained_wh
    return energy_wh / (h * eta) if energy_wh > 0.0 else energy_wh * eta / h
