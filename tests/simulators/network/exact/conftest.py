"""What the tests against exact results share: an estimate, its interval, and how it is judged.

Most estimates are made in two phases. The kernel carries some thousands of messages, and a
recursion of a few lines in numpy (Lindley's for waiting, and its like) is applied to the very
same arrivals; then the recursion alone takes tens of millions of further arrivals. The estimate
is the mean of what the kernel has more than the recursion, plus the recursion's long mean. That
is unbiased for the kernel whatever the recursion, and its interval comes from both parts: where
the kernel departs from the theory, the first part tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy.stats import t as student

SEED = 729_104_583  # drawn once
CONFIDENCE = 0.999


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate with its interval of 99.9 %, and the exact value that it is held to."""

    name: str
    exact: float
    value: float
    half_width: float
    limit: float = 0.02

    @property
    def holds(self) -> bool:
        """Tell whether the exact value lies within the interval."""
        return abs(self.value - self.exact) <= self.half_width + 1e-9 * self.exact

    @property
    def sharp(self) -> bool:
        """Tell whether the interval is narrow enough to tell anything."""
        return self.half_width <= self.limit * self.exact

    def __str__(self) -> str:
        """Return what is said when it fails."""
        return f"{self.name}: {self.value:.5g} ± {self.half_width:.2g}, exact {self.exact:.5g}"


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean and its variance, from independent batches."""

    value: float
    variance: float
    batches: int

    @classmethod
    def of(cls, batches: ArrayLike) -> Mean:
        """Return the mean of batch means."""
        them = np.asarray(batches, float).ravel()
        return cls(float(them.mean()), float(them.var(ddof=1)) / len(them), len(them))

    @classmethod
    def over(cls, values: ArrayLike, batches: int = 50) -> Mean:
        """Return the mean of a sequence, cut into batches."""
        them = np.asarray(values, float)
        return cls.of(them[: len(them) // batches * batches].reshape(batches, -1).mean(axis=1))

    def __add__(self, other: Mean) -> Mean:
        """Return the sum of two independent means."""
        fewer = min(self.batches, other.batches)
        return Mean(self.value + other.value, self.variance + other.variance, fewer)

    def times(self, factor: float) -> Mean:
        """Return a multiple."""
        return Mean(self.value * factor, self.variance * factor**2, self.batches)

    def figure(self, name: str, exact: float, limit: float = 0.02) -> Figure:
        """Return the figure with Student's interval."""
        quantile = float(student.ppf(0.5 + CONFIDENCE / 2, self.batches - 1))
        return Figure(name, exact, self.value, quantile * self.variance**0.5, limit)


@pytest.fixture(scope="session")
def mean() -> type[Mean]:
    """Return the class of means."""
    return Mean


@pytest.fixture(scope="session")
def seed() -> int:
    """Return the seed of all draws."""
    return SEED


@pytest.fixture(scope="session")
def agrees() -> Callable[[list[Any]], None]:
    """Return the judgement: every figure sharp, and its exact value within the interval."""

    def judge(figures: list[Any]) -> None:
        blunt = [str(it) for it in figures if not it.sharp]
        assert not blunt, f"too short a run to tell anything: {blunt}"
        wrong = [str(it) for it in figures if not it.holds]
        assert not wrong, wrong

    return judge


@pytest.fixture(scope="session")
def differs() -> Callable[[list[Any]], None]:
    """Return the judgement on what was made slower: at least one figure must tell."""

    def judge(figures: list[Any]) -> None:
        assert not all(it.holds for it in figures), [str(it) for it in figures]

    return judge
