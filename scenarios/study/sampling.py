"""Which settings a study visits: all combinations, pairs, or draws."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from fernwatt.streams import stream
from scenarios.study.config import Range, StudyConfig

__all__ = ["count_settings", "settings"]

Setting = dict[str, Any]


def count_settings(config: StudyConfig) -> int:
    """Return how many settings there are, without making them."""
    lists = [values for values in config.parameters.values() if isinstance(values, list)]
    if config.sampling == "random":
        return config.count or 0
    if config.sampling == "list":
        return len(lists[0]) if lists else 1
    return math.prod(len(values) for values in lists)


def settings(config: StudyConfig) -> Iterator[Setting]:
    """Yield the values of all parameters at each point, in a fixed order.

    The values of random sampling depend on ``sampling_seed``, the path and the number of the
    point alone: a larger ``count`` keeps the points there were.
    """
    paths, values = list(config.parameters), list(config.parameters.values())
    if config.sampling == "random":
        for number in range(config.count or 0):
            yield {
                path: _draw(wanted, stream(config.sampling_seed, "study", f"{path}/{number}"))
                for path, wanted in config.parameters.items()
            }
        return
    lists = [wanted for wanted in values if isinstance(wanted, list)]
    combine = (
        itertools.product(*lists)
        if config.sampling == "grid" or not lists
        else zip(*lists, strict=True)
    )
    for combination in combine:
        yield dict(zip(paths, combination, strict=True))


def _draw(wanted: list[Any] | Range, draw: np.random.Generator) -> Any:
    if isinstance(wanted, list):
        return wanted[int(draw.integers(len(wanted)))]
    if wanted.whole and wanted.scale == "linear":
        return int(draw.integers(int(wanted.min), int(wanted.max) + 1))
    share = float(draw.random())
    if wanted.scale == "linear":
        return wanted.min + share * (wanted.max - wanted.min)
    value = wanted.min * (wanted.max / wanted.min) ** share
    return round(value) if wanted.whole else min(value, wanted.max)
