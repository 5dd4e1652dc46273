"""Mean powers of slots out of energy registers that are read now and then."""

from __future__ import annotations

from bisect import bisect_left

from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Register"]

_KEPT = 256


class Register:
    """Readings of one energy register [Wh], in order of the instrument's clock.

    A reading within ``tolerance_ms`` of a slot's boundary counts as taken at it: instruments'
    clocks are off by some seconds. Between two readings the power is taken as constant, so a
    lost reading leaves the mean of the slots it separated.
    """

    def __init__(self, tolerance_ms: int = 10_000) -> None:
        self._tolerance_ms = tolerance_ms
        self._times_ms: list[int] = []
        self._energies_wh: list[float] = []

    def add(self, t_ms: int, energy_wh: float) -> bool:
        """Take a reading; return False if it is not newer than the newest one."""
        boundary = (t_ms + SLOT_MS // 2) // SLOT_MS * SLOT_MS
        if abs(t_ms - boundary) <= self._tolerance_ms:
            t_ms = boundary
        if self._times_ms and t_ms <= self._times_ms[-1]:
            return False
        self._times_ms.append(t_ms)
        self._energies_wh.append(energy_wh)
        if len(self._times_ms) > _KEPT:
            del self._times_ms[: _KEPT // 2], self._energies_wh[: _KEPT // 2]
        return True

    @property
    def newest_ms(self) -> int | None:
        """Return the time of the newest reading."""
        return self._times_ms[-1] if self._times_ms else None

    @property
    def newest_wh(self) -> float | None:
        """Return the newest reading."""
        return self._energies_wh[-1] if self._energies_wh else None

    @property
    def first_slot(self) -> int | None:
        """Return the first slot that lies wholly after the first reading kept."""
        return -(-self._times_ms[0] // SLOT_MS) if self._times_ms else None

    def before(self, t_ms: int) -> float | None:
        """Return the newest reading that is not later than ``t_ms``."""
        at = bisect_left(self._times_ms, t_ms + 1)
        return self._energies_wh[at - 1] if at else None

    def at(self, t_ms: int) -> float | None:
        """Return the register at ``t_ms``, interpolated; None outside the readings."""
        at = bisect_left(self._times_ms, t_ms)
        if at == len(self._times_ms):
            return None
        if self._times_ms[at] == t_ms:
            return self._energies_wh[at]
        if at == 0:
            return None
        before_ms, after_ms = self._times_ms[at - 1], self._times_ms[at]
        share = (t_ms - before_ms) / (after_ms - before_ms)
        return self._energies_wh[at - 1] * (1 - share) + self._energies_wh[at] * share

    def mean_w(self, slot: int) -> float | None:
        """Return the mean power of a slot; None while it is not covered by readings."""
        begin, end = self.at(slot * SLOT_MS), self.at((slot + 1) * SLOT_MS)
        if begin is None or end is None:
            return None
        return (end - begin) * HOUR_MS / SLOT_MS
