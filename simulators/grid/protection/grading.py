"""Grading of relays in a radial grid: the one nearest to the fault clears first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulators.grid.protection.curves import operate_s

__all__ = ["Place", "grade"]


@dataclass(frozen=True, slots=True)
class Place:
    """A relay: its setting [A], the largest fault current just beyond it [A], who feeds it.

    ``upstream`` is the number of the next relay towards the source, which comes before this one
    (-1: none).
    """

    pickup_a: float
    through_a: float
    upstream: int = -1


def grade(
    places: Sequence[Place], curve: str, margin_s: float = 0.3, least_s: float = 0.1
) -> list[float]:
    """Return the relays' time multipliers.

    A relay takes at least ``least_s`` at its largest current, and ``margin_s`` longer than each
    relay that it feeds, at the largest current beyond that one. At smaller currents the distance
    only grows, as long as settings do not fall towards the source: both times grow, and the
    quotient of the two never falls. ValueError for settings that do fall, relays out of order,
    or a current that a relay does not see.
    """
    wanted: list[list[tuple[float, float]]] = [[(p.through_a, least_s)] for p in places]
    tms = [0.0] * len(places)
    for number in range(len(places) - 1, -1, -1):
        place = places[number]
        tms[number] = max(t_s / _time_s(curve, place, 1.0, i_a) for i_a, t_s in wanted[number])
        if place.upstream < 0:
            continue
        if place.upstream >= number:
            raise ValueError("a relay comes after the one that feeds it")
        if places[place.upstream].pickup_a < place.pickup_a:
            raise ValueError("settings must not fall towards the source")
        at_a = place.through_a
        later_s = _time_s(curve, place, tms[number], at_a) + margin_s
        wanted[place.upstream].append((at_a, later_s))
    return tms


def _time_s(curve: str, place: Place, tms: float, i_a: float) -> float:
    if i_a <= place.pickup_a:
        raise ValueError(f"a relay set to {place.pickup_a} A does not see {i_a} A")
    return float(operate_s(curve, i_a / place.pickup_a, tms))
