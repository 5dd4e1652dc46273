"""Random draws of one entity, and the noise that destroys frames."""

from __future__ import annotations

from math import exp
from statistics import NormalDist
from typing import Protocol

import numpy as np

from fernwatt.streams import stream
from simulators.network.technologies import Technology

__all__ = ["Bursts", "Clean", "Draws", "Noise", "Steady", "noise"]

_NORMAL = NormalDist()
_LEAST, _MOST = 8, 1024


class Draws:
    """Uniform numbers of one named stream, drawn in blocks (one at a time costs ten times more).

    Nothing is made before the first draw: most of thousands of nodes are silent for long.
    """

    __slots__ = ("_block", "_name", "_rest", "_stream")

    def __init__(self, seed: int, entity: str) -> None:
        self._name = (seed, entity)
        self._stream: np.random.Generator | None = None
        self._rest: list[float] = []
        self._block = _LEAST

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        if not self._rest:
            if self._stream is None:
                self._stream = stream(self._name[0], "network", self._name[1])
            self._rest = self._stream.random(self._block).tolist()
            self._block = min(2 * self._block, _MOST)
        return self._rest.pop()

    def exponential(self, mean: float) -> float:
        """Return a number of the exponential distribution."""
        return -mean * float(np.log1p(-self.uniform()))

    def lognormal(self, median: float, sigma: float) -> float:
        """Return a number of the lognormal distribution."""
        return median * exp(sigma * _NORMAL.inv_cdf(max(self.uniform(), 1e-300)))


class Noise(Protocol):
    """Decides which frames noise destroys."""

    def destroys(self, now_us: int, size: int) -> bool:
        """Tell whether a frame of ``size`` bytes sent at ``now_us`` is lost; times never fall."""


class Clean:
    """No noise."""

    __slots__ = ()

    def destroys(self, now_us: int, size: int) -> bool:  # noqa: ARG002 - the protocol's
        """Return False."""
        return False


class Steady:
    """Independent losses: a probability per frame and one per bit."""

    __slots__ = ("_ber", "_draws", "_error")

    def __init__(self, error: float, ber: float, draws: Draws) -> None:
        self._error, self._ber, self._draws = error, ber, draws

    def destroys(self, now_us: int, size: int) -> bool:  # noqa: ARG002 - memoryless
        """Draw the fate of one frame."""
        through = 1.0 - self._error
        if self._ber:
            through *= (1.0 - self._ber) ** (8 * size)
        return self._draws.uniform() >= through


class Bursts:
    """Gilbert–Elliott noise in continuous time: good and bad spells of exponential length.

    The state is drawn when a frame asks for it, from the exact transition probability over the
    time since the last frame, so a silent channel costs nothing. It begins stationary.
    """

    __slots__ = ("_asked_us", "_bad", "_bad_share", "_draws", "_errors", "_rate")

    def __init__(self, technology: Technology, draws: Draws) -> None:
        good_us, bad_us = 1000.0 * technology.good_ms, 1000.0 * technology.bad_ms
        self._bad_share = bad_us / (good_us + bad_us)
        self._rate = 1.0 / good_us + 1.0 / bad_us
        self._errors = (
            Steady(technology.error, technology.ber, draws),
            Steady(technology.error_bad, technology.ber, draws),
        )
        self._draws = draws
        self._bad: bool | None = None
        self._asked_us = 0

    def destroys(self, now_us: int, size: int) -> bool:
        """Draw the state of the channel, then the fate of one frame."""
        share = self._bad_share
        if self._bad is not None:
            memory = exp(-self._rate * (now_us - self._asked_us))
            share += ((1.0 if self._bad else 0.0) - share) * memory
        self._bad = self._draws.uniform() < share
        self._asked_us = now_us
        return self._errors[self._bad].destroys(now_us, size)


def noise(technology: Technology, seed: int, entity: str) -> Noise:
    """Return the noise of a technology on one carrier."""
    if technology.bad_ms > 0:
        return Bursts(technology, Draws(seed, f"noise/{entity}"))
    if technology.error > 0 or technology.ber > 0:
        return Steady(technology.error, technology.ber, Draws(seed, f"noise/{entity}"))
    return Clean()
