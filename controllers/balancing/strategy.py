"""How a house answers a signal: which plans of its devices come nearest to what is asked."""

from __future__ import annotations

from collections.abc import Mapping

from controllers.balancing.devices import Ints, Problem
from controllers.balancing.planners import Watts

__all__ = ["Plans", "improve"]

_SWEEPS = 2

Plans = dict[str, Ints]


def improve(problems: Mapping[str, Problem], base_w: Ints, plans: Plans, target_w: Watts) -> Plans:
    """Return plans whose sum with the base load comes nearer to the target, device by device."""
    plans = dict(plans)
    for _ in range(_SWEEPS if len(problems) > 1 else 1):
        for device in sorted(problems):
            rest = base_w + sum(p for name, p in plans.items() if name != device)
            plans[device] = problems[device].plan(target_w - rest)
    return plans
