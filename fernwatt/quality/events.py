"""Dips, swells and interruptions, from voltages that hold until the next ones.

EN 50160 with the polyphase rules of IEC 61000-4-30: a dip lasts from the first phase below its
threshold until all are above it by the hysteresis, a swell likewise; an interruption lasts while
all phases are below its threshold. What goes into an interruption is a dip as well, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["DIP", "INTERRUPTION", "SWELL", "Thresholds", "VoltageEvent", "VoltageWatch"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

DIP, SWELL, INTERRUPTION = "dip", "swell", "interruption"
_KINDS = (DIP, SWELL, INTERRUPTION)
_GOES_ON = -1


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds of the nominal voltage [pu]; an event ends when one is left by ``hysteresis_pu``.

    What comes back within ``rebound_us`` has not ended: half a period of 50 Hz, which is how
    often instruments look.
    """

    dip_pu: float = 0.90
    swell_pu: float = 1.10
    interruption_pu: float = 0.05
    hysteresis_pu: float = 0.02
    rebound_us: int = 10_000


@dataclass(frozen=True, slots=True)
class VoltageEvent:
    """One event at ``place`` (a row); it holds from ``begin_us`` until ``end_us``.

    ``extreme_pu`` is the lowest voltage of any phase, of a swell the highest; ``phases`` (0, 1, 2)
    are those that passed the threshold. ``deep``: a dip during which the supply was interrupted.
    ``complete``: it ended by itself. ``cause`` and ``ended_by`` are what ``see`` was told.
    """

    kind: str
    place: int
    begin_us: int
    end_us: int
    extreme_pu: float
    phases: tuple[int, ...]
    deep: bool
    complete: bool
    cause: str
    ended_by: str


class VoltageWatch:
    """Finds events at n places of up to three phases, ``present[n, 3]``."""

    def __init__(self, present: BoolArray, thresholds: Thresholds | None = None) -> None:
        self._present, self._limits = present, thresholds or Thresholds()
        n = len(present)
        self._active = np.zeros((3, n), dtype=bool)
        self._begin_us = np.zeros((3, n), dtype=np.int64)
        self._extreme_pu = np.zeros((3, n))
        self._phases = np.zeros((3, n, 3), dtype=bool)
        self._deep = np.zeros(n, dtype=bool)
        self._over_us = np.full((3, n), _GOES_ON)  # since when it seems to have ended
        self._ended_by: dict[tuple[int, int], str] = {}
        self._cause: dict[tuple[int, int], str] = {}

    @property
    def disturbed(self) -> BoolArray:
        """Where an event is under way, ``[n]``."""
        return np.asarray(self._active.any(axis=0))

    def see(self, t_us: int, u_pu: FloatArray, cause: str = "") -> list[VoltageEvent]:
        """Let voltages ``[n, 3]`` [pu] hold from ``t_us`` on; return the events known to be over.

        A voltage that is not there (a dead conductor) is 0.
        """
        limits, slack = self._limits, self._limits.hysteresis_pu
        lowest = np.where(self._present, u_pu, np.inf)
        highest = np.where(self._present, u_pu, -np.inf)
        low, high = lowest.min(axis=1), highest.max(axis=1)
        begins = np.stack(
            (low < limits.dip_pu, high > limits.swell_pu, high < limits.interruption_pu)
        )
        stays = np.stack(
            (
                low < limits.dip_pu + slack,
                high > limits.swell_pu - slack,
                high < limits.interruption_pu + slack,
            )
        )
        if not (begins.any() or self._active.any()):
            return []
        self._seem_over(t_us, begins, stays, cause)
        goes_on = self._over_us == _GOES_ON
        ended = self._take(t_us, ~goes_on & (t_us - self._over_us >= limits.rebound_us))
        self._begin(t_us, begins & ~self._active, cause)
        extreme = np.stack((low, high, low))
        more = np.where(np.array([[False], [True], [False]]), extreme > self._extreme_pu,
                        extreme < self._extreme_pu)  # fmt: skip
        self._extreme_pu = np.where(self._active & more, extreme, self._extreme_pu)
        passed = np.stack(
            (
                lowest < limits.dip_pu,
                highest > limits.swell_pu,
                highest < limits.interruption_pu,
            )
        )
        self._phases |= passed & self._present & self._active[:, :, None]
        self._deep |= self._active[2]
        return ended

    def close(self, t_us: int) -> list[VoltageEvent]:
        """Return what is still under way, as it is at the end."""
        return self._take(t_us, self._active.copy())

    def _seem_over(self, t_us: int, begins: BoolArray, stays: BoolArray, cause: str) -> None:
        """Note which events seem to end now, and which that seemed to go on."""
        limits, goes_on = self._limits, self._over_us == _GOES_ON
        late = ~goes_on & (t_us - self._over_us >= limits.rebound_us)
        self._over_us[~goes_on & ~late & begins] = _GOES_ON
        new = self._active & goes_on & ~stays
        self._over_us[new] = t_us
        for kind, place in np.argwhere(new).tolist():
            self._ended_by[kind, place] = cause

    def _begin(self, t_us: int, new: BoolArray, cause: str) -> None:
        self._active |= new
        self._begin_us[new] = t_us
        self._phases[new] = False
        self._extreme_pu[:] = np.where(
            new, np.array([[np.inf], [-np.inf], [np.inf]]), self._extreme_pu
        )
        self._deep &= ~new[0]
        for kind, place in np.argwhere(new).tolist():
            self._cause[kind, place] = cause

    def _take(self, t_us: int, over: BoolArray) -> list[VoltageEvent]:
        """Return events that are over, or, where they did not seem to be, end at ``t_us``."""
        events = []
        for kind, place in np.argwhere(over).tolist():
            end_us = int(self._over_us[kind, place])
            complete = end_us != _GOES_ON
            events.append(
                VoltageEvent(
                    kind=_KINDS[kind], place=place, begin_us=int(self._begin_us[kind, place]),
                    end_us=end_us if complete else t_us,
                    extreme_pu=float(self._extreme_pu[kind, place]),
                    phases=_numbers(self._phases[kind, place]),
                    deep=kind == 0 and bool(self._deep[place]), complete=complete,
                    cause=self._cause.pop((kind, place)),
                    ended_by=self._ended_by.pop((kind, place), "") if complete else "",
                )
            )  # fmt: skip
        self._active &= ~over
        self._over_us[over] = _GOES_ON
        return events


def _numbers(flags: Sequence[bool] | BoolArray) -> tuple[int, ...]:
    return tuple(int(number) for number in np.flatnonzero(flags))
