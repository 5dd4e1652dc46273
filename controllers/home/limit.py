"""What a house does to keep to a limit of what it draws: its vehicles give way."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["shares"]


def shares(limit_w: float, others_w: float, ratings_w: Mapping[str, float]) -> dict[str, float]:
    """Return the power [W] that each vehicle may draw beside ``others_w`` of the house.

    What is left is given out evenly, and no vehicle gets more than its rating: what one does not
    need goes to the others. Where nothing is left all get nothing.
    """
    left_w = max(limit_w - others_w, 0.0)
    given: dict[str, float] = {}
    for number, unit in enumerate(sorted(ratings_w, key=lambda one: (ratings_w[one], one))):
        part_w = min(ratings_w[unit], left_w / (len(ratings_w) - number))
        given[unit] = round(part_w, 1)
        left_w -= part_w
    return given
