"""Reads one JSON object field by field and gathers what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault

__all__ = ["Checker"]


class Checker:
    """Hands out the fields of one object, each checked; faults go to a shared list.

    A faulty field comes back as a harmless value, so that all faults are found in one go.
    """

    def __init__(self, item: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
        self._item, self._path, self.faults = item, path, faults
        self._used: set[str] = set()

    def fault(self, field: str, message: str, hint: str = "") -> None:
        """Note a fault of one field."""
        self.faults.append(Fault(f"{self._path}.{field}", message, hint))

    def text(self, field: str, default: str | None = None) -> str:
        """Return a text."""
        value = self._get(field, default)
        if value is not None and not isinstance(value, str):
            self.fault(field, f"must be a text, not {value!r}")
        return str(value)

    def number(
        self,
        field: str,
        default: float | None = None,
        *,
        least: float = -math.inf,
        above: float = -math.inf,
        most: float = math.inf,
    ) -> float:
        """Return a finite number within the limits (``above`` excluded)."""
        value = self._get(field, default)
        if value is None:
            return 1.0
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            self.fault(field, f"must be a number, not {value!r}")
            return 1.0
        if not math.isfinite(value):
            self.fault(field, f"must be a finite number, not {value}")
            return 1.0
        if value < least or value <= above or value > most:
            low = f"at least {least:g}" if least > -math.inf else ""
            low = f"more than {above:g}" if above > -math.inf else low
            high = f"at most {most:g}" if most < math.inf else ""
            limits = " and ".join(part for part in (low, high) if part)
            self.fault(field, f"must be {limits}, not {value:g}")
            return abs(float(value)) or 1.0  # so that it brings no further faults
        return float(value)

    def integer(self, field: str, default: int | None = None, *, least: int | None = None) -> int:
        """Return an integer, not below ``least``."""
        value = self._get(field, default)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            self.fault(field, f"must be an integer, not {value!r}")
            return 0
        if least is not None and value < least:
            self.fault(field, f"must be at least {least}, not {value}")
        return int(value)

    def series(self, field: str, slots: int, default: float | None = None) -> NDArray[np.float64]:
        """Return the first ``slots`` values of a profile; all of them finite."""
        value = self._get(field, default)
        if value is None:
            return np.zeros(slots)
        if default is not None and value is default:
            return np.full(slots, default)
        array = np.asarray(value, dtype=float)
        if array.ndim != 1 or len(array) < slots:
            size = len(array) if array.ndim == 1 else f"shape {array.shape}"
            self.fault(field, f"has {size} values", f"the run needs {slots} quarters of an hour")
            return np.zeros(slots)
        wrong = np.flatnonzero(~np.isfinite(array[:slots]))
        if len(wrong):
            self.fault(f"{field}[{wrong[0]}]", f"must be a finite number, not {array[wrong[0]]}")
            return np.zeros(slots)
        return array[:slots].copy()

    def children(self, field: str) -> Iterator[Checker]:
        """Yield a checker for each object of a list."""
        value = self._get(field, [])
        for number, item in enumerate(value):
            yield Checker(item, f"{self._path}.{field}[{number}]", self.faults)

    def child(self, field: str) -> Checker | None:
        """Return a checker for an object within this one; None where there is none."""
        self._used.add(field)
        item = self._item.get(field)
        if item is None:
            return None
        if not isinstance(item, Mapping):
            self.fault(field, f"must be an object, not {item!r}")
            return None
        return Checker(item, f"{self._path}.{field}", self.faults)

    def rising(self, field: str, default: Sequence[float]) -> tuple[float, ...]:
        """Return as many finite numbers as ``default`` has, each larger than the one before."""
        value = self._get(field, default)
        size = len(default)
        if not isinstance(value, list | tuple) or len(value) != size:
            self.fault(field, f"must be {size} numbers, not {value!r}")
            return tuple(default)
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in value):
            self.fault(field, f"must be finite numbers, not {value!r}")
            return tuple(default)
        if any(a >= b for a, b in pairwise(value)):
            self.fault(field, f"must rise from one to the next, not {list(value)!r}")
            return tuple(default)
        return tuple(float(v) for v in value)

    def other(self, field: str, default: Any = None) -> Any:
        """Return a field that the caller checks."""
        self._used.add(field)
        return self._item.get(field, default)

    def no_others(self) -> None:
        """Note every field that nobody asked for."""
        for field in sorted(set(self._item) - self._used):
            self.fault(field, "unknown field", f"known are {', '.join(sorted(self._used))}")

    def _get(self, field: str, default: Any) -> Any:
        self._used.add(field)
        value = self._item.get(field, default)
        if value is None:
            self.fault(field, "is missing")
        return value
