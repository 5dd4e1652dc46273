"""Planner of devices that are on or off and keep a temperature: boilers, heat pumps, CHP plants.

With s the content (a temperature, or anything else that must stay within limits) and u = 0 or 1,

    minimise sum((on_w u - target)**2)  with  s' = keep s + drift + gain u,  low <= s' <= high

Solved by dynamic programming over contents on a grid, the cost-to-go linear between its points; the
powers are then found forwards with the content itself. What is used over the horizon is bound by a
price of being on, by which the number of slots on comes to what is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from controllers.balancing.planners import Watts

__all__ = ["Switched", "switch_on"]

_LEVELS = 48
_TRIES, _STEP, _NEAR = 4, 0.4, 1.0
_HARD = 100.0  # a unit outside of the limits costs so many times what a slot can


@dataclass(frozen=True, slots=True)
class Switched:
    """A device on or off over a horizon of n slots; all but ``start`` and ``keep`` are ``[n]``.

    ``on_w`` is what it draws when on (negative: feeds in), ``start`` its content, ``low`` and
    ``high`` the limits at the end of each slot. It is not switched on above ``most_on``. ``count``
    is how many slots it is to be on; None: any.
    """

    on_w: Watts
    start: float
    keep: float
    drift: Watts
    gain: Watts
    low: Watts
    high: Watts
    most_on: float
    count: float | None
    _grid: tuple[NDArray[np.int64], Watts, Watts, float, float] = field(init=False)

    def __post_init__(self) -> None:
        bottom = float(min(self.low.min(), self.start)) - 0.5
        top = float(max(self.high.max(), self.start)) + 0.5
        step = (top - bottom) / (_LEVELS - 1)
        levels = bottom + step * np.arange(_LEVELS)
        on = np.array([0.0, 1.0])[None, :, None]
        after = self.keep * levels + self.drift[:, None, None] + self.gain[:, None, None] * on
        outside = self.outside(after)
        outside += on * np.maximum(levels - self.most_on, 0.0)
        place = np.clip((after - bottom) / step, 0.0, _LEVELS - 1.0)
        below = np.minimum(place.astype(np.int64), _LEVELS - 2)
        object.__setattr__(self, "_grid", (below, place - below, outside, bottom, step))

    def outside(self, after: Watts) -> Watts:
        """Return how far contents ``[n, ...]`` after each slot are outside of the limits."""
        shape = (-1,) + (1,) * (after.ndim - 1)
        out: Watts = np.maximum(self.low.reshape(shape) - after, 0.0)
        return out + np.maximum(after - self.high.reshape(shape), 0.0)

    def course(self, on: NDArray[np.bool_]) -> Watts:
        """Return the content at the end of each slot."""
        content, out = self.start, np.empty(len(on))
        moved = self.drift + self.gain * on
        for t, change in enumerate(moved.tolist()):
            content = self.keep * content + change
            out[t] = content
        return out

    def thermostat(self, middle: float, half: float, *, runs: bool) -> NDArray[np.bool_]:
        """Return when a thermostat has it on; ``runs``: it is on now."""
        upwards = 1.0 if self.gain.sum() >= 0.0 else -1.0
        content, on = self.start, np.zeros(len(self.drift), dtype=bool)
        for t, (drift, gain) in enumerate(
            zip(self.drift.tolist(), self.gain.tolist(), strict=True)
        ):
            off = upwards * (content - middle)
            runs = off < -half or (runs and off < half)
            on[t] = runs
            content = self.keep * content + drift + gain * runs
        return on

    def best(self, cost: Watts) -> NDArray[np.bool_]:
        """Return when to be on, where that costs ``cost[n]`` more than to be off."""
        below, share, outside, bottom, step = self._grid
        hard = _HARD * (1.0 + float(np.abs(cost).max(initial=0.0)))
        own = hard * outside
        own[:, 1] += cost[:, None]
        n = len(cost)
        to_go = np.zeros((n + 1, _LEVELS))
        for t in range(n - 1, -1, -1):
            later = to_go[t + 1]
            low = later.take(below[t])
            high = later.take(below[t] + 1)
            both = own[t] + low + share[t] * (high - low)
            np.minimum(both[0], both[1], out=to_go[t])
        return self._forward(cost, hard, to_go, bottom, step)

    def _forward(
        self, cost: Watts, hard: float, to_go: Watts, bottom: float, step: float
    ) -> NDArray[np.bool_]:
        columns = (cost, self.drift, self.gain, self.low, self.high)
        on = np.zeros(len(cost), dtype=bool)
        content = self.start
        for t, (price, drift, gain, low, high) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            later, totals, ends = to_go[t + 1], [], []
            for runs in (0.0, 1.0):
                end = self.keep * content + drift + gain * runs
                place = min(max((end - bottom) / step, 0.0), _LEVELS - 1.0)
                i = min(int(place), _LEVELS - 2)
                far = max(low - end, 0.0) + max(end - high, 0.0)
                far += runs * max(content - self.most_on, 0.0)
                ahead = float(later[i]) + (place - i) * float(later[i + 1] - later[i])
                totals.append(runs * price + hard * far + ahead)
                ends.append(end)
            on[t] = totals[1] < totals[0]
            content = ends[int(on[t])]
        return on


def switch_on(device: Switched, target_w: Watts) -> NDArray[np.bool_]:
    """Return the slots in which to be on, for the profile nearest to the target."""
    cost = device.on_w * (device.on_w - 2.0 * target_w)
    if device.count is None:
        return device.best(cost)
    ordered, wanted = np.sort(cost), device.count
    # without limits the cheapest slots would do; limits take a lower or a higher price
    price = float(ordered[min(max(round(wanted) - 1, 0), len(cost) - 1)])
    step = _STEP * (float(cost.std()) + 1.0)
    least, best = np.inf, np.zeros(len(cost), dtype=bool)
    before: tuple[float, float] | None = None
    for turn in range(_TRIES):
        found = device.best(cost - price)
        off = float(found.sum()) - wanted
        if abs(off) < least:
            best, least = found, abs(off)
        if abs(off) <= _NEAR or (before is not None and before[1] == off):
            break  # near enough, or limits leave no choice
        ahead = price - off * step * 4.0**turn
        if before is not None and before[1] * off < 0.0:
            ahead = price - off * (price - before[0]) / (off - before[1])
        before, price = (price, off), ahead
    return best
