"""Reducing several instances to one value, with a time stamp that is defined for each.

====================  ==================================================  ====================
function              value                                               time stamp
====================  ==================================================  ====================
last, first           of the newest, oldest by stamp (written later wins)  its own
min, max              the extreme                                         of the first that has it
mean, sum             of all values                                       of the newest
count                 how many there are                                  of the newest, -1 of none
values                all, each as [time stamp, value], by time           of the newest
integral              ∫ value dt [value·h], a value holds until the next  of the newest
percentile:q          q in 0…100, linear between neighbours               of the newest
====================  ==================================================  ====================

``last``, ``first``, ``count`` and ``values`` take any value, the others numbers only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from fernwatt.timebase import HOUR_MS

__all__ = ["FunctionError", "is_function", "reduce_values"]


class FunctionError(ValueError):
    """An unknown function, or values it cannot take."""


def _stamp(times: Sequence[int]) -> int:
    return max(times)


def _last(times: Sequence[int], values: Sequence[Any]) -> tuple[Any, int]:
    index = max(range(len(times)), key=lambda i: (times[i], i))
    return values[index], times[index]


def _first(times: Sequence[int], values: Sequence[Any]) -> tuple[Any, int]:
    # of two with one stamp the one written later corrects the other
    index = min(range(len(times)), key=lambda i: (times[i], -i))
    return values[index], times[index]


def _values(times: Sequence[int], values: Sequence[Any]) -> tuple[Any, int]:
    order = sorted(range(len(times)), key=lambda i: (times[i], i))
    return [[times[i], values[i]] for i in order], _stamp(times)


def _min(times: Sequence[int], values: Sequence[Any]) -> tuple[Any, int]:
    index = min(range(len(times)), key=lambda i: (values[i], times[i], i))
    return values[index], times[index]


def _max(times: Sequence[int], values: Sequence[Any]) -> tuple[Any, int]:
    index = min(range(len(times)), key=lambda i: (-values[i], times[i], i))
    return values[index], times[index]


def _sum(times: Sequence[int], values: Sequence[Any]) -> tuple[Any, int]:
    return math.fsum(values), _stamp(times)


def _mean(times: Sequence[int], values: Sequence[Any]) -> tuple[Any, int]:
    return math.fsum(values) / len(values), _stamp(times)


def _integral(times: Sequence[int], values: Sequence[Any]) -> tuple[Any, int]:
    order = sorted(range(len(times)), key=lambda i: (times[i], i))
    area = math.fsum(values[a] * (times[b] - times[a]) for a, b in pairwise(order))
    return area / HOUR_MS, _stamp(times)


def _percentile(times: Sequence[int], values: Sequence[Any], q: float) -> tuple[Any, int]:
    ordered = sorted(values)
    place = (len(ordered) - 1) * q / 100
    low = min(int(place), len(ordered) - 1)
    high = min(low + 1, len(ordered) - 1)
    share = place - low
    return ordered[low] * (1 - share) + ordered[high] * share, _stamp(times)


_ANY: dict[str, Callable[[Sequence[int], Sequence[Any]], tuple[Any, int]]] = {
    "last": _last,
    "first": _first,
    "count": lambda times, values: (len(values), _stamp(times)),
    "values": _values,
}
_NUMBERS: dict[str, Callable[[Sequence[int], Sequence[Any]], tuple[Any, int]]] = {
    "min": _min,
    "max": _max,
    "sum": _sum,
    "mean": _mean,
    "integral": _integral,
}


def _quantile(function: str) -> float | None:
    head, _, tail = function.partition(":")
    if head != "percentile" or not tail.replace(".", "", 1).isdecimal() or len(tail) > 12:
        return None
    q = float(tail)
    return q if q <= 100 else None


def is_function(function: str) -> bool:
    """Tell whether there is such a function."""
    return function in _ANY or function in _NUMBERS or _quantile(function) is not None


def reduce_values(
    function: str, times: Sequence[int], values: Sequence[Any]
) -> tuple[Any, int] | None:
    """Return value and time stamp; None where there are no values (``count`` is then 0, -1).

    Raises FunctionError on an unknown function and on values that are not numbers.
    """
    if not is_function(function):
        raise FunctionError(f"unknown function {function!r}")
    if not values:
        return (0, -1) if function == "count" else None
    if function in _ANY:
        return _ANY[function](times, values)
    if not all(type(value) is float or type(value) is int for value in values):
        raise FunctionError(f"{function} takes numbers only")
    try:
        if function in _NUMBERS:
            value, t_ms = _NUMBERS[function](times, values)
        else:
            value, t_ms = _percentile(times, values, _quantile(function) or 0.0)
    except OverflowError as error:
        raise FunctionError(f"{function} overflows") from error
    if not math.isfinite(value):
        raise FunctionError(f"{function} overflows")
    return value, t_ms
