"""The cost of a link as a modem guesses it from the level at which it hears a neighbour."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from simulators.network.air import Air
from simulators.network.stack import frame_sizes
from simulators.network.technologies import MediumTechnology

__all__ = ["Quality"]

_TYPICAL_BYTES = 50  # payload of a frame that the guess is for
_LEAST = 1e-6


@runtime_checkable
class Graded(Protocol):
    """An air that knows how likely a frame gets through when nothing disturbs it."""

    def chance(self, sender: int, receiver: int, size: int) -> float:
        """Return the probability that a frame of ``size`` bytes gets through."""


class Quality:
    """Expected transmissions from level: the modem's own error curve, read backwards.

    Contiki-NG and Wi-SUN start from the received level too (guess_etx_from_rssi; RSL).
    """

    __slots__ = ("_air", "_even", "_size")

    def __init__(self, air: Air, technology: MediumTechnology) -> None:
        self._air = air if isinstance(air, Graded) else None
        self._size = frame_sizes(technology, _TYPICAL_BYTES)[0]
        self._even = 1.0 / max(_LEAST, 1.0 - technology.error)

    def etx(self, sender: int, receiver: int) -> float:
        """Return the transmissions expected between two stations, by the chances of both ways.

        A frame's acknowledgement comes back the other way, and so does what is sent down (De Couto
        et al., MobiCom 2003). Noise at one end alone makes a link bad.
        """
        if self._air is None:
            return self._even
        there = self._air.chance(sender, receiver, self._size)
        back = self._air.chance(receiver, sender, self._size)
        return 1.0 / max(_LEAST, there * back)
