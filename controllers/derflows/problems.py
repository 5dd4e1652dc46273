"""What goes wrong with generators and stores in an area, as far as its unit is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Limits", "Problems", "availability", "find_problems"]

States: TypeAlias = Mapping[str, Mapping[str, Any]]
Problems: TypeAlias = dict[tuple[str, str], float]
"""Size of each problem by kind and element."""

_FEEDS_MORE = ("chp",)


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as a problem.

    ``rated_w`` of what feeds the area (0: not known); shares of it fed back (``reverse``); a
    voltage so much above the nominal (``rise``); a share of what was fed in that is lost from one
    look to the next (``lost``), if that is at least ``least_w``.
    """

    rated_w: float = 0.0
    reverse: float = 0.5
    rise: float = 0.08
    lost: float = 0.6
    least_w: float = 2000.0


def find_problems(
    area: str, states: States, p_w: float | None, before_w: Mapping[str, float], limits: Limits
) -> Problems:
    """Return what is wrong now; ``p_w`` is what the area draws, < 0 what it feeds back, and
    ``before_w`` what each generator fed in at the last look.

    ``reverse_flow`` [W]; ``voltage_rise`` at a generator (share of the nominal); ``silent`` and
    ``alarm`` of a generator (1); ``lost`` feed-in [W].
    """
    found: Problems = {}
    for unit, state in sorted(states.items()):
        if state.get("status") in ("silent", "alarm"):
            found[str(state["status"]), unit] = 1.0
        rise = state.get("v_deviation")
        if rise is not None and rise > limits.rise:
            found["voltage_rise", unit] = float(rise)
    if limits.rated_w > 0 and p_w is not None and -p_w > limits.reverse * limits.rated_w:
        found["reverse_flow", area] = float(-p_w)
    heard = [unit for unit, state in states.items() if state.get("status") != "silent"]
    was_w = sum(before_w.get(unit, 0.0) for unit in heard)
    gone_w = was_w - sum(fed_w(states[unit]) for unit in heard)
    if was_w >= limits.least_w and gone_w > limits.lost * was_w:
        found["lost", area] = gone_w
    return found


def fed_w(state: Mapping[str, Any]) -> float:
    """Return what one feeds in [W]."""
    return max(-float(state.get("p_w") or 0.0), 0.0)


def availability(states: States) -> dict[str, float]:
    """Return what those that can be ordered could do now: ``more_w`` drawn (or less fed in),
    ``less_w`` drawn (or more fed in), ``reactive_var`` to either side.
    """
    more_w = less_w = reactive_var = 0.0
    for state in states.values():
        if not state.get("available"):
            continue
        p_w, p_max_w = float(state.get("p_w") or 0.0), float(state.get("p_max_w") or 0.0)
        services = state.get("services") or ()
        if "set_point" in services:
            stores = state.get("kind") == "battery"
            takes = stores or state.get("kind") == "ev"
            more_w += max((p_max_w if takes else 0.0) - p_w, 0.0)
            gives = stores or state.get("kind") in _FEEDS_MORE
            less_w += max(p_w + (p_max_w if gives else 0.0), 0.0)
        if "reactive_set_point" in services:
            reactive_var += float(state.get("q_max_var") or 0.0)
    return {"more_w": more_w, "less_w": less_w, "reactive_var": reactive_var}
