"""The mean field of CSMA/CA: how often a station finds the medium busy, and meets another."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

from simulators.network.technologies import MediumTechnology

__all__ = ["Contention", "Field"]

_STEPS, _ROUNDS, _FULL = 64, 30, 0.97


class Field(NamedTuple):
    """What a station meets: probabilities per sensing and per transmission, length of a frame."""

    busy: float
    collision: float
    held_us: float


class Contention:
    """The fields of a technology, each worked out once for a step of load and of frame length."""

    __slots__ = ("_answer_us", "_known", "_technology")

    def __init__(self, technology: MediumTechnology) -> None:
        self._technology = technology
        self._answer_us = technology.ack_gap_us + technology.ack_us if technology.ack_us else 0
        self._known: dict[tuple[int, int], Field] = {}

    def at(self, frame_us: float, rate: float) -> Field:
        """Return the field at ``rate`` frames begun per microsecond of ``frame_us`` each."""
        held_us = frame_us + self._answer_us
        key = (int(_STEPS * rate * held_us + 0.5), int(held_us / 64.0 + 0.5))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._field(key[0] / _STEPS, 64.0 * (key[1] or 1))
        return found

    def _field(self, load: float, held_us: float) -> Field:
        """Solve for how often a frame is sent: once, and again after each failure.

        The medium is busy as long as all transmissions take. Sensings that find it free come at
        the rate of transmissions, all within the time that it is free; two that are less than
        the turnaround apart meet.
        """
        technology = self._technology
        apart_us = technology.turnaround_us
        busy = collision = 0.0
        times = 1.0
        for _ in range(_ROUNDS):
            busy = min(load * times, _FULL)
            starts = busy / held_us / (1.0 - busy)
            collision = 1.0 - exp(-2.0 * starts * apart_us)
            failure = 1.0 - (1.0 - collision) * (1.0 - technology.error)
            wanted = (1.0 - failure ** (technology.retries + 1)) / (1.0 - failure or 1e-9)
            times += 0.5 * (wanted - times)
        return Field(busy, collision, held_us)
