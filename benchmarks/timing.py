"""What benchmarks share: the best of several rounds, and the row that tells of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["best_ms", "figure"]


def best_ms(work: Callable[[int], object], count: int, rounds: int = 5) -> float:
    """Return the time of one call [ms]: the mean of ``count`` calls, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        for number in range(count):
            work(number)
        best = min(best, (time.perf_counter() - begin) / count)
    return best * 1e3


def figure(
    name: str, value: float, unit: str, reference: float | None, note: str
) -> dict[str, Any]:
    """Return a figure; its ratio is above 1 where less than the reference is better, and is."""
    ratio = None if reference is None else reference / value
    return {"name": name, "value": value, "unit": unit, "reference": reference, "ratio": ratio,
            "note": note}  # fmt: skip
