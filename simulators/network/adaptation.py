"""Modulation by link: the fastest way to get a frame through at the level of its receiver.

Receivers of G3-PLC tell senders by which modulation to send to them (tone mapping), those of
PRIME 1.4 likewise. Here a sender takes, message by message, the mode in which a byte of a frame
of usual size takes the least time on the mean, repetitions included. What goes to all goes in the
technology's own mode, and what nobody could get through.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from simulators.network import phy
from simulators.network.stack import Coster

if TYPE_CHECKING:
    from simulators.network.spread import Spread
    from simulators.network.technologies import MediumTechnology

__all__ = ["Adaptation", "Scheme", "whole"]

_USUAL_BYTES = 100
_STEPS_PER_DB = 2
_HOPELESS = 0.01  # the technology's own mode is taken, which should be its surest


class Scheme(NamedTuple):
    """A mode with what messages cost in it and how frames fail."""

    mode: str
    costs: Coster
    error: phy.PacketErrors


class Adaptation:
    """The schemes of a technology on an air; the best is found once per half decibel."""

    __slots__ = ("_air", "_best", "_own", "schemes")

    def __init__(self, technology: MediumTechnology, air: Spread) -> None:
        self._air = air
        width_hz = technology.bandwidth_hz or technology.band_high_hz - technology.band_low_hz
        self.schemes = tuple(
            _scheme(technology, mode, width_hz) for mode in phy.modes()[technology.phy]
        )
        self._own = next(it for it in self.schemes if it.mode == technology.mode)
        self._best: dict[int, Scheme] = {}

    def of(self, sender: int, receiver: int) -> Scheme:
        """Return the scheme by which a sender reaches a receiver at the level of now."""
        level_db = min(max(self._air.levels.rows[sender][receiver], -40.0), 100.0)
        step = round(level_db * _STEPS_PER_DB)
        best = self._best.get(step)
        if best is None:
            at_db = step / _STEPS_PER_DB
            best = min(
                self.schemes, key=lambda it: it.costs[_USUAL_BYTES].air_us / _chance(it, at_db)
            )
            if _chance(best, at_db) < _HOPELESS:
                best = self._own
            self._best[step] = best
        return best

    def passage_us(self, size: int, gap_us: int) -> int:
        """Return the least time that a message takes in any mode, a gap before each frame."""
        return min(
            it.costs[size].air_us + gap_us * len(it.costs[size].sizes) for it in self.schemes
        )


def whole(technology: MediumTechnology) -> MediumTechnology:
    """Return a technology whose frames are no larger than its mode can carry."""
    limit = phy.frame_limit_bytes(technology.phy, technology.mode)
    if limit is None or limit >= technology.mtu_bytes:
        return technology
    return replace(technology, mtu_bytes=limit)


def _scheme(technology: MediumTechnology, mode: str, width_hz: float) -> Scheme:
    changed = whole(replace(technology, mode=mode))
    return Scheme(
        mode, Coster(changed, changed.air_us()), phy.PacketErrors(technology.phy, mode, width_hz)
    )


def _chance(scheme: Scheme, level_db: float) -> float:
    """Return the probability that a message of usual size gets through without repetition."""
    through = 1.0
    for size in scheme.costs[_USUAL_BYTES].sizes:
        through *= 1.0 - scheme.error(level_db, size)
    return max(through, 1e-9)
