"""Differences between the settings of a study, run by run of the same seed.

What a seed does to both runs of a pair falls out of their difference, so that its interval is much
narrower than that of the means, whose runs differ by their seeds as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.text import number
from scenarios.study.intervals import mean_half

if TYPE_CHECKING:
    from scenarios.study.summary import Setting

__all__ = ["Difference", "difference", "reference_of"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of the paired differences of a KPI, half of its 95 % interval, and their number."""

    mean: float | None
    half: float | None
    pairs: int

    @property
    def sure(self) -> bool:
        """Whether the interval does not hold zero."""
        return self.mean is not None and self.half is not None and abs(self.mean) > self.half

    def text(self, unit: str) -> str:
        """Return it as ``+1.2 kW ± 300 W``."""
        sign = "+" if self.mean is not None and self.mean > 0 else ""
        half = "" if self.half is None else f" ± {number(self.half, unit)}"
        return sign + number(self.mean, unit) + half


def difference(setting: Setting, reference: Setting, name: str) -> Difference:
    """Return by how much a KPI of a setting is above that of another, over their common seeds."""
    here, there = setting.known(name), reference.known(name)
    pairs = [here[seed] - there[seed] for seed in sorted(here) if seed in there]
    return Difference(*mean_half(np.array(pairs)), len(pairs))


def reference_of(
    setting: Setting, settings: Sequence[Setting], wanted: Mapping[str, Any]
) -> Setting | None:
    """Return what a setting is held against: with the values ``wanted``, and else its own.

    Without ``wanted`` it is the first setting that has a run. None where there is no such setting,
    or it is the setting itself.
    """
    if wanted:
        key = json.dumps({**setting.values, **wanted})
        found = (other for other in settings if json.dumps(dict(other.values)) == key)
    else:
        found = (
            other
            for other in settings
            if any(result.status == "complete" for _, result in other.points)
        )
    reference = next(found, None)
    return None if reference is setting else reference
